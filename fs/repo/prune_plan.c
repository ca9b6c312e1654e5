#include "fs/repo/prune_internal.h"

#include <stdlib.h>

static int take_pack(void *arg, const struct catalog_pack *pack,
		     struct err *err)
{
	struct prune *prune = arg;
	size_t n = prune->pack_count;

	if ((n & (n - 1)) == 0) {
		void *more = reallocarray(prune->pack, n ? 2 * n : 1,
					  sizeof(*prune->pack));

		if (!more)
			return err_nomem(err);
		prune->pack = more;
	}
	prune->pack[n] = (struct prune_pack){
		.number = pack->number, .size = pack->size,
		.objects = pack->objects, .fate = FATE_STAYS,
	};
	memcpy(prune->pack[n].name, pack->name, 16);
	prune->pack_count++;
	prune->report->bytes_before += pack->size;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct prune_pack *)a)->number;
	uint32_t y = ((const struct prune_pack *)b)->number;

	return x < y ? -1 : x > y;
}

struct prune_pack *plan_find(struct prune *prune, uint32_t number)
{
	const struct prune_pack key = { .number = number };

	return prune->pack_count == 0 ? NULL :
		bsearch(&key, prune->pack, prune->pack_count, sizeof(key),
			by_number);
}

/* Numbers rise, so the list is in their order. */
int plan_packs(struct prune *prune, const struct roots *roots,
	       struct err *err)
{
	int r = catalog_each_pack(prune->mark.frozen, take_pack, prune, err);

	for (size_t i = 0; r == 0 && i < prune->pack_count; i++)
		prune->pack[i].kept = roots_busy(roots, prune->pack[i].name);
	return r;
}

static int weigh_row(void *arg, uint64_t row, const struct id *id,
		     const struct place *place, struct err *err)
{
	struct prune *prune = arg;
	struct prune_pack *pack = plan_find(prune, place->pack);

	(void)err;
	if (!pack)
		return 0;
	pack->all += id->len;
	if (!mark_has(&prune->mark, row))
		return 0;
	pack->live += id->len;
	if (!bits_has(&prune->moved, row))
		pack->empty = false;
	return 0;
}

static int weigh(struct prune *prune, struct err *err)
{
	for (size_t i = 0; i < prune->pack_count; i++) {
		prune->pack[i].all = prune->pack[i].live = 0;
		prune->pack[i].empty = !prune->pack[i].kept;
	}
	return catalog_each_row(prune->mark.frozen, weigh_row, prune, err);
}

static uint64_t share_of(const struct prune_pack *pack, uint64_t plain)
{
	return pack->all == 0 ? 0 :
		(uint64_t)((unsigned __int128)pack->size * plain / pack->all);
}

uint64_t plan_dead(const struct prune_pack *pack)
{
	return pack->kept ? 0 : pack->size - share_of(pack, pack->live);
}

/*
 * While chunks are missing that a snapshot needs, a pack that is not whole may
 * have had them, and a repair may find them in it.
 */
static bool is_whole(struct prune *prune, const struct prune_pack *pack)
{
	struct pack_index index = { 0 };
	struct pack_name name;
	bool whole;

	memcpy(name.b, pack->name, PACK_NAME);
	whole = pack_read_index(&prune->repo->dir, &name, &index, NULL) == 0 &&
		index.count == pack->objects;
	pack_index_release(&index);
	return whole;
}

static void keep_broken(struct prune *prune)
{
	if (prune->mark.missing == 0)
		return;
	for (size_t i = 0; i < prune->pack_count; i++) {
		struct prune_pack *pack = &prune->pack[i];

		if (pack->kept || pack->live == pack->all ||
		    is_whole(prune, pack))
			continue;
		pack->kept = true;
		pack->empty = false;
		prune->report->packs_damaged++;
	}
}

static bool by_more_dead(const struct prune_pack *a,
			 const struct prune_pack *b)
{
	/* dead / size, without dividing */
	return (unsigned __int128)plan_dead(a) * b->size >
	       (unsigned __int128)plan_dead(b) * a->size;
}

static int order_dead(const void *a, const void *b)
{
	const struct prune_pack *x = *(struct prune_pack *const *)a;
	const struct prune_pack *y = *(struct prune_pack *const *)b;

	return by_more_dead(x, y) ? -1 : by_more_dead(y, x);
}

static uint64_t unused_limit(const struct prune *prune)
{
	const struct prune_options *o = prune->options;

	if (o->max_unused != PRUNE_NO_LIMIT)
		return o->max_unused;
	return (uint64_t)(o->max_unused_share * (double)prune->used);
}

/*
 * Those with most that is dead first, until little enough is left.  Unless all
 * is wanted back, no more than twice of what it gives is written for it.
 */
static void choose_moves(struct prune *prune, struct prune_pack **mixed,
			 size_t count, uint64_t unused)
{
	uint64_t limit = unused_limit(prune), rewritten = 0, back = 0;

	for (size_t i = 0; i < count && unused > limit; i++) {
		struct prune_pack *pack = mixed[i];
		uint64_t dead = plan_dead(pack);
		uint64_t live = pack->size - dead;

		if (limit > 0 && rewritten + live > 2 * (back + dead))
			break;
		if (rewritten + live > prune->options->max_repack)
			continue;
		pack->fate = FATE_MOVES;
		rewritten += live;
		back += dead;
		unused -= dead;
	}
	prune->report->unused = unused;
}

int plan_fates(struct prune *prune, struct err *err)
{
	CLEANUP(free_ptr) struct prune_pack **mixed =
		calloc(prune->pack_count + 1, sizeof(struct prune_pack *));
	uint64_t unused = 0;
	size_t count = 0;
	int r;

	if (!mixed)
		return err_nomem(err);
	r = weigh(prune, err);
	if (r < 0)
		return r;
	keep_broken(prune);
	for (size_t i = 0; i < prune->pack_count; i++) {
		struct prune_pack *pack = &prune->pack[i];
		uint64_t dead = plan_dead(pack);

		prune->used += pack->size - dead;
		prune->report->unreachable += dead;
		if (pack->empty)
			pack->fate = FATE_GOES;
		else if (pack->lonely && !pack->kept &&
			 prune->options->max_repack > 0)
			pack->fate = FATE_MOVES;
		else if (dead > 0 && pack->live < pack->all) {
			mixed[count++] = pack;
			unused += dead;
		}
	}
	qsort(mixed, count, sizeof(*mixed), order_dead);
	choose_moves(prune, mixed, count, unused);
	return 0;
}

int plan_recheck(struct prune *prune, struct err *err)
{
	return weigh(prune, err);
}
