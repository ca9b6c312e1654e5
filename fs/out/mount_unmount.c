#include "fs/out/mount_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/out/mounts.h"

#define TYPE "fuse.varve"

struct looking {
	const char *path;
	bool some, ours;
};

static int look_at(void *arg, const struct mount_row *row, struct err *err)
{
	struct looking *looking = arg;

	(void)err;
	if (strcmp(row->place, looking->path) != 0)
		return 0;
	looking->some = true;
	looking->ours = !strcmp(row->type, TYPE);
	return 0;
}

int mount_lies_on(const char *path, bool *ret_ours, struct err *err)
{
	struct looking looking = { .path = path };
	int r = mounts_each(look_at, &looking, err);

	if (r < 0)
		return r;
	*ret_ours = looking.ours;
	return looking.some;
}

/* The topmost mount on path must be ours: no other is taken away. */
static int check_ours(const char *path, struct err *err)
{
	bool ours = false;
	int r = mount_lies_on(path, &ours, err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, -EINVAL, "nothing is mounted on '%s'",
			       path);
	if (!ours)
		return err_set(err, -EINVAL, "what is mounted on '%s' is not "
			       "a mount of varve", path);
	return 0;
}

/* Of a mount that died, only the directory above can be asked. */
static int real_place(const char *path, char **ret, struct err *err)
{
	CLEANUP(free_ptr) char *copy = NULL, *above = NULL;
	char *slash;

	*ret = realpath(path, NULL);
	if (*ret)
		return 0;
	if (errno != ENOTCONN)
		return err_sys(err, "cannot unmount '%s'", path);
	copy = strdup(path);
	if (!copy)
		return err_nomem(err);
	while ((slash = strrchr(copy, '/')) && slash > copy && !slash[1])
		*slash = 0;
	if (slash)
		*slash = 0;
	above = realpath(slash ? (*copy ? copy : "/") : ".", NULL);
	if (!above)
		return err_sys(err, "cannot unmount '%s'", path);
	if (asprintf(ret, "%s/%s", strcmp(above, "/") != 0 ? above : "",
		     slash ? slash + 1 : copy) < 0)
		return err_nomem(err);
	return 0;
}

static int run_fusermount(const char *path, bool lazy, struct err *err)
{
	pid_t child;
	int status;

	fflush(NULL);
	child = fork();
	if (child < 0)
		return err_sys(err, "cannot start a process");
	if (child == 0) {
		execlp("fusermount3", "fusermount3", "-u", lazy ? "-z" : "-q",
		       "--", path, (char *)NULL);
		_exit(127);
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, "cannot wait for fusermount3");
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(err, -ENOENT, "cannot unmount '%s': "
			       "fusermount3 is not installed", path);
	if (access("/etc/mtab", R_OK) < 0) {
		err_sys(err, "cannot unmount '%s': fusermount3 wants to read "
			"/etc/mtab", path);
		return err_hint(err, "as root: ln -s ../proc/self/mounts "
				"/etc/mtab");
	}
	return err_set(err, -EBUSY, "cannot unmount '%s': fusermount3 refused",
		       path);
}

int mount_unmount(const char *mountpoint, bool lazy, struct err *err)
{
	CLEANUP(free_ptr) char *path = NULL;
	int r = real_place(mountpoint, &path, err);

	if (r == 0)
		r = check_ours(path, err);
	if (r < 0)
		return r;
	if (geteuid() != 0)
		r = run_fusermount(path, lazy, err);
	else if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0)
		r = err_sys(err, "cannot unmount '%s'", path);
	if (r == -EBUSY && !lazy)
		err_hint(err, "something in it is in use: 'fuser -vm %s' says "
			 "by whom; 'varve umount --lazy' takes it away once "
			 "they are done", path);
	return r;
}
