/* tar_maker: tar streams made by hand, also such as no tar writes. */
#ifndef VARVE_TAR_MAKER_H
#define VARVE_TAR_MAKER_H

#include "fs/base/buf.h"

enum maker_dialect { MAKER_USTAR = 1, MAKER_GNU, MAKER_V7, MAKER_STAR };

/* A header of 512 bytes appended; gives its offset, for maker_patch(). */
size_t maker_header(struct buf *tar, enum maker_dialect dialect,
		    const char *name, char type, uint64_t size);
/* Write over a field of the header at offset `at`, and set its sum anew. */
void maker_patch(struct buf *tar, size_t at, size_t field, const void *bytes,
		 size_t len);
void maker_sum(uint8_t *header);
/* Data padded to whole blocks. */
void maker_data(struct buf *tar, const void *data, size_t len);
void maker_text(struct buf *tar, const char *text);
/* A file of text with its header. */
void maker_file(struct buf *tar, enum maker_dialect dialect,
		const char *name, const char *text);
/* "KEY=VALUE" pairs (NULL-terminated list) as a header of type x or g. */
void maker_pax(struct buf *tar, int type, ...);
void maker_record(struct buf *pax, const char *key, struct span value);
/* Two zero blocks. */
void maker_end(struct buf *tar);

#endif
