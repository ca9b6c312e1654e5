#include "tests/unit/pgarc_maker.h"

#include <stdio.h>

void made_int(struct buf *out, int64_t value)
{
	buf_u8(out, value < 0);
	buf_u32(out, (uint32_t)(value < 0 ? -value : value));
}

void made_str(struct buf *out, const char *str)
{
	made_int(out, str ? (int64_t)strlen(str) : -1);
	if (str)
		buf_append_str(out, str);
}

void made_head(struct buf *out, unsigned minor, uint8_t format,
	       uint8_t packing, const char *dumper, int32_t count)
{
	/* 2021-03-04 05:06:07, no summer time */
	static const int time[] = { 7, 6, 5, 4, 2, 121, 0 };

	buf_append_str(out, "PGDMP");
	buf_u8(out, 1);
	buf_u8(out, (uint8_t)minor);
	buf_u8(out, 0);
	buf_u8(out, 4);
	buf_u8(out, 8);
	buf_u8(out, format);
	if (minor < 15)
		made_int(out, packing ? -1 : 0);
	else
		buf_u8(out, packing);
	for (size_t i = 0; i < 7; i++)
		made_int(out, time[i]);
	made_str(out, "db");
	made_str(out, "9.9");
	made_str(out, dumper);
	made_int(out, count);
}

void made_entry(struct buf *out, unsigned minor, uint8_t format,
		const struct made_entry *e)
{
	made_int(out, e->id);
	made_int(out, e->has_data);
	made_str(out, "1259");
	made_str(out, "16400");
	made_str(out, e->tag);
	made_str(out, e->desc);
	made_int(out, e->section ? e->section : 2);
	made_str(out, e->defn);
	made_str(out, e->drop);
	made_str(out, e->copy);
	made_str(out, e->schema);
	made_str(out, e->space);
	if (minor >= 14)
		made_str(out, e->method);
	if (minor >= 16)
		made_int(out, e->relkind);
	made_str(out, e->owner);
	made_str(out, e->oids ? e->oids : "false");
	for (size_t i = 0; i < 4 && e->depends[i]; i++)
		made_str(out, e->depends[i]);
	made_str(out, NULL);
	if (format == 3) {
		made_str(out, e->file ? e->file : "");
		return;
	}
	buf_u8(out, e->place ? e->place : e->has_data ? 1 : 3);
	buf_u64(out, e->offset);
}

static void chunk(struct buf *out, struct span packed)
{
	if (packed.len > 0) {
		made_int(out, (int64_t)packed.len);
		buf_append(out, packed.data, packed.len);
	}
	made_int(out, 0);
}

void made_rows(struct buf *out, int32_t id, struct span packed)
{
	buf_u8(out, 1);
	made_int(out, id);
	chunk(out, packed);
}

void made_object(struct buf *out, int32_t id, uint32_t oid, struct span packed)
{
	buf_u8(out, 3);
	made_int(out, id);
	made_int(out, (int32_t)oid);
	chunk(out, packed);
	made_int(out, 0);
}

void made_member(struct buf *out, const char *name, struct span bytes)
{
	uint8_t block[512] = { 0 };
	unsigned sum = 8 * ' ';

	snprintf((char *)block, 100, "%s", name);
	snprintf((char *)block + 100, 8, "0000600");
	snprintf((char *)block + 124, 12, "%011zo", bytes.len);
	block[156] = '0';
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += i >= 148 && i < 156 ? 0 : block[i];
	snprintf((char *)block + 148, 8, "%06o", sum);
	buf_append(out, block, sizeof(block));
	buf_append(out, bytes.data, bytes.len);
	buf_append_zero(out, (512 - bytes.len % 512) % 512);
}

static const struct made_entry entries[] = {
	{ .id = 7, .tag = "ENCODING", .desc = "ENCODING",
	  .defn = "SET client_encoding = 'UTF8';\n" },
	{ .id = 8, .tag = "STDSTRINGS", .desc = "STDSTRINGS",
	  .defn = "SET standard_conforming_strings = 'on';\n" },
	{ .id = 9, .tag = "db", .desc = "DATABASE", .defn = "CREATE DATABASE db;\n",
	  .owner = "postgres" },
	{ .id = 10, .tag = "mood", .desc = "TYPE", .schema = "user",
	  .defn = "CREATE TYPE \"user\".mood;\n", .drop = "DROP TYPE mood;\n",
	  .owner = "Odd\"one" },
	{ .id = 3, .tag = "t", .desc = "TABLE", .schema = "public",
	  .defn = "CREATE TABLE t ();\n", .drop = "DROP TABLE t;\n",
	  .space = "", .method = "heap", .owner = "me", .relkind = 'p',
	  .oids = "true" },
	{ .id = 4, .has_data = true, .tag = "t", .desc = "TABLE DATA",
	  .section = 3, .schema = "public", .copy = "COPY t FROM stdin;\n",
	  .owner = "me", .depends = { "3" }, .file = "4.dat" },
	{ .id = 5, .has_data = true, .tag = "BLOBS", .desc = "BLOBS",
	  .section = 3, .file = "5.dat" },
	{ .id = 6, .tag = "TABLE t", .desc = "ACL", .schema = "public",
	  .defn = "GRANT ALL ON TABLE t TO x;\n", .section = 1,
	  .owner = "me" },
	{ .id = 11, .tag = "COLUMN t.\nx", .desc = "COMMENT",
	  .schema = "public", .section = 1,
	  .defn = "COMMENT ON COLUMN t.x IS 'x';\n" },
};
#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

#define ROWS "1\ta\n2\tb\n\\.\n\n\n"

void made_archive(struct buf *out, unsigned minor, const char *dumper)
{
	made_head(out, minor, 1, 0, dumper, ENTRIES);
	for (size_t i = 0; i < ENTRIES; i++)
		made_entry(out, minor, 1, &entries[i]);
	made_rows(out, 4, span_str(ROWS));
	made_object(out, 5, 4000000000u, span_str("\\large'"));
}

void made_toc(struct buf *out, const char *file)
{
	const struct made_entry entry = {
		.id = 4, .has_data = true, .tag = "t", .desc = "TABLE DATA",
		.section = 3, .copy = "COPY t FROM stdin;\n", .file = file,
	};

	made_head(out, 14, 3, 0, "15.1", 1);
	made_entry(out, 14, 3, &entry);
}

void made_tar(struct buf *out)
{
	OWNED_BUF struct buf toc = BUF_INIT;

	made_head(&toc, 14, 3, 0, "15.1", ENTRIES);
	for (size_t i = 0; i < ENTRIES; i++)
		made_entry(&toc, 14, 3, &entries[i]);
	made_member(out, "toc.dat", buf_span(&toc));
	made_member(out, "4.dat", span_str(ROWS));
	made_member(out, "blob_4000000000.dat", span_str("\\large'"));
	made_member(out, "blobs.toc",
		    span_str("4000000000 blob_4000000000.dat\n"));
	made_member(out, "restore.sql", span_str("--\n"));
	buf_append_zero(out, 1024);
}
