#include "indexer/rocksdb/rocks_internal.h"

#include "fs/base/checksum.h"

/*
 * A blob file: header, records, footer.  Sums are masked CRC-32C.
 *
 *     0  4  magic 00248f37       0  8  length of the key     0  4  magic
 *     4  4  version 1            8  8  length of the value   4  8  blobs
 *     8  4  column family       16  8  expiration           12 16  expirations
 *    12  1  flags: 1 expires    24  4  sum of 0..23         28  4  sum of 0..27
 *    13  1  compression         28  4  sum of key and value
 *    14 16  expirations         32     key, value
 *
 * Nothing guards the header.
 */
#define MAGIC	    0x00248f37u
#define VERSION	    1u
#define RECORD_HEAD 32u
#define MASK_DELTA  0xa282ead8u
#define STEP	    (1u << 20)

static bool sum_is(struct span bytes, const uint8_t *stored)
{
	uint32_t sum = crc32c(0, bytes);

	return (sum >> 15 | sum << 17) + MASK_DELTA == get_le32(stored);
}

struct blob_walk {
	struct rocks *rocks;
	const char *name;
	const struct rocks_blob *blob;
	uint64_t records;
};

static int bad(struct blob_walk *w, uint64_t offset, const char *why,
	       struct err *err)
{
	int r = rocks_find(w->rocks, ROCKS_DAMAGED, w->name, &offset, NULL, 0,
			   err, "%s", why);

	return r < 0 ? r : 1;
}

static int read_at(struct blob_walk *w, uint64_t offset, uint64_t len,
		   const uint8_t **ret, struct err *err)
{
	int r = rocks_read(w->rocks, w->name, offset, len, STEP,
			   &w->rocks->own->scratch, err);

	*ret = w->rocks->own->scratch.data;
	return r;
}

static int read_ends(struct blob_walk *w, struct err *err)
{
	uint64_t footer = w->blob->size - BLOB_FOOTER;
	const uint8_t *p;
	int r = read_at(w, 0, BLOB_HEADER, &p, err);

	if (r < 0)
		return r;
	if (get_le32(p) != MAGIC || get_le32(p + 4) != VERSION)
		return bad(w, 0, "it does not begin as a blob file", err);
	if (get_le32(p + 8) != w->blob->family)
		return bad(w, 8, "it is of another column family", err);
	if (p[12] > 1 || (p[12] == 0 && (get_le64(p + 14) != 0 ||
					 get_le64(p + 22) != 0)))
		return bad(w, 12, "its header does not follow its form", err);
	r = read_at(w, footer, BLOB_FOOTER, &p, err);
	if (r < 0)
		return r;
	if (get_le32(p) != MAGIC ||
	    !sum_is(span_of(p, BLOB_FOOTER - 4), p + BLOB_FOOTER - 4))
		return bad(w, footer, "the checksum of the footer is wrong",
			   err);
	if (get_le64(p + 4) != w->blob->count)
		return bad(w, footer, "the footer has another number of blobs "
			   "than the MANIFEST", err);
	return 0;
}

/* Key and value of a record at `at`, in steps: nobody knows how long. */
static int check_record(struct blob_walk *w, uint64_t at, uint64_t len,
			uint32_t want, struct err *err)
{
	uint64_t head = at - RECORD_HEAD;
	uint32_t sum = 0;

	while (len > 0) {
		uint64_t n = len < STEP ? len : STEP;
		const uint8_t *p;
		int r = read_at(w, at, n, &p, err);

		if (r < 0)
			return r;
		sum = crc32c(sum, span_of(p, (size_t)n));
		at += n;
		len -= n;
	}
	if ((sum >> 15 | sum << 17) + MASK_DELTA != want)
		return bad(w, head, "the checksum of a blob is wrong", err);
	return 0;
}

static int read_records(struct blob_walk *w, struct err *err)
{
	uint64_t end = w->blob->size - BLOB_FOOTER;
	uint64_t at = BLOB_HEADER;
	int r = 0;

	while (r == 0 && at < end) {
		const uint8_t *p;
		uint64_t key, value, left;
		uint32_t want;

		if (end - at < RECORD_HEAD)
			return bad(w, at, "bytes are left behind the last "
				   "blob", err);
		r = read_at(w, at, RECORD_HEAD, &p, err);
		if (r < 0)
			return r;
		if (!sum_is(span_of(p, 24), p + 24))
			return bad(w, at, "the checksum of a blob's head is "
				   "wrong", err);
		key = get_le64(p);
		value = get_le64(p + 8);
		want = get_le32(p + 28);
		left = end - at - RECORD_HEAD;
		if (key > left || value > left - key)
			return bad(w, at, "a blob is longer than its file",
				   err);
		r = check_record(w, at + RECORD_HEAD, key + value, want, err);
		at += RECORD_HEAD + key + value;
		w->records++;
	}
	if (r == 0 && w->records != w->blob->count)
		r = bad(w, BLOB_HEADER, "it has another number of blobs than "
			"the MANIFEST says", err);
	return r;
}

int blob_read(struct rocks *rocks, const char *name,
	      const struct rocks_blob *blob, struct err *err)
{
	struct blob_walk w = { .rocks = rocks, .name = name, .blob = blob };
	int r = read_ends(&w, err);

	if (r == 0 && (rocks->own->flags & ROCKS_READ_DATA))
		r = read_records(&w, err);
	return r < 0 ? r : 0;
}
