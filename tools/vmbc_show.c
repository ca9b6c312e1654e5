#include "tools/vmbc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"

static const char *state_of(const struct vmbc_point *point)
{
	return !point ? "-" : point->state == POINT_WHOLE ? "whole" :
	       point->state == POINT_HURT ? "DAMAGED" : "unfinished";
}

/* One column a replica, and two before them. */
static int show_table(const struct vmbc *vmbc, const uint64_t *numbers,
		      size_t count, struct err *err)
{
	const char *heads[VMBC_REPLICAS_MAX + 2] = { ">CHECKPOINT",
						     "<ON ALL" };
	char texts[VMBC_REPLICAS_MAX][16];
	unsigned shown = vmbc->wanted < TABLE_COLUMNS - 2 ? vmbc->wanted :
			 TABLE_COLUMNS - 2;
	struct table *table;

	for (unsigned n = 0; n < shown; n++) {
		snprintf(texts[n], sizeof(texts[n]), "<REPLICA %u", n);
		heads[n + 2] = texts[n];
	}
	table = table_new(stdout, heads, shown + 2);
	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < count; i++) {
		table_cellf(table, "%" PRIu64, numbers[i]);
		table_cell(table, vmbc_everywhere(vmbc, numbers[i], NULL) ?
			   "yes" : "no");
		for (unsigned n = 0; n < shown; n++) {
			const struct vmbc_replica *r = vmbc_has(vmbc, n);

			table_cell(table, state_of(r ? vmbc_point(r,
							numbers[i]) : NULL));
		}
	}
	table_print(table);
	table_free(table);
	return 0;
}

static void show_point(const struct vmbc_replica *replica,
		       const struct vmbc_point *point, bool stored)
{
	if (point->state == POINT_WHOLE)
		return;
	if (point->state == POINT_UNFINISHED)
		printf("ignored: replica %u, %" PRIu64 ".tmp: it was never "
		       "finished\n", replica->number, point->number);
	else if (stored)
		printf("damaged: replica %u, checkpoint %" PRIu64 " (%s): "
		       "%s\n", replica->number, point->number, point->place,
		       point->why);
	else
		printf("damaged: replica %u, checkpoint %" PRIu64 ": %s\n",
		       replica->number, point->number, point->why);
}

/* What the table does not tell; how much of it is amiss. */
static unsigned show_rest(const struct vmbc *vmbc, bool stored)
{
	unsigned amiss = 0;

	for (unsigned n = 0; n < vmbc->wanted; n++) {
		const struct vmbc_replica *r = vmbc_has(vmbc, n);

		if (r && (r->dir || r->source)) {
			for (size_t i = 0; i < r->point_count; i++) {
				show_point(r, &r->points[i], stored);
				amiss += r->points[i].state == POINT_HURT;
			}
			if (r->odd)
				printf("odd: replica %u, '%s' among the "
				       "checkpoints is none: concord may not "
				       "list any beside it\n", n, r->odd);
			continue;
		}
		amiss++;
		if (stored || !r)
			printf("missing: replica %u\n", n);
		else if (r->top)
			printf("missing: replica %u: there is no " VMBC_DATA
			       " in '%s'\n", n, r->top);
		else
			printf("missing: replica %u: volume %s (%s) is not on "
			       "this machine\n", n, r->pv ? r->pv : "?",
			       r->handle ? r->handle : r->path ? r->path :
			       "?");
	}
	return amiss;
}

static void json_point(struct json *json, const struct vmbc *vmbc, unsigned n,
		       uint64_t number)
{
	const struct vmbc_replica *r = vmbc_has(vmbc, n);
	const struct vmbc_point *p = r ? vmbc_point(r, number) : NULL;

	json_open_object(json, NULL);
	json_u64(json, "replica", n);
	json_str(json, "state", !p ? "missing" : p->state == POINT_WHOLE ?
		 "whole" : "damaged");
	if (p && r->source)
		json_name(json, "snapshot", span_str(p->place));
	else if (p)
		json_name(json, "path", span_str(p->place));
	if (p && p->why)
		json_name(json, "why", span_str(p->why));
	json_close_object(json);
}

static void json_checkpoint(const struct vmbc *vmbc, uint64_t number,
			    const char *where)
{
	OWNED_BUF struct buf line = BUF_INIT;
	CLEANUP(free_ptr) char *why = NULL;
	struct json json;
	bool all = vmbc_everywhere(vmbc, number, &why);

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_u64(&json, "checkpoint", number);
	json_str(&json, "in", where);
	json_bool(&json, "everywhere", all);
	if (!all && why)
		json_name(&json, "why", span_str(why));
	json_open_array(&json, "replicas");
	for (unsigned n = 0; n < vmbc->wanted; n++)
		json_point(&json, vmbc, n, number);
	json_close_array(&json);
	json_close_object(&json);
	json_print(&line);
}

static void json_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_name(json, key, span_str(text));
}

static void json_replica(struct json *json, const struct vmbc_replica *r)
{
	json_open_object(json, NULL);
	json_u64(json, "replica", r->number);
	json_text(json, "path", r->dir);
	json_text(json, "source", r->source);
	json_text(json, "volume", r->pv);
	json_text(json, "claim", r->claim);
	json_text(json, "handle", r->handle);
	json_text(json, "zone", r->zone);
	json_open_array(json, "ignored");
	for (size_t i = 0; i < r->point_count; i++)
		if (r->points[i].state == POINT_UNFINISHED)
			json_name(json, NULL, span_str(r->points[i].place));
	json_close_array(json);
	json_text(json, "odd", r->odd);
	json_close_object(json);
}

static void json_whole(const struct vmbc *vmbc, const char *where)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;
	uint64_t newest;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_text(&json, "blockchain", vmbc->blockchain);
	json_text(&json, "namespace", vmbc->ns);
	json_str(&json, "in", where);
	json_u64(&json, "wanted", vmbc->wanted);
	if (vmbc_newest(vmbc, &newest))
		json_u64(&json, "newest", newest);
	else
		json_null(&json, "newest");
	json_open_array(&json, "replicas");
	for (size_t i = 0; i < vmbc->count; i++)
		json_replica(&json, &vmbc->replicas[i]);
	json_close_array(&json);
	json_close_object(&json);
	json_print(&line);
}

static bool is_hurt(const struct vmbc *vmbc)
{
	for (unsigned n = 0; n < vmbc->wanted; n++) {
		const struct vmbc_replica *r = vmbc_has(vmbc, n);

		if (!r || (!r->dir && !r->source))
			return true;
		for (size_t i = 0; i < r->point_count; i++)
			if (r->points[i].state == POINT_HURT)
				return true;
	}
	return false;
}

int vmbc_show(const struct tool *tool, const struct vmbc *vmbc,
	      const char *where, struct err *err)
{
	CLEANUP(free_ptr) uint64_t *numbers = NULL;
	bool stored = !strcmp(where, "store");
	unsigned amiss = 0;
	uint64_t newest;
	size_t count;
	int r = vmbc_numbers(vmbc, &numbers, &count, err);

	if (r < 0)
		return r;
	if (tool->json) {
		json_whole(vmbc, where);
		for (size_t i = 0; i < count; i++)
			json_checkpoint(vmbc, numbers[i], where);
		return vmbc_newest(vmbc, &newest) && !is_hurt(vmbc) ? DONE :
		       INCOMPLETE;
	}
	printf("Blockchain %s%s%s: checkpoints of %s in %s\n",
	       vmbc->blockchain ? vmbc->blockchain : "?",
	       vmbc->ns ? ", namespace " : "", vmbc->ns ? vmbc->ns : "",
	       counted(vmbc->wanted, "replica").s, stored ? "the store" :
	       "their directories");
	r = count ? show_table(vmbc, numbers, count, err) : 0;
	if (r < 0)
		return r;
	amiss = show_rest(vmbc, stored);
	if (!vmbc_newest(vmbc, &newest)) {
		printf("No checkpoint is whole on all %u replicas.\n",
		       vmbc->wanted);
		return INCOMPLETE;
	}
	printf("The newest that all %u replicas have whole: %" PRIu64 "\n",
	       vmbc->wanted, newest);
	return amiss ? INCOMPLETE : DONE;
}
