#include "fs/repo/copy_internal.h"
#include "fs/repo/id_batch.h"

#include <stdlib.h>

/*
 * Both snapshots at once, from their roots down: the references of an object
 * and of its copy stand in the same order.
 */
struct known {
	struct copier *copier;
	bool learn;		/* from: of the original; else not looked at */
	struct id_pair *stack;
	size_t depth, room;
	struct id_batch chunks;	/* to look up */
};

static void known_release(struct known *known)
{
	free(known->stack);
	id_batch_release(&known->chunks);
}

static bool has_seen(const struct known *known, const struct id *from,
		     const struct id *to)
{
	struct id seen;

	if (!known->learn)
		return id_map_get(&known->copier->sound, to, &seen);
	return id_map_get(&known->copier->metas, from, &seen) &&
	       id_equal(&seen, to);
}

static int push(struct known *known, const struct id *from,
		const struct id *to, struct err *err)
{
	if (id_is_none(to) || has_seen(known, from, to))
		return 0;
	if (known->depth == known->room) {
		size_t room = known->room ? 2 * known->room : 256;
		void *more = reallocarray(known->stack, room,
					  sizeof(*known->stack));

		if (!more)
			return err_nomem(err);
		known->stack = more;
		known->room = room;
	}
	known->stack[known->depth++] = (struct id_pair){ *from, *to };
	return 0;
}

static int look_up(void *arg, const struct id *id, struct err *err)
{
	struct copier *copier = arg;
	struct place place;
	int r = repo_locate(copier->to, id, &place, err);

	return r == -ENOENT ? err_corrupt(err, "chunk %s is missing from the "
					  "store '%s'", id_hex(id).s,
					  copier->to->path) : r;
}

static int see_chunk(struct known *known, const struct id *id,
		     struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct copier *copier = known->copier;
	int r;

	if (known->learn || !copier->options.read_back)
		return id_batch_put(&known->chunks, id, err);
	r = copy_go_on(copier, "reading back", err);
	if (r == 0)
		r = copy_get(copier->to, id, &held, err);
	copier->report->read_back += r == 0 ? id->len : 0;
	return r;
}

static int see_ref(struct known *known, struct object_in *here,
		   struct object_in *there, uint32_t i, struct err *err)
{
	struct copier *copier = known->copier;
	enum object_type type, same;
	struct id from, to;

	object_get_any(there, i, &type, &to);
	from = to;
	same = type;
	if (known->learn)
		object_get_any(here, i, &same, &from);
	if (same != type || from.len != to.len)
		return err_corrupt(err, "what is said to be a copy in '%s' is "
				   "none", copier->to->path);
	if (type != OBJECT_CHUNK)
		return push(known, &from, &to, err);
	if (known->learn)
		id_map_put(&copier->chunks, &from, &to);
	return see_chunk(known, &to, err);
}

static int visit(struct known *known, const struct id_pair *pair,
		 struct err *err)
{
	OWNED_HELD struct held here_held = HELD_INIT;
	OWNED_HELD struct held held = HELD_INIT;
	struct copier *copier = known->copier;
	struct object_in here = { .count = 0 }, there;
	int r;

	r = copy_go_on(copier, known->learn ? "comparing" : "looking it up",
		       err);
	if (r == 0)
		r = copy_get(copier->to, &pair->to, &held, err);
	if (r == 0)
		r = object_parse(held.bytes, &there, err);
	if (r == 0 && known->learn)
		r = copy_get(copier->from, &pair->from, &here_held, err);
	if (r == 0 && known->learn)
		r = object_parse(here_held.bytes, &here, err);
	if (r < 0)
		return r;
	if (known->learn &&
	    (here.count != there.count || here.type != there.type))
		return err_corrupt(err, "what is said to be a copy in '%s' is "
				   "none", copier->to->path);
	for (uint32_t i = 0; r == 0 && i < there.count; i++)
		r = see_ref(known, &here, &there, i, err);
	if (r < 0)
		return r;
	if (known->learn)
		id_map_put(&copier->metas, &pair->from, &pair->to);
	/* what is to be read back was not yet */
	if (!known->learn || !copier->options.read_back)
		id_map_put(&copier->sound, &pair->to, &pair->to);
	return 0;
}

static int see_snapshot(struct known *known, const struct record *here,
			const struct record *there, struct err *err)
{
	struct record a = *here, b = *there;
	struct id *from[COPY_ROOTS], *to[COPY_ROOTS];
	int r = 0;

	copy_roots(&a, from);
	copy_roots(&b, to);
	for (size_t i = 0; r == 0 && i < COPY_ROOTS; i++)
		r = push(known, from[i], to[i], err);
	while (r == 0 && known->depth > 0) {
		struct id_pair pair = known->stack[--known->depth];

		r = visit(known, &pair, err);
	}
	return r == 0 ? id_batch_flush(&known->chunks, err) : r;
}

static int go_through(struct known *known, const struct record *here,
		      const struct record *there, struct err *err)
{
	int r = id_batch_init(&known->chunks, look_up, known->copier, err);

	return r < 0 ? r : see_snapshot(known, here, there, err);
}

int copy_look_up(struct copier *copier, const struct record *there,
		 struct err *err)
{
	CLEANUP(known_release) struct known known = { .copier = copier };

	return go_through(&known, there, there, err);
}

int copy_learn(struct copier *copier, const struct record *here,
	       const struct record *there, struct err *err)
{
	CLEANUP(known_release) struct known known = { .copier = copier,
						      .learn = true };

	return go_through(&known, here, there, err);
}
