/*
 * pack: sealed, immutable files of blocks, each with an index of itself.
 *
 * A pack holds either chunks (data pack) or metadata objects (meta pack).  It
 * is written under tmp/, block after block, then its index and footer; it is
 * synced, renamed to packs/<xx>/<name> and the directory synced: from then on
 * it is sealed and never changes.  Its name is the sum128 of its index, and
 * the index has the checksum of each block, so a name vouches for all of it.
 * The store's configuration is repeated behind the header: any one pack
 * tells how to read the others.
 *
 * Knows nothing of names, trees, snapshots, nor which objects are wanted.
 * A writer is one thread's; readers any.
 *
 * Byte tables: docs/format.md, "Packs", and pack_internal.h.
 */
#ifndef VARVE_PACK_H
#define VARVE_PACK_H

#include "fs/base/disk.h"
#include "fs/base/id.h"

#define PACK_NAME 16
#define PACK_VERSION 1
#define PACK_SIZE_MAX (1u << 30)	/* bytes of a whole pack */
#define PACK_CONF_MAX (64u << 10)
#define PACK_INDEX_MAX (256u << 20)	/* bytes of a plain index */

enum pack_type { PACK_DATA = 1, PACK_META = 2 };

struct pack_name {
	uint8_t b[PACK_NAME];
};

/* "packs/ab/abcd…", NUL-terminated. */
#define PACK_PATH 48
void pack_path(const struct pack_name *name, char out[PACK_PATH]);

/* One object of a pack's index. */
struct pack_entry {
	struct id id;
	uint32_t block;		/* offset of its block in the pack */
	uint32_t stored;	/* that block's whole length in the pack */
	uint32_t at;		/* its offset in the block's plain bytes */
};

struct pack_writer;

/*
 * Begin a pack under tmp/.  conf is the text of varve.conf.  dir is borrowed.
 */
int pack_create(struct disk_dir *dir, enum pack_type type, struct span conf,
		struct pack_writer **ret, struct err *err);
/*
 * Append an encoded block (block.h) and remember its objects' ids and
 * lengths: count of them, in order of their place in the block.  Its head and
 * both checksums are compared once more: -EBADMSG; -EINVAL where ids are not
 * the block's or not of the pack's type; -EFBIG where the pack would grow
 * beyond PACK_SIZE_MAX (seal it and begin another).
 */
int pack_append(struct pack_writer *pack, struct span block,
		const struct id *ids, uint32_t count, uint32_t *ret_offset,
		struct err *err);
/* Has a block a prefix? */
bool pack_leans(const struct pack_writer *pack);
/* Bytes so far, index not counted. */
uint64_t pack_size(const struct pack_writer *pack);
/* Read back a block that pack_append() put (len as appended). Any thread. */
int pack_read_back(struct pack_writer *pack, uint32_t offset, uint32_t len,
		   uint8_t *out, struct err *err);
/*
 * Seal: index, footer, sync, rename, directory sync.  After 0 the pack is
 * durable under *ret_name, and entries (borrowed until pack_writer_free())
 * are its index.  After a failure nothing is seen of it, and it is only to be
 * freed.  -EINVAL for a pack without blocks.
 */
int pack_seal(struct pack_writer *pack, struct pack_name *ret_name,
	      const struct pack_entry **ret_entries, size_t *ret_count,
	      uint64_t *ret_size, struct err *err);
/* Also removes the temporary file of a pack that was not sealed. */
void pack_writer_free(struct pack_writer *pack);

struct pack_index {
	enum pack_type type;
	uint64_t size;			/* of the whole file */
	struct pack_entry *entries;	/* by block, then place */
	size_t count;
	uint32_t *blocks;		/* offset of each block */
	uint32_t *stored;		/* and whole length of each */
	uint64_t *head_sums;		/* and head_sum (block.h) it must have */
	size_t block_count;
	uint8_t *codecs;		/* of each block (enum block_codec) */
	bool leans;			/* one has a prefix */
};

/*
 * Read and verify a sealed pack's header and index: footer, sums, the index
 * against name, block after block without a gap from header to index.  Not
 * the blocks themselves.  -ENOENT, -EBADMSG; -ENOTSUP: a newer format.
 */
int pack_read_index(struct disk_dir *dir, const struct pack_name *name,
		    struct pack_index *ret, struct err *err);
void pack_index_release(struct pack_index *index);
/*
 * The index found by walking the blocks from the front, for a pack whose
 * header or end is damaged: every block whose head and payload sums are good.
 * Behind a damaged block the next good head is searched; pages the disk
 * cannot read count as damaged.  *ret_lost is the number of bytes in no good
 * block, nor in a good header or index: 0 for an undamaged pack.  Finding
 * nothing is 0 blocks, and type 0 where the header is damaged as well.
 *
 * Only checksums vouch for what is found, and after damage a block may have
 * been found inside another's raw bytes: hash an object against its id before
 * its place is believed.
 */
int pack_scan(struct disk_dir *dir, const struct pack_name *name,
	      struct pack_index *ret, uint64_t *ret_lost, struct err *err);
/* The conf text repeated in a pack, appended to out. */
int pack_read_conf(struct disk_dir *dir, const struct pack_name *name,
		   struct buf *out, struct err *err);
/* Every sealed pack there is, in no order.  Files with other names are given
 * to stray (may be NULL). */
int pack_list(struct disk_dir *dir,
	      int (*each)(void *arg, const struct pack_name *name,
			  struct err *err),
	      int (*stray)(void *arg, const char *path, struct err *err),
	      void *arg, struct err *err);

#endif
