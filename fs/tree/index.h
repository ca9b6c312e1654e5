/*
 * index: nodes above the pages of a directory that has many.
 *
 * A node names its children by their first names and tells how many entries
 * and nodes are under each, so that a child is found by name, by ordinal and
 * by position.  Level 1 stands above pages, level n above level n-1.  Pure.
 */
#ifndef VARVE_INDEX_H
#define VARVE_INDEX_H

#include "fs/tree/extent.h"

struct index_child {
	struct id id;
	uint64_t entries;	/* directly in the directory */
	uint64_t nodes;		/* with all below them */
	struct span first;	/* name of the first of them */
};

struct index_out {
	struct object_out object;
	struct ref_out refs;
	struct buf children;
	struct buf first, last;	/* names: of the first child, of the last */
	unsigned level;
	uint32_t count;
	uint64_t entries, nodes;
};

int index_out_begin(struct index_out *index, unsigned level,
		    struct err *err);
/* In order of names. */
int index_out_add(struct index_out *index, const struct index_child *child,
		  struct err *err);
size_t index_out_size(const struct index_out *index);
/* The finished bytes, and what the node above says of them (first borrowed
 * until the next begin; id is the caller's to fill in). */
int index_out_finish(struct index_out *index, struct buf *bytes,
		     struct index_child *ret, struct err *err);
void index_out_release(struct index_out *index);

#define INDEX_CHILDREN_MAX 65536u

/* A decoded node: independent of the bytes it came from. */
struct index_in {
	uint32_t count;
	unsigned level;
	struct id *ids;
	uint64_t *entries;	/* under children 0..i-1; count + 1 of them */
	uint64_t *nodes;	/* the same */
	uint32_t *names_at;	/* count + 1 */
	struct buf names;
};

int index_parse(struct span bytes, unsigned level, struct index_in *ret,
		struct err *err);
void index_release(struct index_in *index);
struct span index_first(const struct index_in *index, uint32_t child);
/* The child in which name, ordinal or relative position would be; the latter
 * two must lie in the node. */
uint32_t index_by_name(const struct index_in *index, struct span name);
uint32_t index_by_ordinal(const struct index_in *index, uint64_t ordinal);
uint32_t index_by_node(const struct index_in *index, uint64_t node);

/* The last i with sums[i] <= value, for rising sums[0..count) that begin with 0. */
uint32_t sums_find(const uint64_t *sums, uint32_t count, uint64_t value);

#endif
