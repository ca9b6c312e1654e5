#include "fs/repo/check_internal.h"

#include <stdlib.h>
#include <unistd.h>

#define DUE_MAX (256u << 10)	/* 12 MiB of them */

/* What an index says, to be compared with the catalog. */
struct due {
	struct id id;
	uint32_t pack, block, at;	/* its number, and as in struct pack_entry */
	uint32_t name;			/* in check->packs */
};

/* Which packs are read block by block: all, or some from behind `after` on. */
struct reading {
	struct check *check;
	struct due *due;
	size_t due_count;
	bool part;
	uint64_t budget, spent;
	uint8_t after[16];	/* where the last one ended */
	bool some;		/* after is set */
};

/* Prune takes it from the catalog first: what neither has is no fault. */
static bool was_pruned(struct check *check, const uint8_t name[16])
{
	struct catalog_pack pack;

	return catalog_find_pack(check->repo->catalog, name, &pack, NULL) ==
	       -ENOENT;
}

/* 1: the catalog has the object in that place, or too many to tell; 0: not. */
static int has_entry(struct check *check, const struct due *e, struct err *err)
{
	struct place places[PLACES_MAX];
	size_t count = 0;
	int r;

	r = catalog_find(check->repo->catalog, &e->id, places, PLACES_MAX,
			 &count, err);
	for (size_t k = 0; r == 0 && k < count; k++)
		if (places[k].pack == e->pack && places[k].offset == e->block &&
		    places[k].at == e->at)
			return 1;
	return r < 0 ? r : count == PLACES_MAX;
}

static int compare_entry(struct check *check, const struct due *e,
			 struct err *err)
{
	const uint8_t *name = check->packs.name[e->name];
	struct pack_name pack;
	char path[PACK_PATH];
	int r = has_entry(check, e, err);

	/* what is found elsewhere may have been found in an older state */
	if (r == 0)
		r = catalog_refresh(check->repo->catalog, err);
	else if (r == 1)
		return 0;
	if (r == 0)
		r = has_entry(check, e, err);
	if (r != 0 || was_pruned(check, name))
		return r < 0 ? r : 0;
	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	check_fault(check, FAULT_CATALOG, "", "the catalog does not know "
		    "object %s of %s", id_hex(&e->id).s, path);
	return 0;
}

static int due_order(const void *a, const void *b)
{
	const struct due *x = a, *y = b;
	int r = hash_cmp(x->id.hash, y->id.hash, ID_HASH);

	if (r != 0)
		return r;
	/* many of one id, in a store for tests: told of as they lie */
	if (x->name != y->name)
		return x->name < y->name ? -1 : 1;
	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* In order of ids, so that each segment of the catalog is read once for all of
 * them, which are of many packs. */
static int compare_due(struct reading *reading, struct err *err)
{
	int r = 0;

	if (reading->due_count > 0)
		qsort(reading->due, reading->due_count, sizeof(*reading->due),
		      due_order);
	for (size_t i = 0; r == 0 && i < reading->due_count; i++)
		r = compare_entry(reading->check, &reading->due[i], err);
	reading->due_count = 0;
	return r;
}

static int put_entries(struct reading *reading, size_t name,
		       const struct pack_index *index, uint32_t number,
		       struct err *err)
{
	int r = 0;

	if (!reading->due)
		reading->due = calloc(DUE_MAX, sizeof(*reading->due));
	if (!reading->due)
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < index->count; i++) {
		const struct pack_entry *e = &index->entries[i];

		reading->due[reading->due_count++] = (struct due){
			.id = e->id, .pack = number, .block = e->block,
			.at = e->at, .name = (uint32_t)name,
		};
		if (reading->due_count == DUE_MAX)
			r = compare_due(reading, err);
	}
	reading->check->report->objects += index->count;
	return r;
}

/* Look it up; what its index has is compared with the catalog once there is much
 * of it. */
static int put_index(struct reading *reading, size_t at,
		     const struct pack_index *index, const char *path,
		     struct err *err)
{
	struct check *check = reading->check;
	const uint8_t *name = check->packs.name[at];
	struct catalog_pack pack;
	int r = catalog_find_pack(check->repo->catalog, name, &pack, err);

	if (r == 0)
		return put_entries(reading, at, index, pack.number, err);
	/* a sealed pack of a killed add may be unknown, if no record names it */
	if (r == -ENOENT && names_have(&check->named, name))
		check_fault(check, FAULT_CATALOG, "", "the catalog does not "
			    "know %s", path);
	return r == -ENOENT ? 0 : r;
}

static bool is_to_be_read(const struct reading *reading)
{
	const struct check *check = reading->check;

	return check->options->read_data &&
	       (!reading->part || reading->spent < reading->budget);
}

/* What is remembered is looked at again by every check, else it could not be
 * taken back.  It does not count as progress of one that reads a part. */
static bool is_suspect(const struct check *check, const uint8_t name[16])
{
	struct catalog_pack pack;

	return check->suspect.size > 0 &&
	       catalog_find_pack(check->repo->catalog, name, &pack, NULL) ==
	       0 && bits_has(&check->suspect, pack.number);
}

static int read_pack(struct reading *reading, const struct pack_name *name,
		     const struct pack_index *index, const char *path,
		     bool asked, struct err *err)
{
	struct check *check = reading->check;
	uint64_t before = check->report->bytes_read;
	int r = check_read_blocks(check, name, index, path, err);

	if (!asked)
		return r;
	check->report->packs_read++;
	reading->spent += check->report->bytes_read - before;
	return r;
}

/* at: in check->packs */
static int check_pack_file(struct reading *reading, size_t at,
			   struct err *err)
{
	struct check *check = reading->check;
	const uint8_t *name = check->packs.name[at];
	bool read = is_to_be_read(reading);
	struct pack_index index = { 0 };
	struct err why = ERR_INIT;
	char path[PACK_PATH], text[1200];
	struct pack_name pack;
	int r;

	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	check->report->packs++;
	if (check->options->progress)
		check->options->progress(check->options->arg, check->done++,
					 check->total);
	if (read && reading->part) {
		memcpy(reading->after, name, 16);
		reading->some = true;
	}
	r = pack_read_index(&check->repo->dir, &pack, &index, &why);
	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == -ENOENT && was_pruned(check, name))
		return 0;
	if (r < 0) {
		snprintf(text, sizeof(text), "%s: %s", path, why.text);
		return check_pack_fault(check, name, text, err);
	}
	r = put_index(reading, at, &index, path, err);
	if (r == 0 && (read || is_suspect(check, name)))
		r = read_pack(reading, &pack, &index, path, read, err);
	pack_index_release(&index);
	return r == -ENOENT && was_pruned(check, name) ? 0 : r;
}

/* Listing. */

static int list_pack(void *arg, const struct pack_name *name,
		     struct err *err)
{
	struct check *check = arg;

	return names_push(&check->packs, name->b, err);
}

static int stray_pack(void *arg, const char *path, struct err *err)
{
	(void)err;
	check_fault(arg, FAULT_STRAY, path, "'%s' is no pack", path);
	return 0;
}

/* A pack that was sealed since they were listed is there all the same. */
static bool pack_is_there(struct check *check, const uint8_t name[16])
{
	char path[PACK_PATH];
	struct pack_name pack;
	int fd;

	if (names_have(&check->packs, name))
		return true;
	memcpy(pack.b, name, PACK_NAME);
	pack_path(&pack, path);
	if (disk_open_read(&check->repo->dir, path, &fd, NULL) < 0)
		return false;
	close(fd);
	return true;
}

static int known_pack(void *arg, const struct catalog_pack *pack,
		      struct err *err)
{
	struct check *check = arg;
	char hex[33];

	check->pack_bytes += pack->size;
	if (pack_is_there(check, pack->name) || was_pruned(check, pack->name))
		return 0;
	hex_write(pack->name, 16, hex);
	check_fault(check, FAULT_PACK_LOST, hex, "pack %s is missing", hex);
	if (names_push(&check->hurt, pack->name, err) < 0)
		return -ENOMEM;
	if (bits_set(&check->told, pack->number, err) < 0)
		return -ENOMEM;
	return bits_set(&check->suspect, pack->number, err);
}

/* How far the last reading got. */

static int see_scrub(void *arg, const char *name, const struct event *event,
		     struct err *err)
{
	struct reading *reading = arg;

	(void)name;
	(void)err;
	reading->some = event->value && strlen(event->value) == 32 &&
			hex_parse(event->value, 16, reading->after) == 0;
	return 0;
}

static int begin_reading(struct reading *reading, struct err *err)
{
	struct check *check = reading->check;
	const struct check_options *o = check->options;
	double share = o->share * (double)check->pack_bytes;

	reading->budget = o->bytes ? o->bytes : (uint64_t)share + 1;
	reading->part = o->read_data && (o->share > 0 || o->bytes > 0) &&
			reading->budget < check->pack_bytes;
	return reading->part ?
		catalog_each_event(check->repo->catalog, EVENT_SCRUB,
				   see_scrub, reading, err) : 0;
}

/* The first pack behind `after`. */
static size_t first_of(const struct reading *reading)
{
	const struct names_set *packs = &reading->check->packs;
	size_t i = 0;

	if (!reading->part || !reading->some)
		return 0;
	while (i < packs->count &&
	       memcmp(packs->name[i], reading->after, 16) <= 0)
		i++;
	return i < packs->count ? i : 0;
}

/* It tells the next one where to go on, so it is lost, at most, with it. */
static void publish_scrub(const struct reading *reading)
{
	struct check *check = reading->check;
	struct event event = { .type = EVENT_SCRUB };
	struct err why = ERR_INIT;
	char hex[33];
	int r;

	if (!reading->part || check->report->packs_read == 0 ||
	    !check_may_write(check))
		return;
	hex_write(reading->after, 16, hex);
	event.value = strdup(hex);
	r = event.value ? repo_event(check->repo, &event, &why) :
			  err_nomem(&why);
	event_release(&event);
	check_unkept(check, r, &why);
}

int check_packs(struct check *check, struct err *err)
{
	struct reading reading = { .check = check };
	size_t first, count;
	int r = pack_list(&check->repo->dir, list_pack, stray_pack, check,
			  err);

	if (r < 0)
		return r;
	names_sort(&check->packs);
	names_sort(&check->named);
	count = check->total = check->packs.count;
	r = catalog_each_pack(check->repo->catalog, known_pack, check, err);
	if (r == 0)
		r = begin_reading(&reading, err);
	first = first_of(&reading);
	for (size_t i = 0; r == 0 && i < count; i++)
		r = check_pack_file(&reading, (first + i) % count, err);
	if (r == 0)
		r = compare_due(&reading, err);
	free(reading.due);
	if (r == 0)
		publish_scrub(&reading);
	names_sort(&check->whole);
	return r;
}
