#include "fs/out/swap_internal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/tree/entry.h"

/* What a backup had as immutable stands so in the tree: for root no reason to
 * keep it. */
static void loosen(int fd, const char *name)
{
	OWNED_FD int self = openat(fd, name, O_RDONLY | O_NOFOLLOW |
				   O_NONBLOCK | O_CLOEXEC);
	unsigned flags;

	if (self < 0 || ioctl(self, FS_IOC_GETFLAGS, &flags) < 0 ||
	    !(flags & (FS_IMMUTABLE_FL | FS_APPEND_FL)))
		return;
	flags &= ~(unsigned)(FS_IMMUTABLE_FL | FS_APPEND_FL);
	(void)ioctl(self, FS_IOC_SETFLAGS, &flags);
}

static int remove_name(int fd, const char *name, int flags, struct err *err)
{
	int r = disk_step_outside(name, "remove", err);

	if (r < 0 || unlinkat(fd, name, flags) == 0 || errno == ENOENT)
		return r;
	if (errno == EPERM) {
		loosen(fd, ".");
		loosen(fd, name);
		if (unlinkat(fd, name, flags) == 0)
			return 0;
	}
	return err_sys(err, "cannot remove '%s'", name);
}

static int remove_tree(int fd, const char *name, dev_t dev, unsigned depth,
		       struct err *err)
{
	OWNED_NAMES struct swap_names names = { .name = NULL };
	OWNED_FD int below = -1;
	struct stat st;
	int r;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 :
		       err_sys(err, "cannot look at '%s'", name);
	if (st.st_dev != dev)
		return err_set(err, -EBUSY, "another file system is mounted "
			       "on '%s'", name);
	if (!S_ISDIR(st.st_mode))
		return remove_name(fd, name, 0, err);
	if (depth > DEPTH_MAX + 4)
		return err_set(err, -ENAMETOOLONG, "'%s' is too deep", name);
	if ((st.st_mode & 0700) != 0700 && geteuid() != 0)
		fchmodat(fd, name, 0700, 0);
	r = swap_open_dir(fd, name, &below, err);
	if (r == 0)
		r = swap_list(below, &names, err);
	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = remove_tree(below, names.name[i], dev, depth + 1, err);
	return r < 0 ? r : remove_name(fd, name, AT_REMOVEDIR, err);
}

int swap_remove(struct swap *swap, const char *part, struct err *err)
{
	OWNED_FD int staging = -1;
	struct stat st;
	int r;

	if (!swap_is_there(swap->place, swap->name))
		return 0;
	if (fstat(swap->place, &st) < 0)
		return err_sys(err, "cannot look at '%s'", swap->target);
	if (!part)
		r = remove_tree(swap->place, swap->name, st.st_dev, 0, err);
	else
		r = swap_open_staging(swap, &staging, err);
	if (part && r == 0)
		r = remove_tree(staging, part, st.st_dev, 0, err);
	return r < 0 ? r : swap_sync(part ? staging : swap->place,
				     swap->target, err);
}
