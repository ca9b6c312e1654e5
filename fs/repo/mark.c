#include "fs/repo/mark.h"

#include <stdlib.h>

int mark_init(struct mark *mark, struct repo *repo, struct catalog *frozen,
	      struct err *err)
{
	*mark = (struct mark){ .repo = repo, .frozen = frozen };
	mark->batch = calloc(MARK_BATCH, sizeof(*mark->batch));
	if (!mark->batch)
		return err_nomem(err);
	return bits_reserve(&mark->rows, catalog_rows(frozen), err);
}

void mark_release(struct mark *mark)
{
	catalog_close(mark->frozen);
	bits_release(&mark->rows);
	bits_release(&mark->bases);
	bits_release(&mark->snapshots);
	bits_release(&mark->gone);
	id_set_release(&mark->fresh);
	free(mark->stack);
	free(mark->batch);
	*mark = (struct mark){ .repo = NULL };
}

struct rows {
	struct place place[PLACES_MAX];
	uint64_t row[PLACES_MAX];
	size_t count;
};

/* A pack that is gone may still be read, from the cache or an open file. */
static int find_rows(struct mark *mark, const struct id *id, struct rows *ret,
		     struct err *err)
{
	size_t count = 0, kept = 0;
	int r = catalog_find_rows(mark->frozen, id, ret->place, ret->row,
				  PLACES_MAX, &count, err);

	for (size_t i = 0; r == 0 && i < count; i++) {
		if (bits_has(&mark->gone, ret->place[i].pack))
			continue;
		ret->place[kept] = ret->place[i];
		ret->row[kept++] = ret->row[i];
	}
	ret->count = kept;
	return r;
}

static bool any_in(const struct bits *bits, const struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		if (bits_has(bits, rows->row[i]))
			return true;
	return false;
}

/* Mark in bits the first copy that can be read, and pin it in *ret where that
 * is not NULL.  -ENOENT: none can. */
static int mark_copy(struct mark *mark, struct bits *bits,
		     const struct id *id, const struct rows *rows,
		     struct held *ret, struct err *err)
{
	struct err why = ERR_INIT;

	for (size_t i = 0; i < rows->count; i++) {
		OWNED_HELD struct held held = HELD_INIT;
		int r = repo_get_at(mark->repo, &rows->place[i], id, &held,
				    &why);

		if (r == -ENOMEM)
			return err_nomem(err);
		if (r < 0)
			continue;
		r = bits_set(bits, rows->row[i], err);
		if (r == 0 && ret) {
			*ret = held;
			held = (struct held)HELD_INIT;
		}
		return r;
	}
	return -ENOENT;
}

/* Chunks. */

/* Where none of several copies can be read, all stay for a repair to look at;
 * a single one is not read here. */
static int mark_one_chunk(struct mark *mark, const struct id *id,
			  struct err *err)
{
	struct bits *bits = id->nth & ID_META ? &mark->bases : &mark->rows;
	struct place place;
	struct rows rows;
	size_t count = 0;
	int r = find_rows(mark, id, &rows, err);

	if (r < 0 || any_in(&mark->rows, &rows) || any_in(bits, &rows))
		return r;
	if (rows.count == 0) {
		r = catalog_find(mark->repo->catalog, id, &place, 1, &count,
				 err);
		mark->missing += r == 0 && count == 0;
		return r;
	}
	if (rows.count > 1) {
		r = mark_copy(mark, bits, id, &rows, NULL, err);
		if (r != -ENOENT)
			return r;
	}
	for (size_t i = 0; i < rows.count; i++) {
		r = bits_set(bits, rows.row[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int id_order(const void *a, const void *b)
{
	return memcmp(((const struct id *)a)->hash,
		      ((const struct id *)b)->hash, ID_HASH);
}

/* In order of ids, so that each segment of the catalog is read once. */
int mark_flush(struct mark *mark, struct err *err)
{
	int r = 0;

	if (mark->batch_count > 0)
		qsort(mark->batch, mark->batch_count, sizeof(*mark->batch),
		      id_order);
	for (size_t i = 0; r == 0 && i < mark->batch_count; i++)
		r = mark_one_chunk(mark, &mark->batch[i], err);
	mark->batch_count = 0;
	return r;
}

int mark_chunk(struct mark *mark, const struct id *id, struct err *err)
{
	mark->batch[mark->batch_count++] = *id;
	return mark->batch_count < MARK_BATCH ? 0 : mark_flush(mark, err);
}

/* Metadata. */

static int push(struct mark *mark, const struct id *id, struct err *err)
{
	if (id_is_none(id))
		return 0;
	if (mark->depth == mark->stack_cap) {
		size_t cap = mark->stack_cap ? 2 * mark->stack_cap : 256;
		void *more = reallocarray(mark->stack, cap,
					  sizeof(*mark->stack));

		if (!more)
			return err_nomem(err);
		mark->stack = more;
		mark->stack_cap = cap;
	}
	mark->stack[mark->depth++] = *id;
	return 0;
}

static int follow(struct mark *mark, struct span bytes, struct err *err)
{
	struct object_in in;
	int r;

	r = object_parse(bytes, &in, err);
	for (uint32_t i = 0; r == 0 && i < in.count; i++) {
		enum object_type type;
		struct id id;

		object_get_any(&in, i, &type, &id);
		r = type == OBJECT_CHUNK ? mark_chunk(mark, &id, err) :
					   push(mark, &id, err);
	}
	return r;
}

static int visit(struct mark *mark, const struct id *id, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct rows rows;
	int r = find_rows(mark, id, &rows, err);

	if (r < 0 || any_in(&mark->rows, &rows))
		return r;
	if (rows.count > 0) {
		r = mark_copy(mark, &mark->rows, id, &rows, &held, err);
	} else {
		r = id_set_add(&mark->fresh, id, err);
		if (r <= 0)
			return r;
		r = -ENOENT;
	}
	/* added since; or damaged, which is said in these words */
	if (r == -ENOENT)
		r = repo_get(mark->repo, id, &held, err);
	return r < 0 ? r : follow(mark, held.bytes, err);
}

int mark_snapshot(struct mark *mark, const struct record *record,
		  struct err *err)
{
	const struct id *const roots[] = { &record->root, &record->links,
					   &record->origin, &record->view,
					   &record->notes, &record->rows };
	int r = 0;

	mark->depth = 0;
	for (size_t i = 0; r == 0 && i < sizeof(roots) / sizeof(*roots); i++)
		r = push(mark, roots[i], err);
	while (r == 0 && mark->depth > 0) {
		struct id id = mark->stack[--mark->depth];

		r = visit(mark, &id, err);
	}
	if (r == 0)
		r = mark_flush(mark, err);
	return r < 0 ? r : bits_set(&mark->snapshots, record->number, err);
}
