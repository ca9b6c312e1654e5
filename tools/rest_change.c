#include "tools/rest_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/tool.h"

#define CAME_MAX 1200

/* Unreserved characters of a URI stay, and those of names in pods. */
static void escape(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		    (c >= 'a' && c <= 'z') || strchr("-._~:/", c))
			buf_append_byte(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

int rest_path(struct buf *out, struct err *err, const char *resource, ...)
{
	const char *key, *value;
	char mark = '?';
	va_list ap;
	int r = 0;

	buf_append_str(out, resource);
	va_start(ap, resource);
	while (r == 0 && (key = va_arg(ap, const char *))) {
		value = va_arg(ap, const char *);
		if (strchr(value, ','))
			r = err_set(err, -EINVAL, "'%s' is no name: it has a "
				    "comma", value);
		buf_printf(out, "%c%s=", mark, key);
		escape(out, value);
		mark = '&';
	}
	va_end(ap);
	return r < 0 ? r : buf_str(out) ? 0 : err_nomem(err);
}

/* The words stay. */
static int recode(struct err *err, int code)
{
	if (err)
		err->code = code;
	return code;
}

/* One item by its name. */

struct finding {
	const char *name;
	struct buf found;
};

/* An array compares names without regard to case: we do not. */
static int take_found(void *arg, const struct jnode *item, struct err *err)
{
	struct finding *f = arg;

	if (!jnode_is(item, "name", f->name))
		return 0;
	buf_clear(&f->found);
	return jnode_write(item, false, NULL, NULL, &f->found, err);
}

int rest_find(struct rest *rest, const char *resource, const char *name,
	      struct jdoc *ret, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT, filter = BUF_INIT;
	struct finding f = { .name = name };
	int r;

	if (strpbrk(name, "'\\"))
		return err_set(err, -EINVAL, "'%s' is no name", name);
	buf_printf(&filter, "name='%s'", name);
	r = buf_str(&filter) ? rest_path(&path, err, resource, "filter",
					 buf_str(&filter), NULL) :
		err_nomem(err);
	if (r == 0)
		r = rest_query(rest, buf_str(&path), take_found, &f, err);
	/* no such resource is not: no such item */
	if (r == -ENOENT)
		r = recode(err, -EIO);
	if (r == 0 && !f.found.len)
		r = err_set(err, -ENOENT, "it has no '%s' among its %s", name,
			    resource);
	else if (r == 0)
		r = jdoc_parse(buf_span(&f.found), "an item", ret, err);
	buf_release(&f.found);
	return r;
}

/* Changes. */

void rest_watch(struct rest *rest, rest_watch_fn *watch, void *arg)
{
	rest->watch = watch;
	rest->watch_arg = arg;
}

static int judge(const struct rest *rest, struct jdoc *ret, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *errors;
	int r;

	if (rest->status < 200 || rest->status > 299) {
		r = rest_fail(rest, err);
		return r == -EIO && rest->status < 500 ? recode(err, -EPERM) :
							 r;
	}
	if (!rest->body.len)
		return 0;
	r = jdoc_parse(buf_span(&rest->body), "its answer", &doc, err);
	if (r < 0)
		return r;
	errors = jnode_get(doc.root, "errors");
	if (errors && errors->child)
		return rest_fail(rest, err);
	if (ret) {
		*ret = doc;
		doc = (struct jdoc)JDOC_INIT;
	}
	return 0;
}

static int ask(struct rest *rest, const struct rest_change *change,
	       struct jdoc *ret, struct err *err)
{
	OWNED_BUF struct buf url = BUF_INIT;
	struct rest_request request = {
		.verb = change->verb,
		.body = change->body ? span_str(change->body) :
			span_of(NULL, 0),
	};
	int r;

	buf_printf(&url, "%s/api/%s/%s", rest->base, rest->version,
		   change->path);
	request.url = buf_str(&url);
	r = request.url ? rest_ask(rest, &request, err) : err_nomem(err);
	if (r == 0)
		return judge(rest, ret, err);
	if (r == -ENOMEM || rest->unsent || rest->status)
		return r;
	err_wrap(err, "whether it did this is not known");
	return r == -ECANCELED ? r : recode(err, -EINPROGRESS);
}

int rest_change(struct rest *rest, const struct rest_change *change,
		struct jdoc *ret, struct err *err)
{
	struct err why = ERR_INIT, unwritten = ERR_INIT;
	char came[CAME_MAX];
	int r = 0;

	if (ret)
		*ret = (struct jdoc)JDOC_INIT;
	if (rest->watch)
		r = rest->watch(rest->watch_arg, change, NULL, err);
	if (r < 0)
		return r;
	r = ask(rest, change, ret, &why);
	snprintf(came, sizeof(came), "%s", r < 0 ? why.text : "done");
	if (r < 0)
		err_set(err, r, "%s %s: %s", rest_verb_name(change->verb),
			change->path, why.text);
	if (rest->watch &&
	    rest->watch(rest->watch_arg, change, came, &unwritten) < 0 &&
	    r >= 0)
		return err_set(err, unwritten.code, "%s", unwritten.text);
	return r;
}
