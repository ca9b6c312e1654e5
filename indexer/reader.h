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
/*
 * For inputs that know no times of their own files: from here on, a file whose
 * bytes, mode and owner are those of its path in the snapshot before keeps the
 * mtime it had there, where that is older than what it is begun with.  What is
 * the same in two dumps is then the same entry, and mtimes tell what changed.
 */
void sink_keep_times(struct sink *sink);
/* The mtime that the last file or entry got. */
struct stamp sink_last_mtime(const struct sink *sink);
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
 * The input says itself when its data was captured: local is as stamp_parse()
 * reads it, without a zone in the one that such times are read in.  That is the
 * snapshot's time where neither the user nor a name tells one.  Before the first
 * entry.  *ret: the time the snapshot has (also where this one was not taken,
 * or is no time: -EINVAL).
 */
int sink_when(struct sink *sink, const char *local, struct stamp *ret);
/*
 * A row for questions (varve sql): object is a JSON object in one line, table
 * the name of its table ([a-z][a-z0-9_]*), at most ROW_MAX bytes together
 * (fs/tree/rows.h).  In any order, between entries or within one.
 */
int sink_row(struct sink *sink, const char *table, struct span object,
	     struct err *err);
/* So many files were begun to be read before their turn, for --stats. */
void sink_ahead(struct sink *sink, uint64_t files);
/* Should the reader stop (signal)? */
bool sink_stopped(const struct sink *sink);
/* Bytes of input taken so far, for the progress line (total in *ret_total
 * was given by the source where known). */
void sink_progress(struct sink *sink, uint64_t input_bytes);
/* An entry's bytes fed somewhere before: is this content's store for use in
 * nested readers (--expand). */
struct deposit *sink_deposit(struct sink *sink);

struct exclude;			/* patterns; dir.c */

/*
 * A backup of its own inside an input: a checkpoint of a database that was
 * given, or of one in a tarball.  Each becomes a snapshot.
 */
struct part {
	char *path;		/* below the input's; "" the input itself */
	char *source;		/* the names behind those of the input's source;
				 * "" none: it is its snapshot */
	char *label;		/* for people: "checkpoint 1500" */
	bool has_time;		/* else it is that of any input */
	struct stamp time;
	const char *time_from;	/* as in records */
	struct record_pair *attrs;	/* of the snapshot */
	size_t attr_count;
};

struct parts {
	struct part *part;	/* in the order in which they are to be added */
	size_t count;
	char *named_after;	/* a path: the source's name comes of it where
				 * none was given; NULL: of the input's own */
	/* told what was passed over: a note, or WEIGHT_LOST for what could not
	 * be looked into */
	void (*warn)(void *arg, enum weight weight, const char *sentence);
	void *arg;
};
/* Append a part, empty but for copies of these; -ENOMEM. */
int parts_add(struct parts *parts, const char *path, const char *source,
	      struct part **ret, struct err *err);
int part_attr(struct part *part, const char *key, const char *value,
	      struct err *err);
void parts_release(struct parts *parts);

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
	struct tree *tree;	/* not NULL: the input is what lies at path in
				 * this snapshot of the store, not on a disk */
	const struct part *part;	/* this one of it, or NULL */
	/* Files of that name never change once they stand, so that of one which
	 * was read before the ctime does not count (dir.c).  NULL: none do. */
	bool (*is_sealed)(const char *name);
	bool last_try;		/* -EAGAIN will not read it once more */
	const volatile int *stop;	/* a signal; NULL */
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

	/* The others may be NULL. */

	/*
	 * The backups in a directory on a disk, or in a directory of a snapshot
	 * (input->tree).  Then there are as many snapshots as parts, and read()
	 * gets one after the other as an input; a stream is first read by the
	 * reader of its form, and its snapshot is then looked through.  -ENODATA:
	 * there is none.
	 */
	int (*parts)(const struct input *input, struct parts *parts,
		     struct err *err);
	/* 1: source has the part already as *ret (complete or not); 0. */
	int (*known)(const struct input *input, const char *source,
		     struct snapshot *ret, struct err *err);
	/*
	 * The snapshot as it is stored, before it exists: tell the sink what is
	 * wrong with it (WEIGHT_LOST: it is incomplete) and its attributes.
	 * -EAGAIN: the input changed meanwhile, and is to be read once more.
	 */
	int (*judge)(const struct input *input, struct tree *tree,
		     struct sink *sink, struct err *err);
};

extern const struct reader reader_dir;
extern const struct reader reader_archive;
extern const struct reader reader_rocksdb;
extern const struct reader reader_pgdump;

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
/* Nothing matches; also of NULL. */
bool exclude_is_empty(const struct exclude *exclude);

#endif
