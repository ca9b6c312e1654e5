#include "indexer/rocksdb/rocks_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FILE_NAME 32		/* "%06llu.blob" */

/* A live file: there, and of the size that the MANIFEST says.  1: read it. */
static int check_size(struct rocks *rocks, const char *name, uint64_t want,
		      struct err *err)
{
	const struct dir_file *file = rocks_name(rocks, name);
	int r;

	if (!file)
		r = rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL, &want, 0,
			       err, "it is missing, of %" PRIu64 " bytes",
			       want);
	else if (file->size < want)
		r = rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL, &want,
			       file->size, err, "it is cut short: %" PRIu64
			       " of %" PRIu64 " bytes", file->size, want);
	else if (file->size > want)
		r = rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL, &want,
			       file->size, err, "it is too long: %" PRIu64
			       " bytes, and the MANIFEST says %" PRIu64,
			       file->size, want);
	else
		r = 1;
	return r;
}

static int check_table(struct rocks *rocks, struct rocks_file *file,
		       struct err *err)
{
	char name[FILE_NAME], old[FILE_NAME];
	int r;

	snprintf(name, sizeof(name), "%06" PRIu64 ".sst", file->number);
	snprintf(old, sizeof(old), "%06" PRIu64 ".ldb", file->number);
	if (file->path > 0)
		return rocks_find(rocks, ROCKS_NOTE, name, NULL, NULL, 0, err,
				  "it lies in another directory of the "
				  "database (db_paths, number %" PRIu32 "), "
				  "and was not looked at", file->path);
	if (!rocks_name(rocks, name) && rocks_name(rocks, old))
		memcpy(name, old, sizeof(name));
	r = check_size(rocks, name, file->size, err);
	return r > 0 ? table_read(rocks, name, file, err) : r;
}

static int check_blob(struct rocks *rocks, const struct rocks_blob *blob,
		      struct err *err)
{
	char name[FILE_NAME];
	int r;

	snprintf(name, sizeof(name), "%06" PRIu64 ".blob", blob->number);
	r = check_size(rocks, name, blob->size, err);
	return r > 0 ? blob_read(rocks, name, blob, err) : r;
}

/* WALs. */

static bool number_of(const char *name, const char *suffix, uint64_t *ret)
{
	char *end;

	if (*name < '0' || *name > '9')
		return false;
	errno = 0;
	*ret = strtoull(name, &end, 10);
	return errno == 0 && !strcmp(end, suffix);
}

static int wal_cmp(const void *a, const void *b)
{
	const struct rocks_wal *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Those that are there, beside those that are tracked (sorted). */
static int list_wals(struct rocks *rocks, struct err *err)
{
	size_t tracked = rocks->wal_count;

	for (size_t i = 0; i < rocks->own->name_count; i++) {
		struct dir_file *f = &rocks->own->names[i];
		struct rocks_wal wal = { .there = true, .size = f->size };
		struct rocks_wal *known = NULL;
		int r;

		if (f->dir || !number_of(f->name, ".log", &wal.number))
			continue;
		f->known = true;
		if (tracked)
			known = bsearch(&wal, rocks->wals, tracked,
					sizeof(wal), wal_cmp);
		if (known) {
			known->there = true;
			known->size = f->size;
			continue;
		}
		r = rocks_grow((void **)&rocks->wals, &rocks->own->wal_room,
			       rocks->wal_count, sizeof(wal),
			       2 * ROCKS_WALS_MAX, err);
		if (r < 0)
			return r;
		rocks->wals[rocks->wal_count++] = wal;
	}
	if (rocks->wal_count)
		qsort(rocks->wals, rocks->wal_count, sizeof(*rocks->wals),
		      wal_cmp);
	return 0;
}

/* The oldest WAL that may hold what no table has yet. */
static uint64_t oldest_wal(const struct rocks *rocks)
{
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < rocks->family_count; i++)
		if (rocks->families[i].log_number < oldest)
			oldest = rocks->families[i].log_number;
	return rocks->min_log > oldest || oldest == UINT64_MAX ?
	       rocks->min_log : oldest;
}

/*
 * A checkpoint's WAL is a copy that ends with a record.  That of a database
 * which was open ends wherever the machine stopped, and is read up to there.
 */
static int judge_wal(struct rocks *rocks, const struct log_reader *reader,
		     struct err *err)
{
	bool was_open = rocks_name(rocks, "LOCK") != NULL;

	if (reader->end == LOG_WHOLE || reader->end == LOG_OLD)
		return 0;
	if (reader->end == LOG_BAD)
		return rocks_find(rocks, ROCKS_DAMAGED, reader->name,
				  &reader->end_at, NULL, 0, err, "%s",
				  reader->why);
	return rocks_find(rocks, was_open ? ROCKS_NOTE : ROCKS_INCOMPLETE,
			  reader->name, &reader->end_at, NULL, 0, err, "%s",
			  reader->why);
}

static int read_wal(struct rocks *rocks, struct rocks_wal *wal,
		    const char *name, struct err *err)
{
	CLEANUP(log_reader_release) struct log_reader reader = {
		.rocks = rocks, .name = name, .kind = LOG_WAL,
		.number = wal->number, .size = wal->size,
	};
	int r;

	while ((r = log_next(&reader, err)) > 0)
		wal->records++;
	return r < 0 ? r : judge_wal(rocks, &reader, err);
}

static int check_wal(struct rocks *rocks, struct rocks_wal *wal,
		     struct err *err)
{
	char name[FILE_NAME];
	int r = 1;

	snprintf(name, sizeof(name), "%06" PRIu64 ".log", wal->number);
	if (wal->needed && !wal->there)
		r = rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL,
			       &wal->synced, 0, err, "it is missing, of at "
			       "least %" PRIu64 " bytes", wal->synced);
	else if (wal->needed && wal->size < wal->synced)
		r = rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL,
			       &wal->synced, wal->size, err, "it is cut "
			       "short: %" PRIu64 " of at least %" PRIu64
			       " bytes", wal->size, wal->synced);
	if (r <= 0 || !(rocks->own->flags & ROCKS_READ_DATA) || !wal->there)
		return r < 0 ? r : 0;
	if (!wal->needed && wal->number < oldest_wal(rocks) &&
	    wal->number != rocks->own->prev_log)
		return 0;
	return read_wal(rocks, wal, name, err);
}

/*
 * A checkpoint that nobody opened has its live files and no others.  So a table
 * that its MANIFEST does not name tells of a MANIFEST which was cut between two
 * records.  A database leaves some behind, until it removes them.
 */
static int tell_unnamed(struct rocks *rocks, const char *name, bool was_open,
			struct err *err)
{
	if (was_open)
		return rocks_find(rocks, ROCKS_NOTE, name, NULL, NULL, 0, err,
				  "the MANIFEST does not name it");
	return rocks_find(rocks, ROCKS_INCOMPLETE, name, NULL, NULL, 0, err,
			  "the MANIFEST does not name it: that one was cut "
			  "short, or this file is of another checkpoint");
}

/* What lies there and belongs to nothing. */
static int check_rest(struct rocks *rocks, struct err *err)
{
	bool was_open = rocks_name(rocks, "LOCK") != NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < rocks->own->name_count; i++) {
		const struct dir_file *f = &rocks->own->names[i];
		uint64_t number;

		if (f->dir || f->known)
			continue;
		if (number_of(f->name, ".sst", &number) ||
		    number_of(f->name, ".ldb", &number) ||
		    number_of(f->name, ".blob", &number))
			r = tell_unnamed(rocks, f->name, was_open, err);
		else if (number_of(f->name, ".dbtmp", &number))
			r = rocks_find(rocks, ROCKS_NOTE, f->name, NULL, NULL,
				       0, err, "it was being written");
	}
	return r;
}

int check_files(struct rocks *rocks, struct err *err)
{
	int r = list_wals(rocks, err);

	/* Of a MANIFEST that was not read to its end nobody knows which files
	 * are live. */
	if (r < 0 || !rocks->has_manifest)
		return r;
	for (size_t i = 0; r == 0 && i < rocks->file_count; i++)
		r = check_table(rocks, &rocks->files[i], err);
	for (size_t i = 0; r == 0 && i < rocks->blob_count; i++)
		r = check_blob(rocks, &rocks->blobs[i], err);
	for (size_t i = 0; r == 0 && i < rocks->wal_count; i++)
		r = check_wal(rocks, &rocks->wals[i], err);
	return r < 0 ? r : check_rest(rocks, err);
}
