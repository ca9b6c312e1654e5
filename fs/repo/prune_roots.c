#include "fs/repo/prune_internal.h"

#include <stdio.h>
#include <stdlib.h>

void roots_release(struct roots *roots)
{
	for (size_t i = 0; i < roots->count; i++) {
		free(roots->row[i].label);
		free(roots->row[i].by);
	}
	free(roots->row);
	free(roots->busy);
	*roots = (struct roots){ .row = NULL };
}

static int take_snapshot(void *arg, const struct snapshot *snapshot,
			 struct err *err)
{
	const struct record *record = &snapshot->record;
	struct roots *roots = arg;
	struct root *root;

	/* doubles at powers of two */
	if ((roots->count & (roots->count - 1)) == 0) {
		void *more = reallocarray(roots->row, roots->count ?
					  2 * roots->count : 1,
					  sizeof(*roots->row));

		if (!more)
			return err_nomem(err);
		roots->row = more;
	}
	root = &roots->row[roots->count];
	*root = (struct root){
		.number = record->number,
		.parts = { record->root, record->links, record->origin,
			   record->view, record->notes, record->rows },
		.forgotten = snapshot->forgotten,
		.pinned = snapshot->pinned,
		/* until the event is found */
		.seq = UINT64_MAX,
	};
	memcpy(root->id, record->id, RECORD_ID);
	if (asprintf(&root->label, "%s@%s", record->source,
		     record->name) < 0)
		return err_nomem(err);
	roots->count++;
	return 0;
}

static int by_id(const void *a, const void *b)
{
	return memcmp(((const struct root *)a)->id,
		      ((const struct root *)b)->id, RECORD_ID);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct root *)a)->number;
	uint64_t y = ((const struct root *)b)->number;

	return x < y ? -1 : x > y;
}

/* Events come in order of sequence: the last one holds. */
static int take_forget(void *arg, const char *name, const struct event *event,
		       struct err *err)
{
	struct roots *roots = arg;
	char at[STAMP_TEXT];
	struct root key, *root;

	(void)name;
	memcpy(key.id, event->snapshot, RECORD_ID);
	root = roots->count ? bsearch(&key, roots->row, roots->count,
				      sizeof(key), by_id) : NULL;
	if (!root)
		return 0;
	root->seq = event->seq;
	free(root->by);
	stamp_name(event->at, at);
	if (asprintf(&root->by, "%s by %s@%s", at,
		     event->user ? event->user : "?",
		     event->host ? event->host : "?") < 0) {
		root->by = NULL;
		return err_nomem(err);
	}
	return 0;
}

static int take_busy(struct roots *roots, const struct presence_info *info,
		     struct err *err)
{
	void *more;

	if (info->pack_count == 0)
		return 0;
	more = reallocarray(roots->busy, roots->busy_count + info->pack_count,
			    sizeof(*roots->busy));
	if (!more)
		return err_nomem(err);
	roots->busy = more;
	memcpy(roots->busy[roots->busy_count], info->packs,
	       info->pack_count * sizeof(*roots->busy));
	roots->busy_count += info->pack_count;
	return 0;
}

static int take_process(void *arg, const struct presence_info *info,
			struct err *err)
{
	struct roots *roots = arg;

	for (size_t i = 0; i < roots->count; i++) {
		struct root *root = &roots->row[i];

		if (root->forgotten)
			root->needed |= presence_needs(info, root->number,
						       root->seq);
	}
	if (info->adding && info->adding_seq < roots->oldest_add) {
		roots->oldest_add = info->adding_seq;
		snprintf(roots->waits_for, sizeof(roots->waits_for), "%s",
			 info->who);
	}
	return take_busy(roots, info, err);
}

static int by_name(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

static int cmp_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* As if by an event that all have seen: who reads them still has them. */
static void take_for_forgotten(const struct prune_options *options,
			       struct roots *roots)
{
	if (options->as_forgotten_count == 0)
		return;
	for (size_t i = 0; i < roots->count; i++) {
		struct root *root = &roots->row[i];

		if (!bsearch(&root->number, options->as_forgotten,
			     options->as_forgotten_count,
			     sizeof(root->number), cmp_number))
			continue;
		root->forgotten = true;
		root->seq = 0;
	}
}

bool roots_busy(const struct roots *roots, const uint8_t name[16])
{
	return roots->busy_count &&
	       bsearch(name, roots->busy, roots->busy_count, 16, by_name);
}

int roots_load(struct repo *repo, const struct prune_options *options,
	       struct roots *ret, struct err *err)
{
	struct roots roots = { .oldest_add = UINT64_MAX };
	int r;

	r = catalog_each_snapshot(repo->catalog, NULL, true, take_snapshot,
				  &roots, err);
	if (r == 0 && roots.count)
		qsort(roots.row, roots.count, sizeof(*roots.row), by_id);
	if (r == 0)
		r = catalog_each_event(repo->catalog, EVENT_FORGET,
				       take_forget, &roots, err);
	if (r == 0)
		take_for_forgotten(options, &roots);
	if (r == 0)
		r = presence_each(&repo->presence, take_process, &roots, err);
	if (roots.count)
		qsort(roots.row, roots.count, sizeof(*roots.row), by_number);
	if (r == 0 && roots.busy_count)
		qsort(roots.busy, roots.busy_count, 16, by_name);
	if (r < 0)
		roots_release(&roots);
	else
		*ret = roots;
	return r;
}

static int mark_root(struct prune *prune, const struct root *root,
		     struct err *err)
{
	const struct record record = {
		.number = root->number, .root = root->parts[0],
		.links = root->parts[1], .origin = root->parts[2],
		.view = root->parts[3], .notes = root->parts[4],
		.rows = root->parts[5],
	};
	char hex[9];
	int r = mark_snapshot(&prune->mark, &record, err);

	if (r == -EBADMSG || r == -ENOENT || r == -EIO) {
		err_wrap(err, "cannot tell what '%s' needs, so nothing is "
			 "removed", root->label);
		hex_write(root->id, 4, hex);
		err_hint(err, "'varve check' names what is damaged; adding "
			 "the same data again heals it, and without the "
			 "snapshot ('varve forget id:%s') there is no need",
			 hex);
	}
	return r;
}

int prune_mark(struct prune *prune, const struct roots *roots,
	       struct err *err)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < roots->count; i++) {
		const struct root *root = &roots->row[i];

		if (!root_stays(root) ||
		    bits_has(&prune->mark.snapshots, root->number))
			continue;
		if (prune_stopped(prune))
			return err_set(err, -ECANCELED, "stopped");
		prune_progress(prune, PRUNE_MARK, i, roots->count);
		r = mark_root(prune, root, err);
		any = true;
	}
	return r < 0 ? r : any;
}
