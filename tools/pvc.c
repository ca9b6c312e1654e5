#include "tools/pvc.h"

#include <stdio.h>
#include <stdlib.h>

#define WHAT_ROOM (PVC_NAME + 32)

/* Names. */

static bool is_name(const char *text, size_t len)
{
	if (len == 0 || len >= PVC_NAME || text[0] == '-' || text[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", text[i]))
			return false;
	return true;
}

static bool is_path(const char *path)
{
	while (*path) {
		size_t len = strcspn(path, "/");

		if (len == 0 || (len == 1 && path[0] == '.') ||
		    (len == 2 && path[0] == '.' && path[1] == '.') ||
		    memchr(path, '\n', len))
			return false;
		path += len;
		if (*path && !*++path)
			return false;
	}
	return true;
}

int pvc_name_parse(const char *text, struct pvc_name *ret, struct err *err)
{
	const char *slash = strchr(text, '/'), *colon = strchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : strlen(text);
	char *path;

	if (!slash || slash > text + len || !is_name(text,
						     (size_t)(slash - text)) ||
	    !is_name(slash + 1, len - (size_t)(slash + 1 - text)))
		return err_set(err, -EINVAL, "'%s' is not NAMESPACE/NAME of a "
			       "PersistentVolumeClaim", text);
	*ret = (struct pvc_name){ .text = strdup(colon ? colon + 1 : "") };
	if (!ret->text)
		return err_nomem(err);
	memcpy(ret->ns, text, (size_t)(slash - text));
	memcpy(ret->name, slash + 1, len - (size_t)(slash + 1 - text));
	path = ret->text + strspn(ret->text, "/");
	for (len = strlen(path); len > 0 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	ret->path = path;
	if (is_path(path))
		return 0;
	err_set(err, -EINVAL, "'%s' is no path in a volume", path);
	pvc_name_release(ret);
	return -EINVAL;
}

void pvc_name_release(struct pvc_name *name)
{
	free(name->text);
	*name = (struct pvc_name){ .path = "" };
}

/* The claim. */

void pvc_release(struct pvc *pvc)
{
	jdoc_release(&pvc->pods);
	free(pvc->node);
	*pvc = (struct pvc){ .node = NULL };
}

static bool has_mode(const struct jnode *claim, const char *mode)
{
	const struct jnode *list = jnode_path(claim, "spec.accessModes");

	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next)
		if (span_equal(one->text, span_str(mode)))
			return true;
	return false;
}

static int check_claim(const struct jnode *claim, const struct pvc_name *name,
		       struct pvc *pvc, struct err *err)
{
	if (jnode_is(claim, "spec.volumeMode", "Block"))
		return err_set(err, -EINVAL, "the claim '%s/%s' is a block "
			       "device, and holds no file system that a pod "
			       "mounts", name->ns, name->name);
	if (jnode_is(claim, "status.phase", "Lost"))
		return err_set(err, -ENXIO, "the claim '%s/%s' has lost its "
			       "volume", name->ns, name->name);
	pvc->one_pod = has_mode(claim, "ReadWriteOncePod");
	pvc->one_node = pvc->one_pod || !has_mode(claim, "ReadWriteMany");
	pvc->no_write = !has_mode(claim, "ReadWriteOnce") &&
			!has_mode(claim, "ReadWriteMany") && !pvc->one_pod;
	return 0;
}

static int keep_node(struct pvc *pvc, struct span node, struct err *err)
{
	if (!node.len || pvc->node)
		return 0;
	pvc->node = strndup((const char *)node.data, node.len);
	return pvc->node ? 0 : err_nomem(err);
}

/* By the pods that have it, and else by what the cluster has attached where. */
static int find_node(struct kube *kube, const struct jnode *claim,
		     struct pvc *pvc, struct err *err)
{
	static const char *const what[] = { "volumeattachments", NULL };
	const struct jnode *one = jnode_get(pvc->pods.root, "items")->child;
	struct span volume = jnode_text(claim, "spec.volumeName");
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	int r = 0;

	for (; r == 0 && one; one = one->next)
		r = keep_node(pvc, jnode_text(one, "spec.nodeName"), err);
	if (r < 0 || pvc->node || !pvc->one_node || !volume.len)
		return r;
	r = kube_get(kube, what, &doc, &why);
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", why.text);
	/* who may not see that finds out as the pod does not start */
	if (r < 0)
		return 0;
	for (one = jnode_get(doc.root, "items")->child; r == 0 && one;
	     one = one->next)
		if (span_equal(volume, jnode_text(one, "spec.source."
						  "persistentVolumeName")) &&
		    jnode_true(one, "status.attached"))
			r = keep_node(pvc, jnode_text(one, "spec.nodeName"),
				      err);
	return r;
}

int pvc_find(struct kube *kube, const struct pvc_name *name, struct pvc *ret,
	     struct err *err)
{
	OWNED_JDOC struct jdoc claim = JDOC_INIT;
	struct pvc pvc = { .node = NULL };
	char what[WHAT_ROOM];
	int r;

	snprintf(what, sizeof(what), "pvc/%s", name->name);
	r = kube_get_one(kube, name->ns, what, &claim, err);
	if (r < 0)
		return err_wrap(err, "cannot look at the claim '%s/%s'",
				name->ns, name->name);
	r = check_claim(claim.root, name, &pvc, err);
	if (r == 0)
		r = kube_pods_of_claim(kube, name->ns, name->name, &pvc.pods,
				       err);
	if (r == 0)
		r = find_node(kube, claim.root, &pvc, err);
	if (r < 0)
		pvc_release(&pvc);
	else
		*ret = pvc;
	return r;
}

size_t pvc_users(const struct jdoc *pods, const char *but,
		 struct span *ret_first)
{
	const struct jnode *one = jnode_get(pods->root, "items")->child;
	size_t count = 0;

	*ret_first = (struct span){ NULL, 0 };
	for (; one; one = one->next) {
		if (but && jnode_is(one, "metadata.name", but))
			continue;
		if (count++ == 0)
			*ret_first = jnode_text(one, "metadata.name");
	}
	return count;
}

/* Doors. */

static struct span volume_of(const struct jnode *pod, const char *claim,
			     bool *ret_read_only)
{
	const struct jnode *list = jnode_path(pod, "spec.volumes");

	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next)
		if (jnode_is(one, "persistentVolumeClaim.claimName", claim)) {
			*ret_read_only = jnode_true(one, "persistentVolumeClaim"
						    ".readOnly");
			return jnode_text(one, "name");
		}
	return (struct span){ NULL, 0 };
}

static bool copy_text(struct span text, char *out, size_t room)
{
	if (!text.len || text.len >= room)
		return false;
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return true;
}

static bool try_container(const struct jnode *pod, const struct jnode *of,
			  struct span volume, bool write,
			  struct pvc_door *ret)
{
	const struct jnode *list = jnode_get(of, "volumeMounts");

	for (const struct jnode *one = list ? list->child : NULL; one;
	     one = one->next) {
		if (!span_equal(jnode_text(one, "name"), volume) ||
		    jnode_get(one, "subPath") ||
		    jnode_get(one, "subPathExpr") ||
		    (write && jnode_true(one, "readOnly")))
			continue;
		return copy_text(jnode_text(pod, "metadata.name"), ret->pod,
				 sizeof(ret->pod)) &&
		       copy_text(jnode_text(of, "name"), ret->container,
				 sizeof(ret->container)) &&
		       copy_text(jnode_text(one, "mountPath"), ret->mount,
				 sizeof(ret->mount));
	}
	return false;
}

int pvc_find_door(const struct pvc *pvc, const char *claim, bool write,
		  struct pvc_door *ret, struct err *err)
{
	const struct jnode *pod = jnode_get(pvc->pods.root, "items")->child;

	for (; pod; pod = pod->next) {
		const struct jnode *list = jnode_path(pod, "spec.containers");
		bool read_only = false;
		struct span volume = volume_of(pod, claim, &read_only);

		if (!jnode_is(pod, "status.phase", "Running") || !volume.len ||
		    (write && read_only) ||
		    jnode_path(pod, "metadata.deletionTimestamp"))
			continue;
		for (const struct jnode *of = list ? list->child : NULL; of;
		     of = of->next)
			if (try_container(pod, of, volume, write, ret))
				return 0;
	}
	return err_set(err, -ENOENT, "no pod that runs has the whole of claim "
		       "'%s' mounted%s", claim, write ? " to be written" : "");
}

bool pvc_selects(const struct jnode *what, const struct jnode *pod)
{
	const struct jnode *labels = jnode_path(pod, "metadata.labels");
	const struct jnode *one = jnode_path(what, "spec.selector.matchLabels");

	if (!one || !one->child ||
	    jnode_path(what, "spec.selector.matchExpressions"))
		return false;
	for (one = one->child; one; one = one->next) {
		const struct jnode *same = labels ? labels->child : NULL;

		while (same && !span_equal(same->key, one->key))
			same = same->next;
		if (!same || !span_equal(same->text, one->text))
			return false;
	}
	return true;
}
