#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "fs/repo/object.h"

static struct id an_id(unsigned n, uint32_t len, bool meta)
{
	struct id id = { .len = len, .nth = meta ? ID_META : 0 };

	put_le32(id.hash, n * 2654435761u);
	put_le32(id.hash + 12, n);
	return id;
}

static void test_layout(void **state)
{
	struct object_out out = OBJECT_OUT_INIT;
	struct buf bytes = BUF_INIT;
	struct id chunk = an_id(1, 5, false), list = an_id(2, 70, true);
	uint8_t disk[ID_BYTES];

	(void)state;
	object_begin(&out, OBJECT_PAGE);
	assert_int_equal(object_ref(&out, OBJECT_CHUNK, &chunk), 0);
	assert_int_equal(object_ref(&out, OBJECT_LIST, &list), 1);
	assert_int_equal(object_ref(&out, OBJECT_CHUNK, &chunk), 0);
	buf_append_str(&out.body, "xyz");
	assert_int_equal(object_size(&out), 2 + 2 + 2 * ID_BYTES + 3);
	assert_int_equal(object_finish(&out, &bytes, NULL), 0);
	assert_int_equal(bytes.len, 2 + 2 + 2 * ID_BYTES + 3);

	assert_int_equal(bytes.data[0], OBJECT_PAGE);
	assert_int_equal(bytes.data[1], 2);
	assert_int_equal(bytes.data[2], OBJECT_CHUNK);
	assert_int_equal(bytes.data[3], OBJECT_LIST);
	id_to_disk(&chunk, disk);
	assert_memory_equal(bytes.data + 4, disk, ID_BYTES);
	id_to_disk(&list, disk);
	assert_memory_equal(bytes.data + 4 + ID_BYTES, disk, ID_BYTES);
	assert_memory_equal(bytes.data + 4 + 2 * ID_BYTES, "xyz", 3);
	object_out_release(&out);
	buf_release(&bytes);
}

/* Many references, each once, found again; the builder used again after. */
static void test_many_refs(void **state)
{
	struct object_out out = OBJECT_OUT_INIT;
	struct buf bytes = BUF_INIT;
	struct object_in in;
	enum object_type type;
	struct id id, got;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		object_begin(&out, OBJECT_LIST);
		for (unsigned i = 0; i < 5000; i++) {
			id = an_id(i, 100, false);
			assert_int_equal(object_ref(&out, OBJECT_CHUNK, &id),
					 i);
		}
		for (unsigned i = 5000; i-- > 0;) {
			id = an_id(i, 100, false);
			assert_int_equal(object_ref(&out, OBJECT_CHUNK, &id),
					 i);
		}
		assert_int_equal(object_finish(&out, &bytes, NULL), 0);
	}
	assert_int_equal(object_parse(buf_span(&bytes), &in, NULL), 0);
	assert_int_equal(in.type, OBJECT_LIST);
	assert_int_equal(in.count, 5000);
	for (unsigned i = 0; i < 5000; i++) {
		id = an_id(i, 100, false);
		object_get_ref(&in, i, OBJECT_CHUNK, &got);
		assert_true(id_equal(&got, &id));
	}
	assert_false(in.body.bad);
	assert_true(bytes_done(&in.body));
	object_get_any(&in, 4999, &type, &got);
	assert_int_equal(type, OBJECT_CHUNK);

	object_get_ref(&in, 5000, OBJECT_CHUNK, &got);
	assert_true(in.body.bad);
	assert_true(id_is_none(&got));
	in.body.bad = false;
	object_get_ref(&in, 0, OBJECT_LIST, &got);
	assert_true(in.body.bad);
	assert_true(id_is_none(&got));
	object_out_release(&out);
	buf_release(&bytes);
}

/* An id that differs in length or nth only is another one. */
static void test_near_ids(void **state)
{
	struct object_out out = OBJECT_OUT_INIT;
	struct id a = an_id(1, 5, false), b = an_id(1, 6, false), c = a;

	(void)state;
	c.nth = 1;
	object_begin(&out, OBJECT_LIST);
	assert_int_equal(object_ref(&out, OBJECT_CHUNK, &a), 0);
	assert_int_equal(object_ref(&out, OBJECT_CHUNK, &b), 1);
	assert_int_equal(object_ref(&out, OBJECT_CHUNK, &c), 2);
	object_out_release(&out);
}

static void test_too_large(void **state)
{
	struct object_out out = OBJECT_OUT_INIT;
	struct buf bytes = BUF_INIT;
	struct err err = ERR_INIT;

	(void)state;
	object_begin(&out, OBJECT_LIST);
	buf_append_zero(&out.body, OBJECT_MAX - 2);
	assert_int_equal(object_finish(&out, &bytes, &err), 0);
	assert_int_equal(bytes.len, OBJECT_MAX);
	buf_append_zero(&out.body, 1);
	assert_int_equal(object_finish(&out, &bytes, &err), -EFBIG);
	assert_string_equal(err.text, "a metadata object of 4194305 bytes "
			    "with 0 references is too large");
	object_out_release(&out);
	buf_release(&bytes);
}

struct bad {
	uint8_t type, ref_type;
	uint32_t len;
	uint16_t nth;
};

static void test_bad_envelopes(void **state)
{
	static const struct bad bad[] = {
		{ 0, OBJECT_CHUNK, 1, 0 },
		{ OBJECT_CHUNK, OBJECT_CHUNK, 1, 0 },
		{ OBJECT_TYPE_END, OBJECT_CHUNK, 1, 0 },
		{ OBJECT_LIST, 0, 1, 0 },
		{ OBJECT_LIST, OBJECT_TYPE_END, 1, ID_META },
		{ OBJECT_LIST, OBJECT_CHUNK, 0, 0 },
		{ OBJECT_LIST, OBJECT_CHUNK, CHUNK_MAX + 1, 0 },
		{ OBJECT_LIST, OBJECT_CHUNK, 1, ID_META },
		{ OBJECT_LIST, OBJECT_PAGE, 1, 0 },
		{ OBJECT_LIST, OBJECT_PAGE, OBJECT_MAX + 1, ID_META },
	};
	struct object_in in;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint8_t bytes[3 + ID_BYTES] = { bad[i].type, 1,
						bad[i].ref_type, 9 };

		put_le32(bytes + 3 + 16, bad[i].len);
		bytes[3 + 20] = (uint8_t)bad[i].nth;
		bytes[3 + 21] = (uint8_t)(bad[i].nth >> 8);
		assert_int_equal(object_parse(span_of(bytes, sizeof(bytes)),
					      &in, NULL), -EBADMSG);
	}
}

static void test_every_cut(void **state)
{
	struct object_out out = OBJECT_OUT_INIT;
	struct buf bytes = BUF_INIT;
	struct object_in in;
	struct id id;

	(void)state;
	object_begin(&out, OBJECT_LIST);
	for (unsigned i = 0; i < 3; i++) {
		id = an_id(i, 10, false);
		object_ref(&out, OBJECT_CHUNK, &id);
	}
	assert_int_equal(object_finish(&out, &bytes, NULL), 0);
	for (size_t len = 0; len < bytes.len; len++)
		assert_int_equal(object_parse(span_of(bytes.data, len), &in,
					      NULL), -EBADMSG);
	assert_int_equal(object_parse(buf_span(&bytes), &in, NULL), 0);

	/* a count far over what is there, and over what may be */
	bytes.data[1] = 0x7f;
	assert_int_equal(object_parse(buf_span(&bytes), &in, NULL), -EBADMSG);
	buf_clear(&bytes);
	buf_u8(&bytes, OBJECT_LIST);
	buf_varint(&bytes, OBJECT_REFS_MAX + 1);
	buf_append_zero(&bytes, (OBJECT_REFS_MAX + 1) * 23);
	assert_int_equal(object_parse(buf_span(&bytes), &in, NULL), -EBADMSG);
	object_out_release(&out);
	buf_release(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_many_refs),
		cmocka_unit_test(test_near_ids),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_bad_envelopes),
		cmocka_unit_test(test_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
