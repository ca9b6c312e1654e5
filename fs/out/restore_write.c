#include "fs/out/restore_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void temp_name(struct restorer *r, char out[32])
{
	unsigned long long n =
		__atomic_add_fetch(&r->temps, 1, __ATOMIC_RELAXED);

	snprintf(out, 32, RESTORE_TEMP,
		 n ^ (unsigned long long)getpid() << 40);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The bytes. */

static int write_all(int fd, const uint8_t *data, size_t len, uint64_t offset,
		     struct err *err)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, data, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot write");
		data += n;
		offset += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* What take returns, if it is not 0, ends the reading. */
typedef int take_piece(void *arg, uint64_t offset, const struct piece *piece,
		       struct err *err);

/* The rest of a hole at once: its length costs whoever made it nothing. */
static int take_hole(struct restorer *r, const struct entry *entry,
		     uint64_t *offset, take_piece *take, void *arg,
		     struct err *err)
{
	struct piece piece = { .hole = true };
	struct err why = ERR_INIT;
	uint64_t end;
	int e = content_seek(&r->getter, &entry->content, entry->size, *offset,
			     false, &end, &why);

	if (e == -ENXIO) {
		end = entry->size;
	} else if (e < 0) {
		*err = why;
		return e;
	}
	piece.bytes = span_of(NULL, (size_t)(end - *offset));
	e = piece.bytes.len ? take(arg, *offset, &piece, err) : 0;
	*offset = end;
	return e;
}

static int each_piece(struct restorer *r, const struct entry *entry,
		      take_piece *take, void *arg, struct err *err)
{
	struct piece pieces[RESTORE_PIECES];
	uint64_t offset = 0;

	while (offset < entry->size) {
		bool hole = false;
		size_t count = 0;
		int e;

		if (restore_stopped(r))
			return err_set(err, -ECANCELED, "stopped");
		e = content_read(&r->getter, &entry->content, entry->size,
				 offset, RESTORE_READ, pieces, RESTORE_PIECES,
				 &count, err);
		if (e == 0 && count == 0)
			e = err_corrupt(err, "its content ends early");
		for (size_t i = 0; i < count; i++) {
			if (e == 0)
				e = take(arg, offset, &pieces[i], err);
			offset += pieces[i].bytes.len;
			hole = pieces[i].hole;
			held_release(&pieces[i].held);
		}
		if (e == 0 && hole && offset < entry->size)
			e = take_hole(r, entry, &offset, take, arg, err);
		if (e != 0)
			return e;
	}
	return 0;
}

static int write_piece(void *arg, uint64_t offset, const struct piece *piece,
		       struct err *err)
{
	const int *fd = arg;

	if (piece->hole)
		return 0;
	return write_all(*fd, piece->bytes.data, piece->bytes.len, offset,
			 err);
}

static int read_piece(void *arg, uint64_t offset, const struct piece *piece,
		      struct err *err)
{
	(void)arg;
	(void)offset;
	(void)piece;
	(void)err;
	return 0;
}

struct compare {
	int fd;
	uint8_t *room;
};

/* 1: it differs. */
static int compare_piece(void *arg, uint64_t offset,
			 const struct piece *piece, struct err *err)
{
	struct compare *compare = arg;
	size_t left = piece->bytes.len;

	while (left > 0) {
		size_t part = left < RESTORE_READ ? left : RESTORE_READ;
		size_t at = piece->bytes.len - left;
		ssize_t n = pread(compare->fd, compare->room, part,
				  (off_t)(offset + at));

		if (n < 0)
			return err_sys(err, "cannot read it to compare");
		if (n == 0)
			return 1;
		for (ssize_t i = 0; piece->hole && i < n; i++)
			if (compare->room[i])
				return 1;
		if (!piece->hole && memcmp(compare->room,
					   piece->bytes.data + at, (size_t)n))
			return 1;
		left -= (size_t)n;
	}
	return 0;
}

static int same_bytes(struct restorer *r, int dirfd, const char *name,
		      const struct entry *entry, bool *ret_same,
		      struct err *err)
{
	CLEANUP(free_ptr) uint8_t *room = malloc(RESTORE_READ);
	struct compare compare = { .room = room };
	int e;

	if (!room)
		return err_nomem(err);
	compare.fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
			    O_NONBLOCK);
	if (compare.fd < 0) {
		*ret_same = false;
		return 0;
	}
	e = each_piece(r, entry, compare_piece, &compare, err);
	close(compare.fd);
	if (e < 0)
		return e;
	*ret_same = e == 0;
	return 0;
}

/* Files. */

static void count_file(struct restorer *r, const struct entry *entry,
		       bool written, bool meta)
{
	pthread_mutex_lock(&r->mutex);
	r->report->files++;
	r->report->bytes += entry->size;
	if (written) {
		r->report->written_files++;
		r->report->written_bytes += entry->size;
	} else if (meta) {
		r->report->meta_changed++;
	} else {
		r->report->same++;
	}
	if (r->options->progress)
		r->options->progress(r->options->arg, r->report->files,
				     r->report->bytes, r->total_files,
				     r->total_bytes);
	pthread_mutex_unlock(&r->mutex);
}

static int fill_temp(struct restorer *r, const struct rjob *job,
		     const char *temp, struct err *err)
{
	const struct entry *entry = &job->node.entry;
	int dirfd = job->dir->fd;
	int fd = openat(dirfd, temp, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW |
			O_CLOEXEC, 0600);
	bool changed;
	int e;

	if (fd < 0)
		return err_sys(err, "cannot make it");
	e = each_piece(r, entry, write_piece, &fd, err);
	if (e == 0 && ftruncate(fd, (off_t)entry->size) < 0)
		e = err_sys(err, "cannot set its length");
	if (e == 0)
		e = restore_meta(r, job->path, dirfd, temp, fd, entry, NULL,
				 &changed, err);
	close(fd);
	return e;
}

/* A directory that is in the way goes if it is empty. */
static int rename_over(int dirfd, const char *temp, const char *name,
		       struct err *err)
{
	if (renameat(dirfd, temp, dirfd, name) == 0)
		return 0;
	if (errno == EISDIR && unlinkat(dirfd, name, AT_REMOVEDIR) == 0 &&
	    renameat(dirfd, temp, dirfd, name) == 0)
		return 0;
	if (errno == ENOTEMPTY || errno == EISDIR) {
		err_set(err, -EISDIR, "a directory that is not empty is in "
			"its place");
		return err_hint(err, "--delete removes what the snapshot has "
				"not");
	}
	return err_sys(err, "cannot put it in its place");
}

static int write_file(struct restorer *r, const struct rjob *job,
		      struct err *err)
{
	char temp[32];
	int e;

	temp_name(r, temp);
	e = fill_temp(r, job, temp, err);
	if (e == 0)
		e = rename_over(job->dir->fd, temp, base_of(job->path), err);
	if (e < 0)
		unlinkat(job->dir->fd, temp, 0);
	return e;
}

/* Does the file there have these bytes (as far as is asked for)? */
static int is_same(struct restorer *r, const struct rjob *job,
		   const struct stat *st, bool *ret_same, struct err *err)
{
	const struct entry *entry = &job->node.entry;

	*ret_same = false;
	if (!S_ISREG(st->st_mode) || (uint64_t)st->st_size != entry->size)
		return 0;
	/* names tied together on the target only are parted by writing */
	if (st->st_nlink != job->node.nlink && job->node.nlink == 1)
		return 0;
	if (r->options->checksum)
		return same_bytes(r, job->dir->fd, base_of(job->path), entry,
				  ret_same, err);
	*ret_same = st->st_mtim.tv_sec == entry->mtime.s &&
		    st->st_mtim.tv_nsec == (long)entry->mtime.ns;
	return 0;
}

static int fix_meta(struct restorer *r, const struct rjob *job,
		    const struct stat *st, bool *ret_changed,
		    struct err *err)
{
	const struct entry *entry = &job->node.entry;
	const char *name = base_of(job->path);
	int dirfd = job->dir->fd, e;
	int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC |
			O_NONBLOCK);

	if (r->options->dry_run)
		e = restore_meta_differs(r, dirfd, name, fd, entry, st,
					 ret_changed, err);
	else
		e = restore_meta(r, job->path, dirfd, name, fd, entry, st,
				 ret_changed, err);
	if (fd >= 0)
		close(fd);
	return e;
}

static int restore_file(struct restorer *r, const struct rjob *job,
			struct err *err)
{
	const struct entry *entry = &job->node.entry;
	const char *name = base_of(job->path);
	struct stat st;
	bool there, same = false, meta = false;
	int e = 0;

	if (r->options->verify_only) {
		e = each_piece(r, entry, read_piece, NULL, err);
		if (e == 0)
			count_file(r, entry, false, false);
		return e;
	}
	there = job->dir->fd >= 0 &&
		fstatat(job->dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (there)
		e = is_same(r, job, &st, &same, err);
	if (e == 0 && same)
		e = fix_meta(r, job, &st, &meta, err);
	else if (e == 0 && !r->options->dry_run)
		e = write_file(r, job, err);
	if (e < 0)
		return e;
	count_file(r, entry, !same, meta);
	if (!same && r->options->dry_run && job->node.nlink > 1)
		restore_first_anew(r, job->node.inode);
	if (!same || meta)
		restore_change(r, there ? '~' : '+', job->path);
	return 0;
}

/* Other things. */

static int make_special(int dirfd, const char *name,
			const struct entry *entry, struct err *err)
{
	char target[TARGET_MAX + 1];
	dev_t dev = makedev(entry->dev_major, entry->dev_minor);
	int e = -1;

	switch (entry->type) {
	case ENTRY_SYMLINK:
		memcpy(target, entry->target.data, entry->target.len);
		target[entry->target.len] = '\0';
		e = symlinkat(target, dirfd, name);
		break;
	case ENTRY_CHAR:
		e = mknodat(dirfd, name, S_IFCHR | 0600, dev);
		break;
	case ENTRY_BLOCK:
		e = mknodat(dirfd, name, S_IFBLK | 0600, dev);
		break;
	case ENTRY_FIFO:
		e = mknodat(dirfd, name, S_IFIFO | 0600, 0);
		break;
	case ENTRY_SOCKET:
		e = mknodat(dirfd, name, S_IFSOCK | 0600, 0);
		break;
	default:
		return err_set(err, -EINVAL, "not a special file");
	}
	return e < 0 ? err_sys(err, "cannot make it") : 0;
}

static bool same_special(int dirfd, const char *name, const struct node *node,
			 const struct stat *st)
{
	char now[TARGET_MAX + 1];
	struct stat want;
	ssize_t n;

	node_stat(node, &want);
	if ((st->st_mode & S_IFMT) != (want.st_mode & S_IFMT))
		return false;
	if (node->nlink == 1 && st->st_nlink != 1)
		return false;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		return st->st_rdev == want.st_rdev;
	if (!S_ISLNK(st->st_mode))
		return true;
	n = readlinkat(dirfd, name, now, sizeof(now));
	return n >= 0 && span_equal(span_of(now, (size_t)n),
				    node->entry.target);
}

int restore_special(struct restorer *r, struct rdir *dir,
		    const struct node *node, const char *path,
		    struct err *err)
{
	const char *name = base_of(path);
	bool there, changed = true;
	struct stat st;
	char temp[32];
	int e;

	there = dir->fd >= 0 &&
		fstatat(dir->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (there && same_special(dir->fd, name, node, &st)) {
		if (r->options->dry_run)
			e = restore_meta_differs(r, dir->fd, name, -1,
						 &node->entry, &st, &changed,
						 err);
		else
			e = restore_meta(r, path, dir->fd, name, -1,
					 &node->entry, &st, &changed, err);
		if (e == 0 && changed)
			__atomic_add_fetch(&r->report->meta_changed, 1,
					   __ATOMIC_RELAXED);
	} else if (r->options->dry_run) {
		e = 0;
	} else {
		temp_name(r, temp);
		e = make_special(dir->fd, temp, &node->entry, err);
		if (e == 0)
			e = restore_meta(r, path, dir->fd, temp, -1,
					 &node->entry, NULL, &changed, err);
		if (e == 0)
			e = rename_over(dir->fd, temp, name, err);
		if (e < 0)
			unlinkat(dir->fd, temp, 0);
	}
	if (e == 0 && changed)
		restore_change(r, there ? '~' : '+', path);
	return e;
}

int restore_link(struct restorer *r, const struct rjob *job,
		 const char *first, struct err *err)
{
	const char *name = base_of(job->path);
	struct stat a, b;
	char temp[32];
	int fd = restore_open_parent(r, first), e = 0;

	if (fd < 0)
		return err_sys(err, "cannot open the directory of '%s'",
			       first);
	if (fstatat(fd, base_of(first), &a, AT_SYMLINK_NOFOLLOW) < 0) {
		if (!r->options->dry_run)
			e = err_sys(err, "cannot find its other name '%s'",
				    first);
		else
			restore_change(r, '+', job->path);
	} else if (fstatat(job->dir->fd, name, &b, AT_SYMLINK_NOFOLLOW) < 0 ||
		   a.st_ino != b.st_ino || a.st_dev != b.st_dev ||
		   restore_is_first_anew(r, job->node.inode)) {
		temp_name(r, temp);
		if (r->options->dry_run)
			e = 0;
		else if (linkat(fd, base_of(first), job->dir->fd, temp, 0) < 0)
			e = err_sys(err, "cannot link it to '%s'", first);
		else
			e = rename_over(job->dir->fd, temp, name, err);
		if (e < 0)
			unlinkat(job->dir->fd, temp, 0);
		else
			restore_change(r, '+', job->path);
	}
	close(fd);
	return e;
}

/* Workers. */

void rjob_free(struct restorer *r, struct rjob *job)
{
	node_release(&job->node);
	rdir_drop(r, job->dir);
	free(job->path);
	free(job);
}

static void run_job(struct restorer *r, struct rjob *job)
{
	struct err err = ERR_INIT;

	if (!restore_stopped(r) && restore_file(r, job, &err) < 0)
		restore_fail(r, job->path, &err);
	rjob_free(r, job);
}

static void *worker_main(void *arg)
{
	struct restorer *r = arg;
	struct rjob *job;

	pthread_mutex_lock(&r->mutex);
	for (;;) {
		while (!r->queue && !r->stop)
			pthread_cond_wait(&r->work, &r->mutex);
		job = r->queue;
		if (!job)
			break;
		r->queue = job->next;
		if (!r->queue)
			r->queue_tail = &r->queue;
		r->queued--;
		r->busy++;
		pthread_cond_broadcast(&r->done);
		pthread_mutex_unlock(&r->mutex);
		run_job(r, job);
		pthread_mutex_lock(&r->mutex);
		r->busy--;
		pthread_cond_broadcast(&r->done);
	}
	pthread_mutex_unlock(&r->mutex);
	return NULL;
}

int restore_start_workers(struct restorer *r, struct err *err)
{
	unsigned want = r->workers;

	for (r->workers = 0; r->workers < want; r->workers++) {
		errno = pthread_create(&r->thread[r->workers], NULL,
				       worker_main, r);
		if (errno && r->workers == 0)
			return err_sys(err, "cannot start a thread");
		if (errno)
			break;
	}
	return 0;
}

void restore_stop_workers(struct restorer *r)
{
	pthread_mutex_lock(&r->mutex);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_mutex_unlock(&r->mutex);
	while (r->workers > 0)
		pthread_join(r->thread[--r->workers], NULL);
}

void restore_queue(struct restorer *r, struct rjob *job)
{
	pthread_mutex_lock(&r->mutex);
	while (r->queued >= RESTORE_QUEUE)
		pthread_cond_wait(&r->done, &r->mutex);
	job->next = NULL;
	*r->queue_tail = job;
	r->queue_tail = &job->next;
	r->queued++;
	pthread_cond_signal(&r->work);
	pthread_mutex_unlock(&r->mutex);
}

void restore_wait(struct restorer *r)
{
	pthread_mutex_lock(&r->mutex);
	while (r->queued > 0 || r->busy > 0)
		pthread_cond_wait(&r->done, &r->mutex);
	pthread_mutex_unlock(&r->mutex);
}
