/*
 * What pods answer: pgbackrest info (the first byte 0), patronictl list (1), and
 * the scan that a store keeps (2).  An answer is one of the outcomes, and one that
 * is neither well nor missing has a reason; a leader is one of the members; a scan
 * that is read is written the same.
 */
#include "tests/fuzz/fuzz.h"
#include "tools/pg_patroni.h"
#include "tools/pg_scan.h"

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	(void)rng;
	return LLVMFuzzerMutate(data, len, max);
}

static void info(struct span bytes)
{
	OWNED_BUF struct buf out = BUF_INIT;
	OWNED_PG_INFO struct pg_info info = { .code = PG_CODE_NONE };

	FUZZ_CHECK(pg_info_read(bytes, PG_STANZA, &info, NULL) == 0);
	FUZZ_CHECK(info.outcome == PG_OKAY || info.outcome == PG_NO_STANZA ||
		   info.outcome == PG_TIMEOUT || info.outcome == PG_ERROR);
	FUZZ_CHECK((info.outcome == PG_OKAY || info.outcome == PG_NO_STANZA) ==
		   (info.why == NULL));
	FUZZ_CHECK(!info.partial || info.outcome == PG_ERROR);
	/* well is only what a stanza says of itself */
	FUZZ_CHECK(info.outcome != PG_OKAY || info.stanza);
	pg_info_print(&info, &out);
	FUZZ_CHECK(buf_str(&out));
}

static void members(struct span bytes)
{
	OWNED_PG_MEMBERS struct pg_members members = { .count = 0 };
	struct err err = ERR_INIT;
	const char *leader = NULL;
	bool is_member = false;

	if (pg_members_read(bytes, &members, &err) < 0) {
		FUZZ_CHECK(members.count == 0 && err.text[0]);
		return;
	}
	FUZZ_CHECK(members.count > 0);
	if (pg_members_leader(&members, &leader, &err) < 0) {
		FUZZ_CHECK(err.text[0]);
		return;
	}
	for (size_t i = 0; i < members.count; i++)
		is_member |= members.member[i].name == leader;
	FUZZ_CHECK(is_member);
}

static void scan(struct span bytes)
{
	OWNED_PG_SCAN struct pg_scan scan = { .count = 0 };
	OWNED_PG_SCAN struct pg_scan again = { .count = 0 };
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	struct err err = ERR_INIT;

	if (pg_scan_read(bytes, &scan, &err) < 0) {
		FUZZ_CHECK(scan.count == 0 && err.text[0]);
		return;
	}
	pg_scan_write(&scan, &a);
	if (pg_scan_read(buf_span(&a), &again, &err) < 0)
		fuzz_fail(__FILE__, __LINE__, err.text);
	pg_scan_write(&again, &b);
	FUZZ_CHECK(span_equal(buf_span(&a), buf_span(&b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static void (*const parsers[])(struct span) = { info, members, scan };

	if (len > 0)
		parsers[data[0] % 3](span_of(data + 1, len - 1));
	return 0;
}
