#include "tools/pg_info.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fs/base/jdoc.h"
#include "tools/format.h"

#define CODE_NO_PATH 1u
#define CODE_NO_DATA 3u
#define CODE_MIXED 4u
#define INVALID "[invalid]"	/* the stanza, where its repository is silent */

const char *pg_outcome_name(enum pg_outcome outcome)
{
	static const char *const names[] = {
		"", "Okay", "Timeout occurred", "No database instance pod",
		"No stanza configuration", "Error",
	};

	return names[outcome];
}

static void backup_release(struct pg_backup *b)
{
	free(b->label);
	free(b->type);
	free(b->start);
	free(b->stop);
	free(b->wal_start);
	free(b->wal_stop);
}

void pg_info_release(struct pg_info *info)
{
	for (size_t i = 0; i < info->backup_count; i++)
		backup_release(&info->backups[i]);
	free(info->backups);
	free(info->why);
	free(info->status);
	free(info->stanza);
	free(info->cipher);
	free(info->version);
	free(info->system_id);
	free(info->wal_min);
	free(info->wal_max);
	*info = (struct pg_info){ .code = PG_CODE_NONE };
}

struct pg_backup *pg_info_add(struct pg_info *info, struct err *err)
{
	struct pg_backup *more = reallocarray(info->backups,
					      info->backup_count + 1,
					      sizeof(*more));

	if (!more) {
		err_nomem(err);
		return NULL;
	}
	info->backups = more;
	more += info->backup_count++;
	*more = (struct pg_backup){
		.size = UINT64_MAX, .backup_size = UINT64_MAX,
		.repo_size = UINT64_MAX, .repo_backup_size = UINT64_MAX,
		.repo = 1,
	};
	return more;
}

const struct pg_backup *pg_info_last_full(const struct pg_info *info)
{
	for (size_t i = info->backup_count; i-- > 0;)
		if (info->backups[i].type &&
		    !strcmp(info->backups[i].type, "full"))
			return &info->backups[i];
	return NULL;
}

char *pg_one_line(struct span words)
{
	OWNED_BUF struct buf line = BUF_INIT;

	for (size_t i = 0; i < words.len; i++) {
		uint8_t c = words.data[i];

		if (c <= 0x20 || c == 0x7f)
			c = ' ';
		if (c != ' ' || (line.len && line.data[line.len - 1] != ' '))
			buf_append_byte(&line, c);
	}
	if (line.len && line.data[line.len - 1] == ' ')
		line.len--;
	return buf_detach(&line);
}

static bool has(struct span text, const char *words)
{
	return text.len && memmem(text.data, text.len, words, strlen(words));
}

bool pg_is_timeout(struct span words)
{
	return has(words, "HostConnectError") || has(words, "[049]") ||
	       has(words, "timed out") || has(words, "timeout") ||
	       has(words, "unable to connect to '");
}

/* The judgement. */

static bool is_there(uint64_t code)
{
	return code == PG_CODE_OK || code == PG_CODE_NO_BACKUP;
}

static bool is_missing(uint64_t code)
{
	return code == CODE_NO_PATH || code == CODE_NO_DATA;
}

/* "different across repos: repo1: missing stanza path; repo2: ok" */
static int explain(struct pg_info *info, const struct pg_repo_states *states,
		   struct err *err)
{
	bool several = states->count > 1;
	OWNED_BUF struct buf why = BUF_INIT;

	if (info->status && (states->count == 0 ||
			     (info->code >= CODE_MIXED && info->code < 99)))
		buf_append_str(&why, info->status);
	for (size_t i = 0; i < states->count; i++) {
		const struct pg_repo_state *s = &states->repo[i];

		if (why.len)
			buf_append_str(&why, i ? "; " : ": ");
		if (several)
			buf_printf(&why, "repo%" PRIu64 ": ", s->key);
		buf_append(&why, s->words.data, s->words.len);
	}
	if (why.len == 0)
		buf_printf(&why, "pgBackRest's status %" PRIu64, info->code);
	info->why = pg_one_line(buf_span(&why));
	return info->why && !buf_failed(&why) ? 0 : err_nomem(err);
}

int pg_info_judge(struct pg_info *info, const struct pg_repo_states *states,
		  struct err *err)
{
	size_t there = 0, missing = 0, silent = 0, odd = 0;

	for (size_t i = 0; i < states->count; i++) {
		const struct pg_repo_state *s = &states->repo[i];

		if (is_there(s->code))
			there++;
		else if (is_missing(s->code))
			missing++;
		else if (pg_is_timeout(s->words))
			silent++;
		else
			odd++;
	}
	info->outcome = PG_ERROR;
	/* of a single repository; the stanza's own code says it, too */
	if (states->count == 0) {
		if (is_there(info->code))
			info->outcome = PG_OKAY;
		else if (is_missing(info->code))
			info->outcome = PG_NO_STANZA;
	} else if (is_there(info->code) || is_missing(info->code) ||
		   info->code == CODE_MIXED) {
		if (there == states->count)
			info->outcome = PG_OKAY;
		else if (missing == states->count)
			info->outcome = PG_NO_STANZA;
		info->partial = there && missing && !silent && !odd;
	}
	if (silent && !odd)
		info->outcome = PG_TIMEOUT;
	if (info->outcome == PG_OKAY || info->outcome == PG_NO_STANZA)
		return 0;
	return explain(info, states, err);
}

/* Its JSON. */

static char *text_of(const struct jnode *node, const char *path)
{
	struct span text = jnode_text(node, path);

	return text.data ? pg_one_line(text) : NULL;
}

static char *time_of(const struct jnode *node, const char *path)
{
	char text[STAMP_TEXT];
	struct stamp when = { .s = 0 };
	uint64_t seconds;

	if (!jnode_u64(node, path, &seconds) || seconds > INT64_MAX / 2)
		return NULL;
	when.s = (int64_t)seconds;
	stamp_iso(when, text);
	return strdup(text);
}

static void take_number(const struct jnode *node, const char *path,
			uint64_t *ret)
{
	uint64_t n;

	if (jnode_u64(node, path, &n))
		*ret = n;
}

static int take_backup(struct pg_info *info, const struct jnode *one,
		       struct err *err)
{
	struct pg_backup *b = pg_info_add(info, err);

	if (!b)
		return -ENOMEM;
	b->label = text_of(one, "label");
	b->type = text_of(one, "type");
	b->start = time_of(one, "timestamp.start");
	b->stop = time_of(one, "timestamp.stop");
	b->wal_start = text_of(one, "archive.start");
	b->wal_stop = text_of(one, "archive.stop");
	take_number(one, "info.size", &b->size);
	take_number(one, "info.delta", &b->backup_size);
	take_number(one, "info.repository.size", &b->repo_size);
	take_number(one, "info.repository.delta", &b->repo_backup_size);
	take_number(one, "database.repo-key", &b->repo);
	return 0;
}

/* Of the archives of the current database: over all repositories. */
static void take_archive(struct pg_info *info, const struct jnode *one)
{
	char *min = text_of(one, "min"), *max = text_of(one, "max");

	if (min && (!info->wal_min || strcmp(min, info->wal_min) < 0)) {
		free(info->wal_min);
		info->wal_min = min;
		min = NULL;
	}
	if (max && (!info->wal_max || strcmp(max, info->wal_max) > 0)) {
		free(info->wal_max);
		info->wal_max = max;
		max = NULL;
	}
	free(min);
	free(max);
}

static uint64_t db_number(const struct jnode *node, const char *path)
{
	uint64_t id = 0;

	jnode_u64(node, path, &id);
	return id;
}

/* The database with the highest number is the current one. */
static const struct jnode *current_database(const struct jnode *stanza)
{
	const struct jnode *list = jnode_get(stanza, "db"), *best = NULL;
	const struct jnode *one = list ? list->child : NULL;

	for (; one; one = one->next)
		if (!best || db_number(one, "id") > db_number(best, "id"))
			best = one;
	return best;
}

static int take_facts(struct pg_info *info, const struct jnode *stanza,
		      struct err *err)
{
	const struct jnode *db = current_database(stanza), *list, *one;
	int r = 0;

	info->cipher = text_of(stanza, "cipher");
	info->version = text_of(db, "version");
	info->system_id = text_of(db, "system-id");
	list = jnode_get(stanza, "archive");
	for (one = list ? list->child : NULL; one; one = one->next)
		if (db && db_number(one, "database.id") == db_number(db, "id"))
			take_archive(info, one);
	list = jnode_get(stanza, "backup");
	for (one = list ? list->child : NULL; r == 0 && one; one = one->next)
		r = take_backup(info, one, err);
	return r;
}

static int take_stanza(struct pg_info *info, const struct jnode *stanza,
		       struct err *err)
{
	const struct jnode *list = jnode_get(stanza, "repo");
	const struct jnode *one = list ? list->child : NULL;
	struct pg_repo_states states = { .count = 0 };
	int r;

	info->stanza = text_of(stanza, "name");
	info->status = text_of(stanza, "status.message");
	if (!info->stanza)
		return err_nomem(err);
	if (!jnode_u64(stanza, "status.code", &info->code))
		info->code = PG_CODE_NONE;
	for (; one && states.count < PG_REPOS_MAX; one = one->next) {
		struct pg_repo_state *s = &states.repo[states.count++];

		s->key = db_number(one, "key");
		s->code = PG_CODE_NONE;
		jnode_u64(one, "status.code", &s->code);
		s->words = jnode_text(one, "status.message");
	}
	r = take_facts(info, stanza, err);
	return r < 0 ? r : pg_info_judge(info, &states, err);
}

static int error_of(struct pg_info *info, const char *words,
		    const struct jnode *list, struct err *err)
{
	OWNED_BUF struct buf why = BUF_INIT;
	const struct jnode *one = list ? list->child : NULL;
	const char *between = ": ";

	buf_append_str(&why, words);
	for (; one; one = one->next, between = ", ") {
		struct span name = jnode_text(one, "name");

		buf_append_str(&why, between);
		buf_append(&why, name.data, name.len);
	}
	info->outcome = PG_ERROR;
	info->why = pg_one_line(buf_span(&why));
	return info->why ? 0 : err_nomem(err);
}

static const struct jnode *stanza_of(const struct jnode *list,
				     const char *name)
{
	for (const struct jnode *one = list->child; one; one = one->next)
		if (jnode_is(one, "name", name))
			return one;
	return NULL;
}

static int read_json(const struct jnode *root, const char *name,
		     struct pg_info *info, struct err *err)
{
	const struct jnode *stanza;

	if (root->type != JTYPE_ARRAY)
		return error_of(info, "pgbackrest info gave no list", NULL,
				err);
	if (!root->child) {
		info->outcome = PG_NO_STANZA;
		return 0;
	}
	stanza = stanza_of(root, name);
	if (!stanza)
		stanza = stanza_of(root, INVALID);
	if (!stanza)
		return error_of(info, "the stanza is not among those that "
				"pgBackRest tells of", root, err);
	return take_stanza(info, stanza, err);
}

int pg_info_read(struct span out, const char *stanza, struct pg_info *ret,
		 struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct pg_info info = { .code = PG_CODE_NONE };
	struct err why = ERR_INIT;
	int r = jdoc_parse(out, "what pgbackrest printed", &doc, &why);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r == 0)
		r = read_json(doc.root, stanza, &info, err);
	else
		r = pg_info_read_text(out, stanza, &info, err);
	if (r == 0 && !info.outcome)
		r = error_of(&info, "what pgbackrest info printed is not "
			     "understood", NULL, err);
	if (r < 0)
		pg_info_release(&info);
	else
		*ret = info;
	return r;
}

/* The facts again. */

static void put_sizes(struct buf *out, const char *before, uint64_t whole,
		      const char *between, uint64_t part)
{
	char a[SIZE_TEXT] = "?", b[SIZE_TEXT] = "?";

	if (whole != UINT64_MAX)
		size_text(whole, a);
	if (part != UINT64_MAX)
		size_text(part, b);
	buf_printf(out, "            %s%s%s%s\n", before, a, between, b);
}

static const char *or_none(const char *text)
{
	return text ? text : "n/a";
}

static void put_backup(struct buf *out, const struct pg_backup *b)
{
	char before[64];

	buf_printf(out, "\n        %s backup: %s\n", or_none(b->type),
		   or_none(b->label));
	buf_printf(out, "            timestamp start/stop: %s / %s\n",
		   or_none(b->start), or_none(b->stop));
	buf_printf(out, "            wal start/stop: %s / %s\n",
		   or_none(b->wal_start), or_none(b->wal_stop));
	put_sizes(out, "database size: ", b->size,
		  ", database backup size: ", b->backup_size);
	snprintf(before, sizeof(before), "repo%" PRIu64 ": backup set size: ",
		 b->repo);
	put_sizes(out, before, b->repo_size, ", backup size: ",
		  b->repo_backup_size);
}

void pg_info_print(const struct pg_info *info, struct buf *out)
{
	if (!info->stanza) {
		buf_append_str(out, "no stanza\n");
		return;
	}
	buf_printf(out, "stanza: %s\n    status: ", info->stanza);
	if (info->code == PG_CODE_OK)
		buf_append_str(out, "ok\n");
	else
		buf_printf(out, "error (%s)\n", or_none(info->status));
	buf_printf(out, "    cipher: %s\n\n    db (current)\n"
		   "        wal archive min/max (%s): ", or_none(info->cipher),
		   or_none(info->version));
	if (info->wal_min && info->wal_max)
		buf_printf(out, "%s/%s\n", info->wal_min, info->wal_max);
	else
		buf_append_str(out, "none present\n");
	for (size_t i = 0; i < info->backup_count; i++)
		put_backup(out, &info->backups[i]);
}
