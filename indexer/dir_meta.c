#include "indexer/dir_internal.h"

#include <grp.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* What chattr(1) sets and keeps.  Not: how the file system lays the file out
 * (extents, inline data, hashed directories), nor what only it can set
 * (encryption, verity, case folding). */
#define FLAGS_KEPT                                                            \
	(FS_SECRM_FL | FS_UNRM_FL | FS_COMPR_FL | FS_SYNC_FL |                \
	 FS_IMMUTABLE_FL | FS_APPEND_FL | FS_NODUMP_FL | FS_NOATIME_FL |      \
	 FS_NOCOMP_FL | FS_JOURNAL_DATA_FL | FS_NOTAIL_FL | FS_DIRSYNC_FL |   \
	 FS_TOPDIR_FL | FS_NOCOW_FL | FS_PROJINHERIT_FL)

#define NAME_ROOM 16384		/* for getpwuid_r(3) */

void meta_release(struct meta *meta)
{
	for (size_t i = 0; i < OWNERS; i++) {
		free(meta->users[i].name);
		free(meta->groups[i].name);
	}
	buf_release(&meta->target);
	buf_release(&meta->names);
	buf_release(&meta->values);
	free(meta->xattrs);
}

static char *user_name(uint32_t id)
{
	char room[NAME_ROOM];
	struct passwd user, *found = NULL;

	if (getpwuid_r(id, &user, room, sizeof(room), &found) || !found)
		return NULL;
	return strdup(user.pw_name);
}

static char *group_name(uint32_t id)
{
	char room[NAME_ROOM];
	struct group group, *found = NULL;

	if (getgrgid_r(id, &group, room, sizeof(room), &found) || !found)
		return NULL;
	return strdup(group.gr_name);
}

static struct span owner_name(struct owner *owners, uint32_t id,
			      char *(*look_up)(uint32_t))
{
	struct owner *owner = &owners[id % OWNERS];

	if (!owner->known || owner->id != id) {
		free(owner->name);
		owner->name = look_up(id);
		owner->id = id;
		owner->known = true;
	}
	return owner->name ? span_str(owner->name) : span_of(NULL, 0);
}

static enum entry_type type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return ENTRY_FILE;
	case S_IFDIR: return ENTRY_DIR;
	case S_IFLNK: return ENTRY_SYMLINK;
	case S_IFCHR: return ENTRY_CHAR;
	case S_IFBLK: return ENTRY_BLOCK;
	case S_IFIFO: return ENTRY_FIFO;
	case S_IFSOCK: return ENTRY_SOCKET;
	}
	return 0;
}

void meta_from_stat(struct meta *meta, const struct stat *st,
		    struct entry *ret)
{
	*ret = (struct entry){
		.type = type_of(st->st_mode),
		.mode = (uint16_t)(st->st_mode & 07777),
		.uid = st->st_uid,
		.gid = st->st_gid,
		.uname = owner_name(meta->users, st->st_uid, user_name),
		.gname = owner_name(meta->groups, st->st_gid, group_name),
		.mtime = { st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec },
	};
	if (ret->type == ENTRY_FILE)
		ret->size = (uint64_t)st->st_size;
	if (ret->type == ENTRY_CHAR || ret->type == ENTRY_BLOCK) {
		ret->dev_major = major(st->st_rdev);
		ret->dev_minor = minor(st->st_rdev);
	}
}

/* Where the entry can be asked for its attributes: by descriptor, or by a
 * name that goes through one, so that no path is too long. */
struct place_of {
	int fd;
	char path[NAME_MAX + 64];
};

static ssize_t list_names(const struct place_of *at, void *out, size_t len)
{
	return at->fd >= 0 ? flistxattr(at->fd, out, len)
			   : llistxattr(at->path, out, len);
}

static ssize_t get_value(const struct place_of *at, const char *name,
			 void *out, size_t len)
{
	return at->fd >= 0 ? fgetxattr(at->fd, name, out, len)
			   : lgetxattr(at->path, name, out, len);
}

static void flaw(struct meta *meta, const char *what)
{
	if (!meta->flaw[0])
		snprintf(meta->flaw, sizeof(meta->flaw), "%s: %s", what,
			 strerror(errno));
}

/* The names into meta->names.  false: none, or they cannot be read. */
static bool list_xattrs(struct meta *meta, const struct place_of *at)
{
	ssize_t n;

	buf_clear(&meta->names);
	/* The kernel gives at most this much (XATTR_LIST_MAX). */
	if (buf_reserve(&meta->names, XATTR_LIST_MAX) < 0) {
		errno = ENOMEM;
		flaw(meta, "its extended attributes cannot be listed");
		return false;
	}
	n = list_names(at, meta->names.data, XATTR_LIST_MAX);
	if (n > 0)
		meta->names.len = (size_t)n;
	if (n < 0 && errno != EOPNOTSUPP && errno != ENOSYS)
		flaw(meta, "its extended attributes cannot be listed");
	return n > 0;
}

/* One value behind the others; its span is set when all are there, as the
 * memory may move. */
static bool take_value(struct meta *meta, const struct place_of *at,
		       const char *name, struct xattr *ret)
{
	ssize_t n = -1;

	if (buf_reserve(&meta->values, XATTR_VALUE_MAX) < 0)
		errno = ENOMEM;
	else
		n = get_value(at, name, meta->values.data + meta->values.len,
			      XATTR_VALUE_MAX);
	if (n < 0 && errno == ENODATA)
		return false;
	if (n < 0) {
		flaw(meta, "an extended attribute cannot be read");
		return false;
	}
	*ret = (struct xattr){
		.name = span_str(name),
		.value = { NULL, (size_t)n },
		.value_len = (uint32_t)n,
	};
	meta->values.len += (size_t)n;
	return true;
}

static int read_xattrs(struct meta *meta, const struct place_of *at,
		       struct entry *ret)
{
	uint32_t count = 0;
	size_t value = 0;

	buf_clear(&meta->values);
	if (!list_xattrs(meta, at))
		return 0;
	if (!meta->xattrs)
		meta->xattrs = calloc(XATTRS_MAX, sizeof(*meta->xattrs));
	if (!meta->xattrs)
		return -ENOMEM;
	for (size_t i = 0; i < meta->names.len && count < XATTRS_MAX;) {
		const char *name = (const char *)meta->names.data + i;

		if (!xattr_is_shadow(name))
			count += take_value(meta, at, name,
					    &meta->xattrs[count]);
		i += strlen(name) + 1;
	}
	for (uint32_t i = 0; i < count; i++) {
		meta->xattrs[i].value.data = meta->values.data + value;
		value += meta->xattrs[i].value.len;
	}
	ret->xattrs = meta->xattrs;
	ret->xattr_count = count;
	return 0;
}

static int read_target(struct meta *meta, int dir_fd, const char *name,
		       struct entry *ret)
{
	ssize_t n;

	buf_clear(&meta->target);
	if (buf_reserve(&meta->target, PATH_MAX) < 0)
		return -ENOMEM;
	n = readlinkat(dir_fd, name, (char *)meta->target.data, PATH_MAX);
	if (n < 0)
		return -errno;
	meta->target.len = (size_t)n;
	ret->target = buf_span(&meta->target);
	ret->size = ret->target.len;
	return 0;
}

static uint32_t read_flags(int fd)
{
	int flags = 0;

	/* Most file systems that are not on a disk have none. */
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) < 0)
		return 0;
	return (uint32_t)flags & FLAGS_KEPT;
}

int meta_read(struct meta *meta, int dir_fd, const char *name, int fd,
	      const struct stat *st, struct entry *ret)
{
	struct place_of at = { .fd = fd };
	int r;

	meta->flaw[0] = '\0';
	meta_from_stat(meta, st, ret);
	if (ret->type == ENTRY_SYMLINK) {
		r = read_target(meta, dir_fd, name, ret);
		if (r < 0)
			return r;
	}
	if (fd >= 0)
		ret->flags = read_flags(fd);
	else
		snprintf(at.path, sizeof(at.path), "/proc/self/fd/%d/%s",
			 dir_fd, name);
	return read_xattrs(meta, &at, ret);
}
