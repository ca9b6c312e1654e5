#include "fs/base/sorter.h"

#include <stdlib.h>

#include "fs/base/bytes.h"
#include "fs/base/id.h"

#define KEY_MAX (1u << 20)
#define VALUE_MAX (16u << 20)
#define ARENA_MIN (64 * 1024)

/*
 * A run is a stream of records, cut into blocks without regard to them:
 *
 *     record: u32 key length | u32 value length | key | value
 *     block:  u64 sum64 of the payload | payload, BLOCK bytes (the last: less)
 */
#define RECORD_HEAD 8
#define BLOCK (64 * 1024)
#define BLOCK_HEAD 8

/*
 * So many runs of one level become one of the next, which keeps the open files
 * at FAN a level and writes each record once a level.
 */
#define FAN 32

/* Where a record lies in the arena, and the first bytes of its key as a big-
 * endian number, which settle most comparisons. */
struct slot {
	uint64_t prefix;
	size_t offset;
};

struct run {
	int fd;
	unsigned level;
	uint64_t size;		/* of the stream, without block heads */
};

/* A run being written, or read from its beginning. */
struct run_io {
	struct run *run;
	unsigned age;		/* the run's place among its like */
	uint64_t offset;	/* in the file, of the next block */
	uint64_t left;		/* of the stream behind this block (reading) */
	uint8_t *block;		/* BLOCK_HEAD + BLOCK */
	size_t at;
	size_t end;
	struct buf record;	/* key and value */
	size_t key_len;
};

struct merge {
	struct run_io *inputs;
	size_t count;
	struct run_io **heap;	/* smallest first */
	size_t live;
	bool begun;
};

struct sorter {
	struct disk_dir *dir;
	size_t budget;
	uint8_t *arena;
	size_t used;
	size_t cap;
	struct slot *slots;
	size_t slot_count;
	size_t slot_cap;
	struct run *runs;	/* oldest first; levels never rise */
	size_t run_count;
	size_t run_cap;
	uint64_t count;
	unsigned written;
	bool sorted;
	size_t next;		/* slot to give out, where there are no runs */
	struct merge *merge;
};

struct sorter *sorter_new(struct disk_dir *dir, size_t budget)
{
	struct sorter *sorter = calloc(1, sizeof(*sorter));

	if (!sorter)
		return NULL;
	sorter->dir = dir;
	sorter->budget = budget;
	return sorter;
}

static void merge_free(struct merge *merge)
{
	if (!merge)
		return;
	for (size_t i = 0; i < merge->count; i++) {
		free(merge->inputs[i].block);
		buf_release(&merge->inputs[i].record);
	}
	free(merge->inputs);
	free(merge->heap);
	free(merge);
}

static void merge_release(struct merge **merge)
{
	merge_free(*merge);
}

static void drop_arena(struct sorter *sorter)
{
	free(sorter->arena);
	free(sorter->slots);
	sorter->arena = NULL;
	sorter->slots = NULL;
	sorter->used = sorter->cap = 0;
	sorter->slot_count = sorter->slot_cap = 0;
}

void sorter_free(struct sorter *sorter)
{
	if (!sorter)
		return;
	merge_free(sorter->merge);
	for (size_t i = 0; i < sorter->run_count; i++)
		disk_close_fd(&sorter->runs[i].fd);
	free(sorter->runs);
	drop_arena(sorter);
	free(sorter);
}

uint64_t sorter_count(const struct sorter *sorter)
{
	return sorter->count;
}

unsigned sorter_runs(const struct sorter *sorter)
{
	return sorter->written;
}

/* ---- one run ---- */

static int io_init(struct run_io *io, struct run *run, unsigned age,
		   struct err *err)
{
	*io = (struct run_io){ .run = run, .age = age, .left = run->size };
	io->block = malloc(BLOCK_HEAD + BLOCK);
	return io->block ? 0 : err_nomem(err);
}

static void io_release(struct run_io *io)
{
	free(io->block);
	buf_release(&io->record);
}

static int write_block(struct sorter *sorter, struct run_io *io,
		       struct err *err)
{
	int r;

	if (io->at == 0)
		return 0;
	put_le64(io->block, sum64(span_of(io->block + BLOCK_HEAD, io->at)));
	r = disk_write(sorter->dir, DISK_TEMP, io->run->fd, io->offset,
		       span_of(io->block, BLOCK_HEAD + io->at), err);
	if (r < 0)
		return r;
	io->offset += BLOCK_HEAD + io->at;
	io->run->size += io->at;
	io->at = 0;
	return 0;
}

static int write_bytes(struct sorter *sorter, struct run_io *io,
		       const uint8_t *data, size_t len, struct err *err)
{
	while (len > 0) {
		size_t n = BLOCK - io->at;
		int r;

		if (n > len)
			n = len;
		memcpy(io->block + BLOCK_HEAD + io->at, data, n);
		io->at += n;
		data += n;
		len -= n;
		r = io->at == BLOCK ? write_block(sorter, io, err) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

static int other_bytes(struct sorter *sorter, struct err *err)
{
	return err_set(err, -EIO, "a temporary file in '%s/tmp' gives back "
		       "other bytes than were written", sorter->dir->path);
}

static int read_block(struct sorter *sorter, struct run_io *io,
		      struct err *err)
{
	size_t len = io->left < BLOCK ? (size_t)io->left : BLOCK;
	int r;

	if (len == 0)
		return other_bytes(sorter, err);
	r = disk_read(sorter->dir, DISK_TEMP, io->run->fd, io->offset,
		      io->block, BLOCK_HEAD + len, err);
	if (r == -EBADMSG)
		return other_bytes(sorter, err);
	if (r < 0)
		return r;
	if (get_le64(io->block) !=
	    sum64(span_of(io->block + BLOCK_HEAD, len)))
		return other_bytes(sorter, err);
	io->offset += BLOCK_HEAD + len;
	io->left -= len;
	io->at = 0;
	io->end = len;
	return 0;
}

static int read_bytes(struct sorter *sorter, struct run_io *io, uint8_t *out,
		      size_t len, struct err *err)
{
	while (len > 0) {
		size_t n = io->end - io->at;
		int r;

		if (n == 0) {
			r = read_block(sorter, io, err);
			if (r < 0)
				return r;
			continue;
		}
		if (n > len)
			n = len;
		memcpy(out, io->block + BLOCK_HEAD + io->at, n);
		io->at += n;
		out += n;
		len -= n;
	}
	return 0;
}

/* 1 and the next record in io->record, 0 at the run's end. */
static int read_record(struct sorter *sorter, struct run_io *io,
		       struct err *err)
{
	uint8_t head[RECORD_HEAD];
	size_t key_len, value_len;
	int r;

	if (io->left == 0 && io->at == io->end)
		return 0;
	r = read_bytes(sorter, io, head, sizeof(head), err);
	if (r < 0)
		return r;
	key_len = get_le32(head);
	value_len = get_le32(head + 4);
	if (key_len > KEY_MAX || value_len > VALUE_MAX)
		return other_bytes(sorter, err);
	buf_clear(&io->record);
	if (buf_reserve(&io->record, key_len + value_len + 1) < 0)
		return err_nomem(err);
	r = read_bytes(sorter, io, io->record.data, key_len + value_len, err);
	if (r < 0)
		return r;
	io->key_len = key_len;
	io->record.len = key_len + value_len;
	return 1;
}

static struct span io_key(const struct run_io *io)
{
	return span_of(io->record.data, io->key_len);
}

static struct span io_value(const struct run_io *io)
{
	return span_of(io->record.data + io->key_len,
		       io->record.len - io->key_len);
}

/* ---- merging ---- */

static bool before(const struct run_io *a, const struct run_io *b)
{
	int c = span_cmp(io_key(a), io_key(b));

	return c ? c < 0 : a->age < b->age;
}

static void sift_down(struct merge *merge, size_t i)
{
	struct run_io **heap = merge->heap;

	for (;;) {
		size_t least = i;
		struct run_io *t = heap[i];

		for (size_t k = 2 * i + 1; k <= 2 * i + 2; k++)
			if (k < merge->live && before(heap[k], heap[least]))
				least = k;
		if (least == i)
			return;
		heap[i] = heap[least];
		heap[least] = t;
		i = least;
	}
}

static int merge_new(struct sorter *sorter, struct run *runs, size_t count,
		     struct merge **ret, struct err *err)
{
	CLEANUP(merge_release) struct merge *merge = calloc(1, sizeof(*merge));
	int r;

	if (!merge)
		return err_nomem(err);
	merge->inputs = calloc(count, sizeof(*merge->inputs));
	merge->heap = calloc(count, sizeof(struct run_io *));
	if (!merge->inputs || !merge->heap)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		struct run_io *io = &merge->inputs[i];

		merge->count++;
		r = io_init(io, &runs[i], (unsigned)i, err);
		if (r < 0)
			return r;
		r = read_record(sorter, io, err);
		if (r < 0)
			return r;
		if (r > 0)
			merge->heap[merge->live++] = io;
	}
	for (size_t i = merge->live / 2; i-- > 0;)
		sift_down(merge, i);
	*ret = merge;
	merge = NULL;
	return 0;
}

/* 1 and the next record's owner, 0 at the end.  What was given out last is
 * overwritten only now. */
static int merge_next(struct sorter *sorter, struct merge *merge,
		      struct run_io **ret, struct err *err)
{
	int r;

	if (merge->begun && merge->live > 0) {
		r = read_record(sorter, merge->heap[0], err);
		if (r < 0)
			return r;
		if (r == 0)
			merge->heap[0] = merge->heap[--merge->live];
		if (merge->live > 0)
			sift_down(merge, 0);
	}
	merge->begun = true;
	if (merge->live == 0)
		return 0;
	*ret = merge->heap[0];
	return 1;
}

/* ---- from memory to runs ---- */

static int compare_slots(const void *a, const void *b, void *arg)
{
	const struct slot *x = a, *y = b;
	const uint8_t *arena = arg;
	const uint8_t *p = arena + x->offset, *q = arena + y->offset;
	int c;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	c = span_cmp(span_of(p + RECORD_HEAD, get_le32(p)),
		     span_of(q + RECORD_HEAD, get_le32(q)));
	if (c)
		return c;
	/* The arena is filled in order: this keeps the sort stable. */
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static void sort_slots(struct sorter *sorter)
{
	if (sorter->slot_count > 1)
		qsort_r(sorter->slots, sorter->slot_count,
			sizeof(*sorter->slots), compare_slots, sorter->arena);
}

/* A new empty run behind those there are. */
static int add_run(struct sorter *sorter, unsigned level, struct run *ret,
		   struct err *err)
{
	size_t cap = sorter->run_cap ? 2 * sorter->run_cap : 2 * FAN;
	struct run *runs;

	if (sorter->run_count == sorter->run_cap) {
		runs = reallocarray(sorter->runs, cap, sizeof(*runs));
		if (!runs)
			return err_nomem(err);
		sorter->runs = runs;
		sorter->run_cap = cap;
	}
	*ret = (struct run){ .fd = -1, .level = level };
	sorter->written++;
	return disk_open_temp(sorter->dir, &ret->fd, err);
}

static int write_slots(struct sorter *sorter, struct run_io *io,
		       struct err *err)
{
	int r = 0;

	for (size_t i = 0; i < sorter->slot_count && r == 0; i++) {
		const uint8_t *p = sorter->arena + sorter->slots[i].offset;
		size_t len = RECORD_HEAD + (size_t)get_le32(p) +
			     get_le32(p + 4);

		r = write_bytes(sorter, io, p, len, err);
	}
	return r < 0 ? r : write_block(sorter, io, err);
}

static int write_merged(struct sorter *sorter, struct merge *merge,
			struct run_io *out, struct err *err)
{
	uint8_t head[RECORD_HEAD];
	struct run_io *io;
	int r;

	while ((r = merge_next(sorter, merge, &io, err)) > 0) {
		put_le32(head, (uint32_t)io->key_len);
		put_le32(head + 4, (uint32_t)(io->record.len - io->key_len));
		r = write_bytes(sorter, out, head, sizeof(head), err);
		if (r == 0)
			r = write_bytes(sorter, out, io->record.data,
					io->record.len, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : write_block(sorter, out, err);
}

/* The newest FAN runs, all of one level, become one of the next. */
static int merge_newest(struct sorter *sorter, struct err *err)
{
	CLEANUP(merge_release) struct merge *merge = NULL;
	CLEANUP(io_release) struct run_io out = { .run = NULL };
	size_t first = sorter->run_count - FAN;
	struct run *from, run;
	int r;

	r = add_run(sorter, sorter->runs[first].level + 1, &run, err);
	if (r < 0)
		return r;
	from = &sorter->runs[first];
	r = io_init(&out, &run, 0, err);
	if (r == 0)
		r = merge_new(sorter, from, FAN, &merge, err);
	if (r == 0)
		r = write_merged(sorter, merge, &out, err);
	if (r < 0) {
		disk_close_fd(&run.fd);
		return r;
	}
	for (size_t i = 0; i < FAN; i++)
		disk_close_fd(&from[i].fd);
	*from = run;
	sorter->run_count = first + 1;
	return 0;
}

static bool is_full(const struct sorter *sorter)
{
	const struct run *runs = sorter->runs;
	size_t n = sorter->run_count;

	return n >= FAN && runs[n - FAN].level == runs[n - 1].level;
}

/* What is in memory becomes a run. */
static int spill(struct sorter *sorter, struct err *err)
{
	CLEANUP(io_release) struct run_io out = { .run = NULL };
	struct run run;
	int r;

	r = add_run(sorter, 0, &run, err);
	if (r < 0)
		return r;
	sort_slots(sorter);
	r = io_init(&out, &run, 0, err);
	if (r == 0)
		r = write_slots(sorter, &out, err);
	if (r < 0) {
		disk_close_fd(&run.fd);
		return r;
	}
	sorter->runs[sorter->run_count++] = run;
	sorter->used = 0;
	sorter->slot_count = 0;
	while (r == 0 && is_full(sorter))
		r = merge_newest(sorter, err);
	return r;
}

/* Room for one more record: no more than the budget, unless it alone is. */
static int grow_arena(struct sorter *sorter, size_t need, struct err *err)
{
	size_t cap = sorter->cap ? 2 * sorter->cap : ARENA_MIN;
	uint8_t *arena;

	if (sorter->used + need <= sorter->cap)
		return 0;
	if (cap > sorter->budget)
		cap = sorter->budget;
	if (cap < sorter->used + need)
		cap = sorter->used + need;
	arena = realloc(sorter->arena, cap);
	if (!arena)
		return err_nomem(err);
	sorter->arena = arena;
	sorter->cap = cap;
	return 0;
}

static int grow_slots(struct sorter *sorter, struct err *err)
{
	size_t cap = sorter->slot_cap ? 2 * sorter->slot_cap : 1024;
	struct slot *slots;

	if (sorter->slot_count < sorter->slot_cap)
		return 0;
	slots = reallocarray(sorter->slots, cap, sizeof(*slots));
	if (!slots)
		return err_nomem(err);
	sorter->slots = slots;
	sorter->slot_cap = cap;
	return 0;
}

static uint64_t prefix_of(struct span key)
{
	uint64_t v = 0;

	for (size_t i = 0; i < 8; i++)
		v = v << 8 | (i < key.len ? key.data[i] : 0);
	return v;
}

/* Sorting needs the slots twice. */
static bool is_over(const struct sorter *sorter, size_t need)
{
	size_t slots = 2 * sizeof(struct slot) * (sorter->slot_count + 1);

	return sorter->slot_count > 0 &&
	       sorter->used + need + slots > sorter->budget;
}

int sorter_put(struct sorter *sorter, struct span key, struct span value,
	       struct err *err)
{
	size_t need = RECORD_HEAD + key.len + value.len;
	uint8_t *at;
	int r = 0;

	if (sorter->sorted || key.len > KEY_MAX || value.len > VALUE_MAX)
		return err_set(err, -EINVAL, "cannot sort a record of "
			       "%zu + %zu bytes", key.len, value.len);
	if (is_over(sorter, need))
		r = spill(sorter, err);
	if (r == 0)
		r = grow_arena(sorter, need, err);
	if (r == 0)
		r = grow_slots(sorter, err);
	if (r < 0)
		return r;
	at = sorter->arena + sorter->used;
	put_le32(at, (uint32_t)key.len);
	put_le32(at + 4, (uint32_t)value.len);
	if (key.len > 0)
		memcpy(at + RECORD_HEAD, key.data, key.len);
	if (value.len > 0)
		memcpy(at + RECORD_HEAD + key.len, value.data, value.len);
	sorter->slots[sorter->slot_count++] = (struct slot){
		.prefix = prefix_of(key), .offset = sorter->used };
	sorter->used += need;
	sorter->count++;
	return 0;
}

/* ---- giving back ---- */

int sorter_rewind(struct sorter *sorter, struct err *err)
{
	int r;

	if (!sorter->sorted && sorter->run_count == 0)
		sort_slots(sorter);
	if (!sorter->sorted && sorter->run_count > 0) {
		r = sorter->slot_count > 0 ? spill(sorter, err) : 0;
		if (r < 0)
			return r;
		drop_arena(sorter);
	}
	sorter->sorted = true;
	sorter->next = 0;
	merge_free(sorter->merge);
	sorter->merge = NULL;
	if (sorter->run_count == 0)
		return 0;
	return merge_new(sorter, sorter->runs, sorter->run_count,
			 &sorter->merge, err);
}

int sorter_next(struct sorter *sorter, struct span *ret_key,
		struct span *ret_value, struct err *err)
{
	struct run_io *io;
	const uint8_t *p;
	int r;

	if (!sorter->sorted || (sorter->run_count > 0 && !sorter->merge))
		return err_set(err, -EINVAL, "records are read before they "
			       "are sorted");
	if (sorter->merge) {
		r = merge_next(sorter, sorter->merge, &io, err);
		if (r <= 0)
			return r;
		*ret_key = io_key(io);
		*ret_value = io_value(io);
		return 1;
	}
	if (sorter->next == sorter->slot_count)
		return 0;
	p = sorter->arena + sorter->slots[sorter->next++].offset;
	*ret_key = span_of(p + RECORD_HEAD, get_le32(p));
	*ret_value = span_of(p + RECORD_HEAD + get_le32(p), get_le32(p + 4));
	return 1;
}
