/* redact_internal: what the files of the redactor share. */
#ifndef VARVE_REDACT_INTERNAL_H
#define VARVE_REDACT_INTERNAL_H

#include "indexer/pso/redact.h"

#define FIRST_SLOTS 64
#define SECRET_LEN_MAX 4096
#define ALIKE_MAX 32	/* secrets that begin alike: each costs at each place */
#define BASE64_SECRET_MIN 12
#define LINE_SECRET_MIN 16
#define KEY_LEN_MAX 96
#define WORD_LEN_MAX 12	/* letters: from here on it is no word */

struct secret {
	uint64_t prefix;
	uint8_t *text;		/* in lower case; NULL: the slot is free */
	size_t len;
	bool packed;		/* base64: what goes on behind it is of it */
};

struct redact {
	struct secret *slot;	/* open addressing; at most half are taken */
	size_t slots, count, bytes;
	uint8_t begins[65536 / 8];	/* bit: some begin with these two */
	unsigned nested;
};

uint8_t redact_fold(uint8_t c);
/* Letters and digits, as no word has them? */
bool redact_looks_drawn(struct span value);
/* Length of the longest known secret that begins there; 0: none. */
size_t redact_known_at(const struct redact *redact, struct span text,
		       size_t at);

#endif
