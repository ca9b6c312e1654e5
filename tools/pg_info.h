/*
 * pg_info: what `pgbackrest info` says of a stanza, judged.
 *
 * Takes its JSON, or the text that it prints without --output.  It exits with 0
 * in every state, so the state is in what it says; the codes are those of
 * pgBackRest's src/command/info/info.c.  Whatever is not understood is
 * PG_ERROR: nothing is taken for well, or for "no stanza", unless pgBackRest
 * said so.  Pure.
 */
#ifndef VARVE_PG_INFO_H
#define VARVE_PG_INFO_H

#include "fs/base/buf.h"

#define PG_STANZA "db"		/* as the operator calls it */
#define PG_REPOS_MAX 256	/* of a stanza */

enum pg_outcome {
	PG_OKAY = 1,		/* there, with backups or without */
	PG_TIMEOUT,		/* the repository did not answer in time */
	PG_NO_POD,		/* nothing that could be asked */
	PG_NO_STANZA,
	PG_ERROR,
};
#define PG_OUTCOMES 5
/* "Okay", "Timeout occurred", "No database instance pod", "No stanza
 * configuration", "Error". */
const char *pg_outcome_name(enum pg_outcome outcome);

#define PG_CODE_OK 0u
#define PG_CODE_NO_BACKUP 2u
#define PG_CODE_NONE 1000u	/* no stanza at all was told of */

struct pg_backup {
	char *label, *type;	/* "20230220-044732F", "full" */
	char *start, *stop;	/* as told; of JSON in UTC */
	char *wal_start, *wal_stop;
	/* bytes, of text as exact as it is; UINT64_MAX: not told */
	uint64_t size, backup_size, repo_size, repo_backup_size;
	uint64_t repo;		/* its number, from 1 */
};

struct pg_info {
	enum pg_outcome outcome;
	char *why;		/* of PG_ERROR and PG_TIMEOUT */
	bool partial;		/* PG_ERROR: there on some repositories, missing
				 * on others */
	uint64_t code;		/* of the stanza's status, or PG_CODE_NONE */
	char *status;		/* its words: "no valid backups" */
	/* NULL: not told.  Of the database that is current. */
	char *stanza, *cipher, *version, *system_id, *wal_min, *wal_max;
	struct pg_backup *backups;	/* the oldest first */
	size_t backup_count;
};
#define OWNED_PG_INFO CLEANUP(pg_info_release)
void pg_info_release(struct pg_info *info);

/* Judge out, of which stanza is wanted.  0, or -ENOMEM. */
int pg_info_read(struct span out, const char *stanza, struct pg_info *ret,
		 struct err *err);
/* Does an error of pgBackRest, or of a connection, mean that somebody did not
 * answer? */
bool pg_is_timeout(struct span words);
/* The newest backup of type "full"; NULL. */
const struct pg_backup *pg_info_last_full(const struct pg_info *info);
/* The facts in lines, as pgBackRest would have them, indented. */
void pg_info_print(const struct pg_info *info, struct buf *out);

/* Of the module's files. */

struct pg_repo_state {
	uint64_t key, code;
	struct span words;	/* borrowed */
};
struct pg_repo_states {
	struct pg_repo_state repo[PG_REPOS_MAX];
	size_t count;
};
/* The outcome, from info->code and the repositories'. */
int pg_info_judge(struct pg_info *info, const struct pg_repo_states *states,
		  struct err *err);
/* Words in one line, owned; NULL: no memory. */
char *pg_one_line(struct span words);
int pg_info_read_text(struct span out, const char *stanza,
		      struct pg_info *info, struct err *err);
struct pg_backup *pg_info_add(struct pg_info *info, struct err *err);

#endif
