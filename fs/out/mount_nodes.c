#include "fs/out/mount_internal.h"

#include <linux/fs.h>
#include <stdlib.h>

#define BATCH 64	/* nodes asked for at once while listing */

/* A node someone asks about, with what keeps it open. */
struct asked {
	struct mount *mount;
	struct seat *seat;
	struct node node;
	struct err err;
};
#define ASKED_INIT { .node = NODE_INIT, .err = ERR_INIT }
#define OWNED_ASKED CLEANUP(asked_release)

static void asked_release(struct asked *asked)
{
	node_release(&asked->node);
	if (asked->seat)
		seat_put(asked->mount, asked->seat);
	asked->seat = NULL;
}

int nodes_at(struct seat *seat, fuse_ino_t ino, struct node *ret,
	     struct err *err)
{
	uint64_t pos = ino_pos(ino);

	if (pos >= tree_record(seat->tree)->entries)
		return err_set(err, -ESTALE, "no node %llu in snapshot %llu",
			       (unsigned long long)pos,
			       (unsigned long long)seat->number);
	return tree_at(seat->tree, pos, ret, err);
}

/* Replies itself where it fails. */
static int ask(struct asked *asked, fuse_req_t req, fuse_ino_t ino,
	       const char *doing)
{
	int r;

	asked->mount = fuse_req_userdata(req);
	r = seat_get(asked->mount, ino_number(ino), &asked->seat,
		     &asked->err);
	if (r == 0)
		r = nodes_at(asked->seat, ino, &asked->node, &asked->err);
	if (r < 0)
		fuse_reply_err(req, mount_fault(asked->mount, ino, r, doing,
						&asked->err));
	return r;
}

static void fill_entry(const struct asked *asked, const struct node *node,
		       struct fuse_entry_param *e)
{
	memset(e, 0, sizeof(*e));
	e->ino = ino_tree(asked->seat->number, node->inode);
	e->attr_timeout = e->entry_timeout = FOREVER;
	node_stat(node, &e->attr);
	e->attr.st_ino = e->ino;
	mount_override(asked->mount, &e->attr);
}

static void reply_node(fuse_req_t req, const struct asked *asked,
		       const struct node *node, double entry_timeout)
{
	struct fuse_entry_param e;

	fill_entry(asked, node, &e);
	e.entry_timeout = entry_timeout;
	seat_know(asked->mount, asked->seat, 1);
	if (fuse_reply_entry(req, &e) < 0)
		seats_forget(asked->mount, asked->seat->number, 1);
}

/* A snapshot's top of which the record tells all; counted: as one lookup more. */
static bool find_top(struct mount *mount, fuse_ino_t ino, bool counted,
		     struct record_top *ret)
{
	const struct names_snap *snap = NULL;
	bool found;

	if (ino_pos(ino) != 0)
		return false;
	pthread_rwlock_rdlock(&mount->names_lock);
	snap = names_snap(mount->names, ino_number(ino));
	found = snap && snap->has_top;
	if (found)
		*ret = snap->top;
	if (found && counted)
		found = seats_know_top(mount, ino_number(ino));
	pthread_rwlock_unlock(&mount->names_lock);
	if (found)
		count(&mount->counters.tops, 1);
	return found;
}

static bool top_has_no_xattrs(fuse_req_t req, fuse_ino_t ino)
{
	struct record_top top;

	return find_top(fuse_req_userdata(req), ino, false, &top) &&
	       !top.xattrs;
}

void nodes_fill_top(const struct mount *mount, uint64_t number,
		    const struct record_top *top, struct fuse_entry_param *e)
{
	const struct node node = {
		.nlink = top->nlink,
		.entry = {
			.type = ENTRY_DIR,
			.mode = top->mode,
			.uid = top->uid,
			.gid = top->gid,
			.mtime = top->mtime,
		},
	};

	memset(e, 0, sizeof(*e));
	e->ino = ino_tree(number, 0);
	/* Its name may go, its attributes do not change. */
	e->attr_timeout = FOREVER;
	e->entry_timeout = A_WHILE;
	node_stat(&node, &e->attr);
	e->attr.st_ino = e->ino;
	mount_override(mount, &e->attr);
}

void nodes_reply_root(fuse_req_t req, uint64_t number)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	struct mount *mount = fuse_req_userdata(req);
	struct fuse_entry_param e;
	struct record_top top;

	if (find_top(mount, ino_tree(number, 0), true, &top)) {
		nodes_fill_top(mount, number, &top, &e);
		if (fuse_reply_entry(req, &e) < 0)
			seats_forget(mount, number, 1);
		return;
	}
	/* Its name may go, its attributes do not change. */
	if (ask(&asked, req, ino_tree(number, 0), "look up") == 0)
		reply_node(req, &asked, &asked.node, A_WHILE);
}

static void reply_parent(fuse_req_t req, const struct asked *asked)
{
	OWNED_NODE struct node parent = NODE_INIT;
	struct err err = ERR_INIT;
	fuse_ino_t above;
	int r;

	if (asked->node.pos == 0) {
		above = virtual_parent(asked->mount, asked->seat->number);
		virtual_reply_entry(req, above);
		return;
	}
	r = tree_at(asked->seat->tree, asked->node.parent, &parent, &err);
	if (r < 0)
		fuse_reply_err(req, mount_fault(asked->mount, ino_tree(asked->seat->number,
						asked->node.pos), r,
						"look up", &err));
	else
		reply_node(req, asked, &parent, FOREVER);
}

void nodes_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	static const struct fuse_entry_param nothing = {
		.entry_timeout = FOREVER,
	};
	OWNED_ASKED struct asked asked = ASKED_INIT;
	OWNED_NODE struct node child = NODE_INIT;
	int r;

	if (ask(&asked, req, parent, "look up") < 0)
		return;
	if (!strcmp(name, ".")) {
		reply_node(req, &asked, &asked.node, FOREVER);
		return;
	}
	if (!strcmp(name, "..")) {
		reply_parent(req, &asked);
		return;
	}
	if (strlen(name) > NAME_BYTES_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	r = tree_child(asked.seat->tree, &asked.node, span_str(name), &child,
		       &asked.err);
	if (r == 0)
		reply_node(req, &asked, &child, FOREVER);
	else if (r == -ENOENT)
		fuse_reply_entry(req, &nothing);
	else
		fuse_reply_err(req, mount_fault(asked.mount, parent, r, "look up",
						&asked.err));
}

void nodes_getattr(fuse_req_t req, fuse_ino_t ino)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	struct mount *mount = fuse_req_userdata(req);
	struct record_top top;
	struct fuse_entry_param e;

	if (find_top(mount, ino, false, &top)) {
		nodes_fill_top(mount, ino_number(ino), &top, &e);
		fuse_reply_attr(req, &e.attr, FOREVER);
		return;
	}
	if (ask(&asked, req, ino, "stat") < 0)
		return;
	fill_entry(&asked, &asked.node, &e);
	fuse_reply_attr(req, &e.attr, FOREVER);
}

void nodes_readlink(fuse_req_t req, fuse_ino_t ino)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	char target[TARGET_MAX + 1];
	struct span text;

	if (ask(&asked, req, ino, "read a link") < 0)
		return;
	text = asked.node.entry.target;
	if (asked.node.entry.type != ENTRY_SYMLINK || text.len > TARGET_MAX) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	memcpy(target, text.data, text.len);
	target[text.len] = 0;
	fuse_reply_readlink(req, target);
}

/*
 * Listing.  Cookies: 1 ".", 2 "..", i + 3 for the entry of index i.
 */

struct listing {
	fuse_req_t req;
	char *bytes;
	size_t size, used;
	uint64_t entries;	/* the kernel will forget so many */
	bool full;
};

static void put_entry(struct listing *listing, const char *name,
		      const struct fuse_entry_param *e, off_t cookie)
{
	size_t room = listing->size - listing->used;
	size_t need = fuse_add_direntry_plus(listing->req,
					     listing->bytes + listing->used,
					     room, name, e, cookie);

	if (need > room) {
		listing->full = true;
		return;
	}
	listing->used += need;
	listing->entries += e->ino != 0;
}

static void put_dots(struct listing *listing, const struct asked *asked,
		     off_t offset)
{
	struct fuse_entry_param e = { .attr.st_mode = S_IFDIR };
	uint64_t number = asked->seat->number;

	if (offset < 1) {
		e.attr.st_ino = ino_tree(number, asked->node.pos);
		put_entry(listing, ".", &e, 1);
	}
	if (offset < 2 && !listing->full) {
		e.attr.st_ino = asked->node.pos ?
			ino_tree(number, asked->node.parent) :
			virtual_parent(asked->mount, number);
		put_entry(listing, "..", &e, 2);
	}
}

static void put_nodes(struct listing *listing, const struct asked *asked,
		      const struct node *nodes, size_t n, uint64_t index)
{
	for (size_t i = 0; i < n && !listing->full; i++) {
		struct span name = nodes[i].entry.name;
		struct fuse_entry_param e;
		char text[NAME_BYTES_MAX + 1];

		memcpy(text, name.data, name.len);
		text[name.len] = 0;
		fill_entry(asked, &nodes[i], &e);
		put_entry(listing, text, &e, (off_t)(index + i + 3));
	}
}

static int list_nodes(struct listing *listing, struct asked *asked,
		      uint64_t index)
{
	CLEANUP(free_ptr) struct node *nodes = NULL;
	size_t n = 1;
	int r = 0;

	nodes = calloc(BATCH, sizeof(*nodes));
	if (!nodes)
		return err_nomem(&asked->err);
	while (r == 0 && n > 0 && !listing->full) {
		r = tree_list(asked->seat->tree, &asked->node, index, nodes,
			      BATCH, &n, &asked->err);
		if (r < 0)
			break;
		put_nodes(listing, asked, nodes, n, index);
		index += n;
		for (size_t i = 0; i < n; i++)
			node_release(&nodes[i]);
		memset(nodes, 0, n * sizeof(*nodes));
	}
	return r;
}

void nodes_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
		       off_t offset)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	CLEANUP(free_ptr) char *bytes = NULL;
	struct listing listing = { .req = req };
	int r;

	if (ask(&asked, req, ino, "list") < 0)
		return;
	listing.size = size < READ_MAX ? size : READ_MAX;
	listing.bytes = bytes = malloc(listing.size);
	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	put_dots(&listing, &asked, offset);
	r = list_nodes(&listing, &asked,
		       offset > 2 ? (uint64_t)offset - 2 : 0);
	/* What was read so far goes out; who goes on meets the fault.  A
	 * listing never just ends at one. */
	if (r < 0 && listing.entries == 0) {
		fuse_reply_err(req, mount_fault(asked.mount, ino, r, "list",
						&asked.err));
		return;
	}
	count(&asked.mount->counters.readdir_entries, listing.entries);
	if (listing.entries)
		seat_know(asked.mount, asked.seat, listing.entries);
	if (fuse_reply_buf(req, listing.bytes, listing.used) < 0 &&
	    listing.entries)
		seats_forget(asked.mount, asked.seat->number,
			     listing.entries);
}

/*
 * Extended attributes.
 */

static const struct xattr *find_xattr(const struct entry *entry,
				      const char *name)
{
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		if (span_equal(entry->xattrs[i].name, span_str(name)))
			return &entry->xattrs[i];
	}
	return NULL;
}

void nodes_reply_sized(fuse_req_t req, const struct buf *buf, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, buf->len);
	else if (buf->len > size)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, (const char *)buf->data, buf->len);
}

void nodes_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		    size_t size)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	OWNED_BUF struct buf value = BUF_INIT;
	const struct xattr *xattr;
	int r;

	if (top_has_no_xattrs(req, ino)) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	if (ask(&asked, req, ino, "read an attribute") < 0)
		return;
	xattr = find_xattr(&asked.node.entry, name);
	if (!xattr) {
		fuse_reply_err(req, ENODATA);
		return;
	}
	r = tree_xattr(asked.seat->tree, xattr, &value, &asked.err);
	if (r < 0)
		fuse_reply_err(req, mount_fault(asked.mount, ino, r,
						"read an attribute",
						&asked.err));
	else
		nodes_reply_sized(req, &value, size);
}

void nodes_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	OWNED_BUF struct buf list = BUF_INIT;
	const struct entry *entry;

	if (top_has_no_xattrs(req, ino)) {
		nodes_reply_sized(req, &list, size);
		return;
	}
	if (ask(&asked, req, ino, "list attributes") < 0)
		return;
	entry = &asked.node.entry;
	for (uint32_t i = 0; i < entry->xattr_count; i++) {
		struct span name = entry->xattrs[i].name;

		/* As other file systems: who may not read them does not see
		 * that there are any. */
		if (name.len > 8 && !memcmp(name.data, "trusted.", 8) &&
		    fuse_req_ctx(req)->uid != 0)
			continue;
		buf_append(&list, name.data, name.len);
		buf_append_byte(&list, 0);
	}
	if (buf_check(&list, NULL) < 0)
		fuse_reply_err(req, ENOMEM);
	else
		nodes_reply_sized(req, &list, size);
}

/* What lsattr asks for. */
void nodes_getflags(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	OWNED_ASKED struct asked asked = ASKED_INIT;
	unsigned flags;

	if (ask(&asked, req, ino, "read flags") < 0)
		return;
	flags = asked.node.entry.flags;
	if (size < sizeof(flags))
		fuse_reply_err(req, EINVAL);
	else
		fuse_reply_ioctl(req, 0, &flags, sizeof(flags));
}
