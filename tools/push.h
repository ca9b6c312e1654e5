/*
 * push: a snapshot put in the place of a directory (`varve push … dir:PATH`),
 * as a plan.
 *
 * The plan is made from a run's facts alone, so that it can be made again after
 * any kill.  The store is opened only by what reads the snapshot: to go back
 * needs the journal and the target.
 *
 * One thread.
 */
#ifndef VARVE_PUSH_H
#define VARVE_PUSH_H

#include "fs/out/restore.h"
#include "fs/out/swap.h"
#include "tools/plan.h"
#include "tools/target.h"
#include "tools/tool.h"

#define PUSH_KIND "push-dir"
#define PUSH_DEADLINE_S 600	/* of what stops and starts */

/* The directory that is pushed to, resolved. */
struct push_place {
	char *target;
	bool absent;		/* the directory above it is there */
	bool entries;		/* a volume's root: it cannot be renamed */
	bool keep_lost;		/* with a lost+found of its file system */
	bool empty;
};
void push_place_release(struct push_place *place);
#define OWNED_PLACE CLEANUP(push_place_release)
/* From "dir:PATH". */
int push_place_find(const char *destination, struct push_place *ret,
		    struct err *err);

/* push_check.c: what refuses a push before anything is done. */
/* Not the root, a store or a part of one, a mount of Varve, nor anything with
 * another file system mounted in it. */
int push_check_place(const struct push_place *place, const char *store,
		     struct err *err);
/* It must be a mount point, of this source or type, or lie on the one that is
 * called what, or has this source.  NULL: any that it is itself. */
int push_check_mountpoint(const struct push_place *place, const char *what,
			  struct err *err);
/* Bytes and inodes beside what is there. */
struct push_room {
	uint64_t bytes, inodes;		/* the new tree's */
};
int push_measure(struct tree *tree, const struct node *node,
		 struct push_room *ret, struct err *err);
int push_check_room(const struct push_place *place,
		    const struct push_room *room, struct err *err);
/* -EBUSY: somebody has something of it open. */
int push_check_use(const char *target, struct err *err);
/* -EBUSY: another push to it has not come to its end; *ret_kept: former trees
 * that are kept. */
int push_check_others(const struct push_place *place, unsigned *ret_kept,
		      struct err *err);

/* push_facts.c: what the options and the snapshot say, for any destination. */
int push_learn(const struct tool *tool, const struct repo *repo,
	       const struct target *tree, const char *kind, const char *target,
	       struct run *run, struct err *err);
/* By which a directory is known again, whatever is in it: its inode, and when that was
 * made where the file system tells, as another may have its number later. */
#define PUSH_IDENTITY_TEXT 64
int push_identity(const char *path, char out[PUSH_IDENTITY_TEXT],
		  struct err *err);
int push_learn_flag(struct run *run, const char *key, bool set,
		    struct err *err);
/* "UID:GID": of all of it. */
int push_learn_owner(const char *text, struct run *run, struct err *err);

/* push_note.c: what one of several is of. */
#define PUSH_OWNER_TEXT 64
/* Whose place's top, and all that is in it, are, as the fact "owner"; -EINVAL:
 * not all is one's. */
int push_owner_of(const struct push_place *place, char out[PUSH_OWNER_TEXT],
		  struct err *err);
/* The same from "UID:GID". */
int push_owner_given(const char *given, char out[PUSH_OWNER_TEXT],
		     struct err *err);
/* Which snapshot (32 hex digits, and for people), and what path in it, goes to
 * which place, with prefix before the keys. */
int push_note_part(struct run *run, const char *prefix, const char *id,
		   const char *label, const char *path,
		   const struct push_place *place, struct err *err);

struct push {
	const struct tool *tool;
	struct run *run;		/* borrowed */
	const char *prefix;		/* of its own facts; borrowed */
	struct plan plan;
	const char *name;		/* the target, as it was named */
	struct swap swap;		/* borrows from run */
	bool absent, discard, incomplete;
	bool empty;			/* nothing was in it: nothing is kept */
	bool accept;			/* of a rollback */
	enum run_tree proved;		/* by this process; 0: nothing */
	int64_t deadline_s;		/* of what waits for others */
	struct restore_owner *owner;	/* NULL: the snapshot's; or given: */
	struct restore_owner given;
	struct repo *repo;		/* borrowed, or opened when needed: */
	struct repo *own_repo;
	struct target tree;
	bool tree_open;
	unsigned missing;		/* not staged, met as it is read back */
	unsigned changes;		/* met where none should be */
	char first_change[256];
	struct err met;			/* by a hook amid restoring */
	const char *phase;
	bool quiet;
	volatile int halt;		/* stops a restore */
};

/* What run's facts say; repo may be NULL.  *ret must be released.  The place is
 * not opened yet (swap_open()), and the plan is empty. */
int push_make(const struct tool *tool, struct run *run, struct repo *repo,
	      struct push *ret, struct err *err);
/* The same of a directory: its plan, and its place opened. */
int push_make_dir(const struct tool *tool, struct run *run, struct repo *repo,
		  struct push *ret, struct err *err);
/*
 * One of several in one run, whose own facts begin with prefix ("" in a run of
 * one); those without it are of all.  Its plan's steps have the names that a
 * push's have, for a plan that goes through all of them side by side.
 */
int push_make_part(const struct tool *tool, struct run *run,
		   const char *prefix, struct repo *repo, struct push *ret,
		   struct err *err);
/* push_note.c: facts of its own, else of all. */
const char *push_fact(const struct push *push, const char *key);
int push_fact_u64(const struct push *push, const char *key, uint64_t *ret,
		  struct err *err);
bool push_flag(const struct push *push, const char *key);
int push_note(struct push *push, const char *key, const char *value,
	      struct err *err);
int push_notef(struct push *push, struct err *err, const char *key,
	       const char *fmt, ...) PRINTF(4, 5);
void push_release(struct push *push);
#define OWNED_PUSH CLEANUP(push_release)
/* Before it is gone on with, either way: nobody may be using the target. */
int push_check_free(struct push *push, struct err *err);
/* push_steps.c: the parts of a plan, between which others may come. */
int push_add_begin(struct push *push, struct err *err);
int push_add_stop(struct push *push, struct err *err);
int push_add_swap(struct push *push, struct err *err);
int push_add_start(struct push *push, struct err *err);
int push_add_end(struct push *push, struct err *err);
/* A step; NULL: no memory. */
struct plan_step *push_step(struct push *push, const char *name,
			    struct err *err, const char *fmt, ...)
	PRINTF(4, 5);
int push_prove(void *arg, enum run_tree tree, struct err *err);
bool push_has_begun_swap(const struct run *run);
int push_open_tree(struct push *push, struct err *err);
/* push_stage.c: the new tree into the staging directory, and read back. */
int push_stage(void *arg, struct err *err);
int push_verify(void *arg, struct err *err);
/* push->tree written to target, or only compared with what is there: then
 * push->changes is how much differs, and push->first_change where. */
int push_run_restore(struct push *push, const char *target, bool verify,
		     struct restore_report *report, struct err *err);
/* The steps on stdout, before anything is done. */
void push_print_plan(const struct push *push, const struct push_room *room);
/* push_end.c */
/*
 * After plan_go() or plan_back() gave r: tell what became of the target, note
 * it in the store's log; the exit status, or r with words that name the
 * command to run where it has not come to its end.
 */
int push_end(const struct tool *tool, struct push *push, int r,
	     struct err *err);
/* push_check.c: throw away what kept pushes left; *ret_count of them. */
int push_discard(const struct push_place *place, unsigned *ret_count,
		 struct err *err);
/* Tell of each of them: where it is, and the snapshot that came in its place. */
int push_each_kept(const struct push_place *place,
		   void (*tell)(void *arg, const char *path,
				const char *snapshot), void *arg,
		   struct err *err);

#endif
