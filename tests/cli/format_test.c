#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tools/barren.h"
#include "tools/format.h"

static void size_is(uint64_t bytes, const char *want)
{
	char text[SIZE_TEXT];

	size_text(bytes, text);
	assert_string_equal(text, want);
}

static void test_size_text(void **state)
{
	(void)state;
	size_is(0, "0 B");
	size_is(1023, "1023 B");
	size_is(1024, "1.0 KiB");
	size_is(1536, "1.5 KiB");
	size_is((1u << 20) - 1, "1.0 MiB");
	size_is(UINT64_MAX, "16.0 EiB");
}

static void test_size_parse(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "1X", "1KB2", "1 K",
					   "0x10", "1e30", ".5", "nan", "inf" };
	struct err err = ERR_INIT;
	uint64_t v = 0;

	(void)state;
	assert_int_equal(size_parse("4096", &v, &err), 0);
	assert_int_equal(v, 4096);
	assert_int_equal(size_parse("1.5GiB", &v, &err), 0);
	assert_int_equal(v, 3ull << 29);
	assert_int_equal(size_parse("2k", &v, &err), 0);
	assert_int_equal(v, 2048);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (size_parse(bad[i], &v, &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
}

static void test_counted(void **state)
{
	(void)state;
	assert_string_equal(counted(1, "entry").s, "1 entry");
	assert_string_equal(counted(0, "entry").s, "0 entries");
	assert_string_equal(counted(2, "file").s, "2 files");
}

static void test_mode(void **state)
{
	char text[MODE_TEXT];

	(void)state;
	mode_text(ENTRY_DIR, 01777, text);
	assert_string_equal(text, "drwxrwxrwt");
	mode_text(ENTRY_FILE, 06750, text);
	assert_string_equal(text, "-rwsr-s---");
	mode_text(ENTRY_FILE, 04644, text);
	assert_string_equal(text, "-rwSr--r--");
}

/* No name drives a terminal: controls, C1 and broken UTF-8 are escaped. */
static void test_harmless(void **state)
{
	OWNED_BUF struct buf buf = BUF_INIT;

	(void)state;
	name_append(&buf, span_str("a\033[2Jb\n\302\233c\303\251\377"), true);
	assert_string_equal(buf_str(&buf),
			    "a\\033[2Jb\\012\\302\\233c\303\251\\377");
	buf_clear(&buf);
	name_append(&buf, span_str("\342\202"), true);
	assert_string_equal(buf_str(&buf), "\\342\\202");
	buf_clear(&buf);
	name_append(&buf, span_str("a\033b"), false);
	assert_string_equal(buf_str(&buf), "a\033b");
}

static struct id tree_id(uint8_t n)
{
	return (struct id){ .hash = { n }, .len = 1 };
}

static int enter(struct barren *barren, unsigned depth, uint8_t n,
		 const char *path)
{
	struct id id = tree_id(n);

	return barren_enter(barren, depth, &id, path, NULL);
}

/* Root 1 with directories 2 (holding 3) and 4; a match lies in 4. */
static void test_barren(void **state)
{
	struct barren *barren = barren_new();

	(void)state;
	assert_int_equal(enter(barren, 0, 1, ""), 0);
	assert_int_equal(enter(barren, 1, 2, ""), 0);
	assert_int_equal(enter(barren, 2, 3, ""), 0);
	assert_int_equal(enter(barren, 1, 4, ""), 0);
	barren_found(barren, 2);
	barren_finish(barren);
	assert_int_equal(enter(barren, 0, 1, ""), 0);
	assert_int_equal(enter(barren, 1, 2, ""), 1);
	assert_int_equal(enter(barren, 1, 4, ""), 0);
	assert_int_equal(enter(barren, 1, 3, ""), 1);
	/* At another path the same directory may hold a match. */
	assert_int_equal(enter(barren, 1, 2, "other"), 0);
	barren_abandon(barren);
	assert_int_equal(enter(barren, 1, 2, "other"), 0);
	barren_free(barren);
}

static void test_barren_many(void **state)
{
	struct barren *barren = barren_new();
	struct id id = tree_id(9);

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		memcpy(id.hash + 4, &i, sizeof(i));
		assert_int_equal(barren_enter(barren, 1, &id, "", NULL), 0);
	}
	barren_finish(barren);
	for (uint32_t i = 0; i < 5000; i++) {
		memcpy(id.hash + 4, &i, sizeof(i));
		assert_int_equal(barren_enter(barren, 1, &id, "", NULL), 1);
	}
	barren_free(barren);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size_text),
		cmocka_unit_test(test_size_parse),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_mode),
		cmocka_unit_test(test_harmless),
		cmocka_unit_test(test_barren),
		cmocka_unit_test(test_barren_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
