#include "tools/pso_move.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/commands.h"

#define FACT_MAX 48

static const char *const verbs[] = {
	[PSO_RENAME] = "rename", [PSO_DESTROY] = "destroy",
	[PSO_ERADICATE] = "eradicate",
};

const char *pso_verb_name(enum pso_verb verb)
{
	return verbs[verb];
}

static void move_release(struct pso_move *move)
{
	free(move->mgmt);
	free(move->array);
	free(move->name);
	free(move->to);
	free(move->id);
	free(move->serial);
}

void pso_moves_release(struct pso_moves *moves)
{
	for (size_t i = 0; i < moves->count; i++)
		move_release(&moves->row[i]);
	free(moves->row);
	*moves = (struct pso_moves){ .row = NULL };
}

static struct pso_move *grow(struct pso_moves *moves, struct err *err)
{
	struct pso_move *more;

	if (moves->count == PSO_MOVES_MAX) {
		err_set(err, -E2BIG, "more than %d volumes", PSO_MOVES_MAX);
		return NULL;
	}
	more = reallocarray(moves->row, moves->count + 1, sizeof(*more));
	if (!more) {
		err_nomem(err);
		return NULL;
	}
	moves->row = more;
	more[moves->count] = (struct pso_move){ .verb = 0 };
	return &more[moves->count++];
}

static char *copy(struct span text)
{
	return strndup(text.data ? (const char *)text.data : "", text.len);
}

int pso_moves_add(struct pso_moves *moves, const struct pso_model *model,
		  const struct pso_ref *volume, enum pso_verb verb,
		  const char *to, struct err *err)
{
	const struct pso_backend *b = &model->backends[volume->backend];
	struct span id = jnode_text(volume->node, "id");
	struct pso_move *move;

	if (!id.len)
		return err_set(err, -EPROTO, "%s does not tell the id of "
			       "'%.*s'", b->name, SPAN_ARG(volume->key));
	move = grow(moves, err);
	if (!move)
		return err && err->code ? err->code : -ENOMEM;
	move->verb = verb;
	move->type = b->type;
	move->mgmt = copy(b->mgmt);
	move->array = strdup(b->name);
	move->name = copy(volume->key);
	move->to = strdup(to ? to : "");
	move->id = copy(id);
	move->serial = copy(jnode_text(volume->node, "serial"));
	jnode_u64(volume->node, "provisioned", &move->size);
	move->nfs3 = jnode_true(volume->node, "nfs.v3_enabled");
	move->nfs41 = jnode_true(volume->node, "nfs.v4_1_enabled");
	move->smb = jnode_true(volume->node, "smb.enabled");
	move->http = jnode_true(volume->node, "http.enabled");
	return move->mgmt && move->array && move->name && move->to &&
	       move->id && move->serial ? 0 : err_nomem(err);
}

/* In a journal: a fact a volume, its members parted by tabs. */

int pso_moves_learn(const struct pso_moves *moves, struct run *run,
		    struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < moves->count; i++) {
		const struct pso_move *m = &moves->row[i];
		char key[FACT_MAX];

		snprintf(key, sizeof(key), "volume-%zu", i);
		r = run_learnf(run, err, key, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%"
			       PRIu64 "\t%d%d%d%d", verbs[m->verb],
			       pso_type_name(m->type), m->mgmt, m->array,
			       m->name, m->to, m->id, m->serial, m->size,
			       m->nfs3, m->nfs41, m->smb, m->http);
	}
	return r;
}

/* The next member, copied; NULL where there is none, or no memory. */
static char *next(const char **text)
{
	size_t len = strcspn(*text, "\t");
	char *member = strndup(*text, len);

	*text += len + ((*text)[len] == '\t');
	return member;
}

static int recall(const char *text, struct pso_move *move)
{
	CLEANUP(free_ptr) char *verb = next(&text);
	CLEANUP(free_ptr) char *type = next(&text);
	CLEANUP(free_ptr) char *size = NULL;

	move->mgmt = next(&text);
	move->array = next(&text);
	move->name = next(&text);
	move->to = next(&text);
	move->id = next(&text);
	move->serial = next(&text);
	size = next(&text);
	for (enum pso_verb v = PSO_RENAME; verb && v <= PSO_ERADICATE; v++)
		if (!strcmp(verb, verbs[v]))
			move->verb = v;
	move->type = type ? pso_type_parse(span_str(type)) : 0;
	if (!move->mgmt || !move->array || !move->name || !move->to ||
	    !move->id || !move->serial || !size)
		return -ENOMEM;
	move->size = strtoull(size, NULL, 10);
	if (strlen(text) != 4 || !move->verb || !move->type || !*move->name ||
	    !*move->id)
		return -EBADMSG;
	move->nfs3 = text[0] == '1';
	move->nfs41 = text[1] == '1';
	move->smb = text[2] == '1';
	move->http = text[3] == '1';
	return 0;
}

int pso_moves_recall(const struct run *run, struct pso_moves *ret,
		     struct err *err)
{
	char key[FACT_MAX];
	const char *text;

	for (size_t i = 0; ; i++) {
		struct pso_move *move;
		int r;

		snprintf(key, sizeof(key), "volume-%zu", i);
		text = run_fact(run, key);
		if (!text)
			return 0;
		move = grow(ret, err);
		if (!move)
			return err && err->code ? err->code : -ENOMEM;
		r = recall(text, move);
		if (r == -ENOMEM)
			return err_nomem(err);
		if (r < 0)
			return err_corrupt(err, "the journal of run %s has "
					   "'%s' for a volume", run->id, text);
	}
}

/* Options, so that who goes on asks whom the first one asked. */

static bool is_of_the_moment(const char *name)
{
	static const char *const names[] = { "yes", "dry-run", "store",
		"journal", "json", "quiet", "wait", "count", NULL };

	for (size_t i = 0; names[i]; i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

int pso_option_learn(struct run *run, const char *name, const char *value,
		     struct err *err)
{
	char key[FACT_MAX];
	size_t n = 0;

	do
		snprintf(key, sizeof(key), "option-%zu", n++);
	while (run_fact(run, key));
	return run_learnf(run, err, key, "--%s%s%s", name, value ? "=" : "",
			  value ? value : "");
}

static int learn_option(struct run *run, const struct option_use *use,
			struct err *err)
{
	CLEANUP(free_ptr) char *full = NULL;
	const char *value = use->value;

	if (value && (use->def->type == WORD_FILE ||
		      use->def->type == WORD_DIR)) {
		full = realpath(value, NULL);
		value = full ? full : value;
	}
	return pso_option_learn(run, use->def->name, value, err);
}

int pso_options_learn(const struct tool *tool, struct run *run,
		      struct err *err)
{
	const struct options *o = &tool->options;
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->use_count; i++)
		if (!is_of_the_moment(o->uses[i].def->name))
			r = learn_option(run, &o->uses[i], err);
	return r;
}

void pso_recalled_release(struct pso_recalled *recalled)
{
	options_release(&recalled->tool.options);
	for (size_t i = 0; i < recalled->count; i++)
		free(recalled->words[i]);
	free(recalled->words);
}

int pso_options_recall(const struct tool *tool, const struct run *run,
		       struct pso_recalled *ret, struct err *err)
{
	/* borrowed for as long as the options are */
	static const struct option_def *tables[COMMAND_TABLES];
	char key[FACT_MAX];
	const char *text;
	int r;

	*ret = (struct pso_recalled){ .tool = *tool };
	ret->tool.options = (struct options){ .uses = NULL };
	ret->tool.command = &command_pso;
	if (!ret->tool.store)
		ret->tool.store = run_fact(run, "store");
	ret->words = calloc(RUN_FACTS_MAX, sizeof(*ret->words));
	if (!ret->words)
		return err_nomem(err);
	for (;; ret->count++) {
		snprintf(key, sizeof(key), "option-%zu", ret->count);
		text = run_fact(run, key);
		if (!text || ret->count == RUN_FACTS_MAX)
			break;
		ret->words[ret->count] = strdup(text);
		if (!ret->words[ret->count])
			return err_nomem(err);
	}
	command_tables(&command_pso, tables);
	r = options_parse(tables, (int)ret->count, ret->words, false,
			  &ret->tool.options, err);
	return r < 0 ? err_wrap(err, "the journal of run %s", run->id) : 0;
}

/* Arrays. */

int pso_arms_find(struct pso_arms *arms, const struct tool *tool,
		  struct run *run, struct err *err)
{
	const char *values = option_value(&tool->options, "values");
	int r;

	*arms = (struct pso_arms){
		.tool = tool, .run = run,
		.asking = { .tool = tool, .capture = &arms->capture },
	};
	r = kube_timeout(&tool->options, &arms->asking.timeout_s, err);
	if (r == 0)
		r = pso_capture_init(&arms->capture, err);
	if (r == 0 && values)
		r = pso_read_values(&arms->capture, values, err);
	if (r == 0)
		r = pso_targets_find(&arms->asking, &arms->targets, err);
	/* what others say is kept: without these */
	for (size_t i = 0; r == 0 && i < arms->targets.count; i++)
		if (arms->targets.row[i].token)
			r = redact_know(arms->capture.redact, span_str(
					arms->targets.row[i].token), err);
	return r;
}

void pso_arms_release(struct pso_arms *arms)
{
	for (size_t i = 0; i < PSO_ARRAYS_MAX; i++)
		rest_close(arms->open[i].rest);
	pso_targets_release(&arms->targets);
	if (arms->capture.redact)
		pso_capture_release(&arms->capture);
}
