#include "fs/base/codec.h"

#include <isa-l/igzip_lib.h>
#include <stdlib.h>

#define LEVEL 2
#define LEVEL_SIZE ISAL_DEF_LVL2_DEFAULT
#define OUT_SIZE (64 * 1024)
#define IN_MAX (1u << 20)	/* the compressor counts in 32 bits */

struct deflate {
	struct isal_zstream isal;
	uint8_t level[LEVEL_SIZE];
	uint8_t out[OUT_SIZE];
};

struct deflate *deflate_new(void)
{
	struct deflate *deflate = calloc(1, sizeof(*deflate));

	if (!deflate)
		return NULL;
	isal_deflate_init(&deflate->isal);
	deflate->isal.gzip_flag = IGZIP_GZIP;
	deflate->isal.level = LEVEL;
	deflate->isal.level_buf = deflate->level;
	deflate->isal.level_buf_size = LEVEL_SIZE;
	return deflate;
}

void deflate_free(struct deflate *deflate)
{
	free(deflate);
}

/* One call of the compressor, and what came out of it put. */
static int step(struct deflate *deflate, const struct outlet *to,
		struct err *err)
{
	struct isal_zstream *isal = &deflate->isal;
	size_t made;
	int r;

	isal->next_out = deflate->out;
	isal->avail_out = OUT_SIZE;
	r = isal_deflate(isal);
	if (r != COMP_OK)
		return err_set(err, -EIO, "cannot compress to gzip (%d)", r);
	made = OUT_SIZE - isal->avail_out;
	return made ? to->put(to->arg, span_of(deflate->out, made), err) : 0;
}

int deflate_put(struct deflate *deflate, struct span plain,
		const struct outlet *to, struct err *err)
{
	struct isal_zstream *isal = &deflate->isal;

	while (plain.len > 0) {
		size_t n = plain.len < IN_MAX ? plain.len : IN_MAX;
		int r = 0;

		/* next_in is only read from */
		isal->next_in = (uint8_t *)(uintptr_t)plain.data;
		isal->avail_in = (uint32_t)n;
		while (r == 0 && isal->avail_in > 0)
			r = step(deflate, to, err);
		if (r < 0)
			return r;
		plain.data += n;
		plain.len -= n;
	}
	return 0;
}

int deflate_end(struct deflate *deflate, const struct outlet *to,
		struct err *err)
{
	struct isal_zstream *isal = &deflate->isal;
	int r = 0;

	isal->next_in = deflate->out;	/* none of it is read */
	isal->avail_in = 0;
	isal->end_of_stream = 1;
	while (r == 0 && isal->internal_state.state != ZSTATE_END)
		r = step(deflate, to, err);
	return r;
}
