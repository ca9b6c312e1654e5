/*
 * key: paths as they are sorted by, and as they are shown to people.
 *
 * A key is a path's components, each with a zero byte behind it; the root's is
 * empty.  Byte order of keys is pre-order with the names in a directory sorted
 * by bytes.  Pure.
 */
#ifndef VARVE_KEY_H
#define VARVE_KEY_H

#include "fs/base/buf.h"

#define KEY_BYTES_MAX (1u << 20)	/* what a sorter takes, and then some */

/*
 * Normalise path into key (cleared first).  -EINVAL and the reason in
 * *ret_why (static words, to follow the path): "..", a zero byte, a component
 * too long, too many of them.  *ret_absolute: it began with '/'.  -ENOMEM.
 */
int key_make(struct span path, struct buf *key, bool *ret_absolute,
	     const char **ret_why);

/* Append a key (or, is_key false, a path as it came) for people: control
 * bytes as \ooo, at most about 1000 bytes of it. */
void key_print(struct span key, bool is_key, struct buf *out);

/* The last component, without its zero byte. */
struct span key_name(struct span key);
/* Number of components. */
unsigned key_depth(struct span key);

#endif
