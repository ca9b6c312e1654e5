/*
 * digest: SHA-256, which other machines' sha256sum says too.  Pure.
 */
#ifndef VARVE_DIGEST_H
#define VARVE_DIGEST_H

#include <nettle/sha2.h>

#include "fs/base/buf.h"

#define DIGEST_TEXT 65

struct digest {
	struct sha256_ctx state;
};

void digest_begin(struct digest *digest);
void digest_put(struct digest *digest, struct span bytes);
/* As 64 hex digits; then it may begin again. */
void digest_end(struct digest *digest, char out[DIGEST_TEXT]);

#endif
