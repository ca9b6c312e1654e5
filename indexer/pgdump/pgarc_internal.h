/*
 * The parts of pgarc among themselves.
 *
 *     input -> take -> toc
 *                   -> custom | tar | dir -> unpack -> rows -> text -> out
 *
 * A failure of what bytes are given to ends everything and is remembered by
 * who met it (text.stopped); every other one is damage of an entry's data.
 */
#ifndef VARVE_PGARC_INTERNAL_H
#define VARVE_PGARC_INTERNAL_H

#include "fs/base/bytes.h"
#include "fs/base/codec.h"
#include "indexer/pgdump/pgarc.h"

#define PGARC_MAGIC "PGDMP"
#define PGARC_STEP  (64u << 10) /* decoded at once */

/* pgarc_take.c: bytes of an input, one after the other. */
struct take {
	struct pgarc_input from;
	struct span left;
	struct span rest;	/* behind left, where that was put back */
	uint8_t back[8];
	uint64_t at;		/* of the next byte */
	bool ended;
	const char *what;	/* "the archive", for messages */
};
void take_init(struct take *take, const struct pgarc_input *from,
	       const char *what);
/* Lends some bytes, at most max (above 0): 1; 0 at the end; negative. */
int take_some(struct take *take, uint64_t max, struct span *ret,
	      struct err *err);
/* Exactly len; -EBADMSG where it ends before. */
int take_exact(struct take *take, void *out, size_t len, struct err *err);
/* The same without keeping them. */
int take_skip(struct take *take, uint64_t len, struct err *err);
/* The len bytes (at most 8) taken last come once more. */
void take_back(struct take *take, const void *bytes, size_t len);
/* -ESPIPE where it cannot. */
int take_seek(struct take *take, uint64_t offset, struct err *err);

/* pgarc_toc.c */
struct arena_block;
struct toc_own {
	struct pgarc_toc toc;
	struct arena_block *arena;
	size_t arena_left;
	uint64_t memory;	/* of all of it, at most PGARC_TOC_MAX */
	uint32_t room;
	uint32_t *by_id;	/* places in entries, sorted by id */
};
/* Read head and entries; where is PGARC_CUSTOM, PGARC_TAR or PGARC_DIRECTORY. */
int toc_read(struct take *take, enum pgarc_format where, struct toc_own *ret,
	     struct err *err);
void toc_release(struct toc_own *own);
/* An Int of an archive whose ints have that size. */
int toc_int(struct take *take, unsigned size, int32_t *ret, struct err *err);

/* pgarc_judge.c: what of each entry is printed and when (want, pass), and what
 * the special ones say. */
void toc_judge(struct pgarc_toc *toc);

/* pgarc_unpack.c: one stream of a table or large object. */
struct unpack;
struct unpack *unpack_new(enum pgarc_packing packing, bool in_file);
void unpack_free(struct unpack *unpack);
int unpack_put(struct unpack *unpack, struct span packed,
	       const struct outlet *to, struct err *err);
/* An empty stream is empty data. */
int unpack_end(struct unpack *unpack, struct err *err);

/* Whom the data of an entry is given to, decoded. */
struct rows {
	int (*bytes)(void *arg, struct span bytes, struct err *err);
	int (*large_begin)(void *arg, uint32_t oid, struct err *err);
	int (*large_end)(void *arg, struct err *err);
	void *arg;
	const bool *stopped;	/* one of these has failed: so does give */
};

struct pgarc {
	struct toc_own own;
	struct take take;	/* not for a directory */
	struct pgarc_input input;
	/* Give the data of entry.  Negative: it is damaged, missing, or rows
	 * failed. */
	int (*give)(struct pgarc *arc, const struct pgarc_entry *entry,
		    const struct rows *rows, struct err *err);
	/* Negative: what is there beside the data of the entries. */
	int (*finish)(struct pgarc *arc, struct err *err);
	void (*close)(struct pgarc *arc);
	void *access;		/* give's own */
};

/* pgarc_custom.c, pgarc_tar.c, pgarc_dir.c: behind the table of contents. */
int custom_begin(struct pgarc *arc, struct err *err);
int tar_open(struct pgarc *arc, struct err *err);
int dir_open(struct pgarc *arc, int dir, struct err *err);

/* pgarc_blobs.c: the list of a directory's large objects, a line each: number
 * and name of the file.  The bytes come in pieces. */
#define BLOBS_LINE_MAX 1100u
struct blobs_list {
	char line[BLOBS_LINE_MAX + 1];
	size_t len;
};
/* 1: a line is whole (from is advanced past it); 0: it wants more; -EBADMSG. */
int blobs_line(struct blobs_list *list, struct span *from, uint32_t *ret_oid,
	       char *ret_name, struct err *err);
/* Is it one that may be opened: no path, not hidden? */
bool blobs_is_name(const char *name);

/* pgarc_name.c */
/* An SQL identifier as that major version quotes it. */
void name_quote(struct buf *out, const char *name, unsigned major);
/* As comments have it: no line ends; NULL: "-" where hyphen. */
void name_comment(struct buf *out, const char *name, bool hyphen);

/* pgarc_print.c: the statements of an entry, without its data. */
#define PRINT_MAX (256u << 20) /* what an entry's statements may come to */
struct print {
	const struct pgarc_toc *toc;
	bool too_large;		/* some of an entry was left out */
	const char *tablespace, *schema, *method; /* as set; NULL: not yet */
	bool oids_known, oids;
};
/* What stands between the heading and the first entry. */
void print_settings(const struct pgarc_toc *toc, struct buf *out);
/* SET statements that the entry wants before it. */
void print_before(struct print *print, const struct pgarc_entry *entry,
		  struct buf *out);
enum print_what { PRINT_DEFINITION = 1, PRINT_DATA, PRINT_STATS };
/* Comment, definition and owner. */
void print_entry(struct print *print, const struct pgarc_entry *entry,
		 enum print_what what, struct buf *out);
/* The search_path of an archive that has none of its own. */
void print_schema(struct print *print, const char *schema, struct buf *out);

static inline bool desc_is(const struct pgarc_entry *entry, const char *desc)
{
	return !strcmp(entry->desc, desc);
}

static inline bool str_begins(const char *str, const char *with)
{
	return !strncmp(str, with, strlen(with));
}

static inline bool str_empty(const char *str)
{
	return !str || !*str;
}

#endif
