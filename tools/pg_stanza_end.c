#include "tools/pg_stanza.h"

#include <stdio.h>

#include "tools/format.h"
#include "tools/report.h"
#include "tools/runs.h"

/* The run as facts; also what the store keeps, before its end. */
static void put_json(const struct pg_stanza *s, bool ended, struct buf *out)
{
	static const struct {
		const char *key, *fact;
	} facts[] = {
		{ "namespace", "namespace" }, { "name", "name" },
		{ "leader", "leader" }, { "cluster_uid", "uid" },
		{ "server", "server" }, { "dump", "dump-label" },
		{ "before", "before" }, { "create_at", "create-at" },
		{ "create_status", "create-status" },
		{ "check_at", "check-at" }, { "check_status", "check-status" },
		{ "report", "report" },
	};
	const struct run *run = s->run;
	struct json json;

	json_init(&json, out);
	json_open_object(&json, NULL);
	json_str(&json, "run", run->id);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const char *value = run_fact(run, facts[i].fact);

		if (value)
			json_str(&json, facts[i].key, value);
	}
	if (ended)
		json_bool(&json, "finished", run->closed != 0);
	json_str(&json, "stanza", run->closed ? run_tree_name(run->closed) :
		 run->proved ? run_tree_name(run->proved) : "unproved");
	if (s->info.outcome)
		json_str(&json, "after", pg_outcome_name(s->info.outcome));
	if (s->info.code != PG_CODE_NONE)
		json_u64(&json, "code", s->info.code);
	if (s->info.wal_max)
		json_str(&json, "wal_max", s->info.wal_max);
	json_close_object(&json);
}

static size_t add_file(struct report_file *files, size_t count,
		       const char *name, const char *text)
{
	if (!text)
		return count;
	files[count] = (struct report_file){ name, span_str(text) };
	return count + 1;
}

static int keep_files(struct pg_stanza *s, const struct report_file *files,
		      size_t count, struct record *ret, struct err *err)
{
	struct record_pair tag = { (char *)(uintptr_t)"run", s->run->id };
	struct record_pair attr = { (char *)(uintptr_t)"stanza", NULL };
	struct report report = {
		.source = run_fact(s->run, "report-source"),
		.input_name = "varve pg stanza",
		.time = { stamp_now().s, 0 },
		.files = files, .file_count = count,
		.tags = &tag, .tag_count = 1, .attrs = &attr,
		.attr_count = 1,
	};
	int r = pg_stanza_open(s, err);

	attr.value = (char *)(uintptr_t)(s->run->proved == TREE_WHOLLY_NEW ?
					 "there" : "not-proved");
	return r < 0 ? r : report_keep(s->repo, &report, ret, err);
}

int pg_stanza_keep(struct pg_stanza *s, struct err *err)
{
	CLEANUP(record_release) struct record record = { .number = 0 };
	OWNED_BUF struct buf status = BUF_INIT, info = BUF_INIT;
	struct report_file files[4];
	char label[LABEL_TEXT];
	size_t count = 0;
	int r;

	put_json(s, false, &status);
	buf_append_byte(&status, '\n');
	if (s->info.stanza)
		pg_info_print(&s->info, &info);
	if (!buf_str(&status) || !buf_str(&info))
		return err_nomem(err);
	count = add_file(files, count, "status.json", (char *)status.data);
	count = add_file(files, count, "stanza-create.log",
			 run_fact(s->run, "create-said"));
	count = add_file(files, count, "check.log",
			 run_fact(s->run, "check-said"));
	if (info.len)
		count = add_file(files, count, "info.txt", (char *)info.data);
	r = keep_files(s, files, count, &record, err);
	if (r < 0)
		return r;
	snapshot_label(&record, label);
	return run_learn(s->run, "report", label, err);
}

/* What is told. */

static void tell_created(const struct pg_stanza *s)
{
	const struct tool *tool = s->tool;

	say(tool, "The stanza '" PG_STANZA "' of [%s] %s is there, and WAL is "
	    "archived (the last: %s).", s->namespace, s->name,
	    s->info.wal_max ? s->info.wal_max : "not told");
	if (s->info.code == PG_CODE_NO_BACKUP)
		say(tool, "It has no backup yet, which is why its status is "
		    "an error. A first full one:\n"
		    "    kubectl annotate -n %s postgrescluster %s "
		    "--overwrite \\\n        postgres-operator.crunchydata.com/"
		    "pgbackrest-backup=\"$(date)\"\n"
		    "with spec.backups.pgbackrest.manual: {repoName: repo1, "
		    "options: [--type=full]}.", s->namespace, s->name);
	say(tool, "Dumped before, without passwords of roles, as %s.",
	    run_fact(s->run, "dump-label"));
	if (run_fact(s->run, "report"))
		say(tool, "Log and status are kept as %s.",
		    run_fact(s->run, "report"));
}

static void tell(const struct pg_stanza *s)
{
	const char *dump = run_fact(s->run, "dump-label");
	OWNED_BUF struct buf info = BUF_INIT;

	if (s->run->closed == TREE_WHOLLY_OLD)
		say(s->tool, "No stanza of [%s] %s was made%s%s.",
		    s->namespace, s->name, dump ? "; the dump is kept as " :
		    "", dump ? dump : "");
	if (s->run->closed == TREE_UNPROVED)
		say(s->tool, "Run %s is closed. What became of the stanza of "
		    "[%s] %s was not shown.", s->run->id, s->namespace,
		    s->name);
	if (s->run->closed != TREE_WHOLLY_NEW)
		return;
	runs_tell_left_out(s->tool, s->run);
	if (s->info.stanza && !s->tool->quiet) {
		pg_info_print(&s->info, &info);
		if (buf_str(&info))
			fputs((char *)info.data, stdout);
		fflush(stdout);
	}
	tell_created(s);
}

static void log_end(struct pg_stanza *s, int r)
{
	const struct run *run = s->run;

	if (pg_stanza_open(s, NULL) < 0)
		return;
	tool_log(s->repo, "pg stanza", "%s/%s: %s, run %s", s->namespace,
		 s->name, run->closed == TREE_WHOLLY_NEW ? "done" :
		 run->closed == TREE_WHOLLY_OLD ?
		 (r < 0 ? "failed, nothing was made" : "taken back") :
		 run->closed ? "closed unproved" : "NOT FINISHED", run->id);
}

/* It is there; what shows that it works, or keeps that, failed. */
static int hint_at_end(const struct pg_stanza *s, struct err *err)
{
	char first[256] = "";

	if (err && err->hint[0])
		snprintf(first, sizeof(first), " %.200s.", err->hint);
	return err_hint(err, "the stanza is there.%s What is left is done by: "
			"varve resume %s", first, s->run->id);
}

int pg_stanza_end(struct pg_stanza *s, int r, struct err *err)
{
	struct err why = ERR_INIT;
	OWNED_BUF struct buf line = BUF_INIT;

	/* on success a step has kept it; a failure's log is worth as much */
	if (r < 0 && run_fact(s->run, "create-said") &&
	    pg_stanza_keep(s, &why) < 0)
		warn_of(&why);
	log_end(s, r);
	if (s->tool->json) {
		put_json(s, true, &line);
		json_print(&line);
	} else {
		tell(s);
	}
	if (s->run->closed || r >= 0)
		return r < 0 ? r : DONE;
	if (s->run->proved == TREE_WHOLLY_NEW ||
	    (run_step_state(s->run, "create") != STEP_NEW &&
	     pg_stanza_is_there(&s->info)))
		return hint_at_end(s, err);
	return runs_hint(s->run, run_fact(s->run, "target"), err);
}
