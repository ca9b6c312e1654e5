/*
 * subtree: a directory of a snapshot as the input of another snapshot.
 *
 * All of it refers to what the store has: no data is read.  Hard links stay
 * what they are among the names that lie in the directory.
 */
#ifndef VARVE_SUBTREE_H
#define VARVE_SUBTREE_H

#include "indexer/reader.h"

/* Push what lies at input->path in input->tree.  -ENOENT, -ENOTDIR. */
int subtree_read(const struct input *input, struct sink *sink,
		 struct err *err);

#endif
