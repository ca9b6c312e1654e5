#include "indexer/sink_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "indexer/key.h"

#define PROGRESS_NS 100000000

static const char *weight_word(enum weight weight)
{
	switch (weight) {
	case WEIGHT_NOTE: return "note";
	case WEIGHT_FLAWED: return "flawed";
	case WEIGHT_REFUSED: return "refused";
	case WEIGHT_LOST: return "lost";
	case WEIGHT_INPUT: return "input";
	}
	return "note";
}

static void keep_note(struct notes *notes, enum weight weight,
		      const char *sentence)
{
	if (notes->lines >= NOTES_LINES_MAX ||
	    notes->text.len >= NOTES_BYTES_MAX) {
		notes->left_out++;
		return;
	}
	buf_printf(&notes->text, "%s: %s\n", weight_word(weight), sentence);
	notes->lines++;
}

static void tell(struct sink *sink, enum weight weight, struct span path,
		 bool is_key, const char *text)
{
	OWNED_BUF struct buf line = BUF_INIT;
	const char *sentence;

	if (path.len || is_key) {
		buf_append_byte(&line, '\'');
		key_print(path, is_key, &line);
		buf_append_str(&line, "': ");
	}
	buf_append_str(&line, text);
	sentence = buf_str(&line);
	if (!sentence)
		sentence = text;
	keep_note(&sink->notes, weight, sentence);
	if (weight > WEIGHT_NOTE)
		sink->notes.warnings++;
	sink->notes.losses += weight >= WEIGHT_LOST;
	/* No memory for the words must not make it complete. */
	if (weight >= WEIGHT_LOST && !sink->notes.incomplete) {
		sink->notes.incomplete = strdup(sentence);
		sink->notes.text.failed |= !sink->notes.incomplete;
	}
	if (sink->options->warn)
		sink->options->warn(sink->options->arg, weight, sentence);
}

void sink_warn_key(struct sink *sink, enum weight weight, struct span key,
		   const char *sentence)
{
	tell(sink, weight, key, true, sentence);
}

void sink_warn(struct sink *sink, enum weight weight, struct span path,
	       const char *fmt, ...)
{
	char text[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tell(sink, weight, path, false, text);
}

int sink_when(struct sink *sink, const char *local, struct stamp *ret)
{
	const struct ingest_options *options = sink->options;
	struct stamp when;
	bool zoned;
	int r = stamp_parse(local, options->zone, &when, &zoned, NULL);

	if (r == 0 && options->time_is_guess) {
		sink->has_when = true;
		sink->when_zoneless = !zoned;
		sink->when = when;
		settle_time(sink->settle, when);
	}
	*ret = sink->has_when ? sink->when : options->time;
	return r;
}

static void tell_progress(struct sink *sink, bool always)
{
	struct ingest_progress progress;
	struct deposit_stats stats;
	struct stamp now;

	if (!sink->options->progress)
		return;
	now = stamp_now();
	if (!always && now.s == sink->told_progress.s &&
	    now.ns >= sink->told_progress.ns &&
	    now.ns - sink->told_progress.ns < PROGRESS_NS)
		return;
	sink->told_progress = now;
	deposit_get_stats(sink->deposit, &stats);
	progress = (struct ingest_progress){
		.input_bytes = sink->input_bytes,
		.input_total = sink->input_total,
		.entries = sink->entries,
		.bytes = sink->bytes,
		.stored_bytes = stats.stored_bytes,
		.phase = sink->phase,
	};
	sink->options->progress(sink->options->arg, &progress);
}

void sink_phase(struct sink *sink, const char *phase)
{
	sink->phase = phase;
	tell_progress(sink, true);
}

void sink_progress(struct sink *sink, uint64_t input_bytes)
{
	sink->input_bytes = input_bytes;
	tell_progress(sink, false);
}
