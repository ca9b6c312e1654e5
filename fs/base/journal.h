/*
 * journal: what was begun and what was done, line by line, each durable before
 * the next thing is done.
 *
 *     SUM VERB KEY[=VALUE]\n
 *
 * VERB and KEY are [a-z0-9-]+, of at most 64 bytes.  In VALUE every byte
 * below 0x20, 0x7f and '%', and no other, is %XX (upper-case hex).  SUM is 16
 * hex digits: the XXH3-64 of the sum of the line before (16 zeros before the
 * first) and of the line from the blank behind SUM to before its newline; so
 * no line can be lost, changed or moved unnoticed.  Limits: JOURNAL_MAX a
 * journal, JOURNAL_LINE a line.
 *
 * A line that a power cut tore is the last one, without a newline or with bytes
 * that were never written (0): it tells nothing, and the next line takes its
 * place.  Anything else that does not fit is damage.
 *
 * Who writes holds the file locked (flock), so that it can be asked whether it
 * still runs.  One thread.
 */
#ifndef VARVE_JOURNAL_H
#define VARVE_JOURNAL_H

#include "fs/base/disk.h"

#define JOURNAL_MAX  (4u << 20)
#define JOURNAL_LINE (64u << 10)
#define JOURNAL_NAME 64

/* value: NULL where there is no '='; NUL-terminated, borrowed for the call. */
typedef int journal_each(void *arg, const char *verb, const char *key,
			 const char *value, struct err *err);

/*
 * Give each line of bytes to each(), whose negative result ends it.  *ret_good
 * is where the last whole line ends, sum its sum, which is also given.  what
 * names the journal in messages.  -EBADMSG: damaged.
 */
int journal_parse(struct span bytes, const char *what, journal_each *each,
		  void *arg, size_t *ret_good, char sum[17], struct err *err);

struct journal {
	struct disk_dir *dir;
	char *name;
	int fd;
	uint64_t size;		/* of its whole lines */
	char sum[17];
	struct buf pending;	/* lines not written yet */
	int failed;		/* a write failed: nothing more is written */
};

#define JOURNAL_INIT { .fd = -1 }

/* A new, empty one, locked.  dir is borrowed until journal_close(). */
int journal_create(struct disk_dir *dir, const char *name,
		   struct journal *ret, struct err *err);
/* One to go on with: locked, read, a torn end cut off.  -EBUSY: it is being
 * written. */
int journal_open(struct disk_dir *dir, const char *name, journal_each *each,
		 void *arg, struct journal *ret, struct err *err);
void journal_close(struct journal *journal);
/* Only read.  *ret_running: somebody holds it. */
int journal_read(struct disk_dir *dir, const char *name, journal_each *each,
		 void *arg, bool *ret_running, struct err *err);

/* Append a line, which is written by journal_sync(). */
int journal_add(struct journal *journal, const char *verb, const char *key,
		const char *value, struct err *err);
/* Make all lines durable.  One failure is for good: what the disk has is not
 * known any more. */
int journal_sync(struct journal *journal, struct err *err);

#endif
