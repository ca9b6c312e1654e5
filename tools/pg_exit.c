#include "tools/pg.h"

/* As in pgBackRest's src/build/error/error.yaml; hints for those that
 * stanza-create and check end with. */
static const struct {
	int status;
	const char *name, *hint;
} exits[] = {
	{ 25, "assert", NULL },
	{ 27, "config", "its configuration in the pod is not valid" },
	{ 28, "file-invalid", "the repository has a stanza of another "
	  "database: see whose it is (pgbackrest info); after an upgrade of "
	  "PostgreSQL it is 'pgbackrest --stanza=db stanza-upgrade'" },
	{ 29, "format", NULL },
	{ 31, "option-invalid", NULL },
	{ 32, "option-invalid-value", NULL },
	{ 37, "option-required", "an option is missing in the pod's "
	  "configuration, /etc/pgbackrest/conf.d" },
	{ 38, "pg-running", NULL },
	{ 39, "protocol", NULL },
	{ 40, "path-not-empty", "the stanza's path in the repository is not "
	  "empty, and has no stanza in it: see what lies there" },
	{ 41, "file-open", "may the repository be written?" },
	{ 42, "file-read", NULL },
	{ 44, "archive-mismatch", "what archives WAL is not of this database: "
	  "see 'pgbackrest info', then 'pgbackrest --stanza=db "
	  "stanza-upgrade'" },
	{ 47, "path-create", "may the repository be written?" },
	{ 49, "host-connect", "the repository's host does not answer: is "
	  "there a ServiceEntry for it, and is its pod running?" },
	{ 50, "lock-acquire", "another pgbackrest is running for this "
	  "stanza: wait for it, then again" },
	{ 51, "backup-mismatch", "the repository's backups are of another "
	  "database: see 'pgbackrest info'" },
	{ 55, "file-missing", "a part of the stanza is in the repository "
	  "(archive.info or backup.info, without the other): see what lies "
	  "there before anything is removed" },
	{ 56, "db-connect", "pgbackrest cannot connect to the server, or "
	  "finds no primary: see 'patronictl list'" },
	{ 57, "db-query", NULL },
	{ 58, "db-mismatch", "the database is not the one that the "
	  "configuration or the repository is of" },
	{ 62, "stop", "somebody stopped it: 'pgbackrest --stanza=db start' "
	  "in the pod, then again" },
	{ 63, "term", "it was ended from outside: again" },
	{ 64, "file-write", "is the repository's volume full?" },
	{ 68, "archive-command-invalid", "archive_command of the server does "
	  "not run pgbackrest" },
	{ 73, "path-missing", NULL },
	{ 82, "archive-timeout", "WAL does not reach the repository: the "
	  "server's log says why archive_command fails; then again" },
	{ 87, "archive-disabled", "archive_mode is off in the server" },
	{ 95, "crypto", "the repository is encrypted by another key" },
	{ 101, "service", "the repository's storage does not answer" },
	{ 102, "execute", NULL },
	{ 103, "repo-invalid", "no repository of the configuration can be "
	  "used" },
	{ 104, "command", NULL },
	{ 105, "access", "the repository refuses the credentials" },
	{ 122, "runtime", NULL }, { 124, "unhandled", NULL },
	{ 125, "unknown", NULL },
};

static size_t find(int status)
{
	size_t i = 0, count = sizeof(exits) / sizeof(exits[0]);

	while (i < count && exits[i].status != status)
		i++;
	return i;
}

const char *pg_exit_name(int status)
{
	size_t i = find(status);

	return i < sizeof(exits) / sizeof(exits[0]) ? exits[i].name : NULL;
}

const char *pg_exit_hint(int status)
{
	size_t i = find(status);

	return i < sizeof(exits) / sizeof(exits[0]) ? exits[i].hint : NULL;
}

/* From the first "ERROR:" on; else the last line. */
static struct span error_in(const struct buf *text)
{
	const char *mark = "ERROR:";
	const uint8_t *at = text->len ? memmem(text->data, text->len, mark,
					       strlen(mark)) : NULL;
	size_t from;

	if (at)
		return span_of(at, (size_t)(text->data + text->len - at));
	from = text->len;
	while (from > 0 && text->data[from - 1] <= ' ')
		from--;
	while (from > 0 && text->data[from - 1] != '\n')
		from--;
	return span_of(text->data + from, text->len - from);
}

#define WORDS_MAX 400

char *pg_exit_words(const struct child_end *end)
{
	/* with --log-level-console an error is on standard output */
	struct span words = error_in(&end->said);
	char *line;

	if (!words.len || memcmp(words.data, "ERROR:", 6 < words.len ? 6 :
				 words.len) != 0) {
		struct span out = error_in(&end->out);

		if (out.len >= 6 && !memcmp(out.data, "ERROR:", 6))
			words = out;
	}
	line = words.len ? pg_one_line(words) : strdup("");
	if (line && strlen(line) > WORDS_MAX)
		line[WORDS_MAX] = '\0';
	return line;
}
