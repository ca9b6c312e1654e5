#include "indexer/archive_internal.h"

/*
 * A tar header, 512 bytes:
 *
 *     offset  len   v7      ustar       old GNU        star
 *        0    100   name
 *      100      8   mode
 *      108      8   uid
 *      116      8   gid
 *      124     12   size
 *      136     12   mtime
 *      148      8   sum of all bytes, these taken as blanks
 *      156      1   type
 *      157    100   link target
 *      257      8           "ustar\0"   "ustar  \0"    "ustar\0"
 *      265     32           uname
 *      297     32           gname
 *      329      8           major
 *      337      8           minor
 *      345    155           prefix      345 atime 12   prefix (131)
 *                                       357 ctime 12   355 isextended
 *                                       386 4 regions  356 4 regions
 *                                       482 isextended 452 real size 12
 *                                       483 real size  476 atime, ctime
 *      508      4                                      "tar\0"
 *
 * A region is offset[12] and length[12].  An extension block: 21 regions, then
 * isextended at 504.  Numbers: octal with blanks or NULs around it, or
 * base-256 where the first byte is 0x80 (positive) or 0xff (negative).
 */

bool header_is_zero(const uint8_t block[TAR_BLOCK])
{
	static const uint8_t zero[TAR_BLOCK];

	return !memcmp(block, zero, TAR_BLOCK);
}

static int base256(const uint8_t *field, size_t len, int64_t *ret)
{
	/* Sign-extended from bit 6 of the first byte. */
	uint64_t v = field[0] & 0x40 ? UINT64_MAX << 6 | (field[0] & 0x3fu)
				     : field[0] & 0x3fu;

	for (size_t i = 1; i < len; i++) {
		uint64_t top = v >> 55;

		if (top != 0 && top != (UINT64_MAX >> 55))
			return -ERANGE;
		v = v << 8 | field[i];
	}
	*ret = (int64_t)v;
	return 0;
}

int header_number(const uint8_t *field, size_t len, int64_t *ret)
{
	uint64_t v = 0;
	size_t i = 0;

	if (field[0] == 0x80 || field[0] == 0xff)
		return base256(field, len, ret);
	/* One old tar began its fields with a NUL. */
	if (field[0] == '\0')
		i++;
	while (i < len && (field[i] == ' ' || field[i] == '\t'))
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++) {
		if (v >> 60)
			return -ERANGE;
		v = v << 3 | (uint64_t)(field[i] - '0');
	}
	if (i < len && field[i] != '\0' && field[i] != ' ')
		return -EINVAL;
	*ret = (int64_t)v;
	return 0;
}

bool header_is_good(const uint8_t block[TAR_BLOCK])
{
	int64_t told, plain = 8 * ' ', with_sign = 8 * ' ';

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		if (i >= 148 && i < 156)
			continue;
		plain += block[i];
		with_sign += (int8_t)block[i];
	}
	/* All else zero: a zero block, or nothing that names a member. */
	if (plain == 8 * ' ')
		return false;
	if (header_number(block + 148, 8, &told) < 0)
		return false;
	return told == plain || told == with_sign;
}

static void text(char *out, const uint8_t *field, size_t len)
{
	memcpy(out, field, len);
	out[len] = '\0';
}

static enum dialect dialect_of(const uint8_t block[TAR_BLOCK])
{
	if (!memcmp(block + 257, "ustar  ", 8))
		return DIALECT_GNU;
	if (memcmp(block + 257, "ustar", 5) != 0)
		return DIALECT_V7;
	/* Some write "ustar " with a blank and go on as POSIX has it. */
	if (block[262] != '\0' && block[262] != ' ')
		return DIALECT_V7;
	if (!memcmp(block + 508, "tar", 4) && block[475] == '\0')
		return DIALECT_STAR;
	return DIALECT_USTAR;
}

static int64_t number(struct header *h, const uint8_t *field, size_t len,
		      const char *what)
{
	int64_t v;

	if (header_number(field, len, &v) < 0) {
		h->flaw = what;
		return 0;
	}
	return v;
}

static void names(const uint8_t b[TAR_BLOCK], struct header *h)
{
	size_t n = 0;

	if (h->dialect == DIALECT_USTAR || h->dialect == DIALECT_STAR) {
		size_t max = h->dialect == DIALECT_STAR ? 131 : 155;

		text(h->name, b + 345, max);
		n = strlen(h->name);
		if (n)
			h->name[n++] = '/';
	}
	text(h->name + n, b, 100);
	text(h->link, b + 157, 100);
	if (h->dialect == DIALECT_V7)
		return;
	text(h->uname, b + 265, 32);
	text(h->gname, b + 297, 32);
}

int header_parse(const uint8_t block[TAR_BLOCK], struct header *ret)
{
	struct header h = { .dialect = dialect_of(block) };
	int64_t size;

	h.type = (char)block[156];
	names(block, &h);
	h.mode = (uint16_t)(number(&h, block + 100, 8, "mode") & 07777);
	h.uid = number(&h, block + 108, 8, "owner");
	h.gid = number(&h, block + 116, 8, "group");
	h.mtime = number(&h, block + 136, 12, "time");
	if (h.type == '3' || h.type == '4') {
		h.dev_major = (uint64_t)number(&h, block + 329, 8, "device");
		h.dev_minor = (uint64_t)number(&h, block + 337, 8, "device");
	}
	if (header_number(block + 124, 12, &size) < 0 || size < 0 ||
	    size > INT64_MAX - 2 * TAR_BLOCK)
		return -EINVAL;
	h.size = (uint64_t)size;
	*ret = h;
	return 0;
}

/* Regions until the first that is unused. */
static int regions(const uint8_t *at, size_t count, struct map *map)
{
	int64_t offset, len;

	for (size_t i = 0; i < count; i++, at += 24) {
		if (!at[12] && !at[0])
			break;
		if (header_number(at, 12, &offset) < 0 || offset < 0 ||
		    header_number(at + 12, 12, &len) < 0 || len < 0)
			return -EINVAL;
		int r = map_add(map, (uint64_t)offset, (uint64_t)len);

		if (r < 0)
			return r;
	}
	return 0;
}

int header_sparse(const uint8_t block[TAR_BLOCK], bool star, struct map *map,
		  uint64_t *ret_real_size)
{
	int64_t real;
	int r = regions(block + (star ? 356 : 386), 4, map);

	if (r < 0)
		return r;
	if (header_number(block + (star ? 452 : 483), 12, &real) < 0 ||
	    real < 0)
		return -EINVAL;
	*ret_real_size = (uint64_t)real;
	return block[star ? 355 : 482] != 0;
}

int header_sparse_more(const uint8_t block[TAR_BLOCK], struct map *map)
{
	int r = regions(block, 21, map);

	return r < 0 ? r : block[504] != 0;
}
