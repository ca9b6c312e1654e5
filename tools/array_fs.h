/*
 * array_fs: file systems of a FlashBlade, as a push needs them.
 *
 * Each change looks first whether it is done, and again where the array gave
 * no answer, so that it may be asked for twice.  One thread.
 */
#ifndef VARVE_ARRAY_FS_H
#define VARVE_ARRAY_FS_H

#include "tools/rest.h"

#define FS_TEXT 256

struct array_fs {
	char id[FS_TEXT];	/* "" where the array tells none */
	char rules[FS_TEXT];	/* of NFS; "" also where a policy rules */
	uint64_t size, created_ms;
	bool destroyed, nfs;	/* nfs: exported by v3 or v4.1 */
};

/* What a file system may be called: letters, digits, '-', '_' and '.'. */
bool array_fs_is_name(const char *name);
/* -ENOENT: the array has none of that name, not even a destroyed one. */
int array_fs_find(struct rest *rest, const char *name, struct array_fs *ret,
		  struct err *err);
/* -EEXIST: there is one. */
int array_fs_make(struct rest *rest, const char *name, uint64_t size,
		  const char *rules, struct array_fs *ret, struct err *err);
int array_fs_resize(struct rest *rest, const char *name, uint64_t size,
		    struct err *err);
/* One that is not there, or is destroyed, is done.  id: "" where not known. */
int array_fs_destroy(struct rest *rest, const char *name, const char *id,
		     struct err *err);
/* For good; -EACCES where SafeMode keeps it. */
int array_fs_eradicate(struct rest *rest, const char *name, const char *id,
		       struct err *err);
/* The one address that serves files; -ENOENT: none or more than one. */
int array_fs_address(struct rest *rest, char ret[FS_TEXT], struct err *err);
/* That of this machine, as address sees it. */
int array_fs_own_address(const char *address, char ret[FS_TEXT],
			 struct err *err);

#endif
