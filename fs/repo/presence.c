#include "fs/repo/presence.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/bytes.h"
#include "fs/base/kv.h"
#include "fs/repo/repo_internal.h"

#define TYPE "varve-open"
#define VERSION 1
#define FRESH ".new-"		/* not there yet */
#define JOIN_TRIES 16
#define READ_TRIES 50		/* it may be being written */
#define UNSEEN_TRIES 200	/* somebody may just be coming in */
#define PAUSE_MS 5
#define LISTED_MAX 16384	/* packs or snapshots in one file; more: all */

/*
 * These files are no part of what a store holds: nothing is synced, and the
 * hook of the fault tests does not see them.
 */

void presence_init(struct presence *presence, struct disk_dir *dir)
{
	*presence = (struct presence){ .dir = dir, .fd = -1, .unseen_fd = -1 };
	pthread_mutex_init(&presence->mutex, NULL);
}

static void path_of(const char *name, char out[PRESENCE_NAME + 16])
{
	snprintf(out, PRESENCE_NAME + 16, PRESENCE_DIR "/%s", name);
}

static int lock_file(int fd, int op)
{
	int r;

	do {
		r = flock(fd, op);
	} while (r < 0 && errno == EINTR);
	return r;
}

/* Written. */

/* The command's first words, for people. */
static void put_command(struct kv *kv)
{
	char words[200];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, words, sizeof(words) - 1);

	if (fd >= 0)
		close(fd);
	for (ssize_t i = 0; i < n; i++)
		if (!words[i])
			words[i] = ' ';
	while (n > 0 && words[n - 1] == ' ')
		n--;
	if (n > 0)
		kv_put_span(kv, "command", span_of(words, (size_t)n));
}

static int write_text(const struct presence *presence, struct buf *out,
		      struct err *err)
{
	char *host = repo_host();
	struct kv *kv = kv_new(TYPE, VERSION);
	int r;

	if (!kv) {
		free(host);
		return err_nomem(err);
	}
	kv_put_u64(kv, "process", (uint64_t)getpid());
	kv_put(kv, "host", host ? host : "");
	put_command(kv);
	kv_put_u64(kv, "writer", presence->writer);
	kv_put_u64(kv, "seen", presence->seen);
	if (presence->adding)
		kv_put_u64(kv, "adding", presence->adding_seq);
	if (presence->held_count > LISTED_MAX ||
	    presence->pack_count > LISTED_MAX)
		kv_put_u64(kv, "everything", 1);
	else {
		for (size_t i = 0; i < presence->held_count; i++)
			kv_put_u64(kv, "held", presence->held[i]);
		for (size_t i = 0; i < presence->pack_count; i++)
			kv_put_hex(kv, "pack", presence->packs[i], PACK_NAME);
	}
	r = kv_write(kv, out, err);
	kv_free(kv);
	free(host);
	return r;
}

/* Until the new text is whole others find none, and take the worst. */
static int write_file(const struct presence *presence, int fd,
		      struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	size_t done = 0;
	ssize_t n;
	int r = write_text(presence, &text, err);

	if (r < 0)
		return r;
	while (done < text.len) {
		n = pwrite(fd, text.data + done, text.len - done,
			   (off_t)done);
		if (n < 0 && errno != EINTR)
			break;
		done += n > 0 ? (size_t)n : 0;
	}
	if (done == text.len && ftruncate(fd, (off_t)text.len) == 0)
		return 0;
	return err_sys(err, "cannot write '%s/" PRESENCE_DIR "/%s'",
		       presence->dir->path, presence->name);
}

/* Under mutex.  Who is there unseen is taken to need everything anyway. */
static int rewrite(struct presence *presence, struct err *err)
{
	return presence->fd < 0 ? 0 : write_file(presence, presence->fd, err);
}

/* Coming and going. */

/* 1: there; 0: whoever cleaned up took it for dead before it was locked. */
static int make_file(struct presence *presence, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	char fresh[PRESENCE_NAME], from[PRESENCE_NAME + 16];
	char to[PRESENCE_NAME + 16];
	uint8_t raw[8];
	int r = random_bytes(raw, sizeof(raw), err);

	if (r < 0)
		return r;
	hex_write(raw, sizeof(raw), presence->name);
	snprintf(fresh, sizeof(fresh), FRESH "%.16s", presence->name);
	path_of(fresh, from);
	path_of(presence->name, to);
	fd = openat(presence->dir->fd, from, O_RDWR | O_CREAT | O_EXCL |
		    O_NOFOLLOW | O_CLOEXEC, presence->dir->file_mode);
	if (fd < 0 || fchmod(fd, presence->dir->file_mode) < 0 ||
	    lock_file(fd, LOCK_EX) < 0)
		return err_sys(err, "cannot make '%s/%s'",
			       presence->dir->path, from);
	r = write_file(presence, fd, err);
	if (r == 0 && renameat(presence->dir->fd, from, presence->dir->fd,
			       to) < 0)
		r = errno == ENOENT ? 0 : err_sys(err, "cannot rename '%s/%s'",
						  presence->dir->path, from);
	else if (r == 0)
		r = 1;
	if (r < 0)
		unlinkat(presence->dir->fd, from, 0);
	if (r == 1) {
		presence->fd = fd;
		fd = -1;
	}
	return r;
}

static int make_seen(struct presence *presence, struct err *err)
{
	for (int i = 0; i < JOIN_TRIES; i++) {
		struct err why = ERR_INIT;
		int r = make_file(presence, &why);

		if (r == 1)
			return 0;
		/* a store of an older version */
		if (r == -ENOENT)
			r = disk_mkdir(presence->dir, PRESENCE_DIR, &why);
		if (r < 0) {
			if (err)
				*err = why;
			return r;
		}
	}
	return err_set(err, -EBUSY, "'%s/" PRESENCE_DIR "' is cleaned up as "
		       "often as a file is made in it", presence->dir->path);
}

/* LIVE_NAME is held while coming in, so that who has it alone (a rebuild) is
 * alone until it is done. */
int presence_join(struct presence *presence, bool writer, struct err *err)
{
	int live, r;

	presence->writer = writer;
	r = disk_lock(presence->dir, LIVE_NAME, DISK_LOCK_SHARED, true, &live,
		      err);
	if (r < 0)
		return r;
	r = make_seen(presence, err);
	if (r < 0 && !writer) {
		presence->unseen_fd = live;
		return 0;
	}
	close(live);
	return r;
}

void presence_join_unseen(struct presence *presence)
{
	int live;

	if (disk_lock(presence->dir, LIVE_NAME, DISK_LOCK_SHARED, false,
		      &live, NULL) == 0)
		presence->unseen_fd = live;
}

void presence_leave(struct presence *presence)
{
	char path[PRESENCE_NAME + 16];

	if (!presence->dir)
		return;
	if (presence->fd >= 0) {
		path_of(presence->name, path);
		unlinkat(presence->dir->fd, path, 0);
	}
	disk_close_fd(&presence->fd);
	disk_close_fd(&presence->unseen_fd);
	free(presence->held);
	free(presence->packs);
	pthread_mutex_destroy(&presence->mutex);
	presence->dir = NULL;
}

int presence_see(struct presence *presence, uint64_t seen,
		 const uint64_t *held, size_t count, struct err *err)
{
	uint64_t *own = calloc(count + 1, sizeof(*own));
	int r;

	if (!own)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++)
		own[i] = held[i];
	pthread_mutex_lock(&presence->mutex);
	free(presence->held);
	presence->held = own;
	presence->held_count = count;
	presence->seen = seen;
	r = rewrite(presence, err);
	pthread_mutex_unlock(&presence->mutex);
	return r;
}

int presence_begin_adding(struct presence *presence, uint64_t seq,
			  struct err *err)
{
	int r;

	pthread_mutex_lock(&presence->mutex);
	if (presence->adding++ == 0)
		presence->adding_seq = seq;
	r = rewrite(presence, err);
	pthread_mutex_unlock(&presence->mutex);
	return r;
}

int presence_add_pack(struct presence *presence, const uint8_t name[16],
		      struct err *err)
{
	void *more;
	int r;

	pthread_mutex_lock(&presence->mutex);
	more = reallocarray(presence->packs, presence->pack_count + 1,
			    sizeof(*presence->packs));
	if (more) {
		presence->packs = more;
		memcpy(presence->packs[presence->pack_count++], name,
		       PACK_NAME);
	}
	r = more ? rewrite(presence, err) : err_nomem(err);
	pthread_mutex_unlock(&presence->mutex);
	return r;
}

void presence_end_adding(struct presence *presence)
{
	pthread_mutex_lock(&presence->mutex);
	if (--presence->adding == 0) {
		presence->pack_count = 0;
		rewrite(presence, NULL);
	}
	pthread_mutex_unlock(&presence->mutex);
}

/* The others. */

struct other {
	struct presence_info info;
	uint64_t *held;
	uint8_t (*packs)[16];
	struct buf who;
};

static void other_release(struct other *other)
{
	free(other->held);
	free(other->packs);
	buf_release(&other->who);
}

static int parse_lists(const struct kv *kv, struct other *other)
{
	const char *key, *value;
	char *end;

	for (size_t i = 0; kv_pair(kv, i, &key, &value, NULL); i++) {
		if (!strcmp(key, "held")) {
			other->held[other->info.held_count++] =
				strtoull(value, &end, 10);
			if (*end || end == value)
				return -EBADMSG;
		} else if (!strcmp(key, "pack")) {
			if (strlen(value) != 2 * PACK_NAME ||
			    hex_parse(value, PACK_NAME, other->packs
				      [other->info.pack_count++]) < 0)
				return -EBADMSG;
		}
	}
	return 0;
}

static int parse_info(const struct kv *kv, struct other *other)
{
	struct presence_info *info = &other->info;
	uint64_t writer = 0, everything = 0;
	size_t lines = 0;
	const char *key, *value;

	while (kv_pair(kv, lines, &key, &value, NULL))
		lines++;
	other->held = calloc(lines + 1, sizeof(*other->held));
	other->packs = calloc(lines + 1, sizeof(*other->packs));
	if (!other->held || !other->packs)
		return -ENOMEM;
	info->held = other->held;
	info->packs = (const uint8_t (*)[16])other->packs;
	if (kv_get_u64(kv, "writer", &writer, NULL) < 0 ||
	    kv_get_u64(kv, "seen", &info->seen, NULL) < 0)
		return -EBADMSG;
	info->writer = writer != 0;
	info->adding = kv_get(kv, "adding") != NULL;
	if (info->adding &&
	    kv_get_u64(kv, "adding", &info->adding_seq, NULL) < 0)
		return -EBADMSG;
	if (kv_get_u64(kv, "everything", &everything, NULL) == 0 && everything)
		info->unknown = true;
	return parse_lists(kv, other);
}

static void name_other(const struct kv *kv, struct other *other)
{
	const char *command = kv_get(kv, "command");
	const char *process = kv_get(kv, "process");
	const char *host = kv_get(kv, "host");

	buf_printf(&other->who, "'%s', process %s on %s",
		   command ? command : "?", process ? process : "?",
		   host && *host ? host : "?");
	other->info.who = buf_str(&other->who);
	if (!other->info.who)
		other->info.who = "";
}

static int read_once(int fd, struct other *other)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct kv *kv;
	ssize_t n;
	int r;

	if (buf_reserve(&text, KV_MAX) < 0)
		return -ENOMEM;
	n = pread(fd, text.data, KV_MAX, 0);
	if (n < 0)
		return -errno;
	r = kv_parse(span_of(text.data, (size_t)n), TYPE, VERSION, "", &kv,
		     NULL);
	if (r < 0)
		return r;
	r = parse_info(kv, other);
	name_other(kv, other);
	kv_free(kv);
	return r;
}

static void pause_a_little(void)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000 };

	nanosleep(&pause, NULL);
}

static void read_other(int fd, struct other *other)
{
	*other = (struct other){ .who = BUF_INIT };
	for (int i = 0; i < READ_TRIES; i++) {
		if (read_once(fd, other) == 0)
			return;
		other_release(other);
		*other = (struct other){ .who = BUF_INIT };
		pause_a_little();
	}
	other->info = (struct presence_info){
		.unknown = true, .writer = true, .adding = true, .who = "" };
}

struct each {
	struct presence *presence;
	int (*each)(void *arg, const struct presence_info *info,
		    struct err *err);
	void *arg;
};

static int see_file(void *arg, const char *name, struct err *err)
{
	CLEANUP(other_release) struct other other = { .who = BUF_INIT };
	CLEANUP(disk_close_fd) int fd = -1;
	char path[PRESENCE_NAME + 16];
	struct each *each = arg;
	struct disk_dir *dir = each->presence->dir;

	if (strlen(name) >= PRESENCE_NAME ||
	    !strcmp(name, each->presence->name))
		return 0;
	path_of(name, path);
	fd = openat(dir->fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK |
		    O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return err_sys(err, "cannot open '%s/%s'", dir->path, path);
	if (lock_file(fd, LOCK_EX | LOCK_NB) == 0) {
		unlinkat(dir->fd, path, 0);
		return 0;
	}
	if (errno != EWOULDBLOCK)
		return err_sys(err, "cannot lock '%s/%s'", dir->path, path);
	if (name[0] == '.')
		return 0;
	read_other(fd, &other);
	return each->each(each->arg, &other.info, err);
}

static int look_for_unseen(struct presence *presence, struct err *err)
{
	int fd, r = -EBUSY;

	for (int i = 0; r == -EBUSY && i < UNSEEN_TRIES; i++) {
		if (i > 0)
			pause_a_little();
		r = disk_lock(presence->dir, LIVE_NAME, DISK_LOCK_EXCLUSIVE,
			      false, &fd, err);
	}
	if (r == 0)
		close(fd);
	if (r != -EBUSY)
		return r;
	err_set(err, r, "the store '%s' is in use by a process that does not "
		"tell what it needs", presence->dir->path);
	return err_hint(err, "an older varve, or one that may not write to "
			"the store: 'fuser %s/" LIVE_NAME "' names it",
			presence->dir->path);
}

int presence_each_seen(struct presence *presence,
		       int (*each)(void *arg,
				   const struct presence_info *info,
				   struct err *err),
		       void *arg, struct err *err)
{
	struct each all = { presence, each, arg };
	int r = disk_list(presence->dir, PRESENCE_DIR, see_file, &all, err);

	/* a store of an older version: nobody was ever seen there */
	return r == -ENOENT ? 0 : r;
}

int presence_each(struct presence *presence,
		  int (*each)(void *arg, const struct presence_info *info,
			      struct err *err),
		  void *arg, struct err *err)
{
	int r = look_for_unseen(presence, err);

	return r < 0 ? r : presence_each_seen(presence, each, arg, err);
}

bool presence_needs(const struct presence_info *info, uint64_t number,
		    uint64_t seq)
{
	if (info->unknown || seq > info->seen)
		return true;
	for (size_t i = 0; i < info->held_count; i++)
		if (info->held[i] == number)
			return true;
	return false;
}
