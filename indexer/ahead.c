#include "indexer/ahead.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "indexer/dir_internal.h"

#define SMALL_DIR 32u		/* names of a directory that are looked at at once */

struct task {
	struct task *next;
	size_t number;		/* among the names of its directory */
	char name[];
};

struct ahead_dir {
	struct ahead_dir *above;	/* entered before it and not left */
	int fd;
	dev_t dev;
	bool left;
	unsigned users;			/* threads that are at it */
	size_t at;			/* where the walk is; atomic */
	struct task *first, **last;
	size_t count;
};

struct ahead {
	struct ahead_options options;
	pthread_t thread[AHEAD_THREADS];
	unsigned threads;
	pthread_mutex_t mutex;
	pthread_cond_t work;
	/* all below under mutex */
	struct ahead_dir *deepest;
	size_t count;			/* tasks */
	unsigned idle;
	bool stop;
	uint64_t files;
};

static void read_file(struct ahead *ahead, int dir_fd, const char *name,
		      const struct stat *st)
{
	struct stamp ctime = { st->st_ctim.tv_sec,
			       (uint32_t)st->st_ctim.tv_nsec };
	off_t len = st->st_size < (off_t)AHEAD_BYTES ? st->st_size
						     : (off_t)AHEAD_BYTES;
	OWNED_FD fd = -1;

	if (len == 0 || stamp_cmp(ctime, ahead->options.since) < 0)
		return;
	fd = open_at(dir_fd, name, 0);
	if (fd < 0)
		return;
	posix_fadvise(fd, 0, len, POSIX_FADV_WILLNEED);
	__atomic_fetch_add(&ahead->files, 1, __ATOMIC_RELAXED);
}

/* What lies in a small directory; a large one is only listed. */
static void look_into(struct ahead *ahead, int dir_fd, const char *name)
{
	char names[SMALL_DIR][NAME_MAX + 1];
	unsigned count = 0;
	struct dirent *entry;
	int fd = open_at(dir_fd, name, O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct stat st;

	if (!dir) {
		close_fd(&fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		if (count < SMALL_DIR && entry->d_name[0] != '.')
			strcpy(names[count++], entry->d_name);
	for (unsigned i = 0; count < SMALL_DIR && i < count; i++)
		if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode))
			read_file(ahead, fd, names[i], &st);
	closedir(dir);
}

static void look(struct ahead *ahead, const struct ahead_dir *dir,
		 const char *name)
{
	struct stat st;

	if (fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (S_ISREG(st.st_mode))
		read_file(ahead, dir->fd, name, &st);
	else if (S_ISDIR(st.st_mode) && st.st_dev == dir->dev &&
		 ahead->options.into)
		look_into(ahead, dir->fd, name);
}

/* Under mutex, as all that follow. */
static void dir_free(struct ahead_dir *dir)
{
	close_fd(&dir->fd);
	free(dir);
}

static struct task *take(struct ahead *ahead, struct ahead_dir *dir)
{
	struct task *task = dir->first;

	dir->first = task->next;
	if (!dir->first)
		dir->last = &dir->first;
	dir->count--;
	ahead->count--;
	return task;
}

/* What the walk will want first: of the directory entered last. */
static struct ahead_dir *next_dir(struct ahead *ahead)
{
	struct ahead_dir *dir = ahead->deepest;

	while (dir && dir->count == 0)
		dir = dir->above;
	return dir;
}

static void do_next(struct ahead *ahead, struct ahead_dir *dir)
{
	struct task *task = take(ahead, dir);
	bool passed = task->number <=
		      __atomic_load_n(&dir->at, __ATOMIC_RELAXED);

	if (!passed) {
		dir->users++;
		pthread_mutex_unlock(&ahead->mutex);
		look(ahead, dir, task->name);
		pthread_mutex_lock(&ahead->mutex);
		dir->users--;
		if (dir->left && dir->users == 0)
			dir_free(dir);
	}
	free(task);
}

static void *thread_main(void *arg)
{
	struct ahead *ahead = arg;

	pthread_mutex_lock(&ahead->mutex);
	while (!ahead->stop) {
		struct ahead_dir *dir = next_dir(ahead);

		if (dir) {
			do_next(ahead, dir);
			continue;
		}
		ahead->idle++;
		pthread_cond_wait(&ahead->work, &ahead->mutex);
		ahead->idle--;
	}
	pthread_mutex_unlock(&ahead->mutex);
	return NULL;
}

/* The calls of the walk. */

struct ahead *ahead_new(const struct ahead_options *options)
{
	struct ahead *ahead = calloc(1, sizeof(*ahead));

	if (!ahead)
		return NULL;
	ahead->options = *options;
	pthread_mutex_init(&ahead->mutex, NULL);
	pthread_cond_init(&ahead->work, NULL);
	for (; ahead->threads < AHEAD_THREADS; ahead->threads++)
		if (pthread_create(&ahead->thread[ahead->threads], NULL,
				   thread_main, ahead) != 0)
			break;
	if (ahead->threads > 0)
		return ahead;
	ahead_free(ahead);
	return NULL;
}

void ahead_free(struct ahead *ahead)
{
	if (!ahead)
		return;
	pthread_mutex_lock(&ahead->mutex);
	ahead->stop = true;
	pthread_cond_broadcast(&ahead->work);
	pthread_mutex_unlock(&ahead->mutex);
	while (ahead->threads > 0)
		pthread_join(ahead->thread[--ahead->threads], NULL);
	while (ahead->deepest)
		ahead_leave(ahead, ahead->deepest);
	pthread_mutex_destroy(&ahead->mutex);
	pthread_cond_destroy(&ahead->work);
	free(ahead);
}

struct ahead_dir *ahead_enter(struct ahead *ahead, int fd)
{
	struct ahead_dir *dir;
	struct stat st;

	if (!ahead || fstat(fd, &st) < 0)
		return NULL;
	dir = calloc(1, sizeof(*dir));
	if (!dir)
		return NULL;
	dir->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (dir->fd < 0) {
		free(dir);
		return NULL;
	}
	dir->dev = st.st_dev;
	dir->last = &dir->first;
	pthread_mutex_lock(&ahead->mutex);
	dir->above = ahead->deepest;
	ahead->deepest = dir;
	pthread_mutex_unlock(&ahead->mutex);
	return dir;
}

void ahead_leave(struct ahead *ahead, struct ahead_dir *dir)
{
	struct ahead_dir **at;

	if (!dir)
		return;
	pthread_mutex_lock(&ahead->mutex);
	for (at = &ahead->deepest; *at != dir; at = &(*at)->above)
		;
	*at = dir->above;
	while (dir->count > 0)
		free(take(ahead, dir));
	dir->left = true;
	if (dir->users == 0)
		dir_free(dir);
	pthread_mutex_unlock(&ahead->mutex);
}

static bool put(struct ahead *ahead, struct ahead_dir *dir, const char *name,
		size_t number)
{
	size_t len = strlen(name) + 1;
	struct task *task = malloc(sizeof(*task) + len);

	if (!task)
		return false;
	task->next = NULL;
	task->number = number;
	memcpy(task->name, name, len);
	*dir->last = task;
	dir->last = &task->next;
	dir->count++;
	ahead->count++;
	return true;
}

void ahead_at(struct ahead_dir *dir, size_t number)
{
	if (dir)
		__atomic_store_n(&dir->at, number, __ATOMIC_RELAXED);
}

size_t ahead_ask(struct ahead *ahead, struct ahead_dir *dir,
		 char *const *names, size_t from, size_t to)
{
	size_t taken = 0;

	if (!dir)
		return to - from;
	pthread_mutex_lock(&ahead->mutex);
	if (dir->count <= AHEAD_NAMES / 2) {
		while (from + taken < to && dir->count < AHEAD_NAMES &&
		       ahead->count < AHEAD_TASKS &&
		       put(ahead, dir, names[from + taken], from + taken))
			taken++;
		if (taken > 0 && ahead->idle > 0)
			pthread_cond_broadcast(&ahead->work);
	}
	pthread_mutex_unlock(&ahead->mutex);
	return taken;
}

uint64_t ahead_files(struct ahead *ahead)
{
	return ahead ? __atomic_load_n(&ahead->files, __ATOMIC_RELAXED) : 0;
}
