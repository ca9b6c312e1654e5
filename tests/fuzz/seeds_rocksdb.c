#include <stdio.h>

#include "tests/fuzz/seeds.h"
#include "tests/unit/rocks_maker.h"

/* As fuzz_rocksdb.c reads them. */
enum { WAY_DIR, WAY_EDITS, WAY_TABLE, WAY_BLOB, WAY_OPTIONS };

static void give(uint8_t way, const char *name, struct span bytes)
{
	OWNED_BUF struct buf out = BUF_INIT;

	buf_u8(&out, way);
	buf_append(&out, bytes.data, bytes.len);
	seed("rocksdb", name, buf_span(&out));
}

static void directory(void)
{
	/* in the order of the harness's names */
	static const char *const names[] = {
		"CURRENT", MADE_MANIFEST, MADE_OPTIONS, "000011.sst",
		"000012.sst", "000013.blob", "000014.log",
	};
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;

	made_checkpoint(&dir);
	for (uint8_t i = 0; i < 7; i++) {
		const struct buf *b = made_file(&dir, names[i]);

		buf_u8(&out, i);
		buf_u32(&out, (uint32_t)b->len);
		buf_append(&out, b->data, b->len);
	}
	give(WAY_DIR, "checkpoint", buf_span(&out));
}

/* The edits of the checkpoint's MANIFEST, which has one block. */
static void edits(void)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;
	struct bytes in;

	made_checkpoint(&dir);
	in = bytes_of(buf_span(made_file(&dir, MADE_MANIFEST)));
	while (bytes_left(&in) > 7) {
		uint16_t len;

		bytes_u32(&in);
		len = bytes_u16(&in);
		bytes_u8(&in);
		buf_u16(&out, len);
		buf_append(&out, bytes_take(&in, len).data, len);
	}
	made_number(&out, 4, 1);
	give(WAY_EDITS, "edits", buf_span(&out));
}

static void tables(void)
{
	for (uint32_t version = 0; version <= 7; version++)
		for (uint8_t sum = 0; sum <= 4; sum += sum ? 3 : 1) {
			OWNED_BUF struct buf table = BUF_INIT;
			char name[32];

			snprintf(name, sizeof(name), "table-%u-%u", version,
				 sum);
			made_table(&table, version, sum);
			give(WAY_TABLE, name, buf_span(&table));
		}
}

/* Which packing, how many plain bytes, packed bytes. */
static void blocks(void)
{
	static const char snappy[] = "\0\x0c\0\x08" "abc\x01\x03\x12\x01";
	static const char lz4[] = "\1\x09\0\x31" "abc\x03\0\x10" "x";
	static const char deflate[] = "\2\x09\0\x4b\x4c\x4a\x4e\x04\x23";

	/* each with the zero that ends it */
	seed("unblock", "snappy", span_of(snappy, sizeof(snappy)));
	seed("unblock", "lz4", span_of(lz4, sizeof(lz4) - 1));
	seed("unblock", "deflate", span_of(deflate, sizeof(deflate)));
}

void seeds_rocksdb(void)
{
	OWNED_BUF struct buf blob = BUF_INIT, options = BUF_INIT;

	blocks();
	directory();
	edits();
	tables();
	made_blob(&blob, 3);
	give(WAY_BLOB, "blob", buf_span(&blob));
	made_options(&options);
	give(WAY_OPTIONS, "options", buf_span(&options));
}
