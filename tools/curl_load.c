#include "tools/curl_load.h"

#include <dlfcn.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"

static const char *const names[] = {
	"curl_global_init", "curl_easy_init", "curl_easy_reset",
	"curl_easy_setopt", "curl_easy_perform", "curl_easy_getinfo",
	"curl_easy_cleanup", "curl_easy_escape", "curl_free",
	"curl_easy_strerror", "curl_slist_append", "curl_slist_free_all",
};
#define NAMES (sizeof(names) / sizeof(*names))

/* In the order of the struct, which holds nothing else. */
_Static_assert(sizeof(struct curl_calls) == NAMES * sizeof(void *),
	       "a name for each call");

static int look_up(void *library, struct curl_calls *calls, struct err *err)
{
	for (size_t i = 0; i < NAMES; i++) {
		void *found = dlsym(library, names[i]);

		if (!found)
			return err_set(err, -ENOENT, LIBRARY " has no %s",
				       names[i]);
		memcpy((char *)calls + i * sizeof(found), &found,
		       sizeof(found));
	}
	return 0;
}

int curl_load(const struct curl_calls **ret, struct err *err)
{
	static struct curl_calls calls;
	static int loaded;
	void *library;
	int r;

	if (loaded) {
		*ret = &calls;
		return 0;
	}
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library) {
		err_set(err, -ENOENT, "arrays cannot be asked: %s",
			dlerror());
		return err_hint(err, "install libcurl4");
	}
	r = look_up(library, &calls, err);
	if (r == 0 && calls.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		r = err_set(err, -EIO, "libcurl cannot be used");
	if (r < 0) {
		dlclose(library);
		return r;
	}
	loaded = 1;
	*ret = &calls;
	return 0;
}
