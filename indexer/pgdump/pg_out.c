#include "indexer/pgdump/pg_internal.h"

#include <stdlib.h>

#include "indexer/item.h"

void pg_joint_release(struct pg_joint *joint)
{
	buf_release(&joint->list);
	joint->count = joint->size = 0;
}

void pg_out_release(struct pg_out *out)
{
	pg_joint_release(&out->whole);
	free(out->paths.keys);
	free(out->paths.counts);
	for (size_t i = 0; i < out->dir_count; i++)
		free(out->dirs[i].path);
	free(out->dirs);
	buf_release(&out->path);
}

static int begin_aside(struct pg_out *out, struct err *err)
{
	struct entry e = out->like;
	int r;

	e.size = UINT64_MAX;
	sink_aside(out->sink);
	r = sink_begin(out->sink, span_str("aside"), &e, err);
	return r < 0 ? r : 0;
}

/* All that joint lists, to the end of the file begun. */
static int join_all(struct pg_out *out, struct pg_joint *joint,
		    struct err *err)
{
	struct bytes in = bytes_of(buf_span(&joint->list));
	int r = 0;

	while (r == 0 && bytes_left(&in)) {
		struct content content;
		uint64_t size = bytes_varint(&in);

		item_parse_content(&in, &content);
		if (in.bad)
			return err_set(err, -EIO, "a list in memory changed");
		r = sink_join(out->sink, &content, size, err);
	}
	return r;
}

static int take_last(struct pg_out *out, struct pg_data *ret,
		     struct err *err)
{
	int r = sink_last_content(out->sink, &ret->content, &ret->size);

	ret->number = sink_last_number(out->sink);
	return r < 0 ? err_set(err, r, "a file ended and is not there") : 0;
}

/* Many become one that is aside, so that the list stays short. */
static int fold(struct pg_out *out, struct pg_joint *joint, struct err *err)
{
	struct pg_data data;
	int r = begin_aside(out, err);

	if (r == 0)
		r = join_all(out, joint, err);
	if (r == 0)
		r = sink_end(out->sink, joint->size, err);
	if (r == 0)
		r = take_last(out, &data, err);
	if (r < 0)
		return r;
	buf_clear(&joint->list);
	item_write_end(&data.content, data.size, &joint->list);
	joint->count = 1;
	return buf_check(&joint->list, err);
}

static int joint_add(struct pg_out *out, struct pg_joint *joint,
		     const struct pg_data *data, struct err *err)
{
	if (!data->size)
		return 0;
	item_write_end(&data->content, data->size, &joint->list);
	joint->count++;
	joint->size += data->size;
	if (joint->list.len > PG_JOINT_MAX && joint->count > 1)
		return fold(out, joint, err);
	return buf_check(&joint->list, err);
}

/* Pieces of the text. */

int pg_out_aside(struct pg_out *out, struct pg_joint *also, struct err *err)
{
	int r = begin_aside(out, err);

	if (r < 0)
		return r;
	out->open = true;
	out->size = 0;
	out->also = also;
	buf_clear(&out->path);
	return 0;
}

/* Directories. */

static struct pg_dir *find_dir(struct pg_out *out, struct span path)
{
	/* With a slash it is no file's key. */
	OWNED_BUF struct buf key = BUF_INIT;
	struct pg_dir *more;
	uint32_t *place;

	buf_append(&key, path.data, path.len);
	buf_append_byte(&key, '/');
	place = key.failed ? NULL : pg_path_count(&out->paths, buf_span(&key));
	if (!place || *place)
		return place ? &out->dirs[*place - 1] : NULL;
	if (out->dir_count == out->dir_room) {
		out->dir_room = out->dir_room ? out->dir_room * 2 : 64;
		more = realloc(out->dirs, out->dir_room * sizeof(*more));
		if (!more)
			return NULL;
		out->dirs = more;
	}
	more = &out->dirs[out->dir_count];
	*more = (struct pg_dir){ malloc(path.len + 1), { INT64_MIN, 0 } };
	if (!more->path)
		return NULL;
	memcpy(more->path, path.data, path.len);
	more->path[path.len] = '\0';
	*place = (uint32_t)++out->dir_count;
	return more;
}

/* A file at path was changed then. */
static int note_dirs(struct pg_out *out, struct span path,
		     struct stamp time, struct err *err)
{
	for (size_t i = 0; i < path.len; i++) {
		struct pg_dir *dir;

		if (i > 0 && path.data[i] != '/')
			continue;
		dir = find_dir(out, span_of(path.data, i));
		if (!dir)
			return err_nomem(err);
		if (stamp_cmp(time, dir->newest) > 0)
			dir->newest = time;
	}
	return 0;
}

int pg_out_dirs(struct pg_out *out, struct err *err)
{
	struct entry e = out->like;
	int r = 0;

	e.type = ENTRY_DIR;
	e.size = 0;
	e.mode |= (uint16_t)((e.mode & 0444) >> 2);
	for (size_t i = 0; r >= 0 && i < out->dir_count; i++) {
		e.mtime = out->dirs[i].newest;
		r = sink_begin(out->sink, span_str(out->dirs[i].path), &e,
			       err);
		if (r > 0)
			r = sink_end(out->sink, 0, err);
	}
	return r < 0 ? r : 0;
}

/* Files. */

static int begin_file(struct pg_out *out, struct span path, struct err *err)
{
	struct entry e = out->like;

	e.size = UINT64_MAX;
	out->files++;
	return sink_begin(out->sink, path, &e, err);
}

int pg_out_file(struct pg_out *out, struct span path, struct err *err)
{
	int r = begin_file(out, path, err);

	/* Refused and told: its bytes are the text's all the same. */
	if (r == 0)
		return pg_out_aside(out, NULL, err);
	if (r < 0)
		return r;
	out->open = true;
	out->size = 0;
	out->also = NULL;
	buf_clear(&out->path);
	buf_append(&out->path, path.data, path.len);
	return buf_check(&out->path, err);
}

int pg_out_put(struct pg_out *out, struct span bytes, struct err *err)
{
	int r = sink_data(out->sink, out->size, bytes, err);

	if (r == 0 && out->stream)
		r = sink_stream_member(out->sink, out->size, bytes, err);
	out->size += bytes.len;
	return r;
}

int pg_out_end(struct pg_out *out, struct pg_data *ret, struct err *err)
{
	struct pg_data own;
	int r;

	if (!ret)
		ret = &own;
	out->open = false;
	r = sink_end(out->sink, out->size, err);
	if (r == 0)
		r = note_dirs(out, buf_span(&out->path),
			      sink_last_mtime(out->sink), err);
	if (r == 0)
		r = take_last(out, ret, err);
	if (r == 0)
		r = joint_add(out, &out->whole, ret, err);
	if (r == 0 && out->also)
		r = joint_add(out, out->also, ret, err);
	return r;
}

/* Others. */

int pg_out_extra(struct pg_out *out, struct span path,
		 struct pg_joint *joint, struct span bytes,
		 struct pg_data *ret, struct err *err)
{
	uint64_t size = joint ? joint->size : 0;
	struct pg_data own;
	int r = begin_file(out, path, err);

	bool refused = r == 0;

	/* Told; an archive's original may want it all the same. */
	if (refused)
		r = begin_aside(out, err);
	r = r < 0 ? r : 0;
	if (r == 0 && joint)
		r = join_all(out, joint, err);
	if (r == 0 && bytes.len)
		r = sink_data(out->sink, size, bytes, err);
	if (r == 0)
		r = sink_end(out->sink, size + bytes.len, err);
	if (r == 0 && !refused)
		r = note_dirs(out, path, sink_last_mtime(out->sink), err);
	if (r == 0)
		r = take_last(out, ret ? ret : &own, err);
	if (joint)
		pg_joint_release(joint);
	return r;
}

int pg_out_part(struct pg_out *out, struct pg_joint *joint,
		struct span bytes, struct err *err)
{
	struct pg_data data;
	int r = begin_aside(out, err);

	if (r == 0)
		r = sink_data(out->sink, 0, bytes, err);
	if (r == 0)
		r = sink_end(out->sink, bytes.len, err);
	if (r == 0)
		r = take_last(out, &data, err);
	return r < 0 ? r : joint_add(out, joint, &data, err);
}
