/*
 * rest: the REST interface, version 2, of FlashArray and FlashBlade; with
 * curl_load the only user of libcurl.
 *
 * Negotiates the version, logs in with an API token, pages through a query
 * (by continuation_token, by the header x-next-token, else by offset), logs in
 * once more where the session has ended, waits where it is told to (429, 503),
 * and takes an error for one in whatever form it comes.  TLS is verified.
 * Neither token is ever part of a message.  What changes something is told
 * to whoever keeps a journal, before and after (rest_watch).  One thread.
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
	/* set: it goes on also where the user stopped varve; or NULL */
	const bool *past_stop;
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

/*
 * Append "RESOURCE?KEY=VALUE&…" to out, escaped, of pairs up to a NULL key.  A
 * value is one name: -EINVAL where it has a comma, which would make it two.
 */
int rest_path(struct buf *out, struct err *err, const char *resource, ...)
	__attribute__((sentinel));
/*
 * The item of that name in *ret (its root), also one that is destroyed.
 * -ENOENT: the array answers that it has none; never for any other reason.
 */
int rest_find(struct rest *rest, const char *resource, const char *name,
	      struct jdoc *ret, struct err *err);

/* Changes. */

enum rest_verb { REST_GET = 1, REST_POST, REST_PATCH, REST_DELETE };
const char *rest_verb_name(enum rest_verb verb);

struct rest_change {
	enum rest_verb verb;
	const char *path;	/* as rest_path() makes it */
	const char *body;	/* JSON; NULL: none */
};

/*
 * Told of a change before it is asked for (came is NULL; a negative result
 * keeps it from being asked for) and of what came of it.
 */
typedef int rest_watch_fn(void *arg, const struct rest_change *change,
			  const char *came, struct err *err);
void rest_watch(struct rest *rest, rest_watch_fn *watch, void *arg);

/*
 * Ask for a change; the answer in *ret, or NULL.  It is asked for again where
 * the array says that it did nothing: busy, or the session had ended.  -EPERM:
 * refused; -EACCES: for want of rights, or by SafeMode; -ENOENT; -EIO: it
 * failed.  -EINPROGRESS: there was no answer, and whether it was done is not
 * known: look before asking again.
 */
int rest_change(struct rest *rest, const struct rest_change *change,
		struct jdoc *ret, struct err *err);

/* rest_journal.c: a watcher that writes the changes into a run's journal. */
struct run;
struct rest_journal {
	struct run *run;
	const char *array;	/* as it is called there */
	uint64_t count;
};
rest_watch_fn rest_journal_note;	/* arg: struct rest_journal */

#endif
