/*
 * run: one run of a procedure, as its journal tells it.
 *
 * RUNS/<id>/journal holds facts (what the run is of, and what it met), and
 * which steps were begun and done.  It is the truth about a run: whoever is
 * to go on with one knows nothing else.  RUNS is STORE/runs, or what
 * --journal names where the store cannot be written.  Byte table:
 * docs/format.md, "Runs".
 *
 * One thread; one process at a time (the journal is locked).
 */
#ifndef VARVE_RUN_H
#define VARVE_RUN_H

#include "fs/base/journal.h"

#define RUNS_DIR "runs"
#define RUN_ID 40
#define RUN_FACTS_MAX 4096
#define RUN_STEPS_MAX 64
/* A fact: the steps at its end that somebody gave up. */
#define RUN_LEFT_OUT "left-out"

enum step_state {
	STEP_NEW = 1, STEP_BEGUN, STEP_DONE, STEP_UNDOING, STEP_UNDONE,
};
/* Of the tree: what it was shown to be, or how the run ended. */
enum run_tree { TREE_UNPROVED = 1, TREE_WHOLLY_OLD, TREE_WHOLLY_NEW };

struct run_fact {
	char *key, *value;
};

struct run_step {
	char name[JOURNAL_NAME + 1];
	enum step_state state;
};

struct run {
	char id[RUN_ID];
	struct disk_dir *dir;	/* of all runs, borrowed */
	struct journal journal;	/* open where it may be written */
	struct run_fact *facts;	/* the last one of a key counts */
	size_t fact_count;
	struct run_step steps[RUN_STEPS_MAX];
	size_t step_count;
	bool started;		/* all first facts are there */
	bool back;		/* it is being rolled back */
	bool running;		/* by another process, as it was read */
	enum run_tree proved, closed;
};

#define RUN_INIT { .journal = JOURNAL_INIT }

/* A new one, not started: nothing of it is on disk before run_start(). */
int run_new(struct disk_dir *dir, struct run *ret, struct err *err);
/* Its directory and journal with the facts so far, durable. */
int run_start(struct run *run, struct err *err);
/* One there is; write: to go on with it (-EBUSY where it runs). */
int run_load(struct disk_dir *dir, const char *id, bool write,
	     struct run *ret, struct err *err);
void run_release(struct run *run);
#define OWNED_RUN CLEANUP(run_release)

/* NULL where there is none. */
const char *run_fact(const struct run *run, const char *key);
/* Is it "1"? */
bool run_flag(const struct run *run, const char *key);
int run_fact_u64(const struct run *run, const char *key, uint64_t *ret,
		 struct err *err);
/* Remember, for run_start() or durably where it has started. */
int run_learn(struct run *run, const char *key, const char *value,
	      struct err *err);
int run_learnf(struct run *run, struct err *err, const char *key,
	       const char *fmt, ...) PRINTF(4, 5);
int run_learnv(struct run *run, struct err *err, const char *key,
	       const char *fmt, va_list ap) PRINTF(4, 0);

enum step_state run_step_state(const struct run *run, const char *name);
int run_step_set(struct run *run, const char *name, enum step_state state,
		 struct err *err);
int run_set_back(struct run *run, struct err *err);
/* What was to be taken back, and could not be, goes on. */
int run_set_forward(struct run *run, struct err *err);
int run_set_proved(struct run *run, enum run_tree tree, struct err *err);
int run_close(struct run *run, enum run_tree tree, struct err *err);
/* Something was begun, and not brought to an end. */
bool run_is_unfinished(const struct run *run);
const char *run_tree_name(enum run_tree tree);

/* Ids of all runs, the oldest first; each() loads them as it likes. */
int runs_each(struct disk_dir *dir,
	      int (*each)(void *arg, const char *id, struct err *err),
	      void *arg, struct err *err);

#endif
