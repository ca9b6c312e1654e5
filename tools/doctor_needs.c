#include <stdio.h>

#include "tools/doctor.h"
#include "tools/kube_act.h"
#include "tools/needs.h"

#define ROOM 128

struct asking {
	struct doctor *d;
	struct kube kube;
	const char *ns;		/* NULL: none was named */
	const char *subject;
	unsigned asked;
	bool silent;		/* the cluster does not answer */
};

static void look_at_kubectl(struct asking *a)
{
	static const char *const words[] = { "version", "--client", "-o",
					     "json", NULL };
	OWNED_CHILD struct child_end end = { .status = 0 };
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err err = ERR_INIT;
	struct span version;

	if (kube_run(&a->kube, words, &end, &err) < 0) {
		doctor_tell(a->d, FAIL, "kubectl", "%s; --kubectl names "
			    "another, as oc", err.text);
		a->silent = true;
		return;
	}
	if (end.status != 0 ||
	    jdoc_parse(buf_span(&end.out), "it", &doc, NULL) < 0) {
		doctor_tell(a->d, WARN, "kubectl", "'%s' does not say its "
			    "version", a->kube.kubectl);
		return;
	}
	version = jnode_text(doc.root, "clientVersion.gitVersion");
	doctor_tell(a->d, OK, "kubectl", "'%s' %.*s", a->kube.kubectl,
		    (int)version.len, version.len ?
		    (const char *)version.data : "");
}

static void look_at_cluster(struct asking *a)
{
	struct kube_origin origin = { .uid = NULL };
	struct err err = ERR_INIT;

	if (a->silent)
		return;
	if (kube_find_origin(&a->kube, &origin, &err) < 0)
		doctor_tell(a->d, FAIL, "cluster", "%s", err.text);
	else if (origin.uid)
		doctor_tell(a->d, OK, "cluster", "%s (%s, context %s)",
			    origin.uid, origin.server ? origin.server : "?",
			    origin.context ? origin.context : "?");
	else
		doctor_tell(a->d, FAIL, "cluster", "%s gives no namespace "
			    "'kube-system': it does not answer, or may not "
			    "(context %s)", origin.server ? origin.server :
			    a->kube.kubectl, origin.context ? origin.context :
			    "?");
	kube_origin_release(&origin);
}

static void tell_no(struct asking *a, const struct need *need,
		    const char *verb)
{
	const char *in = need->scope == NEED_NS ? a->ns : "the cluster";

	if (need->scope == NEED_WISH)
		doctor_tell(a->d, WARN, a->subject, "may not %s %s in %s: "
			    "where a volume is attached is not known",
			    verb, need->resource, in);
	else
		doctor_tell(a->d, FAIL, a->subject, "may not %s %s in %s: "
			    "docs/rbac/%s.yaml grants it", verb,
			    need->resource, in, a->subject);
}

static void ask_verb(struct asking *a, const struct need *need,
		     const char *verb)
{
	struct err err = ERR_INIT;
	bool may = false;
	int r = kube_can(&a->kube, need->scope == NEED_NS ? a->ns : NULL, verb,
			 need->resource, &may, &err);

	a->asked++;
	if (r == -ENXIO) {
		doctor_tell(a->d, WARN, a->subject, "%s", err.text);
	} else if (r < 0) {
		doctor_tell(a->d, FAIL, a->subject, "cannot ask whether it may "
			    "%s %s: %s", verb, need->resource, err.text);
		a->silent = true;
	} else if (!may) {
		tell_no(a, need, verb);
	}
}

static void ask_need(struct asking *a, const struct need *need)
{
	const char *at = need->verbs;
	char verb[ROOM];

	while (*at && !a->silent) {
		size_t len = strcspn(at, " ");

		snprintf(verb, sizeof(verb), "%.*s", (int)len, at);
		ask_verb(a, need, verb);
		at += len + strspn(at + len, " ");
	}
}

static void ask_procedure(struct asking *a, const struct procedure_needs *p)
{
	uint64_t before = a->d->fails + a->d->warns;

	a->subject = p->name;
	a->asked = 0;
	for (const struct need *need = p->needs; need->verbs; need++)
		ask_need(a, need);
	if (a->d->fails + a->d->warns == before && !a->silent)
		doctor_tell(a->d, OK, p->name, "has all %u rights that '%s' "
			    "needs%s%s", a->asked, p->commands, a->ns ?
			    " in namespace " : "", a->ns ? a->ns : "");
}

static bool has_ns(const struct procedure_needs *p)
{
	for (const struct need *need = p->needs; need->verbs; need++)
		if (need->scope == NEED_NS)
			return true;
	return false;
}

static int check_words(const struct options *o, bool ns_given,
		       struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT;

	for (const struct procedure_needs *p = procedure_needs; p->name; p++)
		buf_printf(&all, "%s%s", all.len ? ", " : "", p->name);
	for (size_t i = 0; i < o->word_count; i++) {
		const struct procedure_needs *p = needs_of(o->words[i]);

		if (!p) {
			err_set(err, -EINVAL, "there is no procedure '%s'",
				o->words[i]);
			return err_hint(err, "one of %s", buf_str(&all) ?
					(char *)all.data : "");
		}
		if (has_ns(p) && !ns_given)
			return err_set(err, -EINVAL, "'%s' is done in a "
				       "namespace: -n NAMESPACE", p->name);
	}
	return 0;
}

int doctor_needs(struct doctor *d, struct err *err)
{
	const struct options *o = &d->tool->options;
	struct asking a = { .d = d, .ns = option_value(o, "namespace") };
	int64_t timeout_s;
	int r = check_words(o, a.ns != NULL, err);

	if (r == 0)
		r = kube_timeout(o, &timeout_s, err);
	if (r < 0 || o->word_count == 0)
		return r;
	kube_init(&a.kube, o, timeout_s);
	look_at_kubectl(&a);
	look_at_cluster(&a);
	for (size_t i = 0; i < o->word_count && !a.silent; i++)
		ask_procedure(&a, needs_of(o->words[i]));
	return 0;
}
