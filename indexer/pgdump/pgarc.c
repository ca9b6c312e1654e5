#include "indexer/pgdump/pgarc_internal.h"

#include <stdlib.h>

const struct pgarc_toc *pgarc_toc(const struct pgarc *arc)
{
	return &arc->own.toc;
}

void pgarc_free(struct pgarc *arc)
{
	if (!arc)
		return;
	if (arc->close)
		arc->close(arc);
	toc_release(&arc->own);
	free(arc);
}

bool pgarc_is(struct span head)
{
	size_t len = strlen(PGARC_MAGIC);

	if (head.len >= len && !memcmp(head.data, PGARC_MAGIC, len))
		return true;
	/* A tar, whose first member has a name that no other tar's has. */
	return head.len >= 512 && !memcmp(head.data, "toc.dat", 8) &&
	       !memcmp(head.data + 257, "ustar", 5);
}

/* Of a stream: a custom archive where it begins so, else a tar. */
static int open_stream(struct pgarc *arc, struct err *err)
{
	uint8_t magic[5];
	int r = take_exact(&arc->take, magic, sizeof(magic), err);

	if (r < 0)
		return r;
	take_back(&arc->take, magic, sizeof(magic));
	if (memcmp(magic, PGARC_MAGIC, sizeof(magic)))
		return tar_open(arc, err);
	r = toc_read(&arc->take, PGARC_CUSTOM, &arc->own, err);
	return r < 0 ? r : custom_begin(arc, err);
}

int pgarc_open(const struct pgarc_input *input, struct pgarc **ret,
	       struct err *err)
{
	struct pgarc *arc = calloc(1, sizeof(*arc));
	int r;

	if (!arc)
		return err_nomem(err);
	take_init(&arc->take, input, "the archive");
	r = open_stream(arc, err);
	if (r < 0) {
		pgarc_free(arc);
		return r;
	}
	*ret = arc;
	return 0;
}

int pgarc_open_dir(int dir, struct pgarc **ret, struct err *err)
{
	struct pgarc *arc = calloc(1, sizeof(*arc));
	int r;

	if (!arc)
		return err_nomem(err);
	r = dir_open(arc, dir, err);
	if (r < 0) {
		pgarc_free(arc);
		return r;
	}
	*ret = arc;
	return 0;
}
