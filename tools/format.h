/*
 * format: facts as people read them: sizes, times, modes, tables.
 *
 * Names come from backups and may hold anything: on a terminal, control bytes
 * and bytes that are no UTF-8 are shown as \ooo, so that no name can drive
 * the terminal; elsewhere they are written as they are.  One thread.
 */
#ifndef VARVE_FORMAT_H
#define VARVE_FORMAT_H

#include <stdio.h>

#include "fs/base/json.h"
#include "fs/catalog/catalog.h"
#include "fs/tree/entry.h"

#define SIZE_TEXT 24
#define MODE_TEXT 12
#define LABEL_TEXT (SOURCE_MAX + 80)
#define SHORT_ID 8

/* "0 B", "812 B", "1.5 MiB". */
void size_text(uint64_t bytes, char out[SIZE_TEXT]);
/* "4096", "10M", "1.5GiB": K, M, G, T, P are powers of 1024. */
int size_parse(const char *text, uint64_t *ret, struct err *err);
/* "3 files" / "1 file" (plural by 's', or 'ies' for a word in 'y'). */
struct counted { char s[64]; };
struct counted counted(uint64_t n, const char *noun);
/* What a snapshot holds: its files, or where there is none its links, devices
 * and the like as entries. */
struct counted counted_held(const struct record *record);
/* "31 h", "3 days": the largest fitting unit, downwards. */
void age_text(int64_t seconds, char out[SIZE_TEXT]);
/* "drwxr-xr-x" */
void mode_text(enum entry_type type, unsigned mode, char out[MODE_TEXT]);
/* "f", "d", "l", "c", "b", "p", "s" as find(1) has it. */
char type_letter(enum entry_type type);
const char *type_name(enum entry_type type);

/* SOURCE@NAME, which is also how to name the snapshot to any command. */
void snapshot_label(const struct record *record, char out[LABEL_TEXT]);
/* The first SHORT_ID hex digits of its id. */
void snapshot_short_id(const struct record *record, char out[SHORT_ID + 1]);
/* What a deposit made of new bytes; behind ", which". */
#define GREW_BY "grew by %s: the new data compressed, and names and attributes"
/* Why it is no good one, whenever it is dated, borrowed; *ret_what (or NULL) is then
 * "incomplete", "damaged" or "flawed".  NULL: nothing is known against it. */
const char *snapshot_flaw(const struct snapshot *snapshot,
			  const char **ret_what);
/* "ok", or "incomplete", "damaged", "flawed", "forgotten", "pinned" with commas. */
void snapshot_state(const struct snapshot *snapshot, char out[64]);

/* name as it may be shown on out. */
void name_print(FILE *out, struct span name);
/* The same into buf, as for a terminal where harmless is true. */
void name_append(struct buf *buf, struct span name, bool harmless);
bool out_is_terminal(FILE *out);

/* There was no memory for some of what was to be printed, which therefore is
 * missing: main() says so, and no command that meets it ends with 0. */
extern bool output_lost;

/*
 * Rows in columns two blanks apart.  heads: one per column, "<TEXT" left,
 * ">TEXT" right; the last column is not padded.  Cells are copied.  Widths are
 * found over all rows put before table_print(), or over the first TABLE_HOLD
 * where there are more.
 */
#define TABLE_COLUMNS 64
#define TABLE_HOLD 4096
struct table;
struct table *table_new(FILE *out, const char *const *heads, size_t columns);
void table_free(struct table *table);
void table_free_ptr(struct table **table);
#define OWNED_TABLE CLEANUP(table_free_ptr)
/* The next cell of the row; after the last column the row is complete. */
void table_cell(struct table *table, const char *text);
void table_cellf(struct table *table, const char *fmt, ...) PRINTF(2, 3);
void table_print(struct table *table);

/* One finished JSON text and a newline on stdout; buf is empty after. */
void json_print(struct buf *buf);
void json_stamp(struct json *json, const char *key, struct stamp t);
/* All fields of a snapshot as members of the open object. */
void json_snapshot(struct json *json, const struct snapshot *snapshot);
/* An entry's fields. */
void json_entry(struct json *json, const struct entry *entry);

#endif
