/*
 * rest: the REST interface, version 2, of FlashArray and FlashBlade; with
 * curl_load the only user of libcurl.
 *
 * Negotiates the version, logs in with an API token, pages through a query
 * (by continuation_token, by the header x-next-token, else by offset), logs in
 * once more where the session has ended, waits where it is told to (429, 503),
 * and takes an error for one in whatever form it comes.  TLS is verified.
 * Neither token is ever part of a message.  Only reads.  One thread.
 */
#ifndef VARVE_REST_H
#define VARVE_REST_H

#include "fs/base/jdoc.h"

#define REST_PAGE_MAX (64u << 20)	/* bytes of an answer */
#define REST_PAGES_MAX 100000
#define REST_LIMIT 1000			/* items a page, as asked */

enum rest_type { REST_FLASHARRAY = 1, REST_FLASHBLADE };

struct rest_options {
	const char *endpoint;	/* host, host:port, or https://… */
	enum rest_type type;
	const char *token;
	const char *ca_file;	/* NULL: the system's */
	bool insecure;		/* the peer is not verified */
	int64_t timeout_s;	/* of a request */
	unsigned limit;		/* 0: REST_LIMIT */
};

struct rest;

/* -EACCES: it refuses the token; -ENOTSUP: it serves no version 2. */
int rest_open(const struct rest_options *options, struct rest **ret,
	      struct err *err);
/* Logs out. */
void rest_close(struct rest *rest);
/* "2.26". */
const char *rest_version(const struct rest *rest);
/* What it calls a session by: to be kept out of everything. */
struct span rest_session(const struct rest *rest);
/* All items of a query, page by page; the callback's negative ends it. */
int rest_query(struct rest *rest, const char *query,
	       int (*each)(void *arg, const struct jnode *item,
			   struct err *err),
	       void *arg, struct err *err);

#endif
