#include "tools/pso_volumes.h"

#include <stdio.h>
#include <stdlib.h>

void pso_db_volumes_release(struct pso_db_volumes *volumes)
{
	free(volumes->row);
	volumes->row = NULL;
}

static bool is_connected(const struct pso_model *model,
			 const struct pso_ref *volume)
{
	uint64_t connections = 0;
	size_t count;
	const struct pso_ref *c = pso_refs_find(&model->connections,
						volume->key, &count);

	for (size_t i = 0; i < count; i++)
		if (c[i].backend == volume->backend)
			return true;
	return jnode_u64(volume->node, "connection_count", &connections) &&
	       connections > 0;
}

static enum pso_db_state state_of(const struct pso_db_volume *v,
				  const struct pso_health *health, bool odd)
{
	if (odd)
		return PSO_DB_ODD;
	if (jnode_true(v->ref->node, "destroyed"))
		return PSO_DB_DESTROYED;
	if (v->name.unusable)
		return PSO_DB_PUT_ASIDE;
	return pso_health_uses(health, v->ref->key, v->ref->backend) ?
		PSO_DB_USED : PSO_DB_SPARE;
}

/* Is there an X-u of it on that backend? */
static bool has_pair(const struct pso_db_volumes *volumes,
		     const struct pso_db_volume *x)
{
	for (size_t i = 0; i < volumes->count; i++) {
		const struct pso_db_volume *v = &volumes->row[i];

		if (v->state == PSO_DB_PUT_ASIDE &&
		    v->ref->backend == x->ref->backend &&
		    span_equal(v->name.pair, x->name.pair))
			return true;
	}
	return false;
}

static void judge(const struct pso_db_volumes *volumes,
		  struct pso_db_volume *v)
{
	const char *why = NULL;

	if (v->state == PSO_DB_ODD)
		why = "its name is none that PSO gives";
	else if (v->state == PSO_DB_DESTROYED)
		why = v->wanted ? "it is destroyed, and a replica of the "
			"intrusion has it: recover it" :
			"it is destroyed: --eradicate";
	else if (v->state == PSO_DB_USED)
		why = "a replica of the intrusion has it";
	else if (v->claimed)
		why = "a PV has it";
	else if (v->state == PSO_DB_SPARE && !has_pair(volumes, v))
		why = "no -u beside it tells that it was replaced";
	else if (v->connected)
		why = "it is connected to a host";
	else if (volumes->gate[0])
		why = "see below";
	v->why = why;
	v->may_go = !why;
}

/* A healthy datastore, with as many replicas as PSO gives it: with 6 a backend is
 * being added or taken away. */
static int gate_clean(const struct pso_look *look,
		      const struct pso_health *health, struct err *err)
{
	int r = pso_health_gate(look, health, err);

	if (r < 0 || health->wanted == 5 || health->wanted == 7)
		return r;
	return err_set(err, -EPERM, "the intrusion wants %zu replicas, and "
		       "PSO has 5 or 7: it is being changed", health->wanted);
}

/* An intrusion is left behind by what was uninstalled. */
static bool may_run(const struct pso_look *look)
{
	struct pso_install install;

	pso_install_find(look, &install);
	return !install.pods_known || install.pods > 0;
}

int pso_db_volumes_find(const struct pso_look *look,
			const struct pso_health *health,
			struct pso_db_volumes *ret, struct err *err)
{
	const struct pso_model *m = &look->model;
	struct err gate = ERR_INIT;
	bool runs = may_run(look);

	*ret = (struct pso_db_volumes){
		.row = calloc(m->volumes.count + 1, sizeof(*ret->row)) };
	if (!ret->row)
		return err_nomem(err);
	if (!look->live)
		snprintf(ret->gate, sizeof(ret->gate), "the cluster was not "
			 "asked now");
	else if (gate_clean(look, health, &gate) < 0)
		snprintf(ret->gate, sizeof(ret->gate), "%s", gate.text);
	for (size_t i = 0; i < m->volumes.count; i++) {
		const struct pso_ref *ref = &m->volumes.ref[i];
		struct pso_db_volume *v = &ret->row[ret->count];
		size_t claims;
		bool is;

		if (!pso_is_database(m, ref->key))
			continue;
		*v = (struct pso_db_volume){ .ref = ref };
		is = pso_db_name_parse(m->cluster_id, ref->key, &v->name);
		pso_refs_find(&m->pvs, ref->key, &claims);
		v->claimed = claims > 0;
		v->connected = is_connected(m, ref);
		v->state = state_of(v, health, !is);
		v->wanted = runs && pso_health_uses(health, ref->key,
						    ref->backend);
		ret->count++;
	}
	for (size_t i = 0; i < ret->count; i++)
		judge(ret, &ret->row[i]);
	return 0;
}

/* What is done with which. */

const char *pso_mode_name(enum pso_mode mode)
{
	static const char *const names[] = {
		[PSO_LIST] = "list", [PSO_CLEAN] = "clean",
		[PSO_PUT_ASIDE] = "rename", [PSO_DESTROY_ALL] = "destroy",
		[PSO_ERADICATE_ALL] = "eradicate",
	};

	return names[mode];
}

static bool name_is_taken(const struct pso_model *m, size_t backend,
			  const char *name)
{
	size_t count;
	const struct pso_ref *v = pso_refs_find(&m->volumes, span_str(name),
						&count);

	for (size_t i = 0; i < count; i++)
		if (v[i].backend == backend)
			return true;
	return false;
}

/* X-u, or where an older one has that name X-2-u and so on: PSO leaves alone
 * whatever ends in -u. */
static int free_name(const struct pso_model *m, const struct pso_ref *v,
		     struct buf *out, struct err *err)
{
	for (unsigned n = 1; n < 1000; n++) {
		buf_clear(out);
		buf_append(out, v->key.data, v->key.len);
		if (n > 1)
			buf_printf(out, "-%u", n);
		buf_append_str(out, "-u");
		if (!buf_str(out))
			return err_nomem(err);
		if (!name_is_taken(m, v->backend, buf_str(out)))
			return 0;
	}
	return err_set(err, -EEXIST, "no name is free for '%.*s'",
		       SPAN_ARG(v->key));
}

static int refuse_volume(const struct pso_db_volume *v, const char *what,
			 struct err *err)
{
	return err_set(err, -EPERM, "'%.*s' %s", SPAN_ARG(v->ref->key), what);
}

static int put_aside(const struct pso_look *look,
		     const struct pso_db_volume *v, struct pso_moves *ret,
		     struct err *err)
{
	const struct pso_model *m = &look->model;
	OWNED_BUF struct buf name = BUF_INIT;
	int r;

	if (m->backends[v->ref->backend].type == PSO_FLASHBLADE)
		return pso_moves_add(ret, m, v->ref, PSO_DESTROY, NULL, err);
	r = free_name(m, v->ref, &name, err);
	return r < 0 ? r : pso_moves_add(ret, m, v->ref, PSO_RENAME,
					 buf_str(&name), err);
}

static int choose_one(const struct pso_look *look,
		      const struct pso_db_volume *v, enum pso_mode mode,
		      struct pso_moves *ret, struct err *err)
{
	bool there = v->state == PSO_DB_USED || v->state == PSO_DB_SPARE;

	if (v->state == PSO_DB_ODD)
		return 0;
	if (mode == PSO_ERADICATE_ALL && v->state == PSO_DB_DESTROYED &&
	    (v->wanted || v->claimed))
		return refuse_volume(v, v->wanted ? "is a replica's of the "
				     "intrusion: recover it on its array" :
				     "is a PV's: recover it on its array",
				     err);
	if (mode == PSO_ERADICATE_ALL)
		return v->state != PSO_DB_DESTROYED ? 0 :
			pso_moves_add(ret, &look->model, v->ref,
				      PSO_ERADICATE, NULL, err);
	if (mode == PSO_CLEAN)
		return !v->may_go ? 0 :
			pso_moves_add(ret, &look->model, v->ref, PSO_DESTROY,
				      NULL, err);
	if (v->state == PSO_DB_DESTROYED ||
	    (mode == PSO_PUT_ASIDE && !there))
		return 0;
	if (v->claimed)
		return refuse_volume(v, "is a PV's: is the clusterID right?",
				     err);
	return mode == PSO_PUT_ASIDE ? put_aside(look, v, ret, err) :
		pso_moves_add(ret, &look->model, v->ref, PSO_DESTROY, NULL,
			      err);
}

int pso_moves_choose(const struct pso_look *look,
		     const struct pso_db_volumes *volumes, enum pso_mode mode,
		     struct pso_moves *ret, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < volumes->count; i++)
		r = choose_one(look, &volumes->row[i], mode, ret, err);
	return r;
}

/* Gates. */

int pso_gate_arrays(const struct pso_look *look, struct err *err)
{
	const struct pso_model *m = &look->model;

	if (!m->backend_count)
		return err_set(err, -EPERM, "no array is known: --values "
			       "names the chart's values.yaml");
	for (size_t i = 0; i < m->backend_count; i++)
		if (m->backends[i].why)
			return err_set(err, -EAGAIN, "array %s does not answer, "
				       "and may have volumes of the datastore: "
				       "%s", m->backends[i].name,
				       m->backends[i].why);
	if (!m->all_read)
		return err_set(err, -EAGAIN, "not all volumes of all arrays "
			       "could be read");
	return look->arrays_live ? 0 :
		err_set(err, -EPERM, "the arrays were not asked now: --values "
			"names them and their tokens");
}

int pso_gate_id(const struct pso_look *look, enum pso_mode mode,
		   struct err *err)
{
	const struct options *o = &look->asking.tool->options;
	const char *typed = option_value(o, "cluster-id");
	struct span id = look->model.cluster_id;

	if (!id.len || look->model.guessed_id)
		return err_set(err, -EPERM, "values.yaml does not say the "
			       "clusterID");
	if (!pso_cluster_id_is_valid(id))
		return err_set(err, -EPERM, "'%.*s' is no clusterID: it is of "
			       "letters, digits and '_', at most %d",
			       SPAN_ARG(id), PSO_CLUSTER_ID_MAX);
	if (typed && !span_equal(span_str(typed), id))
		return err_set(err, -EPERM, "--cluster-id is '%s', and "
			       "values.yaml has '%.*s'", typed, SPAN_ARG(id));
	if (!typed && mode != PSO_CLEAN && option_given(o, "yes"))
		return err_set(err, -EPERM, "--cluster-id ID is wanted, typed "
			       "out: it is '%.*s' in values.yaml",
			       SPAN_ARG(id));
	return 0;
}

/* The chart must be gone: what runs would make the volumes anew, or has them. */
static int gate_gone(const struct pso_look *look, struct err *err)
{
	struct pso_install install;

	if (option_given(&look->asking.tool->options, "cluster-gone"))
		return look->live ? err_set(err, -EPERM, "--cluster-gone goes "
			"with --from SNAPSHOT: else the cluster is asked") : 0;
	if (!look->live)
		return err_set(err, -EPERM, "whether PSO still runs is not "
			       "known from a capture; --cluster-gone says that "
			       "nothing runs there any more");
	pso_install_find(look, &install);
	if (!install.namespace)
		return err_set(err, -EPERM, "whether PSO still runs is not "
			       "known: --namespace says where it ran");
	if (!install.pods_known)
		return err_set(err, -EAGAIN, "whether PSO still runs is not "
			       "known: its pods could not be read");
	if (install.pods)
		return err_set(err, -EAGAIN, "PSO is still installed: %zu of "
			       "its pods are there, as %.*s; first: helm "
			       "uninstall %.*s -n %s", install.pods,
			       SPAN_ARG(install.pod),
			       SPAN_ARG(install.release), install.namespace ?
			       install.namespace : "NAMESPACE");
	return 0;
}

int pso_gate_free(const struct pso_look *look, const struct pso_moves *moves,
		  struct err *err)
{
	const struct pso_model *m = &look->model;

	for (size_t i = 0; i < moves->count; i++) {
		const struct pso_move *move = &moves->row[i];
		size_t count;
		const struct pso_ref *v = pso_refs_find(&m->volumes,
			span_str(move->name), &count);

		for (size_t k = 0; k < count; k++)
			if (span_equal(m->backends[v[k].backend].mgmt,
				       span_str(move->mgmt)) &&
			    is_connected(m, &v[k]))
				return err_set(err, -EAGAIN, "'%s' on %s is "
					       "still connected to a host",
					       move->name, move->array);
	}
	return 0;
}

int pso_mode_gate(const struct pso_look *look, enum pso_mode mode,
		  struct err *err)
{
	int r = pso_gate_arrays(look, err);

	if (r == 0)
		r = pso_gate_id(look, mode, err);
	if (r == 0 && (mode == PSO_PUT_ASIDE || mode == PSO_DESTROY_ALL))
		r = gate_gone(look, err);
	return r;
}
