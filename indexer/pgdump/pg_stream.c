#include "indexer/pgdump/pg_stream.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define STEP (256u << 10)

static int peel_next(void *arg, struct span *ret, struct err *err)
{
	struct pg_stream *stream = arg;
	const char *why;
	int r;

	peel_take(stream->peel, stream->lent);
	stream->lent = 0;
	*ret = peel_some(stream->peel);
	if (ret->len) {
		stream->lent = ret->len;
		return 1;
	}
	r = peel_stopped(stream->peel);
	if (r < 0)
		return err_set(err, r, "it was stopped");
	why = peel_why(stream->peel);
	return why ? err_corrupt(err, "%s", why) : 0;
}

void pg_stream_peel(struct pg_stream *stream, struct peel *peel)
{
	*stream = (struct pg_stream){
		.input = { .next = peel_next, .arg = stream },
		.peel = peel,
		.fd = -1,
	};
}

static int file_next(void *arg, struct span *ret, struct err *err)
{
	struct pg_stream *stream = arg;
	ssize_t n;

	do {
		n = pread(stream->fd, stream->bytes, STEP, (off_t)stream->at);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot read it");
	stream->at += (uint64_t)n;
	*ret = span_of(stream->bytes, (size_t)n);
	return n > 0;
}

static int file_seek(void *arg, uint64_t offset, struct err *err)
{
	struct pg_stream *stream = arg;

	if (offset > INT64_MAX)
		return err_corrupt(err, "it has no such place");
	stream->at = offset;
	return 0;
}

int pg_stream_file(struct pg_stream *stream, const struct input *input,
		   struct err *err)
{
	*stream = (struct pg_stream){
		.input = { file_next, file_seek, stream },
		.fd = input->fd,
		.owned = input->fd < 0,
	};
	if (stream->owned)
		stream->fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (stream->fd < 0)
		return err_sys(err, "cannot open '%s'", input->path);
	stream->bytes = malloc(STEP);
	if (!stream->bytes) {
		pg_stream_close(stream);
		return err_nomem(err);
	}
	return 0;
}

void pg_stream_close(struct pg_stream *stream)
{
	if (stream->owned && stream->fd >= 0)
		close(stream->fd);
	free(stream->bytes);
	stream->bytes = NULL;
	stream->fd = -1;
}
