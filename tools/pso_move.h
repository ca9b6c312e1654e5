/*
 * pso_move: volumes of the datastore renamed, destroyed or eradicated on their
 * arrays, as a plan.
 *
 * The plan is made from a run's facts alone; which volume is meant is told by its
 * id, never by the name only.  Each call to an array is in the journal before
 * and after.  Tokens come from where they came from at first.  One thread.
 */
#ifndef VARVE_PSO_MOVE_H
#define VARVE_PSO_MOVE_H

#include "tools/plan.h"
#include "tools/pso_ask.h"

#define PSO_MOVE_KIND "pso-volumes"
#define PSO_MOVES_MAX 512

enum pso_verb { PSO_RENAME = 1, PSO_DESTROY, PSO_ERADICATE };
const char *pso_verb_name(enum pso_verb verb);

/* One volume.  Owned. */
struct pso_move {
	enum pso_verb verb;
	enum pso_type type;
	char *mgmt, *array;	/* endpoint, and what it is called */
	char *name, *to;	/* to: of PSO_RENAME */
	char *id;		/* of the volume or file system */
	char *serial;		/* "": a file system has none */
	uint64_t size;
	bool nfs3, nfs41, smb, http;	/* what a file system was served by */
};
struct pso_moves {
	struct pso_move *row;
	size_t count;
};
void pso_moves_release(struct pso_moves *moves);
#define OWNED_MOVES CLEANUP(pso_moves_release)

/* The volume that a model's ref is, to be moved so; to is copied, or NULL. */
int pso_moves_add(struct pso_moves *moves, const struct pso_model *model,
		  const struct pso_ref *volume, enum pso_verb verb,
		  const char *to, struct err *err);
int pso_moves_learn(const struct pso_moves *moves, struct run *run,
		    struct err *err);
int pso_moves_recall(const struct run *run, struct pso_moves *ret,
		     struct err *err);

/* The arrays of moves, asked. */
struct pso_arms {
	const struct tool *tool;
	struct run *run;
	struct pso_asking asking;
	struct pso_capture capture;
	struct pso_targets targets;
	struct {
		struct rest *rest;
		struct rest_journal journal;
	} open[PSO_ARRAYS_MAX];		/* in the order of targets */
};
/* Who is to be asked: by tool's options. */
int pso_arms_find(struct pso_arms *arms, const struct tool *tool,
		  struct run *run, struct err *err);
void pso_arms_release(struct pso_arms *arms);

/* pso_move_call.c: what is left to do of it, and back.  -EACCES: SafeMode, or no
 * right. */
int pso_move_go(struct pso_arms *arms, const struct pso_move *move,
		struct err *err);
int pso_move_back(struct pso_arms *arms, const struct pso_move *move,
		  struct err *err);
/* Is it as it is to be (or was)?  -EUCLEAN with what is not. */
int pso_move_prove(struct pso_arms *arms, const struct pso_move *move,
		   bool moved, struct err *err);

/* A tool whose options are those that a run was made with. */
struct pso_recalled {
	struct tool tool;
	char **words;
	size_t count;
};
int pso_options_learn(const struct tool *tool, struct run *run,
		      struct err *err);
/* One more; value may be NULL. */
int pso_option_learn(struct run *run, const char *name, const char *value,
		     struct err *err);
int pso_options_recall(const struct tool *tool, const struct run *run,
		       struct pso_recalled *ret, struct err *err);
void pso_recalled_release(struct pso_recalled *recalled);

#endif
