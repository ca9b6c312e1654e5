#include "tools/vmbc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"

static bool retains(const char *policy)
{
	return policy && !strcmp(policy, "Retain");
}

static const char *shown(const char *text)
{
	return text ? text : "-";
}

/* Which kinds of volume have their class's policy still before them. */
static const struct vmbc_class *class_of(const struct vmbc_cluster *cluster,
					 const char *name)
{
	for (size_t i = 0; name && i < cluster->class_count; i++)
		if (cluster->classes[i].name &&
		    !strcmp(cluster->classes[i].name, name))
			return &cluster->classes[i];
	return NULL;
}

static bool is_used(const struct vmbc_cluster *cluster,
		    const struct vmbc_class *class)
{
	for (size_t i = 0; i < cluster->volume_count; i++)
		if (class_of(cluster, cluster->volumes[i].class) == class)
			return true;
	return false;
}

/* The settings. */

static void show_number(const char *name, uint64_t value, const char *means)
{
	if (value == VMBC_NOT_TOLD)
		printf("  %-28s not told  %s\n", name, means);
	else
		printf("  %-28s %-8" PRIu64 "  %s\n", name, value, means);
}

static unsigned show_policy(const struct vmbc_policy *policy)
{
	OWNED_BUF struct buf text = BUF_INIT;
	unsigned n = 0;

	if (!policy->from) {
		printf("How checkpoints are made is not known: --values FILE, "
		       "--descriptor FILE or --release NAME tells it.\n");
		return 0;
	}
	printf("replicaCheckpointBackup (%s):\n", policy->from);
	printf("  %-28s %-8s  %s\n", "enabled", !policy->has_enabled ?
	       "not told" : policy->enabled ? "true" : "false",
	       "checkpoints are made by themselves");
	show_number("numberOfCheckpoints", policy->number,
		    "that are kept; the oldest goes first");
	show_number("checkpointIntervalInSeconds", policy->interval_s,
		    "between two, at least");
	show_number("checkpointWindow", policy->window,
		    "sequence numbers between two, at least");
	for (; vmbc_policy_warning(policy, n, &text); n++) {
		printf("warning: %s\n", buf_str(&text) ? (char *)text.data :
		       "?");
		buf_clear(&text);
	}
	return n;
}

/* Classes and volumes. */

static unsigned show_classes(const struct vmbc_cluster *cluster)
{
	unsigned amiss = 0;

	for (size_t i = 0; i < cluster->class_count; i++) {
		const struct vmbc_class *c = &cluster->classes[i];

		if (!is_used(cluster, c))
			continue;
		printf("Storage class %s%s (%s): reclaimPolicy %s\n",
		       shown(c->name), c->is_default ? ", the default" : "",
		       shown(c->provisioner), c->reclaim ? c->reclaim :
		       "Delete (it has none)");
		if (retains(c->reclaim))
			continue;
		amiss++;
		printf("warning: a new volume of it is deleted with its claim. "
		       "A class cannot be changed, only made anew:\n"
		       "  varve vmbc status --manifest >retain.json\n"
		       "  %s delete storageclass %s\n"
		       "  %s apply -f retain.json\n", cluster->kube.kubectl,
		       shown(c->name), cluster->kube.kubectl);
	}
	return amiss;
}

static int show_volumes(const struct vmbc_cluster *cluster, struct err *err)
{
	static const char *const heads[] = { "<CLAIM", "<VOLUME", "<RECLAIM",
					     "<WHERE", "<ZONE", "<NODE" };
	struct table *table = table_new(stdout, heads, 6);

	if (!table)
		return err_nomem(err);
	for (size_t i = 0; i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];

		table_cell(table, shown(v->claim));
		table_cell(table, shown(v->pv));
		table_cell(table, v->reclaim ? v->reclaim : "Delete");
		table_cell(table, shown(v->handle ? v->handle : v->path));
		table_cell(table, shown(v->zone));
		table_cell(table, shown(v->node));
	}
	table_print(table);
	table_free(table);
	return 0;
}

static unsigned show_patches(const struct vmbc_cluster *cluster)
{
	unsigned amiss = 0;
	bool zoned = false;

	for (size_t i = 0; i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];
		OWNED_BUF struct buf patch = BUF_INIT;

		zoned |= v->zone != NULL;
		if (retains(v->reclaim))
			continue;
		if (amiss++ == 0)
			printf("warning: volumes that are deleted with their "
			       "claims:\n");
		vmbc_patch(cluster, v->pv, &patch);
		printf("  %s\n", buf_str(&patch) ? (char *)patch.data : "?");
	}
	if (zoned)
		printf("A volume that is made of a snapshot of one of these is "
		       "to be made in its zone.\n");
	return amiss;
}

/* The same as JSON. */

static void json_text(struct json *json, const char *key, const char *text)
{
	if (text)
		json_name(json, key, span_str(text));
	else
		json_null(json, key);
}

static void json_number(struct json *json, const char *key, uint64_t value)
{
	if (value == VMBC_NOT_TOLD)
		json_null(json, key);
	else
		json_u64(json, key, value);
}

static unsigned json_policy(const struct vmbc_policy *policy)
{
	OWNED_BUF struct buf line = BUF_INIT, text = BUF_INIT;
	struct json json;
	unsigned n = 0;

	if (!policy->from)
		return 0;
	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "fact", "policy");
	json_text(&json, "from", policy->from);
	if (policy->has_enabled)
		json_bool(&json, "enabled", policy->enabled);
	else
		json_null(&json, "enabled");
	json_number(&json, "number", policy->number);
	json_number(&json, "interval_s", policy->interval_s);
	json_number(&json, "window", policy->window);
	json_open_array(&json, "warnings");
	for (; vmbc_policy_warning(policy, n, &text); n++) {
		json_name(&json, NULL, buf_span(&text));
		buf_clear(&text);
	}
	json_close_array(&json);
	json_close_object(&json);
	json_print(&line);
	return n;
}

static unsigned json_class(const struct vmbc_class *c)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "fact", "class");
	json_text(&json, "name", c->name);
	json_text(&json, "provisioner", c->provisioner);
	json_text(&json, "reclaim", c->reclaim ? c->reclaim : "Delete");
	json_text(&json, "binding", c->binding);
	json_bool(&json, "default", c->is_default);
	json_bool(&json, "retains", retains(c->reclaim));
	json_close_object(&json);
	json_print(&line);
	return !retains(c->reclaim);
}

static unsigned json_volume(const struct vmbc_cluster *cluster,
			    const struct vmbc_volume *v)
{
	OWNED_BUF struct buf line = BUF_INIT, patch = BUF_INIT;
	struct json json;

	json_init(&json, &line);
	json_open_object(&json, NULL);
	json_str(&json, "fact", "volume");
	json_text(&json, "claim", v->claim);
	json_text(&json, "namespace", v->ns);
	json_text(&json, "volume", v->pv);
	json_text(&json, "reclaim", v->reclaim ? v->reclaim : "Delete");
	json_text(&json, "class", v->class);
	json_text(&json, "path", v->path);
	json_text(&json, "handle", v->handle);
	json_text(&json, "zone", v->zone);
	json_text(&json, "node", v->node);
	if (!retains(v->reclaim)) {
		vmbc_patch(cluster, v->pv, &patch);
		json_name(&json, "patch", buf_span(&patch));
	}
	json_close_object(&json);
	json_print(&line);
	return !retains(v->reclaim);
}

static unsigned json_cluster(const struct vmbc_cluster *cluster)
{
	unsigned amiss = 0;

	for (size_t i = 0; i < cluster->class_count; i++)
		if (is_used(cluster, &cluster->classes[i]))
			amiss += json_class(&cluster->classes[i]);
	for (size_t i = 0; i < cluster->volume_count; i++)
		amiss += json_volume(cluster, &cluster->volumes[i]);
	return amiss;
}

/* To be applied where the class was deleted; a class that retains is not. */
static int print_manifests(const struct vmbc_cluster *cluster)
{
	unsigned count = 0;

	printf("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n");
	for (size_t i = 0; i < cluster->class_count; i++) {
		const struct vmbc_class *c = &cluster->classes[i];

		if (is_used(cluster, c) && !retains(c->reclaim))
			printf("%s%s", count++ ? ",\n" : "", c->manifest);
	}
	printf("\n]}\n");
	return DONE;
}

int vmbc_status(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_CLUSTER struct vmbc_cluster cluster = { .class_count = 0 };
	OWNED_POLICY struct vmbc_policy policy = { .from = NULL };
	bool files = option_given(o, "values") || option_given(o, "descriptor");
	/* a file says what it says, cluster or not */
	bool asks = !files || option_given(o, "kubectl") ||
		    option_given(o, "context");
	unsigned amiss = 0;
	int r = 0;

	if (o->word_count > 1)
		return err_set(err, -EINVAL, "'varve vmbc status' takes no "
			       "words: '%s'", o->words[1]);
	if (asks)
		r = vmbc_ask(tool, option_value(o, "blockchain"), &cluster,
			     err);
	if (r == 0 && option_given(o, "manifest"))
		return print_manifests(&cluster);
	if (r == 0)
		r = vmbc_policy(tool, asks ? &cluster : NULL, &policy, err);
	if (r < 0)
		return r;
	if (tool->json) {
		amiss = json_policy(&policy);
		amiss += json_cluster(&cluster);
		return amiss ? INCOMPLETE : DONE;
	}
	if (asks)
		printf("Blockchain %s, cluster %s (%s)\n", cluster.blockchain,
		       shown(cluster.origin.cluster),
		       shown(cluster.origin.server));
	amiss = show_policy(&policy);
	if (asks) {
		amiss += show_classes(&cluster);
		r = show_volumes(&cluster, err);
		amiss += show_patches(&cluster);
	}
	return r < 0 ? r : amiss ? INCOMPLETE : DONE;
}
