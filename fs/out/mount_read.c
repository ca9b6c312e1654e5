#include "fs/out/mount_internal.h"

#include <stdlib.h>
#include <unistd.h>

/* A reply of READ_MAX bytes has seldom more pieces; then it is copied. */
#define PIECES 256

struct reply {
	struct piece pieces[PIECES];
	struct iovec iov[PIECES];
	size_t count;
};

static void reply_release(struct reply *reply)
{
	for (size_t i = 0; i < reply->count; i++)
		held_release(&reply->pieces[i].held);
	reply->count = 0;
}

/*
 * Read-ahead.
 */

static unsigned ahead_slot(fuse_ino_t ino)
{
	return (unsigned)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32) %
	       AHEAD_SLOTS;
}

/* What is to be asked ahead of a read, [*from, *to); false: nothing. */
static bool ahead_span(struct ahead *ahead, fuse_ino_t ino, uint64_t offset,
		       uint64_t size, uint64_t *from, uint64_t *to)
{
	unsigned i = ahead_slot(ino);
	uint64_t end = offset + size, window = AHEAD_WINDOW;
	bool some = false;

	pthread_mutex_lock(&ahead->lock);
	if (ahead->slot[i].ino != ino ||
	    offset + AHEAD_SLACK < ahead->slot[i].next ||
	    offset > ahead->slot[i].next + AHEAD_SLACK) {
		/* Begun anew: from its start a file is likely read on. */
		ahead->slot[i].ino = ino;
		ahead->slot[i].next = ahead->slot[i].mark = end;
		window = offset == 0 ? AHEAD_FIRST : 0;
	}
	if (end > ahead->slot[i].next)
		ahead->slot[i].next = end;
	*from = ahead->slot[i].mark > end ? ahead->slot[i].mark : end;
	*to = end + window;
	if (*to >= *from + AHEAD_STEP) {
		ahead->slot[i].mark = *to;
		some = true;
	}
	pthread_mutex_unlock(&ahead->lock);
	return some;
}

static void read_ahead(struct mount *mount, struct tree *tree,
		       fuse_ino_t ino, const struct entry *file,
		       uint64_t offset, uint64_t size)
{
	struct getter getter = tree_getter(tree);
	uint64_t at, to;

	if (file->size <= offset + size ||
	    !ahead_span(&mount->ahead, ino, offset, size, &at, &to))
		return;
	if (to > file->size)
		to = file->size;
	while (at < to) {
		struct extent extent;
		uint64_t start;

		/* A fault here is met, and told, by the read itself. */
		if (content_extent_at(&getter, &file->content, file->size, at,
				      &extent, &start, NULL) < 0)
			return;
		if (extent.type == EXTENT_CHUNK) {
			repo_prefetch(mount->repo, &extent.id);
			count(&mount->counters.prefetches, 1);
		}
		at = start + extent.len;
	}
}

/*
 * Bytes.
 */

/* The range as pieces; 1 where there are too many of them. */
static int gather(struct mount *mount, struct tree *tree,
		  const struct entry *file, uint64_t offset, size_t len,
		  struct reply *reply, struct err *err)
{
	struct getter getter = tree_getter(tree);
	size_t done = 0;

	while (done < len) {
		size_t n = 0;
		int r;

		if (reply->count == PIECES)
			return 1;
		r = content_read(&getter, &file->content, file->size,
				 offset + done, len - done,
				 reply->pieces + reply->count,
				 PIECES - reply->count, &n, err);
		if (r < 0)
			return r;
		if (n == 0)
			return err_corrupt(err, "a file's list of extents "
					   "ends at %llu of %llu bytes",
					   (unsigned long long)(offset + done),
					   (unsigned long long)file->size);
		while (n--) {
			size_t i = reply->count++;
			const struct piece *piece = &reply->pieces[i];

			/* Holes are within the reply, so within the zeros. */
			reply->iov[i].iov_base = piece->hole ?
				(void *)mount->zeros :
				(void *)piece->bytes.data;
			reply->iov[i].iov_len = piece->bytes.len;
			done += piece->bytes.len;
		}
	}
	return 0;
}

static void reply_copied(fuse_req_t req, fuse_ino_t ino, struct tree *tree,
			 const struct entry *file, uint64_t offset, size_t len)
{
	struct mount *mount = fuse_req_userdata(req);
	CLEANUP(free_ptr) char *bytes = malloc(len);
	struct getter getter = tree_getter(tree);
	struct err err = ERR_INIT;
	size_t got = 0;
	int r;

	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = content_read_into(&getter, &file->content, file->size, offset,
			      bytes, len, &got, &err);
	if (r == 0 && got < len)
		r = err_corrupt(&err, "a file ends early");
	if (r < 0) {
		fuse_reply_err(req, mount_fault(mount, ino, r, "read", &err));
		return;
	}
	count(&mount->counters.copied_replies, 1);
	fuse_reply_buf(req, bytes, len);
}

static void read_file(fuse_req_t req, fuse_ino_t ino, struct seat *seat,
		      const struct node *node, uint64_t offset, size_t len)
{
	struct mount *mount = fuse_req_userdata(req);
	CLEANUP(reply_release) struct reply reply = { .count = 0 };
	const struct entry *file = &node->entry;
	struct err err = ERR_INIT;
	int r;

	read_ahead(mount, seat->tree, ino, file, offset, len);
	r = gather(mount, seat->tree, file, offset, len, &reply, &err);
	if (r == 1) {
		reply_release(&reply);
		reply_copied(req, ino, seat->tree, file, offset, len);
	} else if (r < 0) {
		fuse_reply_err(req, mount_fault(mount, ino, r, "read", &err));
	} else {
		count(&mount->counters.iov_replies, 1);
		fuse_reply_iov(req, reply.iov, (int)reply.count);
	}
}

void nodes_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset)
{
	struct mount *mount = fuse_req_userdata(req);
	OWNED_NODE struct node node = NODE_INIT;
	struct seat *seat = NULL;
	struct err err = ERR_INIT;
	uint64_t at = (uint64_t)offset, left;
	int r;

	r = seat_get(mount, ino_number(ino), &seat, &err);
	if (r == 0)
		r = nodes_at(seat, ino, &node, &err);
	if (r == 0 && node.entry.type != ENTRY_FILE)
		r = -EISDIR;
	if (r < 0) {
		fuse_reply_err(req, mount_fault(mount, ino, r, "read", &err));
		seat_put(mount, seat);
		return;
	}
	left = at < node.entry.size ? node.entry.size - at : 0;
	if (size > READ_MAX)
		size = READ_MAX;
	if (size > left)
		size = (size_t)left;
	count(&mount->counters.read_bytes, size);
	if (size == 0)
		fuse_reply_buf(req, NULL, 0);
	else
		read_file(req, ino, seat, &node, at, size);
	if (at == 0 && size > 0)
		scan_note(mount, seat, &node);
	seat_put(mount, seat);
}

void nodes_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence)
{
	struct mount *mount = fuse_req_userdata(req);
	OWNED_NODE struct node node = NODE_INIT;
	struct seat *seat = NULL;
	struct err err = ERR_INIT;
	struct getter getter;
	uint64_t found = 0;
	int r;

	r = seat_get(mount, ino_number(ino), &seat, &err);
	if (r == 0)
		r = nodes_at(seat, ino, &node, &err);
	if (r == 0 && (whence != SEEK_DATA && whence != SEEK_HOLE))
		r = -EINVAL;
	if (r == 0 && (offset < 0 ||
		       (uint64_t)offset >= node.entry.size))
		r = -ENXIO;
	if (r == 0) {
		getter = tree_getter(seat->tree);
		r = content_seek(&getter, &node.entry.content,
				 node.entry.size, (uint64_t)offset,
				 whence == SEEK_HOLE, &found, &err);
	}
	if (r < 0)
		fuse_reply_err(req, mount_fault(mount, ino, r, "seek", &err));
	else
		fuse_reply_lseek(req, (off_t)found);
	seat_put(mount, seat);
}
