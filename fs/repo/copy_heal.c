#include "fs/repo/copy_internal.h"

/*
 * Every object of the snapshot is put once more.  A deposit compares the bytes
 * of what it finds, and stores anew what cannot be read; by the same id, for
 * that is made of the bytes.
 */
static int put_again(struct copier *copier, const struct record *here,
		     const struct record *there, struct err *err)
{
	struct record a = *here, b = *there;
	struct id *from[COPY_ROOTS], *to[COPY_ROOTS];
	bool same = true;
	int r = 0;

	copy_roots(&a, from);
	copy_roots(&b, to);
	for (size_t i = 0; r == 0 && i < COPY_ROOTS; i++) {
		struct id id;

		r = copy_object(copier, from[i], &id, err);
		same &= r < 0 || id_equal(&id, to[i]);
	}
	if (r == 0)
		r = deposit_drain(copier->deposit, err);
	if (r == 0 && !same)
		r = err_corrupt(err, "what is said to be a copy in '%s' has "
				"other objects", copier->to->path);
	return r;
}

static int deposit_all(struct copier *copier, const struct record *here,
		       const struct record *there, struct err *err)
{
	const struct deposit_options options = {
		.level = copier->options.level,
		.workers = copier->options.workers,
		.min_free = copier->options.min_free,
	};
	int r;

	r = deposit_begin(copier->to, &options, &copier->deposit, err);
	if (r == 0) {
		r = put_again(copier, here, there, err);
		copy_take_stats(copier);
	}
	/* sealed packs stay: the record that needs them is there */
	deposit_free(copier->deposit);
	copier->deposit = NULL;
	return r;
}

/* No record comes that would make a catalog which lost the new packs in a power
 * cut look for them. */
static int heal_once(struct copier *copier, const struct record *here,
		     const struct record *there, struct err *err)
{
	struct catalog *catalog = copier->to->catalog;
	int r = catalog_set_durable(catalog, true, err);

	if (r == 0)
		r = deposit_all(copier, here, there, err);
	catalog_set_durable(catalog, false, NULL);
	return r == 0 ? copy_look_up(copier, there, err) : r;
}

static int heal(struct copier *copier, const struct record *here,
		const struct record *there, struct err *err)
{
	int r = -EAGAIN;

	/* nothing is taken for there that was only looked up */
	if (copier->believing)
		copy_unlearn(copier);
	while (r == -EAGAIN && copier->report->tries++ < COPY_TRIES) {
		copy_forget_try(copier->report);
		r = heal_once(copier, here, there, err);
		if (r < 0)
			copy_unlearn(copier);
	}
	return r;
}

int copier_heal(struct copier *copier, const struct snapshot *snapshot,
		struct copy_report *report, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot there = { .damage = NULL };
	uint64_t number;
	int r;

	*report = (struct copy_report){ 0 };
	if (copier_has(copier, &snapshot->record, &number) < COPY_THERE)
		return err_set(err, -ENOENT, "'%s' has no copy of it",
			       copier->to->path);
	r = catalog_get_snapshot(copier->to->catalog, number, &there, err);
	if (r < 0)
		return r;
	copier->report = report;
	r = heal(copier, &snapshot->record, &there.record, err);
	copier->report = NULL;
	return r;
}
