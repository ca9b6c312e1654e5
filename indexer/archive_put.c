#include "indexer/archive_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* What the sink says stops everything. */
static int settle(struct level *level, int r)
{
	if (r < 0)
		return run_fatal(level->run, r);
	if (sink_stopped(level->run->sink))
		return run_fatal(level->run,
				 err_set(level->run->err, -ECANCELED,
					 "stopped"));
	return r;
}

static struct span skip_root(struct span path)
{
	for (;;) {
		if (path.len && path.data[0] == '/') {
			path.data++;
			path.len--;
		} else if (path.len >= 2 && path.data[0] == '.' &&
			   path.data[1] == '/') {
			path.data += 2;
			path.len -= 2;
		} else {
			return path;
		}
	}
}

bool path_is_root(struct span path)
{
	path = skip_root(path);
	return path.len == 0 || (path.len == 1 && path.data[0] == '.');
}

/* The part of path behind input->strip, or path where it is not below it. */
static struct span strip(const struct run *run, struct span path)
{
	struct span prefix, inner = skip_root(path);

	if (!run->input->strip)
		return path;
	prefix = skip_root(span_str(run->input->strip));
	while (prefix.len && prefix.data[prefix.len - 1] == '/')
		prefix.len--;
	if (!prefix.len || inner.len < prefix.len ||
	    memcmp(inner.data, prefix.data, prefix.len) != 0)
		return path;
	inner.data += prefix.len;
	inner.len -= prefix.len;
	if (inner.len && inner.data[0] != '/')
		return path;
	return skip_root(inner);
}

static int full_path(struct level *level, struct span path, struct buf *ret)
{
	struct span full;

	buf_append(ret, level->prefix.data, level->prefix.len);
	buf_append(ret, path.data, path.len);
	if (buf_failed(ret))
		return run_fatal(level->run, err_nomem(level->run->err));
	full = strip(level->run, buf_span(ret));
	if (full.len != ret->len) {
		memmove(ret->data, full.data, full.len);
		ret->len = full.len;
	}
	if (!buf_str(ret))
		return run_fatal(level->run, err_nomem(level->run->err));
	return 0;
}

/* An archive gives children whether or not their directory was wanted. */
static bool excluded(struct level *level, struct buf *path, bool is_dir)
{
	const struct exclude *exclude = level->run->input->exclude;
	struct span names = skip_root(buf_span(path));
	char *text, *slash;
	bool is = false;

	if (!exclude || path_is_root(names))
		return false;
	text = strndup((const char *)names.data, names.len);
	if (!text)
		return false;
	for (size_t n = strlen(text); n && text[n - 1] == '/'; n--)
		text[n - 1] = '\0';
	for (slash = strchr(text, '/'); slash && !is;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		is = exclude_match(exclude, text, true);
		*slash = '/';
	}
	is = is || exclude_match(exclude, text, is_dir);
	free(text);
	return is;
}

int put_begin(struct level *level, struct span path,
	      const struct entry *entry)
{
	OWNED_BUF struct buf full = BUF_INIT;
	bool is_dir = entry->type == ENTRY_DIR;
	int r;

	/* A member's directory has the member's attributes. */
	if (level->prefix.len && path_is_root(path))
		return 0;
	r = full_path(level, path, &full);
	if (r < 0)
		return r;
	if (excluded(level, &full, is_dir))
		return 0;
	if (!is_dir && path_is_root(buf_span(&full))) {
		put_warn(level, WEIGHT_REFUSED, path,
			 "an entry that is no directory has no name");
		return 0;
	}
	level->entries++;
	if (level->dry)
		return 1;
	return settle(level, sink_begin(level->run->sink, buf_span(&full),
					entry, level->run->err));
}

int put_data(struct level *level, uint64_t offset, struct span bytes)
{
	level->out += bytes.len;
	if (level->dry)
		return level->run->fatal;
	return settle(level, sink_data(level->run->sink, offset, bytes,
				       level->run->err));
}

int put_end(struct level *level, uint64_t size)
{
	if (level->dry)
		return level->run->fatal;
	return settle(level, sink_end(level->run->sink, size,
				      level->run->err));
}

int put_plain(struct level *level, struct span path,
	      const struct entry *entry)
{
	int r = put_begin(level, path, entry);

	return r <= 0 ? r : put_end(level, 0);
}

int put_link(struct level *level, struct span path, struct span target)
{
	OWNED_BUF struct buf full = BUF_INIT;
	OWNED_BUF struct buf to = BUF_INIT;
	int r;

	if (path_is_root(path)) {
		put_warn(level, WEIGHT_REFUSED, path,
			 "a hard link has no name");
		return 0;
	}
	r = full_path(level, path, &full);
	if (r == 0)
		r = full_path(level, target, &to);
	if (r < 0 || excluded(level, &full, false))
		return r;
	level->entries++;
	if (level->dry)
		return level->run->fatal;
	return settle(level, sink_link(level->run->sink, buf_span(&full),
				       buf_span(&to), level->run->err));
}

int put_glue(struct level *level, struct span bytes)
{
	if (!level->view || !bytes.len)
		return level->run->fatal;
	return settle(level, sink_stream_glue(level->run->sink, bytes,
					      level->run->err));
}

int put_member(struct level *level, uint64_t offset, struct span bytes)
{
	int r = put_data(level, offset, bytes);

	if (r < 0 || !level->view)
		return r;
	return settle(level, sink_stream_member(level->run->sink, offset,
						bytes, level->run->err));
}

PRINTF(4, 0)
static void tell(struct level *level, enum weight weight, struct span path,
		 const char *fmt, va_list ap)
{
	OWNED_BUF struct buf full = BUF_INIT;
	char words[1024];

	if (level->dry) {
		level->trouble = level->trouble || weight >= WEIGHT_LOST;
		return;
	}
	vsnprintf(words, sizeof(words), fmt, ap);
	buf_append(&full, level->prefix.data, level->prefix.len);
	buf_append(&full, path.data, path.len);
	if (!path.len && full.len)
		full.len--;
	sink_warn(level->run->sink, weight, buf_span(&full), "%s", words);
}

void put_warn(struct level *level, enum weight weight, struct span path,
	      const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(level, weight, path, fmt, ap);
	va_end(ap);
}

void put_lost(struct level *level, struct span path, const char *fmt, ...)
{
	va_list ap;

	if (!level->lost) {
		va_start(ap, fmt);
		vsnprintf(level->why, sizeof(level->why), fmt, ap);
		va_end(ap);
	}
	level->lost = true;
	/* An archive in a member is an entry, the rest goes on. */
	va_start(ap, fmt);
	tell(level, level->prefix.len ? WEIGHT_LOST : WEIGHT_INPUT, path, fmt,
	     ap);
	va_end(ap);
}
