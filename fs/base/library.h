/*
 * library: a shared library that is loaded when it is first wanted, and its
 * functions as a struct of pointers.  What is loaded stays.
 */
#ifndef VARVE_LIBRARY_H
#define VARVE_LIBRARY_H

#include <stddef.h>

#include "fs/base/err.h"

/*
 * The functions names[0..count) of soname into calls, a struct of so many
 * pointers in that order and nothing else.  -ENOENT with words, and nothing
 * loaded: it is not here, or lacks one of them.
 */
int library_load(const char *soname, const char *const *names, size_t count,
		 void *calls, struct err *err);

#endif
