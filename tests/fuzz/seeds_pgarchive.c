#include "fs/base/codec.h"
#include "tests/fuzz/seeds.h"
#include "tests/unit/pgarc_maker.h"

static void give(uint8_t way, const char *name, struct span bytes)
{
	OWNED_BUF struct buf out = BUF_INIT;

	buf_u8(&out, way);
	buf_append(&out, bytes.data, bytes.len);
	seed("pgarchive", name, buf_span(&out));
}

/* An archive of one table whose rows are packed. */
static void packed(uint8_t packing, const char *name, struct span rows)
{
	static const struct made_entry entry = {
		.id = 1, .has_data = true, .tag = "a", .desc = "TABLE DATA",
		.section = 3, .copy = "COPY a FROM stdin;\n",
	};
	OWNED_BUF struct buf out = BUF_INIT;

	made_head(&out, 16, 1, packing, "17.1", 1);
	made_entry(&out, 16, 1, &entry);
	made_rows(&out, 1, rows);
	give(1, name, buf_span(&out));
}

static int take(void *arg, struct span bytes, struct err *err)
{
	(void)err;
	buf_append(arg, bytes.data, bytes.len);
	return 0;
}

static void all_packed(void)
{
	/* "1\n\\.\n\n\n", stored as it is */
	static const uint8_t zlib[] = {
		0x78, 0x01, 1, 7, 0, 0xf8, 0xff, '1', '\n', '\\', '.', '\n',
		'\n', '\n', 0x04, 0x5a, 0x00, 0xe4,
	};
	static const uint8_t lz4[] = {
		0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 7, 0, 0, 0x80, '1',
		'\n', '\\', '.', '\n', '\n', '\n', 0, 0, 0, 0,
	};
	OWNED_BUF struct buf zstd = BUF_INIT;
	const struct outlet to = { take, &zstd };
	struct zstd_stream *stream = zstd_stream_new();

	packed(1, "zlib", span_of(zlib, sizeof(zlib)));
	packed(2, "lz4", span_of(lz4, sizeof(lz4)));
	if (!stream)
		return;
	zstd_stream_put(stream, span_str("1\n\\.\n\n\n"), &to, NULL);
	zstd_stream_end(stream, &to, NULL);
	packed(3, "zstd", buf_span(&zstd));
	zstd_stream_free(stream);
}

void seeds_pgarchive(void)
{
	static const struct {
		unsigned minor;
		const char *dumper, *name;
	} all[] = {
		{ 12, "9.2.1", "v12" }, { 13, "11.22", "v13" },
		{ 14, "15.1", "v14" }, { 15, "16.1", "v15" },
		{ 16, "18.1", "v16" },
	};
	OWNED_BUF struct buf tar = BUF_INIT;

	for (size_t i = 0; i < 5; i++) {
		OWNED_BUF struct buf archive = BUF_INIT;

		made_archive(&archive, all[i].minor, all[i].dumper);
		give(i & 1, all[i].name, buf_span(&archive));
	}
	all_packed();
	give(2, "list", span_str("16400 blob_16400.dat\n5 blob_5.dat\n"));
	made_tar(&tar);
	give(0, "tar", buf_span(&tar));
	give(1, "tar-file", buf_span(&tar));
}
