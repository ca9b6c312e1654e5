#include "tools/progress.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "tools/format.h"

#define INTERVAL 0.2

static struct {
	pthread_mutex_t lock;	/* guards all below */
	bool on;
	int shown;		/* columns of the line on the screen */
	double last;		/* when it was drawn */
	double rate;		/* units a second, smoothed */
	double rate_at;
	uint64_t rate_done;
	char phase[64];
} line = { .lock = PTHREAD_MUTEX_INITIALIZER };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_start(bool quiet)
{
	pthread_mutex_lock(&line.lock);
	line.on = !quiet && isatty(STDERR_FILENO) == 1;
	line.shown = 0;
	line.last = 0;
	line.phase[0] = '\0';
	pthread_mutex_unlock(&line.lock);
}

static void wipe(void)
{
	if (line.shown > 0)
		fprintf(stderr, "\r%*s\r", line.shown, "");
	line.shown = 0;
}

void progress_wipe(void)
{
	pthread_mutex_lock(&line.lock);
	wipe();
	line.last = 0;
	pthread_mutex_unlock(&line.lock);
}

void progress_end(void)
{
	pthread_mutex_lock(&line.lock);
	wipe();
	line.on = false;
	pthread_mutex_unlock(&line.lock);
}

static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		return size.ws_col - 1;
	return 79;
}

/* A new phase starts its rate anew; within one, older rates fade. */
static void measure(const struct progress_state *state, double t)
{
	double span = t - line.rate_at, fresh;

	if (strncmp(line.phase, state->phase, sizeof(line.phase) - 1) ||
	    state->done < line.rate_done) {
		snprintf(line.phase, sizeof(line.phase), "%s", state->phase);
		line.rate = 0;
		line.rate_at = t;
		line.rate_done = state->done;
		return;
	}
	if (span < 0.5)
		return;
	fresh = (double)(state->done - line.rate_done) / span;
	line.rate = line.rate > 0 ? 0.8 * line.rate + 0.2 * fresh : fresh;
	line.rate_at = t;
	line.rate_done = state->done;
}

static void add_done(struct buf *out, const struct progress_state *state)
{
	char a[SIZE_TEXT], b[SIZE_TEXT];

	if (state->is_bytes) {
		size_text(state->done, a);
		size_text(state->total, b);
	} else {
		snprintf(a, sizeof(a), "%" PRIu64, state->done);
		snprintf(b, sizeof(b), "%" PRIu64, state->total);
	}
	buf_printf(out, " %s", a);
	if (state->total != NOT_KNOWN && state->total > 0)
		buf_printf(out, " of %s (%d%%)", b,
			   (int)(100.0 * (double)state->done /
				 (double)state->total));
}

static void add_rate(struct buf *out, const struct progress_state *state)
{
	char a[SIZE_TEXT];
	double left;

	if (line.rate < 1)
		return;
	if (state->is_bytes) {
		size_text((uint64_t)line.rate, a);
		buf_printf(out, ", %s/s", a);
	} else {
		buf_printf(out, ", %.0f/s", line.rate);
	}
	if (state->total == NOT_KNOWN || state->total <= state->done)
		return;
	left = (double)(state->total - state->done) / line.rate;
	if (left < 360000)
		buf_printf(out, ", %d:%02d:%02d left", (int)left / 3600,
			   (int)left / 60 % 60, (int)left % 60);
}

static void draw(const struct progress_state *state)
{
	OWNED_BUF struct buf text = BUF_INIT;
	char grown[SIZE_TEXT];
	int width = columns(), n;

	buf_printf(&text, "%s:", state->phase);
	add_done(&text, state);
	if (state->files != NOT_KNOWN)
		buf_printf(&text, ", %" PRIu64 " files", state->files);
	add_rate(&text, state);
	if (state->grown != NOT_KNOWN) {
		size_text(state->grown, grown);
		buf_printf(&text, ", store +%s", grown);
	}
	if (!buf_str(&text))
		return;
	n = (int)text.len < width ? (int)text.len : width;
	fprintf(stderr, "\r%.*s%*s\r", n, (char *)text.data,
		line.shown > n ? line.shown - n : 0, "");
	fflush(stderr);
	line.shown = n;
}

void progress_show(const struct progress_state *state)
{
	double t;

	pthread_mutex_lock(&line.lock);
	if (line.on) {
		t = now();
		measure(state, t);
		if (t - line.last >= INTERVAL) {
			draw(state);
			line.last = t;
		}
	}
	pthread_mutex_unlock(&line.lock);
}
