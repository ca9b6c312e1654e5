#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/device.h"

#define SERIAL "9A738ED78583FD1200013E02"

/* Of tool.c. */
volatile int stopped;

/* A /sys and a directory of links of one's own, in $work. */
static char work[64];

static const char *at(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", work, name);
	return path;
}

static void run(const char *command)
{
	char line[1024];

	snprintf(line, sizeof(line), "cd %s && %s", work, command);
	assert_int_equal(system(line), 0);
}

static void assert_holds(const char *name, const char *text)
{
	char got[64] = "";
	int fd = open(at(name), O_RDONLY);
	ssize_t n = read(fd, got, sizeof(got) - 1);

	assert_true(n >= 0);
	close(fd);
	assert_string_equal(got, text);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(work, "/tmp/device_test.XXXXXX");
	return mkdtemp(work) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	run("rm -rf by-id bin sys said file busy");
	return rmdir(work);
}

/* Every host scans; a device that is there is asked for its size again. */
static void rescans(void **state)
{
	(void)state;
	run("mkdir -p sys/class/scsi_host/host0 sys/class/scsi_host/host3 "
	    "sys/class/block/sdq/device sys/class/block/sdr/device && "
	    "touch sys/class/scsi_host/host0/scan "
	    "sys/class/scsi_host/host3/scan sys/class/block/sdq/device/rescan "
	    "sys/class/block/sdr/device/rescan");
	assert_int_equal(device_rescan(at("sys"), "/dev/sdq", NULL), 0);
	assert_holds("sys/class/scsi_host/host0/scan", "- - -");
	assert_holds("sys/class/scsi_host/host3/scan", "- - -");
	assert_holds("sys/class/block/sdq/device/rescan", "1");
	assert_holds("sys/class/block/sdr/device/rescan", "");
}

/* A machine without SCSI has nothing to scan. */
static void rescans_nothing(void **state)
{
	(void)state;
	assert_int_equal(device_rescan(at("none"), NULL, NULL), 0);
}

/* The kernel forgets that device, and no other. */
static void forgets_a_disk(void **state)
{
	(void)state;
	run("mkdir -p sys/class/block/sdq/device sys/class/block/sdr/device && "
	    "touch sys/class/block/sdq/device/delete "
	    "sys/class/block/sdr/device/delete");
	assert_int_equal(device_forget(at("sys"), "/dev/sdq", NULL), 0);
	assert_holds("sys/class/block/sdq/device/delete", "1");
	assert_holds("sys/class/block/sdr/device/delete", "");
}

/* A map is flushed first; where that fails its paths stay. */
static void forgets_a_map(void **state)
{
	char path[4096];
	const char *before = getenv("PATH");

	(void)state;
	run("mkdir -p sys/class/block/dm-3/slaves/sda "
	    "sys/class/block/dm-3/slaves/sdb sys/class/block/sda/device "
	    "sys/class/block/sdb/device bin && "
	    "touch sys/class/block/sda/device/delete "
	    "sys/class/block/sdb/device/delete && "
	    "printf '#!/bin/sh\\necho \"$@\" >%s/said\\nexec test ! -e "
	    "%s/busy\\n' $PWD $PWD >bin/multipath && chmod +x bin/multipath && "
	    "touch busy");
	snprintf(path, sizeof(path), "%s/bin:%s", work, before);
	setenv("PATH", path, 1);
	assert_int_equal(device_forget(at("sys"), "/dev/dm-3", NULL), -EIO);
	assert_holds("sys/class/block/sda/device/delete", "");
	run("rm busy");
	assert_int_equal(device_forget(at("sys"), "/dev/dm-3", NULL), 0);
	assert_holds("said", "-f /dev/dm-3\n");
	assert_holds("sys/class/block/sda/device/delete", "1");
	assert_holds("sys/class/block/sdb/device/delete", "1");
	setenv("PATH", path + strlen(work) + 5, 1);
}

/* What is not there yet is awaited; what is no device is an error. */
static void finds_by_serial(void **state)
{
	struct device device;
	struct err err = ERR_INIT;

	(void)state;
	run("mkdir by-id");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -EAGAIN);
	assert_int_equal(device_find(at("by-id"), "9A73", 0, &device, &err),
			 -EINVAL);
	assert_int_equal(device_find(at("by-id"), "../../../../etc/x0000000",
				     0, &device, &err), -EINVAL);
	/* of another serial number, that ours begins with */
	run("touch by-id/wwn-0x624a93709a738ed78583fd1200013e020");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -EAGAIN);
	run("touch file && ln -s ../file "
	    "by-id/wwn-0x624a93709a738ed78583fd1200013e02");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -ENOTBLK);
	/* the map stands for all paths, and so comes before them */
	run("ln -s ../gone "
	    "by-id/dm-uuid-mpath-3624a93709a738ed78583fd1200013e02");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -ENOTBLK);
	run("ln -sfn /dev/null "
	    "by-id/dm-uuid-mpath-3624a93709a738ed78583fd1200013e02");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -ENOTBLK);
	assert_non_null(strstr(err.text, "/dev/null"));
	run("rm by-id/* && ln -s /dev/null "
	    "by-id/nvme-eui.009a738ed78583fd24a9371200013e02");
	assert_int_equal(device_find(at("by-id"), SERIAL, 0, &device, &err),
			 -ENOTBLK);
	assert_non_null(strstr(err.text, "/dev/null"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(rescans), CASE(rescans_nothing), CASE(forgets_a_disk),
		CASE(forgets_a_map), CASE(finds_by_serial),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
