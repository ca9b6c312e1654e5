/*
 * failmalloc: preloaded, it fails one allocation of the program's, or that and
 * all after it.
 *
 * FAILMALLOC=N or N+; without it the allocations are counted, and their number
 * written to the file FAILMALLOC_COUNT at the end.  Children are left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

static atomic_ulong made;
static unsigned long fail_at;
static int fail_on;

static int fails(void)
{
	unsigned long n = atomic_fetch_add(&made, 1) + 1;

	if (fail_at == 0 || n < fail_at || (n > fail_at && !fail_on))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

static __attribute__((constructor)) void begin(void)
{
	const char *at = getenv("FAILMALLOC");

	if (at) {
		fail_on = strchr(at, '+') != NULL;
		fail_at = strtoul(at, NULL, 10);
	}
	/* before main: what the loader and libraries took does not count */
	atomic_store(&made, 0);
	unsetenv("LD_PRELOAD");
}

static __attribute__((destructor)) void end(void)
{
	const char *path = getenv("FAILMALLOC_COUNT");
	FILE *file;

	if (!path)
		return;
	fail_at = 0;
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%lu\n", atomic_load(&made));
	fclose(file);
}
