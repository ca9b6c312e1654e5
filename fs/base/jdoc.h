/*
 * jdoc: a JSON document read into nodes.
 *
 * For documents that others made.  Keeps what a rewriting must not change:
 * numbers as they are written, members that come twice, their order, NULs in
 * strings.  RFC 8259, without leniency: one value, well-formed UTF-8, paired
 * surrogates.  Nothing recurses, here or in whoever walks: a node knows its
 * parent.
 *
 * Strings are decoded into memory of the document.  Memory: at most the
 * bytes of the text and 56 a value.  Any number may read a document at once.
 */
#ifndef VARVE_JDOC_H
#define VARVE_JDOC_H

#include "fs/base/buf.h"

#define JDOC_BYTES_MAX (256u << 20)
#define JDOC_NODES_MAX (8u << 20)
#define JDOC_DEPTH_MAX 128

enum jtype {
	JTYPE_NULL = 1, JTYPE_FALSE, JTYPE_TRUE, JTYPE_NUMBER, JTYPE_STRING,
	JTYPE_ARRAY, JTYPE_OBJECT,
};

struct jnode {
	struct span key;	/* of a member, decoded; else data is NULL */
	struct span text;	/* a string decoded; a number as it stands */
	const struct jnode *parent, *child, *next;	/* NULL: none */
	enum jtype type;
};

struct jdoc {
	const struct jnode *root;
	/* what it owns */
	struct jnode **blocks;
	size_t block_count, used;	/* used: in the last block */
	uint8_t *text;
	size_t text_len;
};
#define JDOC_INIT { .root = NULL }
#define OWNED_JDOC CLEANUP(jdoc_release)

/* what: for messages.  -EBADMSG with the offset; -E2BIG: over a limit. */
int jdoc_parse(struct span bytes, const char *what, struct jdoc *ret,
	       struct err *err);
void jdoc_release(struct jdoc *doc);

/* The next node of all in document order, below top only; NULL at the end. */
const struct jnode *jnode_after(const struct jnode *node,
				const struct jnode *top);
/* The first member of that key; NULL where there is none, or node is NULL or
 * no object. */
const struct jnode *jnode_get(const struct jnode *node, const char *key);
/* The same down several: "spec.csi.volumeHandle". */
const struct jnode *jnode_path(const struct jnode *node, const char *path);
/* Text of a string (or number) at path; data NULL where it is none. */
struct span jnode_text(const struct jnode *node, const char *path);
bool jnode_is(const struct jnode *node, const char *path, const char *text);
/* A whole number of 0 .. 2^63-1 at path, also in a string; false: none. */
bool jnode_u64(const struct jnode *node, const char *path, uint64_t *ret);
bool jnode_true(const struct jnode *node, const char *path);
size_t jnode_count(const struct jnode *node);	/* of children */

/*
 * Append node as JSON; pretty: two spaces a level, a line each; else all in
 * one.  filter (or NULL) is asked of each value first: 0 print it, 1 leave the
 * value (and its key) out, 2 the filter has appended the value by itself;
 * negative ends the writing.
 */
int jnode_write(const struct jnode *node, bool pretty,
		int (*filter)(void *arg, const struct jnode *node,
			      struct buf *out, struct err *err),
		void *arg, struct buf *out, struct err *err);

#endif
