#include "tools/barren.h"

#include <stdlib.h>

struct key {
	uint8_t tree[ID_BYTES];
	uint8_t path[16];
};

struct open_dir {
	struct key key;
	unsigned depth;
	bool fruitful;		/* or empty: not worth a place */
};

struct barren {
	struct key *slot;	/* open hash; all zero: free */
	size_t slots, count;
	struct open_dir *open;	/* the way from the top to here */
	size_t depth, room;
};

static const struct key free_key;

struct barren *barren_new(void)
{
	struct barren *barren = calloc(1, sizeof(*barren));

	if (!barren)
		return NULL;
	barren->slots = 1024;
	barren->slot = calloc(barren->slots, sizeof(*barren->slot));
	if (!barren->slot) {
		barren_free(barren);
		return NULL;
	}
	return barren;
}

void barren_free(struct barren *barren)
{
	if (!barren)
		return;
	free(barren->slot);
	free(barren->open);
	free(barren);
}

/* The slot of key, or the free one where it would be. */
static struct key *find_slot(const struct barren *barren,
			     const struct key *key)
{
	size_t mask = barren->slots - 1;
	size_t i = sum64(span_of(key, sizeof(*key))) & mask;

	while (memcmp(&barren->slot[i], &free_key, sizeof(free_key)) &&
	       memcmp(&barren->slot[i], key, sizeof(*key)))
		i = (i + 1) & mask;
	return &barren->slot[i];
}

static bool is_known(const struct barren *barren, const struct key *key)
{
	return memcmp(find_slot(barren, key), &free_key, sizeof(free_key));
}

static void grow(struct barren *barren)
{
	struct barren more = *barren;

	more.slots = 2 * barren->slots;
	more.slot = calloc(more.slots, sizeof(*more.slot));
	if (!more.slot)
		return;
	for (size_t i = 0; i < barren->slots; i++)
		if (memcmp(&barren->slot[i], &free_key, sizeof(free_key)))
			*find_slot(&more, &barren->slot[i]) =
				barren->slot[i];
	free(barren->slot);
	barren->slot = more.slot;
	barren->slots = more.slots;
}

static void learn(struct barren *barren, const struct key *key)
{
	if (2 * barren->count >= barren->slots)
		grow(barren);
	if (barren->count >= BARREN_MAX ||
	    4 * barren->count >= 3 * barren->slots ||
	    is_known(barren, key))
		return;
	*find_slot(barren, key) = *key;
	barren->count++;
}

static void leave_to(struct barren *barren, unsigned depth)
{
	while (barren->depth > 0 &&
	       barren->open[barren->depth - 1].depth >= depth) {
		struct open_dir *dir = &barren->open[--barren->depth];

		if (!dir->fruitful)
			learn(barren, &dir->key);
	}
}

int barren_enter(struct barren *barren, unsigned depth, const struct id *tree,
		 const char *path, struct err *err)
{
	struct open_dir dir = { .depth = depth, .fruitful = id_is_none(tree) };
	struct open_dir *more;

	leave_to(barren, depth);
	id_to_disk(tree, dir.key.tree);
	if (path[0])
		sum128(span_str(path), dir.key.path);
	if (!dir.fruitful && is_known(barren, &dir.key))
		return 1;
	if (barren->depth == barren->room) {
		size_t room = barren->room ? 2 * barren->room : 32;

		more = reallocarray(barren->open, room, sizeof(*more));
		if (!more)
			return err_nomem(err);
		barren->open = more;
		barren->room = room;
	}
	barren->open[barren->depth++] = dir;
	return 0;
}

void barren_found(struct barren *barren, unsigned depth)
{
	leave_to(barren, depth);
	/* All that are open now lie above: they are not barren. */
	for (size_t i = 0; i < barren->depth; i++)
		barren->open[i].fruitful = true;
}

void barren_finish(struct barren *barren)
{
	leave_to(barren, 0);
}

void barren_abandon(struct barren *barren)
{
	barren->depth = 0;
}
