#include "indexer/pgdump/pgarc_internal.h"

#include <stdlib.h>

struct unpack {
	enum pgarc_packing packing;
	bool any;		/* of packed bytes */
	struct inflate *inflate;
	struct unlz4 *unlz4;
	struct unzstd *unzstd;
	uint8_t out[PGARC_STEP];
};

/* in_file: gzip as files have it (a directory's), not bare zlib. */
struct unpack *unpack_new(enum pgarc_packing packing, bool in_file)
{
	struct unpack *unpack = malloc(sizeof(*unpack));
	bool made = true;

	if (!unpack)
		return NULL;
	unpack->packing = packing;
	unpack->any = false;
	unpack->inflate = NULL;
	unpack->unlz4 = NULL;
	unpack->unzstd = NULL;
	if (packing == PGARC_GZIP)
		made = (unpack->inflate = in_file ? inflate_new()
						  : inflate_new_zlib());
	else if (packing == PGARC_LZ4)
		made = (unpack->unlz4 = unlz4_new());
	else if (packing == PGARC_ZSTD)
		made = (unpack->unzstd = unzstd_new());
	if (!made) {
		unpack_free(unpack);
		return NULL;
	}
	return unpack;
}

void unpack_free(struct unpack *unpack)
{
	if (!unpack)
		return;
	inflate_free(unpack->inflate);
	unlz4_free(unpack->unlz4);
	unzstd_free(unpack->unzstd);
	free(unpack);
}

static int run(struct unpack *unpack, struct span *in, size_t *ret_len,
	       struct err *err)
{
	switch (unpack->packing) {
	case PGARC_GZIP:
		return inflate_run(unpack->inflate, in, unpack->out,
				   PGARC_STEP, ret_len, err);
	case PGARC_LZ4:
		return unlz4_run(unpack->unlz4, in, unpack->out, PGARC_STEP,
				 ret_len, err);
	default:
		return unzstd_run(unpack->unzstd, in, unpack->out, PGARC_STEP,
				  ret_len, err);
	}
}

int unpack_put(struct unpack *unpack, struct span packed,
	       const struct outlet *to, struct err *err)
{
	size_t len = 0, before;
	int r;

	if (!packed.len)
		return 0;
	unpack->any = true;
	if (unpack->packing == PGARC_PLAIN)
		return to->put(to->arg, packed, err);
	do {
		before = packed.len;
		len = 0;
		r = run(unpack, &packed, &len, err);
		if (r == 0 && len)
			r = to->put(to->arg, span_of(unpack->out, len), err);
	} while (r == 0 && (len || packed.len < before));
	return r;
}

int unpack_end(struct unpack *unpack, struct err *err)
{
	bool garbage = false;
	int r;

	if (!unpack->any)
		return 0;
	switch (unpack->packing) {
	case PGARC_GZIP:
		r = inflate_end(unpack->inflate, &garbage, err);
		break;
	case PGARC_LZ4:
		return unlz4_end(unpack->unlz4, err);
	case PGARC_ZSTD:
		return unzstd_end(unpack->unzstd, err);
	default:
		return 0;
	}
	if (r == 0 && garbage)
		return err_corrupt(err, "other bytes follow the compressed "
				   "ones");
	return r;
}
