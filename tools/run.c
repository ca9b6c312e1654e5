#include "tools/run.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/id.h"
#include "fs/base/stamp.h"

#define PATH_ROOM (RUN_ID + 16)

static const char *const state_words[] = {
	[STEP_BEGUN] = "begin", [STEP_DONE] = "done",
	[STEP_UNDOING] = "undo", [STEP_UNDONE] = "undone",
};

static const char *const tree_words[] = {
	[TREE_UNPROVED] = "unproved", [TREE_WHOLLY_OLD] = "old",
	[TREE_WHOLLY_NEW] = "new",
};

const char *run_tree_name(enum run_tree tree)
{
	return tree ? tree_words[tree] : "";
}

static void journal_path(const struct run *run, char out[PATH_ROOM])
{
	snprintf(out, PATH_ROOM, "%s/journal", run->id);
}

int run_new(struct disk_dir *dir, struct run *ret, struct err *err)
{
	struct run run = { .dir = dir, .journal = JOURNAL_INIT };
	char when[STAMP_TEXT];
	uint8_t raw[2];
	int r = random_bytes(raw, sizeof(raw), err);

	if (r < 0)
		return r;
	stamp_name(stamp_now(), when);
	snprintf(run.id, sizeof(run.id), "%.30s-", when);
	hex_write(raw, sizeof(raw), run.id + strlen(run.id));
	*ret = run;
	return 0;
}

void run_release(struct run *run)
{
	journal_close(&run->journal);
	for (size_t i = 0; i < run->fact_count; i++) {
		free(run->facts[i].key);
		free(run->facts[i].value);
	}
	free(run->facts);
	*run = (struct run)RUN_INIT;
}

static struct run_fact *find(const struct run *run, const char *key)
{
	for (size_t i = 0; i < run->fact_count; i++)
		if (!strcmp(run->facts[i].key, key))
			return &run->facts[i];
	return NULL;
}

const char *run_fact(const struct run *run, const char *key)
{
	const struct run_fact *fact = find(run, key);

	return fact ? fact->value : NULL;
}

bool run_flag(const struct run *run, const char *key)
{
	const char *value = run_fact(run, key);

	return value && !strcmp(value, "1");
}

int run_fact_u64(const struct run *run, const char *key, uint64_t *ret,
		 struct err *err)
{
	const char *text = run_fact(run, key);
	char *end = NULL;

	errno = 0;
	if (text && *text >= '0' && *text <= '9')
		*ret = strtoull(text, &end, 10);
	if (!end || *end || errno)
		return err_corrupt(err, "the journal of run %s has no number "
				   "'%s'", run->id, key);
	return 0;
}

static int keep_fact(struct run *run, const char *key, const char *value,
		     struct err *err)
{
	struct run_fact *fact = find(run, key), *more;
	char *copy = strdup(value);

	if (!copy)
		return err_nomem(err);
	if (fact) {
		free(fact->value);
		fact->value = copy;
		return 0;
	}
	if (run->fact_count >= RUN_FACTS_MAX) {
		free(copy);
		return err_set(err, -EFBIG, "too many facts in a journal");
	}
	more = reallocarray(run->facts, run->fact_count + 1, sizeof(*more));
	if (more)
		run->facts = more;
	if (!more || !(more[run->fact_count].key = strdup(key))) {
		free(copy);
		return err_nomem(err);
	}
	more[run->fact_count++].value = copy;
	return 0;
}

static int put_line(struct run *run, const char *verb, const char *key,
		    const char *value, struct err *err)
{
	int r = journal_add(&run->journal, verb, key, value, err);

	return r < 0 ? r : journal_sync(&run->journal, err);
}

int run_learn(struct run *run, const char *key, const char *value,
	      struct err *err)
{
	int r = keep_fact(run, key, value, err);

	if (r < 0 || !run->started)
		return r;
	return put_line(run, "fact", key, value, err);
}

int run_learnv(struct run *run, struct err *err, const char *key,
	       const char *fmt, va_list ap)
{
	CLEANUP(free_ptr) char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		return err_nomem(err);
	}
	return run_learn(run, key, text, err);
}

int run_learnf(struct run *run, struct err *err, const char *key,
	       const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = run_learnv(run, err, key, fmt, ap);
	va_end(ap);
	return r;
}

static struct run_step *step_of(struct run *run, const char *name)
{
	for (size_t i = 0; i < run->step_count; i++)
		if (!strcmp(run->steps[i].name, name))
			return &run->steps[i];
	if (run->step_count == RUN_STEPS_MAX || strlen(name) > JOURNAL_NAME)
		return NULL;
	strcpy(run->steps[run->step_count].name, name);
	run->steps[run->step_count].state = STEP_NEW;
	return &run->steps[run->step_count++];
}

enum step_state run_step_state(const struct run *run, const char *name)
{
	for (size_t i = 0; i < run->step_count; i++)
		if (!strcmp(run->steps[i].name, name))
			return run->steps[i].state;
	return STEP_NEW;
}

int run_step_set(struct run *run, const char *name, enum step_state state,
		 struct err *err)
{
	struct run_step *step = step_of(run, name);
	int r;

	if (!step)
		return err_set(err, -EFBIG, "too many steps in a journal");
	r = put_line(run, state_words[state], name, NULL, err);
	if (r == 0)
		step->state = state;
	return r;
}

int run_set_back(struct run *run, struct err *err)
{
	int r = run->back ? 0 : put_line(run, "run", "back", NULL, err);

	if (r == 0)
		run->back = true;
	return r;
}

int run_set_forward(struct run *run, struct err *err)
{
	int r = run->back ? put_line(run, "run", "forward", NULL, err) : 0;

	if (r == 0)
		run->back = false;
	return r;
}

int run_set_proved(struct run *run, enum run_tree tree, struct err *err)
{
	int r = put_line(run, "proved", tree_words[tree], NULL, err);

	if (r == 0)
		run->proved = tree;
	return r;
}

int run_close(struct run *run, enum run_tree tree, struct err *err)
{
	int r = put_line(run, "closed", tree_words[tree], NULL, err);

	if (r == 0)
		run->closed = tree;
	return r;
}

bool run_is_unfinished(const struct run *run)
{
	return run->started && !run->closed;
}

/* The index of word; 0: it is none of them. */
static unsigned word_of(const char *const *words, size_t count,
			const char *word)
{
	for (unsigned i = 1; i < count; i++)
		if (words[i] && !strcmp(words[i], word))
			return i;
	return 0;
}

static int take_line(void *arg, const char *verb, const char *key,
		     const char *value, struct err *err)
{
	struct run *run = arg;
	unsigned state = word_of(state_words, 6, verb);
	unsigned tree = word_of(tree_words, 4, key);
	struct run_step *step;

	if (!strcmp(verb, "fact") && value)
		return keep_fact(run, key, value, err);
	if (!strcmp(verb, "run") && !strcmp(key, "start")) {
		run->started = true;
		return 0;
	}
	if (!strcmp(verb, "run") && !strcmp(key, "back")) {
		run->back = true;
		return 0;
	}
	if (!strcmp(verb, "run") && !strcmp(key, "forward")) {
		run->back = false;
		return 0;
	}
	if (!strcmp(verb, "proved") && tree) {
		run->proved = tree;
		return 0;
	}
	if (!strcmp(verb, "closed") && tree) {
		run->closed = tree;
		return 0;
	}
	step = state ? step_of(run, key) : NULL;
	if (!step)
		return err_set(err, -ENOTSUP, "the journal of run %s says "
			       "'%s %s', which this varve does not know",
			       run->id, verb, key);
	step->state = state;
	return 0;
}

int run_start(struct run *run, struct err *err)
{
	char path[PATH_ROOM];
	int r;

	journal_path(run, path);
	r = disk_mkdir(run->dir, run->id, err);
	if (r == 0)
		r = journal_create(run->dir, path, &run->journal, err);
	for (size_t i = 0; r == 0 && i < run->fact_count; i++)
		r = journal_add(&run->journal, "fact", run->facts[i].key,
				run->facts[i].value, err);
	if (r == 0)
		r = journal_add(&run->journal, "run", "start", NULL, err);
	if (r == 0)
		r = journal_sync(&run->journal, err);
	if (r == 0)
		r = disk_sync_dir(run->dir, run->id, err);
	if (r == 0)
		r = disk_sync_dir(run->dir, ".", err);
	if (r == 0) {
		run->started = true;
		return 0;
	}
	/* nothing was begun: what may be read of it later says nothing else */
	journal_close(&run->journal);
	if (disk_unlink(run->dir, path, NULL) == 0)
		unlinkat(run->dir->fd, run->id, AT_REMOVEDIR);
	else
		err_hint(err, "nothing was begun; 'varve rollback %s' closes "
			 "the run", run->id);
	return r;
}

static bool is_id(const char *id)
{
	return *id && strlen(id) < RUN_ID &&
	       strspn(id, "0123456789abcdefTZ-") == strlen(id);
}

int run_load(struct disk_dir *dir, const char *id, bool write,
	     struct run *ret, struct err *err)
{
	struct run run = { .dir = dir, .journal = JOURNAL_INIT };
	char path[PATH_ROOM];
	int r;

	if (!is_id(id))
		return err_set(err, -ENOENT, "'%s' is no run", id);
	strcpy(run.id, id);
	journal_path(&run, path);
	if (write)
		r = journal_open(dir, path, take_line, &run, &run.journal, err);
	else
		r = journal_read(dir, path, take_line, &run, &run.running,
				 err);
	if (r == -EBUSY)
		err_set(err, r, "run %s is going on in another process", id);
	if (r == -ENOENT)
		err_set(err, r, "there is no run '%s' in '%s'", id, dir->path);
	if (r < 0) {
		run_release(&run);
		return r;
	}
	*ret = run;
	return 0;
}

struct listing {
	char (*ids)[RUN_ID];
	size_t count;
};

static int take_id(void *arg, const char *name, struct err *err)
{
	struct listing *listing = arg;
	void *more;

	if (!is_id(name))
		return 0;
	more = reallocarray(listing->ids, listing->count + 1,
			    sizeof(*listing->ids));
	if (!more)
		return err_nomem(err);
	listing->ids = more;
	strcpy(listing->ids[listing->count++], name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int runs_each(struct disk_dir *dir,
	      int (*each)(void *arg, const char *id, struct err *err),
	      void *arg, struct err *err)
{
	struct listing listing = { .ids = NULL };
	int r = disk_list(dir, ".", take_id, &listing, err);

	if (listing.count)
		qsort(listing.ids, listing.count, sizeof(*listing.ids),
		      by_name);
	for (size_t i = 0; r == 0 && i < listing.count; i++)
		r = each(arg, listing.ids[i], err);
	free(listing.ids);
	return r;
}
