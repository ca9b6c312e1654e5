#include "fs/tree/tree_internal.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

void node_release(struct node *node)
{
	node_page_drop(node->page);
	node->page = NULL;
}

void node_copy(const struct node *from, struct node *ret)
{
	*ret = *from;
	if (ret->page)
		node_page_pin(ret->page);
}

int tree_xattr(struct tree *tree, const struct xattr *xattr, struct buf *buf,
	       struct err *err)
{
	OWNED_HELD struct held held = HELD_INIT;
	int r;

	if (id_is_none(&xattr->chunk)) {
		buf_append(buf, xattr->value.data, xattr->value.len);
		return buf_check(buf, err);
	}
	r = getter_get(&tree->getter, &xattr->chunk, &held, err);
	if (r < 0)
		return r;
	buf_append(buf, held.bytes.data, held.bytes.len);
	return buf_check(buf, err);
}

static mode_t type_bits(enum entry_type type)
{
	switch (type) {
	case ENTRY_FILE:
		return S_IFREG;
	case ENTRY_DIR:
		return S_IFDIR;
	case ENTRY_SYMLINK:
		return S_IFLNK;
	case ENTRY_CHAR:
		return S_IFCHR;
	case ENTRY_BLOCK:
		return S_IFBLK;
	case ENTRY_FIFO:
		return S_IFIFO;
	case ENTRY_SOCKET:
		return S_IFSOCK;
	}
	return 0;
}

void node_stat(const struct node *node, struct stat *ret)
{
	const struct entry *entry = &node->entry;

	memset(ret, 0, sizeof(*ret));
	ret->st_ino = node->inode + 1;
	ret->st_mode = type_bits(entry->type) | entry->mode;
	ret->st_nlink = node->nlink;
	ret->st_uid = entry->uid;
	ret->st_gid = entry->gid;
	ret->st_size = (off_t)entry->size;
	ret->st_blksize = 128 << 10;
	ret->st_mtim.tv_sec = entry->mtime.s;
	ret->st_mtim.tv_nsec = entry->mtime.ns;
	ret->st_atim = ret->st_mtim;
	ret->st_ctim = ret->st_mtim;
	if (entry->type == ENTRY_FILE)
		ret->st_blocks =
			(blkcnt_t)((entry_data_bytes(entry) + 511) / 512);
	if (entry->type == ENTRY_CHAR || entry->type == ENTRY_BLOCK)
		ret->st_rdev = makedev(entry->dev_major, entry->dev_minor);
}
