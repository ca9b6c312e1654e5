#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "fs/base/id.h"
#include "fs/base/journal.h"

/* What each() was told, a line each: "VERB KEY" or "VERB KEY=VALUE". */
static int note(void *arg, const char *verb, const char *key,
		const char *value, struct err *err)
{
	struct buf *told = arg;

	if (!strcmp(key, "refused"))
		return err_set(err, -ENOTSUP, "refused");
	buf_printf(told, "%s %s%s%s\n", verb, key, value ? "=" : "",
		   value ? value : "");
	return 0;
}

static char *told_text(struct buf *told)
{
	return buf_str(told) ? (char *)told->data : (char *)"";
}

struct place {
	struct disk_dir dir;
	char path[64];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	strcpy(place->path, "/tmp/varve-journal.XXXXXX");
	assert_non_null(mkdtemp(place->path));
	assert_int_equal(disk_open(place->path, &place->dir, NULL), 0);
	*state = place;
	return 0;
}

static int remove_place(void **state)
{
	struct place *place = *state;

	unlinkat(place->dir.fd, "j", 0);
	disk_close(&place->dir);
	rmdir(place->path);
	free(place);
	return 0;
}

static void put(struct journal *j, const char *verb, const char *key,
		const char *value)
{
	assert_int_equal(journal_add(j, verb, key, value, NULL), 0);
	assert_int_equal(journal_sync(j, NULL), 0);
}

/* A journal of three lines, whose bytes are appended to bytes. */
static void make_three(struct place *place, struct buf *bytes)
{
	struct journal j;

	unlinkat(place->dir.fd, "j", 0);
	assert_int_equal(journal_create(&place->dir, "j", &j, NULL), 0);
	put(&j, "fact", "target", "/srv/a\nb%");
	put(&j, "begin", "stage", NULL);
	put(&j, "done", "stage", "");
	journal_close(&j);
	assert_int_equal(disk_read_all(&place->dir, "j", 4096, bytes, NULL),
			 0);
}

static const char *const three = "fact target=/srv/a\nb%\n"
				 "begin stage\ndone stage=\n";

static void the_bytes_are_as_documented(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT, chain = BUF_INIT;
	const char *const lines[] = { " fact target=/srv/a%0Ab%25",
				      " begin stage", " done stage=" };
	char sum[17] = "0000000000000000", want[400] = "";

	make_three(*state, &bytes);
	for (size_t i = 0; i < 3; i++) {
		buf_clear(&chain);
		buf_printf(&chain, "%s%s", sum, lines[i]);
		snprintf(sum, sizeof(sum), "%016llx",
			 (unsigned long long)sum64(buf_span(&chain)));
		snprintf(want + strlen(want), sizeof(want) - strlen(want),
			 "%s%s\n", sum, lines[i]);
	}
	assert_string_equal(told_text(&bytes), want);
}

static void what_was_put_is_read_and_gone_on_with(void **state)
{
	struct place *place = *state;
	OWNED_BUF struct buf told = BUF_INIT, bytes = BUF_INIT;
	struct journal j;
	bool running;

	make_three(place, &bytes);
	assert_int_equal(journal_open(&place->dir, "j", note, &told, &j, NULL),
			 0);
	assert_string_equal(told_text(&told), three);
	put(&j, "closed", "new", NULL);
	buf_clear(&told);
	assert_int_equal(journal_read(&place->dir, "j", note, &told, &running,
				      NULL), 0);
	assert_true(running);
	assert_int_equal(journal_open(&place->dir, "j", note, &told, &j,
				      NULL), -EBUSY);
	journal_close(&j);
	buf_clear(&told);
	assert_int_equal(journal_read(&place->dir, "j", note, &told, &running,
				      NULL), 0);
	assert_false(running);
	assert_non_null(strstr(told_text(&told), "done stage=\nclosed new\n"));
}

/* Cut anywhere, it has the lines that are whole, and goes on behind them. */
static void a_torn_end_tells_nothing(void **state)
{
	struct place *place = *state;
	OWNED_BUF struct buf bytes = BUF_INIT;

	make_three(place, &bytes);
	for (size_t len = 0; len < bytes.len; len++) {
		OWNED_BUF struct buf told = BUF_INIT, again = BUF_INIT;
		char path[80];
		struct journal j;
		size_t whole = 0;

		for (size_t i = 0; i < len; i++)
			whole += bytes.data[i] == '\n';
		make_three(place, &again);
		snprintf(path, sizeof(path), "%s/j", place->path);
		assert_int_equal(truncate(path, (off_t)len), 0);
		assert_int_equal(journal_open(&place->dir, "j", note, &told,
					      &j, NULL), 0);
		put(&j, "run", "back", NULL);
		journal_close(&j);
		buf_clear(&told);
		assert_int_equal(journal_open(&place->dir, "j", note, &told,
					      &j, NULL), 0);
		journal_close(&j);
		assert_string_equal(told_text(&told),
				    whole == 0 ? "run back\n" : whole == 1 ?
				    "fact target=/srv/a\nb%\nrun back\n" :
				    "fact target=/srv/a\nb%\nbegin stage\n"
				    "run back\n");
	}
}

static int parse(const struct buf *bytes, struct buf *told, size_t *ret_good)
{
	char sum[17];

	return journal_parse(buf_span(bytes), "it", note, told, ret_good, sum,
			     NULL);
}

/* What a file system gave of a page that was never written. */
static void a_last_line_with_bytes_never_written_is_torn(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT, told = BUF_INIT;
	size_t good, last;

	make_three(*state, &bytes);
	last = bytes.len - strlen("0123456789abcdef done stage=\n");
	memset(bytes.data + last + 3, 0, 8);
	assert_int_equal(parse(&bytes, &told, &good), 0);
	assert_int_equal(good, last);
	/* but only as the last one */
	buf_append_str(&bytes, "x\n");
	assert_int_equal(parse(&bytes, &told, &good), -EBADMSG);
}

static void any_other_change_is_damage(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	size_t good;

	make_three(*state, &bytes);
	for (size_t i = 0; i < bytes.len - 1; i++)
		for (int bit = 0; bit < 8; bit++) {
			OWNED_BUF struct buf told = BUF_INIT;
			int r;

			bytes.data[i] ^= (uint8_t)(1 << bit);
			r = parse(&bytes, &told, &good);
			/* a byte of the last line that became 0 looks torn */
			if (bytes.data[i] != 0 || r != 0)
				assert_int_equal(r, -EBADMSG);
			bytes.data[i] ^= (uint8_t)(1 << bit);
		}
}

static void a_line_left_out_or_moved_is_damage(void **state)
{
	OWNED_BUF struct buf bytes = BUF_INIT, told = BUF_INIT;
	uint8_t *first_end;
	size_t first, good;

	make_three(*state, &bytes);
	first_end = memchr(bytes.data, '\n', bytes.len);
	first = (size_t)(first_end - bytes.data) + 1;
	memmove(bytes.data, bytes.data + first, bytes.len - first);
	bytes.len -= first;
	assert_int_equal(parse(&bytes, &told, &good), -EBADMSG);
	assert_int_equal(good, 0);
}

static int fail_sync(void *arg, enum disk_step step, const char *dir,
		     const char *name, const char *to, uint64_t offset,
		     struct span data)
{
	int *left = arg;

	(void)dir;
	(void)name;
	(void)to;
	(void)offset;
	(void)data;
	return step == DISK_SYNC && (*left)-- == 0 ? -EIO : 0;
}

static void a_failed_sync_is_for_good(void **state)
{
	struct place *place = *state;
	struct err err = ERR_INIT;
	struct journal j;
	int left = 1;

	assert_int_equal(journal_create(&place->dir, "j", &j, NULL), 0);
	disk_set_hook(fail_sync, &left);
	put(&j, "begin", "a", NULL);
	assert_int_equal(journal_add(&j, "done", "a", NULL, NULL), 0);
	assert_int_equal(journal_sync(&j, &err), -EIO);
	assert_int_equal(journal_sync(&j, &err), -EIO);
	disk_set_hook(NULL, NULL);
	assert_int_equal(journal_sync(&j, &err), -EIO);
	assert_non_null(strstr(err.text, "could not be written"));
	journal_close(&j);
}

static void what_is_no_line_is_refused(void **state)
{
	struct place *place = *state;
	CLEANUP(free_ptr) char *long_value = calloc(1, JOURNAL_LINE + 1);
	struct journal j;

	memset(long_value, 'x', JOURNAL_LINE);
	assert_int_equal(journal_create(&place->dir, "j", &j, NULL), 0);
	assert_int_equal(journal_add(&j, "Begin", "a", NULL, NULL), -EINVAL);
	assert_int_equal(journal_add(&j, "begin", "", NULL, NULL), -EINVAL);
	assert_int_equal(journal_add(&j, "begin", "a b", NULL, NULL), -EINVAL);
	assert_int_equal(journal_add(&j, "fact", "a", long_value, NULL),
			 -EFBIG);
	put(&j, "fact", "a", "b");
	journal_close(&j);
}

static void who_is_told_may_end_it(void **state)
{
	struct place *place = *state;
	OWNED_BUF struct buf told = BUF_INIT;
	struct err err = ERR_INIT;
	struct journal j;

	assert_int_equal(journal_create(&place->dir, "j", &j, NULL), 0);
	put(&j, "fact", "refused", "");
	journal_close(&j);
	assert_int_equal(journal_open(&place->dir, "j", note, &told, &j,
				      &err), -ENOTSUP);
	assert_string_equal(err.text, "refused");
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_bytes_are_as_documented),
		TEST(what_was_put_is_read_and_gone_on_with),
		TEST(a_torn_end_tells_nothing),
		TEST(a_last_line_with_bytes_never_written_is_torn),
		TEST(any_other_change_is_damage),
		TEST(a_line_left_out_or_moved_is_damage),
		TEST(a_failed_sync_is_for_good),
		TEST(what_is_no_line_is_refused),
		TEST(who_is_told_may_end_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
