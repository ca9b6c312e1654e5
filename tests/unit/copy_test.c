#include "store_fixture.h"

#include "fs/repo/check.h"
#include "fs/repo/copy.h"
#include "fs/repo/remember.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

#define PER_LIST 16

/* Two stores; which of the kinds of the second is said by each test. */
struct pair {
	struct fixture from, to;
	struct copier *copier;
	struct copy_options options;
};

static void make_store(struct fixture *f, const char *like)
{
	const struct repo_init_options options = { .like = like };
	struct err err = ERR_INIT;

	strcpy(f->dir, "/tmp/varve-unit.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	wanted(0, repo_init(f->dir, &options, &err), &err);
	fixture_open(f, REPO_WRITE);
}

static void copier_again(struct pair *p)
{
	struct err err = ERR_INIT;

	copier_free(p->copier);
	wanted(0, copier_new(p->from.repo, p->to.repo, &p->options,
			     &p->copier, &err), &err);
}

static int setup(void **state, bool like)
{
	struct pair *p = calloc(1, sizeof(*p));

	make_store(&p->from, NULL);
	make_store(&p->to, like ? p->from.dir : NULL);
	copier_again(p);
	*state = p;
	return 0;
}

static int setup_like(void **state)
{
	return setup(state, true);
}

static int setup_unlike(void **state)
{
	return setup(state, false);
}

static void remove_store(struct fixture *f)
{
	repo_close(f->repo);
	nftw(f->dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	copier_free(p->copier);
	remove_store(&p->from);
	remove_store(&p->to);
	free(p);
	return 0;
}

static void number_text(int i, char out[32])
{
	snprintf(out, 32, "%09d", i);
}

/* One list over chunks of the numbers [first, last). */
static void put_list(struct deposit *deposit, int first, int last,
		     struct object_out *out, struct id *ret)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;

	object_begin(out, OBJECT_LIST);
	for (int i = first; i < last; i++) {
		struct id id;
		char text[32];

		number_text(i, text);
		wanted(0, deposit_chunk(deposit, CHUNK_SMALL, span_str(text),
					&id, &err), &err);
		buf_varint(&out->body, object_ref(out, OBJECT_CHUNK, &id));
	}
	wanted(0, object_finish(out, &bytes, &err), &err);
	wanted(0, deposit_object(deposit, buf_span(&bytes), ret, &err), &err);
}

/* A snapshot of the numbers [first, last): an index over lists of a few. */
static void add_numbers(struct repo *repo, struct record *record, int first,
			int last)
{
	struct object_out index = OBJECT_OUT_INIT, list = OBJECT_OUT_INIT;
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;
	struct deposit *deposit;

	wanted(0, deposit_begin(repo, NULL, &deposit, &err), &err);
	object_begin(&index, OBJECT_LIST_INDEX);
	for (int i = first; i < last; i += PER_LIST) {
		int end = i + PER_LIST < last ? i + PER_LIST : last;
		struct id id;

		put_list(deposit, i, end, &list, &id);
		buf_varint(&index.body, object_ref(&index, OBJECT_LIST, &id));
	}
	wanted(0, object_finish(&index, &bytes, &err), &err);
	wanted(0, deposit_object(deposit, buf_span(&bytes), &record->root,
				 &err), &err);
	wanted(0, deposit_commit(deposit, record, &err), &err);
	deposit_free(deposit);
	object_out_release(&index);
	object_out_release(&list);
}

static void get_object(struct repo *repo, const struct id *id,
		       struct held *held, struct object_in *ret)
{
	struct err err = ERR_INIT;

	wanted(0, repo_get(repo, id, held, &err), &err);
	wanted(0, object_parse(held->bytes, ret, &err), &err);
}

static void expect_list(struct repo *repo, const struct id *id, int *next)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct object_in list;

	get_object(repo, id, &held, &list);
	while (bytes_left(&list.body)) {
		OWNED_HELD struct held chunk = HELD_INIT;
		struct err err = ERR_INIT;
		struct id of;
		char text[32];

		object_get_ref(&list, bytes_varint(&list.body), OBJECT_CHUNK,
			       &of);
		wanted(0, repo_get(repo, &of, &chunk, &err), &err);
		number_text((*next)++, text);
		assert_true(span_equal(chunk.bytes, span_str(text)));
	}
}

static void expect_numbers(struct repo *repo, const struct record *record,
			   int first, int last)
{
	OWNED_HELD struct held held = HELD_INIT;
	struct object_in index;

	get_object(repo, &record->root, &held, &index);
	while (bytes_left(&index.body)) {
		struct id of;

		object_get_ref(&index, bytes_varint(&index.body), OBJECT_LIST,
			       &of);
		expect_list(repo, &of, &first);
	}
	assert_int_equal(first, last);
}

static uint64_t faults(struct fixture *f)
{
	const struct check_options options = { .read_data = true };
	struct check_report report;
	struct err err = ERR_INIT;

	wanted(0, repo_check(f->repo, &options, &report, &err), &err);
	return report.errors;
}

static void get_row(struct repo *repo, uint64_t number, struct snapshot *ret)
{
	struct err err = ERR_INIT;

	wanted(0, catalog_get_snapshot(repo_catalog(repo), number, ret, &err),
	       &err);
}

static int copy(struct pair *p, const struct record *record,
		struct record *ret, struct copy_report *report,
		struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot row = { .damage = NULL };

	get_row(p->from.repo, record->number, &row);
	return copier_copy(p->copier, &row, ret, report, err);
}

static void copy_well(struct pair *p, const struct record *record,
		      struct record *ret, struct copy_report *report)
{
	struct err err = ERR_INIT;

	wanted(0, copy(p, record, ret, report, &err), &err);
}

static bool shares_ids(void)
{
	struct id_key key;

	id_key_init(&key, (uint8_t[ID_SEED]){ 1 });
	return key.bits == 128;
}

/* What it says of itself stays; what a store gives it is new. */
static void test_the_record_has_the_same_facts(void **state)
{
	CLEANUP(snapshot_release) struct snapshot row = { .damage = NULL };
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	struct copy_report report;
	struct pair *p = *state;
	char hex[2 * RECORD_ID + 1];

	fixture_record(&one, "web/etc", 1000);
	one.incomplete = strdup("it ended early");
	one.host = strdup("elsewhere");
	one.user = strdup("somebody");
	one.files = 7;
	one.bytes = 900;
	one.warnings = 3;
	record_add_tag(&one, "k", "v");
	record_add_attr(&one, "checkpoint", "12");
	add_numbers(p->from.repo, &one, 0, 20);
	copy_well(p, &one, &two, &report);
	get_row(p->to.repo, two.number, &row);
	assert_string_equal(row.record.source, "web/etc");
	assert_string_equal(row.record.name, one.name);
	assert_string_equal(row.record.kind, one.kind);
	assert_string_equal(row.record.format, one.format);
	assert_string_equal(row.record.input, one.input);
	assert_string_equal(row.record.incomplete, "it ended early");
	assert_string_equal(row.record.host, "elsewhere");
	assert_string_equal(row.record.user, "somebody");
	assert_int_equal(stamp_cmp(row.record.time, one.time), 0);
	assert_int_equal(row.record.files, 7);
	assert_int_equal(row.record.bytes, 900);
	assert_int_equal(row.record.warnings, 3);
	assert_string_equal(record_tag(&row.record, "k"), "v");
	assert_string_equal(record_attr(&row.record, "checkpoint"), "12");
	hex_write(one.id, RECORD_ID, hex);
	assert_string_equal(record_attr(&row.record, COPY_OF), hex);
	assert_string_equal(record_attr(&row.record, COPY_FROM),
			    repo_path(p->from.repo));
	assert_memory_not_equal(row.record.id, one.id, RECORD_ID);
	assert_true(id_is_none(&row.record.links));
	expect_numbers(p->to.repo, &two, 0, 20);
	assert_int_equal(faults(&p->to), 0);
}

static void test_to_a_like_store_ids_stay_and_only_what_lacks_is_sent(
	void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	assert_true(copier_is_like(p->copier));
	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 2000);
	add_numbers(p->from.repo, &one, 0, 64);
	add_numbers(p->from.repo, &two, 0, 80);
	copy_well(p, &one, &a, &report);
	assert_int_equal(report.new_bytes, 64 * 9);
	assert_int_equal(report.known, 0);
	/* four lists are known of the first, the fifth and the index are new */
	copy_well(p, &two, &b, &report);
	assert_int_equal(report.new_bytes, 16 * 9);
	assert_int_equal(report.known, 4);
	assert_int_equal(report.objects, 18);
	if (shares_ids()) {
		assert_true(id_equal(&a.root, &one.root));
		assert_true(id_equal(&b.root, &two.root));
		assert_int_equal(report.new_objects, 18);
	}
	expect_numbers(p->to.repo, &a, 0, 64);
	expect_numbers(p->to.repo, &b, 0, 80);
	assert_int_equal(faults(&p->to), 0);
}

static void test_what_both_have_without_a_copy_is_compared(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, own = { 0 };
	CLEANUP(record_release) struct record a = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	fixture_record(&one, "s", 1000);
	fixture_record(&own, "other", 1000);
	add_numbers(p->from.repo, &one, 0, 64);
	add_numbers(p->to.repo, &own, 0, 64);
	copy_well(p, &one, &a, &report);
	assert_int_equal(report.bytes > 64 * 9, 1);
	if (shares_ids())
		assert_int_equal(report.new_objects, 0);
	assert_int_equal(report.new_bytes, 0);
	expect_numbers(p->to.repo, &a, 0, 64);
}

static void test_to_an_unlike_store_all_is_named_anew(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	assert_false(copier_is_like(p->copier));
	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 2000);
	add_numbers(p->from.repo, &one, 0, 64);
	add_numbers(p->from.repo, &two, 0, 80);
	copy_well(p, &one, &a, &report);
	assert_int_equal(report.new_bytes, 64 * 9);
	assert_false(id_equal(&a.root, &one.root));
	/* by the pairs of the first, found again by another copier */
	copier_again(p);
	copy_well(p, &two, &b, &report);
	assert_int_equal(report.new_bytes, 16 * 9);
	assert_int_equal(report.known, 4);
	expect_numbers(p->to.repo, &a, 0, 64);
	expect_numbers(p->to.repo, &b, 0, 80);
	assert_int_equal(faults(&p->to), 0);
}

/* With ids of 8 bits nearly all of these collide, in each store otherwise. */
static void test_collisions_come_out_right(void **state)
{
	CLEANUP(record_release) struct record own = { 0 };
	struct pair *p = *state;

	fixture_record(&own, "own", 1);
	add_numbers(p->to.repo, &own, 10000, 10600);
	for (int i = 0; i < 6; i++) {
		CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
		struct copy_report report;

		fixture_record(&one, "s", 1000 + i);
		add_numbers(p->from.repo, &one, 90 * i, 90 * i + 300);
		copy_well(p, &one, &a, &report);
		expect_numbers(p->to.repo, &a, 90 * i, 90 * i + 300);
		if (i == 2)
			copier_again(p);
	}
	expect_numbers(p->to.repo, &own, 10000, 10600);
	assert_int_equal(faults(&p->to), 0);
}

static void test_a_copy_is_known_again_wherever_it_went(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	CLEANUP(record_release) struct record third = { 0 };
	struct copier *back = NULL;
	struct copy_report report;
	struct pair *p = *state;
	struct err err = ERR_INIT;
	struct event event = { .type = EVENT_FORGET };
	uint64_t number = 0;

	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 20);
	assert_int_equal(copier_has(p->copier, &one, NULL), COPY_ABSENT);
	copy_well(p, &one, &a, &report);
	assert_int_equal(copier_has(p->copier, &one, &number), COPY_THERE);
	assert_int_equal(number, a.number);
	/* the original is there, to who would copy it back */
	wanted(0, copier_new(p->to.repo, p->from.repo, &p->options, &back,
			     &err), &err);
	assert_int_equal(copier_has(back, &a, &number), COPY_THERE);
	assert_int_equal(number, one.number);
	copier_free(back);
	memcpy(event.snapshot, a.id, RECORD_ID);
	event.number = a.number;
	wanted(0, repo_event(p->to.repo, &event, &err), &err);
	event_release(&event);
	copier_again(p);
	assert_int_equal(copier_has(p->copier, &one, NULL), COPY_FORGOTTEN);
	copy_well(p, &one, &third, &report);
	assert_int_equal(copier_has(p->copier, &one, &number), COPY_THERE);
	assert_int_equal(number, third.number);
	/* its name was used */
	assert_string_equal(third.name, "1970-01-01T00-16-40Z-2");
}

static void test_names_stay_where_they_are_free(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record own = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 20);
	add_numbers(p->from.repo, &two, 0, 30);
	assert_string_equal(two.name, "1970-01-01T00-16-40Z-2");
	copy_well(p, &two, &b, &report);
	assert_string_equal(b.name, "1970-01-01T00-16-40Z-2");
	copy_well(p, &one, &a, &report);
	assert_string_equal(a.name, "1970-01-01T00-16-40Z");
	fixture_record(&own, "s", 1000);
	add_numbers(p->to.repo, &own, 0, 5);
	assert_string_equal(own.name, "1970-01-01T00-16-40Z-3");
}

/* Flip a byte in the middle of each pack of one kind. */
static void hurt_packs(struct fixture *f, bool meta)
{
	char pattern[96];
	glob_t packs;

	snprintf(pattern, sizeof(pattern), "%s/packs/*/*", f->dir);
	assert_int_equal(glob(pattern, 0, NULL, &packs), 0);
	for (size_t i = 0; i < packs.gl_pathc; i++) {
		int fd = open(packs.gl_pathv[i], O_RDWR);
		uint8_t type, byte;
		struct stat st;

		assert_true(fd >= 0);
		fstat(fd, &st);
		assert_int_equal(pread(fd, &type, 1, 10), 1);
		if ((type == 2) == meta) {
			assert_int_equal(pread(fd, &byte, 1, st.st_size / 2),
					 1);
			byte ^= 0x40;
			assert_int_equal(pwrite(fd, &byte, 1, st.st_size / 2),
					 1);
		}
		close(fd);
	}
	globfree(&packs);
	fixture_reopen(f);
}

static uint64_t count_snapshots(struct fixture *f)
{
	uint64_t records, events, packs;
	struct err err = ERR_INIT;

	wanted(0, catalog_counts(repo_catalog(f->repo), &records, &events,
				 &packs, &err), &err);
	return records;
}

static void damaged_source(struct pair *p, bool meta)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	struct copy_report report;
	struct err err = ERR_INIT;

	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 1000);
	hurt_packs(&p->from, meta);
	copier_again(p);
	wanted(-EBADMSG, copy(p, &one, &a, &report, &err), &err);
	assert_non_null(strstr(err.text, "object "));
	assert_non_null(strstr(err.text, p->from.dir));
	assert_int_equal(err.code, -EBADMSG);
	assert_int_equal(count_snapshots(&p->to), 0);
	assert_int_equal(faults(&p->to), 0);
}

static void test_a_damaged_chunk_is_named_and_nothing_recorded(void **state)
{
	damaged_source(*state, false);
}

static void test_damaged_metadata_is_named_and_nothing_recorded(void **state)
{
	damaged_source(*state, true);
}

/* What is believed of an earlier copy was looked up: a missing chunk of it is
 * sent again. */
static void test_an_earlier_copy_with_a_hole_is_mended(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;
	char pattern[96];
	glob_t packs;

	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 2000);
	add_numbers(p->from.repo, &one, 0, 64);
	add_numbers(p->from.repo, &two, 0, 80);
	copy_well(p, &one, &a, &report);
	snprintf(pattern, sizeof(pattern), "%s/packs/*/*", p->to.dir);
	assert_int_equal(glob(pattern, 0, NULL, &packs), 0);
	for (size_t i = 0; i < packs.gl_pathc; i++) {
		uint8_t type;
		int fd = open(packs.gl_pathv[i], O_RDONLY);

		assert_int_equal(pread(fd, &type, 1, 10), 1);
		close(fd);
		if (type == 1)
			assert_int_equal(unlink(packs.gl_pathv[i]), 0);
	}
	globfree(&packs);
	repo_close(p->to.repo);
	{
		struct rebuild_report rebuilt;
		struct err err = ERR_INIT;

		wanted(0, repo_rebuild(p->to.dir, &rebuilt, NULL, NULL, &err),
		       &err);
	}
	fixture_open(&p->to, REPO_WRITE);
	assert_true(faults(&p->to) > 0);
	copier_again(p);
	copy_well(p, &two, &b, &report);
	assert_int_equal(report.new_bytes, 80 * 9);
	assert_non_null(strstr(report.damage, "is missing from"));
	expect_numbers(p->to.repo, &b, 0, 80);
	/* which heals the earlier one as well */
	expect_numbers(p->to.repo, &a, 0, 64);
	assert_int_equal(faults(&p->to), 0);
}

/* Damage that only reading finds: with read_back it is found before the
 * record is there, and mended. */
static void test_read_back_finds_rot_in_an_earlier_copy(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 2000);
	add_numbers(p->from.repo, &one, 0, 640);
	add_numbers(p->from.repo, &two, 0, 656);
	copy_well(p, &one, &a, &report);
	assert_int_equal(report.read_back, 0);
	hurt_packs(&p->to, false);
	p->options.read_back = true;
	copier_again(p);
	copy_well(p, &two, &b, &report);
	assert_int_equal(report.tries, 2);
	assert_non_null(strstr(report.damage, "object "));
	assert_int_equal(report.read_back, 656 * 9);
	expect_numbers(p->to.repo, &b, 0, 656);
}

static void test_reread_believes_no_earlier_copy(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, two = { 0 };
	CLEANUP(record_release) struct record a = { 0 }, b = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	fixture_record(&one, "s", 1000);
	fixture_record(&two, "s", 2000);
	add_numbers(p->from.repo, &one, 0, 64);
	add_numbers(p->from.repo, &two, 0, 80);
	copy_well(p, &one, &a, &report);
	p->options.reread = true;
	copier_again(p);
	copy_well(p, &two, &b, &report);
	assert_int_equal(report.known, 0);
	assert_int_equal(report.new_bytes, 16 * 9);
	expect_numbers(p->to.repo, &b, 0, 80);
}

/* One half of it, data or metadata, is damaged in a store: what it has is whole
 * again by its own ids, with the snapshot of the other. */
static void heals(struct pair *p, struct fixture *hurt,
		  const struct record *good, const struct record *bad,
		  bool meta)
{
	CLEANUP(snapshot_release) struct snapshot row = { .damage = NULL };
	struct fixture *from = hurt == &p->to ? &p->from : &p->to;
	struct copy_report report;
	struct err err = ERR_INIT;
	struct copier *copier;
	uint64_t number;

	hurt_packs(hurt, meta);
	wanted(0, remember_damage(hurt->repo, NULL, bad->id,
				  id_hex(&bad->root).s, "it", &err), &err);
	copier_again(p);
	wanted(0, copier_new(from->repo, hurt->repo, &p->options, &copier,
			     &err), &err);
	assert_int_equal(copier_has(copier, good, &number), COPY_DAMAGED);
	assert_int_equal(number, bad->number);
	get_row(from->repo, good->number, &row);
	wanted(0, copier_heal(copier, &row, &report, &err), &err);
	assert_true(report.new_objects > 0);
	assert_int_equal(report.known, 0);
	/* what is compared is not believed: nothing lacks the second time */
	wanted(0, copier_heal(copier, &row, &report, &err), &err);
	assert_int_equal(report.new_objects, 0);
	copier_free(copier);
	fixture_reopen(hurt);
	copier_again(p);
	expect_numbers(hurt->repo, bad, 0, 640);
	assert_int_equal(count_snapshots(hurt), 1);
}

static void test_a_good_one_heals_the_damaged(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	struct copy_report report;
	struct pair *p = *state;

	/* damaged bytes take no id, so that others may get it */
	if (!shares_ids())
		skip();
	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 640);
	copy_well(p, &one, &a, &report);
	heals(p, &p->to, &one, &a, false);
	heals(p, &p->to, &one, &a, true);
	heals(p, &p->from, &a, &one, false);
	heals(p, &p->from, &a, &one, true);
}

static void test_a_damaged_one_heals_nothing(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	CLEANUP(snapshot_release) struct snapshot row = { .damage = NULL };
	struct copy_report report;
	struct err err = ERR_INIT;
	struct pair *p = *state;

	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 640);
	get_row(p->from.repo, one.number, &row);
	wanted(-ENOENT, copier_heal(p->copier, &row, &report, &err), &err);
	err = (struct err)ERR_INIT;
	copy_well(p, &one, &a, &report);
	hurt_packs(&p->from, false);
	copier_again(p);
	wanted(-EBADMSG, copier_heal(p->copier, &row, &report, &err), &err);
	assert_non_null(strstr(err.text, p->from.dir));
	expect_numbers(p->to.repo, &a, 0, 640);
}

static void test_two_that_copy_the_same_make_one(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	CLEANUP(record_release) struct record none = { 0 };
	struct copier *other = NULL;
	struct copy_report report;
	struct pair *p = *state;
	struct err err = ERR_INIT;
	struct copier *mine;

	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 64);
	copier_again(p);
	wanted(0, copier_new(p->from.repo, p->to.repo, &p->options, &other,
			     &err), &err);
	copy_well(p, &one, &a, &report);
	mine = p->copier;
	p->copier = other;
	assert_int_equal(copier_has(other, &one, NULL), COPY_ABSENT);
	wanted(-EALREADY, copy(p, &one, &none, &report, &err), &err);
	assert_int_equal(copier_has(other, &one, NULL), COPY_THERE);
	assert_int_equal(report.new_objects, 0);
	assert_int_equal(count_snapshots(&p->to), 1);
	copier_free(mine);
}

static void test_asked_to_stop_it_leaves_nothing(void **state)
{
	CLEANUP(record_release) struct record one = { 0 }, a = { 0 };
	struct copy_report report;
	struct pair *p = *state;
	struct err err = ERR_INIT;
	volatile int stop = 1;

	fixture_record(&one, "s", 1000);
	add_numbers(p->from.repo, &one, 0, 64);
	p->options.stop = &stop;
	copier_again(p);
	wanted(-ECANCELED, copy(p, &one, &a, &report, &err), &err);
	assert_int_equal(count_snapshots(&p->to), 0);
	stop = 0;
	copy_well(p, &one, &a, &report);
	expect_numbers(p->to.repo, &a, 0, 64);
}

#define like(test) cmocka_unit_test_setup_teardown(test, setup_like, teardown)
#define unlike(test) \
	{ #test "_unlike", test, setup_unlike, teardown, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		like(test_the_record_has_the_same_facts),
		unlike(test_the_record_has_the_same_facts),
		like(test_to_a_like_store_ids_stay_and_only_what_lacks_is_sent),
		like(test_what_both_have_without_a_copy_is_compared),
		unlike(test_to_an_unlike_store_all_is_named_anew),
		like(test_collisions_come_out_right),
		unlike(test_collisions_come_out_right),
		like(test_a_copy_is_known_again_wherever_it_went),
		unlike(test_a_copy_is_known_again_wherever_it_went),
		like(test_names_stay_where_they_are_free),
		like(test_a_damaged_chunk_is_named_and_nothing_recorded),
		unlike(test_a_damaged_chunk_is_named_and_nothing_recorded),
		like(test_damaged_metadata_is_named_and_nothing_recorded),
		like(test_an_earlier_copy_with_a_hole_is_mended),
		unlike(test_an_earlier_copy_with_a_hole_is_mended),
		like(test_read_back_finds_rot_in_an_earlier_copy),
		unlike(test_read_back_finds_rot_in_an_earlier_copy),
		like(test_reread_believes_no_earlier_copy),
		unlike(test_reread_believes_no_earlier_copy),
		like(test_a_good_one_heals_the_damaged),
		unlike(test_a_good_one_heals_the_damaged),
		like(test_a_damaged_one_heals_nothing),
		unlike(test_a_damaged_one_heals_nothing),
		like(test_two_that_copy_the_same_make_one),
		unlike(test_two_that_copy_the_same_make_one),
		like(test_asked_to_stop_it_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
