/*
 * needs: what a procedure needs of a cluster and of this machine, for `varve doctor
 * PROCEDURE` and docs/rbac/.
 *
 * A new one is rows in needs.c and a manifest of its name; the suite `kube` compares
 * the two, and the guide that links to the manifest.  Constant.
 */
#ifndef VARVE_NEEDS_H
#define VARVE_NEEDS_H

#include <stdbool.h>
#include <stddef.h>

enum need_scope {
	NEED_NS = 1,	/* in the namespace of what it is done to */
	NEED_ALL,	/* in each namespace, or in what has none */
};

struct need {
	const char *verbs;	/* "get list" */
	const char *resource;	/* as of kube_can() */
	enum need_scope scope;
	const char *without;	/* what then is not; NULL: it fails */
};

struct need_program {
	const char *name, *package;
	const char *without;	/* as above */
};

#define NEEDS_STREAM 1u		/* much is streamed through exec */
#define NEEDS_ROOT   2u
#define NEEDS_TOKEN  4u		/* of an array */
#define NEEDS_INITIATOR 8u

struct procedure_needs {
	const char *name;	/* of the command line, and of the manifest */
	const char *also;	/* what else it is called, with blanks between */
	const char *commands;	/* that it is of */
	const struct need *needs;	/* ends with NULL verbs; NULL: no cluster */
	const struct need_program *programs;	/* ends with a NULL name; or NULL */
	unsigned flags;
};

/* Ends with a NULL name. */
extern const struct procedure_needs procedure_needs[];
/*
 * The procedure that words[0], or words[0] and words[1], name: "pg-stanza", "pg
 * stanza" or two words, "flasharray:" with whatever is behind it.  *ret_taken: how
 * many words.  NULL: there is none.
 */
const struct procedure_needs *needs_of(char *const *words, size_t count,
				       size_t *ret_taken);

#endif
