#include <stdio.h>
#include <stdlib.h>

#include "tools/pso_ask.h"
#include "tools/rest.h"
#include "tools/tokens.h"

#define NAME_MAX_BYTES 512

void pso_targets_release(struct pso_targets *targets)
{
	for (size_t i = 0; i < targets->count; i++) {
		free(targets->row[i].mgmt);
		token_wipe(targets->row[i].token);
	}
	free(targets->row);
	*targets = (struct pso_targets){ .row = NULL };
}

static struct pso_target *find(const struct pso_targets *targets,
				 struct span mgmt)
{
	for (size_t i = 0; i < targets->count; i++)
		if (span_equal(span_str(targets->row[i].mgmt), mgmt))
			return &targets->row[i];
	return NULL;
}

static int add(struct pso_targets *targets, enum pso_type type, struct span mgmt,
	       struct span token, struct err *err)
{
	struct pso_target *more = find(targets, mgmt);

	if (more)
		return 0;
	if (targets->count >= PSO_ARRAYS_MAX)
		return err_set(err, -E2BIG, "more than %d arrays",
			       PSO_ARRAYS_MAX);
	more = reallocarray(targets->row, targets->count + 1, sizeof(*more));
	if (!more)
		return err_nomem(err);
	targets->row = more;
	more = &more[targets->count++];
	*more = (struct pso_target){
		.type = type,
		.mgmt = strndup((const char *)mgmt.data, mgmt.len),
		.token = token.len ? strndup((const char *)token.data,
					     token.len) : NULL,
	};
	return more->mgmt && (!token.len || more->token) ? 0 : err_nomem(err);
}

/* values.yaml, as it is before its secrets are taken out. */

static int add_list(struct pso_targets *targets, enum pso_type type,
		    const struct jnode *list, struct err *err)
{
	int r = 0;

	for (list = list ? list->child : NULL; r == 0 && list;
	     list = list->next) {
		struct span mgmt = jnode_text(list, "MgmtEndPoint");

		if (mgmt.len)
			r = add(targets, type, mgmt, jnode_text(list,
				"APIToken"), err);
	}
	return r;
}

static int add_of_values(const struct pso_capture *capture,
			 struct pso_targets *targets, struct err *err)
{
	const struct pso_doc *values = pso_find(capture, "values");
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r;

	if (!values || values->state != PSO_HAD)
		return 0;
	r = jdoc_parse(buf_span(&values->bytes), "values.yaml", &doc, err);
	if (r == 0)
		r = add_list(targets, PSO_FLASHARRAY, jnode_path(doc.root,
			     "arrays.FlashArrays"), err);
	if (r == 0)
		r = add_list(targets, PSO_FLASHBLADE, jnode_path(doc.root,
			     "arrays.FlashBlades"), err);
	return r;
}

static int add_of_options(const struct options *o, struct pso_targets *targets,
			  struct err *err)
{
	const char *word;
	int r = 0;

	for (size_t n = 0; r == 0 && (word = option_nth(o, "array", n)); n++) {
		const char *colon = strchr(word, ':');
		enum pso_type type = colon ? pso_type_parse(span_of(word,
			(size_t)(colon - word))) : 0;

		if (!type || !colon[1]) {
			err_set(err, -EINVAL, "'--array %s' names no array",
				word);
			return err_hint(err, "as fa:10.0.0.5 for a FlashArray "
					"or Cloud Block Store, fb:10.0.0.6 "
					"for a FlashBlade");
		}
		r = add(targets, type, span_str(colon + 1), span_of(NULL, 0),
			err);
	}
	return r;
}

/* Tokens. */

static int give_token(void *arg, const char *mgmt, const char *token,
		      struct err *err)
{
	struct pso_target *target = find(arg, span_str(mgmt));

	if (!target)
		return 0;
	token_wipe(target->token);
	target->token = strdup(token);
	return target->token ? 0 : err_nomem(err);
}

static int take_tokens(const struct options *o, struct pso_targets *targets,
		       struct err *err)
{
	const char *path = option_value(o, "tokens");
	const char *common = getenv(TOKEN_ENV);
	int r = path ? tokens_each(path, give_token, targets, err) : 0;

	for (size_t i = 0; r == 0 && common && *common && i < targets->count;
	     i++) {
		if (targets->row[i].token)
			continue;
		targets->row[i].token = strdup(common);
		if (!targets->row[i].token)
			r = err_nomem(err);
	}
	return r;
}

/* Asking one. */

struct answer {
	struct pso_capture *capture;
	const char *name;
};

static int take_item(void *arg, const struct jnode *item, struct err *err)
{
	struct answer *answer = arg;

	return pso_add(answer->capture, answer->name, item, err);
}

static bool ends_all(int r)
{
	return r == -ECANCELED || r == -ENOMEM;
}

static int ask_query(const struct pso_asking *asking, struct rest *rest,
		     const char *dir, const char *query, struct err *err)
{
	char name[NAME_MAX_BYTES];
	struct answer answer = { asking->capture, name };
	struct err why = ERR_INIT;
	int r;

	snprintf(name, sizeof(name), "arrays/%s/%s", dir, query);
	r = pso_add(asking->capture, name, NULL, err);
	if (r < 0)
		return r;
	r = rest_query(rest, query, take_item, &answer, &why);
	if (ends_all(r))
		return err_set(err, r, "%s", why.text);
	/* half of a list is not taken for one */
	if (r < 0)
		return pso_put_state(asking->capture, name, r == -ENOENT ?
				     PSO_GONE : PSO_FAILED, why.text, err);
	return 0;
}

static int ask_queries(const struct pso_asking *asking, struct rest *rest,
		       const struct pso_array *array, struct err *err)
{
	CLEANUP(free_ptr) char *dir = strdup(array->dir);
	enum pso_type type = array->type;
	int r = dir ? 0 : err_nomem(err);

	for (size_t i = 0; r == 0 && pso_queries[i].name; i++)
		if (pso_queries[i].type == type)
			r = ask_query(asking, rest, dir, pso_queries[i].name,
				      err);
	return r;
}

static int set_why(const struct pso_asking *asking, struct pso_array *array,
		   const char *why, struct err *err)
{
	free(array->why);
	array->why = strdup(why);
	return array->why ? pso_clean(asking->capture, &array->why, err) :
		err_nomem(err);
}

int pso_target_open(const struct pso_asking *asking,
		    const struct pso_target *target, struct rest **ret,
		    struct err *err)
{
	const struct options *o = &asking->tool->options;
	uint64_t limit = 0;
	struct rest_options options = {
		.endpoint = target->mgmt,
		.type = target->type == PSO_FLASHBLADE ? REST_FLASHBLADE :
			REST_FLASHARRAY,
		.token = target->token,
		.ca_file = option_value(o, "ca-file"),
		.insecure = option_given(o, "insecure"),
		.timeout_s = asking->timeout_s,
		.past_stop = asking->past_stop,
	};
	int r = option_u64(o, "page", 100000, &limit, err);

	if (r < 0)
		return r;
	options.limit = (unsigned)limit;
	if (!target->token)
		return err_set(err, -ENOKEY, "no token is known for it");
	return rest_open(&options, ret, err);
}

static int ask_array(const struct pso_asking *asking,
		     const struct pso_target *target,
		     struct pso_array *array, struct err *err)
{
	struct err why = ERR_INIT;
	struct rest *rest;
	int r = pso_target_open(asking, target, &rest, &why);

	if (ends_all(r))
		return err_set(err, r, "%s", why.text);
	if (r < 0)
		return set_why(asking, array, why.text, err);
	array->api = strdup(rest_version(rest));
	r = redact_know(asking->capture->redact, rest_session(rest), err);
	if (r == 0)
		r = ask_queries(asking, rest, array, err);
	if (r == 0)
		r = redact_know(asking->capture->redact, rest_session(rest),
				err);
	rest_close(rest);
	return r;
}

/* A path component of its own for each. */
static void dir_of(const char *mgmt, char dir[NAME_MAX_BYTES])
{
	size_t n = 0;

	for (; *mgmt && n + 4 < 250; mgmt++) {
		unsigned char c = (unsigned char)*mgmt;

		if (c <= 0x20 || c == '/' || c == '%' || c == ':' ||
		    c == 0x7f || (c == '.' && n == 0))
			n += (size_t)snprintf(dir + n, 4, "%%%02X", c);
		else
			dir[n++] = (char)c;
	}
	dir[n] = '\0';
}

int pso_ask_targets(const struct pso_asking *asking,
		    const struct pso_targets *targets, struct err *err)
{
	int r = 0;

	/* all tokens are known before any word of an array is kept */
	for (size_t i = 0; r == 0 && i < targets->count; i++)
		if (targets->row[i].token)
			r = redact_know(asking->capture->redact,
					span_str(targets->row[i].token), err);
	for (size_t i = 0; r == 0 && i < targets->count; i++) {
		const struct pso_target *target = &targets->row[i];
		struct pso_array *array;
		char dir[NAME_MAX_BYTES];

		dir_of(target->mgmt, dir);
		r = pso_add_array(asking->capture, dir, target->type,
				  target->mgmt, &array, err);
		if (r == 0)
			r = ask_array(asking, target, array, err);
	}
	return r;
}

int pso_check_arrays(const struct tool *tool, struct err *err)
{
	CLEANUP(pso_targets_release) struct pso_targets targets = {
		.row = NULL };

	return add_of_options(&tool->options, &targets, err);
}

int pso_targets_find(const struct pso_asking *asking,
		     struct pso_targets *ret, struct err *err)
{
	const struct options *o = &asking->tool->options;
	int r = add_of_options(o, ret, err);

	if (r == 0)
		r = add_of_values(asking->capture, ret, err);
	return r < 0 ? r : take_tokens(o, ret, err);
}

int pso_ask_arrays(const struct pso_asking *asking, struct err *err)
{
	CLEANUP(pso_targets_release) struct pso_targets targets = {
		.row = NULL };
	int r = pso_targets_find(asking, &targets, err);

	return r < 0 ? r : pso_ask_targets(asking, &targets, err);
}
