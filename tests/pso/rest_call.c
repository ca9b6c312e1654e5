/*
 * Changes asked of an array, through tools/rest.h, with a journal; for the suite.
 *
 * usage: rest_call fa|fb ENDPOINT CA-FILE RUNS VERB RESOURCE NAMES BODY...
 *
 * The token is in VARVE_ARRAY_TOKEN.  Each four words are a change (find looks
 * for NAMES, BODY is ignored); "-" is no body.  Prints what came of each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/rest.h"
#include "tools/run.h"
#include "tools/tool.h"

volatile int stopped;

static enum rest_verb verb_of(const char *name)
{
	for (enum rest_verb v = REST_POST; v <= REST_DELETE; v++)
		if (!strcmp(rest_verb_name(v), name))
			return v;
	return REST_GET;
}

static int one(struct rest *rest, char **words, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	OWNED_BUF struct buf path = BUF_INIT, text = BUF_INIT;
	struct rest_change change = { .verb = verb_of(words[0]) };
	int r = 0;

	if (!strcmp(words[0], "find")) {
		r = rest_find(rest, words[1], words[2], &doc, err);
	} else {
		r = rest_path(&path, err, words[1], "names", words[2], NULL);
		change.path = buf_str(&path);
		change.body = strcmp(words[3], "-") ? words[3] : NULL;
		if (r == 0)
			r = rest_change(rest, &change, &doc, err);
	}
	if (r == 0 && doc.root)
		r = jnode_write(doc.root, false, NULL, NULL, &text, err);
	if (r == 0)
		printf("done %s\n", text.len ? buf_str(&text) : "");
	return r;
}

int main(int argc, char **argv)
{
	struct rest_options options = {
		.endpoint = argv[2],
		.type = !strcmp(argv[1], "fa") ? REST_FLASHARRAY :
						 REST_FLASHBLADE,
		.token = getenv("VARVE_ARRAY_TOKEN"), .ca_file = argv[3],
		.timeout_s = 5,
	};
	struct disk_dir dir;
	struct run run = RUN_INIT;
	struct rest_journal journal = { .run = &run, .array = argv[1] };
	struct err err = ERR_INIT;
	struct rest *rest = NULL;
	int r = disk_open(argv[4], &dir, &err);

	if (r < 0) {
		printf("failed: %s\n", err.text);
		return 1;
	}
	r = run_new(&dir, &run, &err);
	if (r == 0)
		r = run_start(&run, &err);
	if (r == 0)
		r = rest_open(&options, &rest, &err);
	if (r == 0)
		rest_watch(rest, rest_journal_note, &journal);
	for (int i = 5; r == 0 && i + 3 < argc; i += 4) {
		if (one(rest, argv + i, &err) < 0)
			printf("%s: %s\n", strerrorname_np(-err.code),
			       err.text);
	}
	if (r < 0)
		printf("failed: %s\n", err.text);
	rest_close(rest);
	run_release(&run);
	disk_close(&dir);
	return r < 0;
}
