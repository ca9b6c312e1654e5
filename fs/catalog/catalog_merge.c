#include "fs/catalog/catalog_internal.h"

#include <stdlib.h>

/*
 * Merging goes on in steps, each in the transaction of the pack that was
 * added, so that nobody waits for the whole of a large merge.  A step moves
 * the entries of the lowest ids from the sources to the target, removes the
 * segments that are used up, and leaves in the target's row the last id moved
 * (its bound).  All entries of one id move in one step.
 */

#define STEP_ENTRIES 65536	/* merged at least with each pack */
#define STEP_FACTOR 8		/* and for each entry that is new or gone */
#define SOURCES_MAX 64
#define DEAD_MIN 4096
#define DEAD_PART 2		/* dead entries are taken out beyond it */
#define TIDY_PART 8		/* and where it is tidied up */

struct run_writer {
	struct catalog *catalog;
	int64_t run;
	uint32_t seg;		/* index of the next segment */
	uint64_t entries, segs;	/* written by this writer */
	size_t count;		/* entries in data */
	size_t group;		/* segments in the group */
	uint8_t data[SEG_BYTES + SUM_BYTES];
	uint8_t fences[GROUP_SEGS * ID_BYTES];
	uint8_t filters[GROUP_SEGS * FILTER_BYTES + SUM_BYTES];
};

static struct run_writer *writer_new(struct catalog *catalog, int64_t run,
				     uint32_t seg)
{
	struct run_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return NULL;
	writer->catalog = catalog;
	writer->run = run;
	writer->seg = seg;
	return writer;
}

static int flush_group(struct run_writer *writer, struct err *err)
{
	int64_t key = seg_key(writer->run,
			      (uint32_t)(writer->seg - writer->group));
	size_t fences = writer->group * ID_BYTES;
	size_t filters = writer->group * FILTER_BYTES;
	OWNED_BUF struct buf both = BUF_INIT;
	int r;

	if (writer->group == 0)
		return 0;
	buf_append(&both, writer->fences, fences);
	buf_append(&both, writer->filters, filters);
	r = buf_check(&both, err);
	if (r < 0)
		return r;
	put_le64(writer->filters + filters, row_sum(key, buf_span(&both)));
	r = sql_exec(writer->catalog, "INSERT INTO guide VALUES(?,?,?)", err,
		     "ibb", key, writer->fences, fences, writer->filters,
		     filters + SUM_BYTES);
	memset(writer->filters, 0, sizeof(writer->filters));
	writer->group = 0;
	return r;
}

static int flush_seg(struct run_writer *writer, struct err *err)
{
	int64_t key = seg_key(writer->run, writer->seg);
	size_t len = writer->count * ENTRY_BYTES;
	uint8_t *filter = writer->filters + writer->group * FILTER_BYTES;
	int r;

	if (writer->count == 0)
		return 0;
	put_le64(writer->data + len, row_sum(key, span_of(writer->data, len)));
	r = sql_exec(writer->catalog, "INSERT INTO seg VALUES(?,?)", err,
		     "ib", key, writer->data, len + SUM_BYTES);
	if (r < 0)
		return r;
	memcpy(writer->fences + writer->group * ID_BYTES, writer->data,
	       ID_BYTES);
	for (size_t i = 0; i < writer->count; i++)
		filter_add(filter, writer->data + i * ENTRY_BYTES);
	writer->count = 0;
	writer->seg++;
	writer->segs++;
	writer->group++;
	return writer->group == GROUP_SEGS ? flush_group(writer, err) : 0;
}

/* Where the next entry is to be put; the caller fills it in. */
static int writer_next(struct run_writer *writer, uint8_t **ret,
		       struct err *err)
{
	int r = writer->count == SEG_ENTRIES ? flush_seg(writer, err) : 0;

	if (r < 0)
		return r;
	*ret = writer->data + writer->count++ * ENTRY_BYTES;
	writer->entries++;
	return 0;
}

static int writer_finish(struct run_writer *writer, struct err *err)
{
	int r = flush_seg(writer, err);

	return r < 0 ? r : flush_group(writer, err);
}

/* A new run. */

static int write_entries(struct run_writer *writer, uint32_t pack,
			 const struct catalog_entry *entries, size_t count,
			 struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		uint8_t *entry;
		int r = writer_next(writer, &entry, err);

		if (r < 0)
			return r;
		id_to_disk(&entries[i].id, entry);
		put_le32(entry + ID_BYTES, pack);
		put_le32(entry + ID_BYTES + 4, entries[i].offset);
		put_le32(entry + ID_BYTES + 8, entries[i].stored);
		put_le32(entry + ID_BYTES + 12, entries[i].at);
	}
	return writer_finish(writer, err);
}

static int make_run(struct catalog *catalog, unsigned level, int state,
		    int64_t *ret, struct err *err)
{
	int r = sql_exec(catalog, "INSERT INTO run(level, count, segs, state)"
			 " VALUES(?,0,0,?)", err, "ii", (int64_t)level,
			 (int64_t)state);

	if (r < 0)
		return r;
	*ret = sqlite3_last_insert_rowid(catalog->db);
	if (*ret >= INT32_MAX)
		return err_set(err, -EOVERFLOW, "the catalog '%s' has used up "
			       "its numbers for runs", catalog->path);
	return 0;
}

int run_add(struct catalog *catalog, uint32_t pack,
	    const struct catalog_entry *entries, size_t count,
	    struct err *err)
{
	CLEANUP(free_ptr) struct run_writer *writer = NULL;
	int64_t run;
	int r = make_run(catalog, 0, 1, &run, err);

	if (r < 0)
		return r;
	writer = writer_new(catalog, run, 0);
	if (!writer)
		return err_nomem(err);
	r = write_entries(writer, pack, entries, count, err);
	if (r == 0)
		r = sql_exec(catalog, "UPDATE run SET count=?2, segs=?3"
			     " WHERE id=?1", err, "iii", run,
			     (int64_t)writer->entries,
			     (int64_t)writer->segs);
	return r < 0 ? r : runs_load(catalog, err);
}

/* Sources of a merge. */

struct feed {
	struct run *run;
	uint32_t seg;		/* index of the segment in data */
	bool open, ended;
	size_t at, count;
	uint64_t used;		/* entries taken in this step */
	uint64_t segs_used;
	uint8_t data[SEG_BYTES];
};

/* The first segment there still is. */
static int feed_load(struct catalog *catalog, struct feed *feed,
		     struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	struct span row;
	int64_t key;
	int r = sql_open(catalog, "SELECT key, data FROM seg WHERE key>=? AND"
			 " key<? ORDER BY key LIMIT 1", &stmt, err, "ii",
			 seg_key(feed->run->id, 0),
			 seg_key(feed->run->id + 1, 0));

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	feed->at = feed->count = 0;
	feed->open = r == 1;
	feed->ended = r == 0;
	if (feed->ended)
		return 0;
	key = sqlite3_column_int64(stmt, 0);
	row = sql_blob(stmt, 1);
	r = seg_verify(catalog, key, row, &feed->count, err);
	if (r < 0)
		return r;
	feed->seg = (uint32_t)key;
	memcpy(feed->data, row.data, feed->count * ENTRY_BYTES);
	return 0;
}

static int feed_drop(struct catalog *catalog, struct feed *feed,
		     struct err *err)
{
	int r = sql_exec(catalog, "DELETE FROM seg WHERE key=?", err, "i",
			 seg_key(feed->run->id, feed->seg));

	feed->segs_used++;
	return r < 0 ? r : feed_load(catalog, feed, err);
}

static const uint8_t *feed_entry(const struct feed *feed)
{
	return feed->data + feed->at * ENTRY_BYTES;
}

static int feed_next(struct catalog *catalog, struct feed *feed,
		     struct err *err)
{
	feed->used++;
	feed->at++;
	return feed->at < feed->count ? 0 : feed_drop(catalog, feed, err);
}

/* To the first entry behind the target's bound. */
static int feed_start(struct catalog *catalog, struct feed *feed,
		      const struct run *target, struct err *err)
{
	int r = feed_load(catalog, feed, err);

	if (r < 0 || feed->ended || !target->has_bound)
		return r;
	while (feed->at < feed->count &&
	       memcmp(feed_entry(feed), target->bound, ID_BYTES) <= 0)
		feed->at++;
	if (feed->at == feed->count)
		return sql_corrupt(catalog, err, "run %lld was not merged as "
				   "its target says",
				   (long long)feed->run->id);
	return 0;
}

struct merge {
	struct catalog *catalog;
	struct run *target;
	struct feed *feeds;
	size_t feed_count;
	struct run_writer *writer;
	uint8_t last[ID_BYTES];	/* id moved last */
	uint64_t taken, dropped;
};

static void merge_release(struct merge *merge)
{
	free(merge->feeds);
	free(merge->writer);
}

static int next_seg(struct catalog *catalog, int64_t run, uint32_t *ret,
		    struct err *err)
{
	OWNED_STMT sqlite3_stmt *stmt = NULL;
	int r = sql_open(catalog, "SELECT max(key) FROM seg WHERE key>=? AND"
			 " key<?", &stmt, err, "ii", seg_key(run, 0),
			 seg_key(run + 1, 0));

	if (r == 0)
		r = sql_step(catalog, stmt, err);
	if (r < 0)
		return r;
	*ret = sqlite3_column_type(stmt, 0) == SQLITE_NULL ? 0 :
		(uint32_t)sqlite3_column_int64(stmt, 0) + 1;
	return 0;
}

static int merge_open(struct merge *merge, struct err *err)
{
	struct catalog *catalog = merge->catalog;
	const struct lookup *lookup = &catalog->lookup;
	uint32_t seg = 0;
	int r = next_seg(catalog, merge->target->id, &seg, err);

	if (r < 0)
		return r;
	merge->writer = writer_new(catalog, merge->target->id, seg);
	merge->feeds = calloc(lookup->run_count, sizeof(*merge->feeds));
	if (!merge->writer || !merge->feeds)
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < lookup->run_count; i++) {
		if (lookup->runs[i]->target != merge->target)
			continue;
		merge->feeds[merge->feed_count].run = lookup->runs[i];
		r = feed_start(catalog, &merge->feeds[merge->feed_count++],
			       merge->target, err);
	}
	return r;
}

static struct feed *lowest(struct merge *merge)
{
	struct feed *best = NULL;

	for (size_t i = 0; i < merge->feed_count; i++) {
		struct feed *feed = &merge->feeds[i];

		if (!feed->ended && (!best || hash_cmp(feed_entry(feed),
						       feed_entry(best),
						       ID_BYTES) < 0))
			best = feed;
	}
	return best;
}

static int move_entry(struct merge *merge, struct feed *feed, struct err *err)
{
	const uint8_t *entry = feed_entry(feed);
	uint8_t *to;
	int r;

	memcpy(merge->last, entry, ID_BYTES);
	merge->taken++;
	if (pack_is_live(merge->catalog, get_le32(entry + ID_BYTES))) {
		r = writer_next(merge->writer, &to, err);
		if (r < 0)
			return r;
		memcpy(to, entry, ENTRY_BYTES);
	} else {
		merge->dropped++;
	}
	return feed_next(merge->catalog, feed, err);
}

/* Groups of which no segment is left. */
static int drop_guides(struct merge *merge, const struct feed *feed,
		       struct err *err)
{
	return sql_exec(merge->catalog, "DELETE FROM guide WHERE key>=?1 AND"
			" key<(SELECT max(key) FROM guide WHERE key<=?2)", err,
			"ii", seg_key(feed->run->id, 0),
			seg_key(feed->run->id, feed->seg));
}

static int store_feed(struct merge *merge, const struct feed *feed,
		      struct err *err)
{
	int r;

	if (feed->used == 0)
		return 0;
	r = sql_exec(merge->catalog, "UPDATE run SET count=count-?2,"
		     " segs=segs-?3 WHERE id=?1", err, "iii", feed->run->id,
		     (int64_t)feed->used, (int64_t)feed->segs_used);
	return r < 0 || feed->segs_used == 0 ? r :
		drop_guides(merge, feed, err);
}

static int remove_source(struct merge *merge, const struct feed *feed,
			 struct err *err)
{
	struct catalog *catalog = merge->catalog;
	int r = sql_exec(catalog, "DELETE FROM guide WHERE key>=? AND key<?",
			 err, "ii", seg_key(feed->run->id, 0),
			 seg_key(feed->run->id + 1, 0));

	return r < 0 ? r : sql_exec(catalog, "DELETE FROM run WHERE id=?", err,
				    "i", feed->run->id);
}

static int merge_finish(struct merge *merge, struct err *err)
{
	struct catalog *catalog = merge->catalog;
	int64_t id = merge->target->id;
	int r = 0;

	for (size_t i = 0; r == 0 && i < merge->feed_count; i++)
		r = remove_source(merge, &merge->feeds[i], err);
	if (r == 0)
		r = sql_exec(catalog, "UPDATE run SET state=1, bound=NULL"
			     " WHERE id=?", err, "i", id);
	if (r == 0)
		r = sql_exec(catalog, "DELETE FROM run WHERE id=? AND count=0",
			     err, "i", id);
	return r;
}

static int merge_store(struct merge *merge, bool ended, struct err *err)
{
	struct catalog *catalog = merge->catalog;
	int r = writer_finish(merge->writer, err);

	if (r == 0 && merge->taken > 0)
		r = sql_exec(catalog, "UPDATE run SET count=count+?2,"
			     " segs=segs+?3, bound=?4 WHERE id=?1", err,
			     "iiib", merge->target->id,
			     (int64_t)merge->writer->entries,
			     (int64_t)merge->writer->segs, merge->last,
			     (size_t)ID_BYTES);
	if (r == 0 && merge->dropped > 0)
		r = meta_add(catalog, "dead", -(int64_t)merge->dropped, err);
	for (size_t i = 0; r == 0 && !ended && i < merge->feed_count; i++)
		r = store_feed(merge, &merge->feeds[i], err);
	if (r == 0 && ended)
		r = merge_finish(merge, err);
	return r;
}

/* *budget entries, and then to the end of an id. */
static int merge_step(struct catalog *catalog, struct run *target,
		      uint64_t *budget, struct err *err)
{
	CLEANUP(merge_release) struct merge merge = {
		.catalog = catalog, .target = target,
	};
	struct feed *feed;
	int r = merge_open(&merge, err);

	while (r == 0 && (feed = lowest(&merge))) {
		if (merge.taken >= *budget &&
		    memcmp(feed_entry(feed), merge.last, ID_BYTES) != 0)
			break;
		r = move_entry(&merge, feed, err);
	}
	if (r == 0)
		r = merge_store(&merge, lowest(&merge) == NULL, err);
	if (r < 0)
		return r;
	*budget -= merge.taken < *budget ? merge.taken : *budget;
	return runs_load(catalog, err);
}

/* What to merge. */

static bool is_free(const struct run *run)
{
	return !run->building && !run->into;
}

static int start_merge(struct catalog *catalog, unsigned from, unsigned to,
		       unsigned level, struct err *err)
{
	const struct lookup *lookup = &catalog->lookup;
	int64_t target;
	size_t sources = 0;
	int r = make_run(catalog, level, 2, &target, err);

	/* Oldest first: they stand at the end. */
	for (size_t i = lookup->run_count; r == 0 && i > 0 &&
	     sources < SOURCES_MAX; i--) {
		const struct run *run = lookup->runs[i - 1];

		if (!is_free(run) || run->level < from || run->level > to)
			continue;
		r = sql_exec(catalog, "UPDATE run SET \"into\"=?2"
			     " WHERE id=?1", err, "ii", run->id, target);
		sources++;
	}
	return r < 0 ? r : runs_load(catalog, err);
}

static size_t count_free(const struct catalog *catalog, unsigned level)
{
	const struct lookup *lookup = &catalog->lookup;
	size_t count = 0;

	for (size_t i = 0; i < lookup->run_count; i++)
		count += is_free(lookup->runs[i]) &&
			 lookup->runs[i]->level == level;
	return count;
}

/* More than one part in so many is of packs that are gone: everything into one
 * run. */
static int plan_purge(struct catalog *catalog, unsigned top, unsigned part,
		      struct err *err)
{
	const struct lookup *lookup = &catalog->lookup;
	uint64_t total = 0;
	int64_t dead;
	int r = meta_get(catalog, "dead", &dead, err);

	if (r < 0 || dead < DEAD_MIN)
		return r;
	for (size_t i = 0; i < lookup->run_count; i++) {
		if (!is_free(lookup->runs[i]))
			return 0;
		total += lookup->runs[i]->count;
	}
	if (total == 0 || (uint64_t)dead <= total / part)
		return 0;
	return start_merge(catalog, 0, top, top, err);
}

static int plan(struct catalog *catalog, unsigned part, struct err *err)
{
	const struct lookup *lookup = &catalog->lookup;
	unsigned top = 0;
	int r = 0;

	for (size_t i = 0; i < lookup->run_count; i++)
		if (lookup->runs[i]->level > top)
			top = lookup->runs[i]->level;
	for (unsigned level = 0; r == 0 && level <= top; level++)
		if (count_free(catalog, level) >= CATALOG_FANOUT)
			r = start_merge(catalog, level, level, level + 1, err);
	return r < 0 ? r : plan_purge(catalog, top, part, err);
}

/* Of the lowest level: it takes away most runs for the least work. */
static struct run *next_target(const struct catalog *catalog)
{
	const struct lookup *lookup = &catalog->lookup;
	struct run *best = NULL;

	for (size_t i = 0; i < lookup->run_count; i++) {
		struct run *run = lookup->runs[i];

		if (run->building && (!best || run->level < best->level))
			best = run;
	}
	return best;
}

/* Merge so many entries; then what is dead is less than one part in so many, or
 * there is more to do. */
static int merge_some(struct catalog *catalog, uint64_t budget, unsigned part,
		      struct err *err)
{
	struct run *target;
	int r = lookup_refresh(catalog, NULL, err);

	if (r == 0)
		r = plan(catalog, part, err);
	while (r == 0 && budget > 0 && (target = next_target(catalog))) {
		r = merge_step(catalog, target, &budget, err);
		if (r == 0)
			r = plan(catalog, part, err);
	}
	return r;
}

int runs_upkeep(struct catalog *catalog, uint64_t entries, struct err *err)
{
	uint64_t budget = entries * STEP_FACTOR;

	if (catalog->put_off)
		return lookup_refresh(catalog, NULL, err);
	return merge_some(catalog, budget < STEP_ENTRIES ? STEP_ENTRIES :
			  budget, DEAD_PART, err);
}

/* In steps, between which others come to write. */
int runs_tidy(struct catalog *catalog, struct err *err)
{
	int r = 0;

	do {
		r = catalog_begin(catalog, err);
		if (r == 0)
			r = catalog_end(catalog, merge_some(catalog,
					STEP_ENTRIES, TIDY_PART, err), err);
	} while (r == 0 && next_target(catalog));
	return r;
}
