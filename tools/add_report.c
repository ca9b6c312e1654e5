#include "tools/add_report.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/target.h"

/* Drop the last note, for something that weighs more. */
static void make_room(struct add_warnings *warnings)
{
	size_t i = warnings->kept;

	while (i > 0 && warnings->weight[i - 1] != WEIGHT_NOTE)
		i--;
	if (i == 0)
		return;
	free(warnings->sentence[i - 1]);
	warnings->kept--;
	for (; i <= warnings->kept; i++) {
		warnings->sentence[i - 1] = warnings->sentence[i];
		warnings->weight[i - 1] = warnings->weight[i];
	}
}

void add_progress(void *arg, const struct ingest_progress *p)
{
	struct progress_state state = {
		.phase = p->phase ? p->phase : "reading",
		.done = p->input_bytes ? p->input_bytes : p->bytes,
		.total = p->input_total ? p->input_total : NOT_KNOWN,
		.is_bytes = true,
		.files = p->entries,
		.grown = p->stored_bytes,
	};

	(void)arg;
	progress_show(&state);
}

void add_warnings_take(struct add_warnings *warnings, enum weight weight,
		       const char *sentence)
{
	warnings->count++;
	if (warnings->kept == WARNINGS_SHOWN && weight > WEIGHT_NOTE)
		make_room(warnings);
	if (warnings->kept == WARNINGS_SHOWN)
		return;
	warnings->weight[warnings->kept] = weight;
	warnings->sentence[warnings->kept] = strdup(sentence);
	if (warnings->sentence[warnings->kept])
		warnings->kept++;
}

void add_warnings_release(struct add_warnings *warnings)
{
	for (size_t i = 0; i < warnings->kept; i++)
		free(warnings->sentence[i]);
	memset(warnings, 0, sizeof(*warnings));
}

/* Is the last line, for who reads nothing else, of this loss? */
static bool is_told_last(const struct tool *tool, const struct record *r,
			 const char *sentence)
{
	return (tool->quiet || tool->json) && r->incomplete &&
	       strstr(r->incomplete, sentence);
}

static void print_warnings(const struct tool *tool, const struct record *r,
			   const struct add_warnings *warnings)
{
	char id[SHORT_ID + 1];

	for (size_t i = 0; i < warnings->kept; i++) {
		const char *sentence = warnings->sentence[i];

		if (warnings->weight[i] == WEIGHT_NOTE)
			note(tool, "%s", sentence);
		else if (!is_told_last(tool, r, sentence))
			warn("%s", sentence);
	}
	if (warnings->count <= warnings->kept)
		return;
	snapshot_short_id(r, id);
	say(tool, "... and %" PRIu64 " more: varve list --notes id:%s",
	    warnings->count - warnings->kept, id);
}

/* The newest other snapshot of the source with the same tree: a twin where the
 * same was added again. */
struct twin {
	const struct record *of;
	struct stamp time;
	char label[LABEL_TEXT];	/* "": there is none */
};

static int see_twin(void *arg, const struct snapshot *s, struct err *err)
{
	const struct record *record = &s->record;
	struct twin *twin = arg;

	(void)err;
	if (record->number == twin->of->number || s->damage ||
	    !id_equal(&record->root, &twin->of->root) ||
	    !id_equal(&record->links, &twin->of->links))
		return 0;
	/* the one it is named beside, if it is among them */
	if (twin->label[0] && stamp_cmp(twin->time, twin->of->time) == 0)
		return 0;
	twin->time = record->time;
	snapshot_label(record, twin->label);
	return 0;
}

static void find_twin(struct repo *repo, const struct record *record,
		      struct twin *ret)
{
	*ret = (struct twin){ .of = record };
	/* it is only told of */
	if (catalog_each_snapshot(repo_catalog(repo), record->source, false,
				  see_twin, ret, NULL) < 0)
		ret->label[0] = '\0';
}

/* A glob that matched nothing, a volume that is not mounted. */
static void warn_of_empty(struct repo *repo, const struct record *record)
{
	struct held_before before;
	char label[LABEL_TEXT];

	/* it is only told of */
	if (held_before_find(repo, record, &before, NULL) < 0 ||
	    !before.name[0])
		return;
	snapshot_label(record, label);
	warn("'%s' holds no file, and %s before it held %s", label,
	     before.name, before.held.s);
}

static bool has_more_losses(const struct record *r)
{
	return r->incomplete && !strncmp(r->incomplete, INGEST_FIRST_OF,
					 sizeof(INGEST_FIRST_OF) - 1);
}

static void print_words(const struct ingest_result *result,
			const struct twin *twin)
{
	const struct record *r = &result->record;
	char label[LABEL_TEXT], id[SHORT_ID + 1];
	char size[SIZE_TEXT], read[SIZE_TEXT], fresh[SIZE_TEXT],
		grown[SIZE_TEXT];

	snapshot_label(r, label);
	snapshot_short_id(r, id);
	size_text(r->bytes, size);
	size_text(r->stream_bytes ? r->stream_bytes :
		  result->stats.chunk_bytes, read);
	size_text(result->stats.new_chunk_bytes, fresh);
	size_text(r->new_bytes, grown);
	printf("Snapshot %s (id:%s) holds %s, %s in %s%s%s.\n", label, id,
	       counted(r->entries, "entry").s, size,
	       counted(r->files, "file").s,
	       twin->label[0] ? ", the same content as " : "", twin->label);
	printf("Read %s%s%s%s", read, r->format ? " (" : "",
	       r->format ? r->format : "", r->format ? ")" : "");
	if (result->unchanged)
		printf("; %s unchanged and not read again",
		       counted(result->unchanged, "file").s);
	printf(".\n%s of it was new to the store, which " GREW_BY ".\n", fresh,
	       grown);
	if (r->incomplete)
		printf("It is INCOMPLETE: %s.\n", r->incomplete);
	if (has_more_losses(r))
		printf("All are told by: varve list --notes id:%s\n", id);
}

static void print_stats(const struct ingest_result *result)
{
	const struct deposit_stats *s = &result->stats;

	printf("chunks %" PRIu64 " (%" PRIu64 " new), compared %" PRIu64
	       ", predicted %" PRIu64 ", collisions %" PRIu64 "\n",
	       s->chunks, s->new_chunks, s->compared, s->predicted,
	       s->collisions);
	printf("metadata objects %" PRIu64 " (%" PRIu64 " new)\n", s->metas,
	       s->new_metas);
	printf("blocks %" PRIu64 " (%" PRIu64 " stored raw, %" PRIu64
	       " in columns, %" PRIu64 " leaning), sort runs %u\n", s->blocks,
	       s->raw_blocks, s->column_blocks, s->leaning_blocks,
	       result->sort_runs);
	printf("files begun early %" PRIu64 "\n", result->ahead);
}

static void print_json(const struct ingest_result *result,
		       const struct twin *twin)
{
	const struct deposit_stats *s = &result->stats;
	struct snapshot shown = { .record = result->record };
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_snapshot(&json, &shown);
	if (twin->label[0])
		json_str(&json, "same_as", twin->label);
	json_u64(&json, "unchanged_files", result->unchanged);
	json_u64(&json, "chunks", s->chunks);
	json_u64(&json, "chunk_bytes", s->chunk_bytes);
	json_u64(&json, "new_chunks", s->new_chunks);
	json_u64(&json, "new_chunk_bytes", s->new_chunk_bytes);
	json_u64(&json, "compared", s->compared);
	json_u64(&json, "predicted", s->predicted);
	json_u64(&json, "collisions", s->collisions);
	json_u64(&json, "blocks", s->blocks);
	json_u64(&json, "raw_blocks", s->raw_blocks);
	json_u64(&json, "column_blocks", s->column_blocks);
	json_u64(&json, "leaning_blocks", s->leaning_blocks);
	json_u64(&json, "sort_runs", result->sort_runs);
	json_u64(&json, "files_ahead", result->ahead);
	json_close_object(&json);
	json_print(&line);
}

/* An option of 'varve add'; others who add have none of them. */
static bool is_asked(const struct tool *tool, const char *name)
{
	return tool->command == &command_add &&
	       option_given(&tool->options, name);
}

/* Once for all that is added; a tree with a few archives in it is a tree. */
static void tell_archives(const struct tool *tool,
			  const struct ingest_result *result)
{
	const struct record *r = &result->record;
	static bool told;

	if (told || strcmp(r->kind, reader_dir.kind) ||
	    result->archives * 2 <= r->files)
		return;
	told = true;
	note(tool, "%" PRIu64 " of its %s are archives and are kept packed, as "
	     "files%s; given to 'varve add' one by one, each becomes a snapshot "
	     "of what is in it", result->archives, counted(r->files, "file").s,
	     is_asked(tool, "expand") ? " (--expand opens only "
	     "archives in an archive)" : "");
}

/* A database's checkpoints in a tree are files like any others. */
static void tell_checkpoints(const struct tool *tool,
			     const struct ingest_result *result)
{
	const struct record *r = &result->record;
	char label[LABEL_TEXT];

	if (result->checkpoints == 0 ||
	    !strcmp(r->kind, reader_rocksdb.kind))
		return;
	snapshot_label(r, label);
	note(tool, "'%s' holds %s of RocksDB, as files like any others; "
	     "'varve rocksdb split' makes a snapshot of each, as 'varve add "
	     "-k rocksdb' does at once, and tells whether it is complete",
	     label, counted(result->checkpoints, "checkpoint").s);
}

int add_report(const struct tool *tool, struct repo *repo,
	       const struct ingest_result *result,
	       const struct add_warnings *warnings)
{
	const struct record *r = &result->record;
	char label[LABEL_TEXT];
	struct twin twin;

	print_warnings(tool, r, warnings);
	if (tool->json || !tool->quiet)
		find_twin(repo, r, &twin);
	if (tool->json)
		print_json(result, &twin);
	else if (!tool->quiet)
		print_words(result, &twin);
	tell_archives(tool, result);
	tell_checkpoints(tool, result);
	if (is_asked(tool, "stats") && !tool->json)
		print_stats(result);
	snapshot_label(r, label);
	if (r->incomplete && (tool->quiet || tool->json))
		warn("'%s' is incomplete: %s%s%s", label, r->incomplete,
		     has_more_losses(r) ? "; all: varve list --notes " : "",
		     has_more_losses(r) ? label : "");
	warn_of_empty(repo, r);
	if (stamp_cmp(r->time, stamp_now()) > 0)
		warn("'%s' lies in the future: it is not the latest until "
		     "then", label);
	fflush(stdout);
	return r->incomplete ? INCOMPLETE : DONE;
}
