#include "indexer/dir_internal.h"

#include <fcntl.h>
#include <unistd.h>

#include "indexer/item.h"

#define PUMPED (4u << 20)	/* bytes that are worth a thread */

static bool is_changed(const struct stat *a, const struct stat *b,
		       bool sealed)
{
	return a->st_size != b->st_size || a->st_ino != b->st_ino ||
	       a->st_mtim.tv_sec != b->st_mtim.tv_sec ||
	       a->st_mtim.tv_nsec != b->st_mtim.tv_nsec ||
	       (!sealed && (a->st_ctim.tv_sec != b->st_ctim.tv_sec ||
			    a->st_ctim.tv_nsec != b->st_ctim.tv_nsec));
}

static bool is_sealed(const struct walk *walk, const char *name)
{
	return walk->input->is_sealed && walk->input->is_sealed(name);
}

static void put_origin(struct walk *walk, const char *name,
		       const struct stat *st)
{
	uint8_t origin[ORIGIN_WIDTH];

	if (!origin_is_settled(st, is_sealed(walk, name), stamp_now()))
		return;
	origin_write(st, origin);
	sink_origin(walk->sink, origin);
}

/* What came of reading a file's bytes: an errno of the file is no failure of
 * the walk. */
struct outcome {
	int code;		/* negative errno of the file, or 0 */
	uint64_t end;		/* where its bytes ended */
	bool more;		/* its size says 0, but there are bytes */
};

static int take_bytes(struct walk *walk, uint64_t from, struct span bytes,
		      struct err *err)
{
	int r = sink_data(walk->sink, from, bytes, err);

	walk->read += bytes.len;
	sink_progress(walk->sink, walk->read);
	return r;
}

/* The same by a thread that reads ahead of this one. */
static int read_pumped(struct walk *walk, int fd, uint64_t from, uint64_t to,
		       struct outcome *outcome, struct err *err)
{
	const uint8_t *bytes = NULL;
	int r = 0;

	pump_begin(walk->pump, fd, from, to);
	while (r == 0 && from < to) {
		ssize_t n = pump_next(walk->pump, &bytes);

		if (n < 0) {
			outcome->code = (int)n;
			break;
		}
		outcome->end = from + (uint64_t)n;
		if (n == 0)
			break;
		r = take_bytes(walk, from, span_of(bytes, (size_t)n), err);
		from += (uint64_t)n;
	}
	pump_end(walk->pump);
	return r;
}

static int read_range(struct walk *walk, int fd, uint64_t from, uint64_t to,
		      struct outcome *outcome, struct err *err)
{
	if (to - from >= PUMPED && !walk->pump)
		walk->pump = pump_new();
	if (to - from >= PUMPED && walk->pump)
		return read_pumped(walk, fd, from, to, outcome, err);
	while (from < to) {
		size_t want = to - from < READ_BYTES ? (size_t)(to - from)
						     : READ_BYTES;
		ssize_t n = pread(fd, walk->bytes, want, (off_t)from);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			outcome->code = -errno;
			return 0;
		}
		outcome->end = from + (uint64_t)n;
		if (n == 0)
			return 0;
		r = take_bytes(walk, from, span_of(walk->bytes, (size_t)n),
			       err);
		if (r < 0)
			return r;
		from += (uint64_t)n;
	}
	return 0;
}

static int read_sparse(struct walk *walk, int fd, uint64_t size,
		       struct outcome *outcome, struct err *err)
{
	uint64_t at = 0;

	while (at < size && outcome->code == 0) {
		off_t data = lseek(fd, (off_t)at, SEEK_DATA);
		off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
		uint64_t end;
		int r;

		if (data < 0 && errno == ENXIO) {
			outcome->end = size;
			return 0;
		}
		if (data < 0 || hole <= data)
			return read_range(walk, fd, at, size, outcome, err);
		end = (uint64_t)hole < size ? (uint64_t)hole : size;
		r = read_range(walk, fd, (uint64_t)data, end, outcome, err);
		if (r < 0)
			return r;
		if (outcome->code == 0 && outcome->end < end)
			return 0;
		at = end;
	}
	return 0;
}

static int read_bytes(struct walk *walk, int fd, const struct stat *st,
		      struct outcome *outcome, struct err *err)
{
	uint64_t size = (uint64_t)st->st_size;

	*outcome = (struct outcome){ .code = 0 };
	/* As the kernel's own file systems have them; some never end. */
	if (size == 0)
		outcome->more = pread(fd, walk->bytes, 1, 0) > 0;
	if ((uint64_t)st->st_blocks * 512 < size)
		return read_sparse(walk, fd, size, outcome, err);
	return read_range(walk, fd, 0, size, outcome, err);
}

static void begin_group(struct walk *walk, const struct stat *st)
{
	if (st->st_nlink > 1)
		sink_group(walk->sink, ++walk->links.groups);
}

static int remember(struct walk *walk, const struct stat *st,
		    struct err *err)
{
	struct content content = { .count = 0 };
	uint64_t size = 0;

	if (st->st_nlink < 2)
		return 0;
	if (S_ISREG(st->st_mode) &&
	    sink_last_content(walk->sink, &content, &size) < 0)
		return 0;
	return links_add(&walk->links, st, walk->links.groups, &content, size,
			 err);
}

static int begin_file(struct walk *walk, int fd, const char *name,
		      const struct stat *st, struct err *err)
{
	struct entry entry;
	int r = meta_read(&walk->meta, -1, name, fd, st, &entry);

	if (r < 0)
		return err_nomem(err);
	if (walk->meta.flaw[0])
		walk_tell_as(walk, WEIGHT_FLAWED, walk->meta.flaw);
	else
		put_origin(walk, name, st);
	begin_group(walk, st);
	return sink_begin(walk->sink, buf_span(&walk->path), &entry, err);
}

/* The whole file once.  1: it changed meanwhile; 0: it is kept, or given up;
 * in both cases sink_end() or sink_cancel() is still to come. */
static int read_once(struct walk *walk, int fd, const char *name,
		     const struct stat *before, struct outcome *outcome,
		     struct err *err)
{
	struct stat after;
	int r = read_bytes(walk, fd, before, outcome, err);

	if (r < 0 || outcome->code < 0)
		return r;
	if (fstat(fd, &after) < 0) {
		outcome->code = -errno;
		return 0;
	}
	return is_changed(before, &after, is_sealed(walk, name));
}

static int end_file(struct walk *walk, const struct stat *st, bool changed,
		    const struct outcome *outcome, struct err *err)
{
	int r;

	if (outcome->code < 0) {
		sink_cancel(walk->sink);
		walk_tell(walk, outcome->code == -ENOENT ? -EIO : outcome->code,
		     "cannot be read");
		return 0;
	}
	if (changed)
		walk_tell_as(walk, WEIGHT_FLAWED, "changed while it was read");
	else if (outcome->more)
		walk_tell_as(walk, WEIGHT_FLAWED,
			     "has bytes, but its size says 0: none were kept");
	else if (outcome->end < (uint64_t)st->st_size)
		walk_tell_as(walk, WEIGHT_FLAWED,
			"has fewer bytes than its size says");
	r = sink_end(walk->sink, outcome->end, err);
	return r < 0 ? r : remember(walk, st, err);
}

static int read_open_file(struct walk *walk, int fd, const char *name,
			  struct err *err)
{
	struct outcome outcome;
	struct stat before;
	int r;

	for (bool again = false;; again = true) {
		if (fstat(fd, &before) < 0) {
			walk_tell(walk, -errno, "cannot be read");
			return 0;
		}
		if (!S_ISREG(before.st_mode)) {
			walk_tell_as(walk, WEIGHT_LOST,
				"was replaced while it was read");
			return 0;
		}
		r = begin_file(walk, fd, name, &before, err);
		if (r <= 0)
			return r;
		r = read_once(walk, fd, name, &before, &outcome, err);
		if (r < 0)
			return r;
		if (r == 0 || again)
			return end_file(walk, &before, r, &outcome, err);
		sink_cancel(walk->sink);
	}
}

/* Attributes of a file whose bytes are the same though its ctime is not. */
static int read_attributes(struct walk *walk, const char *name,
			   const struct stat *st, struct entry *ret,
			   struct err *err)
{
	OWNED_FD fd = open_at(deepest(walk)->fd, name, 0);

	if (meta_read(&walk->meta, deepest(walk)->fd, name, fd < 0 ? -1 : fd,
		      st, ret) < 0)
		return err_nomem(err);
	if (walk->meta.flaw[0])
		walk_tell_as(walk, WEIGHT_FLAWED, walk->meta.flaw);
	return 0;
}

/* The bytes and attributes the last snapshot has: none of it is read. */
static int keep_file(struct walk *walk, const char *name,
		     const struct node *node, const struct stat *st,
		     struct err *err)
{
	uint8_t origin[ORIGIN_WIDTH];
	struct entry entry;
	int r;

	if (is_sealed(walk, name)) {
		r = read_attributes(walk, name, st, &entry, err);
		if (r < 0)
			return r;
	} else {
		meta_from_stat(&walk->meta, st, &entry);
		entry.xattrs = node->entry.xattrs;
		entry.xattr_count = node->entry.xattr_count;
		entry.flags = node->entry.flags;
	}
	origin_write(st, origin);
	sink_origin(walk->sink, origin);
	begin_group(walk, st);
	r = sink_same(walk->sink, buf_span(&walk->path), &entry,
		      &node->entry.content, err);
	return r < 0 ? r : remember(walk, st, err);
}

int walk_add_file(struct walk *walk, const char *name,
		    const struct stat *st, const struct node *node,
		    struct err *err)
{
	OWNED_FD fd = -1;
	int r = past_is_same(&walk->past, node, st, is_sealed(walk, name),
			     err);

	if (r > 0)
		return keep_file(walk, name, node, st, err);
	r = walk_past_failed(walk, r, err);
	if (r < 0)
		return r;
	fd = open_at(deepest(walk)->fd, name, 0);
	if (fd < 0) {
		walk_tell(walk, fd, "cannot be opened");
		return 0;
	}
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return read_open_file(walk, fd, name, err);
}

int walk_add_special(struct walk *walk, const char *name,
		       const struct stat *st, struct link_file *file,
		       struct err *err)
{
	struct entry entry;
	int r = meta_read(&walk->meta, deepest(walk)->fd, name, -1, st,
			  &entry);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0) {
		walk_tell(walk, r, "cannot be read");
		return 0;
	}
	if (walk->meta.flaw[0])
		walk_tell_as(walk, WEIGHT_FLAWED, walk->meta.flaw);
	if (file)
		sink_group(walk->sink, file->group);
	else
		begin_group(walk, st);
	r = sink_begin(walk->sink, buf_span(&walk->path), &entry, err);
	if (r > 0)
		r = sink_end(walk->sink, 0, err);
	if (r < 0 || file)
		return r;
	return remember(walk, st, err);
}

/* A further name of a file whose bytes were taken under another. */
static int add_name(struct walk *walk, const char *name,
		    const struct link_file *file, const struct stat *st,
		    struct err *err)
{
	struct bytes in = bytes_of(span_of(file->content, file->content_len));
	struct content content;
	struct entry entry;
	int r;

	item_parse_content(&in, &content);
	meta_from_stat(&walk->meta, st, &entry);
	if (file->size != entry.size ||
	    stamp_cmp(file->mtime, entry.mtime) != 0)
		walk_tell_as(walk, WEIGHT_FLAWED, "changed while it was read");
	else
		put_origin(walk, name, st);
	entry.size = file->size;
	sink_group(walk->sink, file->group);
	r = sink_same(walk->sink, buf_span(&walk->path), &entry, &content,
		      err);
	return r < 0 ? r : 0;
}

int walk_add_linked(struct walk *walk, const char *name,
		      struct link_file *file, const struct stat *st,
		      struct err *err)
{
	int r;

	if (S_ISREG(st->st_mode))
		r = add_name(walk, name, file, st, err);
	else
		r = walk_add_special(walk, name, st, file, err);
	links_seen(&walk->links, file);
	return r;
}
