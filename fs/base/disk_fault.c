/*
 * The log that "log=FILE" appends, for replaying: all steps that changed a
 * store, in the order in which they began, each a record of
 *
 *     u32 length of what follows | u64 sum64 of what follows that sum
 *     u8 step (enum disk_step) | u64 number of the step, from 1
 *     varint length, dir | varint length, name | varint length, to
 *     u64 offset | varint length, data
 *
 * in the forms of bytes.h, and nothing else; a record that is cut short or
 * does not fit its sum ends the log (the process was killed in it).  name and
 * to are relative to dir; to is empty but for renames, data but for writes,
 * and dir for DISK_CATALOG, where name is the database's path.
 *
 * What a power cut may leave after the first n records is made by playing
 * them into an empty directory and leaving out of it any of
 *     - writes to a file that no DISK_SYNC of the same name (the name it has
 *       at that time: a rename carries it along) follows within the n,
 *     - creations, renames and removals in a directory that no DISK_SYNC_DIR
 *       of it follows within the n.
 * The name "tmp" itself stands for unlinked temporary files, of which nothing
 * is left after any cut; steps of it are passed over.
 *
 * Steps are numbered over the whole process.  The hook holds a lock while it
 * logs, so order in the log is the order of the numbers.  A step that is made
 * to fail is not logged: it never happened.
 */
#include "fs/base/disk.h"

#ifdef VARVE_FAULTS

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/bytes.h"
#include "fs/base/id.h"

static struct {
	pthread_mutex_t lock;
	uint64_t steps;
	uint64_t fail_at;	/* 0: never */
	int fail_code;
	uint64_t kill_at;
	int log_fd;		/* -1: none */
	char *count_path;
} fault = { .lock = PTHREAD_MUTEX_INITIALIZER, .log_fd = -1 };

static const struct {
	const char *name;
	int code;
} errnos[] = {
	{ "EIO", EIO }, { "ENOSPC", ENOSPC }, { "EDQUOT", EDQUOT },
	{ "EROFS", EROFS }, { "EACCES", EACCES }, { "EPERM", EPERM },
	{ "ENOMEM", ENOMEM }, { "EMFILE", EMFILE }, { "ENFILE", ENFILE },
	{ "ESTALE", ESTALE }, { "EINTR", EINTR }, { "EEXIST", EEXIST },
	{ "ENOENT", ENOENT }, { "EFBIG", EFBIG },
};

static void log_string(struct buf *body, const char *str)
{
	buf_string(body, span_str(str ? str : ""));
}

/* A log with a hole would make a replay lie, so not to be able to write it
 * ends the process. */
static void log_step(enum disk_step step, const char *dir, const char *name,
		     const char *to, uint64_t offset, struct span data)
{
	OWNED_BUF struct buf body = BUF_INIT;
	OWNED_BUF struct buf record = BUF_INIT;

	buf_u8(&body, (uint8_t)step);
	buf_u64(&body, fault.steps);
	log_string(&body, dir);
	log_string(&body, name);
	log_string(&body, to);
	buf_u64(&body, offset);
	buf_string(&body, data);
	buf_u32(&record, (uint32_t)(8 + body.len));
	buf_u64(&record, sum64(buf_span(&body)));
	buf_append(&record, body.data, body.len);
	if (buf_failed(&body) || buf_failed(&record) ||
	    write(fault.log_fd, record.data, record.len) !=
	    (ssize_t)record.len)
		abort();
}

static int on_step(void *arg, enum disk_step step, const char *dir,
		   const char *name, const char *to, uint64_t offset,
		   struct span data)
{
	int r = 0;

	(void)arg;
	pthread_mutex_lock(&fault.lock);
	fault.steps++;
	if (fault.steps == fault.kill_at)
		kill(getpid(), SIGKILL);
	if (fault.steps == fault.fail_at)
		r = -fault.fail_code;
	else if (fault.log_fd >= 0)
		log_step(step, dir, name, to, offset, data);
	pthread_mutex_unlock(&fault.lock);
	return r;
}

static void write_count(void)
{
	FILE *file = fopen(fault.count_path, "we");

	if (!file)
		return;
	pthread_mutex_lock(&fault.lock);
	fprintf(file, "%" PRIu64 "\n", fault.steps);
	pthread_mutex_unlock(&fault.lock);
	fclose(file);
}

/* "N", from 1; what follows it in *ret_rest. */
static int parse_number(const char *text, uint64_t *ret, const char **ret_rest)
{
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	*ret_rest = end;
	return errno || *ret == 0 ? -EINVAL : 0;
}

static int parse_fail(const char *text)
{
	const char *rest;

	if (parse_number(text, &fault.fail_at, &rest) < 0 || *rest != ':')
		return -EINVAL;
	for (size_t i = 0; i < sizeof(errnos) / sizeof(errnos[0]); i++) {
		if (!strcmp(rest + 1, errnos[i].name)) {
			fault.fail_code = errnos[i].code;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_kill(const char *text)
{
	const char *rest;

	if (parse_number(text, &fault.kill_at, &rest) < 0 || *rest)
		return -EINVAL;
	return 0;
}

static int parse_count(const char *path)
{
	if (!*path || fault.count_path)
		return -EINVAL;
	fault.count_path = strdup(path);
	return !fault.count_path || atexit(write_count) ? -EINVAL : 0;
}

static int parse_log(const char *path)
{
	if (fault.log_fd >= 0)
		return -EINVAL;
	fault.log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
			    0600);
	return fault.log_fd < 0 ? -EINVAL : 0;
}

static int parse_word(const char *word)
{
	if (!strncmp(word, "fail=", 5))
		return parse_fail(word + 5);
	if (!strncmp(word, "kill=", 5))
		return parse_kill(word + 5);
	if (!strncmp(word, "count=", 6))
		return parse_count(word + 6);
	if (!strncmp(word, "log=", 4))
		return parse_log(word + 4);
	return -EINVAL;
}

int disk_fault_from_env(struct err *err)
{
	const char *text = getenv("VARVE_FAULT");
	CLEANUP(free_ptr) char *words = NULL;
	char *word, *state;

	if (!text || !*text)
		return 0;
	words = strdup(text);
	if (!words)
		return err_nomem(err);
	for (word = strtok_r(words, " ", &state); word;
	     word = strtok_r(NULL, " ", &state))
		if (parse_word(word) < 0)
			return err_set(err, -EINVAL,
				       "VARVE_FAULT: '%s' is not understood",
				       word);
	disk_set_hook(on_step, NULL);
	return 0;
}

int disk_fault_pause(int ms)
{
	const char *given = getenv("VARVE_PAUSE_MS");

	return given && atoi(given) > 0 ? atoi(given) : ms;
}

#else

int disk_fault_pause(int ms)
{
	return ms;
}

int disk_fault_from_env(struct err *err)
{
	(void)err;
	return 0;
}

#endif
