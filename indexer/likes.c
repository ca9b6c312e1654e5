#include "indexer/likes.h"

#include <stdlib.h>

#define LOOK_AHEAD 1024u	/* chunks in which one that is met is looked for */
#define TOLD_AHEAD 48u		/* before they are met, at most */

void likes_release(struct likes *likes)
{
	free(likes->list);
	likes->list = NULL;
	likes->count = likes->room = 0;
}

void likes_begin(struct likes *likes)
{
	likes->asked = false;
	likes->count = likes->next = likes->ahead = 0;
	likes->now = likes->then = 0;
}

static int take(void *arg, uint64_t offset, const struct extent *extent,
		struct err *err)
{
	struct likes *likes = arg;

	if (extent->type != EXTENT_CHUNK || extent->from != 0 ||
	    extent->len != extent->id.len)
		return 0;
	if (likes->count == LIKES_MOST)
		return 1;
	if (likes->count == likes->room) {
		size_t room = likes->room ? 2 * likes->room : 64;
		void *more = realloc(likes->list, room * sizeof(*likes->list));

		if (!more)
			return err_nomem(err);
		likes->list = more;
		likes->room = room;
	}
	likes->list[likes->count++] = (struct likes_chunk){ extent->id,
							     offset };
	return 0;
}

static void ask(struct likes *likes)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct getter getter;

	likes->asked = true;
	if (!likes->find || likes->find(likes->arg, &getter, &node) < 0)
		return;
	if (content_each(&getter, &node.entry.content, node.entry.size, take,
			 likes, NULL) < 0)
		likes->count = 0;
}

void likes_met(struct likes *likes, const struct id *id, uint64_t offset)
{
	/* before it was asked, the files are taken to begin alike */
	if (!likes->asked) {
		likes->now = likes->then = offset + id->len;
		return;
	}
	for (size_t i = likes->next;
	     i < likes->count && i < likes->next + LOOK_AHEAD; i++)
		if (id_equal(&likes->list[i].id, id)) {
			likes->next = i + 1;
			likes->now = offset + id->len;
			likes->then = likes->list[i].offset + id->len;
			return;
		}
}

size_t likes_ahead(struct likes *likes, struct id *ret, size_t max)
{
	size_t n = 0, end;

	if (!likes->asked)
		ask(likes);
	if (likes->ahead < likes->next)
		likes->ahead = likes->next;
	end = likes->next + TOLD_AHEAD;
	end = end < likes->count ? end : likes->count;
	if (likes->ahead + TOLD_AHEAD / 2 > end && end < likes->count)
		return 0;
	while (n < max && likes->ahead < end)
		ret[n++] = likes->list[likes->ahead++].id;
	return n;
}

/* The first chunk that ends behind at. */
static size_t first_behind(const struct likes *likes, uint64_t at)
{
	size_t low = 0, high = likes->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct likes_chunk *c = &likes->list[middle];

		if (c->offset + c->id.len <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t likes_of(struct likes *likes, uint64_t offset, uint32_t len,
		struct id *ret, size_t max)
{
	uint64_t from, to;
	size_t n = 0;

	if (!likes->asked)
		ask(likes);
	if (likes->count == 0)
		return 0;
	from = likes->then + (offset - likes->now);
	to = from + len;
	for (size_t i = first_behind(likes, from);
	     i < likes->count && n < max && likes->list[i].offset < to; i++)
		ret[n++] = likes->list[i].id;
	return n;
}
