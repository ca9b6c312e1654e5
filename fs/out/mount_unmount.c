#include "fs/out/mount_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/out/mounts.h"

#define TYPE "fuse.varve"
#define ANSWER_MS 2000		/* that a server which is well may take */
#define CLOSE_MS 10000		/* and to close its store */

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

/* Its server, as it says; 0: not known.  A child asks, as one that is stopped never
 * answers, and whoever asked it may then not even be killed. */
static pid_t ask_server(const char *path)
{
	char text[MOUNT_SERVER_TEXT] = "";
	int ends[2];
	struct pollfd answer;
	pid_t child;
	bool told = false;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return 0;
	child = fork();
	if (child == 0) {
		ssize_t n = getxattr(path, MOUNT_SERVER_XATTR, text,
				     sizeof(text) - 1);

		_exit(n > 0 && write(ends[1], text, (size_t)n) == n ? 0 : 1);
	}
	close(ends[1]);
	answer = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	if (child > 0 && poll(&answer, 1, ANSWER_MS) == 1)
		told = read(ends[0], text, sizeof(text) - 1) >= 0;
	close(ends[0]);
	if (child > 0 && !told)
		kill(child, SIGKILL);
	/* until then it uses the mount */
	for (int i = 0; child > 0 && i < 100 &&
	     waitpid(child, NULL, told ? 0 : WNOHANG) == 0; i++)
		poll(NULL, 0, 10);
	return told ? (pid_t)strtol(text, NULL, 10) : 0;
}

/* Until it has closed the store, so that what that lies on can be taken away. */
static bool await_server(int fd)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };

	return fd < 0 || poll(&end, 1, CLOSE_MS) != 0;
}

int mount_unmount(const char *mountpoint, bool lazy, struct err *err)
{
	CLEANUP(free_ptr) char *path = NULL;
	CLEANUP(disk_close_fd) int server = -1;
	int r = real_place(mountpoint, &path, err);
	pid_t pid = 0;

	if (r == 0)
		r = check_ours(path, err);
	if (r < 0)
		return r;
	if (!lazy)
		pid = ask_server(path);
	if (pid > 0)
		server = pidfd_open(pid, 0);
	if (geteuid() != 0)
		r = run_fusermount(path, lazy, err);
	else if (umount2(path, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) < 0)
		r = err_sys(err, "cannot unmount '%s'", path);
	if (r == -EBUSY && !lazy)
		err_hint(err, "something in it is in use: 'fuser -vm %s' says "
			 "by whom; 'varve umount --lazy' takes it away once "
			 "they are done", path);
	return r < 0 || await_server(server) ? r : pid;
}
