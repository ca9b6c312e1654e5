/*
 * tree_model: a random tree as a plain array, and the same tree built; so
 * that every answer about the one can be compared with the other.
 */
#ifndef VARVE_TREE_MODEL_H
#define VARVE_TREE_MODEL_H

#include "tree_fixture.h"

struct model_node {
	char name[40];
	struct entry entry;	/* its name is name */
	size_t parent;
	size_t below, dirs, children;
	unsigned depth;
	char text[24];		/* files */
	uint64_t inode, nlink;
};

struct model {
	struct model_node *nodes;	/* in pre-order */
	size_t count, cap;
	uint64_t seed;
	unsigned max_depth;
};

/* What a change of the model does to an entry, before it is built. */
typedef void model_change(struct model_node *node, uint64_t *seed);

static inline size_t model_add(struct model *m, size_t parent,
			       const char *name, enum entry_type type)
{
	struct model_node *n;

	if (m->count == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 1024;
		m->nodes = realloc(m->nodes, m->cap * sizeof(*m->nodes));
		assert_non_null(m->nodes);
	}
	n = &m->nodes[m->count];
	memset(n, 0, sizeof(*n));
	snprintf(n->name, sizeof(n->name), "%.39s", name);
	n->parent = parent;
	n->entry = plain_entry("", type);
	n->inode = m->count;
	n->nlink = 1;
	n->depth = m->count ? m->nodes[parent].depth + 1 : 0;
	if (m->count) {
		m->nodes[parent].children++;
		m->nodes[parent].dirs += type == ENTRY_DIR;
	}
	return m->count++;
}

static inline void model_attributes(struct model *m, size_t i)
{
	struct model_node *n = &m->nodes[i];
	struct entry *e = &n->entry;

	e->uid = (uint32_t)(rnd(&m->seed) % 3);
	e->uname = span_str(e->uid ? "user" : "root");
	e->mtime.s += (int64_t)(rnd(&m->seed) % 100000);
	e->mtime.ns = (uint32_t)(rnd(&m->seed) % 2 * 123456789);
	if (e->type == ENTRY_FILE)
		snprintf(n->text, sizeof(n->text), "text %llu",
			 (unsigned long long)(rnd(&m->seed) % 100));
	if (e->type == ENTRY_SYMLINK) {
		e->target = span_str("../some/where");
		e->size = e->target.len;
	}
	if (e->type == ENTRY_CHAR)
		e->dev_major = (uint32_t)i;
}

static inline void model_fill(struct model *m, size_t dir, size_t entries,
			      unsigned depth)
{
	static const enum entry_type types[] = {
		ENTRY_FILE, ENTRY_FILE, ENTRY_SYMLINK, ENTRY_CHAR, ENTRY_FIFO,
	};
	unsigned number = 0;
	char name[40];
	size_t at;

	for (size_t i = 0; i < entries; i++) {
		bool is_dir = depth < m->max_depth && rnd(&m->seed) % 6 == 0;

		number += 1 + (unsigned)(rnd(&m->seed) % 5);
		snprintf(name, sizeof(name), "name-%06u", number);
		at = model_add(m, dir, name, is_dir ? ENTRY_DIR
			       : types[rnd(&m->seed) % 5]);
		model_attributes(m, at);
		if (is_dir)
			model_fill(m, at, rnd(&m->seed) % 12, depth + 1);
	}
	m->nodes[dir].below = m->count - dir - 1;
}

static inline void model_init(struct model *m, uint64_t seed,
			      size_t root_entries, unsigned max_depth)
{
	*m = (struct model){ .seed = seed, .max_depth = max_depth };
	model_add(m, 0, "", ENTRY_DIR);
	model_fill(m, 0, root_entries, 0);
}

static inline void model_release(struct model *m)
{
	free(m->nodes);
}

/* The whole path of node i, from the root's "" on. */
static inline void model_path(const struct model *m, size_t i, char *out)
{
	const struct model_node *n = &m->nodes[i];

	*out = '\0';
	if (i == 0)
		return;
	model_path(m, n->parent, out);
	if (*out)
		strcat(out, "/");
	strcat(out, n->name);
}

/* The entry as it is to be found. */
static inline struct entry model_entry(const struct model *m, size_t i,
				       struct deposit *deposit)
{
	const struct model_node *n = &m->nodes[i];
	struct entry e = n->entry, text;

	if (e.type == ENTRY_FILE) {
		text = text_entry(deposit, n->name, n->text);
		e.content = text.content;
		e.size = text.size;
	}
	e.name = span_str(n->name);
	return e;
}

/* Build it; ret gets root and links.  Its strings are none. */
static inline void model_build(const struct model *m, struct repo *repo,
			       struct record *ret)
{
	struct deposit *deposit = memory_deposit(repo);
	struct builder *b = builder_new(deposit);
	struct posmap_builder *links = posmap_builder_new(deposit,
							  LINKS_WIDTH);
	struct err err = ERR_INIT;
	unsigned depth = 0;
	uint64_t pos = 0;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < m->count; i++) {
		const struct model_node *n = &m->nodes[i];
		struct entry e = model_entry(m, i, deposit);
		uint8_t value[LINKS_WIDTH];

		for (; i > 0 && depth > n->depth - 1; depth--)
			assert_ok(builder_leave(b, &err));
		if (i == 0) {
			assert_ok(builder_begin(b, &e, &err));
		} else if (e.type == ENTRY_DIR) {
			assert_ok(builder_enter(b, &e, &pos, &err));
			depth++;
		} else {
			assert_ok(builder_add(b, &e, &pos, &err));
		}
		assert_int_equal(pos, i);
		if (n->nlink > 1) {
			put_le64(value, n->inode);
			put_le64(value + 8, n->nlink);
			assert_ok(posmap_add(links, pos, value, &err));
		}
	}
	for (; depth > 0; depth--)
		assert_ok(builder_leave(b, &err));
	assert_ok(builder_finish(b, &ret->root, &ret->entries, &err));
	assert_ok(posmap_finish(links, &ret->links, &err));
	assert_int_equal(ret->entries, m->count);
	builder_free(b);
	posmap_builder_free(links);
}

static inline void model_check(const struct model *m, size_t i,
			       const struct node *node)
{
	const struct model_node *n = &m->nodes[i];
	const struct entry *e = &node->entry;

	assert_int_equal(node->pos, i);
	assert_int_equal(node->parent, n->parent);
	assert_int_equal(node->inode, n->inode);
	assert_int_equal(e->type, n->entry.type);
	assert_span_equal(e->name, span_str(n->name));
	assert_int_equal(e->uid, n->entry.uid);
	assert_span_equal(e->uname, n->entry.uname);
	assert_int_equal(e->mtime.s, n->entry.mtime.s);
	assert_int_equal(e->mtime.ns, n->entry.mtime.ns);
	assert_span_equal(e->target, n->entry.target);
	assert_int_equal(e->dev_major, n->entry.dev_major);
	if (e->type == ENTRY_DIR) {
		assert_int_equal(e->below, n->below);
		assert_int_equal(e->dirs_below, n->dirs);
		assert_int_equal(node->nlink, 2 + n->dirs);
	} else {
		assert_int_equal(node->nlink, n->nlink);
	}
	if (e->type == ENTRY_FILE)
		assert_int_equal(e->size, strlen(n->text));
}

#endif
