#include "tools/pg_info.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"

/*
 * As pgBackRest prints it, a fact a line, deeper ones indented:
 *
 *     stanza: db
 *         status: ok | error (WORDS[, backup/expire running…]) | mixed
 *             repo1: error (WORDS)             of mixed
 *                 [KIND] of error (other)
 *         cipher: none
 *         db (current)
 *             wal archive min/max (14): A/B | none present
 *             full backup: 20230220-044732F
 *                 timestamp start/stop: A / B
 *                 wal start/stop: A / B
 *                 database size: N, database backup size: N
 *                 repo1: backup set size: N, backup size: N
 */
#define NOTHING "No stanzas exist in the repository."

struct reading {
	struct pg_info *info;
	struct err *err;
	struct pg_repo_states states;
	struct pg_repo_state own;	/* of the line "status:" */
	bool wanted;		/* the lines are of the stanza */
	bool prior;		/* of a former database */
	bool in_status;
	const char *stanza;
	struct buf seen;	/* other stanzas there are */
	struct pg_backup *backup;
};

static const struct {
	uint64_t code;
	const char *words;
} codes[] = {
	{ 1, "missing stanza path" }, { 2, "no valid backups" },
	{ 3, "missing stanza data" }, { 4, "different across repos" },
	{ 5, "database mismatch across repos" },
	{ 6, "requested backup not found" }, { 99, "other" },
};

static struct span trim(struct span s)
{
	while (s.len && s.data[0] <= ' ') {
		s.data++;
		s.len--;
	}
	while (s.len && s.data[s.len - 1] <= ' ')
		s.len--;
	return s;
}

/* What is behind before; false where it does not begin so. */
static bool after(struct span line, const char *before, struct span *ret)
{
	size_t n = strlen(before);

	if (line.len < n || memcmp(line.data, before, n))
		return false;
	*ret = trim(span_of(line.data + n, line.len - n));
	return true;
}

/* Parted at the first between; false where it is not there. */
static bool part(struct span text, const char *between, struct span *ret_a,
		 struct span *ret_b)
{
	const uint8_t *at = text.len ? memmem(text.data, text.len, between,
					      strlen(between)) : NULL;

	if (!at)
		return false;
	*ret_a = trim(span_of(text.data, (size_t)(at - text.data)));
	at += strlen(between);
	*ret_b = trim(span_of(at, (size_t)(text.data + text.len - at)));
	return true;
}

/* "ok…", "mixed", "error (WORDS…": its code and its words. */
static void take_state(struct span text, struct pg_repo_state *ret)
{
	struct span rest;

	ret->code = PG_CODE_NONE;
	ret->words = text;
	if (after(text, "ok", &rest)) {
		ret->code = PG_CODE_OK;
		ret->words = span_of(text.data, 2);
		return;
	}
	if (after(text, "mixed", &rest)) {
		ret->code = 4;
		return;
	}
	if (!after(text, "error (", &rest))
		return;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		size_t n = strlen(codes[i].words);

		if (rest.len > n && !memcmp(rest.data, codes[i].words, n) &&
		    (rest.data[n] == ')' || rest.data[n] == ',')) {
			ret->code = codes[i].code;
			ret->words = span_of(rest.data, n);
		}
	}
}

/* Lines behind a status, until a fact of another name. */
static bool take_status_line(struct reading *t, struct span line)
{
	struct pg_repo_state *last = t->states.count ?
		&t->states.repo[t->states.count - 1] : &t->own;
	uint64_t key;
	int n = 0;
	char head[32];

	snprintf(head, sizeof(head), "%.*s", (int)(line.len < 31 ? line.len :
						   31), line.data);
	if (sscanf(head, "repo%" SCNu64 ":%n", &key, &n) == 1 && n > 0) {
		if (t->states.count == PG_REPOS_MAX)
			return true;
		last = &t->states.repo[t->states.count++];
		last->key = key;
		take_state(trim(span_of(line.data + n, line.len - (size_t)n)),
			   last);
		return true;
	}
	if (last->code != 99 || line.len == 0)
		return false;
	/* what went wrong, on lines of its own, is told as one piece */
	if (last->words.len && last->words.data[0] == '[')
		last->words.len = (size_t)(line.data + line.len -
					   last->words.data);
	else
		last->words = line;
	return true;
}

static void set_text(char **to, struct span text)
{
	free(*to);
	*to = pg_one_line(text);
}

/* "125.3MB" */
static uint64_t size_of(struct span text)
{
	char word[32];
	uint64_t size;
	size_t n = text.len < sizeof(word) - 1 ? text.len : sizeof(word) - 1;

	memcpy(word, text.data, n);
	word[n] = '\0';
	if (n && word[n - 1] == 'B')
		word[n - 1] = '\0';
	return size_parse(word, &size, NULL) < 0 ? UINT64_MAX : size;
}

static void take_backup_line(struct reading *t, struct span line)
{
	struct pg_backup *b = t->backup;
	struct span rest, first, second, size;
	const uint8_t *colon;

	if (after(line, "timestamp start/stop:", &rest) &&
	    part(rest, " / ", &first, &second)) {
		set_text(&b->start, first);
		set_text(&b->stop, second);
	} else if (after(line, "wal start/stop:", &rest) &&
		   part(rest, " / ", &first, &second)) {
		set_text(&b->wal_start, first);
		set_text(&b->wal_stop, second);
	} else if (after(line, "database size:", &rest) &&
		   part(rest, ", database backup size:", &first, &second)) {
		b->size = size_of(first);
		b->backup_size = size_of(second);
	} else if (after(line, "repo", &rest) &&
		   (part(rest, "backup set size:", &first, &size) ||
		    part(rest, "repository size:", &first, &size)) &&
		   (part(size, ", backup size:", &first, &second) ||
		    part(size, ", repository backup size:", &first,
			 &second))) {
		colon = memchr(rest.data, ':', rest.len);
		if (colon && rest.data[0] >= '1' && rest.data[0] <= '9')
			b->repo = strtoul((const char *)rest.data, NULL, 10);
		b->repo_size = size_of(first);
		b->repo_backup_size = size_of(second);
	}
}

/* "full backup: LABEL" */
static int take_backup(struct reading *t, struct span line, bool *ret)
{
	static const char *const types[] = { "full", "diff", "incr" };
	char before[32];
	struct span label;

	*ret = false;
	for (size_t i = 0; i < 3; i++) {
		snprintf(before, sizeof(before), "%s backup:", types[i]);
		if (!after(line, before, &label))
			continue;
		*ret = true;
		t->backup = pg_info_add(t->info, t->err);
		if (!t->backup)
			return -ENOMEM;
		set_text(&t->backup->label, label);
		t->backup->type = strdup(types[i]);
	}
	return 0;
}

static void take_wal(struct reading *t, struct span rest)
{
	struct span version, range, min, max;

	if (!after(rest, "(", &rest) ||
	    !part(rest, "):", &version, &range) || t->prior)
		return;
	set_text(&t->info->version, version);
	if (!part(range, "/", &min, &max))
		return;
	set_text(&t->info->wal_min, min);
	set_text(&t->info->wal_max, max);
}

static int take_fact(struct reading *t, struct span line)
{
	struct span rest;
	bool is_backup = false;
	int r;

	if (after(line, "status:", &rest)) {
		take_state(rest, &t->own);
		t->in_status = true;
		return 0;
	}
	if (after(line, "cipher:", &rest)) {
		t->in_status = false;
		set_text(&t->info->cipher, rest);
		return 0;
	}
	if (t->in_status && take_status_line(t, line))
		return 0;
	t->in_status = false;
	if (after(line, "db (", &rest)) {
		t->prior = !after(rest, "current", &rest);
		t->backup = NULL;
	} else if (after(line, "wal archive min/max", &rest)) {
		take_wal(t, rest);
	} else {
		r = take_backup(t, line, &is_backup);
		if (r < 0)
			return r;
		if (!is_backup && t->backup)
			take_backup_line(t, line);
	}
	return 0;
}

static int take_line(struct reading *t, struct span line)
{
	struct span rest;

	if (!after(line, "stanza:", &rest)) {
		line = trim(line);
		return t->wanted ? take_fact(t, line) : 0;
	}
	/* the stanza, or all of them where its repository is silent */
	t->wanted = span_equal(rest, span_str(t->stanza)) ||
		    (!t->info->stanza &&
		     span_equal(rest, span_str("[invalid]")));
	if (t->wanted) {
		set_text(&t->info->stanza, rest);
		t->backup = NULL;
		return 0;
	}
	buf_append_str(&t->seen, t->seen.len ? ", " : "");
	buf_append(&t->seen, rest.data, rest.len);
	return 0;
}

static int end_text(struct reading *t)
{
	struct pg_info *info = t->info;
	OWNED_BUF struct buf why = BUF_INIT;

	if (!info->stanza && t->seen.len) {
		buf_printf(&why, "the stanza is not among those that "
			   "pgBackRest tells of: %.*s", (int)t->seen.len,
			   (const char *)t->seen.data);
		info->outcome = PG_ERROR;
		info->why = buf_detach(&why);
		return info->why ? 0 : err_nomem(t->err);
	}
	if (!info->stanza)
		return 0;
	info->code = t->own.code;
	if (t->own.words.len)
		info->status = pg_one_line(t->own.words);
	/* a single repository has no line of its own */
	if (t->states.count == 0) {
		t->states.count = 1;
		t->states.repo[0] = t->own;
		t->states.repo[0].key = 1;
	}
	return pg_info_judge(info, &t->states, t->err);
}

int pg_info_read_text(struct span out, const char *stanza,
		      struct pg_info *info, struct err *err)
{
	struct reading *t = calloc(1, sizeof(*t));
	int r = 0;

	if (!t)
		return err_nomem(err);
	t->info = info;
	t->err = err;
	t->stanza = stanza;
	t->own.code = PG_CODE_NONE;
	if (span_equal(trim(out), span_str(NOTHING))) {
		info->outcome = PG_NO_STANZA;
		free(t);
		return 0;
	}
	while (r == 0 && out.len) {
		const uint8_t *end = memchr(out.data, '\n', out.len);
		size_t n = end ? (size_t)(end - out.data) : out.len;

		r = take_line(t, span_of(out.data, n));
		n += end != NULL;
		out = span_of(out.data + n, out.len - n);
	}
	if (r == 0)
		r = end_text(t);
	buf_release(&t->seen);
	free(t);
	return r;
}
