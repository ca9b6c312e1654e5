#include "fs/store/pack.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/store/block.h"
#include "fs/store/pack_internal.h"

struct footer {
	uint64_t offset;
	uint32_t stored_len;
	uint32_t plain_len;
	enum pack_codec codec;
	uint64_t sum;
};

static int damaged(const struct pack_file *file, const char *what,
		   struct err *err)
{
	return err_corrupt(err, "pack '%s/%s' is damaged: %s",
			   file->dir->path, file->path, what);
}

int pack_file_open(struct disk_dir *dir, const struct pack_name *name,
		   struct pack_file *ret, struct err *err)
{
	struct pack_file file = { .dir = dir, .fd = -1 };
	struct stat st;
	int r;

	pack_path(name, file.path);
	r = disk_open_read(dir, file.path, &file.fd, err);
	if (r < 0)
		return r;
	if (fstat(file.fd, &st) < 0) {
		r = err_sys(err, "cannot examine '%s/%s'", dir->path,
			    file.path);
		close(file.fd);
		return r;
	}
	file.size = (uint64_t)st.st_size;
	*ret = file;
	return 0;
}

void pack_file_close(struct pack_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

/* len is bounded by the caller. */
static int read_into(const struct pack_file *file, uint64_t offset,
		     size_t len, struct buf *out, struct err *err)
{
	int r;

	if (buf_reserve(out, len) < 0)
		return err_nomem(err);
	r = disk_read(file->dir, file->path, file->fd, offset,
		      out->data + out->len, len, err);
	if (r == 0)
		out->len += len;
	return r;
}

static int header_fields(const struct pack_file *file, struct span head,
			 unsigned *ret_version, unsigned *ret_hash,
			 struct pack_header *ret, struct err *err)
{
	struct bytes in = bytes_of(head);
	struct span magic = bytes_take(&in, PACK_MAGIC_LEN);
	uint32_t conf_len;

	if (!span_equal(magic, span_str(PACK_MAGIC)))
		return damaged(file, "its header is no pack's", err);
	*ret_version = bytes_u16(&in);
	ret->type = (enum pack_type)bytes_u8(&in);
	*ret_hash = bytes_u8(&in);
	conf_len = bytes_u32(&in);
	memcpy(ret->nonce, bytes_take(&in, PACK_NONCE).data, PACK_NONCE);
	ret->sum = bytes_u64(&in);
	if (conf_len > PACK_CONF_MAX || PACK_HEADER + conf_len > file->size)
		return damaged(file, "its header is malformed", err);
	ret->len = PACK_HEADER + conf_len;
	return 0;
}

/* The header keeps this form in every version, so the sum comes first. */
int pack_header_read(const struct pack_file *file, struct pack_header *ret,
		     struct buf *conf, struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT;
	struct pack_header header = { .len = 0 };
	unsigned version = 0, hash = 0;
	int r;

	r = read_into(file, 0, PACK_HEADER, &all, err);
	if (r == 0)
		r = header_fields(file, buf_span(&all), &version, &hash,
				  &header, err);
	if (r < 0)
		return r;
	all.len = PACK_HEADER_HEAD;
	r = read_into(file, PACK_HEADER, header.len - PACK_HEADER, &all, err);
	if (r < 0)
		return r;
	if (sum64(buf_span(&all)) != header.sum)
		return damaged(file, "its header's checksum differs", err);
	if (version != PACK_VERSION || hash != PACK_HASH_XXH3)
		return err_set(err, -ENOTSUP, "pack '%s/%s' has format %u "
			       "with hash %u, which this version does not "
			       "know", file->dir->path, file->path, version,
			       hash);
	if (header.type != PACK_DATA && header.type != PACK_META)
		return damaged(file, "its header is malformed", err);
	if (conf) {
		buf_append(conf, all.data + PACK_HEADER_HEAD,
			   all.len - PACK_HEADER_HEAD);
		r = buf_check(conf, err);
		if (r < 0)
			return r;
	}
	*ret = header;
	return 0;
}

static int footer_read(const struct pack_file *file, struct footer *ret,
		       struct err *err)
{
	uint8_t raw[PACK_FOOTER];
	struct bytes in = bytes_of(span_of(raw, sizeof(raw)));
	struct footer footer = { .offset = 0 };
	struct span magic;
	int r;

	if (file->size < PACK_HEADER + PACK_FOOTER ||
	    file->size > PACK_SIZE_MAX)
		return damaged(file, "its size is no pack's", err);
	r = disk_read(file->dir, file->path, file->fd,
		      file->size - PACK_FOOTER, raw, sizeof(raw), err);
	if (r < 0)
		return r;
	footer.offset = bytes_u64(&in);
	footer.stored_len = bytes_u32(&in);
	footer.plain_len = bytes_u32(&in);
	footer.codec = (enum pack_codec)bytes_u8(&in);
	footer.sum = bytes_u64(&in);
	magic = bytes_take(&in, PACK_MAGIC_LEN);
	if (!span_equal(magic, span_str(PACK_END_MAGIC)))
		return damaged(file, "it ends early", err);
	if (sum64(span_of(raw, PACK_FOOTER_HEAD)) != bytes_u64(&in))
		return damaged(file, "its footer's checksum differs", err);
	/* What an index says of blocks is never longer than their heads. */
	if (footer.offset >= file->size ||
	    footer.offset + footer.stored_len + PACK_FOOTER != file->size ||
	    footer.plain_len > PACK_INDEX_MAX ||
	    footer.plain_len > PACK_INDEX_HEAD + footer.offset ||
	    footer.plain_len < PACK_INDEX_HEAD ||
	    (footer.codec != PACK_RAW && footer.codec != PACK_ZSTD) ||
	    (footer.codec == PACK_RAW &&
	     footer.stored_len != footer.plain_len))
		return damaged(file, "its footer is malformed", err);
	*ret = footer;
	return 0;
}

static int unpack_index(struct span stored, size_t plain_len,
			struct buf *plain, struct err *err)
{
	struct unpacker *unpacker = unpacker_new();
	int r;

	if (!unpacker || buf_reserve(plain, plain_len) < 0) {
		unpacker_free(unpacker);
		return err_nomem(err);
	}
	r = unpacker_unpack(unpacker, stored, span_of(NULL, 0), plain->data,
			    plain_len, err);
	unpacker_free(unpacker);
	if (r == 0)
		plain->len = plain_len;
	return r;
}

/* The plain index, proved by the pack's name. */
static int plain_index(const struct pack_file *file,
		       const struct pack_name *name,
		       const struct footer *footer, struct buf *plain,
		       struct err *err)
{
	OWNED_BUF struct buf stored = BUF_INIT;
	struct pack_name found;
	int r;

	r = read_into(file, footer->offset, footer->stored_len, &stored, err);
	if (r < 0)
		return r;
	if (sum64(buf_span(&stored)) != footer->sum)
		return damaged(file, "its index's checksum differs", err);
	if (footer->codec == PACK_RAW)
		buf_swap(plain, &stored);
	else
		r = unpack_index(buf_span(&stored), footer->plain_len, plain,
				 err);
	if (r < 0)
		return err_wrap(err, "pack '%s/%s' is damaged",
				file->dir->path, file->path);
	sum128(buf_span(plain), found.b);
	if (memcmp(found.b, name->b, PACK_NAME))
		return damaged(file, "its index belongs to another name", err);
	return 0;
}

static int index_alloc(struct pack_index *index, size_t blocks, size_t count,
		       struct err *err)
{
	index->blocks = calloc(blocks, sizeof(*index->blocks));
	index->stored = calloc(blocks, sizeof(*index->stored));
	index->head_sums = calloc(blocks, sizeof(*index->head_sums));
	index->codecs = calloc(blocks, sizeof(*index->codecs));
	index->entries = calloc(count, sizeof(*index->entries));
	if (!index->blocks || !index->stored || !index->head_sums ||
	    !index->codecs || !index->entries)
		return err_nomem(err);
	return 0;
}

/* One block's objects; false where they do not fit it or the pack's type. */
static bool entries_parse(struct bytes *ids, uint32_t objects,
			  uint32_t plain_len, struct pack_index *index)
{
	uint32_t offset = index->blocks[index->block_count];
	uint32_t stored = index->stored[index->block_count];
	uint64_t at = 0;

	for (uint32_t i = 0; i < objects; i++) {
		struct pack_entry *entry = &index->entries[index->count];

		id_parse(ids, &entry->id);
		if (ids->bad || id_is_none(&entry->id) ||
		    at + entry->id.len > plain_len ||
		    id_is_meta(&entry->id) != (index->type == PACK_META))
			return false;
		entry->block = offset;
		entry->stored = stored;
		entry->at = (uint32_t)at;
		at += entry->id.len;
		index->count++;
	}
	return at == plain_len;
}

/*
 * blocks: block_count of PACK_INDEX_BLOCK bytes; ids: those of all of them.
 * *end is where the next block must begin.
 */
static bool blocks_parse(struct bytes *blocks, struct bytes *ids,
			 size_t block_count, uint64_t *end,
			 struct pack_index *index)
{
	for (size_t i = 0; i < block_count; i++) {
		uint32_t offset = bytes_u32(blocks);
		uint32_t stored = bytes_u32(blocks);
		uint32_t plain_len = bytes_u32(blocks);
		unsigned codec = bytes_u8(blocks);
		uint32_t objects;

		bytes_u64(blocks);
		index->blocks[i] = offset;
		index->stored[i] = stored;
		index->head_sums[i] = bytes_u64(blocks);
		objects = bytes_u32(blocks);
		if (blocks->bad || offset != *end ||
		    stored > BLOCK_STORED_MAX ||
		    stored <= (uint64_t)objects * ID_BYTES ||
		    plain_len == 0 || plain_len > BLOCK_PLAIN_MAX ||
		    codec < BLOCK_RAW || codec > BLOCK_CODEC_LAST ||
		    objects == 0 || objects > BLOCK_OBJECTS_MAX)
			return false;
		if (!entries_parse(ids, objects, plain_len, index))
			return false;
		index->codecs[i] = (uint8_t)codec;
		index->leans |= codec == BLOCK_ZSTD_PREFIX;
		*end += stored;
		index->block_count++;
	}
	return bytes_done(ids);
}

static int index_parse(const struct pack_file *file, struct span plain,
		       uint64_t end, struct pack_index *index,
		       struct pack_header *says, struct err *err)
{
	struct bytes in = bytes_of(plain);
	struct bytes blocks, ids;
	uint64_t block_count, ids_len, at;
	int r;

	memcpy(says->nonce, bytes_take(&in, PACK_NONCE).data, PACK_NONCE);
	index->type = (enum pack_type)bytes_u8(&in);
	block_count = bytes_u32(&in);
	says->type = index->type;
	says->sum = bytes_u64(&in);
	if (in.bad || block_count == 0 ||
	    block_count * PACK_INDEX_BLOCK > bytes_left(&in))
		return damaged(file, "its index is malformed", err);
	blocks = bytes_of(bytes_take(&in, block_count * PACK_INDEX_BLOCK));
	ids_len = bytes_left(&in);
	ids = bytes_of(bytes_take(&in, ids_len));
	if (ids_len == 0)
		return damaged(file, "its index is malformed", err);
	/* One more, so that an id beyond the last is seen before it lands. */
	r = index_alloc(index, block_count, ids_len / ID_BYTES + 1, err);
	if (r < 0)
		return r;
	at = says->len = get_le32(blocks.at);
	if (!blocks_parse(&blocks, &ids, block_count, &at, index) || at != end)
		return damaged(file, "its index is malformed", err);
	return 0;
}

int pack_index_load(const struct pack_file *file, const struct pack_name *name,
		    struct pack_index *ret, struct pack_header *ret_says,
		    uint64_t *ret_offset, struct err *err)
{
	OWNED_BUF struct buf plain = BUF_INIT;
	struct pack_index index = { .size = file->size };
	struct pack_header says = { .len = 0 };
	struct footer footer = { .offset = 0 };
	int r;

	r = footer_read(file, &footer, err);
	if (r == 0)
		r = plain_index(file, name, &footer, &plain, err);
	if (r < 0)
		return r;
	r = index_parse(file, buf_span(&plain), footer.offset, &index, &says,
			err);
	if (r < 0) {
		pack_index_release(&index);
		return r;
	}
	*ret = index;
	*ret_says = says;
	*ret_offset = footer.offset;
	return 0;
}

static bool header_fits(const struct pack_header *header,
			const struct pack_header *says)
{
	return header->type == says->type && header->sum == says->sum &&
	       header->len == says->len &&
	       !memcmp(header->nonce, says->nonce, PACK_NONCE);
}

int pack_read_index(struct disk_dir *dir, const struct pack_name *name,
		    struct pack_index *ret, struct err *err)
{
	CLEANUP(pack_file_close) struct pack_file file = PACK_FILE_INIT;
	struct pack_header header = { .len = 0 }, says = header;
	struct pack_index index;
	uint64_t offset;
	int r;

	r = pack_file_open(dir, name, &file, err);
	if (r == 0)
		r = pack_header_read(&file, &header, NULL, err);
	if (r == 0)
		r = pack_index_load(&file, name, &index, &says, &offset, err);
	if (r < 0)
		return r;
	if (!header_fits(&header, &says)) {
		pack_index_release(&index);
		return damaged(&file, "its header is another pack's", err);
	}
	*ret = index;
	return 0;
}

void pack_index_release(struct pack_index *index)
{
	free(index->entries);
	free(index->blocks);
	free(index->stored);
	free(index->head_sums);
	free(index->codecs);
	*index = (struct pack_index){ .size = 0 };
}

int pack_read_conf(struct disk_dir *dir, const struct pack_name *name,
		   struct buf *out, struct err *err)
{
	CLEANUP(pack_file_close) struct pack_file file = PACK_FILE_INIT;
	struct pack_header header = { .len = 0 };
	int r;

	r = pack_file_open(dir, name, &file, err);
	if (r < 0)
		return r;
	return pack_header_read(&file, &header, out, err);
}

struct listing {
	struct disk_dir *dir;
	int (*each)(void *arg, const struct pack_name *name, struct err *err);
	int (*stray)(void *arg, const char *path, struct err *err);
	void *arg;
	const char *fan;	/* "ab" while that directory is listed */
};

static int give_stray(struct listing *listing, const char *name,
		      struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;

	if (!listing->stray)
		return 0;
	if (listing->fan)
		buf_printf(&path, "packs/%s/%s", listing->fan, name);
	else
		buf_printf(&path, "packs/%s", name);
	if (!buf_str(&path))
		return err_nomem(err);
	return listing->stray(listing->arg, (const char *)path.data, err);
}

static int give_pack(void *arg, const char *file, struct err *err)
{
	struct listing *listing = arg;
	struct pack_name name;

	if (strlen(file) != 2 * PACK_NAME ||
	    hex_parse(file, PACK_NAME, name.b) < 0 ||
	    strncmp(file, listing->fan, 2) != 0)
		return give_stray(listing, file, err);
	return listing->each(listing->arg, &name, err);
}

static int give_fan(void *arg, const char *fan, struct err *err)
{
	struct listing *listing = arg;
	char path[sizeof("packs/00")];
	struct stat st;
	uint8_t byte;
	int r;

	if (strlen(fan) != 2 || hex_parse(fan, 1, &byte) < 0)
		return give_stray(listing, fan, err);
	snprintf(path, sizeof(path), "packs/%.2s", fan);
	if (fstatat(listing->dir->fd, path, &st, 0) < 0)
		return err_sys(err, "cannot examine '%s/%s'",
			       listing->dir->path, path);
	if (!S_ISDIR(st.st_mode))
		return give_stray(listing, fan, err);
	listing->fan = fan;
	r = disk_list(listing->dir, path, give_pack, listing, err);
	listing->fan = NULL;
	return r;
}

int pack_list(struct disk_dir *dir,
	      int (*each)(void *arg, const struct pack_name *name,
			  struct err *err),
	      int (*stray)(void *arg, const char *path, struct err *err),
	      void *arg, struct err *err)
{
	struct listing listing = {
		.dir = dir, .each = each, .stray = stray, .arg = arg,
	};

	return disk_list(dir, "packs", give_fan, &listing, err);
}
