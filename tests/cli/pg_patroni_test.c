#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/pg_patroni.h"

/* As patronictl 3.0.2 printed them, but where a version is named. */
#define JSON(role1, state1, role2) \
	"[{\"Cluster\": \"hippo-ha\", \"Member\": \"hippo-00-4xbc-0\", " \
	"\"Host\": \"hippo-00-4xbc-0.hippo-pods\", \"Role\": \"" role1 "\", " \
	"\"State\": \"" state1 "\", \"TL\": 1}, {\"Cluster\": \"hippo-ha\", " \
	"\"Member\": \"hippo-00-9vdw-0\", \"Host\": \"x\", \"Role\": \"" role2 \
	"\", \"State\": \"running\", \"TL\": 1, \"Lag in MB\": 0}]"

static void expect(const char *text, int code, const char *words)
{
	OWNED_PG_MEMBERS struct pg_members members = { .count = 0 };
	struct err err = ERR_INIT;
	const char *leader = NULL;
	int r = pg_members_read(span_str(text), &members, &err);

	if (r == 0)
		r = pg_members_leader(&members, &leader, &err);
	if (r != code)
		fail_msg("%d (%s) of %s", r, err.text, text);
	assert_string_equal(r == 0 ? leader : err.text, words);
}

static void test_json(void **state)
{
	(void)state;
	expect(JSON("Replica", "streaming", "Leader"), 0, "hippo-00-9vdw-0");
	expect(JSON("Leader", "running", "Sync Standby"), 0,
	       "hippo-00-4xbc-0");
	expect(JSON("Replica", "streaming", "Replica"), -ENOENT,
	       "no member is the leader, says Patroni");
	expect(JSON("Leader", "running", "Leader"), -ENOTUNIQ,
	       "several members are leaders, says Patroni");
	expect(JSON("Leader", "stopping", "Replica"), -ENOENT, "the leader, "
	       "'hippo-00-4xbc-0', is 'stopping', not 'running', says Patroni");
	expect(JSON("Replica", "streaming", "Standby Leader"), -EROFS,
	       "it is a standby cluster: 'hippo-00-9vdw-0' is its Standby "
	       "Leader");
	expect("[]", -EPROTO, "patronictl tells of no member");
	expect("[{\"Member\": \"x\"}]", -EPROTO, "patronictl tells of a member "
	       "without a name or a role");
}

static void test_table(void **state)
{
	(void)state;
	expect("+ Cluster: hippo-ha (7712977377159549626) --+---------+----+-"
	       "----------+\n"
	       "| Member          | Host      | Role    | State     | TL | Lag "
	       "in MB |\n"
	       "+-----------------+-----------+---------+-----------+----+----"
	       "-------+\n"
	       "| hippo-00-4xbc-0 | 127.0.0.1 | Replica | streaming |  1 |    "
	       "     0 |\n"
	       "| hippo-00-9vdw-0 | 127.0.0.1 | Leader  | running   |  1 |    "
	       "       |\n"
	       "+-----------------+-----------+---------+-----------+----+----"
	       "-------+\n"
	       " Maintenance mode: on\n", 0, "hippo-00-9vdw-0");
	/* 4.1: other columns; a cell of several lines */
	expect("+ Cluster: hippo-ha (7712) -+\n"
	       "| Member | Host | Role | State | TL | Receive LSN | Lag | "
	       "Replay LSN | Lag | Pending restart reason |\n"
	       "+--------+------+\n"
	       "| a-0 | h | Leader | running | 1 | | | | | max: 1->2 |\n"
	       "|     |   |        |         |   | | | | | wal: 3->4 |\n"
	       "+--------+------+\n"
	       "| b-0 | h | Quorum Standby | streaming | 1 | 0/1 | 0 | 0/1 | "
	       "0 | |\n"
	       "+--------+------+\n", 0, "a-0");
	/* 1.6: the cluster is a column */
	expect("+----------+--------+------+--------+---------+----+-----+\n"
	       "| Cluster  | Member | Host | Role   | State   | TL | Lag |\n"
	       "+----------+--------+------+--------+---------+----+-----+\n"
	       "| hippo-ha | a-0    | h    |        | running | 1  | 0   |\n"
	       "| hippo-ha | b-0    | h    | Leader | running | 1  | 0   |\n"
	       "+----------+--------+------+--------+---------+----+-----+\n",
	       0, "b-0");
	expect("| Name | What |\n| a | Leader |\n", -EPROTO,
	       "patronictl's table has no columns 'Member' and 'Role'");
	expect("", -EPROTO, "patronictl tells of no member");
	expect("bash: patronictl: command not found\n", -EPROTO,
	       "patronictl tells of no member");
	expect("|\n||\n|||\n", -EPROTO, "patronictl's table has no columns "
	       "'Member' and 'Role'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
