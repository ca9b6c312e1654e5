#include "fs/store/pack.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/store/block.h"
#include "fs/store/pack_internal.h"

#define TEMP_PATH  (sizeof("tmp/pack-") + 2 * PACK_NONCE)
#define FAN_PATH   sizeof("packs/00")
#define INDEX_LEVEL 3
/* As for blocks: one part in this must be saved to be worth decoding. */
#define INDEX_WORTH 32u

struct pack_writer {
	struct disk_dir *dir;
	enum pack_type type;
	int fd;
	bool temp;		/* the temporary file is there */
	bool ended;		/* pack_seal() was called */
	_Atomic uint64_t size;	/* pack_read_back() looks from other threads */
	uint8_t nonce[PACK_NONCE];
	uint64_t header_sum;
	struct buf blocks;	/* their part of the index */
	uint32_t block_count;
	bool leans;
	struct buf ids;		/* disk form */
	struct pack_entry *entries;
	size_t count, cap;
	char temp_path[TEMP_PATH];
};

void pack_path(const struct pack_name *name, char out[PACK_PATH])
{
	char hex[2 * PACK_NAME + 1];

	hex_write(name->b, PACK_NAME, hex);
	snprintf(out, PACK_PATH, "packs/%.2s/%s", hex, hex);
}

static void free_writer(struct pack_writer **pack)
{
	pack_writer_free(*pack);
}

static int header_write(struct pack_writer *pack, struct span conf,
			struct err *err)
{
	OWNED_BUF struct buf head = BUF_INIT;
	OWNED_BUF struct buf all = BUF_INIT;
	int r;

	buf_append(&head, PACK_MAGIC, PACK_MAGIC_LEN);
	buf_u16(&head, PACK_VERSION);
	buf_u8(&head, (uint8_t)pack->type);
	buf_u8(&head, PACK_HASH_XXH3);
	buf_u32(&head, (uint32_t)conf.len);
	buf_append(&head, pack->nonce, PACK_NONCE);
	buf_append(&all, head.data, head.len);
	buf_append(&all, conf.data, conf.len);
	if (buf_failed(&head) || buf_failed(&all))
		return err_nomem(err);
	pack->header_sum = sum64(buf_span(&all));
	buf_u64(&head, pack->header_sum);
	buf_append(&head, conf.data, conf.len);
	r = buf_check(&head, err);
	if (r == 0)
		r = disk_write(pack->dir, pack->temp_path, pack->fd, 0,
			       buf_span(&head), err);
	if (r < 0)
		return r;
	pack->size = head.len;
	return 0;
}

static int create_temp(struct pack_writer *pack, struct err *err)
{
	uint8_t raw[PACK_NONCE];
	char hex[2 * PACK_NONCE + 1];
	int r;

	r = random_bytes(raw, sizeof(raw), err);
	if (r < 0)
		return r;
	hex_write(raw, sizeof(raw), hex);
	snprintf(pack->temp_path, TEMP_PATH, "tmp/pack-%s", hex);
	r = disk_create(pack->dir, pack->temp_path, &pack->fd, err);
	if (r < 0)
		return r;
	pack->temp = true;
	return 0;
}

int pack_create(struct disk_dir *dir, enum pack_type type, struct span conf,
		struct pack_writer **ret, struct err *err)
{
	CLEANUP(free_writer) struct pack_writer *pack = NULL;
	int r;

	if (conf.len > PACK_CONF_MAX ||
	    (type != PACK_DATA && type != PACK_META))
		return err_set(err, -EINVAL, "no pack has type %d and %zu "
			       "bytes of configuration", (int)type, conf.len);
	pack = calloc(1, sizeof(*pack));
	if (!pack)
		return err_nomem(err);
	pack->dir = dir;
	pack->type = type;
	pack->fd = -1;
	r = random_bytes(pack->nonce, sizeof(pack->nonce), err);
	if (r == 0)
		r = create_temp(pack, err);
	if (r == 0)
		r = header_write(pack, conf, err);
	if (r < 0)
		return r;
	*ret = pack;
	pack = NULL;
	return 0;
}

static int same_ids(const struct pack_writer *pack,
		    const struct block_head *head, const struct id *ids,
		    uint32_t count, struct err *err)
{
	uint8_t disk[ID_BYTES];

	if (head->count != count)
		return err_set(err, -EINVAL, "a block of %u objects was given "
			       "%u ids", head->count, count);
	for (uint32_t i = 0; i < count; i++) {
		id_to_disk(&ids[i], disk);
		if (memcmp(disk, head->ids.data + (size_t)i * ID_BYTES,
			   ID_BYTES))
			return err_set(err, -EINVAL,
				       "a block was given others' ids");
		if (id_is_meta(&ids[i]) != (pack->type == PACK_META))
			return err_set(err, -EINVAL, "object %s does not "
				       "belong into this type of pack",
				       id_hex(&ids[i]).s);
	}
	return 0;
}

/* Whole, undamaged, what the caller says it is, and there is room for it. */
static int append_check(const struct pack_writer *pack, struct span block,
			const struct id *ids, uint32_t count,
			struct block_head *head, struct err *err)
{
	uint64_t index, grown;
	int r;

	r = block_parse_head(block, head, err);
	if (r < 0)
		return r;
	if (block.len != (uint64_t)head->head_len + head->payload_len ||
	    sum64(span_of(block.data + head->head_len, head->payload_len)) !=
	    head->payload_sum)
		return err_corrupt(err, "a block's payload is damaged");
	r = same_ids(pack, head, ids, count, err);
	if (r < 0)
		return r;
	index = PACK_INDEX_HEAD + pack->blocks.len + PACK_INDEX_BLOCK +
		pack->ids.len + head->ids.len;
	grown = pack->size + block.len + index + PACK_FOOTER;
	if (grown > PACK_SIZE_MAX || index > PACK_INDEX_MAX)
		return err_set(err, -EFBIG, "a pack would be %" PRIu64
			       " bytes", grown);
	return 0;
}

/* Room for count more of everything, so that remembering cannot fail. */
static int reserve(struct pack_writer *pack, uint32_t count, struct err *err)
{
	size_t cap = pack->cap ? pack->cap : 256;
	struct pack_entry *entries;

	if (buf_reserve(&pack->blocks, PACK_INDEX_BLOCK) < 0 ||
	    buf_reserve(&pack->ids, (size_t)count * ID_BYTES) < 0)
		return err_nomem(err);
	if (pack->count + count <= pack->cap)
		return 0;
	while (cap < pack->count + count)
		cap += cap / 2;
	entries = realloc(pack->entries, cap * sizeof(*entries));
	if (!entries)
		return err_nomem(err);
	pack->entries = entries;
	pack->cap = cap;
	return 0;
}

static void remember(struct pack_writer *pack, const struct block_head *head,
		     uint32_t offset, uint32_t stored, const struct id *ids)
{
	struct buf *out = &pack->blocks;
	uint32_t at = 0;

	buf_u32(out, offset);
	buf_u32(out, stored);
	buf_u32(out, head->plain_len);
	buf_u8(out, (uint8_t)head->codec);
	buf_u64(out, head->payload_sum);
	buf_u64(out, head->head_sum);
	buf_u32(out, head->count);
	pack->leans |= head->prefix_count > 0;
	pack->block_count++;
	buf_append(&pack->ids, head->ids.data, head->ids.len);
	for (uint32_t i = 0; i < head->count; i++) {
		pack->entries[pack->count++] = (struct pack_entry){
			.id = ids[i], .block = offset, .stored = stored,
			.at = at,
		};
		at += ids[i].len;
	}
}

int pack_append(struct pack_writer *pack, struct span block,
		const struct id *ids, uint32_t count, uint32_t *ret_offset,
		struct err *err)
{
	uint64_t offset = pack->size;
	struct block_head head;
	int r;

	if (pack->ended)
		return err_set(err, -EINVAL, "the pack is sealed already");
	r = append_check(pack, block, ids, count, &head, err);
	if (r == 0)
		r = reserve(pack, count, err);
	if (r == 0)
		r = disk_write(pack->dir, pack->temp_path, pack->fd, offset,
			       block, err);
	if (r < 0)
		return r;
	remember(pack, &head, (uint32_t)offset, (uint32_t)block.len, ids);
	pack->size = offset + block.len;
	*ret_offset = (uint32_t)offset;
	return 0;
}

bool pack_leans(const struct pack_writer *pack)
{
	return pack->leans;
}

uint64_t pack_size(const struct pack_writer *pack)
{
	return pack->size;
}

int pack_read_back(struct pack_writer *pack, uint32_t offset, uint32_t len,
		   uint8_t *out, struct err *err)
{
	if ((uint64_t)offset + len > pack->size)
		return err_set(err, -EINVAL, "no block lies at %" PRIu32
			       " of a pack being written", offset);
	return disk_read(pack->dir, pack->temp_path, pack->fd, offset, out,
			 len, err);
}

static int index_write(const struct pack_writer *pack, struct buf *plain,
		       struct err *err)
{
	buf_append(plain, pack->nonce, PACK_NONCE);
	buf_u8(plain, (uint8_t)pack->type);
	buf_u32(plain, pack->block_count);
	buf_u64(plain, pack->header_sum);
	buf_append(plain, pack->blocks.data, pack->blocks.len);
	buf_append(plain, pack->ids.data, pack->ids.len);
	return buf_check(plain, err);
}

static int index_pack(struct span plain, struct buf *stored,
		      enum pack_codec *ret_codec, struct err *err)
{
	struct packer *packer = packer_new(INDEX_LEVEL);
	int r;

	if (!packer)
		return err_nomem(err);
	r = packer_pack(packer, plain, span_of(NULL, 0), stored, err);
	packer_free(packer);
	if (r < 0)
		return r;
	*ret_codec = PACK_ZSTD;
	if (stored->len >= plain.len - plain.len / INDEX_WORTH) {
		buf_clear(stored);
		buf_append(stored, plain.data, plain.len);
		*ret_codec = PACK_RAW;
	}
	return buf_check(stored, err);
}

/* Index and footer, as they stand in the file, into tail. */
static int tail_write(const struct pack_writer *pack, struct span plain,
		      struct buf *tail, struct err *err)
{
	enum pack_codec codec = PACK_RAW;
	size_t stored;
	int r;

	r = index_pack(plain, tail, &codec, err);
	if (r < 0)
		return r;
	stored = tail->len;
	buf_u64(tail, pack->size);
	buf_u32(tail, (uint32_t)stored);
	buf_u32(tail, (uint32_t)plain.len);
	buf_u8(tail, (uint8_t)codec);
	buf_u64(tail, sum64(span_of(tail->data, stored)));
	buf_append(tail, PACK_END_MAGIC, PACK_MAGIC_LEN);
	r = buf_check(tail, err);
	if (r < 0)
		return r;
	buf_u64(tail, sum64(span_of(tail->data + stored, PACK_FOOTER_HEAD)));
	return buf_check(tail, err);
}

/*
 * The temporary file, complete and synced, gets its name for good.  "packs"
 * is synced as well: another writer may have made the directory below it and
 * not have come to its own sync.
 */
static int publish(struct pack_writer *pack, const struct pack_name *name,
		   struct err *err)
{
	char path[PACK_PATH], fan[FAN_PATH];
	int r;

	pack_path(name, path);
	snprintf(fan, sizeof(fan), "%.8s", path);
	r = disk_mkdir(pack->dir, fan, err);
	if (r == 0)
		r = disk_sync_dir(pack->dir, "packs", err);
	if (r == 0)
		r = disk_rename_new(pack->dir, pack->temp_path, path, err);
	if (r < 0)
		return r;
	pack->temp = false;
	r = disk_sync_dir(pack->dir, fan, err);
	if (r < 0)
		disk_unlink(pack->dir, path, NULL);
	return r;
}

int pack_seal(struct pack_writer *pack, struct pack_name *ret_name,
	      const struct pack_entry **ret_entries, size_t *ret_count,
	      uint64_t *ret_size, struct err *err)
{
	OWNED_BUF struct buf plain = BUF_INIT;
	OWNED_BUF struct buf tail = BUF_INIT;
	struct pack_name name;
	int r;

	if (pack->ended || pack->block_count == 0)
		return err_set(err, -EINVAL, "there is no pack to seal");
	pack->ended = true;
	r = index_write(pack, &plain, err);
	if (r == 0)
		r = tail_write(pack, buf_span(&plain), &tail, err);
	if (r == 0)
		r = disk_write(pack->dir, pack->temp_path, pack->fd,
			       pack->size, buf_span(&tail), err);
	if (r == 0)
		r = disk_sync(pack->dir, pack->temp_path, pack->fd, err);
	if (r < 0)
		return r;
	sum128(buf_span(&plain), name.b);
	r = publish(pack, &name, err);
	if (r < 0)
		return r;
	*ret_name = name;
	*ret_entries = pack->entries;
	*ret_count = pack->count;
	*ret_size = pack->size + tail.len;
	return 0;
}

void pack_writer_free(struct pack_writer *pack)
{
	if (!pack)
		return;
	if (pack->fd >= 0)
		close(pack->fd);
	if (pack->temp)
		disk_unlink(pack->dir, pack->temp_path, NULL);
	buf_release(&pack->blocks);
	buf_release(&pack->ids);
	free(pack->entries);
	free(pack);
}
