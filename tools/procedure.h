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
extern const struct procedure procedure_pg_stanza;
extern const struct procedure procedure_vmbc;
extern const struct procedure procedure_pso_volumes;
extern const struct procedure procedure_pso_reconstruct;

#endif
