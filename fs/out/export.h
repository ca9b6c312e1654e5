/*
 * export: a tree, or a part of one, as a tar archive.
 *
 * Written as it is read, in the order of the tree, with memory that does not
 * grow with it (but for hard links of a part whose first name is outside it:
 * 32 bytes each).  The tar archive of one tree is always the same.
 *
 * Names begin with "./", the top directory is "./" itself; a single file is
 * named as it is.  Of hard links the first name has the data.  Holes are
 * holes (GNU.sparse 1.0), ACLs SCHILY.acl.*, other extended attributes
 * SCHILY.xattr.*, chattr flags SCHILY.fflags; GNU tar with --xattrs --acls
 * --xattrs-include='*' and bsdtar give them back.  Sockets have no place in a
 * tar archive and are left out.
 *
 * Everything is hashed against its id before it goes out.  One thread.
 */
#ifndef VARVE_EXPORT_H
#define VARVE_EXPORT_H

#include "fs/base/codec.h"
#include "fs/tree/tree.h"

enum export_format { EXPORT_TAR = 1, EXPORT_TAR_GZIP, EXPORT_TAR_ZSTD };

/* "tar", "tar.gz" or "tgz", "tar.zst" or "tzst"; -EINVAL with those there are
 * as a hint. */
int export_format_parse(const char *text, enum export_format *ret,
			struct err *err);

struct export_top {		/* attributes of the top directory's member */
	uint16_t mode;
	uint32_t uid, gid;
	struct stamp mtime;
};

struct export_options {
	enum export_format format;
	const struct export_top *top;	/* NULL: as in the tree */
	/* what names begin with, and the top directory then has no member of its
	 * own; NULL: "./" */
	const char *prefix;
	struct outlet to;
	void (*warn)(void *arg, const char *sentence);
	void (*progress)(void *arg, uint64_t files, uint64_t bytes);
	void *arg;
	volatile int *stop;
};

struct export_report {
	uint64_t entries, files, bytes;	/* bytes of files, without holes */
	uint64_t sockets;		/* left out, with a warning each */
};

/*
 * Write node of tree, with all below it.  -EBADMSG: something is damaged.
 * -ECANCELED: stopped.  After either what came out ends there, and every tar
 * and gzip says so.
 */
int export_tree(struct tree *tree, const struct node *node,
		const struct export_options *options,
		struct export_report *report, struct err *err);

#endif
