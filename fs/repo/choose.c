#include "fs/repo/repo_internal.h"

#include <inttypes.h>
#include <stdlib.h>

struct want {
	const char *name;	/* prefix of a name, or NULL */
	const char *key;	/* attribute or tag, or NULL */
	size_t key_len;
	const char *value;
	unsigned long back;	/* 0: the newest */
	struct stamp now;
};

/* Of one that fits: what keeps it from being taken unless it is named to the
 * letter. */
enum flaw {
	FLAW_NONE = 1, FLAW_DAMAGED, FLAW_INCOMPLETE, FLAW_BEFORE, FLAW_FUTURE,
};

struct fit {
	uint64_t number;
	enum flaw flaw;
};

struct choice {
	const struct want *want;
	struct fit *fits;	/* oldest first */
	size_t count, cap;
	uint64_t exact;		/* whose name is want->name to the letter */
	char nearest[PASSED_NAME];
	uint64_t seen, good;	/* good: of those that fit */
	struct passed passed;	/* where none was found: all that fit */
};

static enum flaw flaw_of(const struct snapshot *snapshot, struct stamp now)
{
	if (snapshot->damage)
		return FLAW_DAMAGED;
	if (snapshot->record.incomplete)
		return FLAW_INCOMPLETE;
	if (record_tag(&snapshot->record, TAG_FLAWED))
		return FLAW_BEFORE;
	return stamp_cmp(snapshot->record.time, now) > 0 ? FLAW_FUTURE :
							   FLAW_NONE;
}

static bool has_value(const struct record *record, const struct want *want)
{
	char key[128];
	const char *value;

	if (want->key_len >= sizeof(key))
		return false;
	memcpy(key, want->key, want->key_len);
	key[want->key_len] = '\0';
	value = record_attr(record, key);
	if (value && !strcmp(value, want->value))
		return true;
	value = record_tag(record, key);
	return value && !strcmp(value, want->value);
}

static struct passed_kind *kind_of(struct passed *passed, enum flaw flaw)
{
	switch (flaw) {
	case FLAW_DAMAGED:
		return &passed->damaged;
	case FLAW_INCOMPLETE:
		return &passed->incomplete;
	case FLAW_BEFORE:
		return &passed->flawed;
	case FLAW_FUTURE:
		return &passed->future;
	case FLAW_NONE:
		break;
	}
	return NULL;
}

static int consider(void *arg, const struct snapshot *snapshot,
		    struct err *err)
{
	struct choice *choice = arg;
	const struct want *want = choice->want;
	const struct record *record = &snapshot->record;
	struct passed_kind *kind;
	enum flaw flaw;

	choice->seen++;
	snprintf(choice->nearest, sizeof(choice->nearest), "%s",
		 record->name);
	if (want->name && !strcmp(want->name, record->name))
		choice->exact = record->number;
	if (want->name && strncmp(record->name, want->name,
				  strlen(want->name)))
		return 0;
	if (want->key && !has_value(record, want))
		return 0;
	/* one dated in the future is reached by its date, not by being newest */
	flaw = flaw_of(snapshot, want->name ? record->time : want->now);
	kind = kind_of(&choice->passed, flaw);
	/* the last of each kind is the newest */
	if (kind) {
		snprintf(kind->name, sizeof(kind->name), "%s", record->name);
		strcpy(choice->passed.newest, kind->name);
	}
	if (choice->count == choice->cap) {
		size_t cap = choice->cap ? 2 * choice->cap : 64;
		void *more = reallocarray(choice->fits, cap,
					  sizeof(*choice->fits));

		if (!more)
			return err_nomem(err);
		choice->fits = more;
		choice->cap = cap;
	}
	choice->fits[choice->count++] = (struct fit){ record->number, flaw };
	return 0;
}

/* From the newest on; 0: there is none.  Counts what is passed over. */
static uint64_t pick(struct choice *choice)
{
	struct passed *passed = &choice->passed;

	if (choice->exact) {
		*passed = (struct passed){ .newest = "" };
		return choice->exact;
	}
	for (size_t i = choice->count; i > 0; i--) {
		const struct fit *fit = &choice->fits[i - 1];
		struct passed_kind *kind = kind_of(passed, fit->flaw);

		if (kind)
			kind->count++;
		else if (choice->good++ == choice->want->back)
			return fit->number;
	}
	return 0;
}

static int choose(struct repo *repo, const char *source,
		  struct choice *choice, struct snapshot *ret,
		  struct err *err)
{
	uint64_t number = 0;
	int r;

	r = catalog_each_snapshot(repo->catalog, source, false, consider,
				  choice, err);
	if (r == 0)
		number = pick(choice);
	free(choice->fits);
	choice->fits = NULL;
	if (r < 0)
		return r;
	if (!number)
		return -ENOENT;
	return catalog_get_snapshot(repo->catalog, number, ret, err);
}

struct by_id {
	const char *prefix;
	unsigned found;
	uint64_t number;
};

static int match_id(void *arg, const struct snapshot *snapshot,
		    struct err *err)
{
	struct by_id *by = arg;
	char hex[2 * RECORD_ID + 1];

	(void)err;
	hex_write(snapshot->record.id, RECORD_ID, hex);
	if (!strncmp(hex, by->prefix, strlen(by->prefix))) {
		by->found++;
		by->number = snapshot->record.number;
	}
	return 0;
}

static int find_by_id(struct repo *repo, const char *prefix,
		      struct snapshot *ret, struct err *err)
{
	struct by_id by = { .prefix = prefix };
	int r;

	if (!*prefix || strspn(prefix, "0123456789abcdef") != strlen(prefix))
		return err_set(err, -EINVAL, "'id:%s' is no id: hexadecimal "
			       "digits are wanted", prefix);
	r = catalog_each_snapshot(repo->catalog, NULL, false, match_id, &by,
				  err);
	if (r < 0)
		return r;
	if (by.found == 0)
		err_set(err, -ENOENT, "no snapshot 'id:%s' in '%s'", prefix,
			repo->path);
	else if (by.found > 1)
		err_set(err, -EINVAL, "'id:%s' fits %u snapshots", prefix,
			by.found);
	if (by.found != 1) {
		err_hint(err, "'varve list' names the snapshots there are");
		return by.found ? -EINVAL : -ENOENT;
	}
	return catalog_get_snapshot(repo->catalog, by.number, ret, err);
}

/* "2021-01-22 19:27" as people write it, to the form names have. */
static void as_name(char *text)
{
	for (; *text; text++) {
		if (*text == ':')
			*text = '-';
		else if (*text == ' ')
			*text = 'T';
	}
}

static int parse_want(char *text, struct want *want, struct err *err)
{
	char *equals = strchr(text, '='), *end;

	if (!*text)
		return err_set(err, -EINVAL, "nothing stands behind the '@'");
	if (equals) {
		want->key = text;
		want->key_len = (size_t)(equals - text);
		want->value = equals + 1;
		return 0;
	}
	if (*text == '-') {
		errno = 0;
		want->back = strtoul(text + 1, &end, 10);
		if (errno || end == text + 1 || *end || want->back == 0)
			return err_set(err, -EINVAL, "'@%s' is no number of "
				       "snapshots back", text);
		return 0;
	}
	if (strcmp(text, "latest")) {
		as_name(text);
		want->name = text;
	}
	return 0;
}

uint64_t passed_count(const struct passed *passed)
{
	return passed->damaged.count + passed->incomplete.count +
	       passed->flawed.count + passed->future.count;
}

bool passed_is_partial(const struct passed *passed)
{
	return !strcmp(passed->newest, passed->damaged.name) ||
	       !strcmp(passed->newest, passed->incomplete.name);
}

static void describe_kind(const struct passed_kind *kind, const char *what,
			  struct buf *out)
{
	if (kind->count == 0)
		return;
	if (out->len > 0)
		buf_printf(out, ", ");
	if (kind->count == 1)
		buf_printf(out, "%s is %s", kind->name, what);
	else
		buf_printf(out, "%" PRIu64 " are %s, the newest of them %s",
			   kind->count, what, kind->name);
}

void passed_describe(const struct passed *passed, char text[PASSED_TEXT])
{
	OWNED_BUF struct buf out = BUF_INIT;

	describe_kind(&passed->damaged, "damaged", &out);
	describe_kind(&passed->incomplete, "incomplete", &out);
	describe_kind(&passed->flawed, "flawed", &out);
	describe_kind(&passed->future, "dated in the future", &out);
	snprintf(text, PASSED_TEXT, "%s", buf_str(&out) ?
		 (const char *)out.data : "some are not good");
}

static int none_good(struct repo *repo, const char *spec, const char *source,
		     const struct passed *passed, struct err *err)
{
	char text[PASSED_TEXT];

	passed_describe(passed, text);
	err_set(err, -ENOENT, "no good snapshot '%s' in the store '%s': %s",
		spec, repo->path, text);
	return err_hint(err, "'%s@%s' names the newest of them by its own "
			"time%s; 'varve list %s' names all", source,
			passed->newest, passed_is_partial(passed) ?
			", and restore takes what there is of one with "
			"--incomplete" : "", source);
}

struct below {
	const char *source;
	char *first;		/* of those below it */
	uint64_t count;		/* of snapshots */
};

static int see_below(void *arg, const struct snapshot *snapshot,
		     struct err *err)
{
	struct below *below = arg;
	const char *source = snapshot->record.source;
	size_t len = strlen(below->source);

	(void)err;
	if (strncmp(source, below->source, len) != 0 || source[len] != '/')
		return 0;
	if (below->count++ == 0)
		below->first = strdup(source);
	return 0;
}

int repo_hint_below(struct repo *repo, const char *source, struct err *err)
{
	struct below below = { .source = source };

	/* it is only told of */
	if (catalog_each_snapshot(repo->catalog, NULL, false, see_below,
				  &below, NULL) >= 0 && below.first)
		err_hint(err, "sources lie below it, as '%s': varve list "
			 "'%s/*'", below.first, source);
	else
		err_hint(err, "'varve list' names the snapshots there are");
	free(below.first);
	return err ? err->code : -ENOENT;
}

static int not_found(struct repo *repo, const char *spec,
		     const char *source, const struct choice *choice,
		     struct err *err)
{
	if (choice->seen == 0) {
		err_set(err, -ENOENT, "no source '%s' in the store '%s'",
			source, repo->path);
		return repo_hint_below(repo, source, err);
	}
	if (choice->good == 0 && passed_count(&choice->passed) > 0)
		return none_good(repo, spec, source, &choice->passed, err);
	err_set(err, -ENOENT, "no snapshot '%s' in the store '%s'", spec,
		repo->path);
	return err_hint(err, "the newest of this source is '%s@%s'; 'varve "
			"list %s' names all; one that is incomplete is reached "
			"by its whole time only", source, choice->nearest,
			source);
}

int repo_find_snapshot(struct repo *repo, const char *spec,
		       struct snapshot *ret, struct passed *passed,
		       struct err *err)
{
	struct want want = { .now = stamp_now() };
	struct choice choice = { .want = &want };
	CLEANUP(free_ptr) char *source = NULL;
	char *at;
	int r;

	if (passed)
		*passed = (struct passed){ .newest = "" };
	if (!strncmp(spec, "id:", 3))
		return find_by_id(repo, spec + 3, ret, err);
	source = strdup(spec);
	if (!source)
		return err_nomem(err);
	r = choose(repo, source, &choice, ret, err);
	at = strrchr(source, '@');
	if (r == -ENOENT && choice.seen == 0 && at) {
		*at = '\0';
		r = parse_want(at + 1, &want, err);
		if (r < 0)
			return r;
		choice = (struct choice){ .want = &want };
		r = choose(repo, source, &choice, ret, err);
	}
	if (passed && (r == 0 || r == -ENOENT))
		*passed = choice.passed;
	if (r == -ENOENT)
		return not_found(repo, spec, source, &choice, err);
	return r;
}

/* By its own name. */

#define WHOLE_DATE 10		/* "2021-01-22" */
#define NAMED_MAX 3		/* in a hint */

static int name_some(struct repo *repo, const struct choice *choice,
		     const char *source, struct err *err)
{
	OWNED_BUF struct buf names = BUF_INIT;
	size_t shown = choice->count < NAMED_MAX ? choice->count : NAMED_MAX;

	/* newest first */
	for (size_t i = 0; i < shown; i++) {
		struct snapshot s = { .forgotten = false };
		uint64_t number = choice->fits[choice->count - 1 - i].number;

		if (catalog_get_snapshot(repo->catalog, number, &s, NULL) < 0)
			continue;
		buf_printf(&names, "%s'%s@%s'", i ? ", " : "", s.record.source,
			   s.record.name);
		snapshot_release(&s);
	}
	if (choice->count > shown)
		buf_printf(&names, " or one of %zu more", choice->count -
			   shown);
	return err_hint(err, "name it in full, as %s; 'varve list %s' names "
			"all", buf_str(&names) ? (char *)names.data : "?",
			source);
}

/* Those that spec may mean, though they are not the newest. */
static int find_all(struct repo *repo, const char *source, char *behind,
		    const struct snapshot *found, struct choice *choice,
		    struct err *err)
{
	struct want want = { .name = NULL };
	int r = behind ? parse_want(behind, &want, err) : 0;

	if (r < 0)
		return r;
	choice->want = &want;
	/* what counts back means one, and names none */
	if (!behind || (!want.name && !want.key)) {
		choice->fits = calloc(1, sizeof(*choice->fits));
		if (!choice->fits)
			return err_nomem(err);
		choice->fits[0].number = found->record.number;
		choice->count = 1;
		return 1;
	}
	r = catalog_each_snapshot(repo->catalog, source, false, consider,
				  choice, err);
	if (r < 0 || choice->exact)
		return r;
	return choice->count > 1 ||
	       (want.name && strlen(want.name) < WHOLE_DATE);
}

static int check_named(struct repo *repo, const char *spec,
		       const struct snapshot *found, struct err *err)
{
	struct choice choice = { .want = NULL };
	CLEANUP(free_ptr) char *text = strdup(spec);
	const char *source = found->record.source;
	size_t len = strlen(source);
	int r;

	if (!text)
		return err_nomem(err);
	r = find_all(repo, source, text[len] ? text + len + 1 : NULL, found,
		     &choice, err);
	if (r == 1) {
		r = choice.count > 1 ?
			err_set(err, -EINVAL, "'%s' is no snapshot's own "
				"name: it fits %zu", spec, choice.count) :
			err_set(err, -EINVAL, "'%s' is no snapshot's own "
				"name: '%s@%s' is what it means now", spec,
				source, found->record.name);
		name_some(repo, &choice, source, err);
	}
	free(choice.fits);
	return r;
}

int repo_find_named(struct repo *repo, const char *spec, struct snapshot *ret,
		    struct err *err)
{
	struct snapshot found = { .forgotten = false };
	int r = repo_find_snapshot(repo, spec, &found, NULL, err);

	if (r == 0 && strncmp(spec, "id:", 3) != 0)
		r = check_named(repo, spec, &found, err);
	if (r < 0) {
		snapshot_release(&found);
		return r;
	}
	*ret = found;
	return 0;
}

/* 1: this is it. */
static int take_good(void *arg, const struct snapshot *snapshot,
		     struct err *err)
{
	uint64_t *number = arg;

	(void)err;
	if (flaw_of(snapshot, stamp_now()) != FLAW_NONE)
		return 0;
	*number = snapshot->record.number;
	return 1;
}

int repo_latest(struct repo *repo, const char *source, struct snapshot *ret,
		struct err *err)
{
	uint64_t number = 0;
	int r = catalog_each_newest(repo->catalog, source, take_good, &number,
				    err);

	if (r < 0)
		return r;
	if (r == 0)
		return err_set(err, -ENOENT,
			       "source '%s' has no complete snapshot", source);
	return catalog_get_snapshot(repo->catalog, number, ret, err);
}
