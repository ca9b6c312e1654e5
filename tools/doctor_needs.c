#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/array_volume.h"
#include "tools/doctor.h"
#include "tools/format.h"
#include "tools/kube_act.h"
#include "tools/needs.h"
#include "tools/tokens.h"

#define ROOM 128
#define STREAMS_WELL 30		/* kubectl 1.30: exec by WebSocket */

struct asking {
	struct doctor *d;
	struct kube kube;
	const char *ns;		/* NULL: none was named */
	const char *subject;
	unsigned asked;
	bool silent;		/* the cluster does not answer */
	bool unknown;		/* nor did it say which it is */
	bool streams;		/* a procedure does so */
};

/* The procedures on the command line, one after the other. */
static const struct procedure_needs *next(const struct options *o, size_t *at)
{
	const struct procedure_needs *p;
	size_t taken;

	if (*at == o->word_count)
		return NULL;
	p = needs_of(o->words + *at, o->word_count - *at, &taken);
	*at += taken;
	return p;
}

/* "v1.20.2": it loses ends of what is streamed; oc has numbers of its own. */
static bool streams_ill(struct span version)
{
	OWNED_BUF struct buf text = BUF_INIT;
	unsigned minor;

	buf_append(&text, version.data, version.len);
	return buf_str(&text) && sscanf((char *)text.data, "v1.%u", &minor) ==
	       1 && minor < STREAMS_WELL;
}

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
	if (a->streams && streams_ill(version))
		doctor_tell(a->d, WARN, "kubectl", "'%s' is %.*s: of 1.%d and "
			    "newer, exec loses the end of a stream less often",
			    a->kube.kubectl, (int)version.len,
			    (const char *)version.data, STREAMS_WELL);
	else
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
			    "'kube-system' (context %s): %s", origin.server ?
			    origin.server : a->kube.kubectl, origin.context ?
			    origin.context : "?", origin.why ? origin.why :
			    "it does not answer, or may not");
	a->unknown = !origin.uid;
	kube_origin_release(&origin);
}

static void tell_no(struct asking *a, const struct need *need,
		    const char *verb)
{
	const char *in = need->scope == NEED_NS ? a->ns : "the cluster";

	if (need->without)
		doctor_tell(a->d, WARN, a->subject, "may not %s %s in %s: %s",
			    verb, need->resource, in, need->without);
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
	if (r == -ENXIO && a->unknown) {
		/* that is how kubectl takes it that nothing answers */
		doctor_tell(a->d, FAIL, a->subject, "cannot ask whether it may "
			    "%s %s: the cluster does not say what it has",
			    verb, need->resource);
		a->silent = true;
	} else if (r == -ENXIO) {
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

static void ask_rights(struct asking *a, const struct procedure_needs *p)
{
	uint64_t before = a->d->fails + a->d->warns;

	a->asked = 0;
	for (const struct need *need = p->needs; need->verbs; need++)
		ask_need(a, need);
	if (a->d->fails + a->d->warns == before && !a->silent)
		doctor_tell(a->d, OK, p->name, "has all %u rights that 'varve "
			    "%s' needs%s%s", a->asked, p->commands, a->ns ?
			    " in namespace " : "", a->ns ? a->ns : "");
}

/* This machine. */

static bool is_in_path(const char *name)
{
	const char *path = getenv("PATH");
	char at[512];

	for (size_t len; path && *path; path += len + (path[len] == ':')) {
		len = strcspn(path, ":");
		snprintf(at, sizeof(at), "%.*s/%s", (int)len, path, name);
		if (access(at, X_OK) == 0)
			return true;
	}
	return false;
}

static void tell_missing(struct asking *a, const struct need_program *one)
{
	const char *without = one->without ? one->without : "";
	enum verdict verdict = one->without ? WARN : FAIL;

	if (one->package)
		doctor_tell(a->d, verdict, one->name, "not found: install the "
			    "package %s%s%s", one->package, *without ?
			    "; else " : "", without);
	else
		doctor_tell(a->d, verdict, one->name, "not found: %s",
			    without);
}

static void look_at_programs(struct asking *a, const struct procedure_needs *p)
{
	OWNED_BUF struct buf all = BUF_INIT;

	for (const struct need_program *one = p->programs; one && one->name;
	     one++)
		if (is_in_path(one->name))
			buf_printf(&all, "%s%s", all.len ? ", " : "",
				   one->name);
		else
			tell_missing(a, one);
	if (all.len && buf_str(&all))
		doctor_tell(a->d, OK, p->name, "has %s", (char *)all.data);
}

static void look_at_machine(struct asking *a, const struct procedure_needs *p)
{
	const char *token = getenv(TOKEN_ENV);
	struct err err = ERR_INIT;
	unsigned count = 0;

	if (p->flags & NEEDS_ROOT && geteuid() != 0)
		doctor_tell(a->d, FAIL, p->name, "only root may mount what is "
			    "pushed to");
	look_at_programs(a, p);
	if (p->flags & NEEDS_TOKEN && (!token || !*token))
		doctor_tell(a->d, WARN, p->name, "no API token is in "
			    TOKEN_ENV ": --tokens FILE is to have the "
			    "array's");
	else if (p->flags & NEEDS_TOKEN)
		doctor_tell(a->d, OK, p->name, "an API token is in "
			    TOKEN_ENV);
	if (!(p->flags & NEEDS_INITIATOR))
		return;
	if (volume_initiators("/etc", "/sys", &count, &err) < 0)
		doctor_tell(a->d, FAIL, p->name, "%s", err.text);
	else if (count == 0)
		doctor_tell(a->d, FAIL, p->name, "this machine has no "
			    "initiator, iSCSI, NVMe or FC: no array can "
			    "connect a volume to it");
	else
		doctor_tell(a->d, OK, p->name, "has %s, by which an array "
			    "knows it", counted(count, "initiator").s);
}

static void look_at(struct asking *a, const struct procedure_needs *p)
{
	a->subject = p->name;
	if (p->needs && !a->silent)
		ask_rights(a, p);
	look_at_machine(a, p);
}

/* The command line. */

static bool has_ns(const struct procedure_needs *p)
{
	for (const struct need *need = p->needs; need && need->verbs; need++)
		if (need->scope == NEED_NS)
			return true;
	return false;
}

/* Those that begin with word and '-', else all there are. */
static int refuse_word(const char *word, struct err *err)
{
	OWNED_BUF struct buf all = BUF_INIT, some = BUF_INIT;
	size_t len = strlen(word);

	for (const struct procedure_needs *p = procedure_needs; p->name; p++) {
		buf_printf(&all, "%s%s", all.len ? ", " : "", p->name);
		if (!strncmp(p->name, word, len) && p->name[len] == '-')
			buf_printf(&some, "%s%s", some.len ? ", " : "",
				   p->name);
	}
	if (!buf_str(&all) || (some.len && !buf_str(&some)))
		return err_nomem(err);
	err_set(err, -EINVAL, "there is no procedure '%s'", word);
	return some.len ? err_hint(err, "one of %s", (char *)some.data) :
	       err_hint(err, "one of %s; or as it is typed: pg stanza",
			(char *)all.data);
}

static int check_words(struct asking *a, const struct options *o,
		       bool *ret_cluster, struct err *err)
{
	size_t at = 0;

	while (at < o->word_count) {
		const char *word = o->words[at];
		const struct procedure_needs *p = next(o, &at);

		if (!p)
			return refuse_word(word, err);
		if (has_ns(p) && !a->ns)
			return err_set(err, -EINVAL, "'%s' is done in a "
				       "namespace: -n NAMESPACE", p->name);
		*ret_cluster |= p->needs != NULL;
		a->streams |= (p->flags & NEEDS_STREAM) != 0;
	}
	return 0;
}

int doctor_needs(struct doctor *d, struct err *err)
{
	const struct options *o = &d->tool->options;
	struct asking a = { .d = d, .ns = option_value(o, "namespace") };
	const struct procedure_needs *p;
	bool cluster = false;
	int64_t timeout_s;
	size_t at = 0;
	int r = check_words(&a, o, &cluster, err);

	if (r == 0)
		r = kube_timeout(o, &timeout_s, err);
	if (r < 0)
		return r;
	kube_init(&a.kube, o, timeout_s);
	if (cluster) {
		look_at_kubectl(&a);
		look_at_cluster(&a);
	}
	while ((p = next(o, &at)))
		look_at(&a, p);
	return 0;
}
