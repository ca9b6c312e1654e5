#include "fs/tree/page.h"

#include <stdlib.h>

#include "fs/tree/extent.h"

struct span rows_name(const struct rows *rows, uint32_t index)
{
	const struct row *row = &rows->rows[index];

	return span_of(rows->names.data + row->name_at, row->name_len);
}

bool rows_find(const struct rows *rows, struct span name, uint32_t *ret)
{
	uint32_t low = 0, high = rows->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int r = span_cmp(rows_name(rows, mid), name);

		if (r == 0) {
			*ret = mid;
			return true;
		}
		if (r < 0)
			low = mid + 1;
		else
			high = mid;
	}
	*ret = low;
	return false;
}

void rows_release(struct rows *rows)
{
	free(rows->rows);
	free(rows->before);
	buf_release(&rows->names);
	free(rows->owners);
	free(rows->sets);
	free(rows->xattrs);
	memset(rows, 0, sizeof(*rows));
}

static void dir_parse(struct ref_in *refs, struct entry *ret)
{
	struct bytes *in = &refs->object->body;
	uint64_t levels;

	ret->below = bytes_count(in, NODES_MAX);
	ret->dirs_below = bytes_count(in, ret->below);
	levels = bytes_count(in, 1 + TREE_LEVELS);
	if ((levels == 0) != (ret->below == 0))
		in->bad = true;
	if (levels == 0)
		return;
	ret->tree_levels = (uint8_t)(levels - 1);
	ref_read(refs, ret->tree_levels ? OBJECT_INDEX : OBJECT_PAGE,
		 &ret->tree);
}

static void kind_parse(struct ref_in *refs, struct entry *ret)
{
	struct bytes *in = &refs->object->body;

	switch (ret->type) {
	case ENTRY_FILE:
		content_parse(refs, &ret->content, &ret->size);
		break;
	case ENTRY_DIR:
		dir_parse(refs, ret);
		break;
	case ENTRY_SYMLINK:
		ret->target = bytes_string(in, TARGET_MAX);
		ret->size = ret->target.len;
		if (ret->size && memchr(ret->target.data, '\0', ret->size))
			in->bad = true;
		break;
	case ENTRY_CHAR:
	case ENTRY_BLOCK:
		ret->dev_major = (uint32_t)bytes_count(in, UINT32_MAX);
		ret->dev_minor = (uint32_t)bytes_count(in, UINT32_MAX);
		break;
	case ENTRY_FIFO:
	case ENTRY_SOCKET:
		break;
	default:
		in->bad = true;
	}
}

/* What follows the row's own fields; refs stands at row->rest_at. */
static void rest_parse(const struct rows *rows, const struct row *row,
		       struct ref_in *refs, struct entry *ret)
{
	struct bytes *in = &refs->object->body;
	uint64_t set;

	ret->type = (enum entry_type)(row->head & ROW_TYPE);
	kind_parse(refs, ret);
	if (row->head & ROW_FLAGS) {
		ret->flags = (uint32_t)bytes_count(in, UINT32_MAX);
		if (ret->flags == 0)
			in->bad = true;
	}
	if (row->head & ROW_XATTRS) {
		set = bytes_varint(in);
		if (set >= rows->set_count) {
			in->bad = true;
			return;
		}
		ret->xattrs = rows->xattrs + rows->sets[set].first;
		ret->xattr_count = rows->sets[set].count;
	}
}

void rows_get(const struct rows *rows, uint32_t index, struct entry *ret)
{
	const struct row *row = &rows->rows[index];
	const struct owner *owner = &rows->owners[row->owner];
	struct object_in object = rows->object;
	struct ref_in refs = { &object, row->next_ref };

	memset(ret, 0, sizeof(*ret));
	object.body.at += row->rest_at;
	rest_parse(rows, row, &refs, ret);
	ret->name = rows_name(rows, index);
	ret->mode = row->mode;
	ret->mtime.s = row->mtime_s;
	ret->mtime.ns = row->mtime_ns;
	ret->uid = owner->uid;
	ret->gid = owner->gid;
	ret->uname = owner->uname;
	ret->gname = owner->gname;
}

/* What is carried from one entry to the next. */
struct parse {
	struct rows *rows;
	struct object_in object;
	struct ref_in refs;
	enum object_type type;
	uint16_t modes[ROW_TYPE + 1];
};

/* Room for count things of size, count being believed only as far as the
 * bytes left could hold them at least bytes each. */
static void *room(struct bytes *in, uint64_t count, size_t size, size_t bytes,
		  struct err *err, int *r)
{
	void *got;

	*r = 0;
	if (in->bad || count > bytes_left(in) / bytes) {
		*r = err_corrupt(err, "a directory page is cut off");
		return NULL;
	}
	got = calloc(count ? count : 1, size);
	if (!got)
		*r = err_nomem(err);
	return got;
}

static int owners_parse(struct parse *parse, struct err *err)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	uint64_t count = bytes_varint(in);
	int r;

	rows->owners = room(in, count, sizeof(*rows->owners), 4, err, &r);
	if (r < 0)
		return r;
	rows->owner_count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		struct owner *owner = &rows->owners[i];

		owner->uid = (uint32_t)bytes_count(in, UINT32_MAX);
		owner->gid = (uint32_t)bytes_count(in, UINT32_MAX);
		owner->uname = bytes_string(in, OWNER_NAME_MAX);
		owner->gname = bytes_string(in, OWNER_NAME_MAX);
	}
	return 0;
}

static void xattr_parse(struct object_in *object, struct xattr *ret)
{
	struct bytes *in = &object->body;
	uint32_t len;

	ret->name = bytes_string(in, XATTR_NAME_MAX);
	len = (uint32_t)bytes_count(in, XATTR_VALUE_MAX);
	if (len <= XATTR_INLINE_MAX) {
		ret->value = bytes_take(in, len);
	} else {
		object_get_ref(object, bytes_varint(in), OBJECT_CHUNK,
			       &ret->chunk);
		if (ret->chunk.len != len)
			in->bad = true;
	}
	ret->value_len = len;
	if (ret->name.len == 0 || memchr(ret->name.data, '\0', ret->name.len))
		in->bad = true;
}

/* Append the xattrs of one set; *have of *cap are taken. */
static int set_parse(struct parse *parse, struct xattr_set *set,
		     uint32_t *have, uint32_t *cap, struct err *err)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	uint32_t count = (uint32_t)bytes_count(in, XATTRS_MAX);
	struct xattr *grown;

	if (count == 0 || count > bytes_left(in) / 3)
		return err_corrupt(err, "a set of extended attributes is "
				   "malformed");
	if (count > *cap - *have) {
		uint32_t want = (*have + count) * 2;

		grown = realloc(rows->xattrs, want * sizeof(*grown));
		if (!grown)
			return err_nomem(err);
		rows->xattrs = grown;
		*cap = want;
	}
	*set = (struct xattr_set){ *have, count };
	for (uint32_t i = 0; i < count; i++) {
		struct xattr *xattr = &rows->xattrs[*have + i];

		memset(xattr, 0, sizeof(*xattr));
		xattr_parse(&parse->object, xattr);
		if (in->bad ||
		    (i && span_cmp(xattr[-1].name, xattr->name) >= 0))
			return err_corrupt(err, "a set of extended attributes "
					   "is malformed");
	}
	*have += count;
	return 0;
}

static int sets_parse(struct parse *parse, struct err *err)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	uint64_t count = bytes_varint(in);
	uint32_t have = 0, cap = 0;
	int r;

	rows->sets = room(in, count, sizeof(*rows->sets), 4, err, &r);
	if (r < 0)
		return r;
	rows->set_count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		r = set_parse(parse, &rows->sets[i], &have, &cap, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool name_is_good(const struct parse *parse, uint32_t index)
{
	struct span name = rows_name(parse->rows, index);

	if (parse->type == OBJECT_ROOT)
		return name.len == 0;
	if (name.len == 0 || memchr(name.data, '/', name.len) ||
	    memchr(name.data, '\0', name.len) ||
	    span_equal(name, span_str(".")) ||
	    span_equal(name, span_str("..")))
		return false;
	return index == 0 ||
	       span_cmp(rows_name(parse->rows, index - 1), name) < 0;
}

static int name_parse(struct parse *parse, uint32_t index, struct err *err)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	struct row *row = &rows->rows[index];
	struct buf *names = &rows->names;
	size_t last = index ? rows->rows[index - 1].name_len : 0;
	size_t shared = (size_t)bytes_count(in, last);
	struct span rest = bytes_string(in, NAME_BYTES_MAX - shared);

	row->name_at = (uint32_t)names->len;
	row->name_len = (uint8_t)(shared + rest.len);
	if (buf_reserve(names, NAME_BYTES_MAX + 1) < 0)
		return err_nomem(err);
	buf_append(names, names->data + names->len - last, shared);
	buf_append(names, rest.data, rest.len);
	if (in->bad || !name_is_good(parse, index))
		return err_corrupt(err, "a name in a directory page is out of "
				   "order or none a file can have");
	return 0;
}

static void row_parse(struct parse *parse, uint32_t index)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	struct row *row = &rows->rows[index];
	const struct row *last = index ? row - 1 : NULL;
	uint16_t *mode = &parse->modes[row->head & ROW_TYPE];
	uint64_t s;

	if (!(row->head & ROW_SAME_MODE))
		*mode = (uint16_t)bytes_count(in, 07777);
	row->mode = *mode;
	if (!(row->head & ROW_SAME_OWNER))
		row->owner = (uint32_t)bytes_varint(in);
	else if (last)
		row->owner = last->owner;
	if (row->owner >= rows->owner_count)
		in->bad = true;
	s = (uint64_t)bytes_zigzag(in);
	row->mtime_s = (int64_t)(s + (last ? (uint64_t)last->mtime_s : 0));
	if (row->head & ROW_NS) {
		row->mtime_ns = (uint32_t)bytes_count(in, 999999999);
		if (row->mtime_ns == 0)
			in->bad = true;
	}
	row->rest_at = (uint32_t)(in->at - rows->object.body.at);
	row->next_ref = parse->refs.next;
}

static int entry_parse(struct parse *parse, uint32_t index, struct err *err)
{
	struct rows *rows = parse->rows;
	struct row *row = &rows->rows[index];
	struct entry entry = { .below = 0 };
	int r;

	row->head = bytes_u8(&parse->object.body);
	r = name_parse(parse, index, err);
	if (r < 0)
		return r;
	row_parse(parse, index);
	rest_parse(rows, row, &parse->refs, &entry);
	if (parse->object.body.bad)
		return err_corrupt(err, "an entry of a directory page is "
				   "malformed");
	rows->before[index + 1] = rows->before[index] + 1 + entry.below;
	rows->dirs += entry.type == ENTRY_DIR;
	return 0;
}

static int entries_parse(struct parse *parse, struct err *err)
{
	struct bytes *in = &parse->object.body;
	struct rows *rows = parse->rows;
	bool root = parse->type == OBJECT_ROOT;
	uint64_t count = bytes_count(in, root ? 1 : PAGE_ENTRIES_MAX);
	int r;

	if (count == 0)
		return err_corrupt(err, "a directory page has no entries");
	rows->rows = room(in, count, sizeof(*rows->rows), ROW_BYTES_MIN, err,
			  &r);
	if (r < 0)
		return r;
	rows->before = calloc(count + 1, sizeof(*rows->before));
	if (!rows->before)
		return err_nomem(err);
	rows->count = (uint32_t)count;
	for (uint32_t i = 0; i < count; i++) {
		r = entry_parse(parse, i, err);
		if (r < 0)
			return r;
	}
	if (!bytes_done(in) || (root && rows->dirs != 1))
		return err_corrupt(err, "a directory page has bytes behind "
				   "its entries, or the root is no directory");
	return 0;
}

static int tables_parse(struct parse *parse, struct err *err)
{
	int r;

	r = owners_parse(parse, err);
	if (r < 0)
		return r;
	r = sets_parse(parse, err);
	if (r < 0)
		return r;
	return entries_parse(parse, err);
}

int rows_parse(struct span bytes, enum object_type type, struct rows *ret,
	       struct err *err)
{
	struct rows rows = { .count = 0 };
	struct parse parse = { .rows = &rows, .type = type };
	int r;

	r = object_parse(bytes, &parse.object, err);
	if (r < 0)
		return r;
	if (parse.object.type != type || bytes.len > PAGE_BYTES_MAX)
		return err_corrupt(err, "an object is not the directory page "
				   "it should be");
	rows.object = parse.object;
	parse.refs.object = &parse.object;
	r = tables_parse(&parse, err);
	if (r < 0) {
		rows_release(&rows);
		return r;
	}
	*ret = rows;
	return 0;
}

int page_parse(struct span bytes, enum object_type type, struct page *ret,
	       struct err *err)
{
	struct rows rows;
	struct entry *entries;
	int r;

	r = rows_parse(bytes, type, &rows, err);
	if (r < 0)
		return r;
	entries = calloc(rows.count, sizeof(*entries));
	if (!entries) {
		rows_release(&rows);
		return err_nomem(err);
	}
	for (uint32_t i = 0; i < rows.count; i++)
		rows_get(&rows, i, &entries[i]);
	*ret = (struct page){ .count = rows.count, .entries = entries,
			      .before = rows.before, .xattrs = rows.xattrs,
			      .names = rows.names.data };
	rows.before = NULL;
	rows.xattrs = NULL;
	rows.names = (struct buf)BUF_INIT;
	rows_release(&rows);
	return 0;
}

void page_release(struct page *page)
{
	free(page->entries);
	free(page->before);
	free(page->xattrs);
	free(page->names);
	memset(page, 0, sizeof(*page));
}
