/*
 * cut: where pages and lists end.
 *
 * An end is decided by the hash of one thing next to it (a name, an id), so
 * that after a change the ends soon fall where they fell before, and what lies
 * behind them is the same objects again.  Sizes are kept in bounds beside
 * that.  Pure.
 */
#ifndef VARVE_CUT_H
#define VARVE_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_CUT_MIN (16u << 10)
#define PAGE_CUT_EASY (64u << 10)
#define PAGE_CUT_MAX (128u << 10)

/* Bytes: one thing in 1024 ends a page, past 64 KiB one in 128. */
static inline bool cut_page(size_t size, uint64_t hash)
{
	if (size < PAGE_CUT_MIN)
		return false;
	if (size >= PAGE_CUT_MAX)
		return true;
	return (hash & (size < PAGE_CUT_EASY ? 1023 : 127)) == 0;
}

#define LIST_CUT_MIN 64u
#define LIST_CUT_MAX 2048u

/* Extents or children: about 500. */
static inline bool cut_list(size_t count, uint64_t hash)
{
	if (count < LIST_CUT_MIN)
		return false;
	return count >= LIST_CUT_MAX || (hash & 511) == 0;
}

#endif
