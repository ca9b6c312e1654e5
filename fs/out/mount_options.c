#include "fs/out/mount_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define THREADS_MIN 4u
#define THREADS_MAX 16u
#define OPTIONS_MAX (16u << 10)	/* bytes of -o */
#define ANCESTORS_MAX 4096

/* What an option of -o means here. */
enum meaning {
	PASS = 1,	/* the kernel's or libfuse's: passed on */
	IGNORE,		/* mount(8)'s and systemd's own, seen in fstab */
	NONEMPTY, DEBUG, PERMISSIONS, OTHERS, UID, GID, UMASK, VALUE,
	READ_WRITE, GONE,
};

static const struct {
	const char *name;
	enum meaning meaning;
} known[] = {
	{ "allow_other", OTHERS },	{ "allow_root", OTHERS },
	{ "default_permissions", PERMISSIONS },
	{ "ro", IGNORE },		{ "rw", READ_WRITE },
	{ "suid", PASS },		{ "nosuid", PASS },
	{ "dev", PASS },		{ "nodev", PASS },
	{ "exec", PASS },		{ "noexec", PASS },
	{ "atime", PASS },		{ "noatime", PASS },
	{ "auto_unmount", GONE },	{ "nonempty", NONEMPTY },
	{ "debug", DEBUG },
	{ "uid=", UID },		{ "gid=", GID },
	{ "umask=", UMASK },		{ "fsname=", VALUE },
	{ "context=", VALUE },		{ "fscontext=", VALUE },
	{ "defcontext=", VALUE },	{ "rootcontext=", VALUE },
	{ "defaults", IGNORE },		{ "auto", IGNORE },
	{ "noauto", IGNORE },		{ "nofail", IGNORE },
	{ "_netdev", IGNORE },		{ "user", IGNORE },
	{ "nouser", IGNORE },		{ "users", IGNORE },
	{ "relatime", IGNORE },		{ "norelatime", IGNORE },
	{ "nodiratime", IGNORE },	{ "diratime", IGNORE },
	{ "async", IGNORE },		{ "sync", IGNORE },
	{ "user=", IGNORE },		{ "comment=", IGNORE },
};

static enum meaning meaning_of(const char *option)
{
	if (!strncmp(option, "x-", 2) || !strncmp(option, "X-", 2))
		return IGNORE;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		size_t len = strlen(known[i].name);

		if (known[i].name[len - 1] == '=' ?
			    !strncmp(option, known[i].name, len) :
			    !strcmp(option, known[i].name))
			return known[i].meaning;
	}
	return 0;
}

static int parse_number(const char *option, int base, uint32_t max,
			uint32_t *ret, bool *ret_has, struct err *err)
{
	const char *text = strchr(option, '=') + 1;
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, base);
	if (errno || end == text || *end || *text == '-' || *text == '+' ||
	    value > max)
		return err_set(err, -EINVAL, "'%s' is not a number that "
			       "-o takes there", option);
	*ret = (uint32_t)value;
	*ret_has = true;
	return 0;
}

static void pass_on(struct mount_plan *plan, const char *option)
{
	buf_append_byte(&plan->args, ',');
	buf_append_str(&plan->args, option);
}

static int take_option(struct mount_plan *plan, const char *option,
		       bool *has_fsname, struct err *err)
{
	switch (meaning_of(option)) {
	case OTHERS:
		/* Whoever lets others in means the permissions that the
		 * files have, not none. */
		plan->default_permissions = true;
		plan->others = true;
		pass_on(plan, option);
		return 0;
	case VALUE:
		*has_fsname |= !strncmp(option, "fsname=", 7);
		pass_on(plan, option);
		return 0;
	case PASS:
		pass_on(plan, option);
		return 0;
	case PERMISSIONS:
		plan->default_permissions = true;
		return 0;
	case IGNORE:
		return 0;
	case NONEMPTY:
		plan->nonempty = true;
		return 0;
	case DEBUG:
		plan->debug = true;
		return 0;
	case UID:
		return parse_number(option, 10, UINT32_MAX - 1, &plan->uid,
				    &plan->has_uid, err);
	case GID:
		return parse_number(option, 10, UINT32_MAX - 1, &plan->gid,
				    &plan->has_gid, err);
	case UMASK:
		return parse_number(option, 8, 0777, &plan->umask,
				    &plan->has_umask, err);
	case READ_WRITE:
		err_set(err, -EINVAL, "a mount of snapshots is read-only: "
			"'-o rw' cannot be had");
		return err_hint(err, "leave it out, or say '-o ro'");
	case GONE:
		err_set(err, -EINVAL, "'-o %s' is refused: where a mount died "
			"it would leave an empty directory, which rsync "
			"--delete would mirror", option);
		return err_hint(err, "unmount with 'varve umount'");
	}
	err_set(err, -EINVAL, "unknown option '-o %s'", option);
	return err_hint(err, "known are allow_other, allow_root, "
			"default_permissions, uid=, gid=, umask=, nonempty, "
			"suid, dev, noexec, noatime, fsname=, context=");
}

static int take_options(struct mount_plan *plan, const char *text,
			struct err *err)
{
	CLEANUP(free_ptr) char *copy = NULL;
	bool has_fsname = false;
	char *rest, *option;
	int r = 0;

	if (text && strlen(text) > OPTIONS_MAX)
		return err_set(err, -E2BIG, "-o is too long");
	copy = strdup(text ? text : "");
	if (!copy)
		return err_nomem(err);
	buf_append_str(&plan->args, "ro,subtype=varve,max_read=1048576");
	rest = copy;
	while (r == 0 && (option = strsep(&rest, ","))) {
		if (*option)
			r = take_option(plan, option, &has_fsname, err);
	}
	if (r < 0)
		return r;
	if (!has_fsname)
		pass_on(plan, "fsname=varve");
	if (plan->default_permissions)
		pass_on(plan, "default_permissions");
	return buf_str(&plan->args) ? 0 : err_nomem(err);
}

static int absolute(const char *path, const char *what, char **ret,
		    struct err *err)
{
	*ret = realpath(path, NULL);
	if (*ret)
		return 0;
	if (errno == ENOTCONN) {
		err_set(err, -ENOTCONN, "a mount that died lies on '%s'",
			path);
		return err_hint(err, "'varve umount %s' first", path);
	}
	return err_sys(err, "%s '%s'", what, path);
}

static unsigned choose_threads(unsigned asked)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = processors > 0 ? 2 * (unsigned)processors :
					    THREADS_MIN;

	if (asked)
		return asked > 64 ? 64 : asked;
	if (threads < THREADS_MIN)
		return THREADS_MIN;
	return threads > THREADS_MAX ? THREADS_MAX : threads;
}

int mount_plan_init(struct mount_plan *plan,
		    const struct mount_options *options, struct err *err)
{
	int r;

	memset(plan, 0, sizeof(*plan));
	r = take_options(plan, options->fuse_options, err);
	if (r == 0)
		r = absolute(options->store, "no store at", &plan->store, err);
	if (r == 0)
		r = absolute(options->mountpoint, "cannot mount on",
			     &plan->mountpoint, err);
	if (r < 0) {
		mount_plan_release(plan);
		return r;
	}
	if (options->has_uid)
		plan->uid = options->uid;
	if (options->has_gid)
		plan->gid = options->gid;
	if (options->has_umask)
		plan->umask = options->umask;
	plan->has_uid |= options->has_uid;
	plan->has_gid |= options->has_gid;
	plan->has_umask |= options->has_umask;
	plan->threads = choose_threads(options->threads);
	return 0;
}

void mount_plan_release(struct mount_plan *plan)
{
	free(plan->store);
	free(plan->mountpoint);
	buf_release(&plan->args);
	memset(plan, 0, sizeof(*plan));
}

static bool same_place(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is `what` path itself or a directory above it?  By identity, so that bind
 * mounts and links make no difference. */
static int lies_in(const char *path, const struct stat *what, bool *ret,
		   struct err *err)
{
	int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err_sys(err, "cannot look at '%s'", path);
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		struct stat here, above;
		int up;

		if (fstat(fd, &here) < 0)
			break;
		if (same_place(&here, what)) {
			close(fd);
			*ret = true;
			return 0;
		}
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0 || fstat(up, &above) < 0) {
			if (up >= 0)
				close(up);
			break;
		}
		close(fd);
		fd = up;
		if (same_place(&here, &above)) {
			close(fd);
			*ret = false;
			return 0;
		}
	}
	err_sys(err, "cannot look above '%s'", path);
	close(fd);
	return err->code;
}

static int check_empty(const char *path, struct err *err)
{
	const struct dirent *found;
	DIR *dir = opendir(path);
	bool some = false;
	int code;

	if (!dir)
		return err_sys(err, "cannot mount on '%s'", path);
	errno = 0;
	while (!some && (found = readdir(dir)))
		some = strcmp(found->d_name, ".") != 0 &&
		       strcmp(found->d_name, "..") != 0;
	code = errno;
	closedir(dir);
	errno = code;
	if (code && !some)
		return err_sys(err, "cannot read '%s'", path);
	if (!some)
		return 0;
	err_set(err, -EBUSY, "'%s' is not empty: a mount would hide what is "
		"in it", path);
	return err_hint(err, "mount on an empty directory, or add "
			"'-o nonempty'");
}

static int died_there(const char *path, struct err *err)
{
	err_set(err, -ENOTCONN, "cannot mount on '%s': a mount died there",
		path);
	return err_hint(err, "'varve umount %s' first", path);
}

/* Also a mount that is empty: nobody would see it under the other. */
static int check_free(const char *path, struct err *err)
{
	struct statvfs fs;
	bool ours = false;

	/* What the kernel remembers of a dead mount still answers stat(). */
	if (statvfs(path, &fs) < 0 && errno == ENOTCONN)
		return died_there(path, err);
	/* Where /proc is missing it is no reason not to mount. */
	if (mount_lies_on(path, &ours, NULL) > 0 && ours) {
		err_set(err, -EBUSY, "cannot mount on '%s': a Varve store is "
			"mounted there already", path);
		return err_hint(err, "new snapshots appear in it by "
				"themselves; 'varve umount %s' ends it",
				path);
	}
	return check_empty(path, err);
}

int mount_plan_check_place(const struct mount_plan *plan, struct err *err)
{
	struct stat store, mountpoint;
	bool inside;
	int r;

	if (stat(plan->store, &store) < 0)
		return err_sys(err, "no store at '%s'", plan->store);
	if (stat(plan->mountpoint, &mountpoint) < 0)
		return errno == ENOTCONN ? died_there(plan->mountpoint, err) :
		       err_sys(err, "cannot mount on '%s'", plan->mountpoint);
	if (!S_ISDIR(mountpoint.st_mode))
		return err_set(err, -ENOTDIR, "cannot mount on '%s': it is "
			       "not a directory", plan->mountpoint);
	r = lies_in(plan->mountpoint, &store, &inside, err);
	if (r == 0 && !inside)
		r = lies_in(plan->store, &mountpoint, &inside, err);
	if (r < 0)
		return r;
	if (inside) {
		err_set(err, -EBUSY, "cannot mount on '%s': the store '%s' "
			"and the mount may not lie in each other",
			plan->mountpoint, plan->store);
		return err_hint(err, "mount on a directory elsewhere");
	}
	return plan->nonempty ? 0 : check_free(plan->mountpoint, err);
}
