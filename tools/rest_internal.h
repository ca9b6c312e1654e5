/* rest_internal: what the files of the REST client share. */
#ifndef VARVE_REST_INTERNAL_H
#define VARVE_REST_INTERNAL_H

#include "tools/curl_load.h"
#include "tools/rest.h"

#define REST_VALUE_MAX 4096	/* bytes of a header's value that is kept */

struct rest {
	struct rest_options options;
	const struct curl_calls *lib;
	CURL *curl;
	char *base;		/* "https://host" */
	char *token;
	char version[16];
	char session[REST_VALUE_MAX];
	rest_watch_fn *watch;	/* or NULL */
	void *watch_arg;
	/* of the last answer */
	struct buf body;
	long status;
	char next[REST_VALUE_MAX];	/* x-next-token */
	char fresh[REST_VALUE_MAX];	/* x-auth-token */
	int64_t retry_after_s;	/* -1: not said */
	bool too_long;
	bool unsent;		/* there was none, as nothing was sent */
	char words[CURL_ERROR_SIZE];
};

struct rest_request {
	enum rest_verb verb;
	const char *url;
	struct span body;	/* JSON; empty: none */
};

/* One request in the session, which is begun anew where it has ended, and again
 * where the array says that it is busy.  0: there is an answer, of whatever
 * status. */
int rest_ask(struct rest *rest, const struct rest_request *request,
	     struct err *err);
/* What the answer says of an error; or what its status is. */
int rest_fail(const struct rest *rest, struct err *err);

#endif
