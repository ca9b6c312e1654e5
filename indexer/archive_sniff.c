#include "indexer/archive_internal.h"

#include <stdio.h>
#include <strings.h>

struct magic {
	int is;
	size_t at;
	size_t len;
	const char *bytes;
};

static const struct magic packings[] = {
	{ PACKING_GZIP, 0, 3, "\x1f\x8b\x08" },
	{ PACKING_XZ, 0, 6, "\xfd" "7zXZ\0" },
	{ PACKING_ZSTD, 0, 4, "\x28\xb5\x2f\xfd" },
	{ PACKING_LZ4, 0, 4, "\x04\x22\x4d\x18" },
	{ PACKING_LZ4, 0, 4, "\x02\x21\x4c\x18" },
	{ PACKING_LZIP, 0, 5, "LZIP\0" },
	{ PACKING_LZIP, 0, 5, "LZIP\1" },
	{ PACKING_LZOP, 0, 9, "\x89LZO\0\r\n\x1a\n" },
	{ PACKING_COMPRESS, 0, 2, "\x1f\x9d" },
	{ PACKING_LRZIP, 0, 5, "LRZI\0" },
	{ PACKING_GRZIP, 0, 12, "GRZipII\0\2\4:)" },
	{ PACKING_RPM, 0, 5, "\xed\xab\xee\xdb\3" },
	{ PACKING_UU, 0, 13, "begin-base64 " },
};

static const struct magic forms[] = {
	{ FORM_ZIP, 0, 4, "PK\3\4" },
	{ FORM_ZIP, 0, 4, "PK\5\6" },
	{ FORM_7ZIP, 0, 6, "7z\xbc\xaf\x27\x1c" },
	{ FORM_RAR, 0, 6, "Rar!\x1a\x07" },
	{ FORM_CAB, 0, 8, "MSCF\0\0\0\0" },
	{ FORM_AR, 0, 8, "!<arch>\n" },
	{ FORM_XAR, 0, 4, "xar!" },
	{ FORM_WARC, 0, 7, "WARC/1." },
	{ FORM_ISO, 32769, 5, "CD001" },
};

static int match(const struct magic *magics, size_t count, struct span head)
{
	for (size_t i = 0; i < count; i++) {
		const struct magic *m = &magics[i];

		if (head.len >= m->at + m->len &&
		    !memcmp(head.data + m->at, m->bytes, m->len))
			return m->is;
	}
	return 0;
}

static bool span_digits(struct span head, size_t len, int base)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t c = head.data[i];

		if (c >= '0' && c < (base == 8 ? '8' : '9' + 1))
			continue;
		c |= 0x20;
		if (base == 8 || c < 'a' || c > 'f')
			return false;
	}
	return true;
}

static bool is_bzip2(struct span head)
{
	return head.len >= 10 && !memcmp(head.data, "BZh", 3) &&
	       head.data[3] >= '1' && head.data[3] <= '9' &&
	       (!memcmp(head.data + 4, "\x31\x41\x59\x26\x53\x59", 6) ||
		!memcmp(head.data + 4, "\x17\x72\x45\x38\x50\x90", 6));
}

/*
 * An .lzma header has no magic: properties 0x5d, a dictionary size that is a
 * power of two or one and a half of it, and a length that is unknown or sane.
 */
static bool is_lzma(struct span head)
{
	uint32_t dict;
	uint64_t len;

	if (head.len < 14 || head.data[0] != 0x5d || head.data[13] != 0)
		return false;
	dict = get_le32(head.data + 1);
	len = get_le64(head.data + 5);
	while (dict && !(dict & 1))
		dict >>= 1;
	return (dict == 1 || dict == 3) &&
	       (len == UINT64_MAX || len < (1ull << 44));
}

/* A zstd stream may begin with skippable frames (pzstd's does). */
static bool is_zstd_skippable(struct span head)
{
	return head.len >= 8 && (head.data[0] & 0xf0) == 0x50 &&
	       !memcmp(head.data + 1, "\x2a\x4d\x18", 3);
}

/* "begin 644 name" on the first line. */
static bool is_uu(struct span head)
{
	return head.len >= 12 && !memcmp(head.data, "begin ", 6) &&
	       span_digits(span_of(head.data + 6, 3), 3, 8) &&
	       head.data[9] == ' ' &&
	       memchr(head.data, '\n', head.len < 1024 ? head.len : 1024);
}

enum packing sniff_packing(struct span head)
{
	int is = match(packings, sizeof(packings) / sizeof(packings[0]), head);

	if (is)
		return (enum packing)is;
	if (is_bzip2(head))
		return PACKING_BZIP2;
	if (is_zstd_skippable(head))
		return PACKING_ZSTD;
	if (is_uu(head))
		return PACKING_UU;
	return is_lzma(head) ? PACKING_LZMA : PACKING_NONE;
}

/* Headers of cpio: digits throughout, or a magic number of two bytes, which
 * is too little to go by without the name that follows. */
static bool is_cpio(struct span head)
{
	size_t len;
	bool swapped;

	if (head.len >= 110 && !memcmp(head.data, "07070", 5) &&
	    (head.data[5] == '1' || head.data[5] == '2'))
		return span_digits(head, 110, 16);
	if (head.len >= 76 && !memcmp(head.data, "070707", 6))
		return span_digits(head, 76, 8);
	if (head.len < 28 || (memcmp(head.data, "\xc7\x71", 2) != 0 &&
			      memcmp(head.data, "\x71\xc7", 2) != 0))
		return false;
	swapped = head.data[0] == 0x71;
	len = (size_t)head.data[20 + swapped] |
	      (size_t)head.data[21 - swapped] << 8;
	return len > 1 && len <= 4096 && 26 + len <= head.len &&
	       strnlen((const char *)head.data + 26, len) == len - 1;
}

static bool is_lha(struct span head)
{
	return head.len >= 22 && !memcmp(head.data + 2, "-lh", 3) &&
	       head.data[6] == '-' && head.data[20] <= 3;
}

/* An archive of no members is nothing but its end mark. */
static bool is_empty_tar(struct span head, bool whole)
{
	size_t want = 2 * TAR_BLOCK;

	if (head.len < want && !(whole && head.len == TAR_BLOCK))
		return false;
	if (head.len < want)
		want = TAR_BLOCK;
	for (size_t i = 0; i < want; i++) {
		if (head.data[i])
			return false;
	}
	return true;
}

enum form sniff_form(struct span head, bool whole)
{
	int is;

	if (head.len >= TAR_BLOCK && header_is_good(head.data))
		return FORM_TAR;
	is = match(forms, sizeof(forms) / sizeof(forms[0]), head);
	if (is)
		return (enum form)is;
	if (is_cpio(head))
		return FORM_CPIO;
	if (is_lha(head))
		return FORM_LHA;
	return is_empty_tar(head, whole) ? FORM_TAR : FORM_NONE;
}

bool unpack_head(enum packing packing, struct span head, struct buf *ret)
{
	struct decoder *decoder;
	bool ended = false;
	size_t n;

	if (decoder_unpack(packing, source_memory(head), NULL, &decoder,
			   NULL) < 0)
		return false;
	/* The head is cut off anywhere, so an error here means nothing. */
	while (!ended && ret->len < SNIFF_MAX &&
	       buf_reserve(ret, SNIFF_MAX) == 0) {
		if (decoder->read(decoder, ret->data + ret->len,
				  SNIFF_MAX - ret->len, &n, NULL) < 0)
			break;
		ended = n == 0;
		ret->len += n;
		/* Layers below want more; to tell formats this does. */
		if (ret->len >= ARCHIVE_HEAD &&
		    sniff_packing(buf_span(ret)) == PACKING_NONE)
			break;
	}
	decoder_free(decoder);
	return ended;
}

enum form sniff_layers(struct span head, bool whole, struct layers *ret)
{
	OWNED_BUF struct buf plain = BUF_INIT;
	enum form form = FORM_NONE;
	enum packing packing;

	*ret = (struct layers){ .count = 0 };
	while (ret->count < PEEL_MAX) {
		OWNED_BUF struct buf next = BUF_INIT;

		packing = sniff_packing(head);
		if (packing == PACKING_NONE)
			break;
		ret->list[ret->count++] = packing;
		whole = unpack_head(packing, head, &next);
		buf_swap(&plain, &next);
		head = buf_span(&plain);
	}
	if (sniff_packing(head) == PACKING_NONE)
		form = sniff_form(head, whole);
	if (form == FORM_NONE && ret->count > 1)
		ret->count = 1;
	return form;
}

const char *packing_name(enum packing packing)
{
	static const char *const names[] = {
		[PACKING_GZIP] = "gzip", [PACKING_BZIP2] = "bzip2",
		[PACKING_XZ] = "xz", [PACKING_ZSTD] = "zstd",
		[PACKING_LZ4] = "lz4", [PACKING_LZIP] = "lzip",
		[PACKING_LZMA] = "lzma", [PACKING_LZOP] = "lzop",
		[PACKING_COMPRESS] = "compress", [PACKING_LRZIP] = "lrzip",
		[PACKING_GRZIP] = "grzip", [PACKING_UU] = "uuencode",
		[PACKING_RPM] = "rpm",
	};

	return packing > PACKING_NONE ? names[packing] : "plain";
}

void layers_name(const struct layers *layers, char *ret, size_t size)
{
	size_t at = 0;

	ret[0] = '\0';
	for (unsigned i = layers->count; i-- && at < size;)
		at += (size_t)snprintf(ret + at, size - at, ", %s",
				       packing_name(layers->list[i]));
}

static bool ends_with(const char *name, const char *ending)
{
	size_t n = strlen(name), e = strlen(ending);

	return n > e && !strcasecmp(name + n - e, ending);
}

static const char *const endings[] = {
	".gz", ".bz2", ".xz", ".zst", ".zstd", ".lz4", ".lz", ".lzma",
	".lzo", ".Z", ".z", ".uu", ".lrz", ".grz", NULL,
};

size_t sniff_plain_name(const char *name)
{
	for (size_t i = 0; endings[i]; i++) {
		if (ends_with(name, endings[i]))
			return strlen(name) - strlen(endings[i]);
	}
	return strlen(name);
}

bool sniff_named_tar(const char *name)
{
	static const char *const tars[] = {
		".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst", ".tlz",
		".taz", NULL,
	};
	char plain[256];
	size_t n;

	for (size_t i = 0; tars[i]; i++) {
		if (ends_with(name, tars[i]))
			return true;
	}
	n = sniff_plain_name(name);
	if (n < 4 || n >= sizeof(plain))
		return false;
	memcpy(plain, name, n);
	plain[n] = '\0';
	/* "x.tar.gz.xz" */
	return name[n] && sniff_named_tar(plain);
}

bool archive_is_named(struct span path)
{
	const uint8_t *slash = memrchr(path.data, '/', path.len);
	size_t at = slash ? (size_t)(slash - path.data) + 1 : 0;
	char name[256];

	if (path.len - at >= sizeof(name))
		return false;
	memcpy(name, path.data + at, path.len - at);
	name[path.len - at] = '\0';
	return sniff_named_tar(name) || ends_with(name, ".zip") ||
	       ends_with(name, ".7z") ||
	       ends_with(name, ".cpio") || ends_with(name, ".cpio.gz");
}
