#include "tools/forget.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/format.h"
#include "tools/probe.h"

struct tally {
	uint64_t forgotten, groups;
	struct err *why;	/* of the first that could not be */
	char zone[64];		/* in which days were counted */
	bool zones;		/* there were several */
};

/* One group's snapshots, oldest first, and what becomes of them. */
struct group {
	const struct snapshot *row;
	size_t count;
	const struct keep *keep;
	struct verdict *verdict;
	size_t done;		/* forgotten of those that are to be */
	char name[LABEL_TEXT];
	char zone[64];
	struct table *table;
};

static bool is_asked_for(const struct ruling *ruling, const char *source)
{
	return !ruling->glob || source_fits(ruling->glob, source);
}

static bool rules_for(const struct ruling *ruling, const char *source,
		      struct keep *ret)
{
	if (!is_asked_for(ruling, source))
		return false;
	if (ruling->given) {
		*ret = ruling->keep;
		return true;
	}
	return policies_find(&ruling->policies, source, ret);
}

static void fate_json(const struct group *group, const struct snapshot *s,
		      const struct verdict *v, const char *fate)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT], id[SHORT_ID + 1];
	struct json json;

	snapshot_label(&s->record, label);
	snapshot_short_id(&s->record, id);
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "snapshot", label);
	json_str(&json, "id", id);
	json_stamp(&json, "time", s->record.time);
	json_str(&json, "fate", fate);
	json_str(&json, "why", v->why);
	json_name(&json, "group", span_str(group->name));
	json_str(&json, "tz", group->zone);
	json_close_object(&json);
	json_print(&line);
}

static void fate_row(const struct group *group, const struct snapshot *s,
		     const struct verdict *v, const char *fate)
{
	const char *tz = group->keep->tz[0] ? group->keep->tz : NULL;
	char label[LABEL_TEXT], id[SHORT_ID + 1], when[STAMP_TEXT];

	snapshot_label(&s->record, label);
	snapshot_short_id(&s->record, id);
	stamp_local(s->record.time, tz, when);
	table_cell(group->table, fate);
	table_cell(group->table, label);
	table_cell(group->table, when);
	table_cellf(group->table, "id:%s", id);
	table_cell(group->table, v->why);
}

/* Once one could not be forgotten, the others are only told. */
static int carry_out(struct forgetting *f, struct group *group,
		     struct tally *tally, struct err *err)
{
	CLEANUP(free_ptr) const struct snapshot **list =
		calloc(group->count + 1, sizeof(struct snapshot *));
	struct err why = ERR_INIT;
	size_t count = 0;
	int r = 0;

	if (!list)
		return err_nomem(err);
	for (size_t i = 0; i < group->count; i++)
		if (!group->verdict[i].keep)
			list[count++] = &group->row[i];
	if (!tally->why->code)
		r = forget_snapshots(f, list, count, &group->done, &why);
	if (r < 0)
		*tally->why = why;
	tally->forgotten += group->done;
	f->left += count - group->done;
	return 0;
}

static void tell_fates(const struct forgetting *f, const struct group *group)
{
	size_t forgotten = 0;

	for (size_t i = 0; i < group->count; i++) {
		const struct verdict *v = &group->verdict[i];
		const char *fate = v->keep ? "keep" :
				   forgotten++ < group->done ? "forget" :
				   "not yet";

		if (f->tool->json)
			fate_json(group, &group->row[i], v, fate);
		else
			fate_row(group, &group->row[i], v, fate);
	}
}

static void print_group(const struct forgetting *f, const struct group *group,
			bool first)
{
	size_t kept = 0, left;

	tell_fates(f, group);
	if (f->tool->json || f->tool->quiet)
		return;
	for (size_t i = 0; i < group->count; i++)
		kept += group->verdict[i].keep;
	left = group->count - kept - group->done;
	if (!first)
		putchar('\n');
	name_print(stdout, span_str(group->name));
	printf(": %zu of %zu stay", kept + left, group->count);
	if (left)
		printf(", %zu of them could not be forgotten", left);
	printf(", days begin in %s\n", group->zone);
	table_print(group->table);
}

static int judge_group(struct forgetting *f, const struct keep *keep,
		       const struct snapshot *row, size_t count,
		       struct tally *tally, struct err *err)
{
	CLEANUP(free_ptr) struct verdict *verdict =
		calloc(count, sizeof(*verdict));
	struct group group = { .row = row, .count = count, .keep = keep,
			       .verdict = verdict };
	OWNED_BUF struct buf name = BUF_INIT, zone = BUF_INIT;
	char head[80];
	const char *const heads[] = { "<FATE", "<SNAPSHOT", head, "<ID",
				      "<WHY" };
	OWNED_TABLE struct table *table = NULL;
	int r;

	grouping_label(&keep->by, row, &name);
	zone_name(keep->tz[0] ? keep->tz : NULL, &zone);
	if (!verdict || !buf_str(&name) || !buf_str(&zone))
		return err_nomem(err);
	snprintf(group.name, sizeof(group.name), "%s", (char *)name.data);
	snprintf(group.zone, sizeof(group.zone), "%s", (char *)zone.data);
	/* the table is as wide as its heads are when it is made */
	snprintf(head, sizeof(head), "<TIME IN %s", group.zone);
	table = group.table = table_new(stdout, heads, 5);
	if (!table)
		return err_nomem(err);
	r = keep_judge(keep, row, count, stamp_now(), verdict, err);
	if (r < 0)
		return r;
	tally->zones |= tally->groups && strcmp(tally->zone, group.zone);
	memcpy(tally->zone, group.zone, sizeof(tally->zone));
	r = carry_out(f, &group, tally, err);
	if (r < 0)
		return r;
	print_group(f, &group, tally->groups++ == 0);
	return r;
}

static int by_group(const void *pa, const void *pb, void *by)
{
	const struct snapshot *a = pa, *b = pb;
	int order = grouping_cmp(by, a, b);

	if (order == 0)
		order = stamp_cmp(a->record.time, b->record.time);
	if (order == 0)
		order = (a->record.number > b->record.number) -
			(a->record.number < b->record.number);
	return order;
}

/* Rows that keep is for, in any order. */
static int judge_rows(struct forgetting *f, struct keep *keep,
		      struct snapshot *row, size_t count, struct tally *tally,
		      struct err *err)
{
	size_t from = 0, to;
	int r = 0;

	if (count)
		qsort_r(row, count, sizeof(*row), by_group, &keep->by);
	for (; r >= 0 && from < count; from = to) {
		to = from + 1;
		while (to < count &&
		       grouping_cmp(&keep->by, &row[from], &row[to]) == 0)
			to++;
		r = judge_group(f, keep, row + from, to - from, tally, err);
	}
	return r;
}

/* Each source by its own rules: a policy's groups lie within a source. */
static int judge_sources(struct forgetting *f, const struct ruling *ruling,
			 struct snapshots *list, struct tally *tally,
			 struct err *err)
{
	size_t from = 0, to;
	int r = 0;

	for (; r >= 0 && from < list->count; from = to) {
		const char *source = list->row[from].record.source;
		struct keep keep;

		to = from + 1;
		while (to < list->count &&
		       !strcmp(list->row[to].record.source, source))
			to++;
		if (rules_for(ruling, source, &keep))
			r = judge_rows(f, &keep, list->row + from, to - from,
				       tally, err);
	}
	return r;
}

static int refuse_none(const struct forgetting *f, const struct ruling *ruling,
		       const struct snapshots *list, struct err *err)
{
	int r;

	for (size_t i = 0; i < list->count; i++)
		if (is_asked_for(ruling, list->row[i].record.source))
			return 0;
	if (!ruling->glob || ruling->may_be_none)
		return 0;
	r = err_set(err, -ENOENT, "no source '%s' in the store '%s'",
		    ruling->glob, repo_path(f->repo));
	err_hint(err, "'varve list' names the snapshots there are");
	return r;
}

/* Those that the rules are not for go out of the list. */
static void choose(const struct ruling *ruling, struct snapshots *list)
{
	struct keep keep;
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++) {
		if (!rules_for(ruling, list->row[i].record.source, &keep)) {
			snapshot_release(&list->row[i]);
			continue;
		}
		if (n < i)
			list->row[n] = list->row[i];
		n++;
	}
	list->count = n;
}

static int tell_left(const struct forgetting *f, const struct tally *tally,
		     struct err *err)
{
	uint64_t all = tally->forgotten + f->left;

	*err = *tally->why;
	err_wrap(err, "%s of %" PRIu64 " forgotten, %zu not",
		 counted(tally->forgotten, "snapshot").s, all, f->left);
	if (err->code == -ENOSPC || err->code == -EDQUOT)
		err_hint(err, "make room on the file system of '%s' ('varve "
			 "prune' may, of what is forgotten), and run it again: "
			 "it goes on with the rest", repo_path(f->repo));
	return err->code;
}

static void sum_up(const struct forgetting *f, const struct ruling *ruling,
		   const struct tally *tally)
{
	bool per_source = !ruling->given || !ruling->keep.by.given;

	say(f->tool, "%s of %s %s%s%s.",
	    counted(tally->forgotten, "snapshot").s,
	    counted(tally->groups, per_source ? "source" : "group").s,
	    f->dry ? "would be forgotten" : "forgotten",
	    tally->groups == 0 || tally->zones ? "" : ", days counted in ",
	    tally->groups == 0 || tally->zones ? "" : tally->zone);
	if (tally->forgotten && !f->dry &&
	    !option_given(&f->tool->options, "prune"))
		say(f->tool, "'varve undelete' brings them back until a "
		    "prune.");
}

int forget_by_rules(struct forgetting *f, const struct ruling *ruling,
		    struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };
	struct keep keep = ruling->keep;
	struct err why = ERR_INIT;
	struct tally tally = { .why = &why };
	int r;

	r = snapshots_load(f->repo, NULL, false, &list, err);
	if (r >= 0)
		r = refuse_none(f, ruling, &list, err);
	if (r < 0)
		return r;
	choose(ruling, &list);
	r = ruling->given ? judge_rows(f, &keep, list.row, list.count, &tally,
				       err) :
			    judge_sources(f, ruling, &list, &tally, err);
	if (r < 0)
		return r;
	if (why.code)
		return tell_left(f, &tally, err);
	sum_up(f, ruling, &tally);
	return DONE;
}
