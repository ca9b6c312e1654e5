/*
 * pgarc_maker: archives of pg_dump, a field at a time, for the unit test and
 * seeds of the fuzzer.  Numbers have 4 bytes and offsets 8.
 */
#ifndef VARVE_PGARC_MAKER_H
#define VARVE_PGARC_MAKER_H

#include "fs/base/bytes.h"

struct made_entry {
	int32_t id;
	bool has_data;
	const char *tag, *desc;
	int section;
	const char *defn, *drop, *copy, *schema, *space, *method, *owner;
	int relkind;
	const char *oids;	/* NULL: "false" */
	const char *depends[4];
	uint8_t place;		/* 0: has_data ? not set : nowhere */
	uint64_t offset;
	const char *file;	/* of a tar */
};

void made_int(struct buf *out, int64_t value);
void made_str(struct buf *out, const char *str);
/* format: 1 or 3; packing: 0 none, 1 zlib, 2 lz4, 3 zstd. */
void made_head(struct buf *out, unsigned minor, uint8_t format,
	       uint8_t packing, const char *dumper, int32_t count);
void made_entry(struct buf *out, unsigned minor, uint8_t format,
		const struct made_entry *entry);
/* A block of rows, in one chunk. */
void made_rows(struct buf *out, int32_t id, struct span packed);
/* A block of one large object. */
void made_object(struct buf *out, int32_t id, uint32_t oid,
		 struct span packed);
void made_member(struct buf *out, const char *name, struct span bytes);
/* An archive of a type, a table with two rows, a comment and a large object. */
void made_archive(struct buf *out, unsigned minor, const char *dumper);
void made_tar(struct buf *out);
/* The toc.dat of a directory whose rows are in that file. */
void made_toc(struct buf *out, const char *file);

#endif
