/*
 * pg_internal: the parts of pg_plain among themselves.
 *
 *     text -> CRLF undone -> scanner -> held -> pieces -> sink
 *             (pg_plain.c)   (pg_lex.c) (pg_text.c, pg_entry.c, pg_out.c)
 *
 * The text is cut into pieces: each is a file of the tree, or aside where it is
 * in no object's file.  restore.sql is all pieces of text joined; a file that
 * is not one run of the text (database.sql) is some of them joined.  What is not
 * yet known to belong to one piece or the next is held.
 */
#ifndef VARVE_PG_INTERNAL_H
#define VARVE_PG_INTERNAL_H

#include "indexer/pgdump/pg_comment.h"
#include "indexer/pgdump/pg_lex.h"
#include "indexer/pgdump/pg_plain.h"

#define PG_HELD_MAX (1u << 20)		/* bytes held; more is what it looks like */
#define PG_SETTING_MAX (64u << 10)	/* one SET statement */
#define PG_ENTRIES_MAX (1u << 24)	/* files; what follows is in one */
#define PG_NAME_MAX (256u << 10)	/* bytes of a name in toc.json */
#define PG_JOINT_MAX (8u << 20)		/* contents listed in memory */
#define PG_TOC_MAX (64u << 10)		/* toc.json written in memory */
#define PG_OBJECT_PART (1u << 20)	/* of a large object, in memory */
#define PG_HEAD_MAX (16u << 10)		/* looked at for the banner */
#define PG_LOST_MAX (1u << 20)		/* bytes that list what is lost */

/* pg_out.c: pieces on their way to the sink. */

struct pg_joint {		/* files that will be one */
	struct buf list;	/* sizes and contents, as item_write_end() */
	uint64_t count, size;
};
void pg_joint_release(struct pg_joint *joint);

struct pg_paths {		/* names of files given so far, by hash */
	uint64_t *keys;
	uint32_t *counts;
	size_t used, room;
};

struct pg_dir {
	char *path;
	struct stamp newest;	/* of what is in it and below */
};

struct pg_out {
	struct sink *sink;
	struct entry like;
	bool stream;		/* the text's bytes are the sink's stream */
	struct pg_joint whole;	/* the text */
	struct pg_paths paths;
	struct pg_dir *dirs;
	size_t dir_count, dir_room;
	struct buf path;	/* of the piece that is a file */
	uint64_t files;

	bool open;
	uint64_t size;		/* of the piece begun */
	struct pg_joint *also;	/* whose part it is, too, or NULL */
};
void pg_out_release(struct pg_out *out);
/* Begin a piece of the text that is in no place of the tree; also may be
 * NULL. */
int pg_out_aside(struct pg_out *out, struct pg_joint *also, struct err *err);
/* Begin a piece of the text that is the file at path. */
int pg_out_file(struct pg_out *out, struct span path, struct err *err);
int pg_out_put(struct pg_out *out, struct span bytes, struct err *err);
/* End it; ret may be NULL.  ret->content, size and number are set. */
int pg_out_end(struct pg_out *out, struct pg_data *ret, struct err *err);
/* A file that is no piece of the text: joint (emptied), then bytes.  No piece
 * is begun.  ret may be NULL. */
int pg_out_extra(struct pg_out *out, struct span path,
		 struct pg_joint *joint, struct span bytes,
		 struct pg_data *ret, struct err *err);
/* Directories, when all that is in them is there. */
int pg_out_dirs(struct pg_out *out, struct err *err);
/* bytes, aside, become part of joint.  No piece is begun. */
int pg_out_part(struct pg_out *out, struct pg_joint *joint,
		struct span bytes, struct err *err);

/* pg_path.c: names of objects to names of files. */

/* Is the file name taken by the layout itself, in a directory of schemas
 * (or of databases, at the root)? */
enum pg_level { PG_LEVEL_ROOT = 1, PG_LEVEL_DATABASE, PG_LEVEL_OBJECT };
/* The directory of entries of this kind: "tables" for "TABLE". */
void pg_path_kind(struct span desc, struct buf *ret);
/*
 * Append name as a file's to path, with "/" before it where path is not empty
 * and ending (".sql" or "") behind it.  At PG_LEVEL_OBJECT one that was given
 * already gets "~2".
 */
int pg_path_add(struct pg_paths *paths, enum pg_level level,
		struct span name, const char *ending, struct buf *path,
		struct err *err);
/* One that was given already gets "~2": name is a database's. */
int pg_path_database(struct pg_paths *paths, struct span name,
		     struct buf *path, struct err *err);
/* A number kept for path, 0 at first; valid until the next call.  NULL: no
 * memory. */
uint32_t *pg_path_count(struct pg_paths *paths, struct span path);
void pg_path_escape(struct span name, struct buf *ret);

/* pg_entry.c: databases, and the entry at hand. */

enum pg_class {
	PG_CLASS_SQL = 1,	/* a file of statements */
	PG_CLASS_DATA,		/* rows, or statements that make them */
	PG_CLASS_OBJECTS,	/* large objects */
	PG_CLASS_HEAD,		/* it is told in database.sql */
};

struct pg_entry {
	bool open;
	enum pg_class class;
	struct buf desc, tag, schema, owner, tablespace;
	struct buf method;	/* how its table is kept: "heap" */
	uint32_t dump_id, catalog, oid;
	struct buf depends;	/* of uint32_t */
	uint64_t files;		/* of it, so far */
};

struct pg_toc {
	struct pg_joint written;
	struct buf text;
	uint64_t count;
};

struct pg_database {
	bool open;
	bool banner;		/* its own was seen, */
	bool complete;		/* and its completion mark */
	bool settled;		/* database.sql is written: dir is known */
	bool named;
	struct buf name, dir;
	struct buf owner, tablespace;
	struct buf server, program, encoding;
	struct pg_joint head;	/* database.sql */
	struct pg_toc toc;
	struct buf ends;	/* why what is behind may lack; empty: it does
				 * not */
	struct buf lost;	/* entries that are not whole: lines of toc.json */
};

/* Where bytes go. */
enum pg_target {
	PG_TO_ASIDE = 1,
	PG_TO_FILE,		/* of the entry */
	PG_TO_HEAD,		/* database.sql or globals.sql */
};

/* What a statement is, as soon as its first bytes tell. */
enum pg_statement {
	PG_SAYS_NOTHING = 1,	/* not known yet: held */
	PG_SAYS_SETTING,	/* held */
	PG_SAYS_COPY,		/* held */
	PG_SAYS_ROLE,		/* held */
	PG_SAYS_OBJECT,		/* in the data of large objects: held */
	PG_SAYS_SQL,		/* passed on */
};

enum pg_mode {
	PG_MODE_SQL = 1,
	PG_MODE_LINE,		/* the rest of the line with COPY */
	PG_MODE_ROWS,
	PG_MODE_STRAY,		/* the rest of a line that is no dump's */
};

struct pg_object {		/* a large object being put together */
	bool open, told;
	uint32_t oid;
	struct buf raw;
	struct pg_joint parts;
};

struct pg_plain {
	struct pg_out out;
	struct pg_plain_options options;
	bool hinted;

	struct pg_lex lex;
	enum pg_mode mode;
	struct buf held;
	size_t frame;		/* in held: where "--\n" stands; SIZE_MAX: no */
	size_t statement_at;	/* in held */
	size_t state_at;	/* in held: of the first state there; SIZE_MAX:
				 * there is none */
	size_t line_at;		/* in held: of the comment or psql line; SIZE_MAX:
				 * it is too long to be held */
	size_t header;		/* bytes of held that are the data entry's own */
	enum pg_statement says;

	struct span passed;	/* not yet put: in the bytes being fed */
	enum pg_target target;
	enum pg_data_kind kind;	/* of the file, where it is data's */
	bool is_data;		/* it is */
	struct buf path;	/* of the file */
	bool joined;		/* the file is pieces, as some of the text in
				 * its midst is not its own */
	struct pg_joint file;	/* these */

	struct pg_database db;
	struct pg_entry entry;
	struct buf copy;	/* the statement whose rows are read */
	struct pg_rows rows;
	struct pg_object object;

	/* pg_dumpall */
	bool cluster, cluster_complete, roles, passwords;
	struct pg_joint globals;
	struct pg_toc list;	/* of databases: the root's toc.json */
	struct buf names;	/* of databases, for the attribute */
	uint64_t databases;
	struct buf first_server, first_program, first_encoding;

	struct buf method;	/* default_table_access_method */
	struct buf space;	/* default_tablespace, without its quotes */
	bool timed;		/* the text told when it was made */
	bool restricted;	/* between \restrict and \unrestrict */
	bool partial;		/* something lacks anywhere */
	bool ending;		/* the text is over */
	bool told_full;
	uint64_t noise;		/* lines of some stderr */
	struct buf noise_text;	/* the first */
	bool stray_before, stray_behind;
	uint64_t stray_lines;
	struct buf stray_text;	/* the first of text that is no dump's */

	/* of an input */
	bool decided, crlf, cr;	/* cr: one is kept back */
	uint64_t line, lone_line;	/* where a newline had no CR */
	struct buf begin, undone;
};

/* pg_entry.c */
int pg_put(struct pg_plain *p, struct span bytes, struct err *err);
/* The same of bytes that stay where they are until this piece of the text is
 * done: many small runs of it are put as one. */
int pg_pass(struct pg_plain *p, struct span bytes, struct err *err);
int pg_put_passed(struct pg_plain *p, struct err *err);
/* Bytes in the midst of the entry's file that are not its own; nothing of it
 * was put yet, or p->joined was set when it was. */
int pg_put_between(struct pg_plain *p, struct span bytes, struct err *err);
/* End the piece; bytes that follow go there. */
int pg_turn(struct pg_plain *p, enum pg_target target, struct err *err);
/* name empty: not known. */
int pg_database_begin(struct pg_plain *p, struct span name, struct err *err);
int pg_database_end(struct pg_plain *p, struct err *err);
int pg_cluster_begin(struct pg_plain *p, struct err *err);
int pg_cluster_end(struct pg_plain *p, struct err *err);
int pg_entry_begin(struct pg_plain *p, const struct pg_hint *hint,
		   struct err *err);
int pg_entry_end(struct pg_plain *p, struct err *err);
/* A statement begins that no other place wants: see that it has one. */
int pg_entry_statement(struct pg_plain *p, struct err *err);
/* Text that is in no entry's file follows: aside, or in database.sql. */
int pg_entry_leave(struct pg_plain *p, struct err *err);
/* Rows begin; the statement is in p->copy. */
int pg_rows_begin(struct pg_plain *p, struct err *err);
int pg_rows_end(struct pg_plain *p, struct err *err);
/* "in the rows of table 't'" */
void pg_place(const struct pg_plain *p, struct buf *ret);

/* pg_toc.c */
struct pg_toc_file {		/* what is told of a file */
	struct span path;	/* its database's directory included; empty:
				 * there is none */
	uint64_t size;
	const uint64_t *rows;
	struct span copy;
	const uint32_t *object;
};
void pg_toc_release(struct pg_toc *toc);
/* Of the entry at hand. */
int pg_toc_add(struct pg_plain *p, const struct pg_toc_file *file,
	       struct err *err);
/* An entry is not whole. */
int pg_toc_add_lost(struct pg_plain *p, const struct pg_hint *entry,
		    const char *why, struct err *err);
/* database.sql, the first of its database. */
int pg_toc_add_head(struct pg_plain *p, uint64_t size, struct err *err);
/* The database's toc.json, and its line in the root's. */
int pg_toc_write(struct pg_plain *p, struct err *err);
/* The root's: its globals.sql, where path is not empty. */
int pg_toc_add_globals(struct pg_plain *p, struct span path,
		       struct err *err);
int pg_toc_write_list(struct pg_plain *p, struct err *err);

/* pg_object.c: a statement of the data of large objects, held at
 * p->statement_at.  1: it was one of theirs; 0: it is any other. */
int pg_object_statement(struct pg_plain *p, struct err *err);
int pg_object_end(struct pg_plain *p, struct err *err);

/* pg_text.c: what is between statements. */
int pg_text_feed(struct pg_plain *p, struct span bytes, struct err *err);
/* A comment between two lines "--", held at p->frame, has ended. */
int pg_text_frame(struct pg_plain *p, struct err *err);
/* Held bytes go where the target says. */
int pg_flush(struct pg_plain *p, struct err *err);
int pg_hold(struct pg_plain *p, struct span bytes, struct err *err);
/* A line's rest as a value, without its newline; none that is long. */
void pg_value(struct span value, struct buf *ret);

/* pg_statement.c: a run of a statement. */
int pg_statement_run(struct pg_plain *p, const struct pg_run *run,
		     struct span bytes, struct err *err);

#endif
