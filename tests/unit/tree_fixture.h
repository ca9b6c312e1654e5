/*
 * tree_fixture: what the tests of fs/tree have in common: entries to begin
 * with, random numbers that are the same each time, bytes with bits flipped.
 */
#ifndef VARVE_TREE_FIXTURE_H
#define VARVE_TREE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fs/tree/view.h"
#include "memory_repo.h"

#define assert_ok(call)							\
	do {								\
		int r_ = (call);					\
		if (r_ < 0)						\
			fail_msg("%s: %d: %s", #call, r_, err.text);	\
	} while (0)

static inline uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static inline struct entry plain_entry(const char *name,
				       enum entry_type type)
{
	struct entry entry = { .name = span_str(name), .type = type,
			       .mode = type == ENTRY_DIR ? 0755 : 0644 };

	entry.mtime.s = 1611343651;
	return entry;
}

/* A file of one chunk with text. */
static inline struct entry text_entry(struct deposit *deposit,
				      const char *name, const char *text)
{
	struct entry entry = plain_entry(name, ENTRY_FILE);
	struct extent *extent = &entry.content.extent[0];

	entry.size = strlen(text);
	if (entry.size == 0)
		return entry;
	entry.content.count = 1;
	extent->type = EXTENT_CHUNK;
	extent->len = entry.size;
	assert_int_equal(deposit_chunk(deposit, CHUNK_SMALL, span_str(text),
				       &extent->id, NULL), 0);
	return entry;
}

static inline struct id fake_id(uint64_t n, uint32_t len, bool meta)
{
	struct id id = { .len = len, .nth = meta ? ID_META : 0 };
	uint64_t state = n;

	put_le64(id.hash, rnd(&state));
	put_le64(id.hash + 8, rnd(&state));
	return id;
}

/* A copy of bytes in memory of exactly its size, so that a sanitizer sees
 * any read behind it; some bits flipped, bytes set, or the end cut off. */
static inline struct buf mutate(struct span bytes, uint64_t *state)
{
	struct buf out = BUF_INIT;
	size_t len = bytes.len;
	unsigned n = 1 + (unsigned)(rnd(state) % 4);

	if (rnd(state) % 8 == 0 && len > 1)
		len = 1 + rnd(state) % (len - 1);
	out.data = malloc(len);
	assert_non_null(out.data);
	memcpy(out.data, bytes.data, len);
	out.len = out.cap = len;
	while (n--) {
		size_t at = rnd(state) % len;

		if (rnd(state) % 2)
			out.data[at] ^= (uint8_t)(1u << rnd(state) % 8);
		else
			out.data[at] = (uint8_t)rnd(state);
	}
	return out;
}

static inline void assert_span_equal(struct span got, struct span want)
{
	assert_int_equal(got.len, want.len);
	if (want.len)
		assert_memory_equal(got.data, want.data, want.len);
}

static inline void assert_id_equal(const struct id *got,
				   const struct id *want)
{
	assert_string_equal(id_hex(got).s, id_hex(want).s);
}

#endif
