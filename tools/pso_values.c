#include "tools/pso_values.h"

#include <stdlib.h>
#include <strings.h>

#include "tools/pso_install.h"

#define CHECK "values"

/* Keys that the chart takes in this spelling only. */
static const char *const keys[] = {
	"arrays", "FlashArrays", "FlashBlades", "MgmtEndPoint", "APIToken",
	"NFSEndPoint", "Labels", "clusterID", "images", "pullPolicy", "tag",
	"flasharray", "flashblade", "sanType", "exportRules", "orchestrator",
	"database", "maxSuspectSeconds", "maxStartupSeconds", "storagetopology",
	"DBTopology", "nodeServer", "controllerServer", "upgrade", NULL,
};

static void check_case(const struct jnode *root, struct findings *f)
{
	for (const struct jnode *n = root; n; n = jnode_after(n, root))
		for (size_t i = 0; n->key.data && keys[i]; i++)
			if (n->key.len == strlen(keys[i]) &&
			    !strncasecmp((const char *)n->key.data, keys[i],
					 n->key.len) &&
			    memcmp(n->key.data, keys[i], n->key.len) != 0)
				findings_add(f, TELL_BAD, CHECK, "'%.*s' is "
					     "written '%s'", SPAN_ARG(n->key),
					     keys[i]);
}

static void check_id(const struct jnode *was, const struct jnode *is,
		     struct findings *f)
{
	struct span a = jnode_text(was, "clusterID");
	struct span b = jnode_text(is, "clusterID");

	if (!span_equal(a, b))
		findings_add(f, TELL_BAD, CHECK, "clusterID is '%.*s', and was "
			     "'%.*s': no volume would be found again",
			     SPAN_ARG(b), SPAN_ARG(a));
	else if (!pso_cluster_id_is_valid(b))
		findings_add(f, TELL_BAD, CHECK, "'%.*s' is no clusterID",
			     SPAN_ARG(b));
	else
		findings_add(f, TELL_OK, CHECK, "clusterID is still '%.*s'",
			     SPAN_ARG(b));
}

static bool has_array(const struct jnode *root, const char *list,
		      struct span mgmt)
{
	const struct jnode *one = jnode_path(root, list);

	for (one = one ? one->child : NULL; one; one = one->next)
		if (span_equal(jnode_text(one, "MgmtEndPoint"), mgmt))
			return true;
	return false;
}

static void check_arrays(const struct jnode *was, const struct jnode *is,
			 const char *list, struct findings *f)
{
	const struct jnode *one = jnode_path(was, list);

	for (one = one ? one->child : NULL; one; one = one->next) {
		struct span mgmt = jnode_text(one, "MgmtEndPoint");

		if (mgmt.len && !has_array(is, list, mgmt))
			findings_add(f, TELL_BAD, CHECK, "%.*s of %s is left "
				     "out: its volumes would not be found",
				     SPAN_ARG(mgmt), list);
	}
	one = jnode_path(is, list);
	for (one = one ? one->child : NULL; one; one = one->next) {
		struct span mgmt = jnode_text(one, "MgmtEndPoint");

		if (!jnode_text(one, "APIToken").len)
			findings_add(f, TELL_BAD, CHECK, "%.*s of %s has no "
				     "APIToken", SPAN_ARG(mgmt), list);
		if (mgmt.len && !has_array(was, list, mgmt))
			findings_add(f, TELL_NOTE, CHECK, "%.*s of %s is new",
				     SPAN_ARG(mgmt), list);
	}
}

/* "images.plugin.tag" */
static bool path_of(const struct jnode *node, const struct jnode *root,
		    struct buf *out)
{
	const struct jnode *up[JDOC_DEPTH_MAX];
	size_t n = 0;

	for (; node && node != root && n < JDOC_DEPTH_MAX; node = node->parent)
		up[n++] = node;
	buf_clear(out);
	while (n-- > 0) {
		/* in a list, or not to be found by a path */
		if (!up[n]->key.data || memchr(up[n]->key.data, '.',
					       up[n]->key.len))
			return false;
		if (out->len)
			buf_append_byte(out, '.');
		buf_append(out, up[n]->key.data, up[n]->key.len);
	}
	return out->len > 0 && buf_str(out);
}

static bool is_leaf(const struct jnode *node)
{
	return node->type != JTYPE_OBJECT && node->type != JTYPE_ARRAY;
}

static void value_of(const struct jnode *node, struct buf *out)
{
	buf_clear(out);
	if (!node)
		buf_append_str(out, "nothing");
	else
		jnode_write(node, false, NULL, NULL, out, NULL);
}

static void check_leaf(const struct jnode *was, const char *path,
		       const struct jnode *is, struct findings *f,
		       unsigned *images)
{
	const struct jnode *then = jnode_path(was, path);
	OWNED_BUF struct buf a = BUF_INIT, b = BUF_INIT;
	bool image = !strncmp(path, "images.", 7);

	value_of(then && is_leaf(then) ? then : NULL, &a);
	value_of(is, &b);
	if (span_equal(buf_span(&a), buf_span(&b)) || !buf_str(&a) ||
	    !buf_str(&b) || !strcmp(path, "clusterID"))
		return;
	*images += image;
	findings_add(f, strstr(path, "exportRules") ? TELL_WARN : TELL_NOTE,
		     CHECK, "%s is %s, and was %s", path, buf_str(&b),
		     buf_str(&a));
}

int pso_values_compare(const struct jnode *was, const struct jnode *is,
		       struct findings *f, struct err *err)
{
	struct span tag = jnode_text(is, "images.plugin.tag");
	OWNED_BUF struct buf path = BUF_INIT;
	unsigned images = 0;

	check_id(was, is, f);
	check_case(is, f);
	check_arrays(was, is, "arrays.FlashArrays", f);
	check_arrays(was, is, "arrays.FlashBlades", f);
	for (const struct jnode *n = is; n; n = jnode_after(n, is))
		if (n != is && is_leaf(n) && path_of(n, is, &path))
			check_leaf(was, buf_str(&path), n, f, &images);
	for (const struct jnode *n = was; n; n = jnode_after(n, was))
		if (n != was && is_leaf(n) && path_of(n, was, &path) &&
		    !jnode_path(is, buf_str(&path)))
			findings_add(f, TELL_WARN, CHECK, "%s is not there any "
				     "more", buf_str(&path));
	if (tag.data && !pso_version_reaches(tag, PSO_VERSION_WANTED))
		findings_add(f, TELL_WARN, "version", "images.plugin.tag is "
			     "%.*s: install at least " PSO_VERSION_WANTED,
			     SPAN_ARG(tag));
	if (!images)
		findings_add(f, TELL_NOTE, CHECK, "images and their pullPolicy "
			     "are as they were: another version has others");
	return f->failed || path.failed ? err_nomem(err) : 0;
}
