/*
 * tokens: what arrays let in, from a file or the environment.
 *
 * The file has "ENDPOINT TOKEN" in a line; '#' begins a comment. Who may read
 * it beside its owner is warned of.  Nothing of it is kept here.  One thread.
 */
#ifndef VARVE_TOKENS_H
#define VARVE_TOKENS_H

#include "fs/base/err.h"

#define TOKEN_ENV "VARVE_ARRAY_TOKEN"

/* The line is overwritten behind the call.  each's negative ends it. */
int tokens_each(const char *path,
		int (*each)(void *arg, const char *endpoint, const char *token,
			    struct err *err),
		void *arg, struct err *err);
/*
 * That of endpoint in the file path (or NULL), else VARVE_ARRAY_TOKEN; owned,
 * to be given to token_wipe().  -ENOKEY: there is none.
 */
int token_find(const char *path, const char *endpoint, char **ret,
	       struct err *err);
void token_wipe(char *token);

#endif
