#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tools/pg_info.h"

/* What pgbackrest 2.45 printed, but for the document's sample of 2.4x. */
#define HEAD "[{\"archive\":[{\"database\":{\"id\":1,\"repo-key\":1}," \
	"\"id\":\"15-1\",\"max\":%s,\"min\":%s}],\"backup\":[%s]," \
	"\"cipher\":\"none\",\"db\":[{\"id\":1,\"repo-key\":1,\"system-id\":" \
	"7710190022615078317,\"version\":\"15\"}],\"name\":\"%s\",\"repo\":[%s]," \
	"\"status\":{\"code\":%d,\"lock\":{\"backup\":{\"held\":false}}," \
	"\"message\":\"%s\"}}]"
#define REPO(key, code, words) "{\"cipher\":\"none\",\"key\":" #key "," \
	"\"status\":{\"code\":" #code ",\"message\":\"" words "\"}}"
#define BACKUP "{\"archive\":{\"start\":\"000000010000000000000003\"," \
	"\"stop\":null},\"database\":{\"id\":1,\"repo-key\":1}," \
	"\"error\":false,\"info\":{\"delta\":26416630,\"repository\":{" \
	"\"delta\":4427488,\"size\":null},\"size\":26416631}," \
	"\"label\":\"20261127-221132F\",\"timestamp\":{\"start\":1795817492," \
	"\"stop\":1795817495},\"type\":\"full\"}"

static void judge(const char *text, struct pg_info *ret)
{
	struct err err = ERR_INIT;

	assert_int_equal(pg_info_read(span_str(text), "db", ret, &err), 0);
}

static void expect(const char *text, enum pg_outcome outcome,
		   const char *why)
{
	OWNED_PG_INFO struct pg_info info;

	judge(text, &info);
	if (info.outcome != outcome)
		fail_msg("%s: %s for %s", pg_outcome_name(info.outcome),
			 info.why ? info.why : "", text);
	if (why)
		assert_string_equal(info.why, why);
	else
		assert_null(info.why);
}

static void json_of(char *out, size_t room, const char *name,
		    const char *repos, int code, const char *message)
{
	int n = snprintf(out, room, HEAD, "null", "null", "", name, repos, code,
			 message);

	assert_true(n > 0 && (size_t)n < room);
}

static void test_json(void **state)
{
	char text[2048];

	(void)state;
	expect("[]", PG_NO_STANZA, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok"), 0, "ok");
	expect(text, PG_OKAY, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 2, "no valid backups"), 2,
		"no valid backups");
	expect(text, PG_OKAY, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 1, "missing stanza path"),
		1, "missing stanza path");
	expect(text, PG_NO_STANZA, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 3, "missing stanza data"),
		3, "missing stanza data");
	expect(text, PG_NO_STANZA, NULL);
	json_of(text, sizeof(text), "[invalid]", REPO(1, 99,
		"[HostConnectError] unable to connect to 'x:8432': [111] "
		"Connection refused"), 99, "other");
	expect(text, PG_TIMEOUT, "[HostConnectError] unable to connect to "
	       "'x:8432': [111] Connection refused");
	json_of(text, sizeof(text), "[invalid]", REPO(1, 99,
		"[FileReadError] no"), 99, "other");
	expect(text, PG_ERROR, "[FileReadError] no");
}

/* "Okay only on every repository" */
static void test_repositories(void **state)
{
	char text[2048];

	(void)state;
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok") ","
		REPO(2, 2, "no valid backups"), 4, "different across repos");
	expect(text, PG_OKAY, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 1, "missing stanza path") ","
		REPO(2, 3, "missing stanza data"), 4, "different across repos");
	expect(text, PG_NO_STANZA, NULL);
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok") ","
		REPO(2, 1, "missing stanza path"), 4, "different across repos");
	expect(text, PG_ERROR, "different across repos: repo1: ok; repo2: "
	       "missing stanza path");
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok") ","
		REPO(2, 99, "[HostConnectError] timeout"), 4,
		"different across repos");
	expect(text, PG_TIMEOUT, "different across repos: repo1: ok; repo2: "
	       "[HostConnectError] timeout");
	/* fine one by one, and not together */
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok") ","
		REPO(2, 0, "ok"), 5, "database mismatch across repos");
	expect(text, PG_ERROR, "database mismatch across repos: repo1: ok; "
	       "repo2: ok");
	json_of(text, sizeof(text), "db", REPO(1, 0, "ok"), 6,
		"requested backup not found");
	expect(text, PG_ERROR, "requested backup not found: ok");
	/* a code of tomorrow */
	json_of(text, sizeof(text), "db", REPO(1, 7, "new"), 7, "new");
	expect(text, PG_ERROR, "new: new");
}

/* "What could not be asked is never Okay, and never 'No stanza'" */
static void test_not_understood(void **state)
{
	static const char *const texts[] = {
		"", "\n", "{}", "{\"items\":[]}", "null", "[", "[]x", "[{}]",
		"[{\"name\":\"db\"}]", "[{\"name\":\"db\",\"status\":{}}]",
		"[{\"name\":\"db\",\"status\":{\"code\":\"zero\"}}]",
		"[{\"name\":\"db\",\"repo\":[{}],\"status\":{\"code\":0}}]",
		"[{\"name\":\"other\",\"status\":{\"code\":0}}]",
		"ok", "stanza: db", "stanza: db\n",
		"stanza: other\n    status: ok\n",
		"stanza: db\n    status: well\n",
		"stanza: db\n    status: error (odd)\n",
		"WARN: No stanzas exist in the repository.\n",
		"bash: pgbackrest: command not found\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		OWNED_PG_INFO struct pg_info info;

		judge(texts[i], &info);
		if (info.outcome != PG_ERROR)
			fail_msg("%s of '%s'", pg_outcome_name(info.outcome),
				 texts[i]);
		assert_non_null(info.why);
		assert_true(info.why[0] != '\0');
	}
}

/* An answer that was cut off anywhere is no answer. */
static void test_cut(void **state)
{
	char text[4096];
	size_t len;

	(void)state;
	snprintf(text, sizeof(text), HEAD, "null", "null", BACKUP, "db",
		 REPO(1, 0, "ok"), 0, "ok");
	len = strlen(text);
	for (size_t n = 0; n < len; n++) {
		OWNED_PG_INFO struct pg_info info;
		struct err err = ERR_INIT;

		assert_int_equal(pg_info_read(span_of(text, n), "db", &info,
					      &err), 0);
		assert_int_equal(info.outcome, PG_ERROR);
	}
}

static void test_facts(void **state)
{
	OWNED_PG_INFO struct pg_info info;
	OWNED_BUF struct buf out = BUF_INIT;
	const struct pg_backup *full;
	char text[4096];

	(void)state;
	snprintf(text, sizeof(text), HEAD, "\"000000010000000800000C4\"",
		 "\"000000010000000000000001\"", BACKUP, "db",
		 REPO(1, 0, "ok"), 0, "ok");
	judge(text, &info);
	assert_int_equal(info.outcome, PG_OKAY);
	assert_int_equal(info.code, PG_CODE_OK);
	assert_string_equal(info.system_id, "7710190022615078317");
	assert_string_equal(info.version, "15");
	assert_string_equal(info.wal_min, "000000010000000000000001");
	full = pg_info_last_full(&info);
	assert_non_null(full);
	assert_string_equal(full->label, "20261127-221132F");
	assert_string_equal(full->start, "2026-11-27T22:11:32Z");
	assert_string_equal(full->wal_start, "000000010000000000000003");
	assert_null(full->wal_stop);
	assert_int_equal(full->size, 26416631);
	assert_int_equal(full->backup_size, 26416630);
	assert_true(full->repo_size == UINT64_MAX);
	assert_int_equal(full->repo_backup_size, 4427488);
	pg_info_print(&info, &out);
	assert_non_null(strstr(buf_str(&out), "status: ok\n"));
	assert_non_null(strstr(buf_str(&out), "wal start/stop: "
			       "000000010000000000000003 / n/a\n"));
}

/* Found by fuzzing: a fact that lacks is no lack of memory. */
static void test_facts_that_lack(void **state)
{
	OWNED_PG_INFO struct pg_info info;
	OWNED_BUF struct buf out = BUF_INIT;

	(void)state;
	judge("[{\"name\":\"db\",\"backup\":[{}],\"archive\":[{}],"
	      "\"db\":[{}],\"repo\":[" REPO(1, 0, "ok") "],"
	      "\"status\":{\"code\":0}}]", &info);
	assert_int_equal(info.outcome, PG_OKAY);
	assert_int_equal(info.backup_count, 1);
	assert_null(info.backups[0].label);
	assert_null(pg_info_last_full(&info));
	pg_info_print(&info, &out);
	assert_non_null(strstr(buf_str(&out), "n/a backup: n/a\n"));
}

/* The sample of the document. */
static void test_text(void **state)
{
	static const char sample[] =
		"stanza: db\n"
		"    status: ok\n"
		"    cipher: none\n"
		"\n"
		"    db (current)\n"
		"        wal archive min/max (14): 000000010000000000000001/"
		"0000000100000008000000C4\n"
		"\n"
		"        full backup: 20230220-044732F\n"
		"            timestamp start/stop: 2023-02-20 04:47:32 / "
		"2023-02-20 04:50:29\n"
		"            wal start/stop: 000000010000000000000004 / "
		"000000010000000000000005\n"
		"            database size: 125.3MB, database backup size: "
		"125.3MB\n"
		"            repo1: backup set size: 16.0MB, backup size: "
		"16.0MB\n";
	OWNED_PG_INFO struct pg_info info;
	const struct pg_backup *full;

	(void)state;
	judge(sample, &info);
	assert_int_equal(info.outcome, PG_OKAY);
	assert_string_equal(info.stanza, "db");
	assert_string_equal(info.status, "ok");
	assert_string_equal(info.cipher, "none");
	assert_string_equal(info.version, "14");
	assert_string_equal(info.wal_min, "000000010000000000000001");
	assert_string_equal(info.wal_max, "0000000100000008000000C4");
	full = pg_info_last_full(&info);
	assert_non_null(full);
	assert_string_equal(full->label, "20230220-044732F");
	assert_string_equal(full->start, "2023-02-20 04:47:32");
	assert_string_equal(full->stop, "2023-02-20 04:50:29");
	assert_string_equal(full->wal_start, "000000010000000000000004");
	assert_string_equal(full->wal_stop, "000000010000000000000005");
	assert_int_equal(full->size, 131386572);
	assert_int_equal(full->backup_size, 131386572);
	assert_int_equal(full->repo, 1);
	assert_int_equal(full->repo_size, 16 << 20);
	assert_int_equal(full->repo_backup_size, 16 << 20);
}

static void test_text_states(void **state)
{
	(void)state;
	expect("No stanzas exist in the repository.\n", PG_NO_STANZA, NULL);
	expect("stanza: db\n    status: error (missing stanza path)\n",
	       PG_NO_STANZA, NULL);
	expect("stanza: db\n    status: error (no valid backups)\n"
	       "    cipher: none\n\n    db (current)\n"
	       "        wal archive min/max (15): none present\n", PG_OKAY,
	       NULL);
	expect("stanza: db\n    status: ok (backup/expire running - 12.34% "
	       "complete)\n    cipher: none\n", PG_OKAY, NULL);
	expect("stanza: db\n    status: error (no valid backups, "
	       "backup/expire running)\n    cipher: none\n", PG_OKAY, NULL);
	expect("stanza: [invalid]\n    status: error (other)\n            "
	       "[HostConnectError] unable to connect to '127.0.0.1:8432': "
	       "[111] Connection refused\n    cipher: none\n", PG_TIMEOUT,
	       "[HostConnectError] unable to connect to '127.0.0.1:8432': "
	       "[111] Connection refused");
	expect("stanza: db\n    status: mixed\n        repo1: ok\n        "
	       "repo2: error (no valid backups)\n    cipher: none\n",
	       PG_OKAY, NULL);
	expect("stanza: db\n    status: mixed\n        repo1: error (missing "
	       "stanza path)\n        repo2: ok\n    cipher: none\n",
	       PG_ERROR, "mixed: repo1: missing stanza path; repo2: ok");
	expect("stanza: other\n    status: ok\n\nstanza: db\n    status: error "
	       "(missing stanza data)\n", PG_NO_STANZA, NULL);
}

static void test_partial(void **state)
{
	OWNED_PG_INFO struct pg_info info;
	char text[2048];

	(void)state;
	json_of(text, sizeof(text), "db", REPO(1, 2, "no valid backups") ","
		REPO(2, 1, "missing stanza path"), 4, "different across repos");
	judge(text, &info);
	assert_int_equal(info.outcome, PG_ERROR);
	assert_true(info.partial);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_repositories),
		cmocka_unit_test(test_not_understood),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_facts),
		cmocka_unit_test(test_facts_that_lack),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_states),
		cmocka_unit_test(test_partial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
