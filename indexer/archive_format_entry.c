#include "indexer/archive_format.h"

#include "indexer/archive_load.h"

static struct span span_opt(const char *text)
{
	return text ? span_str(text) : span_of(NULL, 0);
}

static enum entry_type type_of(struct archive_entry *ae)
{
	switch (libarchive.entry_filetype(ae)) {
	case AE_IFDIR:
		return ENTRY_DIR;
	case AE_IFLNK:
		return ENTRY_SYMLINK;
	case AE_IFCHR:
		return ENTRY_CHAR;
	case AE_IFBLK:
		return ENTRY_BLOCK;
	case AE_IFIFO:
		return ENTRY_FIFO;
	case AE_IFSOCK:
		return ENTRY_SOCKET;
	default:
		return ENTRY_FILE;
	}
}

static uint32_t owner(int64_t id)
{
	return id >= 0 && id < UINT32_MAX ? (uint32_t)id : 0;
}

static int put_acls(struct run *run, struct archive_entry *ae,
		    bool is_default, struct attrs *attrs, uint16_t *mode)
{
	int want = is_default ? ARCHIVE_ENTRY_ACL_TYPE_DEFAULT
			      : ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
	CLEANUP(acl_release) struct acl acl = { .items = NULL };
	int type, perms, tag, id;
	const char *name;

	/* An access list of three is the mode, and not counted. */
	if (libarchive.entry_acl_reset(ae, want) <= (is_default ? 0 : 3))
		return 0;
	while (libarchive.entry_acl_next(ae, want, &type, &perms, &tag, &id,
				      &name) == ARCHIVE_OK) {
		static const struct { int theirs; unsigned ours; } tags[] = {
			{ ARCHIVE_ENTRY_ACL_USER_OBJ, ACL_TAG_USER_OBJ },
			{ ARCHIVE_ENTRY_ACL_USER, ACL_TAG_USER },
			{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, ACL_TAG_GROUP_OBJ },
			{ ARCHIVE_ENTRY_ACL_GROUP, ACL_TAG_GROUP },
			{ ARCHIVE_ENTRY_ACL_MASK, ACL_TAG_MASK },
			{ ARCHIVE_ENTRY_ACL_OTHER, ACL_TAG_OTHER },
		};

		for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
			if (tags[i].theirs == tag &&
			    acl_add(&acl, tags[i].ours,
				    (unsigned)perms & 7, (uint32_t)id) ==
				    -ENOMEM)
				return run_fatal(run,
						 err_nomem(run->err));
		}
	}
	return acl_give(&acl, is_default, attrs, mode);
}

int format_attrs(struct run *run, struct archive_entry *ae,
		 struct attrs *attrs, struct entry *e)
{
	const char *name;
	const void *value;
	size_t len;

	libarchive.entry_xattr_reset(ae);
	while (libarchive.entry_xattr_next(ae, &name, &value, &len) ==
	       ARCHIVE_OK) {
		if (attrs_set(attrs, span_str(name), span_of(value, len)) < 0)
			return run_fatal(run, err_nomem(run->err));
	}
	put_acls(run, ae, false, attrs, &e->mode);
	put_acls(run, ae, true, attrs, &e->mode);
	if (attrs_give(attrs, e) < 0)
		return run_fatal(run, err_nomem(run->err));
	return run->fatal;
}

void format_entry(struct archive_entry *ae, struct entry *e)
{
	e->type = type_of(ae);
	e->mode = (uint16_t)(libarchive.entry_perm(ae) & 07777);
	e->uid = owner(libarchive.entry_uid(ae));
	e->gid = owner(libarchive.entry_gid(ae));
	e->uname = span_opt(libarchive.entry_uname(ae));
	e->gname = span_opt(libarchive.entry_gname(ae));
	if (libarchive.entry_mtime_is_set(ae)) {
		long ns = libarchive.entry_mtime_nsec(ae);

		e->mtime.s = libarchive.entry_mtime(ae);
		e->mtime.ns = ns >= 0 && ns < 1000000000 ? (uint32_t)ns : 0;
	}
	if (e->type == ENTRY_FILE)
		e->size = libarchive.entry_size_is_set(ae) &&
					  libarchive.entry_size(ae) >= 0
				  ? (uint64_t)libarchive.entry_size(ae)
				  : UINT64_MAX;
	if (e->type == ENTRY_CHAR || e->type == ENTRY_BLOCK) {
		e->dev_major = (uint32_t)libarchive.entry_rdevmajor(ae);
		e->dev_minor = (uint32_t)libarchive.entry_rdevminor(ae);
	}
	if (e->type == ENTRY_SYMLINK) {
		e->mode = 0777;
		e->target = span_opt(libarchive.entry_symlink(ae));
		e->size = e->target.len;
	}
}
