#include "fs/out/in_use.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/out/mounts.h"

#define FILE_ROOM PATH_MAX

/* Is it the target's, by what /proc calls it, or by its device? */
static bool is_of(const struct in_use *in_use, const char *path, dev_t dev)
{
	return path_is_in(path, in_use->path) ||
	       (in_use->volume && dev == in_use->dev);
}

/* What this process lacks is no answer about another. */
static void see_failure(struct in_use *in_use)
{
	if (errno == ENOMEM || errno == EMFILE || errno == ENFILE)
		in_use->failed = errno;
}

/* A link of /proc; path gets what it leads to. */
static bool link_is_of(const struct in_use *in_use, int fd, const char *name,
		       char path[FILE_ROOM])
{
	ssize_t n = readlinkat(fd, name, path, FILE_ROOM - 1);
	struct statx st = { .stx_mask = 0 };
	dev_t dev = 0;

	if (n <= 0)
		return false;
	path[n] = '\0';
	if (path[0] != '/')
		return false;
	/* asks no server: one that hangs must not hang this */
	if (in_use->volume &&
	    statx(fd, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO,
		  &st) == 0)
		dev = makedev(st.stx_dev_major, st.stx_dev_minor);
	return is_of(in_use, path, dev);
}

static bool dir_is_of(struct in_use *in_use, int process,
		      const char *name, char path[FILE_ROOM])
{
	int fd = openat(process, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *e;
	bool found = false;

	if (!dir) {
		see_failure(in_use);
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (e = readdir(dir)))
		if (e->d_name[0] != '.')
			found = link_is_of(in_use, fd, e->d_name, path);
	closedir(dir);
	return found;
}

/* "FROM-TO RIGHTS OFFSET MAJOR:MINOR INODE   PATH" */
static bool maps_are_of(struct in_use *in_use, int process,
			char path[FILE_ROOM])
{
	int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
	FILE *file = fd >= 0 ? fdopen(fd, "r") : NULL;
	unsigned major_no, minor_no;
	bool found = false;
	char *line = NULL;
	size_t cap = 0;

	if (!file)
		see_failure(in_use);
	while (file && !found && (errno = 0, getline(&line, &cap, file) > 0)) {
		char *name = strchr(line, '/');

		if (!name || sscanf(line, "%*s %*s %*s %x:%x", &major_no,
				    &minor_no) != 2)
			continue;
		name[strcspn(name, "\n")] = '\0';
		found = is_of(in_use, name, makedev(major_no, minor_no));
		if (found)
			snprintf(path, FILE_ROOM, "%s", name);
	}
	if (file && !found && !feof(file))
		see_failure(in_use);
	free(line);
	if (file)
		fclose(file);
	else if (fd >= 0)
		close(fd);
	return found;
}

static bool process_is_in(struct in_use *in_use, int process,
			  char path[FILE_ROOM])
{
	static const char *const links[] = { "cwd", "root", "exe" };

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (link_is_of(in_use, process, links[i], path))
			return true;
	return dir_is_of(in_use, process, "fd", path) ||
	       maps_are_of(in_use, process, path);
}

static void name_process(int process, const char *number, const char *path,
			 char out[256])
{
	int fd = openat(process, "comm", O_RDONLY | O_CLOEXEC);
	char comm[32] = "?";
	ssize_t n = fd >= 0 ? read(fd, comm, sizeof(comm) - 1) : -1;

	if (fd >= 0)
		close(fd);
	if (n > 0)
		comm[n] = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	snprintf(out, 256, "%s (%.11s): %.200s", comm, number, path);
}

static void look_at(struct in_use *in_use, int proc, const char *number,
		    char path[FILE_ROOM])
{
	int process = openat(proc, number,
			     O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	/* or it has ended meanwhile */
	if (process < 0) {
		see_failure(in_use);
		return;
	}
	if (process_is_in(in_use, process, path) && in_use->count++ == 0)
		name_process(process, number, path, in_use->first);
	close(process);
}

int in_use_find(struct in_use *in_use, struct err *err)
{
	CLEANUP(free_ptr) char *path = malloc(FILE_ROOM);
	DIR *proc = opendir("/proc");
	struct dirent *e;
	char own[16];

	in_use->count = 0;
	in_use->failed = 0;
	if (!path || !proc) {
		if (proc)
			closedir(proc);
		return path ? err_sys(err, "cannot read /proc") :
			      err_nomem(err);
	}
	snprintf(own, sizeof(own), "%d", getpid());
	while ((errno = 0, e = readdir(proc)) != NULL)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9' &&
		    strcmp(e->d_name, own) != 0)
			look_at(in_use, dirfd(proc), e->d_name, path);
	if (errno) {
		closedir(proc);
		return err_sys(err, "cannot read /proc");
	}
	closedir(proc);
	if (in_use->failed) {
		errno = in_use->failed;
		return err_sys(err, "cannot look who uses '%s'", in_use->path);
	}
	return 0;
}
