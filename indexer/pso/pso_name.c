#include "indexer/pso/pso_model.h"

/* What names tell. */

bool pso_cluster_id_is_valid(struct span id)
{
	if (id.len < 1 || id.len > PSO_CLUSTER_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

/* Digits at *at of text: how many. */
static size_t digits(struct span text, size_t at)
{
	size_t n = 0;

	while (at + n < text.len && text.data[at + n] >= '0' &&
	       text.data[at + n] <= '9')
		n++;
	return n;
}

bool pso_db_name_parse(struct span id, struct span name,
		       struct pso_db_name *ret)
{
	static const char mark[] = "-pso-db_";
	size_t at = id.len + sizeof(mark) - 1, n;

	if (!id.len || !span_begins(name, (const char *)id.data, id.len) ||
	    !span_begins(span_of(name.data + id.len, name.len - id.len), mark,
			 sizeof(mark) - 1))
		return false;
	if (digits(name, at) != PSO_DB_DIGITS)
		return false;
	at += PSO_DB_DIGITS;
	*ret = (struct pso_db_name){ .pair = span_of(name.data, at),
				     .unusable = at < name.len };
	if (at == name.len)
		return true;
	/* "-u", or "-2-u" where there was one of that name */
	n = name.data[at] == '-' ? digits(name, at + 1) : 0;
	if (n > 0)
		at += n + 1;
	return name.len == at + 2 && pso_is_unusable(name);
}

bool pso_condition(const struct jnode *object, const char *type, bool *ret)
{
	const struct jnode *one = jnode_path(object, "status.conditions");

	for (one = one ? one->child : NULL; one; one = one->next)
		if (jnode_is(one, "type", type)) {
			*ret = jnode_is(one, "status", "True");
			return true;
		}
	return false;
}

/* Pods of the datastore. */

bool pso_pod_has_volume(const struct jnode *pod, struct span volume)
{
	for (const struct jnode *n = pod; n; n = jnode_after(n, pod)) {
		const uint8_t *at = n->type == JTYPE_STRING && volume.len ?
			memmem(n->text.data, n->text.len, volume.data,
			       volume.len) : NULL;
		size_t end = at ? (size_t)(at - n->text.data) + volume.len : 0;

		/* not X within X-u */
		if (at && (end == n->text.len || n->text.data[end] <= ' ' ||
			   n->text.data[end] == '"' || n->text.data[end] ==
			   ','))
			return true;
	}
	return false;
}

bool pso_is_db_pod(struct span name)
{
	return span_begins(name, "pso-db-", 7) && name.len > 7 &&
	       name.data[7] >= '0' && name.data[7] <= '9';
}

const struct jnode *pso_pod_of_volume(const struct pso_model *model,
				      struct span volume)
{
	for (size_t i = 0; i < model->pods.count; i++) {
		const struct pso_ref *pod = &model->pods.ref[i];

		if (pso_is_db_pod(pod->key) &&
		    pso_pod_has_volume(pod->node, volume))
			return pod->node;
	}
	return NULL;
}
