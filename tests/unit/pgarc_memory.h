/* pgarc_memory: an archive in memory as pgarc's input, at most step bytes at a
 * time. */
#ifndef VARVE_PGARC_MEMORY_H
#define VARVE_PGARC_MEMORY_H

#include "indexer/pgdump/pgarc.h"

struct pgarc_memory {
	struct span all;
	size_t at, step;
};

static inline int pgarc_memory_next(void *arg, struct span *ret,
				    struct err *err)
{
	struct pgarc_memory *memory = arg;
	size_t left = memory->all.len - memory->at;

	(void)err;
	*ret = span_of(memory->all.data + memory->at,
		       left < memory->step ? left : memory->step);
	memory->at += ret->len;
	return ret->len > 0;
}

static inline int pgarc_memory_seek(void *arg, uint64_t offset,
				    struct err *err)
{
	struct pgarc_memory *memory = arg;

	(void)err;
	memory->at = offset < memory->all.len ? offset : memory->all.len;
	return 0;
}

#endif
