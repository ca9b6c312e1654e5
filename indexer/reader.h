/*
 * reader: how a kind of backup is read.  The extension point.
 *
 * A reader takes files or a stream and pushes entries and their bytes into a
 * sink.  It does not sort, cut, hash or store, nor decide what becomes of an
 * entry that collides with another.  One file a kind, one line in reader.c.
 *
 * Problems have three weights: this entry is flawed (kept, something about it
 * is not), this entry is lost, this input is lost (from here on).  The last
 * two make the snapshot incomplete where data that was there is missing.
 */
#ifndef VARVE_READER_H
#define VARVE_READER_H

#include "fs/tree/tree.h"

enum weight {
	WEIGHT_NOTE = 1,	/* nothing lost; worth a line in the notes */
	WEIGHT_FLAWED,		/* kept, but not as it was */
	WEIGHT_REFUSED,		/* a hostile or impossible entry was left out */
	WEIGHT_LOST,		/* an entry that should be there is not: incomplete */
	WEIGHT_INPUT,		/* the rest of the input is lost: incomplete */
};

struct sink;

/*
 * Begin an entry.  path: as the input has it, raw bytes; normalised by the
 * sink ("./", "//", leading "/"; ".." is refused with a warning).  An empty
 * or "." path is the root's own attributes.  entry: name, content, below, tree
 * are ignored; size is what the input says (chunk sizes are chosen by it) or
 * UINT64_MAX.  Directories may come in any order, before or after their
 * children, or not at all (then they are root's, 0755, with the time of the
 * snapshot).  Only files need data and sink_end().  All is copied.
 * 1: go on with its data; 0: it was refused (a warning was told), skip it.
 */
int sink_begin(struct sink *sink, struct span path,
	       const struct entry *entry, struct err *err);
/* Bytes of the file begun, in rising order; gaps are holes. */
int sink_data(struct sink *sink, uint64_t offset, struct span bytes,
	      struct err *err);
/* The file is size bytes long (a hole at the end is made by this). */
int sink_end(struct sink *sink, uint64_t size, struct err *err);
/* Drop the file begun (it could not be read): a warning was told. */
void sink_cancel(struct sink *sink);
/* A file whose bytes are those of old (an unchanged file of the snapshot
 * before); instead of begin..end. */
int sink_same(struct sink *sink, struct span path, const struct entry *entry,
	      const struct content *old, struct err *err);
/* A further name of an earlier path of this input (tar, cpio). */
int sink_link(struct sink *sink, struct span path, struct span target,
	      struct err *err);
/* For readers that know inodes: entries with equal non-zero group are names
 * of one file.  Said before sink_begin/sink_same of each; the first has the
 * data, for the others sink_same with content of the first, got by
 * sink_last_content(). */
void sink_group(struct sink *sink, uint64_t group);
int sink_last_content(struct sink *sink, struct content *ret,
		      uint64_t *ret_size);
/*
 * The file begun next has no place in the tree: only its content is wanted, for
 * sink_join() and sink_stream_file().  The path it is begun with is not looked
 * at, and neither sink_group() nor sink_origin() is said of it.
 */
void sink_aside(struct sink *sink);
/*
 * Append a file of this input that has ended (sink_last_content()) to the file
 * begun, at its present end: what it holds is neither read nor stored again.
 * -EINVAL where no file is begun.
 */
int sink_join(struct sink *sink, const struct content *content,
	      uint64_t size, struct err *err);
/* Where the entry stood when it was read, for skipping it next time:
 * ORIGIN_WIDTH bytes.  Before sink_begin/sink_same. */
void sink_origin(struct sink *sink, const uint8_t origin[ORIGIN_WIDTH]);

/* Tell a problem; path may be empty.  Counted, kept in the notes, passed on. */
void sink_warn(struct sink *sink, enum weight weight, struct span path,
	       const char *fmt, ...) PRINTF(4, 5);

/*
 * The plain input stream, for the view of the original: every byte of it in
 * order, glue as such, and data that also went through sink_data() as
 * sink_stream_member() right after that sink_data() (same entry, same bytes).
 * A reader that does not call these has no view.
 */
int sink_stream_glue(struct sink *sink, struct span bytes, struct err *err);
int sink_stream_member(struct sink *sink, uint64_t file_offset,
		       struct span bytes, struct err *err);
/*
 * For a stream that is put together when files of it have ended: len bytes of
 * the file of that number (sink_last_number(), right after its sink_end()) from
 * offset on are the next of the stream.  Numbers of files that were aside never
 * fall.  Such a view has no sum of its whole; its chunks have theirs.
 */
uint64_t sink_last_number(const struct sink *sink);
int sink_stream_file(struct sink *sink, uint64_t number, uint64_t offset,
		     uint64_t len, struct err *err);
/* What was read in words ("GNU tar, gzip"), kept in the record. */
void sink_format(struct sink *sink, const char *format);
void sink_attr(struct sink *sink, const char *key, const char *value);
/*
 * A row for questions (varve sql): object is a JSON object in one line, table
 * the name of its table ([a-z][a-z0-9_]*), at most ROW_MAX bytes together
 * (fs/tree/rows.h).  In any order, between entries or within one.
 */
int sink_row(struct sink *sink, const char *table, struct span object,
	     struct err *err);
/* Should the reader stop (signal)? */
bool sink_stopped(const struct sink *sink);
/* Bytes of input taken so far, for the progress line (total in *ret_total
 * was given by the source where known). */
void sink_progress(struct sink *sink, uint64_t input_bytes);
/* An entry's bytes fed somewhere before: is this content's store for use in
 * nested readers (--expand). */
struct deposit *sink_deposit(struct sink *sink);

struct exclude;			/* patterns; dir.c */

struct input {			/* what to read */
	const char *path;	/* as given; "-" for fd */
	int fd;			/* open for reading; -1: open path */
	uint64_t size;		/* bytes, UINT64_MAX where not known */
	bool expand;		/* --expand */
	unsigned expand_depth;	/* levels still allowed */
	const struct exclude *exclude;
	bool one_file_system;
	bool skip_caches;	/* directories tagged CACHEDIR.TAG */
	const char *strip;	/* prefix to take off, or NULL */
	struct tree *previous;	/* last snapshot of the source, or NULL */
	void *given;		/* of a kind that is read from memory, or NULL */
	struct repo *repo;
};

struct reader {
	const char *kind;	/* as in records */
	const char *about;	/* one line for --help */
	/* How sure is it that path (already stat'ed; first bytes in head) is
	 * its kind: 0 no .. 100. */
	int (*probe)(const struct input *input, const struct stat *st,
		     struct span head);
	/* 0: read to the end (problems were told to the sink); negative: cannot
	 * go on at all. */
	int (*read)(const struct input *input, struct sink *sink,
		    struct err *err);
};

extern const struct reader reader_dir;
extern const struct reader reader_archive;

/* Does the name look like that of an archive, packed or not? */
bool archive_is_named(struct span path);

/* All readers, NULL-terminated, and the surest for an input. */
extern const struct reader *const readers[];
const struct reader *reader_by_kind(const char *kind);

/* dir.c */
struct exclude *exclude_new(void);
void exclude_free(struct exclude *exclude);
/* rsync/gitignore-like: "*.o", "/var/tmp", "cache/", "**", "!keep"; the rules
 * stand at the top of exclude.c. */
int exclude_add(struct exclude *exclude, const char *pattern,
		struct err *err);
int exclude_add_file(struct exclude *exclude, const char *path,
		     struct err *err);
bool exclude_match(const struct exclude *exclude, const char *path,
		   bool is_dir);

#endif
