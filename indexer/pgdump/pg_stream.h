/*
 * pg_stream: an input as pgarc reads it.  A file that is not packed can be read
 * from any place; all else is a stream, peeled, with damage of the packing as
 * an error in words.  One thread.
 */
#ifndef VARVE_PG_STREAM_H
#define VARVE_PG_STREAM_H

#include "indexer/peel.h"
#include "indexer/pgdump/pgarc.h"

struct pg_stream {
	struct pgarc_input input;	/* what pgarc gets */
	struct peel *peel;
	size_t lent;
	int fd;
	bool owned;		/* fd */
	uint64_t at;
	uint8_t *bytes;
};

/* From peel, which is at its beginning and stays the caller's. */
void pg_stream_peel(struct pg_stream *stream, struct peel *peel);
/* From input, a regular file. */
int pg_stream_file(struct pg_stream *stream, const struct input *input,
		   struct err *err);
void pg_stream_close(struct pg_stream *stream);

#endif
