#include "fs/out/restore_internal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>
#include <unistd.h>

#define LIST_MAX 65536
/* chattr flags that are kept and set again */
#define KEPT_FLAGS (FS_SECRM_FL | FS_UNRM_FL | FS_SYNC_FL | FS_IMMUTABLE_FL | \
		    FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL | \
		    FS_NOTAIL_FL | FS_DIRSYNC_FL | FS_TOPDIR_FL)

/* A path that names the entry itself for the l*xattr calls. */
static void self_path(int dirfd, const char *name, int fd, char *out,
		      size_t size)
{
	if (fd >= 0)
		snprintf(out, size, "/proc/self/fd/%d", fd);
	else
		snprintf(out, size, "/proc/self/fd/%d/%s", dirfd, name);
}

static ssize_t xattr_read(const char *path, int fd, const char *name,
			  void *value, size_t size)
{
	return fd >= 0 ? getxattr(path, name, value, size)
		       : lgetxattr(path, name, value, size);
}

/* Labels are the target's own business, and ENODATA is not "differs". */
static bool is_kept(const char *name)
{
	return strcmp(name, "security.selinux") != 0 && !xattr_is_shadow(name);
}

static const struct xattr *find_xattr(const struct entry *entry,
				      const char *name)
{
	for (uint32_t i = 0; i < entry->xattr_count; i++)
		if (span_equal(entry->xattrs[i].name, span_str(name)))
			return &entry->xattrs[i];
	return NULL;
}

/* Is the attribute there with this value? */
static bool xattr_same(const char *path, int fd, const char *name,
		       struct span value)
{
	CLEANUP(free_ptr) void *now = malloc(value.len + 1);
	ssize_t n;

	if (!now)
		return false;
	n = xattr_read(path, fd, name, now, value.len + 1);
	return n >= 0 && span_equal(span_of(now, (size_t)n), value);
}

static int remove_others(const char *path, int fd, const struct entry *entry,
			 bool dry, bool *changed, struct err *err)
{
	CLEANUP(free_ptr) char *list = malloc(LIST_MAX);
	ssize_t n;

	if (!list)
		return err_nomem(err);
	n = fd >= 0 ? listxattr(path, list, LIST_MAX)
		    : llistxattr(path, list, LIST_MAX);
	if (n < 0 && (errno == ENOTSUP || errno == EPERM))
		return 0;
	if (n < 0)
		return err_sys(err, "cannot list extended attributes");
	for (char *name = list; name < list + n; name += strlen(name) + 1) {
		int r;

		if (!is_kept(name) || find_xattr(entry, name))
			continue;
		*changed = true;
		if (dry)
			continue;
		r = fd >= 0 ? removexattr(path, name)
			    : lremovexattr(path, name);
		if (r < 0 && errno != ENODATA)
			return err_sys(err, "cannot remove attribute '%s'",
				       name);
	}
	return 0;
}

/* Too many, too long, or none at all here: not what a full disk is. */
static void tell_refused(struct restorer *r, const char *shown,
			 const char *name)
{
	struct err why = ERR_INIT;

	err_set(&why, -EIO, "cannot set attribute '%s': %s", name,
		strerror(errno));
	restore_fail(r, shown, &why);
}

/* shown: what to call the entry; NULL in a dry run. */
static int set_xattr(struct restorer *r, const char *shown, const char *path,
		     int fd, const struct xattr *xattr, bool *changed,
		     struct err *err)
{
	OWNED_BUF struct buf value = BUF_INIT;
	char name[XATTR_NAME_MAX + 1];
	int e;

	if (xattr->name.len > XATTR_NAME_MAX)
		return err_set(err, -EINVAL, "an attribute's name is too long");
	memcpy(name, xattr->name.data, xattr->name.len);
	name[xattr->name.len] = '\0';
	if (!is_kept(name))
		return 0;
	/* these two namespaces need privilege; rsync and tar skip them, too */
	if (geteuid() != 0 && (!strncmp(name, "trusted.", 8) ||
			       !strncmp(name, "security.", 9)))
		return 0;
	e = tree_xattr(r->tree, xattr, &value, err);
	if (e < 0)
		return e;
	if (xattr_same(path, fd, name, buf_span(&value)))
		return 0;
	*changed = true;
	if (!shown)
		return 0;
	e = fd >= 0 ? setxattr(path, name, value.data, value.len, 0)
		    : lsetxattr(path, name, value.data, value.len, 0);
	if (e < 0)
		tell_refused(r, shown, name);
	return 0;
}

static int sync_xattrs(struct restorer *r, const char *shown,
		       const char *path, int fd, const struct entry *entry,
		       bool *changed, struct err *err)
{
	int e = remove_others(path, fd, entry, !shown, changed, err);

	for (uint32_t i = 0; e == 0 && i < entry->xattr_count; i++)
		e = set_xattr(r, shown, path, fd, &entry->xattrs[i], changed,
			      err);
	return e;
}

struct owner {
	uid_t uid;
	gid_t gid;
};

static struct owner owner_of(const struct restorer *r,
			     const struct entry *entry)
{
	const struct restore_owner *given = r->options->owner;

	if (!given && r->names)
		return (struct owner){
			owner_names_user(r->names, entry->uname, entry->uid),
			owner_names_group(r->names, entry->gname, entry->gid),
		};
	if (!given)
		return (struct owner){ entry->uid, entry->gid };
	if (r->stack[0] && entry == &r->stack[0]->node.entry)
		return (struct owner){ given->top_uid, given->top_gid };
	return (struct owner){ given->uid, given->gid };
}

static bool owner_differs(const struct restorer *r, const struct entry *entry,
			  const struct stat *st)
{
	struct owner owner = owner_of(r, entry);

	return r->own && (!st || st->st_uid != owner.uid ||
			  st->st_gid != owner.gid);
}

static int set_owner(const struct restorer *r, int dirfd, const char *name,
		     int fd, const struct entry *entry, struct err *err)
{
	struct owner owner = owner_of(r, entry);
	int e = fd >= 0 ? fchown(fd, owner.uid, owner.gid)
			: fchownat(dirfd, name, owner.uid, owner.gid,
				   AT_SYMLINK_NOFOLLOW);

	if (e < 0)
		return err_sys(err, "cannot give it to %u:%u", owner.uid,
			       owner.gid);
	return 0;
}

static int set_mode(int dirfd, const char *name, int fd,
		    const struct entry *entry, struct err *err)
{
	int e = fd >= 0 ? fchmod(fd, entry->mode)
			: fchmodat(dirfd, name, entry->mode, 0);

	if (e < 0)
		return err_sys(err, "cannot set mode %04o", entry->mode);
	return 0;
}

static int set_times(int dirfd, const char *name, int fd,
		     const struct entry *entry, struct err *err)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = entry->mtime.s, .tv_nsec = entry->mtime.ns },
	};
	int e = fd >= 0 ? futimens(fd, times)
			: utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW);

	if (e < 0)
		return err_sys(err, "cannot set its time");
	return 0;
}

static bool flags_differ(int fd, const struct entry *entry, unsigned *now)
{
	return fd >= 0 && ioctl(fd, FS_IOC_GETFLAGS, now) >= 0 &&
	       (*now & KEPT_FLAGS) != (entry->flags & KEPT_FLAGS);
}

static int set_flags(int fd, const struct entry *entry, bool *changed,
		     struct err *err)
{
	unsigned now = 0;

	if (!flags_differ(fd, entry, &now))
		return 0;
	*changed = true;
	now = (now & ~(unsigned)KEPT_FLAGS) | (entry->flags & KEPT_FLAGS);
	if (ioctl(fd, FS_IOC_SETFLAGS, &now) < 0 && errno != ENOTSUP)
		return err_sys(err, "cannot set its flags");
	return 0;
}

static bool mode_matters(const struct entry *entry)
{
	return entry->type != ENTRY_SYMLINK;
}

static bool has_acl(const struct entry *entry)
{
	return find_xattr(entry, "system.posix_acl_access") != NULL;
}

int restore_meta(struct restorer *r, const char *path, int dirfd,
		 const char *name, int fd, const struct entry *entry,
		 const struct stat *st, bool *ret_changed, struct err *err)
{
	bool changed = st == NULL;
	char self[320];
	int e = 0;

	self_path(dirfd, name, fd, self, sizeof(self));
	if (owner_differs(r, entry, st)) {
		changed = true;
		e = set_owner(r, dirfd, name, fd, entry, err);
	}
	/* chown clears setuid; an ACL shows its mask as the group's bits */
	if (e == 0 && mode_matters(entry) &&
	    (changed || (st->st_mode & 07777) != entry->mode ||
	     has_acl(entry))) {
		if (!st || (st->st_mode & 07777) != entry->mode)
			changed = true;
		e = set_mode(dirfd, name, fd, entry, err);
	}
	if (e == 0)
		e = sync_xattrs(r, path, self, fd, entry, &changed, err);
	if (e == 0 && (changed || st->st_mtim.tv_sec != entry->mtime.s ||
		       st->st_mtim.tv_nsec != (long)entry->mtime.ns)) {
		changed = true;
		e = set_times(dirfd, name, fd, entry, err);
	}
	if (e == 0 && geteuid() == 0)
		e = set_flags(fd, entry, &changed, err);
	if (e == 0)
		*ret_changed = changed;
	return e;
}

int restore_meta_differs(struct restorer *r, int dirfd, const char *name,
			 int fd, const struct entry *entry,
			 const struct stat *st, bool *ret_differs,
			 struct err *err)
{
	unsigned flags = 0;
	char path[320];
	bool differs;
	int e;

	self_path(dirfd, name, fd, path, sizeof(path));
	differs = owner_differs(r, entry, st) ||
		  (mode_matters(entry) &&
		   (st->st_mode & 07777) != entry->mode) ||
		  st->st_mtim.tv_sec != entry->mtime.s ||
		  st->st_mtim.tv_nsec != (long)entry->mtime.ns ||
		  (geteuid() == 0 && flags_differ(fd, entry, &flags));
	e = differs ? 0 : sync_xattrs(r, NULL, path, fd, entry, &differs, err);
	if (e == 0)
		*ret_differs = differs;
	return e;
}
