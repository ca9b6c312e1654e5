#include "indexer/archive_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct tar {
	struct level *level;
	struct window *window;
	struct run *run;
	struct pax global, local;
	struct buf long_name, long_link;
	bool has_name, has_link;
	const char *refuse;	/* why the next entry must be left out */
	bool seen_pax, seen[DIALECT_STAR + 1];
	bool over;		/* nothing more is to be read */
};

struct member {
	struct header head;
	struct span path, link;
	struct entry entry;
	struct map map;
	bool sparse;
	uint64_t left;		/* bytes of data still in the stream */
	uint64_t padding;
};

static void member_release(struct member *m)
{
	map_release(&m->map);
}

/* Everything taken that went into no file is glue. */
static int take_glue(struct tar *t, struct span bytes)
{
	int r = put_glue(t->level, bytes);

	window_take(t->window, bytes.len);
	return r;
}

/* Pass over n bytes; *ret_missing: the stream ended before. */
static int pass_over(struct tar *t, uint64_t n, uint64_t *ret_missing)
{
	struct span some;
	int r = 0;

	while (n && r >= 0) {
		some = window_some(t->window, n);
		if (!some.len)
			break;
		n -= some.len;
		r = take_glue(t, some);
	}
	if (ret_missing)
		*ret_missing = n;
	return t->run->fatal;
}

static const char *why_ended(const struct tar *t)
{
	return t->window->why.code ? t->window->why.text
				   : "nothing more follows";
}

static int cut_short(struct tar *t, struct span path, const char *where)
{
	if (t->run->fatal)
		return t->run->fatal;
	t->over = true;
	put_lost(t->level, path, "the archive ends early, at byte %" PRIu64
		 " %s: %s", t->window->at, where, why_ended(t));
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
		r = pass_over(t, size + padding, &missing);
		return r < 0 || !missing
			       ? r
			       : cut_short(t, span_of(NULL, 0), "in a header");
	}
	while (size && r >= 0) {
		some = window_some(t->window, size);
		if (!some.len)
			return cut_short(t, span_of(NULL, 0), "in a header");
		buf_append(ret, some.data, some.len);
		size -= some.len;
		r = take_glue(t, some);
	}
	if (buf_failed(ret))
		return run_fatal(t->run, err_nomem(t->run->err));
	return r < 0 ? r : pass_over(t, padding, NULL);
}

static void tell_flaws(struct tar *t, struct pax *pax, struct span path)
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
	tell_flaws(t, &t->global, span_of(NULL, 0));
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

/* Owner ids are 32 bits wide; the last means "leave it" to chown(2). */
static uint32_t owner(struct tar *t, const struct member *m, int64_t id,
		      const char *what)
{
	if (id >= 0 && id < UINT32_MAX)
		return (uint32_t)id;
	put_warn(t->level, WEIGHT_FLAWED, m->path,
		 "its %s %" PRId64 " is out of range; kept as 0", what, id);
	return 0;
}

static void put_names(struct tar *t, struct member *m)
{
	const struct pax *p = &t->local;

	m->path = span_str(m->head.name);
	m->link = span_str(m->head.link);
	m->entry.uname = span_str(m->head.uname);
	m->entry.gname = span_str(m->head.gname);
	if (t->has_name)
		m->path = buf_span(&t->long_name);
	if (t->has_link)
		m->link = buf_span(&t->long_link);
	if (p->has & PAX_PATH)
		m->path = p->path;
	if (p->has & PAX_SPARSE_NAME)
		m->path = p->sparse_name;
	if (p->has & PAX_LINKPATH)
		m->link = p->linkpath;
	if (p->has & PAX_UNAME)
		m->entry.uname = p->uname;
	if (p->has & PAX_GNAME)
		m->entry.gname = p->gname;
}

static void put_numbers(struct tar *t, struct member *m)
{
	const struct pax *p = &t->local;
	struct entry *e = &m->entry;

	e->mode = m->head.mode;
	e->mtime.s = m->head.mtime;
	if (p->has & PAX_MTIME)
		e->mtime = p->mtime;
	e->uid = owner(t, m, p->has & PAX_UID ? p->uid : m->head.uid, "owner");
	e->gid = owner(t, m, p->has & PAX_GID ? p->gid : m->head.gid, "group");
	m->left = p->has & PAX_SIZE ? p->size : m->head.size;
	e->dev_major = (uint32_t)(p->has & PAX_DEV_MAJOR ? p->dev_major
							 : m->head.dev_major);
	e->dev_minor = (uint32_t)(p->has & PAX_DEV_MINOR ? p->dev_minor
							 : m->head.dev_minor);
	if (m->head.flaw)
		put_warn(t->level, WEIGHT_FLAWED, m->path,
			 "its %s cannot be read; kept as 0", m->head.flaw);
}

static int put_acl(struct tar *t, struct member *m, struct span text,
		   bool is_default)
{
	CLEANUP(acl_release) struct acl acl = { .items = NULL };
	struct attrs *attrs = &t->local.attrs;
	int r = acl_parse(text, &acl);

	if (r == 0)
		r = acl_give(&acl, is_default, attrs, &m->entry.mode);
	if (r == -ENOMEM)
		return run_fatal(t->run, err_nomem(t->run->err));
	if (r < 0)
		put_warn(t->level, WEIGHT_FLAWED, m->path,
			 "its access list is not kept: %s: '%.*s'",
			 r == -ENOENT ? "it names someone not known here"
				      : "it cannot be read",
			 (int)(text.len < 300 ? text.len : 300),
			 (const char *)text.data);
	return 0;
}

static int put_attrs(struct tar *t, struct member *m)
{
	struct pax *p = &t->local;
	int r = acl_settle(&p->attrs, &m->entry.mode);

	if (r == -ENOMEM)
		return run_fatal(t->run, err_nomem(t->run->err));
	/* Ids say more than names, which mean others on another host. */
	if (r < 0 && p->has & PAX_ACL_ACCESS)
		if (put_acl(t, m, p->acl_access, false) < 0)
			return t->run->fatal;
	if (p->has & PAX_ACL_DEFAULT &&
	    !attrs_find(&p->attrs, "system.posix_acl_default"))
		if (put_acl(t, m, p->acl_default, true) < 0)
			return t->run->fatal;
	if (p->has & PAX_ACE)
		put_warn(t->level, WEIGHT_FLAWED, m->path,
			 "its NFSv4 access list is not kept");
	if (p->has & PAX_FFLAGS &&
	    !fflags_parse(p->fflags, &m->entry.flags))
		put_warn(t->level, WEIGHT_NOTE, m->path,
			 "some of its file flags are not known: '%.*s'",
			 (int)(p->fflags.len < 300 ? p->fflags.len : 300),
			 (const char *)p->fflags.data);
	if (attrs_give(&p->attrs, &m->entry) < 0)
		return run_fatal(t->run, err_nomem(t->run->err));
	return 0;
}

/* Headers of links, devices and directories may tell a size without data
 * behind them; whether there is any, the next block says. */
static bool has_no_data(struct tar *t)
{
	struct span next = window_peek(t->window, TAR_BLOCK);

	return next.len < TAR_BLOCK || header_is_good(next.data) ||
	       header_is_zero(next.data);
}

static int skip_data(struct tar *t, struct member *m)
{
	uint64_t missing, left = m->left + m->padding;
	int r = pass_over(t, left, &missing);

	m->left = 0;
	m->padding = 0;
	if (r < 0 || !missing)
		return r;
	return cut_short(t, m->path, "in data that was passed over");
}

/* Sparse maps. */

/* A sparse map at the head of the data (GNU 1.0): decimal lines in whole
 * blocks: the number of regions, then offset and length of each. */
struct map_text {
	uint64_t value, count, offset;
	uint64_t seen;		/* lines */
	bool digits, bad, done;
};

static int map_line(struct map_text *text, struct map *map)
{
	uint64_t v = text->value;
	int r = 0;

	if (!text->digits)
		return -EINVAL;
	if (text->seen == 0) {
		text->count = v;
		if (v > SPARSE_MAX)
			return -E2BIG;
	} else if (text->seen % 2) {
		text->offset = v;
	} else {
		r = map_add(map, text->offset, v);
	}
	text->seen++;
	text->done = text->seen == 1 + 2 * text->count;
	text->value = 0;
	text->digits = false;
	return r;
}

static int map_block(struct map_text *text, struct span block,
		     struct map *map)
{
	int r = 0;

	for (size_t i = 0; i < block.len && !text->done && r == 0; i++) {
		unsigned digit = (unsigned)(block.data[i] - '0');

		if (block.data[i] == '\n') {
			r = map_line(text, map);
		} else if (digit > 9 || text->value > INT64_MAX / 16) {
			r = -EINVAL;
		} else {
			text->value = text->value * 10 + digit;
			text->digits = true;
		}
	}
	return r;
}

static int read_map_text(struct tar *t, struct member *m)
{
	struct map_text text = { .value = 0 };
	struct span block;
	int r = 0;

	while (r == 0 && !text.done) {
		if (m->left < TAR_BLOCK)
			return -EINVAL;
		block = window_peek(t->window, TAR_BLOCK);
		if (block.len < TAR_BLOCK)
			return -EINVAL;
		r = map_block(&text, block, &m->map);
		if (take_glue(t, block) < 0)
			return t->run->fatal;
		m->left -= TAR_BLOCK;
	}
	return r;
}

/* The blocks of regions behind an old GNU or star header. */
static int read_map_blocks(struct tar *t, struct member *m)
{
	struct span block;
	int r = 1;

	while (r > 0) {
		block = window_peek(t->window, TAR_BLOCK);
		if (block.len < TAR_BLOCK)
			return -EINVAL;
		r = header_sparse_more(block.data, &m->map);
		if (take_glue(t, block) < 0)
			return t->run->fatal;
	}
	return r;
}

/* Does the map fit the data and the size? */
static int check_map(const struct member *m)
{
	uint64_t sum = 0, end = 0;

	for (size_t i = 0; i < m->map.count; i++) {
		end = m->map.regions[i].offset + m->map.regions[i].len;
		sum += m->map.regions[i].len;
	}
	return sum == m->left && end <= m->entry.size ? 0 : -EINVAL;
}

static int read_map(struct tar *t, struct member *m, int blocks_follow)
{
	struct pax *p = &t->local;
	int r = blocks_follow < 0 ? blocks_follow : 0;

	m->padding = -m->left % TAR_BLOCK;
	if (blocks_follow > 0)
		r = read_map_blocks(t, m);
	if (p->has & PAX_REAL_SIZE)
		m->entry.size = p->real_size;
	if (p->has & PAX_SPARSE_MAJOR && p->sparse_major == 1) {
		r = read_map_text(t, m);
	} else if (p->has & PAX_SPARSE_MAP) {
		map_release(&m->map);
		m->map = p->map;
		p->map = (struct map){ .regions = NULL };
		r = p->map_bad ? -EINVAL : 0;
	}
	return r < 0 ? r : check_map(m);
}

static bool is_sparse(const struct tar *t, const struct member *m)
{
	return m->head.type == 'S' ||
	       t->local.has & (PAX_SPARSE_MAP | PAX_SPARSE_MAJOR);
}

/* Files. */

static int copy_region(struct tar *t, struct member *m, uint64_t offset,
		       uint64_t len, uint64_t *ret_end)
{
	struct span some;
	int r;

	while (len) {
		some = window_some(t->window, len);
		if (!some.len)
			break;
		r = put_member(t->level, offset, some);
		window_take(t->window, some.len);
		if (r < 0)
			return r;
		offset += some.len;
		len -= some.len;
		m->left -= some.len;
		*ret_end = offset;
	}
	return t->run->fatal;
}

static int copy_file(struct tar *t, struct member *m)
{
	struct region all = { 0, m->left };
	const struct region *regions = m->sparse ? m->map.regions : &all;
	size_t count = m->sparse ? m->map.count : 1;
	uint64_t end = 0, total = m->left;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = copy_region(t, m, regions[i].offset, regions[i].len, &end);
	if (r < 0)
		return r;
	if (!m->left)
		return put_end(t->level, m->entry.size);
	r = put_end(t->level, end);
	if (r < 0)
		return r;
	t->over = true;
	put_lost(t->level, m->path, "ends early: %" PRIu64 " of %" PRIu64
		 " bytes are there, and the archive ends with it: %s",
		 total - m->left, total, why_ended(t));
	return 0;
}

static int put_file(struct tar *t, struct member *m)
{
	int r = put_begin(t->level, m->path, &m->entry);

	if (r < 0)
		return r;
	if (r > 0) {
		r = copy_file(t, m);
		if (r < 0 || t->over)
			return r;
	}
	return skip_data(t, m);
}

/* A member's bytes for an archive reader: glue as they are taken. */
struct member_source {
	struct source base;
	struct tar *tar;
	struct member *member;
};

static int member_next(struct source *source, struct span *ret,
		       struct err *err)
{
	struct member_source *s = (struct member_source *)source;
	struct span some;

	if (!s->member->left)
		return 0;
	some = window_some(s->tar->window, s->member->left);
	if (!some.len)
		return err_set(err, -EBADMSG, "the archive around it ends "
			       "early");
	if (take_glue(s->tar, some) < 0)
		return err_set(err, -EBADMSG, "stopped");
	s->member->left -= some.len;
	*ret = some;
	return 1;
}

static void member_source_free(struct source *source)
{
	free(source);
}

/* 1: it was an archive, and its inside is in the tree. */
static int expand(struct tar *t, struct member *m)
{
	struct expand_plan plan;
	struct member_source *s;
	struct span head;
	int r;

	if (m->sparse || !m->left || !t->run->input->expand ||
	    !t->level->depth)
		return 0;
	head = window_peek(t->window, m->left < TAR_BLOCK ? (size_t)m->left
							  : TAR_BLOCK);
	if (!expand_likely(head))
		return t->run->fatal;
	head = window_peek(t->window, m->left < SNIFF_MAX ? (size_t)m->left
							  : SNIFF_MAX);
	expand_sniff(m->path, head, m->left, &plan);
	if (plan.way == EXPAND_NOT)
		return t->run->fatal;
	s = calloc(1, sizeof(*s));
	if (!s)
		return run_fatal(t->run, err_nomem(t->run->err));
	s->base = (struct source){ member_next, member_source_free };
	s->tar = t;
	s->member = m;
	r = expand_run(t->level, m->path, &m->entry, &plan, &s->base);
	return r < 0 ? r : 1;
}

static int read_file(struct tar *t, struct member *m, int blocks_follow)
{
	int r = 0;

	m->entry.type = ENTRY_FILE;
	m->padding = -m->left % TAR_BLOCK;
	m->sparse = is_sparse(t, m);
	if (m->head.type != 'S')
		m->entry.size = m->left;
	if (m->sparse)
		r = read_map(t, m, blocks_follow);
	if (t->run->fatal)
		return t->run->fatal;
	if (r < 0) {
		put_warn(t->level, WEIGHT_LOST, m->path,
			 "its map of holes makes no sense; left out");
		return skip_data(t, m);
	}
	r = expand(t, m);
	if (r < 0)
		return r;
	return r > 0 ? skip_data(t, m) : put_file(t, m);
}

/* All else. */

static int read_bare(struct tar *t, struct member *m, enum entry_type type)
{
	int r;

	if (m->left && m->head.type != 'D' && has_no_data(t))
		m->left = 0;
	m->padding = -m->left % TAR_BLOCK;
	m->entry.type = type;
	if (type == ENTRY_SYMLINK) {
		m->entry.mode = 0777;
		m->entry.target = m->link;
		m->entry.size = m->link.len;
	}
	if (type == ENTRY_SYMLINK &&
	    (!m->link.len || m->link.len > TARGET_MAX)) {
		put_warn(t->level, WEIGHT_REFUSED, m->path,
			 "a symbolic link to %s",
			 m->link.len ? "a name that is too long" : "nothing");
	} else {
		r = put_plain(t->level, m->path, &m->entry);
		if (r < 0)
			return r;
	}
	return skip_data(t, m);
}

static int read_link(struct tar *t, struct member *m)
{
	int r;

	if (m->left && has_no_data(t))
		m->left = 0;
	m->padding = -m->left % TAR_BLOCK;
	if (path_is_root(m->link)) {
		put_warn(t->level, WEIGHT_REFUSED, m->path,
			 "a hard link to nothing");
	} else {
		r = put_link(t->level, m->path, m->link);
		if (r < 0)
			return r;
	}
	return skip_data(t, m);
}

/* What is in archives but is no file of the tree. */
static int read_other(struct tar *t, struct member *m)
{
	enum weight weight = WEIGHT_NOTE;
	const char *what = "a volume label, not a file";

	if (m->head.type == 'M') {
		weight = WEIGHT_LOST;
		what = "is the rest of a file that began in another volume; "
		       "left out";
	} else if (m->head.type != 'V') {
		weight = WEIGHT_FLAWED;
		what = "is a header of a kind that is not kept";
	} else if (m->path.len) {
		CLEANUP(free_ptr) char *label = strndup(
			(const char *)m->path.data, m->path.len);

		if (label && !t->level->prefix.len)
			sink_attr(t->run->sink, "volume-label", label);
	}
	put_warn(t->level, weight, m->path, "%s", what);
	m->padding = -m->left % TAR_BLOCK;
	return skip_data(t, m);
}

static bool ends_in_slash(struct span path)
{
	return path.len && path.data[path.len - 1] == '/';
}

static int read_by_type(struct tar *t, struct member *m, int blocks_follow)
{
	switch (m->head.type) {
	case '0':
	case '\0':
	case '7':
		/* Before there was a type for directories, a slash said so. */
		if (ends_in_slash(m->path))
			return read_bare(t, m, ENTRY_DIR);
		return read_file(t, m, blocks_follow);
	case 'S':
		return read_file(t, m, blocks_follow);
	case '1':
		return read_link(t, m);
	case '2':
		return read_bare(t, m, ENTRY_SYMLINK);
	case '3':
		return read_bare(t, m, ENTRY_CHAR);
	case '4':
		return read_bare(t, m, ENTRY_BLOCK);
	case '5':
	case 'D':
		return read_bare(t, m, ENTRY_DIR);
	case '6':
		return read_bare(t, m, ENTRY_FIFO);
	case 'A':
	case 'E':
	case 'I':
	case 'M':
	case 'N':
	case 'V':
		return read_other(t, m);
	default:
		put_warn(t->level, WEIGHT_NOTE, m->path,
			 "has the unknown type 0x%02x; kept as a file",
			 (unsigned)(uint8_t)m->head.type);
		return read_file(t, m, blocks_follow);
	}
}

static int resync(struct tar *t, const char *what, size_t skip);

static int read_member(struct tar *t, const struct header *head,
		       struct span block)
{
	CLEANUP(member_release) struct member m = { .head = *head };
	int more = 0, r;

	if (pax_inherit(&t->local, &t->global) < 0)
		return run_fatal(t->run, err_nomem(t->run->err));
	put_names(t, &m);
	put_numbers(t, &m);
	tell_flaws(t, &t->local, m.path);
	if (head->type == 'S')
		more = header_sparse(block.data, head->dialect == DIALECT_STAR,
				     &m.map, &m.entry.size);
	r = take_glue(t, block);
	if (r < 0)
		return r;
	if (!t->refuse && m.path.len > PATH_BYTES_MAX)
		t->refuse = "its name is too long";
	if (m.left > INT64_MAX - 2 * TAR_BLOCK)
		return resync(t, "a header tells an absurd size", 0);
	if (t->refuse) {
		put_warn(t->level, WEIGHT_LOST, m.path, "left out: %s",
			 t->refuse);
		m.padding = -m.left % TAR_BLOCK;
		return skip_data(t, &m);
	}
	if (put_attrs(t, &m) < 0)
		return t->run->fatal;
	return read_by_type(t, &m, more);
}

static int read_header(struct tar *t, const struct header *head,
		       struct span block)
{
	int r;

	t->seen[head->dialect] = true;
	if (!strchr("xXgLK", head->type) || !head->type) {
		r = read_member(t, head, block);
		forget_extended(t);
		return r;
	}
	r = take_glue(t, block);
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

/* From skip bytes behind here on, so that a bad one is not found again. */
static int resync(struct tar *t, const char *what, size_t skip)
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
		r = take_glue(t, span_of(bytes.data, n));
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

/* Whatever lies behind the end mark belongs to the stream all the same. */
static int read_tail(struct tar *t)
{
	uint64_t more = 0, from = t->window->at;
	struct span some, first;
	bool archive;
	int r = 0;

	t->over = true;
	first = window_peek(t->window, TAR_BLOCK);
	archive = first.len == TAR_BLOCK && header_is_good(first.data);
	for (some = window_some(t->window, UINT64_MAX); some.len && r == 0;
	     some = window_some(t->window, UINT64_MAX)) {
		for (size_t i = 0; !more && i < some.len; i++) {
			if (some.data[i])
				more = t->window->at + i - from + 1;
		}
		r = take_glue(t, some);
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
	if (take_glue(t, both) < 0)
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
		return cut_short(t, span_of(NULL, 0), "without an end mark");
	if (block.len < TAR_BLOCK) {
		if (take_glue(t, block) < 0)
			return t->run->fatal;
		return cut_short(t, span_of(NULL, 0), "in a header");
	}
	if (header_is_zero(block.data))
		return read_end(t);
	if (!header_is_good(block.data))
		return resync(t, "the header is damaged", 1);
	if (header_parse(block.data, &head) < 0)
		return resync(t, "a header tells an absurd size", 1);
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
