/*
 * pg_archive: an archive of pg_dump, in any of its formats, to the tree of its
 * database, by way of the text that pg_restore prints of it (pgarc), which
 * goes where a plain dump's goes (pg_plain).  The view of the original is the
 * equivalent custom archive.  What of the data is damaged or missing is told to
 * the sink by the name of its table, and the rest is kept.
 */
#ifndef VARVE_PG_ARCHIVE_H
#define VARVE_PG_ARCHIVE_H

#include "indexer/pgdump/pgarc.h"
#include "indexer/reader.h"

/*
 * Read it from a stream (a custom archive or a tar; pgarc_is() of its beginning)
 * or from a directory with toc.dat in it.  Negative where the table of contents
 * cannot be read: nothing was put then.  like: owners and mode of the files;
 * their time is the archive's.
 */
int pg_archive_read(const struct pgarc_input *stream,
		    const struct input *input, const struct entry *like,
		    struct sink *sink, struct err *err);
int pg_archive_read_dir(int dir, const struct input *input,
			const struct entry *like, struct sink *sink,
			struct err *err);

#endif
