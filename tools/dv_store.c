#include "tools/dv.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/out/export.h"
#include "indexer/ingest.h"
#include "tools/add_report.h"
#include "tools/format.h"
#include "tools/producer.h"
#include "tools/progress.h"
#include "tools/target.h"

#define TAGS_MAX (12 + 2 * DV_PARTS_MAX)
#define EXPAND_DEPTH 3
#define WHOLE "dv_whole"	/* a tag: all entries came as they are */

/* Which there are. */

void dv_kepts_release(struct dv_kepts *kepts)
{
	for (size_t i = 0; i < kepts->count; i++)
		record_release(&kepts->list[i].snapshot.record);
	free(kepts->list);
	*kepts = (struct dv_kepts){ .count = 0 };
}

static int newest_first(const void *a, const void *b)
{
	const struct dv_kept *x = a, *y = b;
	int order = strcmp(y->ts, x->ts);

	/* of one that was added twice, the good one, or the later */
	if (order == 0)
		order = snapshot_is_good(&y->snapshot) -
			snapshot_is_good(&x->snapshot);
	if (order == 0)
		order = x->snapshot.record.number < y->snapshot.record.number ?
			1 : -1;
	return order;
}

int dv_kepts_load(struct repo *repo, const struct dv *dv, bool other,
		  struct dv_kepts *ret, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots all = { .count = 0 };
	struct dv_kepts kepts = { .count = 0 };
	int r = snapshots_load(repo, NULL, false, &all, err);

	if (r == 0 && all.count) {
		kepts.list = calloc(all.count, sizeof(*kepts.list));
		if (!kepts.list)
			r = err_nomem(err);
	}
	for (size_t i = 0; r == 0 && i < all.count; i++) {
		const struct record *record = &all.row[i].record;
		const char *ts = record_tag(record, "dv_backup");
		const char *of = record_tag(record, "dv_instance");
		struct dv_kept *kept = &kepts.list[kepts.count];

		if (!ts || !dv_is_ts(ts, strlen(ts)) ||
		    (!other && (!of || strcmp(of, dv->instance) != 0)))
			continue;
		r = snapshot_copy(&all.row[i], &kept->snapshot, err);
		if (r == 0) {
			memcpy(kept->ts, ts, DV_TS + 1);
			kepts.count++;
		}
	}
	if (r < 0) {
		dv_kepts_release(&kepts);
		return r;
	}
	if (kepts.count)
		qsort(kepts.list, kepts.count, sizeof(*kepts.list),
		      newest_first);
	*ret = kepts;
	return 0;
}

const struct dv_kept *dv_kept_find(const struct dv_kepts *kepts,
				   const char *ts)
{
	for (size_t i = 0; i < kepts->count; i++)
		if (!strcmp(kepts->list[i].ts, ts))
			return &kepts->list[i];
	return NULL;
}

/* As a source's name; what may not be in one becomes '-'. */
int dv_source(const struct dv *dv, const char *given, struct buf *ret,
	      struct err *err)
{
	const char *cluster = dv->origin.cluster ? dv->origin.cluster :
						   dv->origin.context;

	if (given) {
		buf_append_str(ret, given);
	} else {
		for (const char *c = cluster; c && *c; c++)
			buf_append_byte(ret, isalnum((unsigned char)*c) ||
					(strchr("-_.", *c) && c != cluster) ?
					(uint8_t)*c : '-');
		if (ret->len && ret->data[0] == '-')
			ret->data[0] = 'c';
		buf_printf(ret, "%s%s/dv", ret->len ? "/" : "", dv->ns);
	}
	return buf_str(ret) ? source_check_new(buf_str(ret), err) :
			      err_nomem(err);
}

/* Into the store. */

struct adding {
	struct dv *dv;
	const struct dv_dir *dir;
	struct producer producer;
	struct record_pair tags[TAGS_MAX];
	size_t tag_count;
	struct add_warnings warnings;
	unsigned flaws;
};

static void adding_release(struct adding *a)
{
	for (size_t i = 0; i < a->tag_count; i++) {
		free(a->tags[i].key);
		free(a->tags[i].value);
	}
	add_warnings_release(&a->warnings);
	producer_release(&a->producer);
}

static int tag(struct adding *a, struct err *err, const char *key,
	       const char *fmt, ...) PRINTF(4, 5);
static int tag(struct adding *a, struct err *err, const char *key,
	       const char *fmt, ...)
{
	struct record_pair *pair = &a->tags[a->tag_count];
	va_list ap;
	int n;

	if (a->tag_count == TAGS_MAX)
		return err_set(err, -E2BIG, "the backup has too many parts");
	va_start(ap, fmt);
	n = vasprintf(&pair->value, fmt, ap);
	va_end(ap);
	if (n < 0)
		return err_nomem(err);
	pair->key = strdup(key);
	if (!pair->key) {
		free(pair->value);
		return err_nomem(err);
	}
	a->tag_count++;
	return 0;
}

/* Reads the joined archive to its end; names as they stand in the archives
 * are wanted where they are packed again. */
static const char look[] =
	"export TZ=UTC LC_ALL=C\n"
	"cd \"$1\"\n"
	"$as tar tzf " DV_JOINED " | sed 's/^/member\\t/'\n"
	"for f in *.tar.gz; do\n"
	"	[ \"$f\" != " DV_JOINED " ] || continue\n"
	"	first=$( ($as tar tzf \"$f\" 2>/dev/null || true) | head -n 1)\n"
	"	printf 'names\\t%s\\t%s\\n' \"$f\" \"$first\"\n"
	"	[ \"$first\" = ./ ] || continue\n"
	"	($as tar tvzf \"$f\" --numeric-owner --full-time 2>/dev/null || true) |\n"
	"		head -n 1 | awk -v f=\"$f\" '{ print \"top\\t\" f \"\\t\" $1 \" \" $2 \" \" $4 \" \" $5 }'\n"
	"done";

static const char *prefix_of(const char *first)
{
	return !strncmp(first, "./", 2) ? "./" : *first == '/' ? "/" : "";
}

/* Where the archive has a member "./", that is not what its file is. */
static int tag_top(struct adding *a, const char *name, const char *text,
		   struct err *err)
{
	char key[128];

	snprintf(key, sizeof(key), "dv_top.%.60s", name);
	return tag(a, err, key, "%s", text);
}

static int take_look(struct adding *a, struct buf *out, struct err *err)
{
	OWNED_BUF struct buf members = BUF_INIT;
	char key[128], *line, *rest;
	int r = buf_str(out) ? 0 : err_nomem(err);

	for (line = (char *)out->data; r == 0 && line && *line; line = rest) {
		char *name = strchr(line, '\t'), *first;

		rest = strchr(line, '\n');
		if (rest)
			*rest++ = '\0';
		if (!name)
			continue;
		*name++ = '\0';
		first = strchr(name, '\t');
		if (!strcmp(line, "member") && !strchr(name, ' '))
			buf_printf(&members, "%s%s", members.len ? " " : "",
				   name);
		if (!first)
			continue;
		*first++ = '\0';
		if (!strcmp(line, "top"))
			r = tag_top(a, name, first, err);
		if (strcmp(line, "names") != 0)
			continue;
		snprintf(key, sizeof(key), "dv_names.%.60s", name);
		r = tag(a, err, key, "%s", prefix_of(first));
	}
	if (r == 0 && members.len)
		r = tag(a, err, "dv_members", "%s", buf_str(&members) ?
			buf_str(&members) : "");
	return r;
}

static int make_tags(struct adding *a, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	const char *args[] = { a->dir->ts, NULL };
	const struct dv *dv = a->dv;
	int r = dv_volume_sh(a->dv, look, args, DV_LOOK_S, &out, err);

	if (r < 0)
		return err_wrap(err, "backup %s does not read to its end",
				a->dir->ts);
	r = tag(a, err, "dv_backup", "%s", a->dir->ts);
	if (r == 0)
		r = tag(a, err, "dv_namespace", "%s", dv->ns);
	if (r == 0)
		r = tag(a, err, "dv_instance", "%s", dv->instance);
	if (r == 0 && dv->origin.uid)
		r = tag(a, err, "cluster_uid", "%s", dv->origin.uid);
	if (r == 0 && dv->origin.server)
		r = tag(a, err, "cluster_server", "%s", dv->origin.server);
	if (r == 0)
		r = tag(a, err, "dv_claim", "%s", dv->claim);
	if (r == 0)
		r = tag(a, err, "dv_joined", "%" PRIu64, a->dir->joined);
	if (r == 0)
		r = tag(a, err, "dv_mtime", "%" PRId64, a->dir->mtime);
	if (r == 0)
		r = tag(a, err, "dv_peak", "%" PRIu64, a->dir->all);
	return r < 0 ? r : take_look(a, &out, err);
}

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct adding *a = arg;

	/* that archives are opened is what is wanted */
	if (weight == WEIGHT_NOTE)
		return;
	a->flaws++;
	add_warnings_take(&a->warnings, weight, sentence);
}

static const char *ask_producer(void *arg)
{
	struct adding *a = arg;
	const char *why = producer_end(&a->producer);

	if (why && strstr(why, "status 41"))
		return "a file changed while it was read";
	return why;
}

static int start(struct adding *a, struct err *err)
{
	static const char script[] =
		"as=\n"
		"if sudo -n true 2>/dev/null; then as='sudo -n'; fi\n"
		"cd " DV_BAR "/\"$1\" || exit 1\n"
		"$as tar cf - --numeric-owner --exclude=./tmp .\n"
		"rc=$?\n"
		"[ $rc != 1 ] || exit 41\n"
		"exit $rc";
	const char *words[KUBE_WORDS_MAX + 16];
	const char *const behind[] = {
		"exec", "-n", a->dv->ns, a->dv->pod, "-c", DV_READER_CONTAINER, "--",
		"bash", "-c", script, "dv", a->dir->ts, NULL };
	size_t n = kube_words(&a->dv->kube, false, words);

	for (size_t i = 0; behind[i]; i++)
		words[n++] = behind[i];
	words[n] = NULL;
	return producer_start(&a->producer, (char *const *)(uintptr_t)words,
			      err);
}

/* Only what is marked so may go from the volume. */
static int mark_whole(struct repo *repo, const struct record *record,
		      struct err *err)
{
	return snapshot_set_tag(repo, record, WHOLE, "yes", err);
}

static int ingest_it(struct adding *a, struct repo *repo, const char *source,
		     struct err *err)
{
	CLEANUP(ingest_result_release) struct ingest_result result = {
		.unchanged = 0 };
	struct ingest_options options = {
		.source = source, .time_from = "name", .tz = "UTC",
		.zone = "UTC", .input_name = a->dir->ts,
		.tags = a->tags, .tag_count = a->tag_count,
		.incomplete_at_end = ask_producer, .no_view = true,
		.progress = add_progress, .warn = take_warning, .arg = a,
		.stop = &stopped,
	};
	struct input input = {
		.path = a->dir->ts, .fd = a->producer.fd, .size = UINT64_MAX,
		.expand = true, .expand_depth = EXPAND_DEPTH, .repo = repo,
		.last_try = true, .stop = &stopped };
	int r = stamp_parse(a->dir->ts, "UTC", &options.time, NULL, err);

	if (r < 0)
		return r;
	progress_start(a->dv->tool->quiet);
	r = ingest(repo, &reader_archive, &input, &options, &result, err);
	progress_end();
	if (r == 0 && !a->flaws && !result.record.incomplete)
		r = mark_whole(repo, &result.record, err);
	if (r < 0)
		return r;
	return add_report(a->dv->tool, repo, &result, &a->warnings);
}

static bool holds_as_is(const struct dv_kept *kept, const struct dv_dir *dir)
{
	const struct record *record = &kept->snapshot.record;
	const char *joined = record_tag(record, "dv_joined");
	const char *mtime = record_tag(record, "dv_mtime");

	return snapshot_is_good(&kept->snapshot) && joined && mtime &&
	       record_tag(record, WHOLE) &&
	       strtoull(joined, NULL, 10) == dir->joined &&
	       strtoll(mtime, NULL, 10) == dir->mtime;
}

int dv_store_add(struct dv *dv, struct repo *repo, const char *source,
		 const struct dv_dir *dir, struct err *err)
{
	CLEANUP(adding_release) struct adding a = {
		.dv = dv, .dir = dir, .producer = { .fd = -1 } };
	OWNED_KEPTS struct dv_kepts kepts = { .count = 0 };
	const struct dv_kept *kept;
	int r = dv_kepts_load(repo, dv, false, &kepts, err);

	if (r < 0)
		return r;
	kept = dv_kept_find(&kepts, dir->ts);
	if (kept && holds_as_is(kept, dir)) {
		say(dv->tool, "Backup %s is in the store already.", dir->ts);
		return DONE;
	}
	r = make_tags(&a, err);
	if (r == 0)
		r = start(&a, err);
	return r < 0 ? r : ingest_it(&a, repo, source, err);
}

/* Is all of it there, and can it be read? */

static int put_nowhere(void *arg, struct span bytes, struct err *err)
{
	(void)arg;
	(void)bytes;
	(void)err;
	return 0;
}

static void show_warning(void *arg, const char *sentence)
{
	(void)arg;
	warn("%s", sentence);
}

static int read_all(struct repo *repo, const char *spec, struct err *err)
{
	const struct export_options options = {
		.format = EXPORT_TAR, .to = { put_nowhere, NULL },
		.stop = &stopped, .warn = show_warning };
	OWNED_TARGET struct target target = TARGET_INIT;
	struct export_report report;
	int r;

	target.older = OLDER_UNTOLD;
	r = target_open_at(repo, spec, NULL, &target, err);
	return r < 0 ? r : export_tree(target.tree, &target.node, &options,
				       &report, err);
}

int dv_store_holds(struct repo *repo, const struct dv_kepts *kepts,
		   const struct dv_dir *dir, struct err *err)
{
	const struct dv_kept *kept = dv_kept_find(kepts, dir->ts);
	char spec[2 * RECORD_ID + 8] = "id:";
	int r;

	if (!kept)
		return err_set(err, -ENOENT, "it is not in the store");
	if (!snapshot_is_good(&kept->snapshot))
		return err_set(err, -EUCLEAN, "it is incomplete or damaged in "
			       "the store");
	if (!record_tag(&kept->snapshot.record, WHOLE))
		return err_set(err, -EUCLEAN, "not all of it was taken into "
			       "the store as it is");
	if (!holds_as_is(kept, dir))
		return err_set(err, -ESTALE, "it has changed since it was "
			       "added to the store");
	hex_write(kept->snapshot.record.id, RECORD_ID, spec + 3);
	r = read_all(repo, spec, err);
	return r < 0 ? err_wrap(err, "its snapshot cannot be read") : 0;
}
