/* Blocks of a pack, read and proved by several threads, and told of in their order. */
#include "fs/repo/check_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKERS_MAX 8
#define NOTE_ROOM 1200

/* A fault that is not told of yet. */
struct note {
	size_t block, seq;
	char *words;
};

struct work {
	struct check *check;
	const struct pack_index *index;
	const char *path;
	int fd;
	pthread_mutex_t mutex;		/* for all below */
	size_t next;			/* block that nobody reads yet */
	uint64_t bytes_read;
	struct note *notes;
	size_t note_count, note_cap;
	int code;			/* first failure: no memory */
};

static int add_note(struct work *work, size_t block, const char *words)
{
	char text[NOTE_ROOM], *copy;
	int r = -ENOMEM;

	snprintf(text, sizeof(text), "%s at offset %u: %.1000s", work->path,
		 work->index->blocks[block], words);
	copy = strdup(text);
	pthread_mutex_lock(&work->mutex);
	if (copy && work->note_count == work->note_cap) {
		size_t cap = work->note_cap ? 2 * work->note_cap : 16;
		void *more = reallocarray(work->notes, cap,
					  sizeof(*work->notes));

		if (more) {
			work->notes = more;
			work->note_cap = cap;
		}
	}
	if (copy && work->note_count < work->note_cap) {
		work->notes[work->note_count] = (struct note){
			block, work->note_count, copy,
		};
		work->note_count++;
		r = 0;
	}
	pthread_mutex_unlock(&work->mutex);
	if (r < 0)
		free(copy);
	return r;
}

static int prove_block(struct work *work, size_t i, const struct cached *block)
{
	int r = 0;

	for (uint32_t k = 0; r == 0 && k < block->count; k++) {
		struct span bytes = span_of(block->plain.data + block->at[k],
					    block->ids[k].len);
		char words[160];

		if (id_proves(&work->check->repo->key, &block->ids[k], bytes))
			continue;
		snprintf(words, sizeof(words), "object %s does not have the "
			 "bytes its id names", id_hex(&block->ids[k]).s);
		r = add_note(work, i, words);
	}
	return r;
}

static int read_block(struct work *work, size_t i, struct buf *raw)
{
	const struct pack_index *index = work->index;
	struct repo *repo = work->check->repo;
	uint32_t offset = index->blocks[i], stored = index->stored[i];
	struct block_head head;
	struct cached block;
	struct err why = ERR_INIT;
	int r;

	buf_clear(raw);
	if (buf_reserve(raw, stored) < 0)
		return -ENOMEM;
	r = disk_read(&repo->dir, work->path, work->fd, offset, raw->data,
		      stored, &why);
	if (r == 0)
		r = block_parse_head(span_of(raw->data, stored), &head, &why);
	/* sound in itself, but not the block this pack was sealed with */
	if (r == 0 && head.head_sum != index->head_sums[i])
		r = err_corrupt(&why, "another block than its index has");
	if (r == 0)
		r = repo_decode_block(repo, span_of(raw->data, stored), &block,
				      &why);
	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return add_note(work, i, why.text);
	r = prove_block(work, i, &block);
	cached_release_parts(&block);
	return r;
}

/* false: none is left, or one failed. */
static bool take_block(struct work *work, size_t *ret)
{
	bool more;

	pthread_mutex_lock(&work->mutex);
	more = work->code == 0 && work->next < work->index->block_count;
	if (more) {
		*ret = work->next++;
		work->bytes_read += work->index->stored[*ret];
	}
	pthread_mutex_unlock(&work->mutex);
	return more;
}

static void *work_main(void *arg)
{
	OWNED_BUF struct buf raw = BUF_INIT;
	struct work *work = arg;
	size_t i;
	int r = 0;

	while (r == 0 && take_block(work, &i))
		r = read_block(work, i, &raw);
	if (r == 0)
		return NULL;
	pthread_mutex_lock(&work->mutex);
	work->code = r;
	pthread_mutex_unlock(&work->mutex);
	return NULL;
}

/* This thread is one of them, and the only one where there can be no other. */
static void work_all(struct work *work)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	pthread_t thread[WORKERS_MAX];
	size_t count = 0, most = cores > 0 ? (size_t)cores : 1;

	if (most > WORKERS_MAX)
		most = WORKERS_MAX;
	if (most > work->index->block_count)
		most = work->index->block_count;
	while (count + 1 < most &&
	       pthread_create(&thread[count], NULL, work_main, work) == 0)
		count++;
	if (count + 1 > work->check->report->readers)
		work->check->report->readers = count + 1;
	work_main(work);
	while (count > 0)
		pthread_join(thread[--count], NULL);
}

static int note_order(const void *a, const void *b)
{
	const struct note *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int tell(struct work *work, const struct pack_name *name,
		struct err *err)
{
	int r = work->code;

	if (r < 0)
		return err_nomem(err);
	if (work->note_count > 1)
		qsort(work->notes, work->note_count, sizeof(*work->notes),
		      note_order);
	for (size_t i = 0; r == 0 && i < work->note_count; i++)
		r = check_pack_fault(work->check, name->b,
				     work->notes[i].words, err);
	return r;
}

int check_read_blocks(struct check *check, const struct pack_name *name,
		      const struct pack_index *index, const char *path,
		      struct err *err)
{
	struct work work = { .check = check, .index = index, .path = path,
			     .mutex = PTHREAD_MUTEX_INITIALIZER };
	int r = disk_open_read(&check->repo->dir, path, &work.fd, err);

	if (r < 0)
		return r;
	work_all(&work);
	close(work.fd);
	check->report->bytes_read += work.bytes_read;
	r = tell(&work, name, err);
	if (r == 0 && work.note_count == 0)
		r = names_push(&check->whole, name->b, err);
	for (size_t i = 0; i < work.note_count; i++)
		free(work.notes[i].words);
	free(work.notes);
	return r;
}
