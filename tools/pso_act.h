/*
 * pso_act: the uses of varve pso that tell of a datastore, or work on it.
 *
 *   pso_status.c       how it is
 *   pso_volumes.c      its volumes on the arrays, and which may go
 *   pso_move.c         the plan by which they do
 *   pso_match.c        PVs against volumes
 *   pso_reconstruct.c  the document's plan, by its stages
 *
 * One thread.
 */
#ifndef VARVE_PSO_ACT_H
#define VARVE_PSO_ACT_H

#include "tools/pso_health.h"
#include "tools/pso_install.h"
#include "tools/pso_tell.h"

int pso_status(struct tool *tool, struct err *err);
/* The checks of it, appended; clocks are asked for where that is wanted. */
int pso_status_checks(struct pso_look *look, const struct pso_health *health,
		      struct findings *findings, struct err *err);
/* Whose datastore, of when, and what it is not: above what is printed. */
void pso_print_head(const struct pso_look *look);
int pso_volumes(struct tool *tool, struct err *err);
int pso_reconstruct(struct tool *tool, struct err *err);

#endif
