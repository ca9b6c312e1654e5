#include "indexer/archive_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int run_fatal(struct run *run, int code)
{
	if (code < 0 && !run->fatal)
		run->fatal = code;
	return code;
}

int archive_run_open(struct run *run, const struct input *input, struct sink *sink,
	     struct err *err)
{
	int fd = input->fd, r;

	*run = (struct run){ .input = input, .sink = sink, .err = err };
	if (fd < 0)
		fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", input->path);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	r = tap_open(&run->tap, fd, err);
	if (r < 0 && input->fd < 0)
		close(fd);
	return r;
}

void archive_run_close(struct run *run)
{
	tap_close(&run->tap);
	if (run->input->fd < 0)
		close(run->tap.fd);
}

void run_progress(struct run *run, uint64_t taken)
{
	if (taken > run->told)
		run->told = taken;
	sink_progress(run->sink, run->told);
}

void source_free(struct source *source)
{
	if (source)
		source->free(source);
}

void decoder_free(struct decoder *decoder)
{
	if (decoder)
		decoder->free(decoder);
}

/* The tap. */

int tap_open(struct tap *tap, int fd, struct err *err)
{
	*tap = (struct tap){ .fd = fd, .wake = { -1, -1 } };
	if (pipe2(tap->wake, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	return 0;
}

void tap_close(struct tap *tap)
{
	for (int i = 0; i < 2; i++) {
		if (tap->wake[i] >= 0)
			close(tap->wake[i]);
		tap->wake[i] = -1;
	}
	buf_release(&tap->head);
}

static void tap_stop(struct tap *tap)
{
	ssize_t n = write(tap->wake[1], "", 1);

	(void)n;
}

/* A producer that is slow to write must not keep us from ending. */
static int tap_wait(struct tap *tap, struct err *err)
{
	struct pollfd fds[2] = {
		{ .fd = tap->fd, .events = POLLIN },
		{ .fd = tap->wake[0], .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return err_sys(err, "cannot wait for the input");
	}
	if (fds[1].revents)
		return err_set(err, -ECANCELED, "stopped");
	return 0;
}

static int tap_read(struct tap *tap, uint8_t *out, size_t cap,
		    size_t *ret_len, struct err *err)
{
	ssize_t n;
	int r;

	do {
		r = tap_wait(tap, err);
		if (r < 0)
			return r;
		n = read(tap->fd, out, cap);
	} while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return err_sys(err, "cannot read it");
	*ret_len = (size_t)n;
	return 0;
}

int tap_head(struct tap *tap, struct span *ret, struct err *err)
{
	size_t n = 1;
	int r = buf_reserve(&tap->head, ARCHIVE_HEAD);

	if (r < 0)
		return err_nomem(err);
	while (n && tap->head.len < ARCHIVE_HEAD) {
		r = tap_read(tap, tap->head.data + tap->head.len,
			     ARCHIVE_HEAD - tap->head.len, &n, err);
		if (r < 0)
			return r;
		tap->head.len += n;
	}
	*ret = buf_span(&tap->head);
	return 0;
}

struct tap_decoder {
	struct decoder base;
	struct tap *tap;
};

static int tap_decode(struct decoder *decoder, uint8_t *out, size_t cap,
		      size_t *ret_len, struct err *err)
{
	struct tap *tap = ((struct tap_decoder *)decoder)->tap;
	size_t left = tap->head.len - tap->head_at;
	size_t n = left < cap ? left : cap;
	int r = 0;

	if (n) {
		memcpy(out, tap->head.data + tap->head_at, n);
		tap->head_at += n;
	} else {
		r = tap_read(tap, out, cap, &n, err);
	}
	if (r < 0)
		return r;
	atomic_fetch_add_explicit(&tap->taken, n, memory_order_relaxed);
	*ret_len = n;
	return 0;
}

static void tap_decoder_free(struct decoder *decoder)
{
	free(decoder);
}

struct decoder *decoder_tap(struct tap *tap)
{
	struct tap_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->base = (struct decoder){ tap_decode, tap_decoder_free };
	d->tap = tap;
	return &d->base;
}

/* Sources. */

struct memory_source {
	struct source base;
	struct span bytes;
};

static int memory_next(struct source *source, struct span *ret,
		       struct err *err)
{
	struct memory_source *s = (struct memory_source *)source;

	(void)err;
	if (!s->bytes.len)
		return 0;
	*ret = s->bytes;
	s->bytes.len = 0;
	return 1;
}

static void memory_free(struct source *source)
{
	free(source);
}

struct source *source_memory(struct span bytes)
{
	struct memory_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct source){ memory_next, memory_free };
	s->bytes = bytes;
	return &s->base;
}

struct sync_source {
	struct source base;
	struct decoder *decoder;
	uint8_t data[ARCHIVE_BUFFER];
};

static int sync_next(struct source *source, struct span *ret,
		     struct err *err)
{
	struct sync_source *s = (struct sync_source *)source;
	size_t n;
	int r = s->decoder->read(s->decoder, s->data, sizeof(s->data), &n,
				 err);

	if (r < 0)
		return r;
	*ret = span_of(s->data, n);
	return n > 0;
}

static void sync_free(struct source *source)
{
	struct sync_source *s = (struct sync_source *)source;

	decoder_free(s->decoder);
	free(s);
}

struct source *source_sync(struct decoder *decoder)
{
	struct sync_source *s = decoder ? malloc(sizeof(*s)) : NULL;

	if (!s) {
		decoder_free(decoder);
		return NULL;
	}
	s->base = (struct source){ sync_next, sync_free };
	s->decoder = decoder;
	return &s->base;
}

/*
 * The ring: its thread fills slots, next() lends them.  filled counts slots
 * that are full; the one lent is still among them.
 */
struct ring_source {
	struct source base;
	struct decoder *decoder;
	struct tap *tap;
	const struct sink *sink;
	pthread_t thread;
	bool started;
	pthread_mutex_t lock;
	pthread_cond_t change;
	/* under lock: */
	unsigned first, filled;
	bool lent, stop, ended;
	struct err why;
	struct {
		uint8_t *data;
		size_t len;
	} slot[ARCHIVE_RING];
};

/* The slot to fill next, or -1 when it is over. */
static int ring_slot(struct ring_source *s)
{
	int i;

	pthread_mutex_lock(&s->lock);
	while (s->filled == ARCHIVE_RING && !s->stop)
		pthread_cond_wait(&s->change, &s->lock);
	i = s->stop ? -1 : (int)((s->first + s->filled) % ARCHIVE_RING);
	pthread_mutex_unlock(&s->lock);
	return i;
}

static void ring_filled(struct ring_source *s, int i, size_t len,
			const struct err *why)
{
	pthread_mutex_lock(&s->lock);
	s->slot[i].len = len;
	if (len)
		s->filled++;
	if (!len || why->code) {
		s->ended = true;
		s->why = *why;
	}
	pthread_cond_broadcast(&s->change);
	pthread_mutex_unlock(&s->lock);
}

/* Fill a slot: decoders give little at a time.  A pipe's bytes go on as they
 * come, else a slow producer's first file would wait for its last. */
static size_t ring_fill(struct ring_source *s, uint8_t *out, struct err *why)
{
	size_t len = 0, n;
	int r;

	while (len < ARCHIVE_BUFFER / 2) {
		n = 0;
		r = s->decoder->read(s->decoder, out + len,
				     ARCHIVE_BUFFER - len, &n, why);
		if (r < 0) {
			why->code = r;
			break;
		}
		if (!n)
			break;
		len += n;
	}
	return len;
}

static void *ring_main(void *arg)
{
	struct ring_source *s = arg;
	struct err why = ERR_INIT;
	size_t len;
	int i;

	do {
		i = ring_slot(s);
		if (i < 0)
			break;
		len = ring_fill(s, s->slot[i].data, &why);
		ring_filled(s, i, len, &why);
	} while (len && !why.code);
	return NULL;
}

/* Signals set a flag and wake nobody: look at it now and then. */
static void ring_wait(struct ring_source *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 200000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&s->change, &s->lock, &until);
}

static int ring_take(struct ring_source *s, struct span *ret,
		     struct err *err)
{
	if (s->lent) {
		s->lent = false;
		s->first = (s->first + 1) % ARCHIVE_RING;
		s->filled--;
		pthread_cond_broadcast(&s->change);
	}
	while (!s->filled && !s->ended) {
		ring_wait(s);
		if (sink_stopped(s->sink))
			return err_set(err, -ECANCELED, "stopped");
	}
	if (s->filled) {
		*ret = span_of(s->slot[s->first].data, s->slot[s->first].len);
		s->lent = true;
		return 1;
	}
	if (s->why.code && err)
		*err = s->why;
	return s->why.code;
}

static int ring_next(struct source *source, struct span *ret,
		     struct err *err)
{
	struct ring_source *s = (struct ring_source *)source;
	int r;

	pthread_mutex_lock(&s->lock);
	r = ring_take(s, ret, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void ring_free(struct source *source)
{
	struct ring_source *s = (struct ring_source *)source;

	if (s->started) {
		pthread_mutex_lock(&s->lock);
		s->stop = true;
		pthread_cond_broadcast(&s->change);
		pthread_mutex_unlock(&s->lock);
		tap_stop(s->tap);
		pthread_join(s->thread, NULL);
	}
	for (int i = 0; i < ARCHIVE_RING; i++)
		free(s->slot[i].data);
	decoder_free(s->decoder);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->change);
	free(s);
}

static bool ring_start(struct ring_source *s)
{
	for (int i = 0; i < ARCHIVE_RING; i++) {
		s->slot[i].data = malloc(ARCHIVE_BUFFER);
		if (!s->slot[i].data)
			return false;
	}
	s->started = pthread_create(&s->thread, NULL, ring_main, s) == 0;
	return s->started;
}

struct source *source_ring(struct decoder *decoder, struct tap *tap,
			   const struct sink *sink)
{
	struct ring_source *s = decoder ? calloc(1, sizeof(*s)) : NULL;

	if (!s) {
		decoder_free(decoder);
		return NULL;
	}
	s->base = (struct source){ ring_next, ring_free };
	s->decoder = decoder;
	s->tap = tap;
	s->sink = sink;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->change, NULL);
	if (!ring_start(s)) {
		ring_free(&s->base);
		return NULL;
	}
	return &s->base;
}
