#include "fs/out/pax_write.h"

#include <inttypes.h>
#include <stdio.h>

/*
 * A ustar header:
 *
 *     offset  len
 *        0    100   name
 *      100      8   mode
 *      108      8   uid
 *      116      8   gid
 *      124     12   size
 *      136     12   mtime
 *      148      8   sum of all bytes, these taken as blanks
 *      156      1   type
 *      157    100   link target
 *      257      8   "ustar\0" "00"
 *      265     32   uname
 *      297     32   gname
 *      329      8   major
 *      337      8   minor
 *      345    155   prefix: stands before name with a '/' between
 *
 * Numbers are octal digits and a NUL; one that is longer, or negative, is in
 * base 256, its first bit set, as GNU tar has it.
 */
#define NAME_LEN 100
#define PREFIX_LEN 155
#define OWNER_LEN 32
#define MTIME_OCTAL_MAX 077777777777ll

/* Where a file with holes stands for those who do not know of them. */
#define SPARSE_DIR "GNUSparseFile.0/"
#define EXTENDED_DIR "PaxHeaders/"

void pax_record(struct buf *records, const char *key, struct span value)
{
	size_t rest = strlen(key) + value.len + 3;	/* " ", "=", "\n" */
	size_t len = rest + 1, digits = 1;

	/* the length counts its own digits */
	for (size_t limit = 10; len >= limit; limit *= 10)
		len = rest + ++digits;
	buf_printf(records, "%zu %s=", len, key);
	buf_append(records, value.data, value.len);
	buf_append_byte(records, '\n');
}

static void record_u64(struct buf *records, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	pax_record(records, key, span_str(text));
}

/* Sign and magnitude: -1.75 is { -2, 250000000 }. */
static void record_time(struct buf *records, const char *key, struct stamp t)
{
	bool minus = t.s < 0;
	uint64_t s = minus ? 0 - (uint64_t)t.s : (uint64_t)t.s;
	uint32_t ns = t.ns;
	char text[48];
	int n;

	if (minus && ns) {
		s--;
		ns = 1000000000 - ns;
	}
	n = snprintf(text, sizeof(text), "%s%" PRIu64, minus ? "-" : "", s);
	if (ns)
		snprintf(text + n, sizeof(text) - (size_t)n, ".%09" PRIu32,
			 ns);
	pax_record(records, key, span_str(text));
}

/* A number into a field of len bytes; false: it had to be in base 256. */
static bool put_number(uint8_t *field, size_t len, int64_t value)
{
	uint64_t v = (uint64_t)value;
	bool octal = value >= 0 && (v >> 3 * (len - 1)) == 0;

	if (octal) {
		for (size_t i = len - 1; i-- > 0; v >>= 3)
			field[i] = (uint8_t)('0' + (v & 7));
		return true;
	}
	for (size_t i = len; i-- > 0;) {
		field[i] = (uint8_t)v;
		/* the sign goes on to the left */
		v = v >> 8 | (value < 0 ? UINT64_MAX << 56 : 0);
	}
	field[0] |= 0x80;
	return false;
}

/* False: it is cut off. */
static bool put_text(uint8_t *field, size_t len, struct span text)
{
	memcpy(field, text.data ? text.data : (const uint8_t *)"",
	       text.len < len ? text.len : len);
	return text.len <= len;
}

/* The name, its beginning in prefix where it is long and has a '/' to be
 * parted at. */
static bool put_path(uint8_t *header, struct span path)
{
	if (path.len <= NAME_LEN)
		return put_text(header, NAME_LEN, path);
	for (size_t at = path.len - NAME_LEN - 1;
	     at <= PREFIX_LEN && at + 1 < path.len; at++) {
		if (path.data[at] != '/' || at == 0)
			continue;
		put_text(header + 345, PREFIX_LEN, span_of(path.data, at));
		return put_text(header, NAME_LEN, span_of(
			path.data + at + 1, path.len - at - 1));
	}
	return put_text(header, NAME_LEN, path);
}

/* The last name of path, without the slash behind a directory's. */
static struct span last_name(struct span path)
{
	size_t at;

	while (path.len > 1 && path.data[path.len - 1] == '/')
		path.len--;
	at = path.len;
	while (at > 0 && path.data[at - 1] != '/')
		at--;
	return span_of(path.data + at, path.len - at);
}

static void put_sum(uint8_t *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < PAX_BLOCK; i++)
		sum += header[i];
	put_number(header + 148, 7, sum);
	header[154] = '\0';
}

/* "DIR/" and as much of path's last name as there is room for. */
static void put_stand_in(uint8_t *header, const char *dir, struct span path)
{
	size_t n = strlen(dir);

	memcpy(header, dir, n);
	put_text(header + n, NAME_LEN - n, last_name(path));
}

static void put_magic(uint8_t *header, int type)
{
	header[156] = (uint8_t)type;
	memcpy(header + 257, "ustar\0" "00", 8);
}

static void put_owner(uint8_t *header, const struct pax_member *m,
		      struct buf *records)
{
	if (!put_number(header + 108, 8, m->uid))
		record_u64(records, "uid", m->uid);
	if (!put_number(header + 116, 8, m->gid))
		record_u64(records, "gid", m->gid);
	/* a NUL must stand behind these two */
	if (!put_text(header + 265, OWNER_LEN - 1, m->uname))
		pax_record(records, "uname", m->uname);
	if (!put_text(header + 297, OWNER_LEN - 1, m->gname))
		pax_record(records, "gname", m->gname);
}

static void put_names(uint8_t *header, const struct pax_member *m,
		      struct buf *records)
{
	if (m->sparse) {
		put_stand_in(header, SPARSE_DIR, m->path);
		pax_record(records, "GNU.sparse.major", span_str("1"));
		pax_record(records, "GNU.sparse.minor", span_str("0"));
		pax_record(records, "GNU.sparse.name", m->path);
		record_u64(records, "GNU.sparse.realsize", m->real_size);
	} else if (!put_path(header, m->path)) {
		pax_record(records, "path", m->path);
	}
	if (!put_text(header + 157, NAME_LEN, m->link))
		pax_record(records, "linkpath", m->link);
}

/* The ustar header, and records for what it has no room for. */
static void put_header(uint8_t *header, const struct pax_member *m,
		       struct buf *records)
{
	bool device = m->type == PAX_CHAR || m->type == PAX_BLOCK_DEVICE;

	put_magic(header, m->type);
	put_names(header, m, records);
	put_number(header + 100, 8, m->mode & 07777);
	put_owner(header, m, records);
	if (!put_number(header + 124, 12, (int64_t)m->size))
		record_u64(records, "size", m->size);
	if (!put_number(header + 136, 12, m->mtime.s) || m->mtime.ns)
		record_time(records, "mtime", m->mtime);
	put_number(header + 329, 8, device ? m->dev_major : 0);
	put_number(header + 337, 8, device ? m->dev_minor : 0);
	put_sum(header);
}

/* The extended header's own header tells nothing of the member, but where it
 * belongs. */
static void put_extended_header(struct span path, int64_t s, size_t len,
				struct buf *out)
{
	uint8_t header[PAX_BLOCK] = { 0 };

	put_magic(header, 'x');
	put_stand_in(header, EXTENDED_DIR, path);
	put_number(header + 100, 8, 0644);
	put_number(header + 108, 8, 0);
	put_number(header + 116, 8, 0);
	put_number(header + 124, 12, (int64_t)len);
	put_number(header + 136, 12, s < 0 || s > MTIME_OCTAL_MAX ? 0 : s);
	put_number(header + 329, 8, 0);
	put_number(header + 337, 8, 0);
	put_sum(header);
	buf_append(out, header, sizeof(header));
}

void pax_write(const struct pax_member *member, struct span records,
	       struct buf *out)
{
	OWNED_BUF struct buf all = BUF_INIT;
	uint8_t header[PAX_BLOCK] = { 0 };

	put_header(header, member, &all);
	buf_append(&all, records.data, records.len);
	if (buf_failed(&all)) {
		out->failed = true;
		return;
	}
	if (all.len > 0) {
		put_extended_header(member->path, member->mtime.s, all.len,
				    out);
		buf_append(out, all.data, all.len);
		buf_append_zero(out, pax_padding(all.len));
	}
	buf_append(out, header, sizeof(header));
}

void pax_write_end(uint64_t written, struct buf *out)
{
	size_t end = 2 * PAX_BLOCK;
	size_t over = (size_t)((written + end) % PAX_ARCHIVE_BLOCK);

	if (over)
		end += PAX_ARCHIVE_BLOCK - over;
	buf_append_zero(out, end);
}

void pax_write_broken_end(struct buf *out)
{
	put_extended_header(span_str("incomplete"), 0, PAX_BLOCK, out);
}
