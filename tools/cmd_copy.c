#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/repo/bits.h"
#include "fs/repo/copy.h"
#include "fs/repo/remember.h"
#include "fs/tree/damage.h"
#include "tools/commands.h"
#include "tools/copy_tell.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/target.h"

#define LEFT_NAMED 8

struct left_out {		/* of what was to be copied */
	uint64_t count;
	struct buf names;	/* of the first LEFT_NAMED */
};

struct copying {
	struct copy_ends ends;
	struct copier *copier;
	struct copy_options options;
	struct snapshots list;	/* what is to be there */
	struct bits hurt;	/* numbers of those that are there, damaged */
	bool dry_run;
	bool told_unlike;
	struct left_out damaged, incomplete;
	uint64_t done, failed, healed;
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
	const struct options *o = &c->ends.tool->options;

	for (size_t i = 0; i < o->word_count; i++) {
		struct snapshot *row = list_room(&c->list, err);
		int r = row ? find_snapshot(c->ends.from, o->words[i],
					    OLDER_TOLD, row, err) : -ENOMEM;

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
static bool is_lacking(const struct copying *c, enum copy_there there)
{
	return there == COPY_ABSENT ||
	       (there == COPY_GONE &&
		!option_given(&c->ends.tool->options, "newer"));
}

static void leave_out(struct copying *c, const struct snapshot *s)
{
	struct left_out *left = s->damage ? &c->damaged : &c->incomplete;
	char label[LABEL_TEXT];

	if (left->count++ < LEFT_NAMED) {
		snapshot_label(&s->record, label);
		buf_printf(&left->names, "%s%s", left->names.len ? ", " : "",
			   label);
	}
	if (c->ends.tool->json)
		copy_tell_left_out(s);
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
		repo_path(c->ends.to), buf_str(&left->names) ?
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
		enum copy_there there = copier_has(c->copier, &s->record,
						   NULL);
		bool lacks = is_lacking(c, there);

		if (!lacks && there != COPY_DAMAGED)
			continue;
		if (s->damage || (lacks && s->record.incomplete)) {
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
	int r = snapshots_load(c->ends.from, glob, false, list, err);
	size_t kept;

	if (r < 0)
		return r;
	if (glob && list->count == 0) {
		r = err_set(err, -ENOENT, "no source '%s' in '%s'", glob,
			    repo_path(c->ends.from));
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

/* Once, and only where something is copied. */
static void tell_unlike(struct copying *c)
{
	if (c->told_unlike || copier_is_like(c->copier))
		return;
	c->told_unlike = true;
	note(c->ends.tool, "'%s' was not made like '%s': their secrets differ, "
	     "so everything is read and named anew, and shares with what is "
	     "added there only files that fit into one chunk; 'varve init "
	     "--like' makes stores that share", repo_path(c->ends.to),
	     repo_path(c->ends.from));
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

/* What is remembered there is taken back now: others may have been healed with
 * this one, and need not be read. */
static int take_back(struct copying *c, const struct snapshot *s,
		     struct err *err)
{
	char label[LABEL_TEXT];
	uint64_t healed;
	int r = damage_heal(c->ends.to, &healed, err);

	if (r == 0)
		r = copier_look_again(c->copier, err);
	if (r < 0 || copier_has(c->copier, &s->record, NULL) != COPY_DAMAGED)
		return r;
	snapshot_label(&s->record, label);
	err_corrupt(err, "all of '%s' can be read in '%s' and it is remembered "
		    "as damaged", label, repo_path(c->ends.to));
	return err_hint(err, "'varve check --read-data' of that store looks "
			"again");
}

/* It is there; known to be damaged, or nobody knows. */
static int heal_one(struct copying *c, const struct snapshot *s,
		    uint64_t number, struct err *err)
{
	bool known = bits_has(&c->hurt, number);
	char label[LABEL_TEXT], other[LABEL_TEXT];
	struct copy_report report;
	int r;

	snapshot_label(&s->record, label);
	progress_start(c->ends.tool->quiet);
	r = copier_heal(c->copier, s, &report, err);
	progress_end();
	if (r == -ECANCELED)
		return err_set(err, r, "stopped: '%s' was not healed", label);
	if (r < 0)
		hint_at_cause(r, err);
	else
		r = take_back(c, s, err);
	if (r < 0) {
		copy_other_label(&c->ends, number, other);
		return err_wrap(err, "cannot heal '%s' in '%s'", other,
				repo_path(c->ends.to));
	}
	if (!known && report.new_objects == 0) {
		copy_tell_there(&c->ends, s, number);
		return 0;
	}
	c->healed++;
	copy_tell_healed(&c->ends, s, number, &report);
	return 0;
}

static int see_there(struct copying *c, const struct snapshot *s,
		     uint64_t number, enum copy_there there, struct err *err)
{
	const struct copy_report none = { 0 };

	if (c->dry_run && there == COPY_DAMAGED)
		copy_tell_dry_heal(&c->ends, s, number);
	else if (there == COPY_DAMAGED || (c->options.reread && !c->dry_run))
		return heal_one(c, s, number, err);
	else if (bits_has(&c->hurt, number))
		/* with one before */
		copy_tell_healed(&c->ends, s, number, &none);
	else
		copy_tell_there(&c->ends, s, number);
	return 0;
}

static int copy_one(struct copying *c, const struct snapshot *s,
		    struct err *err)
{
	CLEANUP(record_release) struct record record = { .source = NULL };
	struct copy_report report;
	enum copy_there there;
	char label[LABEL_TEXT];
	uint64_t number;
	int r;

	there = copier_has(c->copier, &s->record, &number);
	if (there >= COPY_THERE)
		return see_there(c, s, number, there, err);
	if (c->dry_run) {
		copy_tell_dry(&c->ends, s);
		return 0;
	}
	tell_unlike(c);
	snapshot_label(&s->record, label);
	progress_start(c->ends.tool->quiet);
	r = copier_copy(c->copier, s, &record, &report, err);
	progress_end();
	if (report.damage[0])
		warn("an earlier copy of this source in '%s' is damaged (%s): "
		     "all of '%s' was read and compared, which mends what they "
		     "share; 'varve check' tells what else there is",
		     repo_path(c->ends.to), report.damage, label);
	if (r == -EALREADY &&
	    copier_has(c->copier, &s->record, &number) >= COPY_THERE) {
		copy_tell_there(&c->ends, s, number);
		return 0;
	}
	if (r == -ECANCELED)
		return err_set(err, r, "stopped: '%s' was not copied", label);
	if (r < 0)
		hint_at_cause(r, err);
	if (r < 0)
		return err_wrap(err, "cannot copy '%s' to '%s'", label,
				repo_path(c->ends.to));
	copy_tell_copied(&c->ends, s, &record, &report);
	if (record.incomplete)
		note(c->ends.tool, "'%s' is incomplete, here as there: %s",
		     label, record.incomplete);
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
		     "does): %s", repo_path(c->ends.to), err.text);
}

static int find_hurt(struct copying *c, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < c->list.count; i++) {
		uint64_t number;

		if (copier_has(c->copier, &c->list.row[i].record, &number) ==
		    COPY_DAMAGED)
			r = bits_set(&c->hurt, number, err);
	}
	return r;
}

/* The damaged pack is still there, and whoever looks is told of it. */
static void tell_packs(const struct copying *c)
{
	struct store_damage damage;

	if (c->healed == 0 ||
	    store_damage_load(c->ends.to, &damage, NULL) < 0 ||
	    damage.packs == 0)
		return;
	note(c->ends.tool, "%s of '%s' %s damaged still, which no snapshot that "
	     "was healed needs: 'varve repair --store %s' moves what is damaged "
	     "out of the way", counted(damage.packs, "pack").s,
	     repo_path(c->ends.to), damage.packs == 1 ? "is" : "are",
	     repo_path(c->ends.to));
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
	const struct options *o = &c->ends.tool->options;
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
	bits_release(&c->hurt);
	buf_release(&c->damaged.names);
	buf_release(&c->incomplete.names);
	if (c->ends.from)
		repo_close(c->ends.from);
	if (c->ends.to)
		repo_close(c->ends.to);
}

/* The other store: it is what --to names, and it is written to. */
static int open_other(struct copying *c, struct err *err)
{
	const char *path = option_value(&c->ends.tool->options, "to");
	int r = repo_open(path, c->dry_run ? REPO_READ : REPO_WRITE,
			  REPO_CACHE_DEFAULT, &c->ends.to, err);

	switch (r) {
	case -ENOENT:
		err_hint(err, "--to names another; 'varve init --like %s "
			 "--store %s' makes one that shares data with this "
			 "one", repo_path(c->ends.from), path);
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
	CLEANUP(copying_release) struct copying c = { .ends.tool = tool };
	const struct options *o = &tool->options;
	int r = check_use(&c, err);

	if (r >= 0)
		r = tool_open(tool, REPO_READ, &c.ends.from, err);
	if (r >= 0)
		r = open_other(&c, err);
	if (r >= 0)
		r = is_same_place(c.ends.from, c.ends.to, err);
	if (r >= 0)
		r = tool_min_free(tool, c.ends.to, &c.options.min_free, err);
	if (r >= 0)
		r = copier_new(c.ends.from, c.ends.to, &c.options, &c.copier,
			       err);
	if (r >= 0)
		r = o->word_count ? take_words(&c, err) :
				    take_all(&c, option_value(o, "source"),
					     err);
	if (r >= 0)
		r = find_hurt(&c, err);
	if (r < 0)
		return r;
	catch_stop();
	r = copy_all(&c, err);
	tell_packs(&c);
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
	  .help = "read and compare also what earlier copies brought, and "
		  "what is there already; heal what is damaged" },
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
		"not copied again; where it is known to be damaged there, it "
		"is healed. --all and --source leave out what is "
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
