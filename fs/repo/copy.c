#include "fs/repo/copy_internal.h"

#include <stdlib.h>

/* Snapshots both have. */

static void origin_of(const struct record *record, uint8_t ret[RECORD_ID])
{
	const char *hex = record_attr(record, COPY_OF);

	memcpy(ret, record->id, RECORD_ID);
	if (hex && strlen(hex) == 2 * RECORD_ID)
		hex_parse(hex, RECORD_ID, ret);
}

static void kins_release(struct kins *kins)
{
	for (size_t i = 0; i < kins->count; i++)
		free(kins->row[i].source);
	free(kins->row);
	*kins = (struct kins){ .row = NULL };
}

static int kins_add(struct kins *kins, const struct snapshot *snapshot,
		    struct err *err)
{
	struct kin *kin;

	if (kins->count == kins->room) {
		size_t room = kins->room ? 2 * kins->room : 64;
		void *more = reallocarray(kins->row, room,
					  sizeof(*kins->row));

		if (!more)
			return err_nomem(err);
		kins->row = more;
		kins->room = room;
	}
	kin = &kins->row[kins->count];
	*kin = (struct kin){
		.number = snapshot->record.number,
		.time = snapshot->record.time,
		.source = strdup(snapshot->record.source),
		.forgotten = snapshot->forgotten,
		.damaged = snapshot->damage,
	};
	origin_of(&snapshot->record, kin->origin);
	if (!kin->source)
		return err_nomem(err);
	kins->count++;
	return 0;
}

static int see_kin(void *arg, const struct snapshot *snapshot,
		   struct err *err)
{
	return kins_add(arg, snapshot, err);
}

static int kins_load(struct repo *repo, struct kins *kins, struct err *err)
{
	return catalog_each_snapshot(repo->catalog, NULL, true, see_kin, kins,
				     err);
}

const struct kin *kins_find(const struct kins *kins,
			    const uint8_t origin[RECORD_ID])
{
	const struct kin *found = NULL;

	for (size_t i = 0; i < kins->count; i++) {
		const struct kin *kin = &kins->row[i];

		if (memcmp(kin->origin, origin, RECORD_ID))
			continue;
		if (!found || (found->forgotten && !kin->forgotten))
			found = kin;
	}
	return found;
}

enum copy_there copier_has(const struct copier *copier,
			   const struct record *record, uint64_t *ret)
{
	uint8_t origin[RECORD_ID];
	const struct kin *kin;

	origin_of(record, origin);
	kin = kins_find(&copier->there, origin);
	if (!kin)
		return noted_has(&copier->noted, origin) ? COPY_GONE :
							   COPY_ABSENT;
	if (ret)
		*ret = kin->number;
	if (kin->forgotten)
		return COPY_FORGOTTEN;
	return kin->damaged ? COPY_DAMAGED : COPY_THERE;
}

/* Making and ending. */

static bool is_like(const struct conf *a, const struct conf *b)
{
	return a->bits == b->bits && !memcmp(a->seed, b->seed, ID_SEED);
}

int copier_new(struct repo *from, struct repo *to,
	       const struct copy_options *options, struct copier **ret,
	       struct err *err)
{
	struct copier *copier = calloc(1, sizeof(*copier));
	int r;

	if (!copier)
		return err_nomem(err);
	copier->from = from;
	copier->to = to;
	copier->like = is_like(&from->conf, &to->conf);
	copier->options = *options;
	r = kins_load(from, &copier->here, err);
	if (r == 0)
		r = kins_load(to, &copier->there, err);
	if (r == 0)
		r = noted_load(to, &copier->noted, err);
	if (r < 0) {
		copier_free(copier);
		return r;
	}
	*ret = copier;
	return 0;
}

void copy_unlearn(struct copier *copier)
{
	id_map_release(&copier->metas);
	id_map_release(&copier->chunks);
	id_map_release(&copier->sound);
	bits_release(&copier->learnt);
	copier->believing = false;
}

void copier_free(struct copier *copier)
{
	if (!copier)
		return;
	copy_unlearn(copier);
	kins_release(&copier->here);
	kins_release(&copier->there);
	noted_release(&copier->noted);
	free(copier);
}

bool copier_is_like(const struct copier *copier)
{
	return copier->like;
}

int copy_go_on(struct copier *copier, const char *phase, struct err *err)
{
	const struct copy_options *options = &copier->options;
	struct deposit_stats stats;

	if (options->stop && *options->stop)
		return err_set(err, -ECANCELED, "stopped");
	if (!options->progress)
		return 0;
	if (copier->deposit) {
		deposit_get_stats(copier->deposit, &stats);
		copier->report->stored_bytes = stats.stored_bytes;
	}
	options->progress(options->arg, phase, copier->report);
	return 0;
}

int copy_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err)
{
	int r = repo_get(repo, id, ret, err);

	if (r == 0 || r == -ENOMEM)
		return r;
	err_wrap(err, "object %s of the store '%s'", id_hex(id).s,
		 repo->path);
	/* something refers to it: what is missing is damage */
	if (r == -ENOENT && err)
		err->code = -EBADMSG;
	return r == -ENOENT ? -EBADMSG : r;
}

void copy_roots(struct record *record, struct id *roots[COPY_ROOTS])
{
	roots[0] = &record->root;
	roots[1] = &record->links;
	roots[2] = &record->origin;
	roots[3] = &record->view;
	roots[4] = &record->notes;
	roots[5] = &record->rows;
}

/* What an earlier copy brought. */

static bool is_nearer(const struct kin *kin, const struct kin *than,
		      struct stamp time)
{
	bool before = stamp_cmp(kin->time, time) <= 0;

	if (!than)
		return true;
	if (before != (stamp_cmp(than->time, time) <= 0))
		return before;
	return (stamp_cmp(kin->time, than->time) > 0) == before;
}

/* The snapshot of this source that both have and that was captured last
 * before it, or next after it; both still shown. */
static const struct kin *nearest(const struct copier *copier,
				 const struct record *record,
				 const struct kin **ret_here)
{
	const struct kin *found = NULL;

	for (size_t i = 0; i < copier->there.count; i++) {
		const struct kin *kin = &copier->there.row[i], *here;

		if (kin->forgotten || kin->damaged ||
		    strcmp(kin->source, record->source))
			continue;
		here = kins_find(&copier->here, kin->origin);
		if (!here || here->forgotten || here->damaged ||
		    !is_nearer(kin, found, record->time))
			continue;
		found = kin;
		*ret_here = here;
	}
	return found;
}

static int learn_pair(struct copier *copier, const struct kin *here,
		      const struct kin *there, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot a = { .damage = NULL };
	CLEANUP(snapshot_release) struct snapshot b = { .damage = NULL };
	int r;

	copier->believing = true;
	r = catalog_get_snapshot(copier->from->catalog, here->number, &a, err);
	if (r == 0)
		r = catalog_get_snapshot(copier->to->catalog, there->number,
					 &b, err);
	if (r == 0)
		r = copy_learn(copier, &a.record, &b.record, err);
	return r;
}

static void note_damage(struct copier *copier, const struct err *why)
{
	snprintf(copier->report->damage, sizeof(copier->report->damage), "%s",
		 why->text);
}

/* Where that fails, everything is compared, which also heals the earlier
 * copy. */
static int learn(struct copier *copier, const struct record *record,
		 struct err *err)
{
	const struct kin *here, *there = nearest(copier, record, &here);
	struct err why = ERR_INIT;
	int r;

	if (!there || bits_has(&copier->learnt, there->number))
		return 0;
	r = learn_pair(copier, here, there, &why);
	if (r == 0)
		r = bits_set(&copier->learnt, there->number, &why);
	if (r == -ENOMEM || r == -ECANCELED) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0) {
		copy_unlearn(copier);
		note_damage(copier, &why);
	}
	return 0;
}

/* Copying. */

void copy_take_stats(struct copier *copier)
{
	struct copy_report *report = copier->report;
	struct deposit_stats stats;

	deposit_get_stats(copier->deposit, &stats);
	report->new_objects = stats.new_chunks + stats.new_metas;
	report->new_bytes = stats.new_chunk_bytes;
	report->stored_bytes = stats.stored_bytes;
}

static int begin_record(const struct copier *copier,
			const struct record *from, struct record *ret,
			struct err *err)
{
	char hex[2 * RECORD_ID + 1];
	uint8_t origin[RECORD_ID];
	int r;

	if (record_copy(from, ret) < 0)
		return err_nomem(err);
	origin_of(from, origin);
	hex_write(origin, RECORD_ID, hex);
	r = record_add_attr(ret, COPY_OF, hex);
	if (r == 0)
		r = record_add_attr(ret, COPY_FROM, copier->from->path);
	if (r == -ENOMEM)
		return err_nomem(err);
	return r < 0 ? err_set(err, r, "the snapshot has no room for more "
			       "attributes") : 0;
}

/* -ESTALE: what earlier copies brought is not what was learnt of it. */
static int copy_parts(struct copier *copier, struct record *record,
		      struct err *err)
{
	struct id *roots[COPY_ROOTS];
	struct err why = ERR_INIT;
	int r = 0;

	copy_roots(record, roots);
	for (size_t i = 0; r == 0 && i < COPY_ROOTS; i++) {
		struct id id = *roots[i];

		r = copy_object(copier, &id, roots[i], err);
	}
	if (r == 0)
		r = deposit_drain(copier->deposit, err);
	if (r < 0)
		return r;
	r = copy_look_up(copier, record, &why);
	if (r < 0 && err)
		*err = why;
	if (r != -EBADMSG || copier->learnt.size == 0)
		return r;
	note_damage(copier, &why);
	return -ESTALE;
}

int copier_look_again(struct copier *copier, struct err *err)
{
	kins_release(&copier->there);
	return kins_load(copier->to, &copier->there, err);
}

/* Another process may have been at it all the while. */
static int look_again(struct copier *copier, const struct record *from,
		      struct err *err)
{
	int r = copier_look_again(copier, err);

	if (r == 0 && copier_has(copier, from, NULL) >= COPY_THERE)
		r = err_set(err, -EALREADY, "another process copied it "
			    "meanwhile");
	return r;
}

static int copy_once(struct copier *copier, const struct record *from,
		     struct record *ret, struct err *err)
{
	const struct deposit_options options = {
		.level = copier->options.level,
		.workers = copier->options.workers,
		.min_free = copier->options.min_free,
	};
	struct record record = { .source = NULL };
	int r;

	r = begin_record(copier, from, &record, err);
	if (r == 0)
		r = deposit_begin(copier->to, &options, &copier->deposit,
				  err);
	if (r == 0) {
		r = copy_parts(copier, &record, err);
		copy_take_stats(copier);
	}
	if (r == 0)
		r = look_again(copier, from, err);
	if (r == 0)
		r = deposit_commit(copier->deposit, &record, err);
	deposit_free(copier->deposit);
	copier->deposit = NULL;
	if (r < 0) {
		record_release(&record);
		return r;
	}
	copier->report->stored_bytes = record.new_bytes;
	*ret = record;
	return 0;
}

/* It can be leaned on by the next; where that cannot be noted, it is not. */
static void remember(struct copier *copier, const struct record *record)
{
	const struct snapshot there = { .record = *record };

	if (kins_add(&copier->there, &there, NULL) < 0 ||
	    bits_set(&copier->learnt, record->number, NULL) < 0)
		copy_unlearn(copier);
}

void copy_forget_try(struct copy_report *report)
{
	struct copy_report next = { .tries = report->tries };

	memcpy(next.damage, report->damage, sizeof(next.damage));
	*report = next;
}

int copier_copy(struct copier *copier, const struct snapshot *snapshot,
		struct record *ret, struct copy_report *report,
		struct err *err)
{
	bool lean = !copier->options.reread && !snapshot->damage;
	int r = -EAGAIN;

	*report = (struct copy_report){ 0 };
	copier->report = report;
	if (snapshot->damage)
		copy_unlearn(copier);
	while ((r == -EAGAIN || r == -ESTALE) && report->tries++ < COPY_TRIES) {
		copy_forget_try(report);
		r = lean ? learn(copier, &snapshot->record, err) : 0;
		if (r == 0)
			r = copy_once(copier, &snapshot->record, ret, err);
		if (r == -ESTALE)
			lean = false;
		if (r < 0)
			copy_unlearn(copier);
	}
	if (r == -ESTALE && err)
		err->code = r = -EBADMSG;
	if (r == 0)
		remember(copier, ret);
	copier->report = NULL;
	return r;
}
