/* Which replica a directory is of, by names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tools/vmbc.h"

static void test_names(void **state)
{
	static const struct {
		const char *name;
		int number;	/* -1: it is none */
		const char *id;
	} cases[] = {
		{ "replica-0", 0, "" }, { "replica-12", 12, "" },
		{ "concord-pvc-746d220e-1eb9-replica-3", 3, "746d220e-1eb9" },
		{ "concord-pvc-a-replica-1", 1, "a" },
		{ "concord-pvc-replica-replica-1", 1, "replica" },
		{ "replica-", -1, "" }, { "replica", -1, "" },
		{ "replica-01", -1, "" }, { "replica-1x", -1, "" },
		{ "replica-1000", -1, "" }, { "my-replica-1", -1, "" },
		{ "xreplica-1", -1, "" }, { "concord-pvc-replica-1", -1, "" },
		{ "concord-pvc--replica-1", -1, "" },
		{ "concord-pvc-a-client-1", -1, "" }, { "", -1, "" },
	};
	struct span id;
	unsigned number;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is = vmbc_name(span_str(cases[i].name), &number, &id);

		if (is != (cases[i].number >= 0))
			fail_msg("'%s'", cases[i].name);
		if (!is)
			continue;
		assert_int_equal(number, cases[i].number);
		assert_true(span_equal(id, span_str(cases[i].id)));
	}
}

static char top[] = "/tmp/varve-vmbc-test.XXXXXX";

static void make(const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p '%s/%s'", top, path);
	assert_int_equal(system(command), 0);
}

static int find(const char *path, const char *only, struct vmbc *vmbc,
		struct err *err)
{
	char whole[512];

	snprintf(whole, sizeof(whole), "%s/%s", top, path);
	return vmbc_find(whole, only, vmbc, err);
}

static void test_layouts(void **state)
{
	OWNED_VMBC struct vmbc a = VMBC_INIT, b = VMBC_INIT;
	struct err err = ERR_INIT;

	(void)state;
	make("host/default/concord-pvc-x-1-replica-0/rocksdbdata/checkpoints/5");
	make("host/default/concord-pvc-x-1-replica-2");
	make("host/default/concord-pvc-x-1-client-0/data");
	assert_int_equal(find("host", NULL, &a, &err), 0);
	assert_int_equal(a.count, 2);
	assert_int_equal(a.wanted, 3);
	assert_string_equal(a.blockchain, "x-1");
	assert_string_equal(a.ns, "default");
	assert_non_null(strstr(vmbc_has(&a, 0)->dir, "replica-0/rocksdbdata"));
	assert_null(vmbc_has(&a, 1));
	/* one that was lost */
	assert_null(vmbc_has(&a, 2)->dir);
	assert_non_null(vmbc_has(&a, 2)->top);

	make("mnt/replica-2/lab/x-1/replica-2/rocksdbdata");
	assert_int_equal(find("mnt", NULL, &b, &err), 0);
	assert_int_equal(b.count, 1);
	assert_string_equal(b.blockchain, "x-1");
	assert_string_equal(b.ns, "lab");
	assert_non_null(strstr(b.replicas[0].volume, "/mnt/replica-2"));
	assert_null(strstr(b.replicas[0].volume, "/lab"));
	assert_non_null(strstr(b.replicas[0].top, "/lab/x-1/replica-2"));
}

static void test_refused(void **state)
{
	OWNED_VMBC struct vmbc a = VMBC_INIT, b = VMBC_INIT, c = VMBC_INIT;
	OWNED_VMBC struct vmbc d = VMBC_INIT;
	struct err err = ERR_INIT;

	(void)state;
	make("wrong/replica-1/lab/x/replica-2/rocksdbdata");
	assert_int_equal(find("wrong", NULL, &a, &err), -EINVAL);
	make("two/lab/x/replica-0/rocksdbdata");
	make("two/lab/y/replica-1/rocksdbdata");
	assert_int_equal(find("two", NULL, &b, &err), -EINVAL);
	assert_int_equal(find("two", "y", &c, &err), 0);
	assert_int_equal(c.count, 1);
	assert_int_equal(c.replicas[0].number, 1);
	make("twice/a/lab/x/replica-0/rocksdbdata");
	make("twice/b/lab/x/replica-0/rocksdbdata");
	assert_int_equal(find("twice", NULL, &d, &err), -EINVAL);
	assert_non_null(strstr(err.text, "twice there"));
}

/* What a restore keeps or stages is no replica's data. */
static void test_staging(void **state)
{
	OWNED_VMBC struct vmbc a = VMBC_INIT;
	struct err err = ERR_INIT;

	(void)state;
	make("kept/lab/x/replica-0/.varve-push-1/old/replica-1/rocksdbdata");
	make("kept/lab/x/replica-0/rocksdbdata");
	assert_int_equal(find("kept", NULL, &a, &err), 0);
	assert_int_equal(a.count, 1);
	assert_int_equal(a.replicas[0].number, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_staging),
	};
	char command[128];
	int failed;

	if (!mkdtemp(top))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command) != 0 || failed;
}
