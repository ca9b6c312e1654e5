#include "fs/repo/copy_internal.h"

#include <stdlib.h>

/* Directories lie at most 2000 deep, each under a few indexes, and lists of a
 * file below them. */
#define FRAMES_MAX 32768u
#define AHEAD 24u		/* references read ahead */

/*
 * An object on its way: its bytes, in which the references up to `next` are
 * those of the other store already.
 */
struct frame {
	struct id id;
	struct buf bytes;
	uint32_t count, next;
	size_t types_at, ids_at;	/* in bytes */
};

struct walk {
	struct copier *copier;
	struct frame *frame;
	size_t depth, room;
};

static void walk_release(struct walk *walk)
{
	for (size_t i = 0; i < walk->depth; i++)
		buf_release(&walk->frame[i].bytes);
	free(walk->frame);
}

static enum object_type ref_at(const struct frame *frame, uint32_t i,
			       struct id *ret)
{
	id_from_disk(frame->bytes.data + frame->ids_at + (size_t)i * ID_BYTES,
		     ret);
	return (enum object_type)frame->bytes.data[frame->types_at + i];
}

static void take_ref(struct frame *frame, const struct id *id)
{
	id_to_disk(id, frame->bytes.data + frame->ids_at +
		       (size_t)frame->next++ * ID_BYTES);
}

static const struct id_map *map_of(const struct copier *copier,
				   enum object_type type)
{
	return type == OBJECT_CHUNK ? &copier->chunks : &copier->metas;
}

static void read_ahead(struct copier *copier, const struct frame *frame,
		       uint32_t i)
{
	struct id id, known;
	enum object_type type;

	if (i >= frame->count)
		return;
	type = ref_at(frame, i, &id);
	if (id_map_get(map_of(copier, type), &id, &known))
		return;
	repo_prefetch(copier->from, &id);
	/* to be compared with */
	if (copier->like)
		repo_prefetch(copier->to, &id);
}

static struct frame *frame_room(struct walk *walk, struct err *err)
{
	size_t room = walk->room ? 2 * walk->room : 16;
	struct frame *more;

	if (walk->depth >= FRAMES_MAX) {
		err_corrupt(err, "the store '%s' has directories without end",
			    walk->copier->from->path);
		return NULL;
	}
	if (walk->depth < walk->room)
		return &walk->frame[walk->depth];
	more = reallocarray(walk->frame, room, sizeof(*more));
	if (!more) {
		err_nomem(err);
		return NULL;
	}
	walk->frame = more;
	walk->room = room;
	return &walk->frame[walk->depth];
}

static void count_read(struct copier *copier, const struct id *id)
{
	copier->report->objects++;
	copier->report->bytes += id->len;
}

/* The bytes are copied, so that no block stays pinned on the way down. */
static int enter(struct walk *walk, const struct id *id, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct copier *copier = walk->copier;
	struct frame *frame = frame_room(walk, err);
	struct object_in in;
	int r;

	if (!frame)
		return err ? err->code : -ENOMEM;
	r = copy_go_on(copier, "copying", err);
	if (r == 0)
		r = copy_get(copier->from, id, &held, err);
	if (r == 0)
		r = object_parse(held.bytes, &in, err);
	if (r < 0)
		return r;
	*frame = (struct frame){
		.id = *id,
		.bytes = BUF_INIT,
		.count = in.count,
		.types_at = (size_t)(in.types - held.bytes.data),
		.ids_at = (size_t)(in.ids - held.bytes.data),
	};
	buf_append(&frame->bytes, held.bytes.data, held.bytes.len);
	if (buf_failed(&frame->bytes))
		return err_nomem(err);
	walk->depth++;
	count_read(copier, id);
	for (uint32_t i = 0; i < AHEAD; i++)
		read_ahead(copier, frame, i);
	return 0;
}

static int copy_chunk(struct copier *copier, const struct id *id,
		      struct id *ret, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	int r;

	r = copy_go_on(copier, "copying", err);
	if (r == 0)
		r = copy_get(copier->from, id, &held, err);
	if (r == 0)
		r = deposit_chunk(copier->deposit, class_in_block(id->len,
				  held.block ? held.block->plain.len : 0),
				  held.bytes, ret, err);
	if (r < 0)
		return r;
	count_read(copier, id);
	id_map_put(&copier->chunks, id, ret);
	return 0;
}

/* One step on in the object on top. */
static int step(struct walk *walk, struct err *err)
{
	struct frame *frame = &walk->frame[walk->depth - 1];
	struct copier *copier = walk->copier;
	enum object_type type;
	struct id id, known;
	int r = 0;

	type = ref_at(frame, frame->next, &id);
	read_ahead(copier, frame, frame->next + AHEAD);
	if (id_map_get(map_of(copier, type), &id, &known))
		copier->report->known++;
	else if (type == OBJECT_CHUNK)
		r = copy_chunk(copier, &id, &known, err);
	else
		return enter(walk, &id, err);
	if (r == 0)
		take_ref(frame, &known);
	return r;
}

/* What is below the object on top is there: now itself. */
static int leave(struct walk *walk, struct id *ret, struct err *err)
{
	struct frame *frame = &walk->frame[walk->depth - 1];
	struct copier *copier = walk->copier;
	int r;

	r = deposit_object(copier->deposit, buf_span(&frame->bytes), ret, err);
	if (r < 0)
		return r;
	id_map_put(&copier->metas, &frame->id, ret);
	buf_release(&frame->bytes);
	if (--walk->depth > 0)
		take_ref(&walk->frame[walk->depth - 1], ret);
	return 0;
}

int copy_object(struct copier *copier, const struct id *id, struct id *ret,
		struct err *err)
{
	CLEANUP(walk_release) struct walk walk = { .copier = copier };
	int r;

	if (id_is_none(id)) {
		*ret = *id;
		return 0;
	}
	if (id_map_get(&copier->metas, id, ret)) {
		copier->report->known++;
		return 0;
	}
	r = enter(&walk, id, err);
	while (r == 0 && walk.depth > 0) {
		const struct frame *top = &walk.frame[walk.depth - 1];

		r = top->next < top->count ? step(&walk, err) :
					     leave(&walk, ret, err);
	}
	return r;
}
