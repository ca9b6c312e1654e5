#include "fs/repo/prune_internal.h"

#include <inttypes.h>

#define SPARE ((uint64_t)512 << 10)	/* for events, and rows that are removed */
#define OBJECT_ROOM 128		/* its rows in the catalog, and in its log */
#define SCARCE ((uint64_t)256 << 20)
#define WORTH 16	/* less than one part in this came back: a loss */

static bool waits(const struct prune_pack *pack)
{
	return pack->fate == FATE_MOVES && !pack->moved;
}

uint64_t room_for(const struct prune_pack *pack)
{
	uint64_t live = pack->size - plan_dead(pack);

	/* cut into other blocks it may not compress as well */
	return live + live / 16 + pack->objects * OBJECT_ROOM;
}

int room_look(struct prune *prune, uint64_t *ret, struct err *err)
{
	uint64_t room;
	int r = disk_free_bytes(&prune->repo->dir, &room, err);

	if (r < 0)
		return r;
	*ret = room > SPARE ? room - SPARE : 0;
	return 0;
}

bool room_is_scarce(struct prune *prune)
{
	uint64_t room;

	return room_look(prune, &room, NULL) < 0 || room < SCARCE;
}

int room_next(const struct prune *prune, uint64_t room, size_t *ret_index)
{
	for (size_t i = 0; i < prune->pack_count; i++) {
		size_t at = (prune->next + i) % prune->pack_count;

		if (waits(&prune->pack[at]) &&
		    room_for(&prune->pack[at]) <= room) {
			*ret_index = at;
			return 1;
		}
	}
	return 0;
}

/* What is free, and what would be with the reserve given up. */
static uint64_t free_now(struct prune *prune)
{
	uint64_t room;

	return disk_free_bytes(&prune->repo->dir, &room, NULL) < 0 ? 0 :
		room + reserve_bytes(prune->repo);
}

static void sum_up(struct prune *prune)
{
	struct prune_report *report = prune->report;

	report->packs_short = report->bytes_short = report->room_needed = 0;
	for (size_t i = 0; i < prune->pack_count; i++) {
		const struct prune_pack *pack = &prune->pack[i];

		if (!waits(pack))
			continue;
		report->packs_short++;
		report->bytes_short += plan_dead(pack);
		if (room_for(pack) + SPARE > report->room_needed)
			report->room_needed = room_for(pack) + SPARE;
	}
	report->room = free_now(prune);
	/* the estimate fell short */
	if (report->packs_short && report->room_needed < 2 * prune->full_at)
		report->room_needed = 2 * prune->full_at;
}

void room_report(struct prune *prune)
{
	if (!prune_stopped(prune))
		sum_up(prune);
}

/* What is there with the packs gone that go as a whole: unless somebody adds,
 * for whom they stay a while. */
static uint64_t room_to_come(struct prune *prune, uint64_t *ret_back)
{
	uint64_t room = free_now(prune), back = 0;

	for (size_t i = 0; i < prune->pack_count; i++)
		if (prune->pack[i].fate == FATE_GOES)
			back += prune->pack[i].size;
	*ret_back = back;
	if (!prune->adding)
		room += back;
	return room > SPARE ? room - SPARE : 0;
}

/* Bytes that come back. */
static uint64_t foresee(struct prune *prune)
{
	uint64_t back, room = room_to_come(prune, &back);
	size_t index;

	while (room_next(prune, room, &index)) {
		struct prune_pack *pack = &prune->pack[index];

		pack->moved = true;
		prune->next = index + 1;
		back += plan_dead(pack);
		if (!prune->adding)
			room += plan_dead(pack);
		else
			room -= room_for(pack);
	}
	sum_up(prune);
	return back;
}

void room_foresee(struct prune *prune)
{
	foresee(prune);
}

static void forget_foreseen(struct prune *prune)
{
	for (size_t i = 0; i < prune->pack_count; i++)
		prune->pack[i].moved = false;
	prune->next = 0;
}

int room_refuse_loss(struct prune *prune, struct err *err)
{
	struct prune_report *report = prune->report;
	uint64_t back = foresee(prune);
	int r;

	forget_foreseen(prune);
	if (prune->drops == 0 || report->bytes_short == 0 ||
	    back >= report->bytes_short / WORTH)
		return 0;
	r = err_set(err, -ENOSPC, "No space left on device: of %" PRIu64
		    " bytes that could come back, %" PRIu64 " lie in packs "
		    "that are in use as well. To write these anew, %" PRIu64
		    " bytes must be free on the file system of '%s', and %"
		    PRIu64 " are. Nothing was removed", back +
		    report->bytes_short, report->bytes_short,
		    report->room_needed, prune->repo->path, report->room);
	err_hint(err, "make room there by other means: move away what is not "
		 "the store's, or make the file system larger. What was "
		 "forgotten can be brought back ('varve undelete')");
	return r;
}
