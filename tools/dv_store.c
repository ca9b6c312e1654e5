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
#define CHANGED 41		/* tar's status 1, kept apart */
#define CONTAINER "dv-test-pod"

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
		"exec", "-n", a->dv->ns, a->dv->pod, "-c", CONTAINER, "--",
		"bash", "-c", script, "dv", a->dir->ts, NULL };
	size_t n = kube_words(&a->dv->kube, false, words);

	for (size_t i = 0; behind[i]; i++)
		words[n++] = behind[i];
	words[n] = NULL;
	return producer_start(&a->producer, (char *const *)(uintptr_t)words,
			      err);
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
	if (!holds_as_is(kept, dir))
		return err_set(err, -ESTALE, "it has changed since it was "
			       "added to the store");
	hex_write(kept->snapshot.record.id, RECORD_ID, spec + 3);
	r = read_all(repo, spec, err);
	return r < 0 ? err_wrap(err, "its snapshot cannot be read") : 0;
}

/* Out of the store. */

struct sending {
	struct dv *dv;
	struct target target;
	const char *hold;
	struct child child;
	struct child_end end;
	uint64_t bytes;
};

static int put_child(void *arg, struct span bytes, struct err *err)
{
	struct sending *s = arg;

	s->bytes += bytes.len;
	return child_put(&s->child, bytes, err);
}

static int send_bytes(struct sending *s, const struct node *node,
		      struct err *err)
{
	const struct entry *e = &node->entry;
	struct getter getter = tree_getter(s->target.tree);
	CLEANUP(free_ptr) uint8_t *bytes = malloc(1u << 20);
	uint64_t at = 0;
	size_t got = 1;
	int r = bytes ? 0 : err_nomem(err);

	for (; r >= 0 && at < e->size && got; at += got) {
		r = content_read_into(&getter, &e->content, e->size, at, bytes,
				      1u << 20, &got, err);
		if (r >= 0)
			r = put_child(s, span_of(bytes, got), err);
	}
	return r < 0 ? r : 0;
}

/* "drwxr-xr-x 0/0 2021-01-22 19:27:31", as tar lists it. */
static int parse_top(const char *text, struct export_top *ret, struct err *err)
{
	static const char letters[] = "rwxrwxrwx";
	char mode[16], when[32];

	*ret = (struct export_top){ .mode = 0 };
	if (sscanf(text, "%15s %" SCNu32 "/%" SCNu32 " %31[^\n]", mode,
		   &ret->uid, &ret->gid, when) != 4 || strlen(mode) < 10 ||
	    stamp_parse(when, "UTC", &ret->mtime, NULL, NULL) < 0)
		return err_set(err, -EINVAL, "the snapshot says '%s' of the "
			       "top directory", text);
	for (unsigned i = 0; i < 9; i++) {
		char c = mode[1 + i];

		if (c == letters[i] || c == 's' || c == 't')
			ret->mode |= (uint16_t)(0400u >> i);
		if (strchr("sStT", c))
			ret->mode |= (uint16_t)(04000u >> (i / 3));
	}
	return 0;
}

static int send_tree(struct sending *s, const struct node *node,
		     const char *name, struct err *err)
{
	const struct record *record = &s->target.snapshot.record;
	struct export_report report;
	struct export_top top;
	char key[128];
	const char *text;
	int r;
	struct export_options options = {
		.format = EXPORT_TAR_GZIP, .to = { put_child, s },
		.stop = &stopped, .warn = show_warning };

	snprintf(key, sizeof(key), "dv_names.%.60s", name);
	options.prefix = record_tag(record, key);
	if (options.prefix && !strcmp(options.prefix, "./"))
		options.prefix = NULL;
	snprintf(key, sizeof(key), "dv_top.%.60s", name);
	text = record_tag(record, key);
	if (text) {
		r = parse_top(text, &top, err);
		if (r < 0)
			return r;
		options.top = &top;
	}
	return export_tree(s->target.tree, node, &options, &report, err);
}

static int check_sent(struct sending *s, const char *name, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	const char *args[] = { s->hold, name, NULL };
	int r = dv_volume_sh(s->dv, "cd \"$1\"\n"
			     "gzip -t \"$2\"\nstat -c %s \"$2\"", args,
			     DV_LOOK_S, &out, err);

	if (r == 0 && !buf_str(&out))
		return err_nomem(err);
	if (r == 0 && strtoull((char *)out.data, NULL, 10) != s->bytes)
		r = err_set(err, -EIO, "%s came with %s bytes, and not "
			    "%" PRIu64, name, (char *)out.data, s->bytes);
	return r;
}

/* One part as it was packed: the same inside, valid gzip. */
static int send_part(struct sending *s, const char *name, struct err *err)
{
	const struct kube_container where = { s->dv->ns, s->dv->pod,
					      CONTAINER };
	const char *const words[] = { "bash", "-c", "cat >" DV_BAR
				      "/\"$1\"/\"$2\"", "dv", s->hold, name,
				      NULL };
	OWNED_NODE struct node node = NODE_INIT;
	char path[256];
	int r, end;

	snprintf(path, sizeof(path), DV_JOINED "/%s", name);
	r = tree_find(s->target.tree, path, &node, err);
	if (r < 0)
		return err_wrap(err, "the snapshot has no %s", path);
	s->bytes = 0;
	r = kube_exec_begin(&s->dv->kube, &where, words, 600, &s->child,
			    &s->end, err);
	if (r < 0)
		return r;
	r = node.entry.type == ENTRY_DIR ? send_tree(s, &node, name, err) :
					   send_bytes(s, &node, err);
	if (r < 0 && r != -EPIPE) {
		child_kill(&s->child);
	} else {
		end = kube_exec_end(&s->dv->kube, &s->child, err);
		r = end < 0 ? end : r;
		if (r == 0 && s->end.status != 0)
			r = err_set(err, -EIO, "in pod %s: %.*s", s->dv->pod,
				    (int)s->end.said.len,
				    (const char *)s->end.said.data);
	}
	child_end_release(&s->end);
	return r < 0 ? err_wrap(err, "cannot send %s", name) :
		       check_sent(s, name, err);
}

/* Owner, mode and time as they were; a directory was a file of these rights. */
static int set_owner(struct sending *s, const char *name, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	char owner[32], mode[16], when[32];
	const char *args[] = { s->hold, name, owner, mode, when, NULL };
	const struct entry *e = &node.entry;
	int r = tree_find(s->target.tree, name, &node, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	snprintf(owner, sizeof(owner), "%u:%u", e->uid, e->gid);
	snprintf(mode, sizeof(mode), "%o", e->mode & (*name ? 0666 : 07777));
	snprintf(when, sizeof(when), "@%" PRId64, e->mtime.s);
	return dv_volume_sh(s->dv, "cd \"$1\"\n"
			    "$as touch -d \"$5\" \"./$2\"\n"
			    "$as chmod \"$4\" \"./$2\"\n"
			    "$as chown \"$3\" \"./$2\" || echo 'not owned' >&2",
			    args, 60, NULL, err);
}

static int send_parts(struct sending *s, const char *members, struct err *err)
{
	CLEANUP(free_ptr) char *list = strdup(members);
	char *rest = NULL;
	int r = list ? 0 : err_nomem(err);

	for (char *word = r < 0 ? NULL : strtok_r(list, " ", &rest);
	     r == 0 && word; word = strtok_r(NULL, " ", &rest)) {
		const char *name = strncmp(word, "./", 2) ? word : word + 2;

		if (!*name)
			continue;
		say(s->dv->tool, "  %s", name);
		r = send_part(s, name, err);
	}
	return r;
}

static int join(struct sending *s, const char *members, struct err *err)
{
	CLEANUP(free_ptr) char *list = strdup(members);
	const char *args[] = { s->hold, members, NULL };
	char *rest = NULL;
	int r = list ? 0 : err_nomem(err);

	/* members has no name with a blank in it */
	if (r == 0)
		r = dv_volume_sh(s->dv, "cd \"$1\"\n"
				 "$as tar czf " DV_JOINED " --no-recursion $2\n"
				 "$as tar tzf " DV_JOINED " >/dev/null", args,
				 DV_LOOK_S, NULL, err);
	for (char *word = r < 0 ? NULL : strtok_r(list, " ", &rest);
	     r == 0 && word; word = strtok_r(NULL, " ", &rest))
		r = set_owner(s, strncmp(word, "./", 2) ? word : word + 2, err);
	if (r == 0)
		r = set_owner(s, DV_JOINED, err);
	return r < 0 ? r : set_owner(s, "", err);
}

int dv_store_send(struct dv *dv, struct repo *repo, const char *snapshot,
		  const char *ts, const char *hold, struct err *err)
{
	struct sending s = { .dv = dv, .target = TARGET_INIT, .hold = hold };
	const char *args[] = { hold, ts, NULL }, *members;
	int r;

	s.target.older = OLDER_UNTOLD;
	r = target_open_at(repo, snapshot, NULL, &s.target, err);
	members = r < 0 ? NULL : record_tag(&s.target.snapshot.record,
					    "dv_members");
	if (r == 0 && !members)
		r = err_set(err, -ENOENT, "the snapshot does not say what is "
			    "in its " DV_JOINED);
	if (r == 0)
		r = dv_volume_sh(dv, "$as rm -rf \"$1\"\n"
				 "mkdir \"$1\" 2>/dev/null || {\n"
				 "	$as mkdir \"$1\"\n"
				 "	$as chown \"$(id -u)\" \"$1\"\n"
				 "}", args, 60, NULL, err);
	if (r == 0)
		r = send_parts(&s, members, err);
	if (r == 0)
		r = join(&s, members, err);
	if (r == 0)
		r = dv_volume_sh(dv, "[ ! -e \"$2\" ]\n"
				 "$as mv -T \"$1\" \"$2\"", args, 60, NULL,
				 err);
	target_close(&s.target);
	return r;
}
