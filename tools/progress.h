/*
 * progress: one line on the terminal for long work.
 *
 * Phase, bytes of how many, files, rate, time left, growth of the store.
 * Nothing at all where stderr is no terminal or with --quiet.  There is one
 * line per process; say(), warn() and complain() wipe it before they write.
 * Any thread.
 */
#ifndef VARVE_PROGRESS_H
#define VARVE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#define NOT_KNOWN UINT64_MAX

struct progress_state {
	const char *phase;	/* "reading" */
	uint64_t done, total;	/* bytes, or of whatever unit; NOT_KNOWN */
	bool is_bytes;
	uint64_t files;		/* NOT_KNOWN: not shown */
	uint64_t grown;		/* bytes the store grew by; NOT_KNOWN */
};

void progress_start(bool quiet);
/* Shown at most five times a second. */
void progress_show(const struct progress_state *state);
/* Take the line away; it comes back at the next progress_show(). */
void progress_wipe(void);
void progress_end(void);

#endif
