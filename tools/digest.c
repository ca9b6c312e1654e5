#include "tools/digest.h"

#include "fs/base/id.h"

void digest_begin(struct digest *digest)
{
	sha256_init(&digest->state);
}

void digest_put(struct digest *digest, struct span bytes)
{
	sha256_update(&digest->state, bytes.len, bytes.data);
}

void digest_end(struct digest *digest, char out[DIGEST_TEXT])
{
	uint8_t raw[SHA256_DIGEST_SIZE];

	sha256_digest(&digest->state, sizeof(raw), raw);
	hex_write(raw, sizeof(raw), out);
}
