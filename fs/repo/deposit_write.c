#include "fs/repo/deposit_internal.h"

#include <stdlib.h>

void block_job_free(struct block_job *job)
{
	if (!job)
		return;
	for (uint32_t i = 0; i < job->count; i++)
		free(job->pends[i]);
	free(job->pends);
	buf_release(&job->plain);
	free(job);
}

void open_pack_free(struct open_pack *pack)
{
	if (!pack)
		return;
	while (pack->blocks) {
		struct block_job *next = pack->blocks->next;

		block_job_free(pack->blocks);
		pack->blocks = next;
	}
	pack_writer_free(pack->writer);
	free(pack);
}

static void fail(struct deposit *deposit, int r, const struct err *err)
{
	pthread_mutex_lock(&deposit->mutex);
	if (deposit->failed == 0) {
		deposit->failed = r;
		deposit->failure = *err;
	}
	pthread_cond_broadcast(&deposit->done);
	pthread_mutex_unlock(&deposit->mutex);
}

static int begin_pack(struct deposit *deposit, enum file_kind file,
		      struct err *err)
{
	struct repo *repo = deposit->repo;
	struct open_pack *pack = calloc(1, sizeof(*pack));
	int r;

	if (!pack)
		return err_nomem(err);
	pack->cache_key = OPEN_PACK_BASE |
		(__atomic_fetch_add(&repo->open_packs, 1, __ATOMIC_RELAXED) &
		 ~OPEN_PACK_BASE);
	r = pack_create(&repo->dir, file == FILE_META ? PACK_META : PACK_DATA,
			buf_span(&repo->conf.text), &pack->writer, err);
	if (r < 0) {
		free(pack);
		return r;
	}
	deposit->file[file].pack = pack;
	return 0;
}

/* With the turn held; the file's pack is nobody else's meanwhile. */
static int append(struct deposit *deposit, struct block_job *job,
		  struct span block, const struct id *ids,
		  struct open_pack **ret_full, struct err *err)
{
	struct lane_file *file = &deposit->file[job->file];
	uint64_t target = deposit_pack_bytes(deposit, job->file);
	struct open_pack *pack;
	int r;

	/* its place in the index counted roughly */
	r = deposit_check_room(deposit, block.len + 64 * (uint64_t)job->count,
			       err);
	if (r == 0 && !file->pack)
		r = begin_pack(deposit, job->file, err);
	if (r < 0)
		return r;
	pack = file->pack;
	r = pack_append(pack->writer, block, ids, job->count, &job->offset,
			err);
	if (r < 0)
		return r;
	pthread_mutex_lock(&deposit->mutex);
	job->stored = (uint32_t)block.len;
	job->pack = pack;
	job->next = pack->blocks;
	pack->blocks = job;
	pack->objects += job->count;
	buf_release(&job->plain);
	deposit->stored_bytes += block.len;
	deposit->blocks++;
	deposit->raw_blocks += block_codec(block) == BLOCK_RAW;
	deposit->column_blocks += block_codec(block) == BLOCK_COLUMNS;
	deposit->leaning_blocks += block_codec(block) == BLOCK_ZSTD_PREFIX;
	if (pack_size(pack->writer) >= target ||
	    pack->objects >= PACK_OBJECTS) {
		file->pack = NULL;
		deposit->sealing++;
		*ret_full = pack;
	}
	pthread_mutex_unlock(&deposit->mutex);
	return 0;
}

static int encode(struct deposit *deposit, struct packer *packer,
		  const struct block_job *job, struct id **ret_ids,
		  struct buf *block, struct err *err)
{
	struct prefix prefix = { .count = 0 };
	struct id *ids = calloc(job->count, sizeof(*ids));
	int r;

	if (!ids)
		return err_nomem(err);
	for (uint32_t i = 0; i < job->count; i++)
		ids[i] = job->pends[i]->id;
	packer_set_level(packer, job->level);
	r = deposit_gather_prefix(deposit, job, &prefix, err);
	if (r == 0)
		r = block_encode(packer, ids, job->count,
				 buf_span(&job->plain), prefix.ids,
				 prefix.count, buf_span(&prefix.bytes), block,
				 err);
	buf_release(&prefix.bytes);
	if (r < 0)
		free(ids);
	else
		*ret_ids = ids;
	return r;
}

static void wait_turn(struct deposit *deposit, struct block_job *job)
{
	pthread_mutex_lock(&deposit->mutex);
	while (deposit->file[job->file].turn != job->ticket)
		pthread_cond_wait(&deposit->done, &deposit->mutex);
	pthread_mutex_unlock(&deposit->mutex);
}

static void pass_turn(struct deposit *deposit, enum file_kind file)
{
	pthread_mutex_lock(&deposit->mutex);
	deposit->file[file].turn++;
	deposit->queued--;
	pthread_cond_broadcast(&deposit->done);
	pthread_mutex_unlock(&deposit->mutex);
}

static bool has_failed(struct deposit *deposit)
{
	bool failed;

	pthread_mutex_lock(&deposit->mutex);
	failed = deposit->failed < 0;
	pthread_mutex_unlock(&deposit->mutex);
	return failed;
}

static void write_block(struct deposit *deposit, struct packer *packer,
			struct block_job *job)
{
	OWNED_BUF struct buf block = BUF_INIT;
	struct err err = ERR_INIT;
	struct open_pack *full = NULL;
	struct id *ids = NULL;
	enum file_kind file = job->file;
	int r = -ECANCELED;

	if (!has_failed(deposit))
		r = encode(deposit, packer, job, &ids, &block, &err);
	wait_turn(deposit, job);
	if (r == 0)
		r = append(deposit, job, buf_span(&block), ids, &full, &err);
	free(ids);
	if (r < 0 && r != -ECANCELED)
		fail(deposit, r, &err);
	if (r < 0 && !job->pack) {
		pthread_mutex_lock(&deposit->mutex);
		deposit_forget_block(deposit, job);
		pthread_mutex_unlock(&deposit->mutex);
		block_job_free(job);
	}
	pass_turn(deposit, file);
	if (!full)
		return;
	r = deposit_seal(deposit, full, file, &err);
	if (r < 0)
		fail(deposit, r, &err);
	pthread_mutex_lock(&deposit->mutex);
	deposit->sealing--;
	pthread_cond_broadcast(&deposit->done);
	pthread_mutex_unlock(&deposit->mutex);
}

static struct block_job *take_job(struct deposit *deposit)
{
	struct block_job *job;

	pthread_mutex_lock(&deposit->mutex);
	while (!deposit->queue && !deposit->stop)
		pthread_cond_wait(&deposit->work, &deposit->mutex);
	job = deposit->queue;
	if (job) {
		deposit->queue = job->next;
		if (!deposit->queue)
			deposit->queue_tail = &deposit->queue;
		job->next = NULL;
	}
	pthread_mutex_unlock(&deposit->mutex);
	return job;
}

static void *worker_main(void *arg)
{
	struct deposit *deposit = arg;
	struct packer *packer = packer_new(deposit->level);
	struct err err = ERR_INIT;
	struct block_job *job;

	if (!packer)
		fail(deposit, err_nomem(&err), &err);
	while ((job = take_job(deposit)) != NULL)
		write_block(deposit, packer, job);
	packer_free(packer);
	return NULL;
}

int deposit_start_workers(struct deposit *deposit, unsigned count,
			  struct err *err)
{
	for (; deposit->workers < count; deposit->workers++) {
		errno = pthread_create(&deposit->thread[deposit->workers],
				       NULL, worker_main, deposit);
		if (errno && deposit->workers == 0)
			return err_sys(err, "cannot start a thread");
		if (errno)
			break;
	}
	return 0;
}

void deposit_stop_workers(struct deposit *deposit)
{
	pthread_mutex_lock(&deposit->mutex);
	deposit->stop = true;
	/* what is queued is encoded no more */
	if (deposit->failed == 0)
		deposit->failed = -ECANCELED;
	pthread_cond_broadcast(&deposit->work);
	pthread_mutex_unlock(&deposit->mutex);
	while (deposit->workers > 0)
		pthread_join(deposit->thread[--deposit->workers], NULL);
}

int deposit_queue(struct deposit *deposit, struct block_job *job,
		  struct err *err)
{
	unsigned most = 2 * deposit->workers + 2;
	int r;

	pthread_mutex_lock(&deposit->mutex);
	while (deposit->queued >= most && deposit->failed == 0)
		pthread_cond_wait(&deposit->done, &deposit->mutex);
	r = deposit->failed;
	if (r == 0) {
		job->ticket = deposit->file[job->file].tickets++;
		job->next = NULL;
		*deposit->queue_tail = job;
		deposit->queue_tail = &job->next;
		deposit->queued++;
		pthread_cond_signal(&deposit->work);
	} else {
		deposit_forget_block(deposit, job);
		if (err)
			*err = deposit->failure;
	}
	pthread_mutex_unlock(&deposit->mutex);
	if (r < 0)
		block_job_free(job);
	return r;
}

static struct open_pack *take_pack(struct deposit *deposit,
				   enum file_kind file)
{
	struct open_pack *pack;

	pthread_mutex_lock(&deposit->mutex);
	pack = deposit->file[file].pack;
	deposit->file[file].pack = NULL;
	pthread_mutex_unlock(&deposit->mutex);
	return pack;
}

int deposit_finish_files(struct deposit *deposit, struct err *err)
{
	int r;

	pthread_mutex_lock(&deposit->mutex);
	while (deposit->queued > 0 || deposit->sealing > 0)
		pthread_cond_wait(&deposit->done, &deposit->mutex);
	r = deposit->failed;
	if (r < 0 && err)
		*err = deposit->failure;
	pthread_mutex_unlock(&deposit->mutex);
	for (int i = 0; r == 0 && i < FILES; i++) {
		struct open_pack *pack = take_pack(deposit,
						   (enum file_kind)i);

		if (pack)
			r = deposit_seal(deposit, pack, (enum file_kind)i,
					 err);
	}
	return r;
}
