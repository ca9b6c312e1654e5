#include "indexer/pump.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct slot {
	uint8_t *bytes;
	ssize_t n;		/* of pread(2), or a negative errno */
};

struct pump {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t wanted;	/* a slot is free, a file was begun, or quit */
	pthread_cond_t filled;	/* a slot was filled, or reading ended */
	/* all below under mutex */
	struct slot slot[PUMP_SLOTS];
	unsigned head, count;	/* filled ones */
	bool taken;		/* the first of them is lent */
	int fd;
	uint64_t at, to;
	bool busy;		/* more is to be read */
	bool reading;		/* into a slot, just now */
	bool quit;
};

static ssize_t read_at(int fd, uint8_t *bytes, uint64_t at, uint64_t to)
{
	size_t want = to - at < PUMP_BYTES ? (size_t)(to - at) : PUMP_BYTES;
	ssize_t n;

	do
		n = pread(fd, bytes, want, (off_t)at);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Under the mutex, which is given back while it reads. */
static void fill(struct pump *pump)
{
	struct slot *slot = &pump->slot[(pump->head + pump->count) %
					PUMP_SLOTS];
	uint64_t at = pump->at, to = pump->to;
	int fd = pump->fd;
	ssize_t n;

	pump->reading = true;
	pthread_mutex_unlock(&pump->mutex);
	n = read_at(fd, slot->bytes, at, to);
	pthread_mutex_lock(&pump->mutex);
	pump->reading = false;
	/* else it was ended meanwhile */
	if (pump->busy) {
		slot->n = n;
		pump->count++;
		pump->at += n > 0 ? (uint64_t)n : 0;
		pump->busy = n > 0 && pump->at < to;
	}
	pthread_cond_signal(&pump->filled);
}

static void *thread_main(void *arg)
{
	struct pump *pump = arg;

	pthread_mutex_lock(&pump->mutex);
	while (!pump->quit) {
		if (pump->busy && pump->count < PUMP_SLOTS)
			fill(pump);
		else
			pthread_cond_wait(&pump->wanted, &pump->mutex);
	}
	pthread_mutex_unlock(&pump->mutex);
	return NULL;
}

static void release(struct pump *pump)
{
	for (unsigned i = 0; i < PUMP_SLOTS; i++)
		free(pump->slot[i].bytes);
	pthread_mutex_destroy(&pump->mutex);
	pthread_cond_destroy(&pump->wanted);
	pthread_cond_destroy(&pump->filled);
	free(pump);
}

struct pump *pump_new(void)
{
	struct pump *pump = calloc(1, sizeof(*pump));
	bool there = true;

	if (!pump)
		return NULL;
	pthread_mutex_init(&pump->mutex, NULL);
	pthread_cond_init(&pump->wanted, NULL);
	pthread_cond_init(&pump->filled, NULL);
	for (unsigned i = 0; i < PUMP_SLOTS; i++) {
		pump->slot[i].bytes = malloc(PUMP_BYTES);
		there = there && pump->slot[i].bytes;
	}
	if (there && pthread_create(&pump->thread, NULL, thread_main,
				    pump) == 0)
		return pump;
	release(pump);
	return NULL;
}

void pump_free(struct pump *pump)
{
	if (!pump)
		return;
	pthread_mutex_lock(&pump->mutex);
	pump->quit = true;
	pthread_cond_signal(&pump->wanted);
	pthread_mutex_unlock(&pump->mutex);
	pthread_join(pump->thread, NULL);
	release(pump);
}

void pump_begin(struct pump *pump, int fd, uint64_t from, uint64_t to)
{
	pthread_mutex_lock(&pump->mutex);
	pump->fd = fd;
	pump->at = from;
	pump->to = to;
	pump->busy = from < to;
	pthread_cond_signal(&pump->wanted);
	pthread_mutex_unlock(&pump->mutex);
}

ssize_t pump_next(struct pump *pump, const uint8_t **ret)
{
	ssize_t n = 0;

	pthread_mutex_lock(&pump->mutex);
	if (pump->taken) {
		pump->taken = false;
		pump->head = (pump->head + 1) % PUMP_SLOTS;
		pump->count--;
		pthread_cond_signal(&pump->wanted);
	}
	while (pump->count == 0 && pump->busy)
		pthread_cond_wait(&pump->filled, &pump->mutex);
	if (pump->count > 0) {
		pump->taken = true;
		*ret = pump->slot[pump->head].bytes;
		n = pump->slot[pump->head].n;
	}
	pthread_mutex_unlock(&pump->mutex);
	return n;
}

void pump_end(struct pump *pump)
{
	pthread_mutex_lock(&pump->mutex);
	pump->busy = false;
	while (pump->reading)
		pthread_cond_wait(&pump->filled, &pump->mutex);
	pump->head = pump->count = 0;
	pump->taken = false;
	pthread_mutex_unlock(&pump->mutex);
}
