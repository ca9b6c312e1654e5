/*
 * pso_tell: findings, each a check and what came of it, printed as they are
 * read at night, or as JSON.
 *
 * One thread.
 */
#ifndef VARVE_PSO_TELL_H
#define VARVE_PSO_TELL_H

#include "tools/tool.h"

enum tell { TELL_OK = 1, TELL_NOTE, TELL_WARN, TELL_UNKNOWN, TELL_BAD };

struct finding {
	enum tell tell;
	const char *check;	/* "clocks" */
	char *words;
};
struct findings {
	struct finding *row;
	size_t count;
	bool failed;		/* no memory for one */
};
void findings_release(struct findings *findings);
#define OWNED_FINDINGS CLEANUP(findings_release)
void findings_add(struct findings *findings, enum tell tell,
		  const char *check, const char *fmt, ...) PRINTF(4, 5);
/* The worst of all; TELL_OK where there is none. */
enum tell findings_worst(const struct findings *findings);
/* On stdout, in their order.  -ENOMEM where one is missing. */
int findings_print(const struct findings *findings, const struct tool *tool,
		   struct err *err);
const char *tell_name(enum tell tell);

#endif
