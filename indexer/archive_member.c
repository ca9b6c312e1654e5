#include "indexer/archive_tar.h"

#include <inttypes.h>
#include <stdlib.h>

static void member_release(struct member *m)
{
	map_release(&m->map);
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

/* Numbers of devices, of which Linux has fewer still. */
static uint32_t device(struct tar *t, const struct member *m, uint64_t number)
{
	if (number <= UINT32_MAX)
		return (uint32_t)number;
	put_warn(t->level, WEIGHT_FLAWED, m->path,
		 "its device number %" PRId64 " is out of range; kept as 0",
		 (int64_t)number);
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
	e->dev_major = device(t, m, p->has & PAX_DEV_MAJOR
					    ? p->dev_major
					    : m->head.dev_major);
	e->dev_minor = device(t, m, p->has & PAX_DEV_MINOR
					    ? p->dev_minor
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
			 "its NFSv4 access list is not kept: '%.*s'",
			 (int)(p->ace.len < 300 ? p->ace.len : 300),
			 (const char *)p->ace.data);
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
	int r = tar_pass_over(t, left, &missing);

	m->left = 0;
	m->padding = 0;
	if (r < 0 || !missing)
		return r;
	return tar_cut_short(t, m->path, "in data that was passed over");
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
		 total - m->left, total, tar_why_ended(t));
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
	if (tar_take_glue(s->tar, some) < 0)
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
	m->sparse = tar_is_sparse(t, m);
	if (m->head.type != 'S')
		m->entry.size = m->left;
	if (m->sparse)
		r = tar_read_map(t, m, blocks_follow);
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
	} else if (m->path.len && !t->labelled) {
		CLEANUP(free_ptr) char *label = strndup(
			(const char *)m->path.data, m->path.len);

		t->labelled = true;
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

/* A later volume of a pax archive begins with a file of its own. */
static void tell_volume(struct tar *t, const struct member *m)
{
	struct pax *p = &t->global;

	if (!(p->has & PAX_VOLUME))
		return;
	p->has &= ~(unsigned)PAX_VOLUME;
	put_warn(t->level, WEIGHT_LOST, m->path,
		 "is the rest of '%.*s', which began in another volume; kept "
		 "as a file of its own",
		 (int)(p->volume_file.len < 300 ? p->volume_file.len : 300),
		 (const char *)p->volume_file.data);
}

int tar_read_member(struct tar *t, const struct header *head,
		       struct span block)
{
	CLEANUP(member_release) struct member m = { .head = *head };
	int more = 0, r;

	if (pax_inherit(&t->local, &t->global) < 0)
		return run_fatal(t->run, err_nomem(t->run->err));
	put_names(t, &m);
	put_numbers(t, &m);
	tar_tell_flaws(t, &t->local, m.path);
	tell_volume(t, &m);
	if (head->type == 'S')
		more = header_sparse(block.data, head->dialect == DIALECT_STAR,
				     &m.map, &m.entry.size);
	r = tar_take_glue(t, block);
	if (r < 0)
		return r;
	if (!t->refuse && m.path.len > PATH_BYTES_MAX)
		t->refuse = "its name is too long";
	if (m.left > INT64_MAX - 2 * TAR_BLOCK)
		return tar_resync(t, "a header tells an absurd size", 0);
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
