#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/store/block.h"
#include "fs/store/pack.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/seeds.h"

#define OBJECTS_MAX 40u

enum filling { LETTERS, NOISE, TABLE };

struct made {
	struct id ids[OBJECTS_MAX], prefix[2];
	uint32_t count, prefix_count;
	struct buf block;
};

/* count objects of text-like bytes, or of noise, that a block would hold. */
static void make(struct made *made, uint32_t count, bool meta,
		 enum filling filling,
		 uint32_t prefix_count, uint64_t state)
{
	OWNED_BUF struct buf plain = BUF_INIT, prefix = BUF_INIT;
	OWNED_BUF struct buf prefixes = BUF_INIT;
	struct fuzz_rng rng = { state };
	struct packer *packer = packer_new(3);
	static const char row[] = "1234\tword\t\\N\n";
	struct err err = ERR_INIT;

	*made = (struct made){ .count = count, .prefix_count = prefix_count };
	for (uint32_t i = 0; i < count + prefix_count; i++) {
		struct id *id = i < count ? &made->ids[i]
					  : &made->prefix[i - count];

		for (int k = 0; k < ID_HASH; k++)
			id->hash[k] = (uint8_t)fuzz_random(&rng);
		id->len = 1 + fuzz_below(&rng, 90);
		id->nth = meta ? ID_META : 0;
	}
	for (uint32_t i = 0; i < prefix_count; i++)
		id_write(&made->prefix[i], &prefixes);
	fuzz_prefix(buf_span(&prefixes), &prefix);
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t k = 0; k < made->ids[i].len; k++)
			buf_append_byte(&plain, filling == TABLE
					? (uint8_t)row[plain.len % 13]
					: filling == NOISE
					? (uint8_t)fuzz_random(&rng)
					: prefix_count
					  ? prefix.data[k % prefix.len]
					  : (uint8_t)('a' + k % 13));
	if (block_encode(packer, made->ids, count, buf_span(&plain),
			 made->prefix, prefix_count, buf_span(&prefix),
			 &made->block, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	packer_free(packer);
}

static void seeds_block(void)
{
	static const struct {
		const char *name;
		uint32_t count, prefix;
		bool meta;
		enum filling filling;
	} cases[] = {
		{ "one", 1, 0, false, LETTERS }, { "raw", 3, 0, false, NOISE },
		{ "many", 40, 0, false, LETTERS },
		{ "meta", 9, 0, true, LETTERS },
		{ "prefix", 20, 2, false, LETTERS },
		{ "columns", 40, 0, false, TABLE },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct made made;

		make(&made, cases[i].count, cases[i].meta, cases[i].filling,
		     cases[i].prefix, i);
		seed("block", cases[i].name, buf_span(&made.block));
		buf_release(&made.block);
	}
}

static void read_pack(const struct pack_name *name, uint64_t size,
		      struct buf *ret)
{
	char path[PACK_PATH];
	struct err err = ERR_INIT;

	pack_path(name, path);
	if (disk_read_all(fuzz_dir(), path, size, ret, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
}

static void seed_pack(const char *name, enum pack_type type, uint32_t blocks,
		      uint32_t objects, const char *conf)
{
	OWNED_BUF struct buf out = BUF_INIT;
	struct pack_writer *pack = NULL;
	const struct pack_entry *entries;
	struct pack_name pack_name;
	struct err err = ERR_INIT;
	size_t count;
	uint64_t size = 0;
	uint32_t offset;
	int r;

	r = pack_create(fuzz_dir(), type, span_str(conf), &pack, &err);
	for (uint32_t i = 0; r == 0 && i < blocks; i++) {
		struct made made;

		make(&made, objects, type == PACK_META,
		     i % 3 == 1 ? NOISE : LETTERS,
		     type == PACK_DATA && i % 3 == 2 ? 2 : 0, i);
		r = pack_append(pack, buf_span(&made.block), made.ids,
				made.count, &offset, &err);
		buf_release(&made.block);
	}
	if (r == 0)
		r = pack_seal(pack, &pack_name, &entries, &count, &size, &err);
	if (r < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	read_pack(&pack_name, size, &out);
	seed("pack", name, buf_span(&out));
	pack_writer_free(pack);
}

void seeds_store(void)
{
	seeds_block();
	seed_pack("one", PACK_DATA, 1, 1, "");
	seed_pack("data", PACK_DATA, 6, 12, "conf");
	seed_pack("meta", PACK_META, 3, 4, "conf of a store\n");
}
