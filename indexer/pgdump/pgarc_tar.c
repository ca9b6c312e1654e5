#include "indexer/pgdump/pgarc_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/*
 * An archive as a tar: toc.dat, then a member for the rows of each entry, one
 * for each large object (blob_OID.dat) and a list of these behind them, and a
 * script at its end.  The members are in the order of the entries; large
 * objects are those that follow, up to the next member of another kind.
 * Nothing in it is compressed.
 *
 * Of a header: name (100 bytes at 0), size (12 at 124, octal, or with the top
 * bit set big-endian), sum (8 at 148, octal, over the header with blanks in
 * its place).
 */
#define BLOCK 512u

struct member {
	char name[101];
	uint64_t size;
	uint64_t begin;		/* of its header */
};

struct tar {
	struct member next;	/* read, but not what follows it */
	bool has_next;
	bool ended;		/* by zeros, as it should */
	bool lost;
	uint64_t *begins;	/* of the members met, by entry; 0: not met */
};

static bool parse_octal(const uint8_t *at, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	while (len > 0 && *at == ' ')
		at++, len--;
	for (; len > 0 && *at >= '0' && *at <= '7'; at++, len--)
		value = value << 3 | (uint64_t)(*at - '0');
	*ret = value;
	return len == 0 || *at == 0 || *at == ' ';
}

static bool parse_size(const uint8_t *at, uint64_t *ret)
{
	if (!(at[0] & 0x80))
		return parse_octal(at, 12, ret);
	*ret = 0;
	for (int i = 4; i < 12; i++)
		*ret = *ret << 8 | at[i];
	return at[0] == 0x80 && !at[1] && !at[2] && !at[3] && !(*ret >> 62);
}

static bool is_zero(const uint8_t *block)
{
	for (unsigned i = 0; i < BLOCK; i++)
		if (block[i])
			return false;
	return true;
}

static bool parse_header(const uint8_t *block, struct member *ret)
{
	uint64_t sum, found = 0;

	for (unsigned i = 0; i < BLOCK; i++)
		found += i >= 148 && i < 156 ? ' ' : block[i];
	memcpy(ret->name, block, 100);
	ret->name[100] = 0;
	return parse_octal(block + 148, 8, &sum) && sum == found &&
	       parse_size(block + 124, &ret->size);
}

/* 1; 0: the tar has ended. */
static int read_header(struct pgarc *arc, struct member *ret, struct err *err)
{
	struct tar *tar = arc->access;
	uint8_t block[BLOCK];
	int r;

	if (tar->ended)
		return 0;
	ret->begin = arc->take.at;
	r = take_exact(&arc->take, block, BLOCK, err);
	if (r < 0)
		return r;
	if (is_zero(block)) {
		/* There are two, or something was cut off. */
		tar->ended = true;
		return take_exact(&arc->take, block, BLOCK, err);
	}
	if (!parse_header(block, ret))
		return err_corrupt(err, "what should be the header of a "
				   "member at byte %" PRIu64 " is none",
				   ret->begin);
	return 1;
}

static uint64_t padding(uint64_t size)
{
	return (BLOCK - size % BLOCK) % BLOCK;
}

/* The entry whose rows a member of that name has: "3378.dat". */
static const struct pgarc_entry *entry_of(struct pgarc *arc, const char *name)
{
	char *end;
	unsigned long id = strtoul(name, &end, 10);
	const struct pgarc_entry *entry;

	if (end == name || id > INT32_MAX)
		return NULL;
	entry = pgarc_find(&arc->own.toc, (int32_t)id);
	return entry && entry->file && !strcmp(entry->file, name) ? entry
								    : NULL;
}

static uint64_t *begin_of(struct pgarc *arc, const char *name)
{
	const struct pgarc_entry *entry = entry_of(arc, name);
	struct tar *tar = arc->access;

	return entry ? &tar->begins[entry - arc->own.toc.entries] : NULL;
}

/* In a stream, is the next member one that is wanted later?  Then what is
 * looked for is not there. */
static bool is_past(struct pgarc *arc, const struct pgarc_entry *entry)
{
	struct tar *tar = arc->access;
	const struct pgarc_entry *next = entry_of(arc, tar->next.name);

	return !arc->take.from.seek && next && next > entry;
}

/* The member that follows: 1, 0 at the end. */
static int peek(struct pgarc *arc, struct err *err)
{
	struct tar *tar = arc->access;
	int r;

	if (tar->has_next)
		return 1;
	r = read_header(arc, &tar->next, err);
	if (r > 0)
		tar->has_next = true;
	return r;
}

static int pass(struct pgarc *arc, struct err *err)
{
	struct tar *tar = arc->access;
	uint64_t *begin = begin_of(arc, tar->next.name);
	uint64_t size = tar->next.size;

	tar->has_next = false;
	if (begin && !*begin)
		*begin = tar->next.begin;
	return take_skip(&arc->take, size + padding(size), err);
}

static int give_member(struct pgarc *arc, const struct rows *rows,
		       struct err *err)
{
	struct tar *tar = arc->access;
	uint64_t left = tar->next.size, size = left;
	struct span some;
	int r = 0;

	tar->has_next = false;
	while (r == 0 && left > 0) {
		r = take_some(&arc->take, left, &some, err);
		if (r == 0)	/* its words */
			r = take_skip(&arc->take, left, err);
		if (r < 0)
			return r;
		left -= some.len;
		r = rows->bytes(rows->arg, some, err);
	}
	return r < 0 ? r : take_skip(&arc->take, padding(size), err);
}

static int seek_member(struct pgarc *arc, uint64_t begin, struct err *err)
{
	struct tar *tar = arc->access;
	int r;

	if (!arc->take.from.seek)
		return err_corrupt(err, "it stands out of order: only a file "
				   "that is not packed can be read so");
	tar->has_next = tar->ended = false;
	r = take_seek(&arc->take, begin, err);
	return r < 0 ? r : peek(arc, err);
}

/* Make the entry's member the next one. */
static int find_member(struct pgarc *arc, const struct pgarc_entry *entry,
		       struct err *err)
{
	struct tar *tar = arc->access;
	uint64_t *begin = begin_of(arc, entry->file);
	int r;

	if (begin && *begin)
		return seek_member(arc, *begin, err);
	while ((r = peek(arc, err)) > 0) {
		if (!strcmp(tar->next.name, entry->file))
			return 0;
		if (is_past(arc, entry))
			return err_corrupt(err, "it is missing in its place");
		r = pass(arc, err);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : err_corrupt(err, "the archive ends without it");
}

static bool is_object(const struct member *member, uint32_t *ret_oid)
{
	unsigned long oid;

	if (!str_begins(member->name, "blob_"))
		return false;
	oid = strtoul(member->name + 5, NULL, 10);
	*ret_oid = (uint32_t)oid;
	return oid > 0 && oid <= UINT32_MAX;
}

/* "blobs.toc", from 1.16 on "blobs_3378.toc": another name than the entry has. */
static bool is_list(const struct member *member)
{
	size_t len = strlen(member->name);

	return str_begins(member->name, "blobs") && len > 4 &&
	       !strcmp(member->name + len - 4, ".toc");
}

/* How many objects there are, and their numbers in a sum. */
struct tally {
	uint32_t count, sum;
};

/* The list behind the objects: are they those that it names? */
static int check_list(struct pgarc *arc, const struct tally *given,
		      struct err *err)
{
	struct tar *tar = arc->access;
	uint64_t left = tar->next.size, pad = padding(left);
	struct blobs_list list = { .len = 0 };
	struct tally listed = { 0, 0 };
	char name[256];
	uint32_t oid;
	int r = 0;

	tar->has_next = false;
	while (r >= 0 && left > 0) {
		struct span some;

		r = take_some(&arc->take, left, &some, err);
		if (r == 0)	/* its words */
			r = take_skip(&arc->take, left, err);
		if (r < 0)
			return r;
		left -= some.len;
		while ((r = blobs_line(&list, &some, &oid, name, err)) > 0) {
			listed.count++;
			listed.sum += oid;
		}
	}
	if (r == 0)
		r = take_skip(&arc->take, pad, err);
	if (r == 0 && (listed.count != given->count ||
		       listed.sum != given->sum))
		return err_corrupt(err, "%" PRIu32 " of them are there, which "
				   "are not the %" PRIu32 " of their list",
				   given->count, listed.count);
	return r;
}

/* 1: an object was given; 0: what follows is none. */
static int next_object(struct pgarc *arc, const struct rows *rows,
		       struct tally *given, struct err *err)
{
	struct tar *tar = arc->access;
	uint32_t oid;
	int r = peek(arc, err);

	if (r <= 0 || !is_object(&tar->next, &oid))
		return r < 0 ? r : 0;
	given->count++;
	given->sum += oid;
	r = rows->large_begin(rows->arg, oid, err);
	if (r == 0)
		r = give_member(arc, rows, err);
	if (r == 0)
		r = rows->large_end(rows->arg, err);
	return r < 0 ? r : 1;
}

static int give_objects(struct pgarc *arc, const struct pgarc_entry *entry,
			const struct rows *rows, struct err *err)
{
	struct tar *tar = arc->access;
	struct tally given = { 0, 0 };
	int r;

	for (;;) {
		r = next_object(arc, rows, &given, err);
		if (r > 0)
			continue;
		if (r < 0 || given.count || !tar->has_next ||
		    is_past(arc, entry) || is_list(&tar->next))
			break;
		r = pass(arc, err);
		if (r < 0)
			break;
	}
	if (r < 0)
		return r;
	if (!tar->has_next || !is_list(&tar->next))
		return err_corrupt(err, "their list is missing");
	return check_list(arc, &given, err);
}

static int tar_give(struct pgarc *arc, const struct pgarc_entry *entry,
		    const struct rows *rows, struct err *err)
{
	struct tar *tar = arc->access;
	uint64_t *begin;
	int r;

	if (!entry->file)
		return 0;
	if (tar->lost)
		return err_corrupt(err, "it stands behind what is damaged");
	if (desc_is(entry, "BLOBS")) {
		r = give_objects(arc, entry, rows, err);
	} else {
		r = find_member(arc, entry, err);
		begin = begin_of(arc, entry->file);
		if (r >= 0 && begin)
			*begin = tar->next.begin;
		if (r >= 0)
			r = give_member(arc, rows, err);
	}
	if (r < 0 && !tar->ended && !tar->has_next)
		tar->lost = true;
	return r;
}

static int tar_finish(struct pgarc *arc, struct err *err)
{
	struct tar *tar = arc->access;
	int r = 0;

	if (tar->lost)
		return 0;
	while (r == 0 && (r = peek(arc, err)) > 0) {
		uint64_t *begin = begin_of(arc, tar->next.name);

		if (begin && *begin && *begin != tar->next.begin)
			return err_corrupt(err, "there are two members '%s'",
					   tar->next.name);
		r = pass(arc, err);
	}
	return r;
}

static void tar_close(struct pgarc *arc)
{
	struct tar *tar = arc->access;

	if (tar)
		free(tar->begins);
	free(tar);
}

struct within {			/* a member as an input */
	struct take *take;
	uint64_t left;
};

static int within_next(void *arg, struct span *ret, struct err *err)
{
	struct within *within = arg;
	int r;

	if (!within->left)
		return 0;
	r = take_some(within->take, within->left, ret, err);
	if (r > 0)
		within->left -= ret->len;
	return r;
}

static int read_toc(struct pgarc *arc, struct err *err)
{
	struct tar *tar = arc->access;
	struct within within = { &arc->take, tar->next.size };
	const struct pgarc_input input = { .next = within_next,
					   .arg = &within };
	struct take take;
	int r;

	take_init(&take, &input, "toc.dat");
	r = toc_read(&take, PGARC_TAR, &arc->own, err);
	tar->has_next = false;
	return r < 0 ? r : take_skip(&arc->take,
				     within.left + padding(tar->next.size),
				     err);
}

int tar_open(struct pgarc *arc, struct err *err)
{
	struct tar *tar = calloc(1, sizeof(*tar));
	int r;

	if (!tar)
		return err_nomem(err);
	arc->access = tar;
	arc->close = tar_close;
	arc->give = tar_give;
	arc->finish = tar_finish;
	r = peek(arc, err);
	if (r == 0 || (r > 0 && strcmp(tar->next.name, "toc.dat")))
		r = err_corrupt(err, "its first member is not toc.dat");
	if (r > 0)
		r = read_toc(arc, err);
	if (r < 0)
		return r;
	tar->begins = calloc(arc->own.toc.count + 1, sizeof(*tar->begins));
	return tar->begins ? 0 : err_nomem(err);
}
