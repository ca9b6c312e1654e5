/* Records.  What parses is written again and parses the same. */
#include "fs/catalog/record.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	return fuzz_kv_change(data, len, max, rng);
}

static void write_again(const struct record *record, struct buf *out)
{
	struct err err = ERR_INIT;

	if (record_write(record, out, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
}

static void look(const struct record *record)
{
	FUZZ_CHECK(source_check(record->source, NULL) == 0);
	FUZZ_CHECK(name_is_time(record->name, strlen(record->name)));
	for (size_t i = 0; i < record->tag_count; i++)
		FUZZ_CHECK(record_tag(record, record->tags[i].key) != NULL);
	for (size_t i = 0; i < record->attr_count; i++)
		FUZZ_CHECK(record_attr(record, record->attrs[i].key) != NULL);
	FUZZ_CHECK(record->pack_count <= RECORD_PACKS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	OWNED_BUF struct buf once = BUF_INIT, twice = BUF_INIT;
	struct record record = { .number = 0 }, again = record, copy = record;
	struct err err = ERR_INIT;
	int r = record_parse(span_of(data, len), "input", &record, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	look(&record);
	write_again(&record, &once);
	FUZZ_CHECK(record_parse(buf_span(&once), "again", &again, NULL) == 0);
	FUZZ_CHECK(record_copy(&again, &copy) == 0);
	write_again(&copy, &twice);
	FUZZ_CHECK(span_equal(buf_span(&once), buf_span(&twice)));
	record_release(&record);
	record_release(&again);
	record_release(&copy);
	return 0;
}
