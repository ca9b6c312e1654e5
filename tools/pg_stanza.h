/*
 * pg_stanza: the stanza of a PostgresCluster made again, as a plan.
 *
 * Its leader is found, all its databases are dumped from there into the store, and
 * only then `pgbackrest stanza-create` runs; `info` confirms it and `check`
 * shows that WAL is archived.  The plan is made from a run's facts alone
 * (run.h), so that it can be made again after any kill.  Nothing takes a stanza
 * away: what goes back is what has not been done.
 *
 *   pg_stanza.c        what is looked at before; the plan shown; the run begun
 *   pg_stanza_plan.c   the plan of a run's facts
 *   pg_stanza_steps.c  its steps
 *   pg_stanza_end.c    what came of it: told, and kept in the store
 *
 * One thread.
 */
#ifndef VARVE_PG_STANZA_H
#define VARVE_PG_STANZA_H

#include "tools/pg.h"
#include "tools/plan.h"

#define PG_STANZA_KIND "pg-stanza"
#define PG_STANZA_DEADLINE_S 600	/* of stanza-create, and of check */
/* No namespace is called so: there is no '_' in their names. */
#define PG_STANZA_SOURCE "pg_stanza"
/* What a command printed, as far as the journal keeps it. */
#define PG_SAID_MAX 8192

struct pg_stanza {
	const struct tool *tool;
	struct run *run;		/* borrowed */
	struct plan plan;
	struct kube kube;		/* borrows from run */
	struct pg_asking asking;
	const char *namespace, *name, *leader;	/* facts, borrowed */
	int64_t deadline_s;
	struct repo *repo;		/* borrowed, or opened when needed: */
	struct repo *own_repo;
	struct pg_info info;		/* as it was last asked */
	bool its_cluster;		/* kubectl asks the run's */
};
#define OWNED_PG_STANZA CLEANUP(pg_stanza_release)

/* The plan of run; repo may be NULL.  *ret must be released. */
int pg_stanza_make(const struct tool *tool, struct run *run,
		   struct repo *repo, struct pg_stanza *ret, struct err *err);
void pg_stanza_release(struct pg_stanza *stanza);
/* The store, open for writing. */
int pg_stanza_open(struct pg_stanza *stanza, struct err *err);

/* pg_stanza_steps.c */
int pg_stanza_add_steps(struct pg_stanza *stanza, struct err *err);
int pg_stanza_prove(void *arg, enum run_tree tree, struct err *err);
/* Its pgBackRest, in the leader's pod of the run's cluster: stanza->info. */
int pg_stanza_ask(struct pg_stanza *stanza, struct err *err);
/* The stanza of info is one that needs nothing done. */
bool pg_stanza_is_there(const struct pg_info *info);

/* pg_stanza_end.c */
/* Keep what is known of the run in the store; once for what is known. */
int pg_stanza_keep(struct pg_stanza *stanza, struct err *err);
/*
 * After plan_go() or plan_back() gave r: tell what came of it; the exit status,
 * or r with words that name the command to run.
 */
int pg_stanza_end(struct pg_stanza *stanza, int r, struct err *err);

#endif
