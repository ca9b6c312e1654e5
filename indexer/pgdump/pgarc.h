/*
 * pgarc: archives that pg_dump writes (-Fc, -Fd, -Ft), versions 1.12 to 1.16.
 *
 * Takes an archive as a stream, a file or a directory and gives its table of
 * contents and the very text that `pg_restore -f -` of the major version that
 * wrote it prints, in pieces, each said which entry it is of.  Hides how data
 * is found, cut and compressed.  Also tells how the same archive is put
 * together again in the custom format, uncompressed, by where in the text its
 * rows stand.  Knows nothing of what becomes of the text.
 *
 * An archive is a stranger's: every size is bounded before memory is taken for
 * it, a file name never leads out of the directory, and nothing is decoded but
 * as a stream.  One thread.  Follows PostgreSQL's src/bin/pg_dump.
 */
#ifndef VARVE_PGARC_H
#define VARVE_PGARC_H

#include "fs/base/buf.h"

#define PGARC_TOC_MAX     (1ull << 30) /* bytes of memory for all entries */
#define PGARC_ENTRIES_MAX (1u << 23)
#define PGARC_OLDEST      12 /* the minor version: 1.12 */
#define PGARC_NEWEST      16

enum pgarc_format { PGARC_CUSTOM = 1, PGARC_TAR = 3, PGARC_DIRECTORY = 5 };

enum pgarc_packing {
	PGARC_PLAIN = 1, PGARC_GZIP, PGARC_LZ4, PGARC_ZSTD,
};

enum pgarc_section {
	PGARC_NO_SECTION = 1, PGARC_PRE_DATA, PGARC_DATA, PGARC_POST_DATA,
};

/* When the dump was begun, by its host's own clock: as struct tm. */
struct pgarc_time {
	int32_t sec, min, hour, day, month, year, dst;
};

struct pgarc_head {
	uint8_t minor;		/* of the archive version: 1.minor */
	uint8_t rev;
	uint8_t int_size;	/* as the archive has it, ... */
	uint8_t offset_size;
	enum pgarc_format format;
	enum pgarc_packing packing;
	int32_t level;		/* below 1.15; -1: the default */
	struct pgarc_time time;
	const char *db;		/* NULL where the archive has none */
	const char *server;
	const char *dumper;	/* version of pg_dump, with its package */
	unsigned major;		/* of dumper: 905 is 9.5, 1500 is 15 */
};

/* What of an entry stands in the text, and in which pass. */
#define PGARC_WANT_SCHEMA 1u
#define PGARC_WANT_DATA   2u
#define PGARC_WANT_STATS  4u
enum pgarc_pass { PGARC_MAIN = 1, PGARC_ACL, PGARC_LATE };

/* Where the data of an entry of a custom archive is. */
enum pgarc_place { PGARC_UNSET = 1, PGARC_SET, PGARC_NOWHERE };

struct pgarc_entry {
	int32_t id;		/* the dump id: above 0, its own */
	bool has_data;
	bool with_oids;
	uint32_t table_oid, oid;
	enum pgarc_section section;
	int32_t relkind;	/* 0 before 1.16 */
	const char *tag, *desc;	/* never NULL */
	const char *defn, *drop, *copy, *schema, *tablespace, *method, *owner;
	const int32_t *depends;
	uint32_t depend_count;
	const char *file;	/* of a directory or tar; NULL */
	enum pgarc_place place;
	uint64_t offset;
	unsigned want;
	enum pgarc_pass pass;
};

struct pgarc_toc {
	struct pgarc_head head;
	struct pgarc_entry *entries;
	uint32_t count;
	struct span encoding;	/* "SQL_ASCII" where nothing is said */
	bool std_strings;
	const char *search_path; /* a statement; NULL */
};
/* The entry of that dump id; NULL. */
const struct pgarc_entry *pgarc_find(const struct pgarc_toc *toc, int32_t id);

/*
 * Where bytes come from.  next: 1 and bytes lent until the next call, 0: the
 * end, negative.  seek: the next bytes are those at offset from the beginning;
 * NULL where that cannot be.
 */
struct pgarc_input {
	int (*next)(void *arg, struct span *ret, struct err *err);
	int (*seek)(void *arg, uint64_t offset, struct err *err);
	void *arg;
};

struct pgarc;
/*
 * Read the table of contents: of a custom archive or of a tar (which of them
 * is seen by its beginning), or of a directory (dir stays the caller's and
 * must stay open).  -EBADMSG where it is damaged or none; -ENOTSUP where its
 * version is not known here; -EFBIG where it is larger than the bounds.
 */
int pgarc_open(const struct pgarc_input *input, struct pgarc **ret,
	       struct err *err);
int pgarc_open_dir(int dir, struct pgarc **ret, struct err *err);
void pgarc_free(struct pgarc *arc);
const struct pgarc_toc *pgarc_toc(const struct pgarc *arc);
/* Does a stream that begins so look like an archive of either kind? */
bool pgarc_is(struct span head);

/*
 * Whom the text is given to.  Each returns 0 or a negative errno that ends the
 * rendering.
 *
 * entry: the text behind is of that entry, with what is set before it, up to
 * the next call; NULL: of none.
 * lost: (a part of) the data of an entry is not to be had, and why.  What of it
 * could be read has been given and its COPY ended; or nothing was given.
 * has_data: len bytes of data of that entry were given (as the archive has
 * them, "\\." included), behind before bytes of other text of it, and these are
 * the last few; may be NULL.
 */
struct pgarc_out {
	int (*entry)(void *arg, const struct pgarc_entry *entry,
		     struct err *err);
	int (*text)(void *arg, struct span bytes, struct err *err);
	int (*lost)(void *arg, const struct pgarc_entry *entry,
		    const struct err *why, struct err *err);
	int (*has_data)(void *arg, const struct pgarc_entry *entry,
			uint64_t before, uint64_t len, struct span tail,
			struct err *err);
	void *arg;
};

/*
 * Give the text, once.  key: what \restrict names, letters and digits; it does
 * not stand in what versions before 13 print.  Damage is told to out->lost()
 * and is no failure.
 */
int pgarc_text(struct pgarc *arc, const char *key,
	       const struct pgarc_out *out, struct err *err);
#define PGARC_KEY_LEN 63

/*
 * The same archive in the custom format, of the same version and uncompressed,
 * so that pg_restore takes it with -l and -j: put together from files of data
 * that have ended.
 */
struct pgarc_view;
struct pgarc_view *pgarc_view_new(const struct pgarc_toc *toc);
void pgarc_view_free(struct pgarc_view *view);
/*
 * A file has an entry's rows, or the large object oid (0: rows).  The rows may
 * lack their end, or stand behind all other text of the entry.  In the order of
 * the text.  number is the caller's.
 */
int pgarc_view_file(struct pgarc_view *view, int32_t id, uint32_t oid,
		    uint64_t number, uint64_t size, struct err *err);
/* pgarc_out.has_data() was said of the entry. */
int pgarc_view_data(struct pgarc_view *view, const struct pgarc_entry *entry,
		    uint64_t before, uint64_t len, struct span tail,
		    struct err *err);
/*
 * Give it: bytes, and pieces of files.  -ENOTSUP, with words and nothing given,
 * where the files do not hold what the archive does or one has not been told.
 */
struct pgarc_view_out {
	int (*bytes)(void *arg, struct span bytes, struct err *err);
	int (*file)(void *arg, uint64_t number, uint64_t offset, uint64_t len,
		    struct err *err);
	void *arg;
};
int pgarc_view_give(const struct pgarc_view *view,
		    const struct pgarc_view_out *out, struct err *err);

#endif
