/*
 * doctor: findings of `varve doctor`, told one a line.
 */
#ifndef VARVE_DOCTOR_H
#define VARVE_DOCTOR_H

#include "tools/tool.h"

enum verdict { OK = 1, WARN, FAIL };

struct doctor {
	const struct tool *tool;
	uint64_t warns, fails;
};

void doctor_tell(struct doctor *d, enum verdict verdict, const char *subject,
		 const char *fmt, ...) PRINTF(4, 5);
/* doctor_needs.c: what the procedures on the command line need of a cluster.
 * -EINVAL: there is no such procedure. */
int doctor_needs(struct doctor *d, struct err *err);

#endif
