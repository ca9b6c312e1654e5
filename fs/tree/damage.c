#include "fs/tree/damage_internal.h"

#include <stdio.h>

struct finding {
	struct finder finder;
	const struct damage_options *options;
	struct damage_report *report;
	struct remembered known;
	/* of the snapshot at hand */
	struct id kept[DAMAGE_KEYS_MAX];
	size_t kept_count;
	bool over;		/* there are more than these */
	uint64_t places;
	char first[DAMAGE_WORDS_MAX];	/* words of the first */
};

const char *damage_part_name(enum damage_part part)
{
	switch (part) {
	case DAMAGE_FILE:
		return "file";
	case DAMAGE_XATTR:
		return "xattr";
	case DAMAGE_DIR:
		return "directory";
	case DAMAGE_LINKS:
		return "links";
	case DAMAGE_ORIGIN:
		return "origin";
	case DAMAGE_VIEW:
		return "original";
	case DAMAGE_NOTES:
		return "notes";
	case DAMAGE_ROWS:
		return "rows";
	}
	return "";
}

static void unkept(struct finding *finding, int r, const struct err *why)
{
	struct damage_report *report = finding->report;

	/* who is pruned meanwhile has no damage any more */
	if (r < 0 && r != -ENOENT && report->unkept.code == 0)
		report->unkept = *why;
}

static bool may_remember(const struct finding *finding)
{
	return !finding->options->only_look &&
	       !repo_is_readonly(finding->finder.repo);
}

static void keep(struct finding *finding, const char *key, const char *words)
{
	struct repo *repo = finding->finder.repo;
	const uint8_t *id = finding->finder.snapshot->record.id;
	size_t before = finding->known.count;
	struct err why = ERR_INIT;
	int r;

	if (!may_remember(finding))
		return;
	r = remember_damage(repo, &finding->known, id, key, words, &why);
	unkept(finding, r, &why);
	finding->report->remembered += finding->known.count > before;
}

static void keep_object(struct finding *finding, const struct id *id,
			const char *words)
{
	for (size_t i = 0; i < finding->kept_count; i++)
		if (id_equal(&finding->kept[i], id))
			return;
	if (finding->kept_count == DAMAGE_KEYS_MAX) {
		finding->over = true;
		return;
	}
	finding->kept[finding->kept_count++] = *id;
	keep(finding, id_hex(id).s, words);
}

static int tell(struct finder *finder, enum damage_part part,
		const char *path, const char *words, struct err *err)
{
	struct finding *finding = finder->arg;
	struct damage damage = {
		.snapshot = finder->snapshot, .part = part, .path = path,
		.words = words, .ids = finder->ids, .count = finder->count,
		.more = finder->more,
	};
	char text[DAMAGE_WORDS_MAX];

	(void)err;
	if (finding->options->each)
		finding->options->each(finding->options->arg, &damage);
	snprintf(text, sizeof(text), "%s%s%s%s", *path ? "'" : "", path,
		 *path ? "': " : "", words);
	if (finding->places++ == 0)
		memcpy(finding->first, text, sizeof(text));
	finding->report->places++;
	for (size_t i = 0; i < damage.count; i++)
		keep_object(finding, &damage.ids[i], text);
	finding->over |= damage.more;
	return 0;
}

/* What is whole, and was remembered as more than single objects. */
static void heal_whole(struct finding *finding, const struct record *record,
		       const char *key)
{
	struct err why = ERR_INIT;
	int r;

	if (!finding->options->bad_is_all || !may_remember(finding) ||
	    !remembered_has(&finding->known, record->id, key))
		return;
	r = remember_healed(finding->finder.repo, &finding->known, record->id,
			    key, &why);
	unkept(finding, r, &why);
	finding->report->healed += r == 0;
}

static int look_at(void *arg, const struct snapshot *snapshot,
		   struct err *err)
{
	struct finding *finding = arg;
	char key[2 * RECORD_ID + 1];
	int r;

	finding->finder.snapshot = snapshot;
	finding->kept_count = 0;
	finding->over = false;
	finding->places = 0;
	hex_write(snapshot->record.id, RECORD_ID, key);
	r = finding->finder.bad->count ? finder_walk(&finding->finder, err) :
					 0;
	if (r < 0)
		return r;
	finding->report->snapshots += finding->places > 0;
	if (finding->places == 0)
		heal_whole(finding, &snapshot->record, key);
	else if (finding->over)
		keep(finding, key, finding->first);
	return 0;
}

int damage_find(struct repo *repo, struct id_set *bad,
		const struct damage_options *options,
		struct damage_report *report, struct err *err)
{
	struct finding finding = {
		.finder = { .repo = repo, .getter = { .repo = repo },
			    .bad = bad, .tell = tell },
		.options = options, .report = report,
	};
	int r;

	*report = (struct damage_report){ 0 };
	finding.finder.arg = &finding;
	r = remembered_load(repo, &finding.known, err);
	/* nothing is bad, and nothing is remembered that may be healed */
	if (r == 0 && (bad->count > 0 || finding.known.count > 0))
		r = catalog_each_snapshot(repo_catalog(repo), NULL, true,
					  look_at, &finding, err);
	finder_release(&finding.finder);
	remembered_release(&finding.known);
	return r;
}

/* Snapshots that were remembered as a whole. */

static int suspect_packs(struct repo *repo, const struct remembered *known,
			 struct bits *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < known->count; i++) {
		const char *key = known->note[i].key;
		struct catalog_pack pack;
		uint8_t name[16];

		if (strlen(key) == 32 && hex_parse(key, 16, name) == 0 &&
		    catalog_find_pack(repo_catalog(repo), name, &pack, NULL) ==
		    0)
			r = bits_set(ret, pack.number, err);
	}
	return r;
}

static int stop_at_first(struct finder *finder, enum damage_part part,
			 const char *path, const char *words, struct err *err)
{
	(void)finder;
	(void)part;
	(void)path;
	(void)words;
	(void)err;
	return 1;
}

static int heal_snapshot(struct finder *finder, struct remembered *known,
			 const uint8_t id[RECORD_ID], const char *key,
			 uint64_t *healed, struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot snapshot = {
		.forgotten = false };
	int r = catalog_get_snapshot_by_id(repo_catalog(finder->repo), id,
					   &snapshot, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	finder->snapshot = &snapshot;
	r = finder_walk(finder, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = remember_healed(finder->repo, known, id, key, err);
	*healed += r == 0;
	return r;
}

int damage_heal(struct repo *repo, uint64_t *ret_healed, struct err *err)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	CLEANUP(bits_release) struct bits suspect = BITS_INIT;
	struct id_set bad = { .slot = NULL };
	struct finder finder = { .repo = repo, .getter = { .repo = repo },
				 .bad = &bad, .prove = &suspect,
				 .tell = stop_at_first };
	uint64_t healed = 0;
	int r = repo_heal(repo, &healed, err);

	if (r == 0)
		r = remembered_load(repo, &known, err);
	if (r == 0)
		r = suspect_packs(repo, &known, &suspect, err);
	for (size_t i = 0; r == 0 && i < known.count;) {
		struct damage_note note = known.note[i];
		char own[2 * RECORD_ID + 1];

		hex_write(note.snapshot, RECORD_ID, own);
		if (!strcmp(own, note.key))
			r = heal_snapshot(&finder, &known, note.snapshot,
					  note.key, &healed, err);
		/* what was healed left the list */
		if (i < known.count && !strcmp(known.note[i].key, note.key))
			i++;
	}
	finder_release(&finder);
	id_set_release(&bad);
	if (r == 0)
		*ret_healed = healed;
	return r;
}

void damage_note(struct repo *repo, const struct record *record,
		 const char *path, const struct err *met)
{
	OWNED_REMEMBERED struct remembered known = REMEMBERED_INIT;
	char words[DAMAGE_WORDS_MAX];
	struct id id;

	if (repo_is_readonly(repo) || !damage_key_is_object(met->object, &id) ||
	    remembered_load(repo, &known, NULL) < 0)
		return;
	snprintf(words, sizeof(words), "%s%s%s%s", *path ? "'" : "", path,
		 *path ? "': " : "", met->text);
	remember_damage(repo, &known, record->id, met->object, words, NULL);
}
