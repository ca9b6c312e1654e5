#include "fs/repo/prune_internal.h"

#include <stdlib.h>

/* Written before what it replaces is removed: so much room is needed, and so
 * much is done again after a kill.  Each batch asks of all chunks whether they
 * are still needed. */
#define BATCHES 64
#define BATCH_PACKS 4		/* at least */
#define BATCH_MOST (256u << 20)

struct move {
	struct prune *prune;
	struct deposit *deposit;
	struct prune_pack *pack;
	uint64_t *rows;		/* moved, for when they are durable */
	size_t count, cap;
	uint64_t live;		/* bytes moved of this pack */
};

static int note_row(struct move *move, uint64_t row, struct err *err)
{
	if (move->count == move->cap) {
		size_t cap = move->cap ? 2 * move->cap : 1024;
		void *more = reallocarray(move->rows, cap,
					  sizeof(*move->rows));

		if (!more)
			return err_nomem(err);
		move->rows = more;
		move->cap = cap;
	}
	move->rows[move->count++] = row;
	return 0;
}

/* 1: alive here, at *ret_row. */
static int is_alive(struct move *move, const struct pack_entry *entry,
		    uint64_t *ret_row, struct err *err)
{
	struct place places[PLACES_MAX];
	uint64_t rows[PLACES_MAX];
	size_t count = 0;
	int r = catalog_find_rows(move->prune->mark.frozen, &entry->id, places,
				  rows, PLACES_MAX, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (places[i].pack != move->pack->number ||
		    places[i].offset != entry->block ||
		    places[i].at != entry->at)
			continue;
		*ret_row = rows[i];
		return mark_has(&move->prune->mark, rows[i]);
	}
	return r;
}

/* -EBADMSG, -EIO: it cannot be read. */
static int move_entry(struct move *move, const struct pack_entry *entry,
		      uint32_t block, struct err *err)
{
	const struct place place = { move->pack->number, entry->block,
				     entry->stored, entry->at };
	OWNED_HELD struct held held = HELD_INIT;
	uint64_t row = 0;
	int r = is_alive(move, entry, &row, err);

	if (r <= 0)
		return r;
	r = repo_get_at(move->prune->repo, &place, &entry->id, &held, err);
	if (r == 0)
		r = deposit_move(move->deposit, &entry->id, held.bytes, block,
				 err);
	move->live += r == 0 ? entry->id.len : 0;
	return r < 0 ? r : note_row(move, row, err);
}

static uint32_t plain_of_block(const struct pack_index *index, size_t from)
{
	uint32_t plain = 0;

	for (size_t i = from; i < index->count &&
	     index->entries[i].block == index->entries[from].block; i++)
		plain += index->entries[i].id.len;
	return plain;
}

static int move_pack(struct move *move, struct err *err)
{
	struct pack_index index = { 0 };
	struct pack_name name;
	uint32_t plain = 0;
	int r;

	memcpy(name.b, move->pack->name, PACK_NAME);
	r = pack_read_index(&move->prune->repo->dir, &name, &index, err);
	for (size_t i = 0; r >= 0 && i < index.count; i++) {
		if (i == 0 ||
		    index.entries[i].block != index.entries[i - 1].block)
			plain = plain_of_block(&index, i);
		r = move_entry(move, &index.entries[i], plain, err);
	}
	pack_index_release(&index);
	return r < 0 ? r : 0;
}

static bool is_damage(int r)
{
	return r == -EBADMSG || r == -EIO || r == -ENOENT || r == -ENODATA;
}

/* What was read before the damage is moved; the pack stays with the rest. */
static int move_one(struct move *move, struct prune_pack *pack,
		    struct err *err)
{
	struct prune *prune = move->prune;
	struct err why = ERR_INIT;
	int r;

	move->pack = pack;
	move->live = 0;
	r = move_pack(move, &why);
	if (is_damage(r) || (r == 0 && move->live != pack->live)) {
		pack->fate = FATE_STAYS;
		prune->report->packs_damaged++;
		return 0;
	}
	if (r < 0) {
		*err = why;
		return r;
	}
	pack->moving = true;
	return 0;
}

static uint64_t batch_bytes(const struct move *move)
{
	uint64_t least = BATCH_PACKS * deposit_pack_bytes(move->deposit,
							  FILE_DATA);
	uint64_t bytes = move->prune->report->bytes_before / BATCHES;

	return bytes < least ? least : bytes > BATCH_MOST ? BATCH_MOST : bytes;
}

/* Where room is scarce, one at a time: an estimate that was wrong has then left
 * nothing behind. */
static int move_some(struct move *move, size_t from, uint64_t room,
		     struct err *err)
{
	struct prune *prune = move->prune;
	uint64_t most = batch_bytes(move), bytes = 0;
	int r = 0;

	if (most > room / 2)
		most = room / 2;
	for (size_t i = from; r == 0 && i < prune->pack_count &&
	     (i == from || bytes < most) && !prune_stopped(prune); i++) {
		struct prune_pack *pack = &prune->pack[i];
		uint64_t need = room_for(pack);

		if (pack->fate != FATE_MOVES || pack->moved ||
		    need > room - bytes)
			continue;
		prune_progress(prune, PRUNE_REPACK, i, prune->pack_count);
		bytes += need;
		r = move_one(move, pack, err);
		prune->next = i + 1;
	}
	return r;
}

/* What was moved is durable; or none of it counts. */
static void end_batch(struct prune *prune, size_t from, bool done)
{
	for (size_t i = from; i < prune->next; i++) {
		struct prune_pack *pack = &prune->pack[i];

		if (pack->moving && done) {
			pack->empty = pack->moved = true;
			prune->report->packs_repacked++;
		}
		pack->moving = false;
	}
}

int repack_some(struct prune *prune, size_t from, uint64_t room,
		struct err *err)
{
	/* what it needs it gives back many times */
	const struct deposit_options options = { .use_all = true };
	struct move move = { .prune = prune };
	struct deposit_stats stats;
	int r;

	r = deposit_begin(prune->repo, &options, &move.deposit, err);
	if (r == 0)
		r = move_some(&move, from, room, err);
	if (r == 0)
		r = deposit_drain(move.deposit, err);
	for (size_t i = 0; r == 0 && i < move.count; i++)
		r = bits_set(&prune->moved, move.rows[i], err);
	end_batch(prune, from, r == 0);
	if (r == 0) {
		deposit_get_stats(move.deposit, &stats);
		prune->report->bytes_repacked += stats.stored_bytes;
	}
	deposit_free(move.deposit);
	free(move.rows);
	return r;
}
