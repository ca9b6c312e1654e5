#include "fs/out/mount_internal.h"

/*
 * Whole trees are read file by file, in the order of their positions: by tar,
 * rsync, cp -a and grep -r.  Then the blocks of the files to come are decoded
 * by others while the program takes what it has.
 */

#define SCAN_FILE   (1u << 20)	/* larger ones are read ahead for themselves */
#define SCAN_SURE   4u		/* files one after the other make a scan */
#define SCAN_SLACK  64u		/* positions: others than files lie between */
#define SCAN_WINDOW 128u	/* positions ahead */
#define SCAN_STEP   32u
#define SCAN_BYTES  (6u << 20)	/* of files, in one step */
#define SCAN_EVERY  4u		/* a small file lies where its neighbours do */
#define SCAN_SMALL  (32u << 10)

/* Positions to be asked ahead of pos, [*from, *to); false: none. */
static bool scan_span(struct scans *scans, uint64_t number, uint64_t pos,
		      uint64_t *from, uint64_t *to)
{
	struct scan *scan = &scans->scan[number % SCANS];
	bool some = false;

	pthread_mutex_lock(&scans->lock);
	if (scan->number != number || pos + SCAN_SLACK < scan->next ||
	    pos > scan->next + SCAN_SLACK)
		*scan = (struct scan){ .number = number };
	scan->run++;
	if (pos >= scan->next)
		scan->next = pos + 1;
	if (scan->mark < scan->next)
		scan->mark = scan->next;
	*from = scan->mark;
	*to = pos + SCAN_WINDOW;
	if (scan->run >= SCAN_SURE && *to >= *from + SCAN_STEP) {
		scan->mark = *to;
		some = true;
	}
	pthread_mutex_unlock(&scans->lock);
	return some;
}

/* What was not asked for after all is left to the next step. */
static void scan_stopped(struct scans *scans, uint64_t number, uint64_t at)
{
	struct scan *scan = &scans->scan[number % SCANS];

	pthread_mutex_lock(&scans->lock);
	if (scan->number == number && scan->mark > at)
		scan->mark = at;
	pthread_mutex_unlock(&scans->lock);
}

static void ask(struct mount *mount, struct tree *tree,
		const struct node *node)
{
	const struct entry *file = &node->entry;
	struct getter getter = tree_getter(tree);
	struct extent extent;
	uint64_t start;

	/* A fault here is met, and told, by the read itself. */
	if (content_extent_at(&getter, &file->content, file->size, 0, &extent,
			      &start, NULL) < 0 ||
	    extent.type != EXTENT_CHUNK)
		return;
	repo_prefetch(mount->repo, &extent.id);
	count(&mount->counters.scanned, 1);
}

void scan_note(struct mount *mount, struct seat *seat,
	       const struct node *node)
{
	uint64_t at, to, bytes = 0;

	if (node->entry.size > SCAN_FILE ||
	    !scan_span(&mount->scans, seat->number, node->pos, &at, &to))
		return;
	for (; at < to && bytes < SCAN_BYTES; at++) {
		OWNED_NODE struct node next = NODE_INIT;

		if (tree_at(seat->tree, at, &next, NULL) < 0)
			return;
		if (next.entry.type != ENTRY_FILE || next.entry.size == 0 ||
		    next.entry.size > SCAN_FILE)
			continue;
		bytes += next.entry.size;
		if (at % SCAN_EVERY == 0 || next.entry.size > SCAN_SMALL)
			ask(mount, seat->tree, &next);
	}
	if (at < to)
		scan_stopped(&mount->scans, seat->number, at);
}
