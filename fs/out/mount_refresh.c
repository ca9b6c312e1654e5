#include "fs/out/mount_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define READAHEAD_KB "1024\n"

/* What the kernel is told after the new names are in place. */
struct notice {
	fuse_ino_t dir;
	char *name;		/* NULL: the directory itself */
};

struct notices {
	struct notice *notices;
	size_t count, cap;
};

static void notices_release(struct notices *notices)
{
	for (size_t i = 0; i < notices->count; i++)
		free(notices->notices[i].name);
	free(notices->notices);
}

/* Without memory a name is seen until its timeout ends: a second more. */
static void put_notice(struct notices *notices, fuse_ino_t dir,
		       const char *name)
{
	if (notices->count == notices->cap) {
		size_t cap = notices->cap ? notices->cap * 2 : 64;
		void *bigger = reallocarray(notices->notices, cap,
					    sizeof(struct notice));

		if (!bigger)
			return;
		notices->notices = bigger;
		notices->cap = cap;
	}
	notices->notices[notices->count++] = (struct notice){
		.dir = dir, .name = name ? strdup(name) : NULL,
	};
}

static const struct names_child *nth_by_name(const struct names *names,
					     const struct names_dir *dir,
					     int area, uint32_t i)
{
	if (i >= dir->in[area].count)
		return NULL;
	return &names->children[names->by_name[dir->in[area].first + i]];
}

/* Both listings by name side by side; are they different? */
static bool compare_dir(const struct names *old, const struct names_dir *was,
			const struct names *fresh, const struct names_dir *is,
			int area, struct notices *notices)
{
	fuse_ino_t ino = names_dir_ino(was, area);
	uint32_t i = 0, j = 0;
	bool changed = false;

	for (;;) {
		const struct names_child *a = nth_by_name(old, was, area, i);
		const struct names_child *b = nth_by_name(fresh, is, area, j);
		int order;

		if (!a && !b)
			return changed;
		order = !a ? 1 : !b ? -1 :
			strcmp(names_text(old, a->name),
			       names_text(fresh, b->name));
		i += order <= 0;
		j += order >= 0;
		if (order == 0 && names_child_ino(old, a) ==
					  names_child_ino(fresh, b))
			continue;
		changed = true;
		if (order <= 0)
			put_notice(notices, ino, names_text(old, a->name));
	}
}

/* Directories that are the same in both; times go on where nothing changed,
 * and where something did they do not go back. */
static void compare(const struct names *old, struct names *fresh,
		    struct notices *notices)
{
	struct stamp now = stamp_now();

	for (uint32_t i = 0; i < fresh->dir_count; i++) {
		struct names_dir *is = &fresh->dirs[i];
		const struct names_dir *was;

		if (is->was == NAMES_NONE)
			continue;
		was = &old->dirs[is->was];
		for (int area = AREA_SHOWN; area < AREA_END; area++) {
			is->in[area].mtime = was->in[area].mtime;
			if (!compare_dir(old, was, fresh, is, area, notices))
				continue;
			is->in[area].mtime = now;
			put_notice(notices, names_dir_ino(was, area), NULL);
		}
	}
}

static void send(struct mount *mount, const struct notices *notices)
{
	for (size_t i = 0; i < notices->count; i++) {
		const struct notice *notice = &notices->notices[i];

		/* Refusals mean that the kernel does not know it. */
		if (notice->name)
			fuse_lowlevel_notify_inval_entry(mount->session,
				notice->dir, notice->name,
				strlen(notice->name));
		else
			fuse_lowlevel_notify_inval_inode(mount->session,
				notice->dir, 0, 0);
	}
	count(&mount->counters.notifies, notices->count);
}

static int replace_names(struct mount *mount, struct err *err)
{
	CLEANUP(notices_release) struct notices notices = { .count = 0 };
	struct names *old = mount->names, *fresh;
	int r = names_build(mount, old, &fresh, err);

	if (r < 0)
		return r;
	compare(old, fresh, &notices);
	pthread_rwlock_wrlock(&mount->names_lock);
	mount->names = fresh;
	pthread_rwlock_unlock(&mount->names_lock);
	names_free(old);
	send(mount, &notices);
	count(&mount->counters.refreshes, 1);
	return 0;
}

static void refresh(struct mount *mount, bool *failed)
{
	struct err err = ERR_INIT;
	bool changed = false;
	uint64_t seen = 0;
	int r;

	/* Asked first: whatever happened up to it is then seen as a change, or
	 * was when the names were last made. */
	r = catalog_high_seq(repo_catalog(mount->repo), &seen, &err);
	if (r == 0)
		r = repo_refresh(mount->repo, &changed, &err);
	if (r == 0 && (changed || *failed ||
		       mount->names->due <= stamp_now().s))
		r = replace_names(mount, &err);
	if (r == 0)
		release_forgotten(mount);
	if (r == 0)
		r = seats_tell(mount, seen, &err);
	/* What was shown so far stays; told once for a row of failures. */
	if (r < 0 && !*failed)
		mount_fault(mount, 0, -EIO, "look for new snapshots", &err);
	*failed = r < 0;
}

static void raise_readahead(const struct stat *st)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		 major(st->st_dev), minor(st->st_dev));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, READAHEAD_KB, strlen(READAHEAD_KB)) < 0)
		errno = 0;	/* slower, not wrong */
	close(fd);
}

/* The mount answers when its root does; then the parent may go. */
static bool announce(struct mount *mount)
{
	struct err err = ERR_INIT;
	struct stat st;

	if (stat(mount->plan->mountpoint, &st) < 0)
		err_sys(&err, "the mount on '%s' does not answer",
			mount->plan->mountpoint);
	else
		raise_readahead(&st);
	/* Where it has ended already, who ended it says why. */
	if (!mount_settle(mount, err.code ? STANDING_FAILED :
					    STANDING_ANSWERED))
		return false;
	if (mount->ready_fd >= 0 && !atomic_load(&mount->loop_ended) &&
	    write(mount->ready_fd, &err, sizeof(err)) != sizeof(err))
		errno = 0;	/* nobody waits any more */
	return err.code == 0;
}

/*
 * Signals end the mount by way of this thread: it must not be telling the
 * kernel anything, which then may wait for an answer, while those who answer
 * stop.
 */
enum { WOKEN_STOP = 0, WOKEN_TIME = -1 };

static int wait_until_woken(struct mount *mount)
{
	unsigned ms = mount->options->refresh_ms ?
		mount->options->refresh_ms : 1000;
	struct pollfd pollfd = { .fd = mount->wake_fd, .events = POLLIN };
	uint8_t byte;

	if (poll(&pollfd, 1, ms > INT_MAX ? INT_MAX : (int)ms) <= 0)
		return WOKEN_TIME;
	if (read(mount->wake_fd, &byte, 1) != 1)
		return WOKEN_TIME;
	return byte;
}

static void *refresher(void *arg)
{
	struct mount *mount = arg;
	bool failed = false;

	if (!announce(mount)) {
		loop_end(mount);
		return NULL;
	}
	for (;;) {
		int woken = wait_until_woken(mount);

		if (woken == WOKEN_STOP)
			return NULL;
		if (woken == WOKEN_TIME ||
		    (woken == SIGHUP && !mount->options->foreground)) {
			mets_publish(mount);
			refresh(mount, &failed);
			continue;
		}
		loop_end(mount);
		return NULL;
	}
}

int refresh_start(struct mount *mount, struct err *err)
{
	int r;

	mount->looper = pthread_self();
	r = pthread_create(&mount->refresher, NULL, refresher, mount);
	return r ? err_set(err, -r, "cannot start a thread") : 0;
}
