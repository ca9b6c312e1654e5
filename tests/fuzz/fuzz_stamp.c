/*
 * Times and spans of time as people write them, and zone files.  The first
 * byte chooses.  What is read is written, and read the same again.
 */
#include <stdlib.h>

#include "fs/base/stamp.h"
#include "fs/base/zone.h"
#include "tests/fuzz/fuzz.h"

enum { WAY_TEXT, WAY_ZONE_FILE, WAY_ZONE_NAME, WAYS };

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	uint8_t way = data[0];
	size_t n;

	if (len < 2 || max < 2)
		return LLVMFuzzerMutate(data, len, max);
	n = 1 + LLVMFuzzerMutate(data + 1, len - 1, max - 1);
	data[0] = fuzz_mostly(rng) ? way : (uint8_t)fuzz_below(rng, WAYS);
	return n;
}

static void again(struct stamp t)
{
	char text[STAMP_TEXT];
	struct stamp other;
	bool zoned = false;

	FUZZ_CHECK(t.ns < 1000000000);
	stamp_raw(t, text);
	FUZZ_CHECK(stamp_raw_parse(text, &other) == 0);
	FUZZ_CHECK(stamp_cmp(t, other) == 0);
	stamp_local(t, "Europe/Berlin", text);
	stamp_name(t, text);
	/* Years of more than four digits have no form that is read. */
	if (t.s < -62135596800 || t.s > 253402300799)
		return;
	FUZZ_CHECK(stamp_parse(text, NULL, &other, &zoned, NULL) == 0);
	FUZZ_CHECK(zoned && other.s == t.s);
	stamp_iso(t, text);
	FUZZ_CHECK(stamp_parse(text, NULL, &other, &zoned, NULL) == 0);
	FUZZ_CHECK(zoned && stamp_cmp(t, other) == 0);
}

static void try_text(const char *text)
{
	struct err err = ERR_INIT;
	struct stamp t;
	int64_t seconds = 0;
	int r;

	r = stamp_parse(text, "Europe/Berlin", &t, NULL, &err);
	FUZZ_CHECK(r == 0 || (r == -EINVAL && err.text[0]));
	if (r == 0)
		again(t);
	r = stamp_parse(text, "UTC", &t, NULL, NULL);
	if (r == 0)
		again(t);
	if (stamp_raw_parse(text, &t) == 0)
		again(t);
	if (stamp_from_path(text, "America/New_York", &t) == 0)
		again(t);
	r = duration_parse(text, &seconds, &err);
	FUZZ_CHECK(r < 0 || seconds >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	/* As far as zone_offset() asks. */
	static const int64_t when[] = {
		0, 1611343651, -1, 1ll << 45, -(1ll << 45), 4102444800,
		-62135596800, 253402300799,
	};
	int64_t offset = 0;
	char *text;

	if (len == 0)
		return 0;
	if (data[0] == WAY_ZONE_FILE) {
		for (size_t i = 0; i < sizeof(when) / sizeof(*when); i++)
			zone_file_offset(data + 1, len - 1, when[i], &offset);
		return 0;
	}
	text = malloc(len);
	FUZZ_CHECK(text != NULL);
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	if (data[0] == WAY_ZONE_NAME)
		zone_offset(text, when[1], &offset, NULL);
	else
		try_text(text);
	free(text);
	return 0;
}
