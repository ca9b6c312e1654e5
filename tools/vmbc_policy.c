#include "tools/vmbc.h"

#include <inttypes.h>
#include <stdlib.h>

#include "fs/base/disk.h"
#include "indexer/pso/yaml.h"
#include "tools/helm.h"

#define BLOCK "replicaCheckpointBackup"

void vmbc_policy_release(struct vmbc_policy *policy)
{
	free(policy->from);
	policy->from = NULL;
}

static void take_number(const struct jnode *block, const char *key,
			uint64_t *ret)
{
	if (!jnode_u64(block, key, ret))
		*ret = VMBC_NOT_TOLD;
}

/* block NULL: it is not in there, so that the chart's own holds. */
static int take_block(const struct jnode *block, const char *from,
		      struct vmbc_policy *ret, struct err *err)
{
	const struct jnode *enabled = jnode_get(block, "enabled");

	if (!block || block->type != JTYPE_OBJECT) {
		err_set(err, -ENODATA, "there is no " BLOCK " in %s", from);
		return err_hint(err, "in a descriptor it is in 'organization', "
				"in values.yaml at the top");
	}
	ret->has_enabled = enabled && (enabled->type == JTYPE_TRUE ||
				       enabled->type == JTYPE_FALSE);
	ret->enabled = enabled && enabled->type == JTYPE_TRUE;
	take_number(block, "numberOfCheckpoints", &ret->number);
	take_number(block, "checkpointIntervalInSeconds", &ret->interval_s);
	take_number(block, "checkpointWindow", &ret->window);
	ret->from = strdup(from);
	return ret->from ? 0 : err_nomem(err);
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
	struct disk_dir here;
	int r = disk_open(".", &here, err);

	if (r < 0)
		return r;
	r = disk_read_all(&here, path, YAML_BYTES_MAX, out, err);
	disk_close(&here);
	return r < 0 ? err_wrap(err, "cannot read '%s'", path) : 0;
}

/* JSON is YAML as well, so that either may be either. */
static int of_file(const char *path, bool descriptor, struct vmbc_policy *ret,
		   struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT, json = BUF_INIT;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = read_file(path, &bytes, err);

	if (r == 0)
		r = yaml_to_json(buf_span(&bytes), path, &json, err);
	if (r == 0)
		r = jdoc_parse(buf_span(&json), path, &doc, err);
	return r < 0 ? r : take_block(jnode_path(doc.root, descriptor ?
						 "organization." BLOCK : BLOCK),
				      path, ret, err);
}

static int of_release(const struct tool *tool,
		      const struct vmbc_cluster *cluster,
		      struct vmbc_policy *ret, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct kube kube;
	int64_t timeout_s;
	int r = kube_timeout(o, &timeout_s, err);

	if (r < 0)
		return r;
	kube_init(&kube, o, timeout_s);
	r = helm_values(option_value(o, "helm"), option_value(o, "release"),
			cluster && cluster->volume_count ?
			cluster->volumes[0].ns : NULL, &kube, &doc, err);
	return r < 0 ? r : take_block(jnode_get(doc.root, BLOCK),
				      "what helm has", ret, err);
}

int vmbc_policy(const struct tool *tool, const struct vmbc_cluster *cluster,
		struct vmbc_policy *ret, struct err *err)
{
	const struct options *o = &tool->options;

	*ret = (struct vmbc_policy){ .number = VMBC_NOT_TOLD,
				     .interval_s = VMBC_NOT_TOLD,
				     .window = VMBC_NOT_TOLD };
	if (option_given(o, "values"))
		return of_file(option_value(o, "values"), false, ret, err);
	if (option_given(o, "descriptor"))
		return of_file(option_value(o, "descriptor"), true, ret, err);
	if (option_given(o, "release"))
		return of_release(tool, cluster, ret, err);
	return 0;
}

static void put_number(struct buf *out, const char *key, uint64_t value)
{
	if (value != VMBC_NOT_TOLD)
		buf_printf(out, "%s%s=%" PRIu64, out->len ? "," : "", key,
			   value);
}

void vmbc_policy_text(const struct vmbc_policy *policy, struct buf *out)
{
	if (!policy->from)
		return;
	if (policy->has_enabled)
		buf_printf(out, "enabled=%s", policy->enabled ? "true" :
			   "false");
	put_number(out, "number", policy->number);
	put_number(out, "interval", policy->interval_s);
	put_number(out, "window", policy->window);
}

int vmbc_take_settings(const struct tool *tool,
		       const struct vmbc_cluster *cluster, struct vmbc *vmbc,
		       struct err *err)
{
	OWNED_POLICY struct vmbc_policy policy = { .from = NULL };
	OWNED_BUF struct buf text = BUF_INIT;
	int r = vmbc_policy(tool, cluster, &policy, err);

	if (r < 0 || !policy.from)
		return r;
	vmbc_policy_text(&policy, &text);
	vmbc->settings = buf_detach(&text);
	return vmbc->settings ? 0 : err_nomem(err);
}

bool vmbc_policy_warning(const struct vmbc_policy *policy, unsigned n,
			 struct buf *out)
{
	const char *words[3];
	unsigned count = 0;

	if (!policy->from)
		return false;
	if (!policy->has_enabled)
		words[count++] = "'enabled' is not told: the chart's own is "
				 "false";
	else if (!policy->enabled)
		words[count++] = "it is not enabled: a replica that starts so "
				 "DELETES the checkpoints it has";
	if (policy->number == 0)
		words[count++] = "0 checkpoints are kept: none is made";
	else if (policy->number != VMBC_NOT_TOLD && policy->number < 2)
		words[count++] = "only 1 checkpoint is kept: while one is made "
				 "replicas may have none in common";
	if (n >= count)
		return false;
	buf_append_str(out, words[n]);
	return true;
}
