#include "indexer/archive_internal.h"

#include <stdlib.h>

void window_init(struct window *window, struct run *run,
		 struct source *source)
{
	*window = (struct window){
		.run = run, .source = source, .limit = UINT64_MAX,
	};
}

int window_open(struct window *window, struct run *run, enum packing packing)
{
	struct decoder *decoder = decoder_tap(&run->tap);
	int r;

	if (packing != PACKING_NONE) {
		r = decoder_unpack(packing, source_sync(decoder),
				   &run->garbage, &decoder, run->err);
		if (r < 0)
			return run_fatal(run, r);
	}
	window_init(window, run, source_ring(decoder, &run->tap, run->sink));
	if (!window->source)
		return run_fatal(run, err_nomem(run->err));
	return 0;
}

void window_release(struct window *window)
{
	source_free(window->source);
	window->source = NULL;
	buf_release(&window->carry);
}

/* What stops everything, and what only ends this stream. */
static void stop(struct window *w, int code)
{
	w->ended = true;
	w->why.code = code;
	if (code != -ENOMEM && code != -ECANCELED)
		return;
	if (w->run->err && !w->run->fatal)
		*w->run->err = w->why;
	run_fatal(w->run, code);
}

static bool refill(struct window *w)
{
	int r;

	if (w->ended || w->run->fatal)
		return false;
	r = w->source->next(w->source, &w->block, &w->why);
	if (r > 0 && w->block.len > w->limit - w->got) {
		r = err_set(&w->why, -EBADMSG,
			    "it holds far more bytes than it is large");
		w->block.len = 0;
	}
	if (r < 0)
		stop(w, r);
	if (r == 0)
		w->ended = true;
	if (r <= 0)
		return false;
	w->got += w->block.len;
	run_progress(w->run, atomic_load_explicit(&w->run->tap.taken,
						  memory_order_relaxed));
	return true;
}

static size_t carried(const struct window *w)
{
	return w->carry.len - w->carry_at;
}

static bool carry(struct window *w, size_t n)
{
	size_t part = n - carried(w);

	if (w->carry_at) {
		memmove(w->carry.data, w->carry.data + w->carry_at,
			carried(w));
		w->carry.len -= w->carry_at;
		w->carry_at = 0;
	}
	if (part > w->block.len)
		part = w->block.len;
	if (buf_reserve(&w->carry, n) < 0) {
		stop(w, err_nomem(&w->why));
		return false;
	}
	if (part) {
		buf_append(&w->carry, w->block.data, part);
		w->block.data += part;
		w->block.len -= part;
	}
	return true;
}

struct span window_peek(struct window *w, size_t n)
{
	if (!carried(w)) {
		if (!w->block.len)
			refill(w);
		if (w->block.len >= n)
			return span_of(w->block.data, n);
	}
	while (carried(w) < n) {
		if (!w->block.len && !refill(w))
			break;
		if (!carry(w, n))
			break;
	}
	if (!carried(w))
		return span_of(NULL, 0);
	return span_of(w->carry.data + w->carry_at,
		       carried(w) < n ? carried(w) : n);
}

struct span window_some(struct window *w, uint64_t max)
{
	struct span some;

	if (carried(w)) {
		some = span_of(w->carry.data + w->carry_at, carried(w));
	} else {
		if (!w->block.len)
			refill(w);
		some = w->block;
	}
	if (some.len > max)
		some.len = (size_t)max;
	return some;
}

void window_take(struct window *w, size_t n)
{
	size_t part = carried(w) < n ? carried(w) : n;

	w->at += n;
	w->carry_at += part;
	if (w->carry_at == w->carry.len) {
		w->carry.len = 0;
		w->carry_at = 0;
	}
	if (n > part) {
		w->block.data += n - part;
		w->block.len -= n - part;
	}
}

struct window_source {
	struct source base;
	struct window *window;
	size_t lent;
};

static int window_next(struct source *source, struct span *ret,
		       struct err *err)
{
	struct window_source *s = (struct window_source *)source;
	struct window *w = s->window;

	window_take(w, s->lent);
	*ret = window_some(w, UINT64_MAX);
	s->lent = ret->len;
	if (ret->len)
		return 1;
	if (w->run->fatal)
		return err_set(err, -ECANCELED, "stopped");
	if (w->why.code && err)
		*err = w->why;
	return w->why.code;
}

static void window_source_free(struct source *source)
{
	free(source);
}

struct source *source_window(struct window *window)
{
	struct window_source *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct source){ window_next, window_source_free };
	s->window = window;
	return &s->base;
}
