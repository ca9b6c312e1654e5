/*
 * record: the small immutable file by which a snapshot exists, in memory.
 *
 * A kv document of type "varve-record" under snapshots/<32 hex digits of id>.
 * Strings are owned by the record.  Pure.  docs/format.md, "Records".
 */
#ifndef VARVE_RECORD_H
#define VARVE_RECORD_H

#include "fs/base/id.h"
#include "fs/base/kv.h"
#include "fs/base/stamp.h"

#define RECORD_ID 16
#define RECORD_VERSION 2	/* read; written where there are rows, else 1 */
#define SOURCE_MAX 512		/* bytes of a source's name */
#define RECORD_PACKS_MAX 16384	/* packs a record names */

struct record_pair {
	char *key;
	char *value;
};

struct record {
	uint8_t id[RECORD_ID];	/* random */
	uint64_t number;	/* drawn at commit, from 1, never used again */
	char *source;		/* "cpd30/dv" */
	char *name;		/* "2021-01-22T19-27-31Z", "-2" behind for a twin */
	struct stamp time;	/* when the data was captured */
	char *time_from;	/* option, name, header, mtime, now */
	char *tz;		/* zone a zoneless time was read in, or NULL */
	struct stamp added;	/* when it was taken into the store */
	char *kind;		/* tar, dir, rocksdb, pgdump, pso, report */
	char *format;		/* what the reader saw: "GNU tar, gzip" */
	char *input;		/* path as given, or "-" or the command */
	char *host;		/* facts for people, nothing depends on them */
	char *user;
	char *version;		/* of varve */

	struct id root;		/* root object (fs/tree/page.h) */
	char *top;		/* record_top(), or NULL */
	struct id links;	/* hard-link map, or none */
	struct id origin;	/* source device/inode/ctime map, or none */
	struct id view;		/* original stream, or none */
	struct id notes;	/* warnings as a content object, or none */
	struct id rows;		/* the kind's, as a content object
				 * (fs/tree/rows.h), or none */

	uint64_t entries;	/* nodes, the root counted */
	uint64_t files, dirs;
	uint64_t bytes;		/* sum of file sizes, each hard link group once */
	uint64_t stream_bytes;	/* plain bytes of the input stream, 0 for dir */
	uint64_t new_bytes;	/* what it added to the store, as stored */
	uint64_t warnings;
	char *incomplete;	/* NULL: complete; else why not */

	struct record_pair *tags;	/* --tag K=V */
	size_t tag_count;
	struct record_pair *attrs;	/* the kind's: checkpoint=123 */
	size_t attr_count;
	/* Names of the packs this add wrote: a hint of what to index.  Where
	 * there are more than RECORD_PACKS_MAX, none is written, and whoever
	 * brings a catalog level lists packs/ instead. */
	uint8_t (*packs)[16];
	size_t pack_count;
};

/* What stat(2) tells of the snapshot's top directory, so that a listing of
 * many snapshots need not open the tree of each. */
struct record_top {
	uint16_t mode;		/* without the type */
	uint32_t uid, gid;
	uint64_t nlink;
	struct stamp mtime;
	bool xattrs;		/* it has some */
};

void record_release(struct record *record);
/* false: the record does not tell. */
bool record_top(const struct record *record, struct record_top *ret);
/* -ENOMEM. */
int record_set_top(struct record *record, const struct record_top *top);
/* In place of one with that key.  -EINVAL: key is not [A-Za-z0-9._-]{1,64} or
 * value over 64 KiB; -E2BIG: over 1024 of them; -ENOMEM. */
int record_add_tag(struct record *record, const char *key, const char *value);
int record_add_attr(struct record *record, const char *key,
		    const char *value);
/* Tag of what was found wrong in what was backed up, by whoever understands it: a
 * date and words.  The store is well, and all is read; but it is no good one. */
#define TAG_FLAWED "flawed"
/* Value of a tag or attribute, borrowed; NULL where there is none. */
const char *record_tag(const struct record *record, const char *key);
const char *record_attr(const struct record *record, const char *key);
int record_copy(const struct record *from, struct record *ret);

/* -EINVAL, with words: a field that is missing or that record_parse() would
 * refuse.  Times are within the years 1 to 9999. */
int record_write(const struct record *record, struct buf *out,
		 struct err *err);
/* Every field bounded and checked: names, times, numbers, ids.  what: for
 * messages.  -EBADMSG, -ENOTSUP (newer). */
int record_parse(struct span bytes, const char *what, struct record *ret,
		 struct err *err);

/*
 * Is it a source's name: 1..16 components of 1..255 bytes parted by '/', none
 * that is "latest", begins with '.', looks like a snapshot's name, or has
 * bytes below 0x20 or 0x7f.  0 or -EINVAL with words that say which rule.
 */
int source_check(const char *source, struct err *err);
/*
 * Is it one for a name that comes in: the same, and no '*', '?', '[', '@' or ':',
 * nor '-' at its beginning, which mean something else where a source, a pattern
 * of sources or SNAPSHOT:PATH is given.  Records that have such are read.
 */
int source_check_new(const char *source, struct err *err);
/* Does a component look like a snapshot's name (YYYY-MM-DDTHH-MM-SSZ…)? */
bool name_is_time(const char *name, size_t len);

#endif
