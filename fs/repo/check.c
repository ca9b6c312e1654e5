#include "fs/repo/check_internal.h"

#include <stdlib.h>
#include <unistd.h>

void check_fault(struct check *check, enum fault_kind kind, const char *name,
		 const char *fmt, ...)
{
	const struct check_options *o = check->options;
	char text[1400];
	va_list ap;

	check->faults++;
	check->report->told[kind]++;
	if (!o->fault)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o->fault(o->arg, &(struct fault){ kind, name, text });
}

void check_unkept(struct check *check, int r, const struct err *why)
{
	if (r < 0 && check->report->unkept.code == 0)
		check->report->unkept = *why;
}

/* Sets. */

int names_push(struct names_set *set, const uint8_t name[16],
	       struct err *err)
{
	if (set->count == set->cap) {
		size_t cap = set->cap ? 2 * set->cap : 64;
		void *more = realloc(set->name, cap * sizeof(*set->name));

		if (!more)
			return err_nomem(err);
		set->name = more;
		set->cap = cap;
	}
	memcpy(set->name[set->count++], name, 16);
	return 0;
}

static int name_order(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

void names_sort(struct names_set *set)
{
	if (set->count)
		qsort(set->name, set->count, 16, name_order);
}

bool names_have(const struct names_set *set, const uint8_t name[16])
{
	return set->count && bsearch(name, set->name, set->count, 16,
				     name_order);
}

/* Packs in which something is damaged. */

static int suspect_pack(struct check *check, const uint8_t name[16],
			bool told, struct err *err)
{
	struct catalog_pack pack;
	int r = catalog_find_pack(check->repo->catalog, name, &pack, err);

	if (r == 0)
		r = bits_set(&check->suspect, pack.number, err);
	if (r == 0 && told)
		r = bits_set(&check->told, pack.number, err);
	return r == -ENOENT ? 0 : r;
}

static int hurt(struct check *check, const uint8_t name[16], struct err *err)
{
	struct names_set *set = &check->hurt;

	return set->count && !memcmp(set->name[set->count - 1], name, 16) ?
		0 : names_push(set, name, err);
}

int check_hurt(struct check *check, uint32_t number, struct err *err)
{
	struct catalog_pack pack;

	return catalog_get_pack(check->repo->catalog, number, &pack, NULL) ==
	       0 ? hurt(check, pack.name, err) : 0;
}

int check_pack_fault(struct check *check, const uint8_t name[16],
		     const char *words, struct err *err)
{
	struct err why = ERR_INIT;
	char hex[33];
	int r;

	hex_write(name, 16, hex);
	check_fault(check, FAULT_PACK, hex, "%s", words);
	if (check_may_write(check)) {
		r = remember_damage(check->repo, &check->known, NULL, hex,
				    words, &why);
		check_unkept(check, r, &why);
	}
	r = hurt(check, name, err);
	return r == 0 ? suspect_pack(check, name, true, err) : r;
}

/* What is remembered is looked at again, whatever else is. */
static int suspect_known(struct check *check, struct err *err)
{
	int r = remembered_load(check->repo, &check->known, err);

	for (size_t i = 0; r == 0 && i < check->known.count; i++) {
		const struct damage_note *note = &check->known.note[i];
		struct place place;
		uint8_t name[16];
		struct id id;

		if (!damage_key_is_object(note->key, &id)) {
			if (strlen(note->key) == 32 &&
			    hex_parse(note->key, 16, name) == 0)
				r = suspect_pack(check, name, false, err);
			continue;
		}
		r = repo_locate(check->repo, &id, &place, NULL);
		r = r == 0 ? bits_set(&check->suspect, place.pack, err) : 0;
	}
	return r;
}

static bool is_on_disk(struct check *check, const uint8_t name[16])
{
	char path[PACK_PATH];
	struct pack_name pack;

	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	return faccessat(check->repo->dir.fd, path, F_OK, 0) == 0 ||
	       errno != ENOENT;
}

/* A pack is whole that was read to its end, or that nobody looks for. */
static bool pack_is_healed(struct check *check, const char *key)
{
	struct catalog_pack pack;
	uint8_t name[16];

	if (strlen(key) != 32 || hex_parse(key, 16, name) < 0)
		return false;
	return names_have(&check->whole, name) ||
	       (!is_on_disk(check, name) &&
		catalog_find_pack(check->repo->catalog, name, &pack, NULL) ==
		-ENOENT);
}

static bool is_healed(struct check *check, const struct damage_note *note)
{
	static const uint8_t no_one[RECORD_ID];
	OWNED_HELD struct held held = HELD_INIT;
	struct id id;

	if (!damage_key_is_object(note->key, &id))
		return !memcmp(note->snapshot, no_one, RECORD_ID) &&
		       pack_is_healed(check, note->key);
	return !id_set_has(check->bad, &id) &&
	       repo_get(check->repo, &id, &held, NULL) == 0;
}

static void take_back_healed(struct check *check)
{
	struct remembered *known = &check->known;
	struct err why = ERR_INIT;
	int r = 0;

	for (size_t i = 0; r == 0 && i < known->count;) {
		char key[DAMAGE_KEY];

		memcpy(key, known->note[i].key, sizeof(key));
		if (is_healed(check, &known->note[i])) {
			r = remember_healed(check->repo, known, NULL, key,
					    &why);
			check->report->healed += r == 0;
			continue;	/* all of it left the list */
		}
		while (i < known->count && !strcmp(known->note[i].key, key))
			i++;
	}
	check_unkept(check, r, &why);
}

/* What records reach. */

static int push(struct check *check, const struct id *id, struct err *err)
{
	int r = id_is_none(id) ? 0 : id_set_add(&check->seen, id, err);

	if (r <= 0)
		return r;
	if (check->depth == check->stack_cap) {
		size_t cap = check->stack_cap ? 2 * check->stack_cap : 256;
		void *more = realloc(check->stack, cap *
						   sizeof(*check->stack));

		if (!more)
			return err_nomem(err);
		check->stack = more;
		check->stack_cap = cap;
	}
	check->stack[check->depth++] = *id;
	return 0;
}

/* 1: it was not known to be bad. */
static int note_bad(struct check *check, const struct id *id, struct err *err)
{
	if (check->bad->count >= CHECK_BAD_MAX) {
		check->report->more_bad = true;
		return 0;
	}
	return id_set_add(check->bad, id, err);
}

/* A chunk in a pack of which not all can be read. */
static int prove_chunk(struct check *check, const struct id *id,
		       const struct place *place, struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct err why = ERR_INIT;
	int r = repo_get(check->repo, id, &held, &why);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == 0)
		return 0;
	r = note_bad(check, id, err);
	if (r > 0 && check_hurt(check, place->pack, err) < 0)
		return -ENOMEM;
	if (r <= 0 || bits_has(&check->told, place->pack))
		return r < 0 ? r : 0;
	/* not looked at this time: one sentence for all that is in it */
	check_fault(check, FAULT_OBJECT, id_hex(id).s, "snapshot %s: %s",
		    check->snapshot, why.text);
	return bits_set(&check->told, place->pack, err);
}

/* A forgotten snapshot may be pruned while it is walked. */
static bool is_still_there(struct check *check)
{
	return catalog_has_record(check->repo->catalog, check->snapshot_id);
}

static int look_up_chunk(void *arg, const struct id *id, struct err *err)
{
	struct check *check = arg;
	struct place place;
	int r = repo_locate(check->repo, id, &place, err);

	if (r == 0)
		r = bits_set(&check->reached, place.pack, err);
	if (r == 0 && bits_has(&check->suspect, place.pack))
		return prove_chunk(check, id, &place, err);
	if (r != -ENOENT || !is_still_there(check))
		return r == -ENOENT ? 0 : r;
	r = note_bad(check, id, err);
	/* one sentence for all that a snapshot lacks: paths are told later */
	if (r > 0 && !check->lacks)
		check_fault(check, FAULT_OBJECT_LOST, id_hex(id).s,
			    "snapshot %s: chunk %s is missing, or more",
			    check->snapshot, id_hex(id).s);
	check->lacks |= r > 0;
	return r < 0 ? r : 0;
}

static int follow(struct check *check, struct span bytes, struct err *err)
{
	struct object_in in;
	int r;

	r = object_parse(bytes, &in, err);
	if (r < 0)
		return r;
	for (uint32_t i = 0; r == 0 && i < in.count; i++) {
		enum object_type type;
		struct id id;

		object_get_any(&in, i, &type, &id);
		if (type == OBJECT_CHUNK)
			r = id_batch_put(&check->chunks, &id, err);
		else
			r = push(check, &id, err);
	}
	return r;
}

static int walk(struct check *check, struct err *err)
{
	while (check->depth > 0) {
		OWNED_HELD struct held held = HELD_INIT;
		struct id id = check->stack[--check->depth];
		struct err why = ERR_INIT;
		struct place place;
		int r, where;

		where = repo_locate(check->repo, &id, &place, NULL);
		if (where == 0 &&
		    bits_set(&check->reached, place.pack, err) < 0)
			return -ENOMEM;
		r = repo_get(check->repo, &id, &held, &why);
		if (r == 0)
			r = follow(check, held.bytes, &why);
		if (r == -ENOMEM)
			return err_nomem(err);
		if (r == 0 || !is_still_there(check))
			continue;
		r = note_bad(check, &id, err);
		if (r >= 0 && where == 0)
			r = check_hurt(check, place.pack, err);
		if (r < 0)
			return r;
		check_fault(check, where == -ENOENT ? FAULT_OBJECT_LOST :
			    FAULT_OBJECT, id_hex(&id).s, "snapshot %s: %s",
			    check->snapshot, why.text);
	}
	return 0;
}

static int walk_snapshot(void *arg, const struct snapshot *snapshot,
			 struct err *err)
{
	const struct record *record = &snapshot->record;
	const struct id *root[] = { &record->root, &record->links,
				    &record->origin, &record->view,
				    &record->notes, &record->rows };
	struct check *check = arg;
	char name[SOURCE_MAX + 64], path[64], hex[2 * RECORD_ID + 1];
	int fd, r = 0;

	snprintf(name, sizeof(name), "%s@%s", record->source, record->name);
	check->snapshot = name;
	check->lacks = false;
	hex_write(record->id, RECORD_ID, hex);
	snprintf(path, sizeof(path), "snapshots/%s", hex);
	check->snapshot_id = record->id;
	if (disk_open_read(&check->repo->dir, path, &fd, NULL) == 0)
		close(fd);
	else if (is_still_there(check))
		check_fault(check, FAULT_RECORD_LOST, hex, "snapshot %s: its "
			    "record is missing", name);
	else
		return 0;
	check->report->snapshots++;
	for (size_t i = 0; r == 0 && i < sizeof(root) / sizeof(*root); i++)
		r = push(check, root[i], err);
	if (r == 0)
		r = walk(check, err);
	return r < 0 ? r : id_batch_flush(&check->chunks, err);
}

static int count_orphan(void *arg, const struct catalog_pack *pack,
			struct err *err)
{
	struct check *check = arg;

	(void)err;
	check->report->orphans += !bits_has(&check->reached, pack->number);
	return 0;
}

static int run(struct check *check, struct err *err)
{
	struct catalog *catalog = check->repo->catalog;
	int r = suspect_known(check, err);

	if (r == 0)
		r = check_state(check, err);
	if (r == 0)
		r = check_packs(check, err);
	if (r == 0)
		r = id_batch_init(&check->chunks, look_up_chunk, check, err);
	if (r == 0)
		r = catalog_each_snapshot(catalog, NULL, true, walk_snapshot,
					  check, err);
	if (r == 0)
		r = catalog_each_pack(catalog, count_orphan, check, err);
	if (r == 0 && check_may_write(check))
		take_back_healed(check);
	return r;
}

/* What is counted is the same whether all of it is read or only what is known
 * to be damaged: a pack is one, however much of it is. */
static void count_errors(struct check *check)
{
	struct check_report *report = check->report;
	const struct names_set *hurt = &check->hurt;

	names_sort(&check->hurt);
	for (size_t i = 0; i < hurt->count; i++)
		report->hurt_packs += i == 0 ||
			memcmp(hurt->name[i - 1], hurt->name[i], 16);
	report->hurt_objects = check->bad->count;
	report->errors = report->hurt_packs + report->hurt_objects;
	for (int kind = FAULT_CONF; kind < FAULT_KINDS; kind++)
		if (kind != FAULT_PACK && kind != FAULT_PACK_LOST &&
		    kind != FAULT_OBJECT && kind != FAULT_OBJECT_LOST)
			report->errors += report->told[kind];
}

static void check_release(struct check *check)
{
	id_set_release(&check->seen);
	id_set_release(&check->own_bad);
	free(check->stack);
	id_batch_release(&check->chunks);
	free(check->packs.name);
	free(check->named.name);
	free(check->whole.name);
	free(check->hurt.name);
	bits_release(&check->reached);
	bits_release(&check->suspect);
	bits_release(&check->told);
	remembered_release(&check->known);
}

bool check_wants_repair(const struct check_report *report)
{
	for (int kind = FAULT_CONF; kind < FAULT_KINDS; kind++)
		if (kind != FAULT_CATALOG && kind != FAULT_OBJECT_LOST &&
		    report->told[kind] > 0)
			return true;
	return false;
}

int repo_check(struct repo *repo, const struct check_options *options,
	       struct check_report *report, struct err *err)
{
	struct check check = { .repo = repo, .options = options,
			       .report = report };
	struct err why = ERR_INIT;
	int r;

	*report = (struct check_report){ 0 };
	check.bad = options->bad ? options->bad : &check.own_bad;
	r = catalog_check(repo->catalog, &why);
	if (r == -EBADMSG) {
		/* by its word nothing else could be told from damage */
		check_fault(&check, FAULT_CATALOG, "", "%s", why.text);
		report->blind = true;
		count_errors(&check);
		return 0;
	} else if (r < 0) {
		*err = why;
		return r;
	}
	r = run(&check, err);
	count_errors(&check);
	check_release(&check);
	return r;
}
