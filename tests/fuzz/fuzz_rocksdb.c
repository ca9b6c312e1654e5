/*
 * RocksDB's files.  The first byte chooses: a whole directory (each file is a
 * name's number, a length and bytes), the edits of a MANIFEST (each behind its
 * length), or one table, blob file or OPTIONS of a checkpoint that is right
 * otherwise.  Sums are put right, or are of the kind "none".  What comes of it
 * must not depend on how much a read gives at a time, and must hold together.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/checksum.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/rocks_maker.h"

enum { WAY_DIR, WAY_EDITS, WAY_TABLE, WAY_BLOB, WAY_OPTIONS, WAYS };

static const char *const file_names[] = {
	"CURRENT", MADE_MANIFEST, MADE_OPTIONS, "000011.sst", "000012.sst",
	"000013.blob", "000014.log", "IDENTITY", "LOCK", "000020.sst",
};
#define NAMES (sizeof(file_names) / sizeof(*file_names))

/* Make the sums of a log's parts right, as far as its parts can be told. */
static void mend_log(struct buf *log)
{
	size_t at = 0;

	while (log->len - at >= 7) {
		uint8_t *head = log->data + at;
		size_t left = 32768 - at % 32768;
		size_t len = 7 + ((size_t)head[4] | (size_t)head[5] << 8);
		uint32_t sum;

		if (left < 7) {
			at += left;
			if (at > log->len)
				return;
			continue;
		}
		if ((head[6] > 4 && head[6] < 9) || head[6] == 11 ||
		    head[6] == 131)
			len += 4;
		if (len > left || len > log->len - at)
			return;
		sum = crc32c(0, span_of(head + 6, len - 6));
		put_le32(head, (sum >> 15 | sum << 17) + 0xa282ead8u);
		at += len;
	}
}

/* Files of WAY_DIR: u8 name, u32 length, bytes. */
static void split(struct span all, struct made_dir *dir)
{
	struct bytes in = bytes_of(all);

	while (bytes_left(&in) >= 5 && dir->count < NAMES) {
		const char *name = file_names[bytes_u8(&in) % NAMES];
		size_t len = bytes_u32(&in);
		struct buf *file = made_file(dir, name);

		if (len > bytes_left(&in))
			len = bytes_left(&in);
		buf_clear(file);
		buf_append(file, in.at, len);
		bytes_take(&in, len);
	}
}

static void join(const struct made_dir *dir, struct buf *out)
{
	for (size_t i = 0; i < dir->count; i++) {
		uint8_t n = 0;

		while (strcmp(file_names[n], dir->file[i].name) != 0)
			n++;
		buf_u8(out, n);
		buf_u32(out, (uint32_t)dir->file[i].bytes.len);
		buf_append(out, dir->file[i].bytes.data,
			   dir->file[i].bytes.len);
	}
}

static size_t change_dir(uint8_t *data, size_t len, size_t max,
			 struct fuzz_rng *rng)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	OWNED_BUF struct buf out = BUF_INIT;
	struct made_file *file;

	split(span_of(data, len), &dir);
	if (dir.count == 0)
		return LLVMFuzzerMutate(data, len, max);
	file = &dir.file[fuzz_below(rng, (uint32_t)dir.count)];
	fuzz_change_buf(&file->bytes, max);
	if (fuzz_mostly(rng) && (!strcmp(file->name, MADE_MANIFEST) ||
				 !strcmp(file->name, "000014.log")))
		mend_log(&file->bytes);
	join(&dir, &out);
	return fuzz_take(&out, data, len, max);
}

/* A table's footer says of which kind its sums are. */
static void forget_sums(uint8_t *data, size_t len)
{
	if (len > 53)
		data[len - 53] = 0;
	/* and the places of the sums are not looked for */
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	uint8_t way = data[0] % WAYS;

	if (len < 2 || max < 2)
		return LLVMFuzzerMutate(data, len, max);
	if (way == WAY_DIR)
		len = 1 + change_dir(data + 1, len - 1, max - 1, rng);
	else
		len = 1 + LLVMFuzzerMutate(data + 1, len - 1, max - 1);
	if (way == WAY_TABLE && fuzz_mostly(rng))
		forget_sums(data + 1, len - 1);
	data[0] = fuzz_mostly(rng) ? way : (uint8_t)fuzz_below(rng, WAYS);
	return len;
}

static void put_edits(struct made_dir *dir, struct span all)
{
	struct buf *manifest = made_file(dir, MADE_MANIFEST);
	struct bytes in = bytes_of(all);

	buf_clear(manifest);
	while (bytes_left(&in) >= 2) {
		size_t len = bytes_u16(&in);

		if (len > bytes_left(&in))
			len = bytes_left(&in);
		made_record(manifest, bytes_take(&in, len), 0);
	}
}

/* The MANIFEST is told of a file of this length. */
static void put_table(struct made_dir *dir, struct span table)
{
	OWNED_BUF struct buf edit = BUF_INIT;

	buf_append(made_file(dir, "000020.sst"), table.data, table.len);
	made_new(&edit, 4, 20, table.len, "m", "n");
	buf_varint(&edit, 1);
	made_record(made_file(dir, MADE_MANIFEST), buf_span(&edit), 0);
}

static void put_blob(struct made_dir *dir, struct span blob)
{
	OWNED_BUF struct buf edit = BUF_INIT;

	if (blob.len < 62)
		return;
	buf_append(made_file(dir, "000021.blob"), blob.data, blob.len);
	made_blob_addition(&edit, 21, 3, blob.len - 62);
	made_number(&edit, 200, 1);
	made_record(made_file(dir, MADE_MANIFEST), buf_span(&edit), 0);
}

static void fill(struct made_dir *dir, uint8_t way, struct span rest)
{
	if (way == WAY_DIR) {
		split(rest, dir);
		return;
	}
	made_checkpoint(dir);
	if (way == WAY_EDITS)
		put_edits(dir, rest);
	else if (way == WAY_TABLE)
		put_table(dir, rest);
	else if (way == WAY_BLOB)
		put_blob(dir, rest);
	else {
		buf_clear(made_file(dir, MADE_OPTIONS));
		buf_append(made_file(dir, MADE_OPTIONS), rest.data, rest.len);
	}
}

static uint64_t sum_files(const struct rocks *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < r->file_count; i++) {
		const struct rocks_file *f = &r->files[i];

		FUZZ_CHECK(rocks_family(r, f->family) != NULL);
		FUZZ_CHECK(f->number != 0);
		FUZZ_CHECK(i == 0 || f[-1].family <= f->family);
		FUZZ_CHECK(i == 0 || f[-1].family < f->family ||
			   f[-1].level <= f->level);
		sum = sum * 31 + f->number + f->size + f->table.entries;
		sum = sum * 31 + sum64(f->smallest.user) +
		      sum64(f->table.compression);
	}
	return sum;
}

/* What it all comes to, and that it holds together. */
static uint64_t judge(const struct rocks *r)
{
	uint64_t sum = sum_files(r);

	FUZZ_CHECK(!rocks_is_complete(r) || r->has_manifest);
	FUZZ_CHECK(r->notes + r->incomplete + r->damaged >= r->finding_count);
	for (size_t i = 0; i < r->blob_count; i++) {
		const struct rocks_blob *b = &r->blobs[i];

		FUZZ_CHECK(rocks_family(r, b->family) != NULL);
		FUZZ_CHECK(b->garbage_count <= b->count);
		FUZZ_CHECK(b->garbage_bytes <= b->bytes);
		FUZZ_CHECK(i == 0 || b[-1].number < b->number);
		sum = sum * 31 + b->number + b->bytes;
	}
	for (size_t i = 0; i < r->wal_count; i++) {
		FUZZ_CHECK(i == 0 || r->wals[i - 1].number <
			   r->wals[i].number);
		sum = sum * 31 + r->wals[i].number + r->wals[i].records;
	}
	for (size_t i = 0; i < r->finding_count; i++) {
		FUZZ_CHECK(r->findings[i].text[0]);
		sum = sum * 31 + sum64(span_str(r->findings[i].text)) +
		      r->findings[i].offset;
	}
	return sum * 31 + r->edits + r->last_sequence;
}

static uint64_t attempt(struct made_dir *dir, size_t step, int *ret_code)
{
	struct rocks_source source = made_source(dir);
	OWNED_ROCKS struct rocks *rocks = NULL;
	struct err err = ERR_INIT;
	int r;

	dir->step = step;
	r = rocks_open(&source, "5000", ROCKS_READ_DATA, &rocks, &err);
	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	FUZZ_CHECK(r == 0 || r == -ENODATA || r == -EFBIG);
	*ret_code = r;
	return r == 0 ? judge(rocks) : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	OWNED_MADE struct made_dir dir = { .count = 0 };
	struct fuzz_rng rng;
	int once, again;
	uint64_t sum;

	if (len == 0)
		return 0;
	rng = fuzz_rng_of(span_of(data, len));
	fill(&dir, data[0] % WAYS, span_of(data + 1, len - 1));
	sum = attempt(&dir, 0, &once);
	FUZZ_CHECK(attempt(&dir, 1 + fuzz_below(&rng, 4000), &again) == sum);
	FUZZ_CHECK(once == again);
	return 0;
}
