/*
 * Archives, whole, through the reader.  Whatever comes, the sink's contract is
 * kept; of an unpacked tar the stream given back is the input, byte by byte.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "indexer/archive_internal.h"
#include "tests/fuzz/fuzz_sink.h"

/* Headers of a tar: where each stands. */
#define HEADERS_MAX 256u
struct headers {
	size_t at[HEADERS_MAX], size[HEADERS_MAX];
	uint32_t count;
};

static void find_headers(struct span tar, struct headers *ret)
{
	size_t at = 0;

	ret->count = 0;
	while (at + TAR_BLOCK <= tar.len && ret->count < HEADERS_MAX) {
		int64_t size = 0;

		if (header_is_zero(tar.data + at)) {
			at += TAR_BLOCK;
			continue;
		}
		header_number(tar.data + at + 124, 12, &size);
		if (size < 0 || (uint64_t)size > tar.len)
			size = 0;
		ret->at[ret->count] = at;
		ret->size[ret->count++] = (size_t)size;
		at += TAR_BLOCK + ((size_t)size + 511) / 512 * 512;
	}
}

static void mend_sum(uint8_t *header)
{
	unsigned sum = 0;

	memset(header + 148, ' ', 8);
	for (unsigned i = 0; i < TAR_BLOCK; i++)
		sum += header[i];
	for (int i = 5; i >= 0; i--, sum >>= 3)
		header[148 + i] = (uint8_t)('0' + (sum & 7));
	header[154] = '\0';
}

/* Let each record of an extended header tell its own length, where that has
 * as many digits as before. */
static void mend_pax(uint8_t *data, size_t len)
{
	while (len > 0) {
		uint8_t *end = memchr(data, '\n', len);
		size_t line = end ? (size_t)(end - data) + 1 : len, digits = 0;
		size_t value = line;

		while (digits < line && data[digits] >= '0' &&
		       data[digits] <= '9')
			digits++;
		if (!end || digits == 0)
			return;
		for (size_t i = digits; i > 0; i--, value /= 10)
			data[i - 1] = (uint8_t)('0' + value % 10);
		data += line;
		len -= line;
	}
}

static void mend_tar(uint8_t *data, size_t len)
{
	struct headers headers;

	find_headers(span_of(data, len), &headers);
	for (uint32_t i = 0; i < headers.count; i++) {
		uint8_t *header = data + headers.at[i];
		size_t at = headers.at[i] + TAR_BLOCK;

		if ((header[156] == 'x' || header[156] == 'g') &&
		    at + headers.size[i] <= len)
			mend_pax(data + at, headers.size[i]);
		mend_sum(header);
	}
}

/* Fields that matter, and what is odd in them. */
static void change_field(uint8_t *header, struct fuzz_rng *rng)
{
	static const struct {
		uint16_t at, len;
	} fields[] = {
		{ 0, 100 }, { 100, 8 }, { 108, 8 }, { 116, 8 }, { 124, 12 },
		{ 136, 12 }, { 156, 1 }, { 157, 100 }, { 257, 8 }, { 265, 32 },
		{ 297, 32 }, { 329, 8 }, { 337, 8 }, { 345, 155 }, { 386, 97 },
		{ 482, 1 }, { 483, 12 },
	};
	static const char types[] = "\0" "01234567gxKLSDVMNAX";
	unsigned which = fuzz_below(rng, sizeof(fields) / sizeof(*fields));
	uint8_t *field = header + fields[which].at;
	size_t len = fields[which].len;

	switch (fuzz_below(rng, 4)) {
	case 0:
		header[156] = (uint8_t)types[fuzz_below(rng, 20)];
		break;
	case 1:				/* a small number */
		for (size_t i = 0; i + 1 < len; i++)
			field[i] = '0';
		if (len > 4)
			for (size_t i = len - 4; i + 1 < len; i++)
				field[i] = (uint8_t)('0' + fuzz_below(rng, 8));
		break;
	case 2:				/* base 256 */
		memset(field, 0, len);
		field[0] = fuzz_below(rng, 2) ? 0x80 : 0xff;
		field[len - 1] = (uint8_t)fuzz_random(rng);
		if (len > 8)
			field[4 + fuzz_below(rng, 4)] =
				(uint8_t)fuzz_random(rng);
		break;
	default:
		LLVMFuzzerMutate(field, len, len);
	}
}

/* Insert a member: a copy of one of this tar, with its data. */
static size_t insert_member(uint8_t *data, size_t len, size_t max,
			    const struct headers *headers,
			    struct fuzz_rng *rng)
{
	uint32_t from = fuzz_below(rng, headers->count);
	uint32_t to = fuzz_below(rng, headers->count);
	size_t at = headers->at[from], before = headers->at[to];
	size_t n = TAR_BLOCK + (headers->size[from] + 511) / 512 * 512;
	uint8_t *copy;

	if (at + n > len || len + n > max || !(copy = malloc(n)))
		return len;
	memcpy(copy, data + at, n);
	memmove(data + before + n, data + before, len - before);
	memcpy(data + before, copy, n);
	free(copy);
	return len + n;
}

static size_t change_tar(uint8_t *data, size_t len, size_t max,
			 struct fuzz_rng *rng)
{
	struct headers headers;
	uint32_t which;
	size_t body, size;

	find_headers(span_of(data, len), &headers);
	if (headers.count == 0)
		return LLVMFuzzerMutate(data, len, max);
	which = fuzz_below(rng, headers.count);
	body = headers.at[which] + TAR_BLOCK;
	size = headers.size[which];
	switch (fuzz_below(rng, 6)) {
	case 0:
		len = insert_member(data, len, max, &headers, rng);
		break;
	case 1:
		len = LLVMFuzzerMutate(data, len, max);
		break;
	case 2:
		if (size > 0 && body + size <= len)
			LLVMFuzzerMutate(data + body, size, size);
		break;
	case 3:				/* cut short */
		if (len > TAR_BLOCK)
			len -= fuzz_below(rng, (uint32_t)len / 2);
		break;
	default:
		change_field(data + headers.at[which], rng);
	}
	if (fuzz_mostly(rng))
		mend_tar(data, len);
	return len;
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	struct span head = span_of(data, len);

	if (sniff_packing(head) == PACKING_NONE &&
	    sniff_form(head, true) == FORM_TAR)
		return change_tar(data, len, max, rng);
	return LLVMFuzzerMutate(data, len, max);
}

static int open_input(const uint8_t *data, size_t len)
{
	static int fd = -1;

	if (fd < 0)
		fd = memfd_create("archive", MFD_CLOEXEC);
	FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0);
	FUZZ_CHECK(pwrite(fd, data, len, 0) == (ssize_t)len);
	FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static void check_stream(const struct sink *sink, struct span input)
{
	if (!sink->has_stream || sink->stream_len > FUZZ_STREAM_KEPT)
		return;
	FUZZ_CHECK(sniff_packing(input) != PACKING_NONE ||
		   span_equal(buf_span(&sink->stream), input));
}

/* Lends an input in pieces of odd sizes, each gone with the next. */
struct pieces {
	struct source source;
	struct span left;
	struct fuzz_rng rng;
	uint8_t *lent;
};

static int piece_next(struct source *source, struct span *ret,
		      struct err *err)
{
	struct pieces *pieces = (struct pieces *)source;
	static const uint32_t most[] = { 7, 700, 65536 };
	size_t n = 1 + fuzz_below(&pieces->rng,
				  most[fuzz_below(&pieces->rng, 3)]);

	(void)err;
	free(pieces->lent);
	pieces->lent = NULL;
	if (pieces->left.len == 0)
		return 0;
	if (n > pieces->left.len)
		n = pieces->left.len;
	pieces->lent = malloc(n);
	FUZZ_CHECK(pieces->lent != NULL);
	memcpy(pieces->lent, pieces->left.data, n);
	*ret = span_of(pieces->lent, n);
	pieces->left.data += n;
	pieces->left.len -= n;
	return 1;
}

static void piece_free(struct source *source)
{
	free(((struct pieces *)source)->lent);
	free(source);
}

/* Without the threads and large buffers of a whole read. */
static int read_pieces(struct span bytes, const struct input *input,
		       struct sink *sink, struct err *err)
{
	struct run run = { .input = input, .sink = sink, .err = err };
	struct pieces *pieces = calloc(1, sizeof(*pieces));
	struct window window;
	struct level level = {
		.run = &run, .window = &window, .name = "in",
		.depth = input->expand_depth, .limit = UINT64_MAX,
	};
	enum form form = sniff_form(bytes, true);
	int r;

	FUZZ_CHECK(pieces != NULL);
	pieces->source.next = piece_next;
	pieces->source.free = piece_free;
	pieces->left = bytes;
	pieces->rng = sink->rng;
	window_init(&window, &run, &pieces->source);
	level.view = form == FORM_TAR;
	r = form == FORM_TAR ? tar_read(&level)
	    : format_read(&level, form, -1);
	FUZZ_CHECK(r == run.fatal);
	window_release(&window);
	return r;
}

static bool by_pieces(struct span bytes)
{
	enum form form = sniff_form(bytes, true);

	return sniff_packing(bytes) == PACKING_NONE &&
	       (form == FORM_TAR || form == FORM_CPIO);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span bytes = span_of(data, len);
	struct sink sink = { .rng = fuzz_rng_of(bytes) };
	uint32_t mode = fuzz_below(&sink.rng, 16);
	bool pieces = by_pieces(bytes) && fuzz_mostly(&sink.rng);
	struct input input = {
		.path = mode & 1 ? "in.tar" : "-",
		.size = len, .expand = (mode & 2) != 0, .expand_depth = 3,
	};
	struct err err = ERR_INIT;
	int r;

	sink.refuse = mode == 4;
	if (mode == 8)
		sink.fail_at = 1 + fuzz_below(&sink.rng, 30);
	if (mode == 12)
		sink.stop_at = 1 + fuzz_below(&sink.rng, 30);
	if (pieces) {
		r = read_pieces(bytes, &input, &sink, &err);
	} else {
		input.fd = open_input(data, len);
		r = reader_archive.read(&input, &sink, &err);
	}
	FUZZ_CHECK(r == 0 || (r == err.code && err.text[0]));
	if (r == 0) {
		FUZZ_CHECK(!sink.open);
		FUZZ_CHECK(!sink.fail_at || sink.calls < sink.fail_at);
		check_stream(&sink, bytes);
	}
	buf_release(&sink.stream);
	return 0;
}
