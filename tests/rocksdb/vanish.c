/*
 * vanish: run VANISH_RUN once, just before a file whose path ends with
 * VANISH_AT is opened: as if somebody else had come in between.  Preloaded.
 * Only the thread that walks counts: those that go ahead of it it does not wait
 * for.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int ends_with(const char *path, const char *end)
{
	size_t n = strlen(path), m = strlen(end);

	return n >= m && !strcmp(path + n - m, end);
}

static void meanwhile(const char *path)
{
	const char *at = getenv("VANISH_AT"), *command = getenv("VANISH_RUN");

	if (!at || !command || gettid() != getpid() || !ends_with(path, at))
		return;
	unsetenv("VANISH_AT");
	unsetenv("LD_PRELOAD");
	if (system(command))
		abort();
}

static int open_as(const char *name, int dir, const char *path, int flags,
		   int mode)
{
	int (*next)(int, const char *, int, ...) =
		(int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, name);

	meanwhile(path);
	return next(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode = 0;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	return open_as("openat", dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	int mode = 0;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, int);
	va_end(ap);
	return open_as("openat64", dir, path, flags, mode);
}
