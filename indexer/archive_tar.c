#include "indexer/archive_tar.h"

#include <inttypes.h>
#include <stdio.h>

#define RECORD (20u * TAR_BLOCK)	/* as tar writes them, not told otherwise */
#define RECORD_BLOCKS 8192u	/* of the longest record anybody writes */

/* Everything taken that went into no file is glue. */
int tar_take_glue(struct tar *t, struct span bytes)
{
	int r = put_glue(t->level, bytes);

	window_take(t->window, bytes.len);
	return r;
}

/* Pass over n bytes; *ret_missing: the stream ended before. */
int tar_pass_over(struct tar *t, uint64_t n, uint64_t *ret_missing)
{
	struct span some;
	int r = 0;

	while (n && r >= 0) {
		some = window_some(t->window, n);
		if (!some.len)
			break;
		n -= some.len;
		r = tar_take_glue(t, some);
	}
	if (ret_missing)
		*ret_missing = n;
	return t->run->fatal;
}

/* A volume is full at the end of a record. */
const char *tar_why_ended(const struct tar *t)
{
	if (t->window->why.code)
		return t->window->why.text;
	if (t->window->at && t->window->at % RECORD == 0)
		return "nothing more follows (of a backup in several volumes, "
		       "as tar -M makes them, each is read by itself)";
	return "nothing more follows";
}

int tar_cut_short(struct tar *t, struct span path, const char *where)
{
	if (t->run->fatal)
		return t->run->fatal;
	t->over = true;
	put_lost(t->level, path, "the archive ends early, at byte %" PRIu64
		 " %s: %s", t->window->at, where, tar_why_ended(t));
	return 0;
}

static void forget_extended(struct tar *t)
{
	pax_clear(&t->local);
	t->has_name = false;
	t->has_link = false;
	t->refuse = NULL;
}

/* The data of an x, g, L or K header, padding included. */
static int read_extended(struct tar *t, uint64_t size, struct buf *ret)
{
	uint64_t padding = -size % TAR_BLOCK, missing;
	struct span some;
	int r = 0;

	buf_clear(ret);
	if (size > HEADER_MAX) {
		t->refuse = "its extended header is too large";
		r = tar_pass_over(t, size + padding, &missing);
		return r < 0 || !missing
			       ? r
			       : tar_cut_short(t, span_of(NULL, 0), "in a header");
	}
	while (size && r >= 0) {
		some = window_some(t->window, size);
		if (!some.len)
			return tar_cut_short(t, span_of(NULL, 0), "in a header");
		buf_append(ret, some.data, some.len);
		size -= some.len;
		r = tar_take_glue(t, some);
	}
	if (buf_failed(ret))
		return run_fatal(t->run, err_nomem(t->run->err));
	return r < 0 ? r : tar_pass_over(t, padding, NULL);
}

void tar_tell_flaws(struct tar *t, struct pax *pax, struct span path)
{
	if (pax->damaged)
		put_warn(t->level, WEIGHT_LOST, path,
			 "its extended header is damaged: what it said may be "
			 "missing");
	if (pax->flaws.len)
		put_warn(t->level, WEIGHT_FLAWED, path, "%.*s",
			 (int)pax->flaws.len, (const char *)pax->flaws.data);
	if (pax->attrs.dropped)
		put_warn(t->level, WEIGHT_FLAWED, path,
			 "%zu of its extended attributes are over the limits "
			 "and not kept", pax->attrs.dropped);
}

static int read_global(struct tar *t, uint64_t size)
{
	int r;

	/* As GNU tar has it, each takes the place of the one before. */
	pax_clear(&t->global);
	r = read_extended(t, size, &t->global.raw);
	if (r < 0 || t->over)
		return r;
	if (t->refuse) {
		t->refuse = NULL;
		put_warn(t->level, WEIGHT_LOST, span_of(NULL, 0),
			 "a global header is too large and was left out");
		return 0;
	}
	if (pax_parse(&t->global) < 0)
		return run_fatal(t->run, err_nomem(t->run->err));
	tar_tell_flaws(t, &t->global, span_of(NULL, 0));
	t->global.damaged = false;
	buf_clear(&t->global.flaws);
	t->global.attrs.dropped = 0;
	return 0;
}

static int read_local(struct tar *t, uint64_t size)
{
	int r;

	pax_clear(&t->local);
	r = read_extended(t, size, &t->local.raw);
	if (r < 0 || t->over || t->refuse)
		return r;
	if (pax_parse(&t->local) < 0)
		return run_fatal(t->run, err_nomem(t->run->err));
	return 0;
}

static int read_long(struct tar *t, uint64_t size, struct buf *ret, bool *has)
{
	int r = read_extended(t, size, ret);

	if (r < 0 || t->over || t->refuse)
		return r;
	*has = true;
	ret->len = ret->len ? strnlen((const char *)ret->data, ret->len) : 0;
	return 0;
}

static int read_header(struct tar *t, const struct header *head,
		       struct span block)
{
	int r;

	t->seen[head->dialect] = true;
	if (!strchr("xXgLK", head->type) || !head->type) {
		r = tar_read_member(t, head, block);
		forget_extended(t);
		return r;
	}
	r = tar_take_glue(t, block);
	if (r < 0)
		return r;
	if (head->type == 'L')
		return read_long(t, head->size, &t->long_name, &t->has_name);
	if (head->type == 'K')
		return read_long(t, head->size, &t->long_link, &t->has_link);
	t->seen_pax = true;
	return head->type == 'g' ? read_global(t, head->size)
				 : read_local(t, head->size);
}

/*
 * Find the next header: at a whole block, or anywhere its magic stands, as
 * damage may have taken bytes out or put some in.  Gives the number of bytes
 * before it, or of those that surely are before it.
 */
static size_t find_header(struct span bytes, size_t from, bool *ret_found)
{
	for (size_t i = from; i + TAR_BLOCK <= bytes.len; i++) {
		const uint8_t *b = bytes.data + i;

		if (i % TAR_BLOCK && memcmp(b + 257, "ustar", 5) != 0)
			continue;
		if (header_is_good(b)) {
			*ret_found = true;
			return i;
		}
	}
	*ret_found = false;
	return bytes.len < ARCHIVE_HEAD ? bytes.len : bytes.len - TAR_BLOCK;
}

int tar_resync(struct tar *t, const char *what, size_t skip)
{
	uint64_t from = t->window->at;
	struct span bytes;
	bool found = false;
	size_t n;
	int r = 0;

	forget_extended(t);
	while (r == 0 && !found) {
		bytes = window_peek(t->window, ARCHIVE_HEAD);
		if (!bytes.len)
			break;
		n = find_header(bytes, skip, &found);
		skip = 0;
		r = tar_take_glue(t, span_of(bytes.data, n));
	}
	if (t->run->fatal)
		return t->run->fatal;
	if (found) {
		put_warn(t->level, WEIGHT_LOST, span_of(NULL, 0),
			 "%s at byte %" PRIu64 ": %" PRIu64 " bytes up to the "
			 "next header were passed over", what, from,
			 t->window->at - from);
		return 0;
	}
	t->over = true;
	put_lost(t->level, span_of(NULL, 0), "%s at byte %" PRIu64
		 ", and no header follows in the %" PRIu64 " bytes behind it%s%s",
		 what, from, t->window->at - from,
		 t->window->why.code ? ": " : "",
		 t->window->why.code ? t->window->why.text : "");
	return 0;
}

/* Zeros fill up the last record, before whatever may follow. */
static int pass_over_zeros(struct tar *t)
{
	struct span block = window_peek(t->window, TAR_BLOCK);
	unsigned left = RECORD_BLOCKS;
	int r = 0;

	while (r == 0 && left-- && block.len == TAR_BLOCK &&
	       header_is_zero(block.data)) {
		r = tar_take_glue(t, block);
		block = window_peek(t->window, TAR_BLOCK);
	}
	return r;
}

/* A disk that was never written reads as zeros, and so does a file that was
 * made at its full length first: an archive of no entry is never this long. */
#define EMPTY_MAX (1u << 20)

static bool seen_any(const struct tar *t)
{
	for (size_t i = 0; i <= DIALECT_STAR; i++)
		if (t->seen[i])
			return true;
	return false;
}

static void tell_empty(struct tar *t)
{
	if (t->window->at > EMPTY_MAX)
		put_warn(t->level, t->level->prefix.len ? WEIGHT_LOST :
			 WEIGHT_INPUT, span_of(NULL, 0), "the input holds "
			 "nothing but zeros, %" PRIu64 " bytes of them",
			 t->window->at);
	else
		put_warn(t->level, WEIGHT_NOTE, span_of(NULL, 0),
			 "the archive holds no entry");
}

/* Whatever lies behind the end mark belongs to the stream all the same. */
static int read_tail(struct tar *t)
{
	uint64_t more = 0, from;
	struct span some, first;
	bool archive;
	int r = pass_over_zeros(t);

	t->over = true;
	from = t->window->at;
	first = window_peek(t->window, TAR_BLOCK);
	archive = first.len == TAR_BLOCK && header_is_good(first.data);
	for (some = window_some(t->window, UINT64_MAX); some.len && r == 0;
	     some = window_some(t->window, UINT64_MAX)) {
		for (size_t i = 0; !more && i < some.len; i++) {
			if (some.data[i])
				more = t->window->at + i - from + 1;
		}
		r = tar_take_glue(t, some);
	}
	if (t->run->fatal)
		return t->run->fatal;
	if (t->window->why.code)
		put_lost(t->level, span_of(NULL, 0), "read to its end, "
			 "but: %s", t->window->why.text);
	if (archive)
		put_warn(t->level, WEIGHT_FLAWED, span_of(NULL, 0),
			 "another archive follows the end mark at byte %" PRIu64
			 "; its entries are not shown", from);
	else if (more)
		put_warn(t->level, WEIGHT_NOTE, span_of(NULL, 0),
			 "other bytes follow the end mark of the archive, from "
			 "byte %" PRIu64 " on", from + more - 1);
	else if (!t->window->why.code && !seen_any(t))
		tell_empty(t);
	return 0;
}

static int read_end(struct tar *t)
{
	struct span both = window_peek(t->window, 2 * TAR_BLOCK);

	if (both.len < 2 * TAR_BLOCK) {
		put_warn(t->level, WEIGHT_NOTE, span_of(NULL, 0),
			 "the end mark is one zero block instead of two");
	} else if (!header_is_zero(both.data + TAR_BLOCK)) {
		put_warn(t->level, WEIGHT_NOTE, span_of(NULL, 0),
			 "the end mark is a lone zero block, at byte %" PRIu64,
			 t->window->at);
		both.len = TAR_BLOCK;
	}
	if (tar_take_glue(t, both) < 0)
		return t->run->fatal;
	return read_tail(t);
}

static int read_next(struct tar *t)
{
	struct span block = window_peek(t->window, TAR_BLOCK);
	struct header head;

	if (t->run->fatal)
		return t->run->fatal;
	if (!block.len)
		return tar_cut_short(t, span_of(NULL, 0), "without an end mark");
	if (block.len < TAR_BLOCK) {
		if (tar_take_glue(t, block) < 0)
			return t->run->fatal;
		return tar_cut_short(t, span_of(NULL, 0), "in a header");
	}
	if (header_is_zero(block.data))
		return read_end(t);
	if (!header_is_good(block.data))
		return tar_resync(t, "the header is damaged", 1);
	if (header_parse(block.data, &head) < 0)
		return tar_resync(t, "a header tells an absurd size", 1);
	return read_header(t, &head, block);
}

static void tell_format(struct tar *t)
{
	const char *name = "v7 tar";

	if (t->seen[DIALECT_STAR])
		name = "star";
	else if (t->seen_pax)
		name = "pax tar";
	else if (t->seen[DIALECT_GNU])
		name = "GNU tar";
	else if (t->seen[DIALECT_USTAR])
		name = "ustar";
	else if (!t->seen[DIALECT_V7])
		name = "tar";
	snprintf(t->level->format, sizeof(t->level->format), "%s", name);
}

int tar_read(struct level *level)
{
	struct tar t = {
		.level = level, .window = level->window, .run = level->run,
	};
	int r = 0;

	while (r == 0 && !t.over)
		r = read_next(&t);
	tell_format(&t);
	pax_release(&t.global);
	pax_release(&t.local);
	buf_release(&t.long_name);
	buf_release(&t.long_link);
	return r;
}
