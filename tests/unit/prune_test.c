/*
 * Snapshots here are lists of chunks, each named by a word: take() adds one,
 * must_read() compares all that it says it has.
 */
#include "store_fixture.h"

#include <errno.h>
#include <fcntl.h>

#include "fs/base/disk.h"
#include "fs/repo/check.h"
#include "fs/repo/deposit_internal.h"
#include "fs/repo/mark.h"

#define CHUNK_BYTES 3000
#define WORD 32

/* Bytes that do not repeat, from a word; those of "x~y" are nearly y's. */
static struct span word_bytes(const char *word, uint8_t out[CHUNK_BYTES])
{
	const char *like = strchr(word, '~');
	uint64_t x = sum64(span_str(word)) | 1;

	if (like) {
		word_bytes(like + 1, out);
		out[7] = (uint8_t)x;
		return span_of(out, CHUNK_BYTES);
	}
	for (size_t i = 0; i < CHUNK_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)x;
	}
	return span_of(out, CHUNK_BYTES);
}

/* The next word of *words; false: there is none. */
static bool next_word(const char **words, char out[WORD])
{
	size_t len;

	*words += strspn(*words, " ");
	len = strcspn(*words, " ");
	assert_true(len < WORD);
	memcpy(out, *words, len);
	out[len] = '\0';
	*words += len;
	return len > 0;
}

static struct repo *open_other(struct fixture *f)
{
	struct err err = ERR_INIT;
	struct repo *repo;

	wanted(0, repo_open(f->dir, REPO_WRITE, 1u << 20, &repo, &err), &err);
	return repo;
}

/* An add: chunks by word, gathered in a list. */
struct add {
	struct deposit *deposit;
	struct object_out list;
};

static void add_begin(struct add *add, struct repo *repo)
{
	struct err err = ERR_INIT;

	*add = (struct add){ .list = OBJECT_OUT_INIT };
	wanted(0, deposit_begin(repo, NULL, &add->deposit, &err), &err);
	object_begin(&add->list, OBJECT_LIST);
}

static void add_put(struct add *add, const char *words)
{
	uint8_t bytes[CHUNK_BYTES];
	struct err err = ERR_INIT;
	char word[WORD];
	struct id id;

	while (next_word(&words, word)) {
		wanted(0, deposit_chunk(add->deposit, CHUNK_SMALL,
					word_bytes(word, bytes), &id, &err),
		       &err);
		object_ref(&add->list, OBJECT_CHUNK, &id);
	}
}

static uint64_t add_new_chunks(struct add *add)
{
	struct deposit_stats stats;

	deposit_get_stats(add->deposit, &stats);
	return stats.new_chunks;
}

static void add_end(struct add *add)
{
	object_out_release(&add->list);
	deposit_free(add->deposit);
}

/* The number of the snapshot; *ret_r: what the commit gave. */
static uint64_t add_try_commit(struct add *add, int *ret_r, struct err *err)
{
	OWNED_BUF struct buf object = BUF_INIT;
	struct record record;
	uint64_t number;

	fixture_record(&record, "s", 1000);
	wanted(0, object_finish(&add->list, &object, err), err);
	wanted(0, deposit_object(add->deposit, buf_span(&object),
				 &record.root, err), err);
	*ret_r = deposit_commit(add->deposit, &record, err);
	number = record.number;
	record_release(&record);
	add_end(add);
	return number;
}

static uint64_t add_commit(struct add *add)
{
	struct err err = ERR_INIT;
	int r;
	uint64_t number = add_try_commit(add, &r, &err);

	wanted(0, r, &err);
	return number;
}

static uint64_t take(struct repo *repo, const char *words)
{
	struct add add;

	add_begin(&add, repo);
	add_put(&add, words);
	return add_commit(&add);
}

static void read_chunk(struct repo *repo, const struct id *id,
		       const char *word)
{
	OWNED_HELD struct held held = HELD_INIT;
	uint8_t bytes[CHUNK_BYTES];
	struct err err = ERR_INIT;

	wanted(0, repo_get(repo, id, &held, &err), &err);
	assert_true(span_equal(held.bytes, word_bytes(word, bytes)));
}

static void must_read(struct repo *repo, uint64_t number, const char *words)
{
	OWNED_HELD struct held held = HELD_INIT;
	enum object_type type;
	struct snapshot row;
	struct err err = ERR_INIT;
	struct object_in in;
	char word[WORD];
	uint32_t i = 0;
	struct id id;

	wanted(0, catalog_get_snapshot(repo_catalog(repo), number, &row,
				       &err), &err);
	wanted(0, repo_get(repo, &row.record.root, &held, &err), &err);
	snapshot_release(&row);
	wanted(0, object_parse(held.bytes, &in, &err), &err);
	for (; next_word(&words, word); i++) {
		assert_in_range(i, 0, in.count - 1);
		object_get_any(&in, i, &type, &id);
		read_chunk(repo, &id, word);
	}
	assert_int_equal(i, in.count);
}

static bool is_there(struct repo *repo, uint64_t number)
{
	struct snapshot row;
	struct err err = ERR_INIT;
	int r = catalog_get_snapshot(repo_catalog(repo), number, &row, &err);

	if (r == 0)
		snapshot_release(&row);
	else
		wanted(-ENOENT, r, &err);
	return r == 0;
}

static void publish(struct repo *repo, enum event_type type, uint64_t number)
{
	struct event event = { .type = type, .number = number };
	struct snapshot row;
	struct err err = ERR_INIT;

	wanted(0, catalog_get_snapshot(repo_catalog(repo), number, &row,
				       &err), &err);
	memcpy(event.snapshot, row.record.id, sizeof(event.snapshot));
	snapshot_release(&row);
	wanted(0, repo_event(repo, &event, &err), &err);
	event_release(&event);
}

static void forget(struct repo *repo, uint64_t number)
{
	publish(repo, EVENT_FORGET, number);
}

static uint64_t high_seq(struct repo *repo)
{
	struct err err = ERR_INIT;
	uint64_t seq;

	wanted(0, catalog_high_seq(repo_catalog(repo), &seq, &err), &err);
	return seq;
}

static const struct prune_options everything = {
	.force = true, .max_unused = 0, .max_repack = PRUNE_NO_LIMIT,
};

static struct prune_report prune_with(struct repo *repo,
				      const struct prune_options *options)
{
	struct prune_report report;
	struct err err = ERR_INIT;

	wanted(0, repo_prune(repo, options, &report, &err), &err);
	return report;
}

static struct prune_report prune(struct repo *repo)
{
	return prune_with(repo, &everything);
}

static int count_pack(void *arg, const struct catalog_pack *pack,
		      struct err *err)
{
	(void)pack;
	(void)err;
	++*(uint64_t *)arg;
	return 0;
}

static uint64_t packs(struct repo *repo)
{
	struct err err = ERR_INIT;
	uint64_t count = 0;

	wanted(0, catalog_each_pack(repo_catalog(repo), count_pack, &count,
				    &err), &err);
	return count;
}

static int count_mark(void *arg, uint32_t number, uint64_t seq,
		      struct err *err)
{
	(void)number;
	(void)seq;
	(void)err;
	++*(uint64_t *)arg;
	return 0;
}

static uint64_t condemned(struct repo *repo)
{
	struct err err = ERR_INIT;
	uint64_t count = 0;

	wanted(0, catalog_each_condemned(repo_catalog(repo), count_mark,
					 &count, &err), &err);
	return count;
}

static void tell_fault(void *arg, const struct fault *fault)
{
	(void)arg;
	print_message("%s\n", fault->words);
}

static void must_be_sound(struct repo *repo)
{
	const struct check_options options = { .read_data = true,
					       .fault = tell_fault };
	struct check_report report;
	struct err err = ERR_INIT;

	wanted(0, repo_check(repo, &options, &report, &err), &err);
	assert_int_equal(report.errors, 0);
}

/* Where an id lies, newest first. */
static size_t places_of(struct repo *repo, const struct id *id,
			struct place places[PLACES_MAX])
{
	struct err err = ERR_INIT;
	size_t count;

	wanted(0, catalog_refresh(repo_catalog(repo), &err), &err);
	wanted(0, catalog_find(repo_catalog(repo), id, places, PLACES_MAX,
			       &count, &err), &err);
	return count;
}

static struct id id_of_word(struct repo *repo, uint64_t number, uint32_t n)
{
	OWNED_HELD struct held held = HELD_INIT;
	enum object_type type;
	struct snapshot row;
	struct err err = ERR_INIT;
	struct object_in in;
	struct id id;

	wanted(0, catalog_get_snapshot(repo_catalog(repo), number, &row,
				       &err), &err);
	wanted(0, repo_get(repo, &row.record.root, &held, &err), &err);
	snapshot_release(&row);
	wanted(0, object_parse(held.bytes, &in, &err), &err);
	object_get_any(&in, n, &type, &id);
	return id;
}

/* Other bytes in the middle of a block. */
static void damage(struct fixture *f, const struct place *place)
{
	struct catalog_pack pack;
	struct pack_name name;
	struct err err = ERR_INIT;
	char path[256], in[PACK_PATH];
	int fd;

	wanted(0, catalog_get_pack(repo_catalog(f->repo), place->pack, &pack,
				   &err), &err);
	memcpy(name.b, pack.name, PACK_NAME);
	pack_path(&name, in);
	snprintf(path, sizeof(path), "%s/%s", f->dir, in);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "damage", 6, place->offset +
				place->stored / 2), 6);
	close(fd);
}

/* "Removes what only forgotten snapshots and unfinished adds needed." */
static void test_gives_back(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two three");
	struct prune_report report;
	struct add add;

	add_begin(&add, f->repo);
	add_put(&add, "nobody");
	wanted(0, deposit_drain(add.deposit, NULL), NULL);
	add_end(&add);
	forget(f->repo, a);
	report = prune(f->repo);
	assert_int_equal(report.snapshots, 1);
	assert_int_equal(report.snapshots_removed, 1);
	assert_int_equal(report.packs_waiting, 0);
	assert_true(report.packs_removed >= 3);
	assert_int_equal(report.packs_repacked, 1);
	assert_false(is_there(f->repo, a));
	must_read(f->repo, b, "two three");
	fixture_reopen(f);
	must_read(f->repo, b, "two three");
	must_be_sound(f->repo);
	report = prune(f->repo);
	assert_int_equal(report.unreachable, 0);
	assert_int_equal(report.packs_removed, 0);
}

static void test_dry_run_changes_nothing(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two three");
	uint64_t before = packs(f->repo), seq;
	struct prune_report report, done;

	forget(f->repo, a);
	seq = high_seq(f->repo);
	options.dry_run = true;
	report = prune_with(f->repo, &options);
	assert_int_equal(packs(f->repo), before);
	assert_int_equal(high_seq(f->repo), seq);
	publish(f->repo, EVENT_UNDELETE, a);
	must_read(f->repo, a, "one two");
	forget(f->repo, a);
	done = prune(f->repo);
	assert_int_equal(report.packs_removed, done.packs_removed);
	assert_int_equal(report.bytes_removed, done.bytes_removed);
	assert_int_equal(report.snapshots_removed, done.snapshots_removed);
	must_read(f->repo, b, "two three");
}

/* An add begun before may count on what is condemned: as long as it goes on,
 * the pack stays, and the next prune takes it. */
static void test_condemned_waits_for_add(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b = take(f->repo, "two");
	struct prune_report report;
	struct repo *other;
	struct add add;

	forget(f->repo, a);
	other = open_other(f);
	add_begin(&add, other);
	report = prune(f->repo);
	assert_int_equal(report.packs_removed, 0);
	assert_int_equal(report.packs_waiting, 2);
	assert_true(report.waits_for[0]);
	assert_int_equal(condemned(f->repo), 2);
	assert_false(is_there(f->repo, a));
	add_end(&add);
	report = prune(f->repo);
	assert_int_equal(report.packs_removed, 2);
	assert_int_equal(condemned(f->repo), 0);
	must_read(f->repo, b, "two");
	repo_close(other);
	must_be_sound(f->repo);
}

/* "When one commits with chunks of it, the mark is taken away." */
static void test_commit_spares(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b;
	struct repo *other;
	struct add add;

	forget(f->repo, a);
	other = open_other(f);
	add_begin(&add, other);
	add_put(&add, "one");
	assert_int_equal(add_new_chunks(&add), 0);
	prune(f->repo);
	assert_int_equal(condemned(f->repo), 2);
	b = add_commit(&add);
	assert_true(condemned(f->repo) < 2);
	prune(f->repo);
	fixture_reopen(f);
	must_read(f->repo, b, "one");
	repo_close(other);
	must_be_sound(f->repo);
}

/* Adds that begin later store it anew, and need not be waited for. */
static void test_later_add_does_not_count_on_it(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b;
	struct prune_report report;
	struct add before, after;
	struct repo *other;

	forget(f->repo, a);
	other = open_other(f);
	add_begin(&before, other);
	prune(f->repo);
	assert_int_equal(condemned(f->repo), 2);
	fixture_reopen(f);
	add_begin(&after, f->repo);
	add_put(&after, "one");
	assert_int_equal(add_new_chunks(&after), 1);
	add_end(&before);
	report = prune(other);
	assert_int_equal(report.packs_removed, 2);
	b = add_commit(&after);
	repo_close(other);
	fixture_reopen(f);
	must_read(f->repo, b, "one");
	must_be_sound(f->repo);
}

/* What a process read when it was forgotten stays until it says otherwise. */
static void test_reader_holds(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b = take(f->repo, "two");
	struct repo *other = open_other(f);
	struct prune_report report;
	struct err err = ERR_INIT;

	forget(f->repo, a);
	report = prune(f->repo);
	assert_int_equal(report.snapshots_held, 1);
	assert_int_equal(report.snapshots_removed, 0);
	must_read(other, a, "one");
	wanted(0, repo_tell_reading(other, high_seq(other), &a, 1, &err),
	       &err);
	report = prune(f->repo);
	assert_int_equal(report.snapshots_held, 1);
	must_read(other, a, "one");
	publish(f->repo, EVENT_UNDELETE, a);
	forget(f->repo, a);
	wanted(0, repo_tell_reading(other, high_seq(other), &b, 1, &err),
	       &err);
	report = prune(f->repo);
	assert_int_equal(report.snapshots_held, 0);
	assert_int_equal(report.snapshots_removed, 1);
	must_read(other, b, "two");
	repo_close(other);
}

/* The same chunk in two packs, of snapshots *a and *b. */
static void take_twice(struct fixture *f, uint64_t *a, uint64_t *b,
		       const char *words)
{
	struct repo *other = open_other(f);
	struct add one, two;

	add_begin(&one, f->repo);
	add_begin(&two, other);
	add_put(&one, words);
	add_put(&two, words);
	*a = add_commit(&one);
	*b = add_commit(&two);
	repo_close(other);
}

/* "Of several copies one is marked, which was read first": not a damaged one,
 * whichever that is. */
static void test_damaged_copy_goes(void **state)
{
	struct fixture *f = *state;

	for (int which = 0; which < 2; which++) {
		struct place places[PLACES_MAX];
		uint64_t a, b;
		struct id id;

		take_twice(f, &a, &b, which ? "one" : "two");
		id = id_of_word(f->repo, a, 0);
		assert_int_equal(places_of(f->repo, &id, places), 2);
		damage(f, &places[which]);
		fixture_reopen(f);
		prune(f->repo);
		assert_int_equal(places_of(f->repo, &id, places), 1);
		fixture_reopen(f);
		must_read(f->repo, a, which ? "one" : "two");
		must_read(f->repo, b, which ? "one" : "two");
	}
	must_be_sound(f->repo);
}

static void test_damaged_metadata_refuses(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b = take(f->repo, "two");
	uint64_t c = take(f->repo, "three");
	struct place places[PLACES_MAX];
	struct prune_report report;
	struct snapshot row;
	struct err err = ERR_INIT;

	wanted(0, catalog_get_snapshot(repo_catalog(f->repo), b, &row, &err),
	       &err);
	assert_int_equal(places_of(f->repo, &row.record.root, places), 1);
	snapshot_release(&row);
	damage(f, &places[0]);
	forget(f->repo, a);
	fixture_reopen(f);
	assert_int_equal(repo_prune(f->repo, &everything, &report, &err),
			 -EBADMSG);
	assert_non_null(strstr(err.text, "nothing is removed"));
	assert_non_null(strstr(err.hint, "forget"));
	assert_int_equal(packs(f->repo), 6);
	assert_true(is_there(f->repo, a));
	forget(f->repo, b);
	prune(f->repo);
	must_read(f->repo, c, "three");
	assert_int_equal(packs(f->repo), 2);
}

static void test_over_half_is_refused(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two three four"), b;
	struct prune_report report;
	struct err err = ERR_INIT;

	b = take(f->repo, "five");
	forget(f->repo, a);
	options.force = false;
	assert_int_equal(repo_prune(f->repo, &options, &report, &err), -EPERM);
	assert_true(report.unreachable > report.bytes_before / 2);
	options.dry_run = true;
	report = prune_with(f->repo, &options);
	assert_true(report.over_half);
	assert_int_equal(report.packs_removed, 2);
	options.dry_run = false;
	assert_true(is_there(f->repo, a));
	must_read(f->repo, a, "one two three four");
	options.force = true;
	prune_with(f->repo, &options);
	assert_false(is_there(f->repo, a));
	must_read(f->repo, b, "five");
}

/* What nobody can bring back is not said to be brought back. */
static void test_refusal_says_what_is_true(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b;
	struct prune_report report;
	struct err err = ERR_INIT;
	struct add add;

	add_begin(&add, f->repo);
	add_put(&add, "nobody no-one none nothing");
	wanted(0, deposit_drain(add.deposit, &err), &err);
	add_end(&add);
	options.force = false;
	assert_int_equal(repo_prune(f->repo, &options, &report, &err), -EPERM);
	assert_non_null(strstr(err.hint, "no forgotten snapshot is left"));
	assert_null(strstr(err.hint, "undelete"));
	b = take(f->repo, "two");
	forget(f->repo, b);
	assert_int_equal(repo_prune(f->repo, &options, &report, &err), -EPERM);
	assert_non_null(strstr(err.hint, "'varve undelete' brings back that"));
	must_read(f->repo, a, "one");
}

/* What happens as soon as something is written anew. */
struct at_repack {
	struct fixture *f;
	struct add *add;
	uint64_t number;	/* of what it committed */
	bool forget;
	struct repo *other;
	struct add *later;
	const char *later_words;
	volatile int stop;
	bool done;
};

static void on_repack(void *arg, enum prune_phase phase, uint64_t done,
		      uint64_t total)
{
	struct at_repack *at = arg;
	struct err err = ERR_INIT;

	(void)done;
	(void)total;
	if (phase != PRUNE_REPACK || at->done)
		return;
	at->done = true;
	if (at->add)
		at->number = add_commit(at->add);
	if (at->forget) {
		forget(at->other, at->number);
		wanted(0, repo_tell_reading(at->other, high_seq(at->other),
					    NULL, 0, &err), &err);
	}
	if (at->later) {
		add_begin(at->later, at->other);
		add_put(at->later, at->later_words);
	}
	at->stop = 1;
}

/* "What is done is done, and the next prune goes on." */
static void test_stop(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	struct at_repack at = { .f = f };
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two");
	uint64_t c = take(f->repo, "three four"), d = take(f->repo, "four");
	struct prune_report report;

	forget(f->repo, a);
	forget(f->repo, c);
	options.progress = on_repack;
	options.arg = &at;
	options.stop = &at.stop;
	report = prune_with(f->repo, &options);
	assert_true(report.stopped);
	must_read(f->repo, b, "two");
	must_read(f->repo, d, "four");
	must_be_sound(f->repo);
	report = prune(f->repo);
	assert_false(report.stopped);
	assert_int_equal(prune(f->repo).unreachable, 0);
	fixture_reopen(f);
	must_read(f->repo, b, "two");
	must_read(f->repo, d, "four");
	must_be_sound(f->repo);
}

static void test_max_repack(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two");
	uint64_t c = take(f->repo, "three four"), d = take(f->repo, "four");
	struct prune_report report;

	forget(f->repo, a);
	forget(f->repo, c);
	options.max_repack = 0;
	report = prune_with(f->repo, &options);
	assert_int_equal(report.packs_repacked, 0);
	assert_true(report.unused > 2 * CHUNK_BYTES);
	/* room for one of the two */
	options.max_repack = CHUNK_BYTES + CHUNK_BYTES / 2;
	report = prune_with(f->repo, &options);
	assert_int_equal(report.packs_repacked, 1);
	assert_in_range(report.bytes_repacked, CHUNK_BYTES,
			options.max_repack);
	assert_true(report.unused > CHUNK_BYTES);
	report = prune(f->repo);
	assert_int_equal(report.unused, 0);
	must_read(f->repo, b, "two");
	must_read(f->repo, d, "four");
}

/* Longer than a block of large files, which it then has for itself. */
static struct id add_put_large(struct add *add, const char *word)
{
	static uint8_t bytes[BLOCK_LARGE + 5000];
	uint64_t x = sum64(span_str(word)) | 1;
	struct err err = ERR_INIT;
	struct id id;

	for (size_t i = 0; i < sizeof(bytes); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		bytes[i] = (uint8_t)x;
	}
	wanted(0, deposit_chunk(add->deposit, CHUNK_LARGE,
				span_of(bytes, sizeof(bytes)), &id, &err),
	       &err);
	object_ref(&add->list, OBJECT_CHUNK, &id);
	return id;
}

/* Whoever reads a page of a large file must not decode a megabyte of others
 * once it was written anew. */
static void test_moved_blocks_stay_small(void **state)
{
	struct fixture *f = *state;
	struct place one[PLACES_MAX], two[PLACES_MAX];
	struct prune_report report;
	struct id ids[2];
	struct add add;
	uint64_t a;

	add_begin(&add, f->repo);
	add_put(&add, "gone");
	add_put_large(&add, "large");
	add_put_large(&add, "larger");
	a = add_commit(&add);
	add_begin(&add, f->repo);
	ids[0] = add_put_large(&add, "large");
	ids[1] = add_put_large(&add, "larger");
	add_commit(&add);
	forget(f->repo, a);
	report = prune(f->repo);
	assert_int_equal(report.packs_repacked, 1);
	assert_int_equal(places_of(f->repo, &ids[0], one), 1);
	assert_int_equal(places_of(f->repo, &ids[1], two), 1);
	assert_int_equal(one->pack, two->pack);
	assert_int_not_equal(one->offset, two->offset);
	must_be_sound(f->repo);
}

static void test_max_unused(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two");
	struct prune_report report;

	forget(f->repo, a);
	options.max_unused = 2 * CHUNK_BYTES;
	report = prune_with(f->repo, &options);
	assert_int_equal(report.packs_repacked, 0);
	assert_in_range(report.unused, 1, options.max_unused);
	options.max_unused = PRUNE_NO_LIMIT;
	options.max_unused_share = 0.05;
	report = prune_with(f->repo, &options);
	assert_int_equal(report.packs_repacked, 1);
	must_read(f->repo, b, "two");
}

/* A pack that an add has sealed and nobody recorded is not for others to
 * remove, however often they prune. */
static void test_packs_of_running_add_stay(void **state)
{
	struct fixture *f = *state;
	struct repo *other = open_other(f);
	struct err err = ERR_INIT;
	struct add add;
	uint64_t a;

	take(f->repo, "one");
	add_begin(&add, other);
	add_put(&add, "two three");
	wanted(0, deposit_drain(add.deposit, &err), &err);
	assert_int_equal(prune(f->repo).packs_removed, 0);
	assert_int_equal(prune(f->repo).packs_removed, 0);
	a = add_commit(&add);
	prune(f->repo);
	must_read(f->repo, a, "two three");
	repo_close(other);
	must_be_sound(f->repo);
}

/*
 * A chunk in two packs: P, condemned in a prune before, and Q, which the add
 * found.  This prune removes P; what the add then commits must keep Q, however
 * well P can still be read from memory.
 */
static void test_copy_that_is_gone_is_not_marked(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	struct at_repack at = { .f = f };
	struct repo *first = open_other(f), *second;
	struct err err = ERR_INIT;
	struct add q, p, before, add;
	uint64_t of_p, mixed;

	mixed = take(f->repo, "three four");
	take(f->repo, "four");
	/* Q is sealed, of an add that dies later; P is newer, and recorded */
	add_begin(&q, first);
	add_begin(&p, f->repo);
	add_put(&q, "one");
	add_put(&p, "one");
	wanted(0, deposit_drain(q.deposit, &err), &err);
	of_p = add_commit(&p);
	must_read(f->repo, of_p, "one");
	forget(f->repo, of_p);
	wanted(0, repo_tell_reading(first, high_seq(first), NULL, 0, &err),
	       &err);
	second = open_other(f);
	add_begin(&before, second);
	options.max_repack = 0;
	prune_with(f->repo, &options);
	assert_int_equal(condemned(f->repo), 2);
	add_end(&q);
	add_end(&before);
	repo_close(first);
	forget(f->repo, mixed);
	repo_close(second);
	second = open_other(f);
	add_begin(&add, second);
	add_put(&add, "one");
	assert_int_equal(add_new_chunks(&add), 0);
	at.add = &add;
	at.other = second;
	options = everything;
	options.progress = on_repack;
	options.arg = &at;
	prune_with(f->repo, &options);
	assert_true(at.done);
	must_read(second, at.number, "one");
	repo_close(second);
	fixture_reopen(f);
	must_read(f->repo, at.number, "one");
	must_be_sound(f->repo);
}

/*
 * A mark that was taken away counts no longer: who began in between saw none,
 * and counts on the pack, also where what was spared is forgotten at once.
 */
static void test_spared_is_condemned_anew(void **state)
{
	struct prune_options options = everything;
	struct fixture *f = *state;
	struct at_repack at = { .f = f, .forget = true };
	struct add add, later;
	uint64_t a, mixed, number;

	mixed = take(f->repo, "three four");
	take(f->repo, "four");
	a = take(f->repo, "one");
	forget(f->repo, a);
	forget(f->repo, mixed);
	at.other = open_other(f);
	add_begin(&add, at.other);
	add_put(&add, "one");
	at.add = &add;
	at.later = &later;
	at.later_words = "one";
	options.progress = on_repack;
	options.arg = &at;
	prune_with(f->repo, &options);
	assert_true(at.done);
	assert_int_equal(add_new_chunks(&later), 0);
	number = add_commit(&later);
	prune(f->repo);
	must_read(at.other, number, "one");
	repo_close(at.other);
	must_be_sound(f->repo);
}

static int fail_unlink(void *arg, enum disk_step step, const char *dir,
		       const char *name, const char *to, uint64_t offset,
		       struct span data)
{
	(void)arg;
	(void)dir;
	(void)to;
	(void)offset;
	(void)data;
	return step == DISK_UNLINK && !strncmp(name, "packs/", 6) ? -EIO : 0;
}

/* Words that only their number tells apart. */
static void add_put_many(struct add *add, int from, int to)
{
	for (int i = from; i < to; i++) {
		char word[WORD];

		snprintf(word, sizeof(word), "word%d", i);
		add_put(add, word);
	}
}

static void must_read_many(struct repo *repo, uint64_t number, int from,
			   int to)
{
	OWNED_BUF struct buf words = BUF_INIT;

	for (int i = from; i < to; i++)
		buf_printf(&words, " word%d", i);
	must_read(repo, number, buf_str(&words));
}

/*
 * A pack that is out of the catalog and could not be unlinked is found again by
 * whoever comes next.  An id in it must not have been given to other bytes in
 * between, by an add that was going on.  (With ids of 8 bits it would be.)
 */
static void test_ids_of_what_is_left_are_taken(void **state)
{
	struct fixture *f = *state;
	struct repo *first, *second;
	struct prune_report report;
	struct err err = ERR_INIT;
	struct add add, before, after;
	uint64_t a, b;
	int r;

	add_begin(&add, f->repo);
	add_put_many(&add, 0, 60);
	a = add_commit(&add);
	forget(f->repo, a);
	first = open_other(f);
	add_begin(&before, first);
	prune(f->repo);
	second = open_other(f);
	add_begin(&after, second);
	add_end(&before);
	repo_close(first);
	disk_set_hook(fail_unlink, NULL);
	assert_int_equal(repo_prune(f->repo, &everything, &report, &err),
			 -EIO);
	disk_set_hook(NULL, NULL);
	add_put_many(&after, 60, 120);
	b = add_try_commit(&after, &r, &err);
	if (r == -EAGAIN) {	/* and runs again */
		add_begin(&after, second);
		add_put_many(&after, 60, 120);
		b = add_commit(&after);
	} else {
		wanted(0, r, &err);
	}
	repo_close(second);
	take(f->repo, "more");
	fixture_reopen(f);
	must_read_many(f->repo, b, 60, 120);
	prune(f->repo);
	fixture_reopen(f);
	must_read_many(f->repo, b, 60, 120);
	must_be_sound(f->repo);
}

static void commit_at_fault(void *arg, const struct fault *fault)
{
	struct add *add = arg;

	(void)fault;
	if (add->deposit)
		add_commit(add);
	add->deposit = NULL;
}

/* A second copy that came after a check last looked is known all the same.  (It
 * is told of a fault before it lists the packs.) */
static void test_check_sees_second_copy(void **state)
{
	struct fixture *f = *state;
	struct repo *other = open_other(f);
	struct check_report report;
	struct err err = ERR_INIT;
	struct add one, two;
	const struct check_options options = { .read_data = true,
					       .fault = commit_at_fault,
					       .arg = &two };
	char path[256];
	uint64_t a;
	int fd;

	add_begin(&one, f->repo);
	add_begin(&two, other);
	add_put(&one, "one");
	add_put(&two, "one");
	a = add_commit(&one);
	must_read(f->repo, a, "one");
	snprintf(path, sizeof(path), "%s/snapshots/%032d", f->dir, 0);
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	close(fd);
	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	assert_null(two.deposit);
	assert_int_equal(report.errors, 1);
	assert_int_equal(report.packs, 3);
	repo_close(other);
}

struct meanwhile {
	struct repo *repo;
	bool done;
};

static void prune_meanwhile(void *arg, uint64_t done, uint64_t total)
{
	struct meanwhile *meanwhile = arg;

	(void)done;
	(void)total;
	if (meanwhile->done)
		return;
	meanwhile->done = true;
	prune(meanwhile->repo);
}

/* What a prune removes while a check goes on is no damage. */
static void test_check_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct meanwhile meanwhile = { .repo = f->repo };
	const struct check_options options = { .read_data = true,
					       .fault = tell_fault,
					       .progress = prune_meanwhile,
					       .arg = &meanwhile };
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two three");
	struct check_report report;
	struct err err = ERR_INIT;
	struct repo *other;

	forget(f->repo, a);
	other = open_other(f);
	wanted(0, repo_check(other, &options, &report, &err), &err);
	assert_true(meanwhile.done);
	assert_int_equal(report.errors, 0);
	assert_int_equal(report.snapshots, 1);
	must_read(other, b, "two three");
	repo_close(other);
}

static void copy_file(const char *from, const char *to)
{
	char line[512];

	snprintf(line, sizeof(line), "cp '%s' '%s'", from, to);
	assert_int_equal(system(line), 0);
}

/* "A catalog that is missing, older or torn is brought level": also one of
 * before a prune, by who only reads. */
static void test_older_catalog_follows(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one two"), b = take(f->repo, "two three");
	char now[128], then[128];
	struct prune_report report;

	snprintf(now, sizeof(now), "%s/catalog.db", f->dir);
	snprintf(then, sizeof(then), "%s/older.db", f->dir);
	publish(f->repo, EVENT_UNPIN, a);
	repo_close(f->repo);
	copy_file(now, then);
	fixture_open(f, REPO_WRITE);
	forget(f->repo, a);
	report = prune(f->repo);
	assert_int_equal(report.packs_repacked, 1);
	repo_close(f->repo);
	copy_file(then, now);
	fixture_open(f, REPO_READ);
	assert_false(is_there(f->repo, a));
	must_read(f->repo, b, "two three");
	must_be_sound(f->repo);
	fixture_reopen(f);
	assert_int_equal(prune(f->repo).unreachable, 0);
}

/* The same where nothing was condemned but what waited could go. */
static void test_older_catalog_knows_what_waited(void **state)
{
	struct fixture *f = *state;
	uint64_t a = take(f->repo, "one"), b = take(f->repo, "two");
	char now[128], then[128];
	struct repo *other;
	struct add add;

	snprintf(now, sizeof(now), "%s/catalog.db", f->dir);
	snprintf(then, sizeof(then), "%s/older.db", f->dir);
	forget(f->repo, a);
	other = open_other(f);
	add_begin(&add, other);
	prune(f->repo);
	add_end(&add);
	repo_close(other);
	repo_close(f->repo);
	copy_file(now, then);
	fixture_open(f, REPO_WRITE);
	assert_int_equal(prune(f->repo).packs_removed, 2);
	repo_close(f->repo);
	copy_file(then, now);
	fixture_open(f, REPO_WRITE);
	must_read(f->repo, b, "two");
	must_be_sound(f->repo);
	assert_int_equal(packs(f->repo), 2);
}

/* A pack whose one block has the chunk `word`, compressed against `on`. */
static void plant_leaning(struct repo *repo, const char *word, const char *on)
{
	struct packer *packer = packer_new(3);
	uint8_t bytes[CHUNK_BYTES], prefix[CHUNK_BYTES];
	struct told_pack told = { .meta = false };
	OWNED_BUF struct buf block = BUF_INIT;
	struct pack_writer *writer;
	struct err err = ERR_INIT;
	struct pack_name name;
	struct span plain = word_bytes(word, bytes);
	struct span against = word_bytes(on, prefix);
	struct id id, on_id;
	uint32_t offset;

	id_of(repo_key(repo), 0, plain, &id);
	id_of(repo_key(repo), 0, against, &on_id);
	wanted(0, block_encode(packer, &id, 1, plain, &on_id, 1, against,
			       &block, &err), &err);
	wanted(0, pack_create(repo_dir(repo), PACK_DATA,
			      buf_span(&repo->conf.text), &writer, &err),
	       &err);
	wanted(0, pack_append(writer, buf_span(&block), &id, 1, &offset,
			      &err), &err);
	assert_true(pack_leans(writer));
	wanted(0, pack_seal(writer, &name, &told.entries, &told.count,
			    &told.size, &err), &err);
	told.name = name.b;
	told.leans = true;
	wanted(0, level_tell_pack(repo_catalog(repo), &told, &err), &err);
	pack_writer_free(writer);
	packer_free(packer);
}

static uint64_t leaning(struct repo *repo)
{
	struct err err = ERR_INIT;
	uint64_t count = 0;

	wanted(0, catalog_each_leaning(repo_catalog(repo), count_pack,
				       &count, &err), &err);
	return count;
}

static uint64_t chunks_named(struct repo *repo, const char *word)
{
	uint8_t bytes[CHUNK_BYTES];
	struct err err = ERR_INIT;
	struct place places[4];
	size_t count;
	struct id id;

	id_of(repo_key(repo), 0, word_bytes(word, bytes), &id);
	wanted(0, catalog_find(repo_catalog(repo), &id, places, 4, &count,
			       &err), &err);
	return count;
}

/* "Prefix chunks count as live; a block whose prefix nothing else needs is
 * encoded anew." */
static void test_leaning(void **state)
{
	struct rebuild_report report;
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	uint64_t base, leaner;

	/* the planted ids are nth 0, which others have where ids are short */
	if (VARVE_ID_BITS < 128)
		return;
	base = take(f->repo, "base");
	plant_leaning(f->repo, "leaner~base", "base");
	leaner = take(f->repo, "leaner~base");
	assert_int_equal(leaning(f->repo), 1);

	/* Both are needed: nothing is written anew. */
	prune(f->repo);
	assert_int_equal(leaning(f->repo), 1);
	must_read(f->repo, leaner, "leaner~base");

	/* Only a block leans on it: it stays until that is written anew. */
	forget(f->repo, base);
	prune(f->repo);
	assert_int_equal(leaning(f->repo), 0);
	fixture_reopen(f);
	must_read(f->repo, leaner, "leaner~base");
	prune(f->repo);
	assert_int_equal(chunks_named(f->repo, "base"), 0);
	must_read(f->repo, leaner, "leaner~base");

	/* A catalog made anew knows what leans. */
	base = take(f->repo, "base");
	plant_leaning(f->repo, "other~base", "base");
	leaner = take(f->repo, "other~base");
	repo_close(f->repo);
	wanted(0, repo_rebuild(f->dir, &report, NULL, NULL, &err), &err);
	fixture_open(f, REPO_WRITE);
	assert_int_equal(leaning(f->repo), 1);
	forget(f->repo, base);
	prune(f->repo);
	must_read(f->repo, leaner, "other~base");
	prune(f->repo);
	assert_int_equal(chunks_named(f->repo, "base"), 0);
	must_read(f->repo, leaner, "other~base");
	must_be_sound(f->repo);
}

static bool is_kept(struct mark *mark, const struct id *id)
{
	struct place places[PLACES_MAX];
	uint64_t rows[PLACES_MAX];
	struct err err = ERR_INIT;
	size_t count = 0;

	wanted(0, catalog_find_rows(mark->frozen, id, places, rows, PLACES_MAX,
				    &count, &err), &err);
	assert_int_equal(count, 1);
	return mark_has(mark, rows[0]);
}

/*
 * Metadata that others lean on is kept, but what it refers to is not followed
 * for that; and it still is when a snapshot comes that has it.
 */
static void test_base_of_metadata(void **state)
{
	struct fixture *f = *state;
	uint64_t number = take(f->repo, "one");
	uint8_t bytes[CHUNK_BYTES];
	struct catalog *frozen;
	struct err err = ERR_INIT;
	struct snapshot row;
	struct mark mark;
	struct id chunk;

	id_of(repo_key(f->repo), 0, word_bytes("one", bytes), &chunk);
	wanted(0, catalog_get_snapshot(repo_catalog(f->repo), number, &row,
				       &err), &err);
	wanted(0, catalog_freeze(repo_catalog(f->repo), &frozen, &err), &err);
	wanted(0, mark_init(&mark, f->repo, frozen, &err), &err);
	assert_false(is_kept(&mark, &row.record.root));
	wanted(0, mark_chunk(&mark, &row.record.root, &err), &err);
	wanted(0, mark_flush(&mark, &err), &err);
	assert_true(is_kept(&mark, &row.record.root));
	assert_false(is_kept(&mark, &chunk));
	wanted(0, mark_snapshot(&mark, &row.record, &err), &err);
	assert_true(is_kept(&mark, &chunk));
	mark_release(&mark);
	snapshot_release(&row);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, fixture_setup, \
						fixture_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_gives_back),
		TEST(test_dry_run_changes_nothing),
		TEST(test_condemned_waits_for_add),
		TEST(test_commit_spares),
		TEST(test_later_add_does_not_count_on_it),
		TEST(test_reader_holds),
		TEST(test_damaged_copy_goes),
		TEST(test_damaged_metadata_refuses),
		TEST(test_over_half_is_refused),
		TEST(test_refusal_says_what_is_true),
		TEST(test_stop),
		TEST(test_max_repack),
		TEST(test_max_unused),
		TEST(test_packs_of_running_add_stay),
		TEST(test_copy_that_is_gone_is_not_marked),
		TEST(test_spared_is_condemned_anew),
		TEST(test_ids_of_what_is_left_are_taken),
		TEST(test_check_sees_second_copy),
		TEST(test_check_meanwhile),
		TEST(test_older_catalog_follows),
		TEST(test_older_catalog_knows_what_waited),
		TEST(test_moved_blocks_stay_small),
		TEST(test_leaning),
		TEST(test_base_of_metadata),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
