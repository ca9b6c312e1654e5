#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/repo/copy.h"
#include "tools/commands.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/target.h"

#define LEFT_NAMED 8

struct left_out {		/* of what was to be copied */
	uint64_t count;
	struct buf names;	/* of the first LEFT_NAMED */
};

struct copying {
	const struct tool *tool;
	struct repo *from, *to;
	struct copier *copier;
	struct copy_options options;
	struct snapshots list;	/* what is to be there */
	bool dry_run;
	bool told_unlike;
	struct left_out damaged, incomplete;
	uint64_t done, failed;
	int worst;		/* exit status of what failed */
};

static void show_progress(void *arg, const char *phase,
			  const struct copy_report *p)
{
	const struct progress_state state = {
		.phase = phase,
		.done = p->read_back ? p->read_back : p->bytes,
		.total = NOT_KNOWN,
		.is_bytes = true,
		.files = NOT_KNOWN,
		.grown = p->stored_bytes,
	};

	(void)arg;
	progress_show(&state);
}

/* Which. */

static void json_open(struct json *json, struct buf *line, const char *what,
		      const struct snapshot *from)
{
	json_init(json, line);
	json_open_object(json, NULL);
	json_str(json, "copy", what);
	json_snapshot(json, from);
}

static struct snapshot *list_room(struct snapshots *list, struct err *err)
{
	size_t room = list->room ? 2 * list->room : 16;
	struct snapshot *more;

	if (list->count < list->room)
		return &list->row[list->count];
	more = reallocarray(list->row, room, sizeof(*more));
	if (!more) {
		err_nomem(err);
		return NULL;
	}
	list->row = more;
	list->room = room;
	return &list->row[list->count];
}

static int take_words(struct copying *c, struct err *err)
{
	const struct options *o = &c->tool->options;

	for (size_t i = 0; i < o->word_count; i++) {
		struct snapshot *row = list_room(&c->list, err);
		int r = row ? find_snapshot(c->from, o->words[i], OLDER_TOLD,
					    row, err) : -ENOMEM;

		if (r < 0)
			return r;
		c->list.count++;
	}
	return 0;
}

/*
 * What the other store lacks is told by what it has and had, never by dates: a
 * backup may come late.  What was forgotten there is not brought back night
 * after night, and with --newer not what was pruned there either.
 */
static bool is_lacking(const struct copying *c, const struct snapshot *s)
{
	enum copy_there there = copier_has(c->copier, &s->record, NULL);

	return there == COPY_ABSENT ||
	       (there == COPY_GONE &&
		!option_given(&c->tool->options, "newer"));
}

static void leave_out(struct copying *c, const struct snapshot *s)
{
	struct left_out *left = s->damage ? &c->damaged : &c->incomplete;
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT];
	struct json json;

	if (left->count++ < LEFT_NAMED) {
		snapshot_label(&s->record, label);
		buf_printf(&left->names, "%s%s", left->names.len ? ", " : "",
			   label);
	}
	if (!c->tool->json)
		return;
	json_open(&json, &line, "left out", s);
	json_close_object(&json);
	json_print(&line);
}

static void warn_left_out(const struct copying *c, struct left_out *left,
			  const char *what, const char *hint)
{
	struct err words = ERR_INIT;
	char more[64] = "";

	if (left->count == 0)
		return;
	if (left->count > LEFT_NAMED)
		snprintf(more, sizeof(more), " and %" PRIu64 " more",
			 left->count - LEFT_NAMED);
	err_set(&words, -EUCLEAN, "%s, and not copied to '%s': %s%s", what,
		repo_path(c->to), buf_str(&left->names) ?
		(const char *)left->names.data : "?", more);
	err_hint(&words, "%s; once forgotten it is not told of again", hint);
	warn_of(&words);
}

/* Those that are to be copied to the front, in their order. */
static size_t sift(struct copying *c)
{
	struct snapshots *list = &c->list;
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct snapshot *s = &list->row[i], swap;

		if (!is_lacking(c, s))
			continue;
		if (s->record.incomplete || s->damage) {
			leave_out(c, s);
			continue;
		}
		swap = list->row[kept];
		list->row[kept++] = *s;
		list->row[i] = swap;
	}
	return kept;
}

static int take_all(struct copying *c, const char *glob, struct err *err)
{
	struct snapshots *list = &c->list;
	int r = snapshots_load(c->from, glob, false, list, err);
	size_t kept;

	if (r < 0)
		return r;
	if (glob && list->count == 0) {
		r = err_set(err, -ENOENT, "no source '%s' in '%s'", glob,
			    repo_path(c->from));
		return err_hint(err, "'varve list' names the snapshots there "
				"are");
	}
	kept = sift(c);
	for (size_t i = kept; i < list->count; i++)
		snapshot_release(&list->row[i]);
	list->count = kept;
	warn_left_out(c, &c->damaged, "damaged", "by its own time one is "
		      "copied if all of it can be read; adding the same data "
		      "again heals it");
	warn_left_out(c, &c->incomplete, "incomplete", "by its own time one "
		      "is copied as it is");
	return 0;
}

/* Telling. */

static void tell_there(struct copying *c, const struct snapshot *s,
		       uint64_t number)
{
	CLEANUP(snapshot_release) struct snapshot there = { .damage = NULL };
	char label[LABEL_TEXT], other[LABEL_TEXT] = "?";
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (catalog_get_snapshot(repo_catalog(c->to), number, &there,
				 NULL) == 0)
		snapshot_label(&there.record, other);
	snapshot_label(&s->record, label);
	if (c->tool->json) {
		json_open(&json, &line, "there", s);
		json_name(&json, "there", span_str(other));
		json_close_object(&json);
		json_print(&line);
	} else {
		say(c->tool, "%s is already there: %s in '%s'.", label, other,
		    repo_path(c->to));
	}
}

static void tell_copied(struct copying *c, const struct snapshot *s,
			const struct record *record,
			const struct copy_report *p)
{
	char label[LABEL_TEXT], other[LABEL_TEXT], read[SIZE_TEXT];
	char fresh[SIZE_TEXT], grown[SIZE_TEXT], id[SHORT_ID + 1];
	char whole_id[2 * RECORD_ID + 1];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	snapshot_label(&s->record, label);
	snapshot_label(record, other);
	snapshot_short_id(record, id);
	hex_write(record->id, RECORD_ID, whole_id);
	size_text(p->bytes, read);
	size_text(p->new_bytes, fresh);
	size_text(p->stored_bytes, grown);
	if (c->tool->json) {
		json_open(&json, &line, "copied", s);
		json_name(&json, "there", span_str(other));
		json_str(&json, "there_id", whole_id);
		json_u64(&json, "objects_read", p->objects);
		json_u64(&json, "bytes_read", p->bytes);
		json_u64(&json, "objects_known", p->known);
		json_u64(&json, "new_objects", p->new_objects);
		json_u64(&json, "sent_bytes", p->new_bytes);
		json_u64(&json, "stored_bytes", p->stored_bytes);
		json_u64(&json, "read_back_bytes", p->read_back);
		json_close_object(&json);
		json_print(&line);
	} else if (!c->tool->quiet) {
		printf("Copied %s to '%s' as %s (id:%s).\n", label,
		       repo_path(c->to), other, id);
		printf("Read %s; %s of it was new to the store, which grew by "
		       "%s.\n", read, fresh, grown);
	}
	fflush(stdout);
}

static void tell_dry(struct copying *c, const struct snapshot *s)
{
	char label[LABEL_TEXT], size[SIZE_TEXT];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (c->tool->json) {
		json_open(&json, &line, "absent", s);
		json_close_object(&json);
		json_print(&line);
		return;
	}
	snapshot_label(&s->record, label);
	size_text(s->record.bytes, size);
	printf("Would copy %s (%s in %s).\n", label, size,
	       counted(s->record.files, "file").s);
}

/* Once, and only where something is copied. */
static void tell_unlike(struct copying *c)
{
	if (c->told_unlike || copier_is_like(c->copier))
		return;
	c->told_unlike = true;
	note(c->tool, "'%s' was not made like '%s': their secrets differ, so "
	     "everything is read and named anew, and shares with what is "
	     "added there only files that fit into one chunk; 'varve init "
	     "--like' makes stores that share", repo_path(c->to),
	     repo_path(c->from));
}

/* Copying. */

/* Why a snapshot could not be copied; the words name the store. */
static void hint_at_cause(int r, struct err *err)
{
	switch (r) {
	case -EAGAIN:
		err_hint(err, "run it again: nothing of it was kept but what "
			 "the next try finds stored");
		break;
	case -EBADMSG:
		err_hint(err, "'varve check' of that store tells what is "
			 "damaged, and what helps; until then --all copies "
			 "what is whole");
		break;
	case -ENOSPC:
	case -EDQUOT:
		err_hint(err, "make room on the other store's disk: 'varve "
			 "forget' and 'varve prune' with its --store do");
		break;
	case -EROFS:
	case -EACCES:
	case -EPERM:
		err_hint(err, "both stores are to be readable, and the other "
			 "one writable: run it as their owner");
		break;
	}
}

static int copy_one(struct copying *c, const struct snapshot *s,
		    struct err *err)
{
	CLEANUP(record_release) struct record record = { .source = NULL };
	struct copy_report report;
	char label[LABEL_TEXT];
	uint64_t number;
	int r;

	if (copier_has(c->copier, &s->record, &number) == COPY_THERE) {
		tell_there(c, s, number);
		return 0;
	}
	if (c->dry_run) {
		tell_dry(c, s);
		return 0;
	}
	tell_unlike(c);
	snapshot_label(&s->record, label);
	progress_start(c->tool->quiet);
	r = copier_copy(c->copier, s, &record, &report, err);
	progress_end();
	if (report.damage[0])
		warn("an earlier copy of this source in '%s' is damaged (%s): "
		     "all of '%s' was read and compared, which mends what they "
		     "share; 'varve check' tells what else there is",
		     repo_path(c->to), report.damage, label);
	if (r == -EALREADY &&
	    copier_has(c->copier, &s->record, &number) == COPY_THERE) {
		tell_there(c, s, number);
		return 0;
	}
	if (r == -ECANCELED)
		return err_set(err, r, "stopped: '%s' was not copied", label);
	if (r < 0)
		hint_at_cause(r, err);
	if (r < 0)
		return err_wrap(err, "cannot copy '%s' to '%s'", label,
				repo_path(c->to));
	tell_copied(c, s, &record, &report);
	if (record.incomplete)
		note(c->tool, "'%s' is incomplete, here as there: %s", label,
		     record.incomplete);
	return 0;
}

/* Damage and locks are told apart from all other failures also where some were
 * copied, or were not tried. */
static int end_status(const struct copying *c)
{
	int status = c->failed == 0 ? DONE :
		     c->worst == FAILED && c->done > 0 ? INCOMPLETE :
							 c->worst;

	if (c->damaged.count && (status == DONE || status == INCOMPLETE))
		return DAMAGED;
	return c->incomplete.count && status == DONE ? INCOMPLETE : status;
}

/* Whose copies there are, for the night when they were pruned there. */
static void note_copies(const struct copying *c)
{
	struct err err = ERR_INIT;

	if (!c->dry_run && copier_note(c->copier, &err) < 0)
		warn("what was copied is not noted in '%s' (the next copy "
		     "does): %s", repo_path(c->to), err.text);
}

static int copy_all(struct copying *c, struct err *err)
{
	for (size_t i = 0; i < c->list.count; i++) {
		int r = copy_one(c, &c->list.row[i], err);

		if (r == -ECANCELED || (r < 0 && c->list.count == 1))
			return r;
		if (r == 0) {
			c->done++;
			continue;
		}
		complain(err);
		*err = (struct err)ERR_INIT;
		c->failed++;
		if (c->worst != DAMAGED)
			c->worst = exit_status_of(r);
		if (r == -ENOSPC || r == -EDQUOT || r == -EROFS)
			break;
	}
	return end_status(c);
}

static int is_same_place(const struct repo *a, const struct repo *b,
			 struct err *err)
{
	struct stat sa, sb;

	if (stat(repo_path(a), &sa) < 0 || stat(repo_path(b), &sb) < 0)
		return err_sys(err, "cannot look at '%s'", repo_path(b));
	if (sa.st_dev != sb.st_dev || sa.st_ino != sb.st_ino)
		return 0;
	err_set(err, -EINVAL, "'%s' is the store that is copied from",
		repo_path(b));
	return err_hint(err, "--store or VARVE_STORE names that one, --to the "
			"other");
}

static int check_use(struct copying *c, struct err *err)
{
	const struct options *o = &c->tool->options;
	bool many = option_given(o, "all") || option_given(o, "source");
	uint64_t level = 0, workers = 0;
	int r = 0;

	if (!option_given(o, "to")) {
		r = err_set(err, -EINVAL, "copy to which store?");
		err_hint(err, "--to STORE names it");
	} else if (!many && o->word_count == 0) {
		r = err_set(err, -EINVAL, "copy which snapshots?");
		err_hint(err, "name them, or give --source GLOB or --all");
	} else if (many && o->word_count > 0) {
		r = err_set(err, -EINVAL, "either SNAPSHOT or --source and "
			    "--all: '%s'", o->words[0]);
	} else if (option_given(o, "all") && option_given(o, "source")) {
		r = err_set(err, -EINVAL, "either --source or --all");
	} else if (option_given(o, "newer") && !many) {
		r = err_set(err, -EINVAL, "--newer goes with --source or "
			    "--all");
	}
	if (r == 0 && (option_u64(o, "level", 19, &level, err) < 0 ||
		       option_u64(o, "workers", 256, &workers, err) < 0))
		r = -EINVAL;
	c->options = (struct copy_options){
		.level = (int)level,
		.workers = (unsigned)workers,
		.reread = option_given(o, "reread"),
		.read_back = option_given(o, "verify"),
		.stop = &stopped,
		.progress = show_progress,
	};
	c->dry_run = option_given(o, "dry-run");
	return r;
}

static void copying_release(struct copying *c)
{
	copier_free(c->copier);
	snapshots_release(&c->list);
	buf_release(&c->damaged.names);
	buf_release(&c->incomplete.names);
	if (c->from)
		repo_close(c->from);
	if (c->to)
		repo_close(c->to);
}

/* The other store: it is what --to names, and it is written to. */
static int open_other(struct copying *c, struct err *err)
{
	const char *path = option_value(&c->tool->options, "to");
	int r = repo_open(path, c->dry_run ? REPO_READ : REPO_WRITE,
			  REPO_CACHE_DEFAULT, &c->to, err);

	switch (r) {
	case -ENOENT:
		err_hint(err, "--to names another; 'varve init --like %s "
			 "--store %s' makes one that shares data with this "
			 "one", repo_path(c->from), path);
		break;
	case -ENOTDIR:
		err_hint(err, "a store is a directory: --to names it");
		break;
	case -EROFS:
	case -EACCES:
	case -EPERM:
		err_hint(err, "a copy writes to the other store: run it as its "
			 "owner, on a disk that is mounted for writing");
		break;
	case -EBADMSG:
		err_hint(err, "'varve check --store %s' tells what is damaged "
			 "there, and what helps", path);
		break;
	}
	return r;
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(copying_release) struct copying c = { .tool = tool };
	const struct options *o = &tool->options;
	int r = check_use(&c, err);

	if (r >= 0)
		r = tool_open(tool, REPO_READ, &c.from, err);
	if (r >= 0)
		r = open_other(&c, err);
	if (r >= 0)
		r = is_same_place(c.from, c.to, err);
	if (r >= 0)
		r = tool_min_free(tool, c.to, &c.options.min_free, err);
	if (r >= 0)
		r = copier_new(c.from, c.to, &c.options, &c.copier, err);
	if (r >= 0)
		r = o->word_count ? take_words(&c, err) :
				    take_all(&c, option_value(o, "source"),
					     err);
	if (r < 0)
		return r;
	catch_stop();
	r = copy_all(&c, err);
	note_copies(&c);
	return r;
}

static const struct option_def options[] = {
	{ .name = "to", .arg = "STORE", .type = WORD_DIR,
	  .help = "the store they are copied to" },
	{ .name = "source", .arg = "GLOB", .type = WORD_SOURCE,
	  .help = "all complete snapshots of sources like this that are not "
		  "there yet" },
	{ .letter = 'a', .name = "all",
	  .help = "all complete snapshots that are not there yet" },
	{ .name = "newer",
	  .help = "of these, only what the other store never had: not what it "
		  "had and pruned" },
	{ .letter = 'n', .name = "dry-run",
	  .help = "only show what would be copied" },
	{ .name = "verify",
	  .help = "read all of each copy from the other store again" },
	{ .name = "reread",
	  .help = "read and compare also what earlier copies brought" },
	{ .name = "level", .arg = "N", .help = "zstd level 1..19 (default 3)" },
	{ .name = "workers", .arg = "N",
	  .help = "compressing threads (default: one per processor)" },
	{ .name = "min-free", .arg = "SIZE|N%",
	  .help = "stop before less than this is free on the other store's "
		  "disk" },
	{ .name = NULL },
};

const struct command command_copy = {
	.name = "copy",
	.words = "--to STORE SNAPSHOT...\n"
		 "--to STORE --source GLOB\n"
		 "--to STORE --all",
	.about = "copy snapshots to another store",
	.text = "Puts snapshots into a second store, with all they have: "
		"trees and attributes, original streams, notes, tags. To a "
		"store made with 'init --like' only what it lacks is sent; "
		"to any other one everything is read and named anew. Every "
		"byte is checked against its hash. What is there already is "
		"not copied again. --all and --source leave out what is "
		"damaged or incomplete, name it, and end with status 4 or 3.",
	.example = "varve copy cpd30/dv@2021-01-22 --to /mnt/second/store\n"
		   "varve copy --all --to /mnt/second/store --quiet",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = ANY_WORDS,
	.word_type = WORD_SNAPSHOT,
	.run = run,
};
