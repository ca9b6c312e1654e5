/* State events.  What parses is written again and parses the same. */
#include "fs/catalog/event.h"
#include "tests/fuzz/fuzz.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	return fuzz_kv_change(data, len, max, rng);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	OWNED_BUF struct buf once = BUF_INIT, twice = BUF_INIT;
	struct event event = { .seq = 0 }, again = event;
	struct err err = ERR_INIT;
	int r = event_parse(span_of(data, len), "input", &event, &err);

	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r < 0)
		return 0;
	FUZZ_CHECK(event_type_name(event.type) != NULL);
	if (event_write(&event, &once, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	FUZZ_CHECK(event_parse(buf_span(&once), "again", &again, NULL) == 0);
	FUZZ_CHECK(event_write(&again, &twice, NULL) == 0);
	FUZZ_CHECK(span_equal(buf_span(&once), buf_span(&twice)));
	event_release(&event);
	event_release(&again);
	return 0;
}
