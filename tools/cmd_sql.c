#include <stdlib.h>

#include "fs/tree/rows.h"
#include "tools/commands.h"
#include "tools/format.h"

/* Types of values as SQLite numbers them. */
enum { SQL_INTEGER = 1, SQL_FLOAT = 2 };

struct answer {
	const struct tool *tool;
	struct table *table;
	const char **heads;	/* owned, and each of them */
	int columns;
	bool csv;
};

static void answer_release(struct answer *answer)
{
	table_free(answer->table);
	for (int i = 0; answer->heads && i < answer->columns; i++)
		free((char *)answer->heads[i]);
	free(answer->heads);
}

static void csv_cell(const char *text, bool last)
{
	if (text && text[strcspn(text, ",\"\r\n")]) {
		fputc('"', stdout);
		for (; *text; text++) {
			if (*text == '"')
				fputc('"', stdout);
			fputc(*text, stdout);
		}
		fputc('"', stdout);
	} else if (text) {
		fputs(text, stdout);
	}
	fputs(last ? "\r\n" : ",", stdout);
}

static int begin(struct answer *a, int columns, const char **names,
		 struct err *err)
{
	a->columns = columns;
	a->heads = calloc((size_t)columns, sizeof(*a->heads));
	if (!a->heads)
		return err_nomem(err);
	for (int i = 0; i < columns; i++) {
		char *head;

		if (asprintf(&head, "<%s", names[i]) < 0)
			return err_nomem(err);
		a->heads[i] = head;
		if (a->csv)
			csv_cell(names[i], i + 1 == columns);
	}
	if (a->csv)
		return 0;
	if (columns > TABLE_COLUMNS)
		return err_set(err, -EINVAL, "more than %d columns: ask for "
			       "--csv or --json", TABLE_COLUMNS);
	a->table = table_new(stdout, a->heads, (size_t)columns);
	return a->table ? 0 : err_nomem(err);
}

static void json_row(int columns, const char **names, const char **values,
		     const int *types)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	for (int i = 0; i < columns; i++) {
		if (!values[i])
			json_null(&json, names[i]);
		else if (types[i] == SQL_INTEGER)
			json_i64(&json, names[i],
				 strtoll(values[i], NULL, 10));
		else if (types[i] == SQL_FLOAT)
			json_double(&json, names[i],
				    strtod(values[i], NULL));
		else
			json_name(&json, names[i], span_str(values[i]));
	}
	json_close_object(&json);
	json_print(&line);
}

static int put_row(void *arg, int columns, const char **names,
		   const char **values, const int *types, struct err *err)
{
	struct answer *a = arg;
	int r = 0;

	if (a->tool->json) {
		json_row(columns, names, values, types);
		return 0;
	}
	if (!a->heads)
		r = begin(a, columns, names, err);
	if (r < 0)
		return r;
	for (int i = 0; i < columns; i++) {
		if (a->csv)
			csv_cell(values[i], i + 1 == columns);
		else
			table_cell(a->table, values[i] ? values[i] : "");
	}
	return 0;
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(answer_release) struct answer answer = {
		.tool = tool,
		.csv = option_given(&tool->options, "csv"),
	};
	OWNED_REPO struct repo *repo = NULL;
	struct rows_report rows = { .lacking = 0 };
	int r;

	r = tool_open(tool, REPO_READ, &repo, err);
	if (r >= 0)
		r = rows_level(repo, &rows, err);
	if (r >= 0)
		r = catalog_query(repo_catalog(repo), tool->options.words[0],
				  put_row, &answer, err);
	if (r == -EINVAL && !err->hint[0])
		err_hint(err, "views: v_snapshot, v_source, v_pack, v_event, "
			 "v_tag, v_row; these and those of kinds are in "
			 "varve-sql(1)");
	if (answer.table)
		table_print(answer.table);
	if (r < 0 || rows.lacking == 0)
		return r < 0 ? r : DONE;
	warn("the rows of %s are not in the answer: %s",
	     counted(rows.lacking, "snapshot").s, rows.why.text);
	return INCOMPLETE;
}

static const struct option_def options[] = {
	{ .name = "csv",
	  .help = "comma-separated values, as RFC 4180 has them" },
	{ .name = NULL },
};

const struct command command_sql = {
	.name = "sql",
	.words = "QUERY",
	.about = "ask the catalog, read-only",
	.text = "Runs one SELECT over the documented views of the catalog: "
		"v_snapshot, v_source, v_pack, v_event, v_tag, and v_row and "
		"the views of kinds (pso_volume and others). Nothing can be "
		"changed by it.",
	.example = "varve sql 'SELECT source, max(time) FROM v_snapshot "
		   "GROUP BY source'",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = 1,
	.word_type = WORD_TEXT,
	.run = run,
};
