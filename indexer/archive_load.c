#include "indexer/archive_load.h"

#include <pthread.h>
#include <stdbool.h>

#include "fs/base/library.h"

#define LIBRARY "libarchive.so.13"

struct archive_calls libarchive;

static const char *const names[] = {
#define CALL(name) "archive_" #name,
	ARCHIVE_CALLS(CALL)
#undef CALL
	"archive_errno",
};
#define NAMES (sizeof(names) / sizeof(*names))

/* In the order of the struct, which holds nothing else. */
_Static_assert(sizeof(struct archive_calls) == NAMES * sizeof(void *),
	       "a name for each call");

static int load(struct err *err)
{
	int r = library_load(LIBRARY, names, NAMES, &libarchive, err);

	if (r < 0) {
		err_wrap(err, "this needs libarchive");
		err_hint(err, "install libarchive13");
	}
	return r;
}

int archive_load(struct err *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static bool loaded;
	int r = 0;

	pthread_mutex_lock(&lock);
	if (!loaded)
		r = load(err);
	loaded = r == 0;
	pthread_mutex_unlock(&lock);
	return r;
}
