#include "fs/repo/id_batch.h"

#include <stdlib.h>

int id_batch_init(struct id_batch *batch, id_batch_each *each, void *arg,
		  struct err *err)
{
	*batch = (struct id_batch){ .each = each, .arg = arg };
	batch->id = calloc(ID_BATCH, sizeof(*batch->id));
	return batch->id ? 0 : err_nomem(err);
}

void id_batch_release(struct id_batch *batch)
{
	free(batch->id);
	*batch = (struct id_batch){ .id = NULL };
}

static int order(const void *a, const void *b)
{
	return hash_cmp(((const struct id *)a)->hash,
			((const struct id *)b)->hash, ID_HASH);
}

int id_batch_flush(struct id_batch *batch, struct err *err)
{
	int r = 0;

	if (batch->count > 0)
		qsort(batch->id, batch->count, sizeof(*batch->id), order);
	for (size_t i = 0; r == 0 && i < batch->count; i++)
		r = batch->each(batch->arg, &batch->id[i], err);
	batch->count = 0;
	return r;
}

int id_batch_put(struct id_batch *batch, const struct id *id, struct err *err)
{
	batch->id[batch->count++] = *id;
	return batch->count < ID_BATCH ? 0 : id_batch_flush(batch, err);
}
