/*
 * redact: secrets taken out of documents before anything is written.
 *
 * What is one is told by where it stands (a key such as apiToken, the data of
 * a Secret, "token: …" within a text) and by its shape (T-<uuid>, PEM, JWT,
 * a bearer's token, a password in a URL).  A value that was once seen where
 * a secret stands is one wherever else it stands, in any case of its letters
 * and in base64.  So all documents are gone through once before the first is
 * written: REDACTED takes the place of what is found.
 *
 * Errs on the side of taking too much.  But what is shorter than SECRET_MIN, or
 * might as well be a word or a name (a password "postgres"), is taken out where
 * it stands and not looked for elsewhere: names are what documents are matched
 * by.
 *
 * Values are kept in memory only, and wiped when it is freed.  One thread.
 */
#ifndef VARVE_REDACT_H
#define VARVE_REDACT_H

#include "fs/base/jdoc.h"

#define REDACTED "[redacted]"
#define SECRET_MIN 8
#define SECRETS_MAX 8192
#define SECRET_BYTES_MAX (8u << 20)
#define REDACT_NESTED_MAX 3	/* JSON in a string in JSON … */

struct redact;

struct redact *redact_new(void);
void redact_free(struct redact *redact);

/* Take value for a secret from now on.  -E2BIG: over a limit. */
int redact_know(struct redact *redact, struct span value, struct err *err);

/* Append text without its secrets; what is found where one stands is known
 * from then on.  *ret_count (or NULL) is added to. */
int redact_text(struct redact *redact, struct span text, struct buf *out,
		uint64_t *ret_count, struct err *err);
/* The same of a document, as JSON. */
int redact_json(struct redact *redact, const struct jnode *root, bool pretty,
		struct buf *out, uint64_t *ret_count, struct err *err);

/* Does bytes hold a known secret, or one that its shape shows? */
bool redact_finds(const struct redact *redact, struct span bytes);

/* What a key says of its value. */
enum key_class {
	KEY_PLAIN = 1,
	KEY_NAMING,	/* certificate, ca: taken out, looked for nowhere else */
	KEY_WEAK,	/* secret, token: a mere reference may stand below it */
	KEY_STRONG,	/* all below it is secret */
};
enum key_class redact_key(struct span key);

#endif
