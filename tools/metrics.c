#include "tools/metrics.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "fs/repo/remember.h"
#include "tools/policy.h"

struct of_source {
	const char *source;
	uint64_t snapshots, incomplete, damaged, forgotten, pinned;
	uint64_t new_bytes;
	const struct record *good;	/* the newest good one; or NULL */
	struct stamp first, last;	/* first and last add */
	int64_t max_age;		/* 0: no policy says */
};

struct metrics {
	const char *store;
	struct buf *out;
	struct of_source *row;
	size_t count;
	struct policies policies;
	struct stamp pruned, checked;	/* 0: not known */
	bool has_unused, has_errors;
	uint64_t unused, errors;
};

/* Bytes that are no UTF-8 would have the whole file refused. */
static void append_label(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	while (*value) {
		size_t len = 1;

		while (len < 4 && value[len] && (value[len] & 0xc0) == 0x80)
			len++;
		if (!utf8_is_valid(span_of(value, len))) {
			buf_append_str(out, "\xef\xbf\xbd");
			len = 1;
		} else if (*value == '\n') {
			buf_append_str(out, "\\n");
		} else {
			if (*value == '\\' || *value == '"')
				buf_append_byte(out, '\\');
			buf_append(out, value, len);
		}
		value += len;
	}
	buf_append_byte(out, '"');
}

static void family(struct metrics *m, const char *name, const char *help)
{
	buf_printf(m->out, "# HELP %s %s\n# TYPE %s gauge\n", name, help,
		   name);
}

static void sample(struct metrics *m, const char *name, const char *source,
		   uint64_t value)
{
	buf_printf(m->out, "%s{", name);
	append_label(m->out, "store", m->store);
	if (source) {
		buf_append_byte(m->out, ',');
		append_label(m->out, "source", source);
	}
	buf_printf(m->out, "} %" PRIu64 "\n", value);
}

static void single(struct metrics *m, const char *name, const char *help,
		   uint64_t value)
{
	family(m, name, help);
	sample(m, name, NULL, value);
}

/* Before 1970 nobody took backups; what claims so is as old as can be. */
static uint64_t seconds(struct stamp t)
{
	return t.s > 0 ? (uint64_t)t.s : 0;
}

static bool snapshots_of(const struct metrics *m, const struct of_source *s,
			 uint64_t *ret)
{
	(void)m;
	*ret = s->snapshots;
	return true;
}

static bool incomplete_of(const struct metrics *m, const struct of_source *s,
			  uint64_t *ret)
{
	(void)m;
	*ret = s->incomplete;
	return true;
}

static bool damaged_of(const struct metrics *m, const struct of_source *s,
		       uint64_t *ret)
{
	(void)m;
	*ret = s->damaged;
	return true;
}

static bool forgotten_of(const struct metrics *m, const struct of_source *s,
			 uint64_t *ret)
{
	(void)m;
	*ret = s->forgotten;
	return true;
}

static bool pinned_of(const struct metrics *m, const struct of_source *s,
		      uint64_t *ret)
{
	(void)m;
	*ret = s->pinned;
	return true;
}

static bool good_time_of(const struct metrics *m, const struct of_source *s,
			 uint64_t *ret)
{
	(void)m;
	if (s->good)
		*ret = seconds(s->good->time);
	return s->good != NULL;
}

static bool last_add_of(const struct metrics *m, const struct of_source *s,
			uint64_t *ret)
{
	(void)m;
	*ret = seconds(s->last);
	return s->snapshots + s->forgotten > 0;
}

static bool good_bytes_of(const struct metrics *m, const struct of_source *s,
			  uint64_t *ret)
{
	(void)m;
	if (s->good)
		*ret = s->good->bytes;
	return s->good != NULL;
}

static bool good_files_of(const struct metrics *m, const struct of_source *s,
			  uint64_t *ret)
{
	(void)m;
	if (s->good)
		*ret = s->good->files;
	return s->good != NULL;
}

static bool new_bytes_of(const struct metrics *m, const struct of_source *s,
			 uint64_t *ret)
{
	(void)m;
	*ret = s->new_bytes;
	return true;
}

/* A prune is of all sources there are; one that came later had none. */
static bool prune_of(const struct metrics *m, const struct of_source *s,
		     uint64_t *ret)
{
	*ret = seconds(m->pruned);
	return m->pruned.s > 0 && s->snapshots + s->forgotten > 0 &&
	       stamp_cmp(s->first, m->pruned) <= 0;
}

static bool max_age_of(const struct metrics *m, const struct of_source *s,
		       uint64_t *ret)
{
	(void)m;
	*ret = (uint64_t)s->max_age;
	return s->max_age > 0;
}

static const struct {
	const char *name, *help;
	bool (*value)(const struct metrics *m, const struct of_source *s,
		      uint64_t *ret);
} families[] = {
	{ "varve_source_last_good_backup_timestamp_seconds",
	  "When the data of the newest complete, undamaged snapshot was "
	  "captured.", good_time_of },
	{ "varve_source_last_backup_timestamp_seconds",
	  "When a snapshot was last added, complete or not.", last_add_of },
	{ "varve_source_last_good_prune_timestamp_seconds",
	  "When a prune last went through since the source has snapshots.",
	  prune_of },
	{ "varve_source_max_age_seconds",
	  "How old the last good backup may be by the source's policy.",
	  max_age_of },
	{ "varve_source_snapshots", "Snapshots that are shown.",
	  snapshots_of },
	{ "varve_source_snapshots_incomplete",
	  "Of them those that are incomplete.", incomplete_of },
	{ "varve_source_snapshots_damaged",
	  "Of them those that are known to be damaged.", damaged_of },
	{ "varve_source_snapshots_pinned", "Of them those that are pinned.",
	  pinned_of },
	{ "varve_source_snapshots_forgotten",
	  "Forgotten ones that were not pruned yet.", forgotten_of },
	{ "varve_source_last_good_bytes",
	  "Size of the files in the last good backup.", good_bytes_of },
	{ "varve_source_last_good_files",
	  "Number of files in the last good backup.", good_files_of },
	{ "varve_source_new_bytes",
	  "What the source's snapshots added to the store, as stored.",
	  new_bytes_of },
};

static void write_families(struct metrics *m)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++) {
		bool any = false;

		for (size_t k = 0; k < m->count; k++) {
			uint64_t value;

			if (!families[i].value(m, &m->row[k], &value))
				continue;
			if (!any)
				family(m, families[i].name, families[i].help);
			any = true;
			sample(m, families[i].name, m->row[k].source, value);
		}
	}
}

static void add_snapshot(struct of_source *s, const struct snapshot *snapshot)
{
	const struct record *record = &snapshot->record;

	if (s->snapshots + s->forgotten == 0 ||
	    stamp_cmp(record->added, s->first) < 0)
		s->first = record->added;
	if (s->snapshots + s->forgotten == 0 ||
	    stamp_cmp(record->added, s->last) > 0)
		s->last = record->added;
	s->new_bytes += record->new_bytes;
	if (snapshot->forgotten) {
		s->forgotten++;
		return;
	}
	s->snapshots++;
	s->incomplete += record->incomplete != NULL;
	s->damaged += snapshot->damage != NULL;
	s->pinned += snapshot->pinned;
	if (snapshot_is_good_after(snapshot, s->good))
		s->good = record;
}

static void take_idle(struct metrics *m, const struct snapshots *list)
{
	for (size_t i = 0; i < m->policies.count; i++) {
		const struct policy *policy = &m->policies.row[i];

		if (policy_is_idle(policy, list))
			m->row[m->count++] = (struct of_source){
				.source = policy->glob,
				.max_age = policy->keep.max_age,
			};
	}
}

static int take_sources(struct metrics *m, const struct snapshots *list,
			struct err *err)
{
	m->row = calloc(list->count + m->policies.count + 1, sizeof(*m->row));
	if (!m->row)
		return err_nomem(err);
	for (size_t i = 0; i < list->count; i++) {
		const char *source = list->row[i].record.source;

		if (m->count == 0 ||
		    strcmp(m->row[m->count - 1].source, source))
			m->row[m->count++] = (struct of_source){
				.source = source,
				.max_age = policies_max_age(&m->policies,
							    source),
			};
		add_snapshot(&m->row[m->count - 1], &list->row[i]);
	}
	take_idle(m, list);
	return 0;
}

/* The words of the log are docs/format.md's. */
static int take_log(void *arg, const char *name, const struct event *event,
		    struct err *err)
{
	struct metrics *m = arg;
	const char *words = event->value ? event->value : "", *unused;

	(void)name;
	(void)err;
	if (event->key && !strcmp(event->key, CHECK_EVENT)) {
		m->checked = event->at;
		m->errors = strtoull(words, NULL, 10);
		m->has_errors = true;
	} else if (event->key && !strcmp(event->key, "prune") &&
		   strncmp(words, "damage ", 7) &&
		   strncmp(words, "no room ", 8)) {
		m->pruned = event->at;
		unused = strstr(words, ", unused: ");
		m->has_unused = unused != NULL;
		m->unused = unused ? strtoull(unused + 10, NULL, 10) : 0;
	}
	return 0;
}

static void write_store(struct metrics *m,
			const struct catalog_object_stats *stats,
			uint64_t catalog_bytes)
{
	single(m, "varve_sources", "Sources that have snapshots.", m->count);
	single(m, "varve_pack_bytes", "Size of all packs, as stored.",
	       stats->pack_bytes);
	single(m, "varve_packs", "Packs in the store.", stats->packs);
	single(m, "varve_objects", "Objects in the packs.", stats->objects);
	single(m, "varve_catalog_bytes", "Size of the catalog.",
	       catalog_bytes);
	if (m->pruned.s > 0)
		single(m, "varve_last_good_prune_timestamp_seconds",
		       "When a prune last went through.", seconds(m->pruned));
	if (m->has_unused)
		single(m, "varve_unused_bytes", "What no snapshot needed and "
		       "the last good prune left in packs that are in use.",
		       m->unused);
	if (m->checked.s > 0)
		single(m, "varve_last_check_timestamp_seconds",
		       "When the store was last checked to the end.",
		       seconds(m->checked));
	if (m->has_errors)
		single(m, "varve_last_check_errors",
		       "Things the last check found damaged or missing.", m->errors);
}

static void write_room(struct metrics *m)
{
	struct statvfs st;

	if (statvfs(m->store, &st) < 0)
		return;
	single(m, "varve_filesystem_free_bytes",
	       "Room for the store on its file system.",
	       (uint64_t)st.f_bavail * st.f_frsize);
	single(m, "varve_filesystem_size_bytes",
	       "Size of the store's file system.",
	       (uint64_t)st.f_blocks * st.f_frsize);
}

static void metrics_release(struct metrics *m)
{
	policies_release(&m->policies);
	free(m->row);
}

int metrics_write(const struct tool *tool, struct repo *repo,
		  const struct snapshots *list, uint64_t catalog_bytes,
		  struct buf *out, struct err *err)
{
	CLEANUP(metrics_release) struct metrics m = {
		.store = tool->store, .out = out,
	};
	struct catalog_object_stats stats;
	int r;

	r = policies_load(repo, &m.policies, err);
	if (r >= 0)
		r = take_sources(&m, list, err);
	if (r >= 0)
		r = catalog_each_event(repo_catalog(repo), EVENT_LOG, take_log,
				       &m, err);
	if (r >= 0)
		r = catalog_object_stats(repo_catalog(repo), &stats, err);
	if (r < 0)
		return r;
	family(&m, "varve_build_info", "The version that wrote this.");
	buf_append_str(out, "varve_build_info{");
	append_label(out, "store", m.store);
	buf_append_str(out, ",version=\"" VARVE_VERSION "\"} 1\n");
	write_store(&m, &stats, catalog_bytes);
	write_room(&m);
	write_families(&m);
	return buf_check(out, err);
}
