#include "tools/rest_internal.h"

#include <string.h>

struct paging {
	char next[REST_VALUE_MAX];	/* a token; "": by offset */
	uint64_t items;
	bool more;
};

static int page_url(struct rest *rest, const char *query,
		    const struct paging *paging, struct buf *url,
		    struct err *err)
{
	char *token;

	buf_printf(url, "%s/api/%s/%s%climit=%u", rest->base, rest->version,
		   query, strchr(query, '?') ? '&' : '?', rest->options.limit);
	if (paging->next[0]) {
		token = rest->lib->escape(rest->curl, paging->next, 0);
		if (!token)
			return err_nomem(err);
		buf_printf(url, "&continuation_token=%s", token);
		rest->lib->free(token);
	} else if (paging->items > 0) {
		buf_printf(url, "&offset=%llu",
			   (unsigned long long)paging->items);
	}
	return buf_str(url) ? 0 : err_nomem(err);
}

static int turn_page(const struct rest *rest, const struct jnode *root,
		     size_t count, struct paging *paging, struct err *err)
{
	struct span token = jnode_text(root, "continuation_token");
	char next[REST_VALUE_MAX] = "";

	if (token.len >= sizeof(next))
		return err_set(err, -E2BIG, "the token for the next page is "
			       "too long");
	if (token.len)
		memcpy(next, token.data, token.len);
	else if (rest->next[0])
		memcpy(next, rest->next, sizeof(next));
	paging->more = jnode_true(root, "more_items_remaining") ||
		       (!jnode_get(root, "more_items_remaining") && next[0]);
	if (!paging->more)
		return 0;
	/* or it would go on for ever */
	if (count == 0 || (next[0] && !strcmp(next, paging->next)))
		return err_set(err, -EIO, "its pages do not go on");
	memcpy(paging->next, next, sizeof(next));
	return 0;
}

static int take_page(struct rest *rest, struct paging *paging,
		     int (*each)(void *arg, const struct jnode *item,
				 struct err *err),
		     void *arg, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const struct jnode *items, *errors;
	size_t count = 0;
	int r = jdoc_parse(buf_span(&rest->body), "its answer", &doc, err);

	if (r < 0)
		return r;
	/* a fleet's answer may be of this kind and yet lack members */
	errors = jnode_get(doc.root, "errors");
	if (errors && errors->child)
		return rest_fail(rest, err);
	items = jnode_get(doc.root, "items");
	if (!items || items->type != JTYPE_ARRAY)
		return err_corrupt(err, "its answer has no items");
	for (items = items->child; r == 0 && items; items = items->next) {
		r = each(arg, items, err);
		count++;
	}
	paging->items += count;
	return r < 0 ? r : turn_page(rest, doc.root, count, paging, err);
}

int rest_query(struct rest *rest, const char *query,
	       int (*each)(void *arg, const struct jnode *item,
			   struct err *err),
	       void *arg, struct err *err)
{
	struct paging paging = { .more = true };
	int r = 0;

	for (unsigned n = 0; r == 0 && paging.more; n++) {
		OWNED_BUF struct buf url = BUF_INIT;
		struct rest_request request = { .verb = REST_GET };

		if (n == REST_PAGES_MAX)
			return err_set(err, -E2BIG, "more than %d pages",
				       REST_PAGES_MAX);
		r = page_url(rest, query, &paging, &url, err);
		request.url = buf_str(&url);
		if (r == 0)
			r = rest_ask(rest, &request, err);
		if (r == 0 && rest->status != 200)
			r = rest_fail(rest, err);
		if (r == 0)
			r = take_page(rest, &paging, each, arg, err);
	}
	return r;
}
