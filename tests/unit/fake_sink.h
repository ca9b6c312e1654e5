/*
 * fake_sink: a sink for tests of readers.  Keeps what it is given, and checks
 * what the contract asks of a reader: order of calls, rising offsets, members
 * of the stream right after the same bytes as data.
 */
#ifndef VARVE_FAKE_SINK_H
#define VARVE_FAKE_SINK_H

#include "indexer/reader.h"

#define FAKE_KEEP (4u << 20)	/* bytes kept of one file */

struct fake_region {
	uint64_t offset, len;
};

struct fake_xattr {
	char *name;
	struct buf value;
};

struct fake_entry {
	char *path;
	char *link;		/* hard link: target */
	char *target;		/* symbolic link: target */
	char *uname, *gname;
	struct entry entry;	/* numbers only */
	struct fake_xattr *xattrs;
	size_t xattr_count;
	uint64_t size;		/* as ended */
	struct buf data;	/* holes filled with zeros */
	struct fake_region *regions;
	size_t region_count;
	bool ended, aside;
};

struct sink {
	struct fake_entry *entries;
	size_t count;
	bool open, aside;	/* aside: said of the next file */
	bool unsummed;		/* the stream has files by reference */
	uint64_t last_number;	/* of the file that ended last, from 1 */
	struct span last;	/* of sink_data() */
	uint64_t last_offset;
	struct buf stream;
	uint64_t stream_len, member_len, data_len, progress;
	struct sum_stream *sum;	/* of the stream */
	struct buf warnings;	/* "LOST path: words\n" */
	unsigned weights[WEIGHT_INPUT + 1];
	char format[128];
	struct buf attrs;
	const char *broken;	/* the contract was broken */
	/* Told by the test: */
	bool keep_nothing;
	uint64_t fail_at;	/* the nth call fails with -ENOSPC */
	uint64_t stop_at;	/* the nth call finds it stopped */
	const char *refuse;	/* this path is refused */
	uint64_t calls;
};

void fake_init(struct sink *sink);
void fake_release(struct sink *sink);
struct fake_entry *fake_find(struct sink *sink, const char *path);
const struct buf *fake_xattr(const struct fake_entry *entry,
			     const char *name);
bool fake_warned(const struct sink *sink, const char *words);

#endif
