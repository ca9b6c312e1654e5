/*
 * needs: what a procedure needs of a cluster, for `varve doctor PROCEDURE` and
 * docs/rbac/.
 *
 * A new one is rows in needs.c and a manifest of its name; the suite `kube` compares
 * the two.  Constant.
 */
#ifndef VARVE_NEEDS_H
#define VARVE_NEEDS_H

#include <stdbool.h>

enum need_scope {
	NEED_NS = 1,	/* in the namespace of what it is done to */
	NEED_ALL,	/* in each namespace, or in what has none */
	NEED_WISH,	/* as NEED_ALL; without it something is not known */
};

struct need {
	const char *verbs;	/* "get list" */
	const char *resource;	/* as of kube_can() */
	enum need_scope scope;
};

struct procedure_needs {
	const char *name;	/* of the command line, and of the manifest */
	const char *commands;	/* that it is of */
	const struct need *needs;	/* ends with NULL verbs */
};

/* Ends with a NULL name. */
extern const struct procedure_needs procedure_needs[];
/* NULL: there is none. */
const struct procedure_needs *needs_of(const char *name);

#endif
