/*
 * fuzz_sink: a sink that keeps nothing and believes nothing.
 *
 * Stops the program where a reader breaks the contract of indexer/reader.h:
 * begin and end in pairs, offsets that rise, stream members that are the data
 * just given.  The first bytes of the stream are kept.
 */
#ifndef VARVE_FUZZ_SINK_H
#define VARVE_FUZZ_SINK_H

#include "indexer/reader.h"
#include "tests/fuzz/fuzz.h"

#define FUZZ_STREAM_KEPT (4u << 20)

struct sink {
	struct fuzz_rng rng;
	uint32_t calls, fail_at, stop_at;	/* 0: never */
	bool refuse;				/* some entries */

	bool open;		/* between begin and end */
	bool file;		/* of the entry begun */
	uint64_t end;		/* of its data so far */
	struct span data;	/* of the last sink_data() */
	uint64_t data_at;

	uint64_t entries, bytes, progress, trouble;
	bool has_stream;
	uint64_t stream_len;
	uint64_t ended, ended_size;	/* files, and the last one's bytes */
	struct buf stream;
	uint64_t sum;		/* so that what is lent is looked at */
};

#endif
