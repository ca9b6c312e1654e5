#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define ARENA_BLOCK   (64u << 10)
#define INT_BYTES_MAX 8u
#define OFFSET_MAX    16u
#define DEPENDS_MAX   (1u << 20) /* of one entry */
#define GROW_FROM     (64u << 10)

struct arena_block {
	struct arena_block *next;
	char bytes[];
};

/* What is used while the entries are read. */
struct reading {
	struct take *take;
	struct toc_own *own;
	struct err *err;
	struct buf scratch;
	struct buf depends;
	struct pgarc_entry last; /* the entry before, or zeros */
};

static int spend(struct toc_own *own, uint64_t bytes, struct err *err)
{
	own->memory += bytes;
	if (own->memory > PGARC_TOC_MAX)
		return err_set(err, -EFBIG, "the table of contents is larger "
			       "than %llu MiB", PGARC_TOC_MAX >> 20);
	return 0;
}

/* len bytes that live as long as own, aligned for what is in them. */
static int keep(struct toc_own *own, const void *bytes, size_t len,
		void **ret, struct err *err)
{
	size_t whole = (len + 7) & ~(size_t)7;
	size_t room = whole > ARENA_BLOCK ? whole : ARENA_BLOCK;
	struct arena_block *block = own->arena;
	int r;

	if (!block || own->arena_left < whole) {
		r = spend(own, room, err);
		if (r < 0)
			return r;
		block = malloc(sizeof(*block) + room);
		if (!block)
			return err_nomem(err);
		block->next = own->arena;
		own->arena = block;
		own->arena_left = room;
	}
	/* Filled from its end, so that its size need not be kept. */
	own->arena_left -= whole;
	*ret = block->bytes + own->arena_left;
	if (len > 0)
		memcpy(*ret, bytes, len);
	return 0;
}

void toc_release(struct toc_own *own)
{
	while (own->arena) {
		struct arena_block *next = own->arena->next;

		free(own->arena);
		own->arena = next;
	}
	free(own->toc.entries);
	free(own->by_id);
	*own = (struct toc_own){ .arena = NULL };
}

/* A byte of sign, then size bytes, the lowest first. */
int toc_int(struct take *take, unsigned size, int32_t *ret, struct err *err)
{
	uint8_t bytes[1 + INT_BYTES_MAX];
	uint64_t value = 0;
	int r = take_exact(take, bytes, 1 + size, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)bytes[1 + i] << 8 * i;
	if (value > (uint64_t)INT32_MAX + (bytes[0] ? 1 : 0))
		return err_corrupt(err, "the number before byte %" PRIu64
				   " is out of range", take->at);
	*ret = (int32_t)(bytes[0] ? -(int64_t)value : (int64_t)value);
	return 0;
}

static int read_int(struct reading *in, int32_t *ret)
{
	return toc_int(in->take, in->own->toc.head.int_size, ret, in->err);
}

/* Into scratch, with a NUL behind; *ret_null where there is none. */
static int read_scratch(struct reading *in, bool *ret_null)
{
	struct span some;
	int32_t len;
	int r = read_int(in, &len);

	if (r < 0)
		return r;
	buf_clear(&in->scratch);
	*ret_null = len < 0;
	/* No more memory than bytes that are there. */
	while (len > 0) {
		r = take_some(in->take, (uint64_t)len, &some, in->err);
		if (r == 0)
			r = err_corrupt(in->err, "it ends early, after %"
					PRIu64 " bytes", in->take->at);
		if (r < 0)
			return r;
		buf_append(&in->scratch, some.data, some.len);
		len -= (int32_t)some.len;
		if (in->own->memory + in->scratch.len > PGARC_TOC_MAX)
			return spend(in->own, in->scratch.len, in->err);
	}
	buf_append_byte(&in->scratch, 0);
	return buf_check(&in->scratch, in->err);
}

/* same: the string of the entry before, which is often the same. */
static int read_str(struct reading *in, const char *same, const char **ret)
{
	const char *found;
	void *kept;
	bool null;
	int r = read_scratch(in, &null);

	if (r < 0)
		return r;
	found = (const char *)in->scratch.data;
	*ret = NULL;
	if (null)
		return 0;
	if (same && !strcmp(same, found)) {
		*ret = same;
		return 0;
	}
	r = keep(in->own, found, strlen(found) + 1, &kept, in->err);
	if (r < 0)
		return r;
	*ret = kept;
	return 0;
}

/* What sscanf("%u") or ("%d") gives there. */
static int read_number(struct reading *in, uint32_t *ret, bool *ret_null)
{
	int r = read_scratch(in, ret_null);

	if (r == 0)
		*ret = (uint32_t)strtoul((const char *)in->scratch.data, NULL,
					 10);
	return r;
}

static int read_packing(struct reading *in, struct pgarc_head *head)
{
	uint8_t algorithm;
	int r;

	if (head->minor < 15) {
		r = read_int(in, &head->level);
		head->packing = head->level == 0 ? PGARC_PLAIN : PGARC_GZIP;
		return r;
	}
	r = take_exact(in->take, &algorithm, 1, in->err);
	if (r < 0)
		return r;
	if (algorithm > 3)
		return err_set(in->err, -ENOTSUP, "its compression (number %u) "
			       "is not known here", algorithm);
	head->packing = PGARC_PLAIN + algorithm;
	return 0;
}

/* "15.18 (Debian …)" is 1500, "9.6.3" 906. */
static unsigned major_of(const char *version)
{
	char *end = NULL;
	unsigned long first = version ? strtoul(version, &end, 10) : 0;
	unsigned long second = 0;

	if (first > 9999)
		return 0;
	if (first >= 10 || !end || *end != '.')
		return (unsigned)first * 100;
	second = strtoul(end + 1, NULL, 10);
	return (unsigned)(first * 100 + (second < 100 ? second : 0));
}

/* What an archive of that version is by, where it does not tell. */
static unsigned major_by(uint8_t minor)
{
	static const unsigned by[] = { 906, 1100, 1500, 1600, 1800 };

	return by[minor - PGARC_OLDEST];
}

static int check_sizes(const struct pgarc_head *head, uint8_t format,
		       enum pgarc_format where, struct err *err)
{
	/* A directory says that it is a tar. */
	uint8_t want = where == PGARC_CUSTOM ? PGARC_CUSTOM : PGARC_TAR;

	if (head->int_size < 1 || head->int_size > INT_BYTES_MAX)
		return err_corrupt(err, "its numbers have %u bytes",
				   head->int_size);
	if (head->offset_size < 1 || head->offset_size > OFFSET_MAX)
		return err_corrupt(err, "its offsets have %u bytes",
				   head->offset_size);
	if (format != want)
		return err_corrupt(err, "its head says that its format is "
				   "number %u, which it is not", format);
	return 0;
}

static int read_head(struct reading *in, enum pgarc_format where)
{
	struct pgarc_head *head = &in->own->toc.head;
	int32_t *time[] = {
		&head->time.sec, &head->time.min, &head->time.hour,
		&head->time.day, &head->time.month, &head->time.year,
		&head->time.dst,
	};
	uint8_t b[11];
	int r = take_exact(in->take, b, sizeof(b), in->err);

	if (r < 0)
		return r;
	if (memcmp(b, PGARC_MAGIC, 5))
		return err_corrupt(in->err, "it does not begin with "
				   PGARC_MAGIC);
	if (b[5] != 1 || b[6] < PGARC_OLDEST || b[6] > PGARC_NEWEST)
		return err_set(in->err, -ENOTSUP, "its version is %u.%u; 1.%u "
			       "to 1.%u are known here", b[5], b[6],
			       PGARC_OLDEST, PGARC_NEWEST);
	head->minor = b[6];
	head->rev = b[7];
	head->int_size = b[8];
	head->offset_size = b[9];
	head->format = where;
	r = check_sizes(head, b[10], where, in->err);
	if (r == 0)
		r = read_packing(in, head);
	for (size_t i = 0; i < 7 && r == 0; i++)
		r = read_int(in, time[i]);
	if (r == 0)
		r = read_str(in, NULL, &head->db);
	if (r == 0)
		r = read_str(in, NULL, &head->server);
	if (r == 0)
		r = read_str(in, NULL, &head->dumper);
	head->major = major_of(head->dumper);
	if (!head->major)
		head->major = major_by(head->minor);
	return r;
}

static int read_depends(struct reading *in, struct pgarc_entry *entry)
{
	uint32_t number;
	bool null;
	void *kept;
	int r;

	buf_clear(&in->depends);
	for (;;) {
		r = read_number(in, &number, &null);
		if (r < 0)
			return r;
		if (null)
			break;
		if (++entry->depend_count > DEPENDS_MAX)
			return err_corrupt(in->err, "more than %u dependencies",
					   DEPENDS_MAX);
		buf_append(&in->depends, &number, sizeof(number));
	}
	r = buf_check(&in->depends, in->err);
	if (r < 0 || !entry->depend_count)
		return r;
	r = keep(in->own, in->depends.data, in->depends.len, &kept, in->err);
	if (r == 0)
		entry->depends = kept;
	return r;
}

static int read_place(struct reading *in, struct pgarc_entry *entry)
{
	unsigned size = in->own->toc.head.offset_size;
	uint8_t bytes[1 + OFFSET_MAX];
	int r = take_exact(in->take, bytes, 1 + size, in->err);

	if (r < 0)
		return r;
	if (bytes[0] < PGARC_UNSET || bytes[0] > PGARC_NOWHERE)
		return err_corrupt(in->err, "its offset has the mark %u",
				   bytes[0]);
	entry->place = bytes[0];
	for (unsigned i = 0; i < size; i++) {
		if (i >= 8 && bytes[1 + i])
			return err_corrupt(in->err, "its offset is too large");
		if (i < 8)
			entry->offset |= (uint64_t)bytes[1 + i] << 8 * i;
	}
	return 0;
}

static int read_extra(struct reading *in, struct pgarc_entry *entry)
{
	int r;

	if (in->own->toc.head.format == PGARC_CUSTOM)
		return read_place(in, entry);
	r = read_str(in, NULL, &entry->file);
	if (r == 0 && str_empty(entry->file))
		entry->file = NULL;
	return r;
}

static int read_ids(struct reading *in, struct pgarc_entry *entry)
{
	int32_t had;
	bool null;
	int r = read_int(in, &entry->id);

	if (r == 0 && entry->id <= 0)
		r = err_corrupt(in->err, "its id is %d", entry->id);
	if (r == 0)
		r = read_int(in, &had);
	if (r < 0)
		return r;
	entry->has_data = had != 0;
	r = read_number(in, &entry->table_oid, &null);
	if (r == 0)
		r = read_number(in, &entry->oid, &null);
	return r;
}

static int read_texts(struct reading *in, struct pgarc_entry *entry)
{
	const struct pgarc_entry *last = &in->last;
	const struct { const char *last, **to; } texts[] = {
		{ NULL, &entry->defn }, { NULL, &entry->drop },
		{ NULL, &entry->copy }, { last->schema, &entry->schema },
		{ last->tablespace, &entry->tablespace },
	};
	const struct pgarc_head *head = &in->own->toc.head;
	int32_t section = 0;
	int r = read_str(in, NULL, &entry->tag);

	if (r == 0)
		r = read_str(in, last->desc, &entry->desc);
	if (r == 0)
		r = read_int(in, &section);
	if (r == 0 && (section < PGARC_NO_SECTION || section > PGARC_POST_DATA))
		r = err_corrupt(in->err, "its section is number %d", section);
	entry->section = (enum pgarc_section)section;
	if (!entry->tag)
		entry->tag = "";
	if (!entry->desc)
		entry->desc = "";
	for (size_t i = 0; i < 5 && r == 0; i++)
		r = read_str(in, texts[i].last, texts[i].to);
	if (r == 0 && head->minor >= 14)
		r = read_str(in, last->method, &entry->method);
	if (r == 0 && head->minor >= 16)
		r = read_int(in, &entry->relkind);
	if (r == 0)
		r = read_str(in, last->owner, &entry->owner);
	return r;
}

static int read_entry(struct reading *in, struct pgarc_entry *entry)
{
	bool null;
	int r = read_ids(in, entry);

	if (r == 0)
		r = read_texts(in, entry);
	if (r == 0)
		r = read_scratch(in, &null);
	if (r < 0)
		return r;
	entry->with_oids = !strcmp((const char *)in->scratch.data, "true");
	r = read_depends(in, entry);
	return r < 0 ? r : read_extra(in, entry);
}

/* Entries are given room as they come: their number is a stranger's. */
static int room_for_one(struct toc_own *own, struct err *err)
{
	uint32_t room = own->room ? own->room * 2 : 256;
	struct pgarc_entry *entries;
	int r;

	if (own->toc.count < own->room)
		return 0;
	r = spend(own, (uint64_t)(room - own->room) * sizeof(*entries), err);
	if (r < 0)
		return r;
	entries = reallocarray(own->toc.entries, room, sizeof(*entries));
	if (!entries)
		return err_nomem(err);
	own->toc.entries = entries;
	own->room = room;
	return 0;
}

static int read_entries(struct reading *in)
{
	struct pgarc_toc *toc = &in->own->toc;
	int32_t count = 0;
	int r = read_int(in, &count);

	if (r == 0 && (count < 0 || count > (int32_t)PGARC_ENTRIES_MAX))
		return err_corrupt(in->err, "it has %d entries", count);
	for (int32_t i = 0; i < count && r == 0; i++) {
		struct pgarc_entry entry = { .id = 0 };

		r = room_for_one(in->own, in->err);
		if (r == 0)
			r = read_entry(in, &entry);
		if (r < 0)
			return err_wrap(in->err, "entry %d of %d", i + 1,
					count);
		toc->entries[toc->count++] = entry;
		in->last = entry;
	}
	return r;
}

static int by_id(const void *a, const void *b, void *arg)
{
	const struct pgarc_entry *entries = arg;
	int32_t x = entries[*(const uint32_t *)a].id;
	int32_t y = entries[*(const uint32_t *)b].id;

	return x < y ? -1 : x > y;
}

static int index_ids(struct toc_own *own, struct err *err)
{
	struct pgarc_toc *toc = &own->toc;
	int r = spend(own, (uint64_t)toc->count * sizeof(uint32_t), err);

	if (r < 0)
		return r;
	own->by_id = calloc(toc->count + 1, sizeof(uint32_t));
	if (!own->by_id)
		return err_nomem(err);
	for (uint32_t i = 0; i < toc->count; i++)
		own->by_id[i] = i;
	qsort_r(own->by_id, toc->count, sizeof(uint32_t), by_id,
		toc->entries);
	for (uint32_t i = 1; i < toc->count; i++) {
		int32_t id = toc->entries[own->by_id[i]].id;

		if (toc->entries[own->by_id[i - 1]].id == id)
			return err_corrupt(err, "two entries have the id %d",
					   id);
	}
	return 0;
}

const struct pgarc_entry *pgarc_find(const struct pgarc_toc *toc, int32_t id)
{
	const struct toc_own *own = (const struct toc_own *)toc;
	uint32_t low = 0, high = toc->count;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		const struct pgarc_entry *entry =
			&toc->entries[own->by_id[mid]];

		if (entry->id == id)
			return entry;
		if (entry->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

int toc_read(struct take *take, enum pgarc_format where, struct toc_own *own,
	     struct err *err)
{
	struct reading in = {
		.take = take, .own = own, .err = err,
		.scratch = BUF_INIT, .depends = BUF_INIT,
	};
	int r = read_head(&in, where);

	if (r == 0)
		r = read_entries(&in);
	if (r == 0)
		r = index_ids(own, err);
	buf_release(&in.scratch);
	buf_release(&in.depends);
	if (r < 0)
		return err_wrap(err, "the table of contents");
	toc_judge(&own->toc);
	return 0;
}
