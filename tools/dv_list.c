#include "tools/dv.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/json.h"
#include "tools/format.h"
#include "tools/target.h"

struct listing {
	const struct tool *tool;
	struct dv_volume volume;
	struct dv_kepts kepts;
	struct table *table;
};

static void listing_release(struct listing *l)
{
	dv_volume_release(&l->volume);
	dv_kepts_release(&l->kepts);
	table_free(l->table);
}

static void put_words(const struct listing *l, const char *ts,
		      const struct dv_dir *dir, const struct dv_kept *kept)
{
	char size[SIZE_TEXT] = "", label[LABEL_TEXT] = "", state[64] = "";

	if (kept) {
		snapshot_label(&kept->snapshot.record, label);
		snapshot_state(&kept->snapshot, state);
	}
	if (dir)
		size_text(dir->all, size);
	table_cell(l->table, ts);
	table_cell(l->table, !dir ? "no" : !dir->joined ? "not whole" :
		   dir->linked ? "yes, linked" : "yes");
	table_cell(l->table, size);
	table_cell(l->table, kept ? state : "no");
	table_cell(l->table, label);
}

static void put_json(const char *ts, const struct dv_dir *dir,
		     const struct dv_kept *kept)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT], state[64];
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "backup", ts);
	json_bool(&json, "on_volume", dir != NULL);
	if (dir) {
		json_bool(&json, "linked", dir->linked);
		json_bool(&json, "whole", dir->joined && dir->part_count);
		json_u64(&json, "joined_bytes", dir->joined);
		json_u64(&json, "parts_bytes", dir->parts);
		json_u64(&json, "bytes", dir->all);
	}
	json_bool(&json, "in_store", kept != NULL);
	if (kept) {
		snapshot_label(&kept->snapshot.record, label);
		snapshot_state(&kept->snapshot, state);
		json_name(&json, "snapshot", span_str(label));
		json_str(&json, "state", state);
	}
	json_close_object(&json);
	json_print(&line);
}

/* Both lists are sorted, the newest first; of the store's twins the first. */
static void put_all(const struct listing *l)
{
	size_t i = 0, j = 0;

	while (i < l->volume.count || j < l->kepts.count) {
		const struct dv_dir *dir = i < l->volume.count ?
					   &l->volume.dirs[i] : NULL;
		const struct dv_kept *kept = j < l->kepts.count ?
					     &l->kepts.list[j] : NULL;
		int order = !dir ? 1 : !kept ? -1 :
			    strcmp(kept->ts, dir->ts);
		const char *ts = order > 0 ? kept->ts : dir->ts;

		dir = order <= 0 ? dir : NULL;
		kept = order >= 0 ? kept : NULL;
		if (l->tool->json)
			put_json(ts, dir, kept);
		else
			put_words(l, ts, dir, kept);
		i += dir != NULL;
		while (j < l->kepts.count && !strcmp(l->kepts.list[j].ts, ts))
			j++;
	}
}

static void tell_df(const struct tool *tool, const char *claim,
		    const char *where, uint64_t size, uint64_t used,
		    uint64_t left)
{
	char a[SIZE_TEXT], b[SIZE_TEXT], c[SIZE_TEXT];

	if (!size)
		return;
	size_text(size, a);
	size_text(used, b);
	size_text(left, c);
	say(tool, "%s (%s): %s, %s used, %s free, %.0f%%", claim, where, a, b,
	    c, 100.0 * (double)used / (double)(used + left ? used + left : 1));
}

static bool leads_elsewhere(const struct dv_volume *volume)
{
	for (size_t i = 0; i < volume->count; i++)
		if (volume->dirs[i].linked)
			return false;
	return volume->link != NULL;
}

static void tell_state(struct dv *dv, const struct listing *l)
{
	OWNED_BUF struct buf by_hand = BUF_INIT;
	struct err why = ERR_INIT;

	dv_by_hand(dv, "list", NULL, &by_hand);
	if (buf_str(&by_hand))
		say(dv->tool, "(its own script for this is: %s)",
		    buf_str(&by_hand));
	tell_df(dv->tool, dv->claim, DV_BAR, l->volume.size, l->volume.used,
		l->volume.free);
	tell_df(dv->tool, DV_DATA_CLAIM, "/mnt/PV/versioned",
		l->volume.data_size, l->volume.data_used, l->volume.data_free);
	if (l->volume.dangling || leads_elsewhere(&l->volume))
		warn("the link " DV_JOINED " points to no backup: %s",
		     l->volume.link);
	if (dv->policy && !strcmp(dv->policy, "Delete"))
		note(dv->tool, "the volume of %s has reclaim policy Delete: who "
		     "deletes the claim deletes all backups on it", dv->claim);
	if (dv_check_marker(dv, &why) < 0)
		warn_of(&why);
}

static int read_volume(struct dv *dv, struct listing *l, struct err *err)
{
	int r;

	if (!dv->claim) {
		note(dv->tool, "there is no claim " DV_CLAIM " in namespace "
		     "%s", dv->ns);
		return 0;
	}
	snprintf(dv->reader, sizeof(dv->reader), "varve-dv-list-%d",
		 (int)getpid());
	dv->reads_only = true;
	r = dv_find_image(dv, err);
	if (r == 0)
		r = dv_reader_open(dv, err);
	if (r == 0)
		r = dv_volume_read(dv, &l->volume, err);
	dv->past_stop = true;
	dv_reader_remove(dv, NULL);
	return r;
}

int dv_list(struct tool *tool, struct err *err)
{
	static const char *const heads[] = { "<BACKUP", "<ON VOLUME", ">SIZE",
					     "<IN STORE", "<SNAPSHOT" };
	CLEANUP(listing_release) struct listing l = { .tool = tool };
	OWNED_DV struct dv dv = { .ns = NULL };
	OWNED_REPO struct repo *repo = NULL;
	int r = tool_open_maybe(tool, &repo, err);

	if (r == 0)
		r = dv_open(tool, &dv, err);
	if (r == 0)
		r = dv_kepts_load(repo, &dv, false, &l.kepts, err);
	if (r < 0)
		return r;
	catch_stop();
	r = read_volume(&dv, &l, err);
	if (r < 0)
		return r;
	l.table = table_new(stdout, heads, 5);
	if (!l.table)
		return err_nomem(err);
	put_all(&l);
	if (!tool->json && (l.volume.count || l.kepts.count))
		table_print(l.table);
	else if (!tool->json)
		say(tool, "There are no backups.");
	if (!tool->json)
		tell_state(&dv, &l);
	return DONE;
}
