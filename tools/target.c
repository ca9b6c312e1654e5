#include "tools/target.h"

#include <fnmatch.h>
#include <stdlib.h>

#include "tools/tool.h"

/*
 * The colon before the path.  Those of a time as people write it, "@2021-01-22
 * 19:27:31Z", are part of the snapshot's name.
 */
static const char *path_colon(const char *text)
{
	const char *colon = strchr(text, ':');
	const char *at = strchr(text, '@');

	if (!colon || !at || colon < at ||
	    fnmatch("@[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ]"
		    "[0-9][0-9]:[0-9][0-9]*", at, 0))
		return colon;
	at += strlen("@YYYY-MM-DDTHH:MM");
	if (!fnmatch(":[0-9][0-9]*", at, 0))
		at += strlen(":SS");
	return strchr(at, ':');
}

int target_split(const char *text, char **ret_spec, const char **ret_path,
		 struct err *err)
{
	const char *from = strncmp(text, "id:", 3) ? text : text + 3;
	const char *colon = path_colon(from);
	char *spec = colon ? strndup(text, (size_t)(colon - text)) :
			     strdup(text);

	if (!spec)
		return err_nomem(err);
	*ret_spec = spec;
	*ret_path = colon ? colon + 1 : NULL;
	return 0;
}

/* The one place where it is told that an older snapshot is what one gets. */
static int tell_older(const char *spec, const struct record *taken,
		      const struct passed *passed, bool refused,
		      struct err *err)
{
	bool bad = passed_is_partial(passed);
	struct err words = ERR_INIT;
	char text[PASSED_TEXT];

	passed_describe(passed, text);
	err_set(&words, -EUCLEAN, "'%s' %s %s, as newer ones are not good: %s",
		spec, refused ? "would give" : "gives", taken->name, text);
	err_hint(&words, "'%s@%s' names the newest by its own time%s",
		 taken->source, passed->newest, bad ? ", and restore takes "
		 "what there is of it with --incomplete" : "");
	if (!refused) {
		warn_of(&words);
		return 0;
	}
	err_wrap(&words, "nothing was done");
	err_hint(&words, "name the one that is meant by its own time: '%s@%s', "
		 "or '%s@%s'%s", taken->source, taken->name, taken->source,
		 passed->newest, bad ? ", of which restore takes what there "
		 "is with --incomplete" : "");
	if (err)
		*err = words;
	return words.code;
}

/* The newest holds nothing, as of a volume that was not mounted. */
static int tell_empty(struct repo *repo, const char *spec,
		      const struct record *taken, bool refused,
		      struct err *err)
{
	const char *at = strrchr(spec, '@');
	struct held_before before;
	struct err words = ERR_INIT;
	int r;

	if ((at && strcmp(at, "@latest") != 0) || !strncmp(spec, "id:", 3))
		return 0;
	r = held_before_find(repo, taken, &before, err);
	if (r < 0 || !before.name[0])
		return r;
	err_set(&words, -EUCLEAN, "'%s' %s %s, which holds no file; %s before "
		"it held %s", spec, refused ? "would give" : "gives",
		taken->name, before.name, before.held.s);
	err_hint(&words, "'%s@%s' names that one", taken->source, before.name);
	if (!refused) {
		warn_of(&words);
		return 0;
	}
	err_wrap(&words, "nothing was done");
	err_hint(&words, "name the one that is meant by its own time: '%s@%s', "
		 "or '%s@%s'", taken->source, before.name, taken->source,
		 taken->name);
	if (err)
		*err = words;
	return words.code;
}

int find_snapshot(struct repo *repo, const char *spec, enum older older,
		  struct snapshot *ret, struct err *err)
{
	struct snapshot found;
	struct passed passed;
	int r = repo_find_snapshot(repo, spec, &found, &passed, err);

	if (r < 0)
		return r;
	if (older != OLDER_UNTOLD && passed_count(&passed) > 0)
		r = tell_older(spec, &found.record, &passed,
			       older == OLDER_REFUSED, err);
	else if (older != OLDER_UNTOLD)
		r = tell_empty(repo, spec, &found.record,
			       older == OLDER_REFUSED, err);
	if (r < 0) {
		snapshot_release(&found);
		return r;
	}
	if (older != OLDER_UNTOLD && record_tag(&found.record, TAG_FLAWED))
		warn("'%s@%s' was damaged when it was backed up: %s",
		     found.record.source, found.record.name,
		     record_tag(&found.record, TAG_FLAWED));
	*ret = found;
	return 0;
}

int target_open_at(struct repo *repo, const char *spec, const char *path,
		   struct target *ret, struct err *err)
{
	struct target t = TARGET_INIT;
	char label[LABEL_TEXT];
	int r;

	t.path = path ? path : "";
	t.spec = strdup(spec);
	t.older = ret->older;
	r = t.spec ? find_snapshot(repo, spec, t.older, &t.snapshot, err) :
		     err_nomem(err);
	if (r < 0) {
		free(t.spec);
		return r;
	}
	r = tree_open(repo, &t.snapshot.record, &t.tree, err);
	if (r >= 0)
		r = tree_find(t.tree, t.path, &t.node, err);
	if (r < 0) {
		snapshot_label(&t.snapshot.record, label);
		target_close(&t);
		return err_wrap(err, "%s", label);
	}
	*ret = t;
	return 0;
}

int target_open(struct repo *repo, const char *text, struct target *ret,
		struct err *err)
{
	CLEANUP(free_ptr) char *spec = NULL;
	const char *path = "";
	int r;

	r = target_split(text, &spec, &path, err);
	if (r < 0)
		return r;
	return target_open_at(repo, spec, path, ret, err);
}

void target_close(struct target *target)
{
	if (!target->spec)
		return;
	node_release(&target->node);
	if (target->tree)
		tree_close(target->tree);
	snapshot_release(&target->snapshot);
	free(target->spec);
	memset(target, 0, sizeof(*target));
}

int target_refuse_partial(const struct target *target, const char *does,
			  struct err *err)
{
	const struct snapshot *s = &target->snapshot;
	char label[LABEL_TEXT];
	int r;

	if (!s->record.incomplete && !s->damage)
		return 0;
	snapshot_label(&s->record, label);
	r = err_set(err, -EUCLEAN, "snapshot '%s' is %s: %s", label,
		    s->record.incomplete ? "incomplete" : "damaged",
		    s->record.incomplete ? s->record.incomplete : s->damage);
	err_hint(err, "--incomplete %s what there is of it; 'varve list %s' "
		 "shows the others", does, s->record.source);
	return r;
}

int snapshot_set_tag(struct repo *repo, const struct record *record,
		     const char *key, const char *value, struct err *err)
{
	struct event event = { .type = EVENT_TAG, .number = record->number,
			       .key = strdup(key),
			       .value = value ? strdup(value) : NULL };
	int r = event.key && (event.value || !value) ? 0 : err_nomem(err);

	memcpy(event.snapshot, record->id, RECORD_ID);
	if (r == 0)
		r = repo_event(repo, &event, err);
	event_release(&event);
	return r;
}

int snapshot_copy(const struct snapshot *from, struct snapshot *ret,
		  struct err *err)
{
	struct snapshot copy = { .forgotten = from->forgotten,
				 .pinned = from->pinned };

	if (record_copy(&from->record, &copy.record) < 0)
		return err_nomem(err);
	if (from->damage) {
		copy.damage = strdup(from->damage);
		if (!copy.damage) {
			snapshot_release(&copy);
			return err_nomem(err);
		}
	}
	*ret = copy;
	return 0;
}

void snapshots_release(struct snapshots *list)
{
	for (size_t i = 0; i < list->count; i++)
		snapshot_release(&list->row[i]);
	free(list->row);
	memset(list, 0, sizeof(*list));
}

struct loading {
	struct snapshots *list;
	const char *glob;
};

static int load_row(void *arg, const struct snapshot *row, struct err *err)
{
	struct loading *loading = arg;
	struct snapshots *list = loading->list;
	struct snapshot *more;
	int r;

	if (loading->glob && fnmatch(loading->glob, row->record.source, 0))
		return 0;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 64;

		more = reallocarray(list->row, room, sizeof(*more));
		if (!more)
			return err_nomem(err);
		list->row = more;
		list->room = room;
	}
	r = snapshot_copy(row, &list->row[list->count], err);
	if (r >= 0)
		list->count++;
	return r;
}

int snapshots_load(struct repo *repo, const char *glob, bool with_forgotten,
		   struct snapshots *ret, struct err *err)
{
	struct snapshots list = { .row = NULL };
	struct loading loading = { &list, glob };
	int r;

	r = catalog_each_snapshot(repo_catalog(repo), NULL, with_forgotten,
				  load_row, &loading, err);
	if (r < 0) {
		snapshots_release(&list);
		return r;
	}
	*ret = list;
	return 0;
}

bool source_fits(const char *glob, const char *source)
{
	return !strcmp(glob, source) || !fnmatch(glob, source, 0);
}

bool snapshot_is_good(const struct snapshot *snapshot)
{
	return !snapshot_flaw(snapshot, NULL) && !snapshot->forgotten &&
	       stamp_cmp(snapshot->record.time, stamp_now()) <= 0;
}

bool snapshot_is_good_after(const struct snapshot *snapshot,
			    const struct record *before)
{
	return snapshot_is_good(snapshot) &&
	       !(before && !record_is_empty(before) &&
		 record_is_empty(&snapshot->record));
}

struct holding {
	const struct record *of;
	struct held_before *ret;
};

static int see_holding(void *arg, const struct snapshot *s, struct err *err)
{
	const struct record *record = &s->record;
	struct holding *holding = arg;

	(void)err;
	if (record->number == holding->of->number || !snapshot_is_good(s) ||
	    record_is_empty(record) ||
	    stamp_cmp(record->time, holding->of->time) > 0)
		return 0;
	snprintf(holding->ret->name, sizeof(holding->ret->name), "%s",
		 record->name);
	holding->ret->held = counted_held(record);
	return 0;
}

int held_before_find(struct repo *repo, const struct record *record,
		     struct held_before *ret, struct err *err)
{
	struct holding holding = { record, ret };
	int r = 0;

	*ret = (struct held_before){ .name = "" };
	if (!record->incomplete && record_is_empty(record))
		r = catalog_each_snapshot(repo_catalog(repo), record->source,
					  false, see_holding, &holding, err);
	return r;
}
