#include "tools/pso_volumes.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tools/procedure.h"
#include "tools/runs.h"

static const char *state_name(enum pso_db_state state)
{
	static const char *const names[] = {
		[PSO_DB_USED] = "in use", [PSO_DB_SPARE] = "not in use",
		[PSO_DB_PUT_ASIDE] = "unusable", [PSO_DB_DESTROYED] =
		"destroyed", [PSO_DB_ODD] = "odd",
	};

	return names[state];
}

/* The list. */

static void put_row(struct table *table, const struct pso_look *look,
		    const struct pso_db_volume *v)
{
	char size[SIZE_TEXT] = "?";
	uint64_t bytes;

	if (jnode_u64(v->ref->node, "provisioned", &bytes))
		size_text(bytes, size);
	table_cell(table, look->model.backends[v->ref->backend].name);
	table_cellf(table, "%.*s", SPAN_ARG(v->ref->key));
	table_cell(table, size);
	table_cell(table, state_name(v->state));
	table_cell(table, v->may_go ? "yes" : "no");
	table_cell(table, v->why ? v->why : "");
}

static void json_row(const struct pso_look *look,
		     const struct pso_db_volumes *all,
		     const struct pso_db_volume *v)
{
	const struct pso_backend *b = &look->model.backends[v->ref->backend];
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;
	uint64_t bytes;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "array", b->name);
	json_str(&json, "type", pso_type_name(b->type));
	json_name(&json, "volume", v->ref->key);
	if (jnode_u64(v->ref->node, "provisioned", &bytes))
		json_u64(&json, "size", bytes);
	if (jnode_text(v->ref->node, "serial").data)
		json_span(&json, "serial", jnode_text(v->ref->node, "serial"));
	json_str(&json, "state", state_name(v->state));
	json_bool(&json, "may_go", v->may_go);
	if (v->why)
		json_str(&json, "why", all->gate[0] && !strcmp(v->why,
			 "see below") ? all->gate : v->why);
	json_close_object(&json);
	json_print(&line);
}

static int list(const struct tool *tool, const struct pso_look *look,
		const struct pso_db_volumes *all, struct err *err)
{
	static const char *const heads[] = { "<ARRAY", "<VOLUME", ">SIZE",
					     "<STATE", "<MAY GO", "<WHY NOT" };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 6);

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < all->count; i++) {
		if (tool->json)
			json_row(look, all, &all->row[i]);
		else
			put_row(table, look, &all->row[i]);
	}
	if (!tool->json && all->count)
		table_print(table);
	if (!tool->json && !all->count)
		say(tool, "No volume of the datastore of '%.*s' was seen.",
		    SPAN_ARG(look->model.cluster_id));
	if (!tool->json && all->gate[0])
		say(tool, "None may go now: %s.", all->gate);
	if (!look->model.all_read)
		return err_set(err, -EIO, "not every array could be read: "
			       "this is not all of them");
	return DONE;
}

/* The plan. */

void pso_moves_print(const struct pso_moves *moves)
{
	static const char *const heads[] = { "<ARRAY", "<DOES", "<VOLUME",
					     "<TO", ">SIZE", "<SERIAL" };
	OWNED_TABLE struct table *table = table_new(stdout, heads, 6);
	char size[SIZE_TEXT];

	if (!table) {
		output_lost = true;
		return;
	}
	for (size_t i = 0; i < moves->count; i++) {
		const struct pso_move *m = &moves->row[i];

		size_text(m->size, size);
		table_cell(table, m->array);
		table_cell(table, pso_verb_name(m->verb));
		table_cell(table, m->name);
		table_cell(table, m->to);
		table_cell(table, size);
		table_cell(table, m->serial);
	}
	table_print(table);
}

static void json_moves(const struct pso_moves *moves)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	for (size_t i = 0; i < moves->count; i++) {
		const struct pso_move *m = &moves->row[i];

		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "does", pso_verb_name(m->verb));
		json_str(&json, "array", m->array);
		json_name(&json, "volume", span_str(m->name));
		if (*m->to)
			json_name(&json, "to", span_str(m->to));
		json_u64(&json, "size", m->size);
		json_str(&json, "serial", m->serial);
		json_close_object(&json);
		json_print(&line);
	}
}

static void print_plan(const struct tool *tool, const struct moving *m)
{
	if (tool->json) {
		json_moves(&m->moves);
		return;
	}
	pso_moves_print(&m->moves);
	plan_show(&m->plan, false);
	fflush(stdout);
}

/* Where nothing brings them back, or all of them go, their number is typed. */
static int check_count(const struct tool *tool, enum pso_mode mode,
		       size_t count, struct err *err)
{
	uint64_t typed = 0;
	bool given = option_given(&tool->options, "count");
	int r = option_u64(&tool->options, "count", PSO_MOVES_MAX, &typed,
			   err);

	if (r < 0)
		return r;
	if (given && typed != count)
		return err_set(err, -EPERM, "--count is %" PRIu64 ", and %zu "
			       "volumes would go", typed, count);
	if (!given && (mode == PSO_DESTROY_ALL || mode == PSO_ERADICATE_ALL))
		return err_set(err, -EPERM, "--count N is wanted, typed out: "
			       "%zu volumes would go", count);
	return 0;
}

static void tell(const struct tool *tool, const struct moving *m)
{
	const struct run *run = m->run;
	const char *mode = run_fact(run, "mode");
	const char *kept = run_fact(run, "kept");

	if (run->closed == TREE_WHOLLY_OLD)
		say(tool, "All volumes are as they were.");
	if (run->closed == TREE_UNPROVED)
		say(tool, "Run %s is closed; whether all is as it was was not "
		    "shown.", run->id);
	if (run->closed != TREE_WHOLLY_NEW)
		return;
	if (kept)
		say(tool, "%s of %zu volumes are kept by their array, until "
		    "their time is over.", kept, m->moves.count);
	else if (!strcmp(mode, pso_mode_name(PSO_ERADICATE_ALL)))
		say(tool, "%s eradicated.", counted(m->moves.count,
						    "volume").s);
	else if (!strcmp(mode, pso_mode_name(PSO_PUT_ASIDE)))
		say(tool, "%s put aside: PSO starts with an empty datastore.",
		    counted(m->moves.count, "volume").s);
	else
		say(tool, "%s destroyed; 'varve pso volumes --eradicate' makes "
		    "an end of them before the array does.",
		    counted(m->moves.count, "volume").s);
}

static int end(const struct tool *tool, struct moving *m, int r,
	       struct err *err)
{
	const struct run *run = m->run;
	OWNED_REPO struct repo *repo = NULL;
	struct tool named = *tool;

	if (!named.store)
		named.store = run_fact(run, "store");
	if (named.store && tool_open(&named, REPO_WRITE, &repo, NULL) == 0)
		tool_log(repo, "pso", "%s %s: %s, run %s",
			 run_fact(run, "mode"), run_fact(run, "target"),
			 run->closed == TREE_WHOLLY_NEW ? "done" :
			 run->closed == TREE_WHOLLY_OLD ? "taken back" :
			 run->closed ? "closed unproved" : "NOT FINISHED",
			 run->id);
	tell(tool, m);
	if (r < 0)
		return pso_run_hint(run, r, err);
	return run_fact(run, "kept") ? INCOMPLETE : DONE;
}

static int go(const struct tool *tool, const struct pso_look *look,
	      enum pso_mode mode, const struct pso_moves *moves,
	      struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	CLEANUP(pso_recalled_release) struct pso_recalled was = {
		.words = NULL };
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_MOVING struct moving m = { .tool = tool };
	bool yes = option_given(&tool->options, "yes");
	int r = run_new(NULL, &run, err);

	if (r == 0)
		r = run_learn(&run, "kind", PSO_MOVE_KIND, err);
	if (r == 0)
		r = moving_learn(tool, look, mode, moves, &run, err);
	/* from here on as who goes on with it after a kill */
	if (r == 0)
		r = pso_options_recall(tool, &run, &was, err);
	if (r == 0)
		r = moving_make(&was.tool, &run, &m, err);
	if (r < 0)
		return r;
	print_plan(tool, &m);
	if (!yes || option_given(&tool->options, "dry-run")) {
		say(tool, "Nothing was done: --yes does it.");
		return DONE;
	}
	r = check_count(tool, mode, moves->count, err);
	if (r == 0)
		r = runs_open(tool, NULL, true, &dir, err);
	run.dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, run_fact(&run, "target"), err);
	if (r == 0)
		r = run_start(&run, err);
	if (r < 0)
		return r;
	say(tool, "Run %s.", run.id);
	return end(tool, &m, plan_go(&m.plan, &run, err), err);
}

static int find_mode(const struct tool *tool, enum pso_mode *ret,
		     struct err *err)
{
	*ret = PSO_LIST;
	for (enum pso_mode m = PSO_CLEAN; m <= PSO_ERADICATE_ALL; m++) {
		if (!option_given(&tool->options, pso_mode_name(m)))
			continue;
		if (*ret != PSO_LIST)
			return err_set(err, -EINVAL, "--%s and --%s do not go "
				       "together", pso_mode_name(*ret),
				       pso_mode_name(m));
		*ret = m;
	}
	return 0;
}

int pso_volumes(struct tool *tool, struct err *err)
{
	OWNED_LOOK struct pso_look look = { .live = false };
	OWNED_HEALTH struct pso_health health = { .replicas = NULL };
	OWNED_DB_VOLUMES struct pso_db_volumes all = { .row = NULL };
	OWNED_MOVES struct pso_moves moves = { .row = NULL };
	enum pso_mode mode;
	int r = find_mode(tool, &mode, err);

	catch_stop();
	if (r == 0)
		r = pso_look_open(&look, tool, err);
	if (r == 0)
		r = pso_health_find(&look, &health, err);
	if (r == 0)
		r = pso_db_volumes_find(&look, &health, &all, err);
	if (r < 0)
		return r;
	if (!tool->json)
		pso_print_head(&look);
	if (mode == PSO_LIST)
		return list(tool, &look, &all, err);
	r = pso_mode_gate(&look, mode, err);
	if (r == 0 && mode == PSO_CLEAN && all.gate[0])
		r = err_set(err, -EPERM, "%s", all.gate);
	if (r == 0)
		r = pso_moves_choose(&look, &all, mode, &moves, err);
	if (r == 0 && mode != PSO_ERADICATE_ALL)
		r = pso_gate_free(&look, &moves, err);
	if (r < 0)
		return r;
	if (!moves.count) {
		say(tool, "There is none to %s.", mode == PSO_CLEAN ?
		    "destroy" : pso_mode_name(mode));
		return DONE;
	}
	return go(tool, &look, mode, &moves, err);
}

static int go_on(const struct tool *tool, struct run *run, bool back,
		 bool accept, struct err *err)
{
	CLEANUP(pso_recalled_release) struct pso_recalled was = {
		.words = NULL };
	OWNED_MOVING struct moving m = { .tool = tool };
	int r = pso_options_recall(tool, run, &was, err);

	if (r == 0)
		r = moving_make(&was.tool, run, &m, err);
	if (r < 0)
		return r;
	r = back ? plan_back(&m.plan, run, accept, err) :
		   plan_go(&m.plan, run, err);
	if (back && r == -EALREADY)
		return r;
	m.tool = tool;
	return end(tool, &m, r, err);
}

const struct procedure procedure_pso_volumes = { PSO_MOVE_KIND, go_on };
