#include "tools/curl_load.h"

#include "fs/base/library.h"

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

int curl_load(const struct curl_calls **ret, struct err *err)
{
	static struct curl_calls calls;
	static int loaded;
	int r;

	if (loaded) {
		*ret = &calls;
		return 0;
	}
	r = library_load(LIBRARY, names, NAMES, &calls, err);
	if (r < 0) {
		err_wrap(err, "arrays cannot be asked");
		return err_hint(err, "install libcurl4");
	}
	if (calls.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(err, -EIO, "libcurl cannot be used");
	loaded = 1;
	*ret = &calls;
	return 0;
}
