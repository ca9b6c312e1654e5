/*
 * failmalloc: preloaded, it fails one allocation of the program's, or that and
 * all after it.
 *
 * FAILMALLOC=N or N+; without it the allocations are counted, and their number
 * written to the file FAILMALLOC_COUNT at the end.  Children are left alone.
 *
 * With FAILMALLOC_CONTROL=FILE it is told while the program runs, by whoever
 * writes a struct control into that file: N, N+ or nothing, counted from then
 * on.  The file also has the last process that allocated.
 *
 * FAILMALLOC_LEAST=BYTES: smaller ones neither fail nor count.
 *
 * The C library's lookups of users and groups are spared: where it opens its
 * own databases and has no memory, it ends the program (glibc 2.36, nss).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);

struct control {
	char how[24];		/* "N", "N+" or neither, then blanks and a NUL */
	atomic_ulong made;
	_Atomic uint64_t pid;
};

static struct control *control;
static atomic_ulong made;
static unsigned long fail_at;
static int fail_on;
static size_t least;
static _Thread_local int spared;

static int is_hit(unsigned long n, unsigned long at, int on)
{
	if (at == 0 || n < at || (n > at && !on))
		return 0;
	errno = ENOMEM;
	return 1;
}

static int fails(size_t size)
{
	unsigned long at;
	char *end;

	if (size < least || spared)
		return 0;
	if (!control)
		return is_hit(atomic_fetch_add(&made, 1) + 1, fail_at,
			      fail_on);
	atomic_store(&control->pid, (uint64_t)getpid());
	at = strtoul(control->how, &end, 10);
	return is_hit(atomic_fetch_add(&control->made, 1) + 1, at,
		      *end == '+');
}

void *malloc(size_t size)
{
	return fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
	return fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
	return fails(size) ? NULL : __libc_realloc(old, size);
}

/* A lookup of the C library in which nothing fails. */
#define SPARED(name, type, key, field)					\
int name(type key, struct field *found, char *room, size_t size,	\
	 struct field **result)						\
{									\
	int (*next)(type, struct field *, char *, size_t,		\
		    struct field **) =					\
		(__typeof__(next))dlsym(RTLD_NEXT, #name);		\
	int r;								\
									\
	spared++;							\
	r = next(key, found, room, size, result);			\
	spared--;							\
	return r;							\
}

SPARED(getpwuid_r, uid_t, id, passwd)
SPARED(getgrgid_r, gid_t, id, group)
SPARED(getpwnam_r, const char *, name, passwd)
SPARED(getgrnam_r, const char *, name, group)

static void listen_to(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	void *at;

	if (fd < 0)
		return;
	at = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
		  fd, 0);
	close(fd);
	if (at != MAP_FAILED)
		control = at;
}

static __attribute__((constructor)) void begin(void)
{
	const char *at = getenv("FAILMALLOC");
	const char *path = getenv("FAILMALLOC_CONTROL");
	const char *bytes = getenv("FAILMALLOC_LEAST");

	if (bytes)
		least = strtoul(bytes, NULL, 10);
	if (path)
		listen_to(path);
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
