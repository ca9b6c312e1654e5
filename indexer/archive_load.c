#include "indexer/archive_load.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

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

static int look_up(void *library, struct err *err)
{
	for (size_t i = 0; i < NAMES; i++) {
		void *found = dlsym(library, names[i]);

		if (!found)
			return err_set(err, -ENOENT, LIBRARY " has no %s",
				       names[i]);
		memcpy((char *)&libarchive + i * sizeof(found), &found,
		       sizeof(found));
	}
	return 0;
}

static int load(struct err *err)
{
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	int r;

	if (!library) {
		err_set(err, -ENOENT, "this needs libarchive: %s", dlerror());
		return err_hint(err, "install libarchive13");
	}
	r = look_up(library, err);
	if (r < 0)
		dlclose(library);
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
