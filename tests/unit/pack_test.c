#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "fs/store/block.h"
#include "fs/store/pack.h"

#define CONF "varve-conf 1\nchunker=gear\n"
#define HEADER (40 + sizeof(CONF) - 1)
#define FOOTER 41
#define BLOCKS 4
#define EACH   3	/* objects in a block */

/* Stands in for libc's: a disk that cannot read what lies from bad_from up to
 * bad_to. */
static off_t bad_from, bad_to;

ssize_t pread(int fd, void *out, size_t len, off_t offset)
{
	if (offset < bad_to && offset + (off_t)len > bad_from) {
		errno = EIO;
		return -1;
	}
	return syscall(SYS_pread64, fd, out, len, offset);
}

struct fixture {
	char path[64];
	struct disk_dir dir;
	struct packer *packer;
	struct unpacker *unpacker;
	struct id_key key;
	/* what the pack of make_pack() has */
	struct pack_name name;
	char file[PACK_PATH];
	struct buf bytes;
	uint32_t offset[BLOCKS], len[BLOCKS];
	struct id ids[BLOCKS][EACH];
	struct buf plain[BLOCKS];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	uint8_t seed[ID_SEED] = { 4 };

	strcpy(f->path, "/tmp/varve-pack-XXXXXX");
	if (!mkdtemp(f->path) || disk_open(f->path, &f->dir, NULL) < 0 ||
	    disk_mkdir(&f->dir, "tmp", NULL) < 0 ||
	    disk_mkdir(&f->dir, "packs", NULL) < 0)
		return -1;
	f->packer = packer_new(3);
	f->unpacker = unpacker_new();
	id_key_init(&f->key, seed);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	disk_set_hook(NULL, NULL);
	bad_from = bad_to = 0;
	snprintf(command, sizeof(command), "rm -rf '%s'", f->path);
	disk_close(&f->dir);
	packer_free(f->packer);
	unpacker_free(f->unpacker);
	buf_release(&f->bytes);
	for (int i = 0; i < BLOCKS; i++)
		buf_release(&f->plain[i]);
	free(f);
	return system(command);
}

/* Block number i: text or noise in turn, so raw and zstd both come up. */
static void make_block(struct fixture *f, int i, uint16_t nth,
		       struct buf *block)
{
	uint32_t x = (uint32_t)i * 77 + 1;

	buf_clear(&f->plain[i]);
	for (int j = 0; j < 60 * EACH; j++) {
		x = x * 1664525u + 1013904223u;
		buf_u8(&f->plain[i], (uint8_t)(i % 2 ? x >> 24 :
					       (uint32_t)(j / 60 + i)));
	}
	for (int j = 0; j < EACH; j++)
		id_of(&f->key, nth, span_of(f->plain[i].data + 60 * j, 60),
		      &f->ids[i][j]);
	assert_int_equal(0, block_encode(f->packer, f->ids[i], EACH,
					 buf_span(&f->plain[i]), NULL, 0,
					 span_of(NULL, 0), block, NULL));
}

static void append_blocks(struct fixture *f, struct pack_writer *pack,
			  uint16_t nth)
{
	struct err err = ERR_INIT;

	for (int i = 0; i < BLOCKS; i++) {
		OWNED_BUF struct buf block = BUF_INIT;

		make_block(f, i, nth, &block);
		assert_int_equal(0, pack_append(pack, buf_span(&block),
						f->ids[i], EACH,
						&f->offset[i], &err));
		f->len[i] = (uint32_t)block.len;
	}
}

static void make_pack(struct fixture *f, enum pack_type type)
{
	uint16_t nth = type == PACK_META ? ID_META : 0;
	const struct pack_entry *entries;
	struct pack_writer *pack;
	struct err err = ERR_INIT;
	uint64_t size;
	size_t count;

	assert_int_equal(0, pack_create(&f->dir, type, span_str(CONF), &pack,
					&err));
	append_blocks(f, pack, nth);
	assert_int_equal(0, pack_seal(pack, &f->name, &entries, &count, &size,
				      &err));
	assert_int_equal(BLOCKS * EACH, count);
	for (int i = 0; i < BLOCKS * EACH; i++) {
		assert_true(id_equal(&f->ids[i / EACH][i % EACH],
				     &entries[i].id));
		assert_int_equal(f->offset[i / EACH], entries[i].block);
		assert_int_equal(f->len[i / EACH], entries[i].stored);
		assert_int_equal(i % EACH * 60, entries[i].at);
	}
	pack_writer_free(pack);
	pack_path(&f->name, f->file);
	buf_clear(&f->bytes);
	assert_int_equal(0, disk_read_all(&f->dir, f->file, 1 << 20,
					  &f->bytes, &err));
	assert_int_equal(size, f->bytes.len);
}

/* The pack's file with these bytes instead. */
static void rewrite(struct fixture *f, struct span bytes)
{
	int fd = openat(f->dir.fd, f->file, O_WRONLY | O_TRUNC);

	assert_true(fd >= 0);
	assert_int_equal(bytes.len, write(fd, bytes.data, bytes.len));
	close(fd);
}

static int read_index(struct fixture *f)
{
	struct pack_index index;
	struct err err = ERR_INIT;
	int r = pack_read_index(&f->dir, &f->name, &index, &err);

	if (r == 0)
		pack_index_release(&index);
	else
		assert_int_equal(r, err.code);
	return r;
}

static int count_name(void *arg, const char *name, struct err *err)
{
	(void)name;
	(void)err;
	++*(int *)arg;
	return 0;
}

static int files_in(struct fixture *f, const char *dir)
{
	int n = 0;

	assert_int_equal(0, disk_list(&f->dir, dir, count_name, &n, NULL));
	return n;
}

static void check_entries(const struct fixture *f,
			  const struct pack_index *index, unsigned missing)
{
	size_t at = 0, block = 0;

	for (int i = 0; i < BLOCKS; i++) {
		if (missing & 1u << i)
			continue;
		assert_int_equal(f->offset[i], index->blocks[block]);
		assert_int_equal(f->len[i], index->stored[block]);
		for (uint32_t j = 0; j < EACH; j++, at++) {
			const struct pack_entry *entry = &index->entries[at];

			assert_true(id_equal(&f->ids[i][j], &entry->id));
			assert_int_equal(f->offset[i], entry->block);
			assert_int_equal(f->len[i], entry->stored);
			assert_int_equal(60 * j, entry->at);
		}
		block++;
	}
	assert_int_equal(block, index->block_count);
	assert_int_equal(at, index->count);
}

static void test_seal_and_read(void **state)
{
	struct fixture *f = *state;
	struct pack_index index;
	struct err err = ERR_INIT;

	make_pack(f, PACK_DATA);
	assert_int_equal(0, files_in(f, "tmp"));
	assert_int_equal(HEADER, f->offset[0]);
	assert_int_equal(0, pack_read_index(&f->dir, &f->name, &index, &err));
	assert_int_equal(PACK_DATA, index.type);
	assert_int_equal(f->bytes.len, index.size);
	check_entries(f, &index, 0);
	for (int i = 0; i < BLOCKS; i++) {
		OWNED_BUF struct buf plain = BUF_INIT;
		struct span block = span_of(f->bytes.data + f->offset[i],
					    f->len[i]);
		struct block_head head;

		assert_int_equal(0, block_parse_head(block, &head, NULL));
		assert_true(index.head_sums[i] == head.head_sum);
		assert_int_equal(0, block_decode(f->unpacker, block, &head,
						 span_of(NULL, 0), &plain,
						 NULL));
		assert_true(span_equal(buf_span(&f->plain[i]),
				       buf_span(&plain)));
	}
	pack_index_release(&index);
}

/* docs/format.md, "Packs", byte for byte. */
static void test_layout(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf summed = BUF_INIT;
	struct pack_name name;
	uint8_t index[29 + BLOCKS * 33 + BLOCKS * EACH * ID_BYTES];
	const uint8_t *foot, *block, *p;
	struct span stored;
	struct stat st;

	make_pack(f, PACK_META);
	p = f->bytes.data;
	assert_memory_equal("VARVPACK\1\0\2\1", p, 12);
	assert_int_equal(sizeof(CONF) - 1, get_le32(p + 12));
	assert_memory_equal(CONF, p + 40, sizeof(CONF) - 1);
	buf_append(&summed, p, 32);
	buf_append_str(&summed, CONF);
	assert_true(get_le64(p + 32) == sum64(buf_span(&summed)));

	foot = p + f->bytes.len - FOOTER;
	stored = span_of(p + get_le64(foot), get_le32(foot + 8));
	assert_int_equal(sizeof(index), get_le32(foot + 12));
	assert_true(get_le64(foot + 17) == sum64(stored));
	assert_memory_equal("KCAPVRAV", foot + 25, 8);
	assert_true(get_le64(foot + 33) == sum64(span_of(foot, 33)));
	assert_ptr_equal(foot, stored.data + stored.len);
	assert_int_equal(2, foot[16]);
	assert_int_equal(0, unpacker_unpack(f->unpacker, stored,
					    span_of(NULL, 0), index,
					    sizeof(index), NULL));
	assert_memory_equal(p + 16, index, 16);
	assert_int_equal(PACK_META, index[16]);
	assert_int_equal(BLOCKS, get_le32(index + 17));
	assert_true(get_le64(index + 21) == get_le64(p + 32));
	block = index + 29;
	assert_int_equal(f->offset[0], get_le32(block));
	assert_int_equal(f->len[0], get_le32(block + 4));
	assert_int_equal(60 * EACH, get_le32(block + 8));
	assert_int_equal(BLOCK_ZSTD, block[12]);
	assert_int_equal(EACH, get_le32(block + 29));
	assert_int_equal(BLOCK_RAW, block[33 + 12]);
	sum128(span_of(index, sizeof(index)), name.b);
	assert_memory_equal(f->name.b, name.b, PACK_NAME);
	assert_int_equal(0, fstatat(f->dir.fd, f->file, &st, 0));
	assert_int_equal(0600, st.st_mode & 0777);
}

static void test_many_objects(void **state)
{
	struct fixture *f = *state;
	const struct pack_entry *entries;
	struct pack_writer *pack;
	struct pack_index index;
	struct pack_name name;
	uint32_t offset;
	uint64_t size;
	size_t count;

	assert_int_equal(0, pack_create(&f->dir, PACK_DATA, span_str(CONF),
					&pack, NULL));
	for (uint32_t i = 0; i < 200; i++) {
		OWNED_BUF struct buf plain = BUF_INIT;
		OWNED_BUF struct buf block = BUF_INIT;
		struct id ids[50];

		for (uint32_t j = 0; j < 50; j++) {
			buf_u32(&plain, i);
			buf_u32(&plain, j);
			id_of(&f->key, 0, span_of(plain.data + 8 * j, 8),
			      &ids[j]);
		}
		assert_int_equal(0, block_encode(f->packer, ids, 50,
						 buf_span(&plain), NULL, 0,
						 span_of(NULL, 0), &block,
						 NULL));
		assert_int_equal(0, pack_append(pack, buf_span(&block), ids,
						50, &offset, NULL));
	}
	assert_int_equal(0, pack_seal(pack, &name, &entries, &count, &size,
				      NULL));
	assert_int_equal(0, pack_read_index(&f->dir, &name, &index, NULL));
	assert_int_equal(10000, count);
	assert_int_equal(10000, index.count);
	for (size_t i = 0; i < count; i++) {
		assert_true(id_equal(&entries[i].id, &index.entries[i].id));
		assert_int_equal(entries[i].block, index.entries[i].block);
		assert_int_equal(entries[i].stored, index.entries[i].stored);
		assert_int_equal(entries[i].at, index.entries[i].at);
	}
	pack_index_release(&index);
	pack_writer_free(pack);
}

static void test_read_back(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf block = BUF_INIT;
	struct pack_writer *pack;
	uint8_t got[4096];

	assert_int_equal(0, pack_create(&f->dir, PACK_DATA, span_str(CONF),
					&pack, NULL));
	assert_int_equal(HEADER, pack_size(pack));
	append_blocks(f, pack, 0);
	assert_int_equal(f->offset[3] + f->len[3], pack_size(pack));
	make_block(f, 2, 0, &block);
	assert_int_equal(0, pack_read_back(pack, f->offset[2], f->len[2], got,
					   NULL));
	assert_memory_equal(block.data, got, block.len);
	assert_int_equal(-EINVAL, pack_read_back(pack, f->offset[3],
						 f->len[3] + 1, got, NULL));
	pack_writer_free(pack);
	assert_int_equal(0, files_in(f, "tmp"));
	assert_int_equal(0, files_in(f, "packs"));
}

static void test_append_refuses(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf block = BUF_INIT;
	const struct pack_entry *entries;
	struct pack_writer *pack;
	struct pack_name name;
	uint32_t offset;
	uint64_t size;
	size_t count;

	assert_int_equal(0, pack_create(&f->dir, PACK_DATA, span_str(CONF),
					&pack, NULL));
	assert_int_equal(-EINVAL, pack_seal(pack, &name, &entries, &count,
					    &size, NULL));
	make_block(f, 1, 0, &block);
	assert_int_equal(-EINVAL, pack_append(pack, buf_span(&block),
					      f->ids[1], 2, &offset, NULL));
	assert_int_equal(-EINVAL, pack_append(pack, buf_span(&block),
					      f->ids[0], EACH, &offset,
					      NULL));
	/* one byte of its payload is not what was summed */
	block.data[block.len - 1] ^= 1;
	assert_int_equal(-EBADMSG, pack_append(pack, buf_span(&block),
					       f->ids[1], EACH, &offset,
					       NULL));
	block.data[block.len - 1] ^= 1;
	assert_int_equal(-EBADMSG, pack_append(pack, span_of(block.data,
							     block.len - 1),
					       f->ids[1], EACH, &offset,
					       NULL));
	buf_clear(&block);
	make_block(f, 1, ID_META, &block);
	assert_int_equal(-EINVAL, pack_append(pack, buf_span(&block),
					      f->ids[1], EACH, &offset,
					      NULL));
	assert_int_equal(HEADER, pack_size(pack));
	pack_writer_free(pack);
}

static void test_every_flip_is_seen(void **state)
{
	struct fixture *f = *state;
	uint64_t end;

	make_pack(f, PACK_DATA);
	end = f->offset[BLOCKS - 1] + f->len[BLOCKS - 1];
	assert_int_equal(0, read_index(f));
	for (size_t i = 0; i < f->bytes.len; i++) {
		int block = BLOCKS;
		int fd, r = 0;
		uint8_t was = f->bytes.data[i];

		f->bytes.data[i] ^= (uint8_t)(1u << i % 8);
		fd = openat(f->dir.fd, f->file, O_WRONLY);
		assert_int_equal(1, pwrite(fd, f->bytes.data + i, 1,
					   (off_t)i));
		if (i >= HEADER && i < end) {
			OWNED_BUF struct buf plain = BUF_INIT;
			struct block_head head;
			struct span bytes;

			while (i < f->offset[--block])
				;
			bytes = span_of(f->bytes.data + f->offset[block],
					f->len[block]);
			r = block_parse_head(bytes, &head, NULL);
			if (r == 0)
				r = block_decode(f->unpacker, bytes, &head,
						 span_of(NULL, 0), &plain,
						 NULL);
			assert_int_equal(0, read_index(f));
		} else {
			r = read_index(f);
			assert_int_equal(-EBADMSG, r);
		}
		assert_true(r < 0);
		f->bytes.data[i] = was;
		assert_int_equal(1, pwrite(fd, &was, 1, (off_t)i));
		close(fd);
	}
	assert_int_equal(0, read_index(f));
}

static void test_every_cut_is_seen(void **state)
{
	struct fixture *f = *state;
	struct pack_index index;
	uint64_t lost;

	make_pack(f, PACK_DATA);
	for (size_t n = 0; n < f->bytes.len; n++) {
		unsigned missing = 0;
		uint64_t good = 0;

		rewrite(f, span_of(f->bytes.data, n));
		assert_int_equal(-EBADMSG, read_index(f));
		assert_int_equal(0, pack_scan(&f->dir, &f->name, &index,
					      &lost, NULL));
		for (int i = 0; i < BLOCKS; i++) {
			if (f->offset[i] + f->len[i] > n)
				missing |= 1u << i;
			else
				good += f->len[i];
		}
		if (n >= HEADER)
			good += HEADER;
		check_entries(f, &index, missing);
		assert_int_equal(n - good, lost);
		pack_index_release(&index);
	}
	rewrite(f, buf_span(&f->bytes));
	buf_u8(&f->bytes, 0);
	rewrite(f, buf_span(&f->bytes));
	assert_int_equal(-EBADMSG, read_index(f));
}

/* The footer with fields of somebody's choosing and a good sum. */
static int read_with_footer(struct fixture *f, uint64_t offset,
			    uint32_t stored, uint32_t plain, uint8_t codec)
{
	uint8_t *foot = f->bytes.data + f->bytes.len - FOOTER;

	put_le64(foot, offset);
	put_le32(foot + 8, stored);
	put_le32(foot + 12, plain);
	foot[16] = codec;
	put_le64(foot + 33, sum64(span_of(foot, 33)));
	rewrite(f, buf_span(&f->bytes));
	return read_index(f);
}

static void test_hostile_footer(void **state)
{
	struct fixture *f = *state;
	const uint8_t *foot;
	uint64_t offset;
	uint32_t stored, plain;
	uint8_t codec;

	make_pack(f, PACK_DATA);
	foot = f->bytes.data + f->bytes.len - FOOTER;
	offset = get_le64(foot);
	stored = get_le32(foot + 8);
	plain = get_le32(foot + 12);
	codec = foot[16];
	assert_int_equal(0, read_with_footer(f, offset, stored, plain, codec));
	/* lengths that come out right only where they wrap */
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset + stored - UINT32_MAX, UINT32_MAX, plain, codec));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, UINT64_MAX - 40, stored, plain, codec));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, UINT32_MAX, plain, codec));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, stored, UINT32_MAX, 2));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, stored, 0, 2));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, stored, plain, 3));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, stored, plain, 0));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset, stored, plain, (uint8_t)(3 - codec)));
	assert_int_equal(-EBADMSG, read_with_footer(
		f, offset + 1, stored - 1, plain, codec));
}

/*
 * An index of somebody's choosing, stored raw, with all sums good and the file
 * under the name it proves: only what it says can be wrong.
 */
static int read_with_index(struct fixture *f, struct span plain)
{
	OWNED_BUF struct buf all = BUF_INIT;
	uint64_t offset = f->offset[BLOCKS - 1] + f->len[BLOCKS - 1];
	char path[PACK_PATH], fan[16];
	struct pack_index index;
	struct pack_name name;
	int fd, r;

	buf_append(&all, f->bytes.data, offset);
	buf_append(&all, plain.data, plain.len);
	buf_u64(&all, offset);
	buf_u32(&all, (uint32_t)plain.len);
	buf_u32(&all, (uint32_t)plain.len);
	buf_u8(&all, 1);
	buf_u64(&all, sum64(plain));
	buf_append_str(&all, "KCAPVRAV");
	buf_u64(&all, sum64(span_of(all.data + all.len - 33, 33)));
	sum128(plain, name.b);
	pack_path(&name, path);
	snprintf(fan, sizeof(fan), "%.8s", path);
	assert_int_equal(0, disk_mkdir(&f->dir, fan, NULL));
	fd = openat(f->dir.fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(all.len, write(fd, all.data, all.len));
	close(fd);
	r = pack_read_index(&f->dir, &name, &index, NULL);
	if (r == 0)
		pack_index_release(&index);
	return r;
}

static void build_index(const struct fixture *f, struct buf *out)
{
	buf_append(out, f->bytes.data + 16, 16);
	buf_u8(out, PACK_DATA);
	buf_u32(out, BLOCKS);
	buf_append(out, f->bytes.data + 32, 8);
	for (int i = 0; i < BLOCKS; i++) {
		struct block_head head;

		assert_int_equal(0, block_parse_head(
			span_of(f->bytes.data + f->offset[i], f->len[i]),
			&head, NULL));
		buf_u32(out, f->offset[i]);
		buf_u32(out, f->len[i]);
		buf_u32(out, head.plain_len);
		buf_u8(out, (uint8_t)head.codec);
		buf_u64(out, head.payload_sum);
		buf_u64(out, head.head_sum);
		buf_u32(out, head.count);
	}
	for (int i = 0; i < BLOCKS * EACH; i++)
		id_write(&f->ids[i / EACH][i % EACH], out);
}

/* Is a flip at offset i of the index seen by its parser?  Not in the sums of
 * blocks, nor in an id's hash and collision number: only bytes prove those. */
static bool index_tells(size_t i)
{
	size_t ids = 29 + BLOCKS * 33;
	size_t at;

	if (i < 29)
		return true;
	if (i < ids) {
		at = (i - 29) % 33;
		return at < 13 || at >= 29;
	}
	at = (i - ids) % ID_BYTES;
	return (at >= 16 && at < 20) || at == 21;
}

static void test_hostile_index(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf good = BUF_INIT;

	make_pack(f, PACK_DATA);
	build_index(f, &good);
	assert_int_equal(0, read_with_index(f, buf_span(&good)));
	for (size_t i = 0; i < good.len; i++) {
		good.data[i] ^= 0x80;
		assert_int_equal(index_tells(i) ? -EBADMSG : 0,
				 read_with_index(f, buf_span(&good)));
		good.data[i] ^= 0x80;
	}
	for (size_t n = 0; n < good.len; n++)
		assert_int_equal(-EBADMSG,
				 read_with_index(f, span_of(good.data, n)));
	buf_append_zero(&good, ID_BYTES);
	assert_int_equal(-EBADMSG, read_with_index(f, buf_span(&good)));
}

static void test_newer_version(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf summed = BUF_INIT;
	OWNED_BUF struct buf conf = BUF_INIT;
	struct err err = ERR_INIT;
	struct pack_index index;
	uint64_t lost;

	make_pack(f, PACK_DATA);
	f->bytes.data[8] = 2;
	buf_append(&summed, f->bytes.data, 32);
	buf_append_str(&summed, CONF);
	put_le64(f->bytes.data + 32, sum64(buf_span(&summed)));
	rewrite(f, buf_span(&f->bytes));
	assert_int_equal(-ENOTSUP, read_index(f));
	assert_int_equal(-ENOTSUP, pack_scan(&f->dir, &f->name, &index, &lost,
					     &err));
	assert_int_equal(-ENOTSUP, err.code);
	assert_int_equal(-ENOTSUP, pack_read_conf(&f->dir, &f->name, &conf,
						  NULL));
	/* Another pack's header, though good in itself. */
	f->bytes.data[8] = 1;
	f->bytes.data[20] ^= 1;
	buf_clear(&summed);
	buf_append(&summed, f->bytes.data, 32);
	buf_append_str(&summed, CONF);
	put_le64(f->bytes.data + 32, sum64(buf_span(&summed)));
	rewrite(f, buf_span(&f->bytes));
	assert_int_equal(-EBADMSG, read_index(f));
}

static void test_not_there(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf conf = BUF_INIT;
	struct pack_index index;
	struct pack_name name = { { 1 } };
	uint64_t lost;

	assert_int_equal(-ENOENT, pack_read_index(&f->dir, &name, &index,
						  NULL));
	assert_int_equal(-ENOENT, pack_scan(&f->dir, &name, &index, &lost,
					    NULL));
	assert_int_equal(-ENOENT, pack_read_conf(&f->dir, &name, &conf,
						 NULL));
}

static void test_read_conf(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf conf = BUF_INIT;

	make_pack(f, PACK_DATA);
	/* also where all else is gone */
	rewrite(f, span_of(f->bytes.data, HEADER));
	buf_append_str(&conf, "> ");
	assert_int_equal(0, pack_read_conf(&f->dir, &f->name, &conf, NULL));
	assert_string_equal("> " CONF, buf_str(&conf));
	f->bytes.data[45] ^= 1;
	rewrite(f, span_of(f->bytes.data, HEADER));
	assert_int_equal(-EBADMSG, pack_read_conf(&f->dir, &f->name, &conf,
						  NULL));
	assert_int_equal(HEADER - 40 + 2, conf.len);
}

static void scan_and_check(struct fixture *f, unsigned missing,
			   uint64_t want_lost)
{
	struct err err = ERR_INIT;
	struct pack_index index;
	uint64_t lost;

	rewrite(f, buf_span(&f->bytes));
	assert_int_equal(0, pack_scan(&f->dir, &f->name, &index, &lost,
				      &err));
	assert_int_equal(0, err.code);
	check_entries(f, &index, missing);
	assert_int_equal(want_lost, lost);
	pack_index_release(&index);
}

static void test_scan(void **state)
{
	struct fixture *f = *state;
	uint8_t *p;
	size_t tail;

	make_pack(f, PACK_META);
	p = f->bytes.data;
	tail = f->bytes.len - f->offset[3] - f->len[3];
	scan_and_check(f, 0, 0);

	/* a payload, a head, a magic, the first and the last block */
	p[f->offset[1] + f->len[1] - 1] ^= 1;
	scan_and_check(f, 2, f->len[1]);
	p[f->offset[2] + 30] ^= 1;
	scan_and_check(f, 6, f->len[1] + f->len[2]);
	p[f->offset[2]] ^= 1;
	scan_and_check(f, 6, f->len[1] + f->len[2]);
	p[f->offset[0] + 12] ^= 1;
	scan_and_check(f, 7, f->offset[3] - HEADER);
	p[f->offset[3]] ^= 1;
	scan_and_check(f, 15, f->offset[3] - HEADER + f->len[3]);

	/* and header and end as well */
	p[f->bytes.len - 1] ^= 1;
	scan_and_check(f, 15, f->bytes.len - HEADER);
	p[f->offset[3]] ^= 1;
	scan_and_check(f, 7, f->offset[3] - HEADER + tail);
	p[3] ^= 1;
	scan_and_check(f, 7, f->offset[3] + tail);
}

static void test_scan_types(void **state)
{
	struct fixture *f = *state;
	struct pack_index index;
	uint64_t lost;

	/* The header says data, the blocks are metadata: none is believed. */
	make_pack(f, PACK_META);
	f->bytes.data[10] = PACK_DATA;
	{
		OWNED_BUF struct buf summed = BUF_INIT;

		buf_append(&summed, f->bytes.data, 32);
		buf_append_str(&summed, CONF);
		put_le64(f->bytes.data + 32, sum64(buf_span(&summed)));
	}
	f->bytes.data[f->bytes.len - 1] ^= 1;
	scan_and_check(f, 15, f->bytes.len - HEADER);
	/* Without a header the blocks tell. */
	f->bytes.data[0] ^= 1;
	rewrite(f, buf_span(&f->bytes));
	assert_int_equal(0, pack_scan(&f->dir, &f->name, &index, &lost, NULL));
	assert_int_equal(PACK_META, index.type);
	check_entries(f, &index, 0);
	pack_index_release(&index);
}

/* Blocks larger than what is read at once, and damage across its borders. */
static void test_scan_large(void **state)
{
	struct fixture *f = *state;
	const struct pack_entry *entries;
	struct pack_writer *pack;
	struct pack_index index;
	uint32_t offset[5];
	uint64_t size, lost;
	uint32_t x = 1;
	size_t count;
	int fd;

	assert_int_equal(0, pack_create(&f->dir, PACK_DATA, span_str(CONF),
					&pack, NULL));
	for (int i = 0; i < 5; i++) {
		OWNED_BUF struct buf plain = BUF_INIT;
		OWNED_BUF struct buf block = BUF_INIT;
		struct id id;

		buf_reserve(&plain, 5 << 20);
		for (plain.len = 0; plain.len < 5 << 20; plain.len++) {
			x = x * 1664525u + 1013904223u;
			plain.data[plain.len] = (uint8_t)(x >> 24);
		}
		id_of(&f->key, 0, buf_span(&plain), &id);
		assert_int_equal(0, block_encode(f->packer, &id, 1,
						 buf_span(&plain), NULL, 0,
						 span_of(NULL, 0), &block,
						 NULL));
		assert_int_equal(0, pack_append(pack, buf_span(&block), &id, 1,
						&offset[i], NULL));
	}
	assert_int_equal(0, pack_seal(pack, &f->name, &entries, &count, &size,
				      NULL));
	pack_path(&f->name, f->file);
	fd = openat(f->dir.fd, f->file, O_WRONLY);
	assert_int_equal(1, pwrite(fd, "!", 1, offset[1] + 2));
	assert_int_equal(1, pwrite(fd, "!", 1, offset[3] + 30));
	assert_int_equal(1, pwrite(fd, "!", 1, (off_t)size - 1));
	close(fd);
	assert_int_equal(0, pack_scan(&f->dir, &f->name, &index, &lost, NULL));
	assert_int_equal(3, index.block_count);
	assert_int_equal(offset[0], index.blocks[0]);
	assert_int_equal(offset[2], index.blocks[1]);
	assert_int_equal(offset[4], index.blocks[2]);
	assert_int_equal(entries[4].stored, index.stored[2]);
	assert_int_equal(size - HEADER - 3ull * entries[0].stored, lost);
	pack_index_release(&index);

	/* "Pages the disk cannot read count as damaged." */
	bad_from = offset[2] + 2000000;
	bad_to = bad_from + 4096;
	assert_int_equal(0, pack_scan(&f->dir, &f->name, &index, &lost, NULL));
	assert_int_equal(2, index.block_count);
	assert_int_equal(offset[0], index.blocks[0]);
	assert_int_equal(offset[4], index.blocks[1]);
	pack_index_release(&index);
	bad_from = (off_t)size - 10;
	bad_to = (off_t)size;
	assert_int_equal(-EIO, read_index(f));
	assert_int_equal(0, pack_scan(&f->dir, &f->name, &index, &lost, NULL));
	assert_int_equal(3, index.block_count);
	pack_index_release(&index);
	pack_writer_free(pack);
}

/*
 * A file in the backup that holds a block's head claiming a great length must
 * not make the scan pass over the good blocks behind it.
 */
static void test_scan_planted_head(void **state)
{
	struct fixture *f = *state;
	OWNED_BUF struct buf planted = BUF_INIT;
	uint8_t *raw;

	make_pack(f, PACK_DATA);
	raw = f->bytes.data + f->offset[1] + 24 + EACH * ID_BYTES + 16;
	buf_append(&planted, "VBLK\2\0\0\0", 8);
	buf_u32(&planted, 60);
	buf_u32(&planted, f->len[1] + f->len[2]);
	buf_u32(&planted, 1);
	buf_u32(&planted, 0);
	id_write(&f->ids[1][0], &planted);
	buf_u64(&planted, 0);
	buf_u64(&planted, sum64(buf_span(&planted)));
	memcpy(raw, planted.data, planted.len);
	f->bytes.data[f->offset[1] + 2] ^= 1;
	scan_and_check(f, 2, f->len[1]);
}

struct listed {
	int packs, strays;
	struct pack_name name;
	char stray[4][64];
};

static int list_pack(void *arg, const struct pack_name *name, struct err *err)
{
	struct listed *listed = arg;

	(void)err;
	listed->name = *name;
	listed->packs++;
	return 0;
}

static int list_stray(void *arg, const char *path, struct err *err)
{
	struct listed *listed = arg;

	(void)err;
	assert_true(listed->strays < 4);
	snprintf(listed->stray[listed->strays++], 64, "%s", path);
	return 0;
}

static int stop(void *arg, const struct pack_name *name, struct err *err)
{
	(void)arg;
	(void)name;
	return err_set(err, -EINTR, "enough");
}

static void touch(struct fixture *f, const char *name)
{
	int fd;

	assert_int_equal(0, disk_create(&f->dir, name, &fd, NULL));
	close(fd);
}

static void test_list(void **state)
{
	struct fixture *f = *state;
	struct listed listed = { .packs = 0 };
	char path[PACK_PATH + 8];

	make_pack(f, PACK_DATA);
	assert_int_equal(0, pack_list(&f->dir, list_pack, list_stray, &listed,
				      NULL));
	assert_int_equal(1, listed.packs);
	assert_int_equal(0, listed.strays);
	assert_memory_equal(f->name.b, listed.name.b, PACK_NAME);

	snprintf(path, sizeof(path), "%s.old", f->file);
	touch(f, path);
	touch(f, "packs/0g");
	disk_mkdir(&f->dir, "packs/abc", NULL);
	/* a pack's name in another's directory */
	snprintf(path, sizeof(path), "packs/%02x", f->name.b[0] ^ 1);
	assert_int_equal(0, disk_mkdir(&f->dir, path, NULL));
	snprintf(path, sizeof(path), "packs/%02x/%s", f->name.b[0] ^ 1,
		 f->file + 9);
	touch(f, path);
	memset(&listed, 0, sizeof(listed));
	assert_int_equal(0, pack_list(&f->dir, list_pack, list_stray, &listed,
				      NULL));
	assert_int_equal(1, listed.packs);
	assert_int_equal(4, listed.strays);
	assert_int_equal(0, pack_list(&f->dir, list_pack, NULL, &listed,
				      NULL));
	assert_int_equal(-EINTR, pack_list(&f->dir, stop, NULL, NULL, NULL));
	/* A directory that is not there is no empty one. */
	assert_int_equal(0, renameat(f->dir.fd, "packs", f->dir.fd, "gone"));
	assert_int_equal(-ENOENT, pack_list(&f->dir, list_pack, list_stray,
					    &listed, NULL));
}

struct faults {
	int left;		/* steps until one fails */
	int steps;
	enum disk_step order[64];
};

static int fail_step(void *arg, enum disk_step step, const char *dir,
		     const char *name, const char *to, uint64_t offset,
		     struct span data)
{
	struct faults *faults = arg;

	(void)dir;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	if (faults->steps < 64)
		faults->order[faults->steps++] = step;
	return --faults->left == 0 ? -ENOSPC : 0;
}

static int write_pack(struct fixture *f, struct pack_name *name)
{
	OWNED_BUF struct buf block = BUF_INIT;
	const struct pack_entry *entries;
	struct pack_writer *pack = NULL;
	uint32_t offset;
	uint64_t size;
	size_t count;
	int r;

	make_block(f, 0, 0, &block);
	r = pack_create(&f->dir, PACK_DATA, span_str(CONF), &pack, NULL);
	if (r == 0)
		r = pack_append(pack, buf_span(&block), f->ids[0], EACH,
				&offset, NULL);
	if (r == 0)
		r = pack_seal(pack, name, &entries, &count, &size, NULL);
	pack_writer_free(pack);
	return r;
}

/* "After a failure nothing is seen of it." */
static void test_every_step_fails_once(void **state)
{
	struct fixture *f = *state;
	struct listed listed = { .packs = 0 };
	struct faults faults = { .left = 0 };
	struct pack_name name;
	int n = 0;
	int r;

	do {
		faults = (struct faults){ .left = ++n };
		disk_set_hook(fail_step, &faults);
		r = write_pack(f, &name);
		disk_set_hook(NULL, NULL);
		assert_int_equal(r == 0 ? 1 : 0, faults.left > 0);
		assert_int_equal(r == 0 ? 0 : -ENOSPC, r);
		assert_int_equal(0, files_in(f, "tmp"));
		memset(&listed, 0, sizeof(listed));
		assert_int_equal(0, pack_list(&f->dir, list_pack, list_stray,
					      &listed, NULL));
		assert_int_equal(r == 0 ? 1 : 0, listed.packs);
		assert_int_equal(0, listed.strays);
	} while (r < 0);

	/* All is on the disk before it has its name, and then the name is. */
	assert_int_equal(9, faults.steps);
	assert_int_equal(DISK_CREATE, faults.order[0]);
	assert_int_equal(DISK_WRITE, faults.order[1]);
	assert_int_equal(DISK_WRITE, faults.order[2]);
	assert_int_equal(DISK_WRITE, faults.order[3]);
	assert_int_equal(DISK_SYNC, faults.order[4]);
	assert_int_equal(DISK_MKDIR, faults.order[5]);
	assert_int_equal(DISK_SYNC_DIR, faults.order[6]);
	assert_int_equal(DISK_RENAME, faults.order[7]);
	assert_int_equal(DISK_SYNC_DIR, faults.order[8]);
}

/* A write that failed (a full disk, say) may be tried again. */
static void test_append_again(void **state)
{
	struct fixture *f = *state;
	struct faults faults = { .left = 1 };
	OWNED_BUF struct buf block = BUF_INIT;
	const struct pack_entry *entries;
	struct pack_writer *pack;
	uint32_t offset;
	uint64_t size;
	size_t count;

	assert_int_equal(0, pack_create(&f->dir, PACK_DATA, span_str(CONF),
					&pack, NULL));
	make_block(f, 0, 0, &block);
	disk_set_hook(fail_step, &faults);
	assert_int_equal(-ENOSPC, pack_append(pack, buf_span(&block),
					      f->ids[0], EACH, &offset, NULL));
	disk_set_hook(NULL, NULL);
	assert_int_equal(0, pack_append(pack, buf_span(&block), f->ids[0],
					EACH, &offset, NULL));
	assert_int_equal(HEADER, offset);
	assert_int_equal(0, pack_seal(pack, &f->name, &entries, &count, &size,
				      NULL));
	assert_int_equal(EACH, count);
	assert_int_equal(0, read_index(f));
	assert_int_equal(-EINVAL, pack_append(pack, buf_span(&block),
					      f->ids[0], EACH, &offset, NULL));
	pack_writer_free(pack);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_seal_and_read),
		T(test_layout),
		T(test_many_objects),
		T(test_read_back),
		T(test_append_refuses),
		T(test_every_flip_is_seen),
		T(test_every_cut_is_seen),
		T(test_hostile_footer),
		T(test_hostile_index),
		T(test_newer_version),
		T(test_not_there),
		T(test_read_conf),
		T(test_scan),
		T(test_scan_types),
		T(test_scan_large),
		T(test_scan_planted_head),
		T(test_list),
		T(test_every_step_fails_once),
		T(test_append_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
