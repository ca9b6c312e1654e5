/*
 * procedure: a kind of run, as those who go on with one find it.
 *
 * A new kind is a file that makes a plan from a run's facts, and a row in the
 * table of cmd_resume.c.
 */
#ifndef VARVE_PROCEDURE_H
#define VARVE_PROCEDURE_H

#include "tools/run.h"
#include "tools/tool.h"

/*
 * A fact of a run: too much was done to take it back, and to resume it is to go
 * on, also where taking it back was begun.
 */
#define RUN_ONLY_FORWARD "only-forward"

struct procedure {
	const char *kind;	/* the fact "kind" in the journal */
	/*
	 * Go on with run, or take it back, and tell what became of it: an exit
	 * status, or a negative errno whose words name the command to run.
	 * accept: end it also unproved (plan_back()).
	 */
	int (*go_on)(const struct tool *tool, struct run *run, bool back,
		     bool accept, struct err *err);
};

extern const struct procedure procedure_push, procedure_push_array;
extern const struct procedure procedure_push_pvc, procedure_pvc_visit;
extern const struct procedure procedure_dv_backup, procedure_dv_clean;
extern const struct procedure procedure_dv_restore, procedure_dv_mend;
extern const struct procedure procedure_pg_stanza;
extern const struct procedure procedure_vmbc;
extern const struct procedure procedure_pso_volumes;
extern const struct procedure procedure_pso_reconstruct;

#endif
