#include "fs/out/export_internal.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * A file with holes, GNU.sparse 1.0: what follows the header is decimal lines,
 * padded to whole blocks: the number of regions, then offset and length of
 * each; a last one of no length where the file ends in a hole.  Then the
 * regions' bytes.  GNU tar begins each region at a new block, others read them
 * without a gap: so all but the last are made whole blocks, with zeros of the
 * holes beside them, and both are right.
 */
struct regions {
	uint64_t size;		/* of the file */
	uint64_t gap;		/* shorter holes are written out */
	uint64_t start, end;	/* the region that may grow yet */
	uint64_t count;
	uint64_t data, text;	/* bytes of regions, and of their lines */
	int (*each)(void *arg, uint64_t start, uint64_t end,
		    struct err *err);
	void *arg;
};

static size_t line_text(char *text, size_t cap, uint64_t start, uint64_t end)
{
	return (size_t)snprintf(text, cap, "%" PRIu64 "\n%" PRIu64 "\n",
				start, end - start);
}

static int tell(struct regions *g, uint64_t start, uint64_t end,
		struct err *err)
{
	g->count++;
	g->data += end - start;
	g->text += line_text(NULL, 0, start, end);
	return g->each ? g->each(g->arg, start, end, err) : 0;
}

static int take_extent(void *arg, uint64_t offset,
		       const struct extent *extent, struct err *err)
{
	struct regions *g = arg;
	uint64_t start = offset - offset % PAX_BLOCK;
	uint64_t end = offset + extent->len;
	int r = 0;

	if (extent->type == EXTENT_HOLE)
		return 0;
	end += pax_padding(end);
	if (end > g->size)
		end = g->size;
	if (g->end > 0 && start <= g->end + g->gap) {
		g->end = end;
		return 0;
	}
	if (g->end > 0)
		r = tell(g, g->start, g->end, err);
	g->start = start;
	g->end = end;
	return r;
}

/* Tell each region of content in order. */
static int find_regions(struct exporter *x, const struct content *content,
			struct regions *g, struct err *err)
{
	int r = content_each(&x->getter, content, g->size, take_extent, g,
			     err);
	uint64_t end = g->end;

	if (r == 0 && end > 0)
		r = tell(g, g->start, end, err);
	if (r == 0 && end < g->size)
		r = tell(g, g->size, g->size, err);
	return r;
}

/* Count them, with holes left out so far that the map is bounded. */
static int plan(struct exporter *x, const struct entry *entry,
		struct regions *ret, struct err *err)
{
	uint64_t gap = 0;
	int r;

	do {
		*ret = (struct regions){ .size = entry->size, .gap = gap };
		r = find_regions(x, &entry->content, ret, err);
		gap = gap ? 2 * gap : 4096;
	} while (r == 0 && ret->count > EXPORT_REGIONS);
	return r;
}

/* Bytes. */

static int put_piece(struct exporter *x, const struct piece *piece,
		     struct err *err)
{
	if (piece->hole)
		return export_zeros(x, piece->bytes.len, err);
	return export_put(x, piece->bytes, err);
}

static int put_bytes(struct exporter *x, const struct entry *entry,
		     uint64_t at, uint64_t end, struct err *err)
{
	struct piece pieces[EXPORT_PIECES];

	while (at < end) {
		uint64_t want = end - at < EXPORT_READ ? end - at
						       : EXPORT_READ;
		size_t count = 0;
		int r = export_stopped(x, err);

		if (r == 0)
			r = content_read(&x->getter, &entry->content,
					 entry->size, at, want, pieces,
					 EXPORT_PIECES, &count, err);
		if (r == 0 && count == 0)
			r = err_corrupt(err, "its content ends early");
		for (size_t i = 0; i < count; i++) {
			if (r == 0)
				r = put_piece(x, &pieces[i], err);
			at += pieces[i].bytes.len;
			held_release(&pieces[i].held);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

struct writing {
	struct exporter *x;
	const struct entry *entry;
};

static int put_line(void *arg, uint64_t start, uint64_t end,
		    struct err *err)
{
	struct writing *w = arg;
	char text[64];

	return export_put(w->x, span_of(text, line_text(
		text, sizeof(text), start, end)), err);
}

static int put_region(void *arg, uint64_t start, uint64_t end,
		      struct err *err)
{
	struct writing *w = arg;

	return put_bytes(w->x, w->entry, start, end, err);
}

static int again(struct writing *w, const struct regions *plan,
		 int (*each)(void *arg, uint64_t start, uint64_t end,
			     struct err *err), struct err *err)
{
	struct regions g = { .size = plan->size, .gap = plan->gap,
			     .each = each, .arg = w };

	return find_regions(w->x, &w->entry->content, &g, err);
}

static int put_sparse(struct exporter *x, const struct entry *entry,
		      struct pax_member *member, const struct regions *g,
		      struct err *err)
{
	struct writing w = { x, entry };
	char count[32];
	uint64_t map;
	int n = snprintf(count, sizeof(count), "%" PRIu64 "\n", g->count);
	int r;

	map = (uint64_t)n + g->text;
	member->sparse = true;
	member->real_size = entry->size;
	member->size = map + pax_padding(map) + g->data;
	r = export_header(x, member, err);
	if (r == 0)
		r = export_put(x, span_of(count, (size_t)n), err);
	if (r == 0)
		r = again(&w, g, put_line, err);
	if (r == 0)
		r = export_zeros(x, pax_padding(map), err);
	if (r == 0)
		r = again(&w, g, put_region, err);
	return r < 0 ? r : export_zeros(x, pax_padding(member->size), err);
}

int export_file(struct exporter *x, const struct entry *entry,
		struct pax_member *member, struct err *err)
{
	struct regions g = { .data = entry->size };
	int r = 0;

	if (entry_data_bytes(entry) < entry->size)
		r = plan(x, entry, &g, err);
	if (r < 0)
		return r;
	x->report->files++;
	x->report->bytes += g.data;
	if (g.data < entry->size)
		return put_sparse(x, entry, member, &g, err);
	member->size = entry->size;
	r = export_header(x, member, err);
	if (r == 0)
		r = put_bytes(x, entry, 0, entry->size, err);
	return r < 0 ? r : export_zeros(x, pax_padding(entry->size), err);
}
