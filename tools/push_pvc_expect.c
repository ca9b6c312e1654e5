#include "tools/push_pvc_expect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/base/checksum.h"
#include "fs/out/swap.h"
#include "fs/tree/content.h"
#include "tools/digest.h"

#define STEP (1u << 20)
#define FIELD_MAX 65536

void expect_release(struct expect *expect)
{
	free(expect->facts);
	free(expect->seen);
	for (int i = 0; i < 3; i++)
		buf_release(&expect->field[i]);
	*expect = (struct expect)EXPECT_INIT;
}

/* What should be. */

static int add(struct expect *expect, const struct buf *fact, struct err *err)
{
	void *more;

	if (buf_failed(fact))
		return err_nomem(err);
	if (expect->count == expect->room) {
		expect->room = expect->room ? 2 * expect->room : 1024;
		more = reallocarray(expect->facts, expect->room,
				    sizeof(*expect->facts));
		if (!more)
			return err_nomem(err);
		expect->facts = more;
	}
	expect->facts[expect->count++] = xxhash64(buf_span(fact));
	return 0;
}

struct making {
	struct tree *tree;
	const struct restore_owner *owner;
	bool skip_lost;
	volatile int *stop;
	struct expect *expect;
	uint8_t *bytes;
};

static char letter_of(const struct entry *entry)
{
	switch (entry->type) {
	case ENTRY_FILE: return 'f';
	case ENTRY_DIR: return 'd';
	case ENTRY_SYMLINK: return 'l';
	case ENTRY_CHAR: return 'c';
	case ENTRY_BLOCK: return 'b';
	case ENTRY_FIFO: return 'p';
	case ENTRY_SOCKET: break;
	}
	return 's';
}

static void put_path(struct buf *fact, const char *path)
{
	buf_append_str(fact, *path ? "./" : ".");
	buf_append_str(fact, path);
	buf_append_byte(fact, '\0');
}

/* The one form of both sides: what a system may say in its own way is 0. */
static void put_entry(struct buf *fact, char type, unsigned mode, uint64_t uid,
		      uint64_t gid, uint64_t size, struct stamp mtime,
		      uint64_t names)
{
	buf_printf(fact, "E%c %o %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64
		   ".%09u %" PRIu64, type, type == 'l' ? 0 : mode, uid, gid,
		   type == 'f' ? size : 0, mtime.s, mtime.ns,
		   type == 'd' ? 0 : names);
	buf_append_byte(fact, '\0');
}

static int sum_of(struct making *m, const struct entry *e,
		  char out[DIGEST_TEXT], struct err *err)
{
	struct getter getter = tree_getter(m->tree);
	struct digest digest;
	size_t got;
	int r;

	digest_begin(&digest);
	for (uint64_t at = 0; at < e->size; at += got) {
		if (m->stop && *m->stop)
			return err_set(err, -ECANCELED, "stopped");
		r = content_read_into(&getter, &e->content, e->size, at,
				      m->bytes, STEP, &got, err);
		if (r < 0)
			return r;
		if (got == 0)
			return err_corrupt(err, "a file ends early");
		digest_put(&digest, span_of(m->bytes, got));
	}
	digest_end(&digest, out);
	return 0;
}

static int add_sum(struct making *m, const char *path, const struct entry *e,
		   struct err *err)
{
	OWNED_BUF struct buf fact = BUF_INIT;
	char sum[DIGEST_TEXT];
	int r = sum_of(m, e, sum, err);

	if (r < 0)
		return r;
	buf_append_str(&fact, sum);
	buf_append_byte(&fact, '\0');
	put_path(&fact, path);
	return add(m->expect, &fact, err);
}

static int add_device(struct making *m, const char *path,
		      const struct entry *e, struct err *err)
{
	OWNED_BUF struct buf fact = BUF_INIT;

	buf_printf(&fact, "D%" PRIx32 " %" PRIx32, e->dev_major, e->dev_minor);
	buf_append_byte(&fact, '\0');
	put_path(&fact, path);
	return add(m->expect, &fact, err);
}

static int add_node(void *arg, const char *path, unsigned depth,
		    const struct node *node, struct err *err)
{
	OWNED_BUF struct buf fact = BUF_INIT;
	const struct entry *e = &node->entry;
	struct making *m = arg;
	const struct restore_owner *o = m->owner;
	int r;

	if (m->skip_lost && depth == 1 && !strcmp(path, LOST_FOUND))
		return TREE_SKIP;
	if (e->type == ENTRY_SOCKET)
		return 0;
	put_entry(&fact, letter_of(e), e->mode,
		  !o ? e->uid : depth ? o->uid : o->top_uid,
		  !o ? e->gid : depth ? o->gid : o->top_gid, e->size,
		  e->mtime, m->expect->part ? 0 : node->nlink);
	put_path(&fact, path);
	if (e->type == ENTRY_SYMLINK)
		buf_append(&fact, e->target.data, e->target.len);
	buf_append_byte(&fact, '\0');
	r = add(m->expect, &fact, err);
	if (r == 0 && e->type == ENTRY_FILE)
		r = add_sum(m, path, e, err);
	if (r == 0 && (e->type == ENTRY_CHAR || e->type == ENTRY_BLOCK))
		r = add_device(m, path, e, err);
	return r;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

int expect_make(struct tree *tree, const struct node *node,
		const struct restore_owner *owner, bool skip_lost,
		volatile int *stop, struct expect *ret, struct err *err)
{
	struct making m = {
		.tree = tree, .owner = owner, .skip_lost = skip_lost,
		.stop = stop, .expect = ret, .bytes = malloc(STEP),
	};
	int r;

	*ret = (struct expect){ .part = node->pos != 0 };
	r = m.bytes ? tree_walk(tree, node, add_node, &m, err) :
		      err_nomem(err);
	free(m.bytes);
	if (r < 0)
		return r;
	qsort(ret->facts, ret->count, sizeof(*ret->facts), by_value);
	ret->seen = calloc(ret->count / 8 + 1, 1);
	return ret->seen ? 0 : err_nomem(err);
}

/* What is there. */

/* The first of those that are equal and not seen yet; false: none. */
static bool meet(struct expect *expect, uint64_t fact)
{
	size_t low = 0, high = expect->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (expect->facts[mid] < fact)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < expect->count && expect->facts[low] == fact; low++)
		if (!(expect->seen[low / 8] & 1u << low % 8)) {
			expect->seen[low / 8] |= (uint8_t)(1u << low % 8);
			expect->met++;
			return true;
		}
	return false;
}

static void compare(struct expect *expect, const struct buf *fact,
		    const char *path)
{
	if (meet(expect, xxhash64(buf_span(fact))))
		return;
	if (expect->strange++ == 0)
		snprintf(expect->first, sizeof(expect->first), "%.250s", path);
}

static int read_entry(struct expect *expect, struct err *err)
{
	const char *text = (char *)expect->field[0].data;
	OWNED_BUF struct buf fact = BUF_INIT;
	uint64_t uid, gid, size, names;
	struct stamp mtime;
	unsigned mode;
	char type;

	if (sscanf(text, "E%c %o %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64
		   ".%9u%*[0-9] %" SCNu64, &type, &mode, &uid, &gid, &size,
		   &mtime.s, &mtime.ns, &names) != 8)
		return err_set(err, -EPROTO, "the far side says '%.60s', which "
			       "is no entry", text);
	put_entry(&fact, type, mode, uid, gid, size, mtime,
		  expect->part ? 0 : names);
	for (int i = 1; i < 3; i++)
		buf_append(&fact, expect->field[i].data,
			   expect->field[i].len);
	if (buf_failed(&fact))
		return err_nomem(err);
	compare(expect, &fact, (char *)expect->field[1].data);
	return 0;
}

/* Two fields, as they stand. */
static int read_pair(struct expect *expect, const struct buf *a,
		     const struct buf *b, struct err *err)
{
	OWNED_BUF struct buf fact = BUF_INIT;

	buf_append(&fact, a->data, a->len);
	buf_append(&fact, b->data, b->len);
	if (buf_failed(&fact))
		return err_nomem(err);
	compare(expect, &fact, (char *)b->data);
	return 0;
}

/* "<sha256>  <path>" */
static int read_sum(struct expect *expect, struct err *err)
{
	struct buf *field = &expect->field[0];
	OWNED_BUF struct buf sum = BUF_INIT, path = BUF_INIT;

	if (field->len < DIGEST_TEXT + 2)
		return err_set(err, -EPROTO, "the far side says '%.60s', which "
			       "is no digest", (char *)field->data);
	buf_append(&sum, field->data, DIGEST_TEXT - 1);
	buf_append_byte(&sum, '\0');
	buf_append(&path, field->data + DIGEST_TEXT + 1,
		   field->len - DIGEST_TEXT - 1);
	if (buf_failed(&sum) || buf_failed(&path))
		return err_nomem(err);
	return read_pair(expect, &sum, &path, err);
}

/* A field has come to its end: is it the last of its fact? */
static int end_field(struct expect *expect, struct err *err)
{
	struct buf *first = &expect->field[0];
	char kind = expect->at || first->len ? (char)first->data[0] : '\0';
	int r = 0;

	if (buf_failed(&expect->field[expect->at]))
		return err_nomem(err);
	if (expect->sums) {
		r = read_sum(expect, err);
	} else if (kind == 'H') {
		expect->sums = true;
	} else if (kind == 'E' && expect->at < 2) {
		expect->at++;
		return 0;
	} else if (kind == 'D' && expect->at < 1) {
		expect->at++;
		return 0;
	} else if (kind == 'E') {
		r = read_entry(expect, err);
	} else if (kind == 'D') {
		r = read_pair(expect, first, &expect->field[1], err);
	} else {
		r = err_set(err, -EPROTO, "the far side says what was not "
			    "asked");
	}
	for (int i = 0; i < 3; i++)
		buf_clear(&expect->field[i]);
	expect->at = 0;
	return r;
}

int expect_take(void *arg, struct span printed, struct err *err)
{
	struct expect *expect = arg;
	int r = 0;

	while (r == 0 && printed.len) {
		const uint8_t *end = memchr(printed.data, '\0', printed.len);
		size_t len = end ? (size_t)(end + 1 - printed.data) :
				   printed.len;
		struct buf *field = &expect->field[expect->at];

		if (field->len + len > FIELD_MAX)
			return err_set(err, -EPROTO, "the far side says more "
				       "than a name can be");
		buf_append(field, printed.data, len);
		printed.data += len;
		printed.len -= len;
		if (end)
			r = end_field(expect, err);
	}
	return r;
}

int expect_end(const struct expect *expect, struct err *err)
{
	if (expect->strange)
		return err_set(err, -EIO, "what was staged is not what the "
			       "snapshot has: %" PRIu64 " differences, the "
			       "first '%s'", expect->strange, expect->first);
	if (!expect->sums || expect->met != expect->count)
		return err_set(err, -EIO, "what was staged is not what the "
			       "snapshot has: %zu of %zu entries and files are "
			       "missing", expect->count - expect->met,
			       expect->count);
	return 0;
}
