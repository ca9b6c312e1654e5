#include "tests/unit/rocks_maker.h"

#include <stdio.h>

#include "fs/base/checksum.h"
#include "fs/base/id.h"

void made_release(struct made_dir *dir)
{
	for (size_t i = 0; i < dir->count; i++)
		buf_release(&dir->file[i].bytes);
	dir->count = 0;
}

static struct made_file *find(struct made_dir *dir, const char *name)
{
	for (size_t i = 0; i < dir->count; i++)
		if (!strcmp(dir->file[i].name, name))
			return &dir->file[i];
	return NULL;
}

struct buf *made_file(struct made_dir *dir, const char *name)
{
	struct made_file *file = find(dir, name);

	if (!file) {
		file = &dir->file[dir->count++];
		memset(file, 0, sizeof(*file));
		snprintf(file->name, sizeof(file->name), "%s", name);
	}
	return &file->bytes;
}

void made_remove(struct made_dir *dir, const char *name)
{
	struct made_file *file = find(dir, name);

	buf_release(&file->bytes);
	*file = dir->file[--dir->count];
}

static int list(void *arg,
		int (*each)(void *each_arg, const char *name, bool dir,
			    uint64_t size, struct err *err),
		void *each_arg, struct err *err)
{
	struct made_dir *dir = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < dir->count; i++)
		r = each(each_arg, dir->file[i].name, false,
			 dir->file[i].bytes.len, err);
	return r;
}

static int read_bytes(void *arg, const char *name, uint64_t offset, void *out,
		      size_t len, size_t *ret_len, struct err *err)
{
	struct made_dir *dir = arg;
	const struct made_file *file = find(dir, name);
	size_t left;

	if (!file)
		return err_set(err, -ENOENT, "no file '%s'", name);
	left = offset < file->bytes.len ? file->bytes.len - (size_t)offset : 0;
	if (len > left)
		len = left;
	if (dir->step && len > dir->step)
		len = dir->step;
	if (len)
		memcpy(out, file->bytes.data + offset, len);
	*ret_len = len;
	return 0;
}

struct rocks_source made_source(struct made_dir *dir)
{
	return (struct rocks_source){ list, read_bytes, dir };
}

/* Logs. */

#define LOG_BLOCK 32768u

static uint32_t masked(struct span bytes)
{
	uint32_t sum = crc32c(0, bytes);

	return (sum >> 15 | sum << 17) + 0xa282ead8u;
}

static void put_part(struct buf *log, uint8_t type, struct span part,
		     uint32_t number)
{
	OWNED_BUF struct buf body = BUF_INIT;

	buf_u8(&body, number ? type + 4 : type);
	if (number)
		buf_u32(&body, number);
	buf_append(&body, part.data, part.len);
	buf_u32(log, masked(buf_span(&body)));
	buf_u16(log, (uint16_t)part.len);
	buf_append(log, body.data, body.len);
}

void made_record(struct buf *log, struct span record, uint32_t number)
{
	size_t head = number ? 11 : 7;
	bool first = true;

	do {
		size_t left = LOG_BLOCK - log->len % LOG_BLOCK;
		size_t n;
		bool last;

		if (left < head) {
			buf_append_zero(log, left);
			left = LOG_BLOCK;
		}
		n = record.len < left - head ? record.len : left - head;
		last = n == record.len;
		put_part(log, first && last ? 1 : first ? 2 : last ? 4 : 3,
			 span_of(record.data, n), number);
		record = span_of(record.data + n, record.len - n);
		first = false;
		if (last)
			return;
	} while (true);
}

/* Edits. */

void made_number(struct buf *record, uint32_t tag, uint64_t v)
{
	buf_varint(record, tag);
	buf_varint(record, v);
}

void made_string(struct buf *record, uint32_t tag, const char *text)
{
	buf_varint(record, tag);
	buf_string(record, span_str(text));
}

void made_key(struct buf *record, const char *user, uint64_t seq)
{
	buf_varint(record, strlen(user) + 8);
	buf_append_str(record, user);
	buf_u64(record, seq << 8 | 1);
}

void made_new(struct buf *record, uint32_t level, uint64_t number,
	      uint64_t size, const char *smallest, const char *largest)
{
	made_number(record, 103, level);
	buf_varint(record, number);
	buf_varint(record, size);
	made_key(record, smallest, 7);
	made_key(record, largest, 9);
	buf_varint(record, 7);
	buf_varint(record, 9);
}

void made_deleted(struct buf *record, uint32_t level, uint64_t number)
{
	made_number(record, 6, level);
	buf_varint(record, number);
}

void made_blob_addition(struct buf *record, uint64_t number, uint64_t count,
			uint64_t bytes)
{
	made_number(record, 400, number);
	buf_varint(record, count);
	buf_varint(record, bytes);
	buf_string(record, span_str(""));
	buf_string(record, span_str(""));
	buf_varint(record, 0);
}

/* Tables. */

struct handle {
	uint64_t offset, size;
};

struct making {
	struct buf *out;
	uint32_t version, context;
	uint8_t checksum;
};

/* The sum as the format says it, apart from how the reader has it. */
static uint32_t sum_of(const struct making *m, struct span with_type,
		       uint64_t offset)
{
	size_t last = with_type.len - 1;
	uint32_t sum = 0;

	if (m->checksum == 1)
		sum = masked(with_type);
	else if (m->checksum == 4)
		sum = (uint32_t)sum64(span_of(with_type.data, last)) ^
		      with_type.data[last] * 0x6b9083d9u;
	if (m->context)
		sum += m->context ^ ((uint32_t)offset +
				     (uint32_t)(offset >> 32));
	return sum;
}

static struct handle put_block(struct making *m, struct span plain)
{
	struct handle at = { m->out->len, plain.len };
	uint32_t sum;

	buf_append(m->out, plain.data, plain.len);
	buf_u8(m->out, 0);
	sum = sum_of(m, span_of(m->out->data + at.offset, plain.len + 1),
		     at.offset);
	buf_u32(m->out, sum);
	return at;
}

static void put_entry(struct buf *block, const char *key, struct span value)
{
	buf_varint(block, 0);
	buf_varint(block, strlen(key));
	buf_varint(block, value.len);
	buf_append_str(block, key);
	buf_append(block, value.data, value.len);
}

static void put_number(struct buf *block, const char *key, uint64_t v)
{
	OWNED_BUF struct buf value = BUF_INIT;

	buf_varint(&value, v);
	put_entry(block, key, buf_span(&value));
}

static void put_handle(struct buf *block, const char *key, struct handle h)
{
	OWNED_BUF struct buf value = BUF_INIT;

	buf_varint(&value, h.offset);
	buf_varint(&value, h.size);
	put_entry(block, key, buf_span(&value));
}

/* One restart, at 0; the reader uses none. */
static struct handle end_block(struct making *m, struct buf *block)
{
	struct handle at;

	buf_u32(block, 0);
	buf_u32(block, 1);
	at = put_block(m, buf_span(block));
	buf_release(block);
	return at;
}

static struct handle put_properties(struct making *m)
{
	struct buf block = BUF_INIT;

	put_number(&block, "rocksdb.data.size", 60);
	put_number(&block, "rocksdb.deleted.keys", 3);
	put_entry(&block, "rocksdb.compression",
		  span_str("NoCompression"));
	put_number(&block, "rocksdb.num.data.blocks", 2);
	put_number(&block, "rocksdb.num.entries", 17);
	put_number(&block, "rocksdb.original.file.number", 11);
	return end_block(m, &block);
}

static void put_footer(struct making *m, struct handle meta,
		       struct handle index)
{
	size_t at = m->out->len;
	bool old = m->version == 0;

	if (!old)
		buf_u8(m->out, m->checksum);
	if (m->version >= 6) {
		buf_append(m->out, "\x3e\0\x7a\0", 4);
		buf_u32(m->out, 0);
		buf_u32(m->out, m->context);
		buf_u32(m->out, (uint32_t)meta.size);
	} else {
		buf_varint(m->out, meta.offset);
		buf_varint(m->out, meta.size);
		buf_varint(m->out, index.offset);
		buf_varint(m->out, index.size);
	}
	buf_append_zero(m->out, at + !old + 40 - m->out->len);
	if (!old)
		buf_u32(m->out, m->version);
	buf_u64(m->out, old ? 0xdb4775248b80fb57u : 0x88e241b785f4cff7u);
	if (m->version >= 6)
		put_le32(m->out->data + at + 5,
			 sum_of(m, span_of(m->out->data + at,
					   m->out->len - at), at));
}

void made_table(struct buf *out, uint32_t version, uint8_t checksum)
{
	struct making m = {
		.out = out, .version = version, .checksum = checksum,
		.context = version >= 6 ? 0x12345678 : 0,
	};
	struct buf block = BUF_INIT;
	struct handle data[2], index, properties, meta;

	for (int i = 0; i < 2; i++) {
		put_entry(&block, i ? "key2\1\1\1\1\1\1\1\1" :
				      "key1\1\1\1\1\1\1\1\1",
			  span_str("value"));
		data[i] = end_block(&m, &block);
	}
	properties = put_properties(&m);
	put_handle(&block, "key1", data[0]);
	put_handle(&block, "key2", data[1]);
	index = end_block(&m, &block);
	if (version >= 6)
		put_handle(&block, "rocksdb.index", index);
	put_handle(&block, "rocksdb.properties", properties);
	meta = end_block(&m, &block);
	put_footer(&m, meta, index);
}

uint64_t made_blob(struct buf *out, uint64_t count)
{
	size_t at;

	buf_u32(out, 0x00248f37);
	buf_u32(out, 1);
	buf_u32(out, 1);
	buf_append_zero(out, 18);
	for (uint64_t i = 0; i < count; i++) {
		OWNED_BUF struct buf body = BUF_INIT;

		buf_printf(&body, "key%u", (unsigned)i);
		at = out->len;
		buf_u64(out, body.len);
		buf_u64(out, 1000);
		buf_u64(out, 0);
		for (int c = 0; c < 1000; c++)
			buf_append_byte(&body, (uint8_t)('a' + c % 26));
		buf_u32(out, masked(span_of(out->data + at, 24)));
		buf_u32(out, masked(buf_span(&body)));
		buf_append(out, body.data, body.len);
	}
	at = out->len;
	buf_u32(out, 0x00248f37);
	buf_u64(out, count);
	buf_append_zero(out, 16);
	buf_u32(out, masked(span_of(out->data + at, 28)));
	return at - 30;
}

void made_options(struct buf *out)
{
	buf_append_str(out, "# comment\n\n[Version]\n  rocksdb_version=7.8.3\n"
		       "  options_file_version=1.1\n\n[DBOptions]\n  a=b\n  \n");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "blocks" : "default";

		buf_printf(out, "\n[CFOptions \"%s\"]\n  ttl=1\n  \n"
			   "[TableOptions/BlockBasedTable \"%s\"]\n"
			   "  block_size=4096\n  \n", name, name);
	}
}

/* A checkpoint. */

static void put_edit(struct buf *manifest, struct buf *edit)
{
	made_record(manifest, buf_span(edit), 0);
	buf_clear(edit);
}

static void put_manifest(struct made_dir *dir, uint64_t blob_bytes)
{
	struct buf *manifest = made_file(dir, MADE_MANIFEST);
	uint64_t sst = made_file(dir, "000011.sst")->len;
	OWNED_BUF struct buf edit = BUF_INIT;

	made_string(&edit, 8193, "the-id");
	made_string(&edit, 1, "leveldb.BytewiseComparator");
	put_edit(manifest, &edit);
	for (uint32_t id = 1; id <= 2; id++) {
		made_string(&edit, 1, "leveldb.BytewiseComparator");
		made_number(&edit, 200, id);
		made_string(&edit, 201, id == 1 ? "blocks" : "gone");
		put_edit(manifest, &edit);
	}
	made_new(&edit, 0, 11, sst, "a\\\x01", "c");
	buf_varint(&edit, 1);
	made_new(&edit, 0, 10, sst, "a", "c");
	buf_varint(&edit, 1);
	made_number(&edit, 300, 1);
	put_edit(manifest, &edit);
	made_new(&edit, 1, 12, sst, "d", "f");
	buf_varint(&edit, 4);	/* the oldest blob file it refers to */
	buf_append(&edit, "\1\x0d", 2);
	buf_varint(&edit, 1);
	made_blob_addition(&edit, 13, 3, blob_bytes);
	made_number(&edit, 200, 1);
	made_number(&edit, 300, 0);
	put_edit(manifest, &edit);
	made_new(&edit, 0, 30, 99, "x", "y");
	buf_varint(&edit, 1);
	made_number(&edit, 200, 2);
	put_edit(manifest, &edit);
	made_number(&edit, 200, 2);
	buf_varint(&edit, 202);
	put_edit(manifest, &edit);
	/* one goes from level 0 to level 2, another goes */
	made_deleted(&edit, 0, 11);
	made_deleted(&edit, 0, 10);
	made_new(&edit, 2, 11, sst, "a\\\x01", "c");
	buf_varint(&edit, 1);
	put_edit(manifest, &edit);
	made_number(&edit, 401, 13);
	buf_varint(&edit, 1);
	buf_varint(&edit, 1036);
	buf_varint(&edit, 0);
	made_number(&edit, 200, 1);
	put_edit(manifest, &edit);
	made_number(&edit, 2, 14);
	made_number(&edit, 3, 40);
	made_number(&edit, 4, 1234567);
	made_string(&edit, 8192 + 77, "of a later RocksDB");
	put_edit(manifest, &edit);
}

void made_checkpoint(struct made_dir *dir)
{
	uint64_t blob_bytes;

	buf_append_str(made_file(dir, "CURRENT"), MADE_MANIFEST "\n");
	made_table(made_file(dir, "000011.sst"), 5, 4);
	made_table(made_file(dir, "000012.sst"), 5, 4);
	blob_bytes = made_blob(made_file(dir, "000013.blob"), 3);
	for (int i = 0; i < 3; i++)
		made_record(made_file(dir, "000014.log"),
			    span_str("a write batch"), 0);
	made_options(made_file(dir, MADE_OPTIONS));
	put_manifest(dir, blob_bytes);
}
