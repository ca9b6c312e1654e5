#include "fs/base/jdoc.h"
#include "fs/base/json.h"

struct writing {
	struct buf *out;
	bool pretty;
	unsigned depth;
	bool some[JDOC_DEPTH_MAX + 1];	/* an item stands at this depth */
};

static void new_line(struct writing *w)
{
	if (!w->pretty)
		return;
	buf_append_byte(w->out, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		buf_append_str(w->out, "  ");
}

static void begin_item(struct writing *w, const struct jnode *node, bool top)
{
	if (top)
		return;
	if (w->some[w->depth])
		buf_append_byte(w->out, ',');
	w->some[w->depth] = true;
	new_line(w);
	if (node->key.data) {
		json_quote(w->out, node->key);
		buf_append_str(w->out, w->pretty ? ": " : ":");
	}
}

static void write_scalar(struct writing *w, const struct jnode *node)
{
	switch (node->type) {
	case JTYPE_STRING:
		json_quote(w->out, node->text);
		break;
	case JTYPE_NUMBER:
		buf_append(w->out, node->text.data, node->text.len);
		break;
	default:
		buf_append_str(w->out, node->type == JTYPE_TRUE ? "true" :
			       node->type == JTYPE_FALSE ? "false" : "null");
		break;
	}
}

static bool is_container(const struct jnode *node)
{
	return node->type == JTYPE_OBJECT || node->type == JTYPE_ARRAY;
}

static void end_container(struct writing *w, const struct jnode *node)
{
	bool some = w->some[w->depth];

	w->depth--;
	if (some)
		new_line(w);
	buf_append_byte(w->out, node->type == JTYPE_OBJECT ? '}' : ']');
}

/* One value.  1: a container was opened, go down. */
static int write_value(struct writing *w, const struct jnode *node, bool top,
		       int (*filter)(void *arg, const struct jnode *node,
				     struct buf *out, struct err *err),
		       void *arg, struct err *err)
{
	OWNED_BUF struct buf own = BUF_INIT;
	int r = filter ? filter(arg, node, &own, err) : 0;

	if (r < 0 || r == 1)
		return r < 0 ? r : 0;
	begin_item(w, node, top);
	if (r == 2) {
		buf_append(w->out, own.data, own.len);
		return buf_check(&own, err);
	}
	if (!is_container(node)) {
		write_scalar(w, node);
		return 0;
	}
	buf_append_byte(w->out, node->type == JTYPE_OBJECT ? '{' : '[');
	w->some[++w->depth] = false;
	if (node->child)
		return 1;
	end_container(w, node);
	return 0;
}

int jnode_write(const struct jnode *node, bool pretty,
		int (*filter)(void *arg, const struct jnode *node,
			      struct buf *out, struct err *err),
		void *arg, struct buf *out, struct err *err)
{
	struct writing w = { .out = out, .pretty = pretty };
	const struct jnode *top = node;
	int r;

	for (;;) {
		r = write_value(&w, node, node == top, filter, arg, err);
		if (r < 0)
			return r;
		if (r == 1) {
			node = node->child;
			continue;
		}
		while (node != top && !node->next) {
			node = node->parent;
			end_container(&w, node);
		}
		if (node == top)
			return buf_check(out, err);
		node = node->next;
	}
}
