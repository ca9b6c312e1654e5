/*
 * pack_internal: the bytes of a pack, for its writer and its readers.
 *
 * Header                                    Footer
 *   0    8  magic "VARVPACK"                  0    8  offset of the index
 *   8    2  version                           8    4  its stored length
 *  10    1  type: 1 data, 2 meta             12    4  its plain length
 *  11    1  hash of the ids: 1 XXH3-128      16    1  its codec: 1 raw, 2 zstd
 *  12    4  conf_len                         17    8  sum64 of it as stored
 *  16   16  nonce                            25    8  magic "KCAPVRAV"
 *  32    8  sum64 of the 32 bytes before     33    8  sum64 of the 33 bytes
 *           and of conf                               before
 *  40  conf_len  conf
 *
 * Index, plain                              then, per block
 *   0   16  nonce                             0    4  offset
 *  16    1  type                              4    4  stored length
 *  17    4  block count                       8    4  plain length
 *  21    8  the header's sum64               12    1  codec
 *  29  33 * block count  blocks              13    8  payload sum
 *      22 * objects      ids, by block       21    8  head sum
 *                                            29    4  objects
 */
#ifndef VARVE_PACK_INTERNAL_H
#define VARVE_PACK_INTERNAL_H

#include "fs/store/pack.h"

#define PACK_MAGIC	 "VARVPACK"
#define PACK_END_MAGIC	 "KCAPVRAV"
#define PACK_MAGIC_LEN	 8
#define PACK_HASH_XXH3	 1
#define PACK_NONCE	 16
#define PACK_HEADER_HEAD 32	/* before its sum */
#define PACK_HEADER	 40	/* before conf */
#define PACK_INDEX_HEAD	 29
#define PACK_INDEX_BLOCK 33
#define PACK_FOOTER_HEAD 33	/* before its sum */
#define PACK_FOOTER	 41

enum pack_codec { PACK_RAW = 1, PACK_ZSTD = 2 };

struct pack_header {
	enum pack_type type;
	uint8_t nonce[PACK_NONCE];
	uint64_t sum;
	uint32_t len;		/* header and conf: where blocks begin */
};

/* A pack opened for reading. */
struct pack_file {
	struct disk_dir *dir;
	char path[PACK_PATH];
	int fd;
	uint64_t size;
};
#define PACK_FILE_INIT { .fd = -1 }

int pack_file_open(struct disk_dir *dir, const struct pack_name *name,
		   struct pack_file *ret, struct err *err);
void pack_file_close(struct pack_file *file);

/* conf (may be NULL) gets the conf text appended. */
int pack_header_read(const struct pack_file *file, struct pack_header *ret,
		     struct buf *conf, struct err *err);
/*
 * The verified index; *ret_nonce and *ret_header_sum are what it says of the
 * header, *ret_offset is where it stands.
 */
int pack_index_load(const struct pack_file *file, const struct pack_name *name,
		    struct pack_index *ret, struct pack_header *ret_says,
		    uint64_t *ret_offset, struct err *err);

#endif
