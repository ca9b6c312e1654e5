/*
 * curl_load: libcurl, loaded when it is first wanted.
 *
 * Linked, it and the thirty libraries that it stands on would more than double
 * what every varve takes to start, for the few that ask an array.  One thread.
 */
#ifndef VARVE_CURL_LOAD_H
#define VARVE_CURL_LOAD_H

#include <curl/curl.h>

#include "fs/base/err.h"

struct curl_calls {
	CURLcode (*global_init)(long flags);
	CURL *(*init)(void);
	void (*reset)(CURL *curl);
	CURLcode (*setopt)(CURL *curl, CURLoption option, ...);
	CURLcode (*perform)(CURL *curl);
	CURLcode (*getinfo)(CURL *curl, CURLINFO info, ...);
	void (*cleanup)(CURL *curl);
	char *(*escape)(CURL *curl, const char *text, int len);
	void (*free)(void *text);
	const char *(*strerror)(CURLcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list,
					   const char *text);
	void (*slist_free_all)(struct curl_slist *list);
};

/* Loaded and initialised, for good.  -ENOENT: it is not here. */
int curl_load(const struct curl_calls **ret, struct err *err);

#endif
