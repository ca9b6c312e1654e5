/*
 * pso_volumes: volumes of the datastore, what each is, and whether it may go.
 *
 * One thread.
 */
#ifndef VARVE_PSO_VOLUMES_H
#define VARVE_PSO_VOLUMES_H

#include "tools/pso_act.h"
#include "tools/pso_move.h"

enum pso_db_state { PSO_DB_USED = 1, PSO_DB_SPARE, PSO_DB_PUT_ASIDE,
		    PSO_DB_DESTROYED, PSO_DB_ODD };

struct pso_db_volume {
	const struct pso_ref *ref;	/* of the model */
	struct pso_db_name name;
	enum pso_db_state state;
	bool may_go;			/* with the pairs that may */
	const char *why;		/* or why not */
	bool connected, claimed;	/* to a host; by a PV */
	bool wanted;			/* by a replica, and PSO may run */
};
struct pso_db_volumes {
	struct pso_db_volume *row;
	size_t count;
	char gate[1024];		/* why none may go; or "" */
};
#define OWNED_DB_VOLUMES CLEANUP(pso_db_volumes_release)
void pso_db_volumes_release(struct pso_db_volumes *volumes);
int pso_db_volumes_find(const struct pso_look *look,
			const struct pso_health *health,
			struct pso_db_volumes *ret, struct err *err);

enum pso_mode { PSO_LIST = 1, PSO_CLEAN, PSO_PUT_ASIDE, PSO_DESTROY_ALL,
		PSO_ERADICATE_ALL };
const char *pso_mode_name(enum pso_mode mode);
/* What is to be done with which, by mode; -EPERM where a gate refuses. */
int pso_moves_choose(const struct pso_look *look,
		     const struct pso_db_volumes *volumes, enum pso_mode mode,
		     struct pso_moves *ret, struct err *err);
/* May it be done now?  -EPERM with why not; -EAGAIN: not yet. */
int pso_mode_gate(const struct pso_look *look, enum pso_mode mode,
		  struct err *err);

/* A table of them on standard output. */
void pso_moves_print(const struct pso_moves *moves);
int pso_gate_arrays(const struct pso_look *look, struct err *err);
int pso_gate_id(const struct pso_look *look, enum pso_mode mode,
		struct err *err);
/* -EAGAIN: one of them is still connected to a host. */
int pso_gate_free(const struct pso_look *look, const struct pso_moves *moves,
		  struct err *err);

/* pso_moving.c: a run of it. */
struct moving {
	const struct tool *tool;
	struct run *run;
	struct plan plan;
	struct pso_moves moves;
	struct pso_arms arms;
	size_t kept;			/* by SafeMode */
};
#define OWNED_MOVING CLEANUP(moving_release)
void moving_release(struct moving *moving);
/* The plan of the run's facts. */
int moving_make(const struct tool *tool, struct run *run,
		struct moving *ret, struct err *err);
/* All facts of a run that does moves. */
int moving_learn(const struct tool *tool, const struct pso_look *look,
		 enum pso_mode mode, const struct pso_moves *moves,
		 struct run *run, struct err *err);
/* The same without a plan; and the steps, added to any plan: each may wait so
 * long for the volumes to be free. */
int moving_fill(const struct tool *tool, struct run *run,
		struct moving *ret, struct err *err);
int moving_add_steps(struct moving *moving, struct plan *plan,
		     int64_t deadline_s, struct err *err);
int moving_prove(void *arg, enum run_tree tree, struct err *err);
/* Where r is a failure of an unfinished run, the command that goes on. */
int pso_run_hint(const struct run *run, int r, struct err *err);

#endif
