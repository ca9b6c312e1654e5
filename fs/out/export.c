#include "fs/out/export_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRSTS_START 256

int export_format_parse(const char *text, enum export_format *ret,
			struct err *err)
{
	static const struct {
		const char *name;
		enum export_format format;
	} formats[] = {
		{ "tar", EXPORT_TAR }, { "tar.gz", EXPORT_TAR_GZIP },
		{ "tgz", EXPORT_TAR_GZIP }, { "tar.zst", EXPORT_TAR_ZSTD },
		{ "tzst", EXPORT_TAR_ZSTD },
	};

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (strcmp(text, formats[i].name))
			continue;
		*ret = formats[i].format;
		return 0;
	}
	err_set(err, -EINVAL, "there is no format '%s' to pack in", text);
	return err_hint(err, "tar, tar.gz and tar.zst are there");
}

/* The way out. */

static int put_out(void *arg, struct span bytes, struct err *err)
{
	struct exporter *x = arg;
	int r = x->options->to.put(x->options->to.arg, bytes, err);

	x->lost = r < 0;
	return r;
}

static int flush(struct exporter *x, struct span bytes, struct err *err)
{
	const struct outlet to = { put_out, x };

	if (bytes.len == 0)
		return 0;
	switch (x->options->format) {
	case EXPORT_TAR:
		return put_out(x, bytes, err);
	case EXPORT_TAR_GZIP:
		return deflate_put(x->gzip, bytes, &to, err);
	case EXPORT_TAR_ZSTD:
		return zstd_stream_put(x->zstd, bytes, &to, err);
	}
	return err_set(err, -EINVAL, "there is no such format");
}

int export_put(struct exporter *x, struct span bytes, struct err *err)
{
	bool large = bytes.len >= EXPORT_BUFFER;
	int r = 0;

	x->written += bytes.len;
	if (large || x->waiting.len + bytes.len > EXPORT_BUFFER) {
		r = flush(x, buf_span(&x->waiting), err);
		buf_clear(&x->waiting);
	}
	if (r == 0 && large)
		return flush(x, bytes, err);
	if (r == 0) {
		buf_append(&x->waiting, bytes.data, bytes.len);
		r = buf_check(&x->waiting, err);
	}
	return r;
}

int export_zeros(struct exporter *x, uint64_t len, struct err *err)
{
	static const uint8_t zeros[4096];
	int r = 0;

	while (r == 0 && len > 0) {
		size_t n = len < sizeof(zeros) ? (size_t)len : sizeof(zeros);

		r = export_put(x, span_of(zeros, n), err);
		len -= n;
	}
	return r;
}

int export_stopped(const struct exporter *x, struct err *err)
{
	const struct export_options *o = x->options;

	if (o->stop && *o->stop)
		return err_set(err, -ECANCELED, "stopped");
	if (o->progress)
		o->progress(o->arg, x->report->files, x->written);
	return 0;
}

int export_header(struct exporter *x, const struct pax_member *member,
		  struct err *err)
{
	OWNED_BUF struct buf header = BUF_INIT;
	int r;

	pax_write(member, buf_span(&x->records), &header);
	r = buf_check(&header, err);
	if (r < 0)
		return r;
	x->member_end = x->written + header.len + member->size +
			pax_padding(member->size);
	return export_put(x, buf_span(&header), err);
}

/*
 * First names of hard links.  What node tells is the first of the snapshot; for
 * a part of it the first one that was met is remembered, if that is another.
 */

static size_t first_slot(const struct exporter *x, uint64_t inode)
{
	size_t at = (size_t)(inode * 0x9E3779B97F4A7C15u) &
		    (x->first_slots - 1);

	while (x->firsts[at].pos && x->firsts[at].inode != inode)
		at = (at + 1) & (x->first_slots - 1);
	return at;
}

static int firsts_grow(struct exporter *x, struct err *err)
{
	struct first_seen *old = x->firsts;
	size_t slots = x->first_slots;

	x->first_slots = slots ? 2 * slots : FIRSTS_START;
	x->firsts = calloc(x->first_slots, sizeof(*x->firsts));
	if (!x->firsts) {
		x->firsts = old;
		x->first_slots = slots;
		return err_nomem(err);
	}
	for (size_t i = 0; i < slots; i++)
		if (old[i].pos)
			x->firsts[first_slot(x, old[i].inode)] = old[i];
	free(old);
	return 0;
}

/* The position of the first name of node's file in the archive. */
static int first_of(struct exporter *x, const struct node *node,
		    uint64_t *ret, struct err *err)
{
	struct first_seen *first;

	if (node->inode > node->pos)
		return err_corrupt(err, "its first name stands behind it");
	if (node->nlink < 2 || node->inode >= x->top) {
		*ret = node->nlink < 2 ? node->pos : node->inode;
		return 0;
	}
	if (2 * x->first_count >= x->first_slots && firsts_grow(x, err) < 0)
		return -ENOMEM;
	first = &x->firsts[first_slot(x, node->inode)];
	if (!first->pos) {
		*first = (struct first_seen){ node->inode, node->pos };
		x->first_count++;
	}
	*ret = first->pos;
	return 0;
}

/* Names. */

static const char *prefix_of(const struct exporter *x)
{
	return x->options->prefix ? x->options->prefix : "./";
}

static void set_path(const struct exporter *x, struct buf *out,
		     const char *path, bool dir)
{
	buf_clear(out);
	buf_append_str(out, prefix_of(x));
	buf_append_str(out, path);
	if (dir && *path)
		buf_append_byte(out, '/');
}

static void reverse(uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t b = bytes[i];

		bytes[i] = bytes[len - 1 - i];
		bytes[len - 1 - i] = b;
	}
}

/* The path of the node at pos, below the top; found from its end on. */
static int path_of(struct exporter *x, uint64_t pos, struct buf *out,
		   struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;

	buf_clear(out);
	while (pos != x->top) {
		OWNED_NODE struct node node = NODE_INIT;
		size_t at;
		int r = tree_at(x->tree, pos, &node, err);

		if (r < 0)
			return r;
		if (node.parent < x->top || node.parent >= pos)
			return err_corrupt(err, "its first name is elsewhere");
		at = out->len + (out->len > 0);
		if (out->len)
			buf_append_byte(out, '/');
		buf_append(out, node.entry.name.data, node.entry.name.len);
		if (buf_failed(out))
			return err_nomem(err);
		reverse(out->data + at, node.entry.name.len);
		pos = node.parent;
	}
	if (buf_failed(out))
		return err_nomem(err);
	reverse(out->data, out->len);
	buf_append_str(&path, prefix_of(x));
	buf_append(&path, out->data, out->len);
	buf_swap(out, &path);
	return buf_check(out, err);
}

/* Members. */

static int put_link(struct exporter *x, struct pax_member *member,
		    uint64_t first, struct err *err)
{
	int r = path_of(x, first, &x->link, err);

	if (r < 0)
		return r;
	member->type = PAX_LINK;
	member->link = buf_span(&x->link);
	return export_header(x, member, err);
}

static int put_entry(struct exporter *x, const struct entry *entry,
		     struct pax_member *member, struct err *err)
{
	int r = export_meta(x, entry, err);

	if (r < 0)
		return r;
	switch (entry->type) {
	case ENTRY_FILE:
		member->type = PAX_FILE;
		return export_file(x, entry, member, err);
	case ENTRY_SYMLINK:
		member->type = PAX_SYMLINK;
		member->link = entry->target;
		break;
	case ENTRY_DIR:
		member->type = PAX_DIR;
		break;
	case ENTRY_CHAR:
		member->type = PAX_CHAR;
		break;
	case ENTRY_BLOCK:
		member->type = PAX_BLOCK_DEVICE;
		break;
	case ENTRY_FIFO:
		member->type = PAX_FIFO;
		break;
	case ENTRY_SOCKET:
		return 0;
	}
	return export_header(x, member, err);
}

static void set_top(const struct export_top *top, struct pax_member *member)
{
	member->mode = top->mode;
	member->uid = top->uid;
	member->gid = top->gid;
	member->mtime = top->mtime;
	member->uname = member->gname = span_of(NULL, 0);
}

/* Once what is in x->path was settled. */
static int put_node(struct exporter *x, const struct node *node,
		    struct err *err)
{
	const struct entry *e = &node->entry;
	struct pax_member member = {
		.path = buf_span(&x->path), .mode = e->mode, .uid = e->uid,
		.gid = e->gid, .uname = e->uname, .gname = e->gname,
		.mtime = e->mtime, .dev_major = e->dev_major,
		.dev_minor = e->dev_minor,
	};
	uint64_t first = node->pos;
	int r = 0;

	if (node->pos == x->top && x->options->top)
		set_top(x->options->top, &member);
	buf_clear(&x->records);
	if (e->type != ENTRY_DIR)
		r = first_of(x, node, &first, err);
	if (r < 0)
		return r;
	if (first == node->pos)
		return put_entry(x, e, &member, err);
	return put_link(x, &member, first, err);
}

static void skip_socket(struct exporter *x)
{
	char sentence[1024];

	x->report->sockets++;
	snprintf(sentence, sizeof(sentence),
		 "'%.900s' is a socket, which a tar archive cannot hold; left "
		 "out", buf_str(&x->path));
	if (x->options->warn)
		x->options->warn(x->options->arg, sentence);
}

static int visit(void *arg, const char *path, unsigned depth,
		 const struct node *node, struct err *err)
{
	struct exporter *x = arg;
	const struct entry *e = &node->entry;
	int r = export_stopped(x, err);

	if (r < 0)
		return r;
	/* without "./" the top has no name */
	if (depth == 0 && x->options->prefix && e->type == ENTRY_DIR)
		return 0;
	set_path(x, &x->path, path, e->type == ENTRY_DIR);
	if (depth == 0 && e->type != ENTRY_DIR) {
		buf_clear(&x->path);
		buf_append(&x->path, e->name.data, e->name.len);
	}
	if (!buf_str(&x->path))
		return err_nomem(err);
	if (e->type == ENTRY_SOCKET) {
		skip_socket(x);
		return 0;
	}
	x->report->entries++;
	r = put_node(x, node, err);
	if (r < 0 && r != -ECANCELED && !x->lost)
		err_wrap(err, "cannot pack '%s'", (char *)x->path.data);
	return r;
}

/* Begin and end. */

static int init(struct exporter *x, struct tree *tree,
		const struct node *node, const struct export_options *options,
		struct err *err)
{
	x->tree = tree;
	x->getter = tree_getter(tree);
	x->options = options;
	x->top = node->pos;
	if (options->format == EXPORT_TAR_GZIP)
		x->gzip = deflate_new();
	if (options->format == EXPORT_TAR_ZSTD)
		x->zstd = zstd_stream_new();
	if ((options->format == EXPORT_TAR_GZIP && !x->gzip) ||
	    (options->format == EXPORT_TAR_ZSTD && !x->zstd))
		return err_nomem(err);
	return 0;
}

static void release(struct exporter *x)
{
	deflate_free(x->gzip);
	zstd_stream_free(x->zstd);
	buf_release(&x->waiting);
	buf_release(&x->path);
	buf_release(&x->link);
	buf_release(&x->records);
	free(x->firsts);
}

static int finish(struct exporter *x, struct err *err)
{
	const struct outlet to = { put_out, x };
	OWNED_BUF struct buf end = BUF_INIT;
	int r;

	pax_write_end(x->written, &end);
	r = buf_check(&end, err);
	if (r == 0)
		r = export_put(x, buf_span(&end), err);
	if (r == 0)
		r = flush(x, buf_span(&x->waiting), err);
	if (r == 0 && x->gzip)
		r = deflate_end(x->gzip, &to, err);
	if (r == 0 && x->zstd)
		r = zstd_stream_end(x->zstd, &to, err);
	return r;
}

/* No archive may look whole that is not.  Within a member its size tells;
 * a compressed one has no end in any case. */
static void break_off(struct exporter *x)
{
	OWNED_BUF struct buf end = BUF_INIT;
	int r = 0;

	if (x->written == x->member_end) {
		pax_write_broken_end(&end);
		r = export_put(x, buf_span(&end), NULL);
	}
	if (r == 0)
		flush(x, buf_span(&x->waiting), NULL);
}

int export_tree(struct tree *tree, const struct node *node,
		const struct export_options *options,
		struct export_report *report, struct err *err)
{
	CLEANUP(release) struct exporter x = { .report = report };
	int r;

	*report = (struct export_report){ 0 };
	r = init(&x, tree, node, options, err);
	if (r == 0)
		r = tree_walk(tree, node, visit, &x, err);
	if (r == 0)
		r = finish(&x, err);
	if (r < 0 && !x.lost)
		break_off(&x);
	return r;
}
