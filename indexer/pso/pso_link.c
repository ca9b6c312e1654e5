#include <stdlib.h>

#include "indexer/pso/pso_model.h"

static bool holds_any(struct span text, const struct jnode *list)
{
	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next)
		if (one->type == JTYPE_STRING && one->text.len > 8 &&
		    text.len >= one->text.len &&
		    memmem(text.data, text.len, one->text.data,
			   one->text.len))
			return true;
	return false;
}

/* What the node itself tells of its initiators, where it does. */
static bool node_has_port(const struct pso_model *model,
			  const struct jnode *node, const struct jnode *host)
{
	const struct jnode *notes = jnode_path(node, "metadata.annotations");
	struct span name = jnode_text(node, "metadata.name");
	size_t count;
	const struct pso_ref *csi = pso_refs_find(&model->csinodes, name,
						  &count);
	const struct jnode *driver = csi ? jnode_path(csi->node,
						      "spec.drivers") : NULL;
	static const char *const lists[] = { "iqns", "wwns", "nqns" };

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const struct jnode *list = jnode_get(host, lists[i]);
		const struct jnode *one = notes ? notes->child : NULL;

		for (; one; one = one->next)
			if (one->type == JTYPE_STRING &&
			    holds_any(one->text, list))
				return true;
		for (one = driver ? driver->child : NULL; one; one = one->next)
			if (jnode_is(one, "name", PSO_DRIVER) &&
			    holds_any(jnode_text(one, "nodeID"), list))
				return true;
	}
	return false;
}

/* The host's name is the node's, or has it at one end. */
static bool is_named_after(struct span host, struct span node)
{
	const uint8_t *dot = node.len ? memchr(node.data, '.', node.len) :
		NULL;
	struct span names[] = { node, span_of(node.data, dot ?
				(size_t)(dot - node.data) : node.len) };

	for (size_t i = 0; i < 2; i++) {
		struct span n = names[i];

		if (n.len == 0 || host.len < n.len)
			continue;
		if (span_equal(host, n))
			return true;
		if (host.len > n.len && !memcmp(host.data, n.data, n.len) &&
		    host.data[n.len] == '-')
			return true;
		if (host.len > n.len + 1 &&
		    !memcmp(host.data + host.len - n.len, n.data, n.len) &&
		    host.data[host.len - n.len - 1] == '-')
			return true;
	}
	return false;
}

static struct pso_link link_host(const struct pso_model *model,
				 const struct pso_ref *host)
{
	struct pso_link link = { .by = "name" };

	for (size_t i = 0; i < model->nodes.count; i++) {
		const struct pso_ref *node = &model->nodes.ref[i];

		if (node_has_port(model, node->node, host->node))
			return (struct pso_link){ node->node, "port" };
		if (!link.node && is_named_after(host->key, node->key))
			link.node = node->node;
	}
	return link;
}

int pso_link_hosts(struct pso_model *model, struct err *err)
{
	model->links = calloc(model->hosts.count + 1, sizeof(*model->links));
	if (!model->links)
		return err_nomem(err);
	for (size_t i = 0; i < model->hosts.count; i++)
		model->links[i] = link_host(model, &model->hosts.ref[i]);
	return 0;
}

const struct pso_link *pso_link_of(const struct pso_model *model,
				   const struct pso_ref *host)
{
	return &model->links[host - model->hosts.ref];
}
