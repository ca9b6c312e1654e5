#include "fs/out/mount_internal.h"

#include <stdlib.h>
#include <unistd.h>

#define DOT_VARVE ".varve"

static const struct {
	const char *name;
	enum area area;
} areas[] = {
	{ "original", AREA_ORIGINAL },
	{ "info", AREA_INFO },
	{ "incomplete", AREA_ASIDE },
};
#define AREAS (sizeof(areas) / sizeof(*areas))

static fuse_ino_t dot_varve(void)
{
	return ino_virtual(VIRTUAL_DOT_VARVE, 0, 0);
}

/* The directory of sources that ino is; NULL. Under the names' lock. */
static const struct names_dir *dir_of(const struct names *names,
				      fuse_ino_t ino)
{
	unsigned kind = ino_virtual_kind(ino);

	if (kind < AREA_SHOWN || kind >= AREA_END)
		return NULL;
	return names_dir(names, kind, ino_virtual_number(ino),
			 ino_virtual_depth(ino));
}

/* The directory that holds a virtual node or a snapshot's root. */
static fuse_ino_t snap_dir_ino(const struct names *names,
			       const struct names_snap *snap, enum area area)
{
	return names_dir_ino(&names->dirs[snap->dir], area);
}

fuse_ino_t virtual_parent(struct mount *mount, uint64_t number)
{
	const struct names_snap *snap;
	fuse_ino_t ino = 0;

	pthread_rwlock_rdlock(&mount->names_lock);
	snap = names_snap(mount->names, number);
	if (snap)
		ino = snap_dir_ino(mount->names, snap,
				   snap->aside ? AREA_ASIDE : AREA_SHOWN);
	pthread_rwlock_unlock(&mount->names_lock);
	/* Of a forgotten one: the root, which is always there. */
	return ino ? ino : FUSE_ROOT_ID;
}

static fuse_ino_t parent_of(const struct names *names, fuse_ino_t ino)
{
	const struct names_dir *dir = dir_of(names, ino);
	unsigned area = ino_virtual_kind(ino);

	if (!dir)
		return FUSE_ROOT_ID;
	if (dir->depth > 0)
		return names_dir_ino(&names->dirs[dir->parent], area);
	return area == AREA_SHOWN ? FUSE_ROOT_ID : dot_varve();
}

/*
 * Attributes.
 */

static void stat_common(const struct mount *mount, fuse_ino_t ino,
			mode_t mode, struct stamp mtime, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = mode;
	st->st_nlink = 1;
	st->st_uid = mount->owner;
	st->st_gid = mount->group;
	st->st_blksize = 4096;
	if (mtime.s == 0)
		mtime = mount->started;
	st->st_mtim.tv_sec = mtime.s;
	st->st_mtim.tv_nsec = mtime.ns;
	st->st_atim = st->st_ctim = st->st_mtim;
	mount_override(mount, st);
}

static int stat_dir(const struct mount *mount, fuse_ino_t ino,
		    struct stat *st)
{
	const struct names_dir *dir = dir_of(mount->names, ino);
	unsigned area = ino_virtual_kind(ino);

	if (!dir)
		return -ESTALE;
	stat_common(mount, ino, S_IFDIR | 0555, dir->in[area].mtime, st);
	st->st_nlink = 2 + dir->in[area].dirs;
	return 0;
}

static void set_size(struct stat *st, uint64_t size)
{
	st->st_size = (off_t)size;
	st->st_blocks = (blkcnt_t)((size + 511) / 512);
}

static int stat_latest(const struct mount *mount, fuse_ino_t ino,
		       struct stat *st)
{
	const struct names_snap *snap =
		names_snap(mount->names, ino_virtual_number(ino));

	if (!snap)
		return -ESTALE;
	stat_common(mount, ino, S_IFLNK | 0777, snap->added, st);
	/* A link's own bits mean nothing; umask is for what can be opened. */
	st->st_mode = S_IFLNK | 0777;
	set_size(st, strlen(names_text(mount->names, snap->name)));
	return 0;
}

/* The seat and view of an original stream; seat_put() after. */
static int open_original(struct mount *mount, uint64_t number,
			 struct seat **ret_seat, struct view **ret,
			 struct err *err)
{
	int r = seat_get(mount, number, ret_seat, err);

	if (r < 0)
		return r;
	r = seat_view(*ret_seat, ret, err);
	if (r < 0) {
		seat_put(mount, *ret_seat);
		*ret_seat = NULL;
	}
	return r;
}

static int stat_original(struct mount *mount, fuse_ino_t ino,
			 struct stat *st, struct err *err)
{
	struct seat *seat = NULL;
	struct view *view;
	int r = open_original(mount, ino_virtual_number(ino), &seat, &view,
			      err);

	if (r < 0)
		return r;
	/* It shows every file whatever that file's own mode. */
	stat_common(mount, ino, S_IFREG | 0400,
		    tree_record(seat->tree)->time, st);
	set_size(st, view_size(view));
	seat_put(mount, seat);
	return 0;
}

/* Tags and the like may change: then the text does, and with it the time,
 * which tells the kernel to read anew. */
static int stat_info(struct mount *mount, fuse_ino_t ino, struct stat *st,
		     struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct stamp mtime;
	int r = mount_info_text(mount, ino_virtual_number(ino), &text, &mtime,
				err);

	if (r < 0)
		return r;
	mtime.ns = (uint32_t)(sum64(buf_span(&text)) % 1000000000);
	stat_common(mount, ino, S_IFREG | 0444, mtime, st);
	set_size(st, text.len);
	return 0;
}

static int stat_virtual(struct mount *mount, fuse_ino_t ino, struct stat *st,
			struct err *err)
{
	unsigned kind = ino_virtual_kind(ino);
	int r;

	if (kind == VIRTUAL_ORIGINAL)
		return stat_original(mount, ino, st, err);
	if (kind == VIRTUAL_INFO)
		return stat_info(mount, ino, st, err);
	pthread_rwlock_rdlock(&mount->names_lock);
	if (kind == VIRTUAL_LATEST) {
		r = stat_latest(mount, ino, st);
	} else if (kind == VIRTUAL_DOT_VARVE) {
		stat_common(mount, ino, S_IFDIR | 0555, mount->started, st);
		st->st_nlink = 2 + AREAS;
		r = 0;
	} else {
		r = stat_dir(mount, ino, st);
	}
	pthread_rwlock_unlock(&mount->names_lock);
	return r < 0 ? err_set(err, r, "it is gone") : 0;
}

static int fill_entry(struct mount *mount, fuse_ino_t ino,
		      struct fuse_entry_param *e, struct err *err)
{
	memset(e, 0, sizeof(*e));
	e->ino = ino;
	e->attr_timeout = e->entry_timeout = A_WHILE;
	return stat_virtual(mount, ino, &e->attr, err);
}

void virtual_reply_entry(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);
	struct fuse_entry_param e;
	struct err err = ERR_INIT;
	int r = fill_entry(mount, ino, &e, &err);

	if (r < 0)
		fuse_reply_err(req, mount_fault(mount, ino, r, "look up", &err));
	else
		fuse_reply_entry(req, &e);
}

void virtual_getattr(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);
	struct err err = ERR_INIT;
	struct stat st;
	int r = stat_virtual(mount, ino, &st, &err);

	if (r < 0)
		fuse_reply_err(req, mount_fault(mount, ino, r, "stat", &err));
	else
		fuse_reply_attr(req, &st, A_WHILE);
}

/*
 * Names.
 */

static fuse_ino_t find_area(const char *name)
{
	for (size_t i = 0; i < AREAS; i++) {
		if (!strcmp(name, areas[i].name))
			return ino_virtual(areas[i].area, 0, 0);
	}
	return 0;
}

/* 0: there is no such name; -ESTALE: there is no such directory. */
static int find_name(const struct names *names, fuse_ino_t parent,
		     const char *name, fuse_ino_t *ret)
{
	const struct names_child *child;
	const struct names_dir *dir;

	*ret = 0;
	if (!strcmp(name, "."))
		*ret = parent;
	else if (!strcmp(name, ".."))
		*ret = parent_of(names, parent);
	else if (ino_virtual_kind(parent) == VIRTUAL_DOT_VARVE)
		*ret = find_area(name);
	else if (parent == FUSE_ROOT_ID && !strcmp(name, DOT_VARVE))
		*ret = dot_varve();
	if (*ret || ino_virtual_kind(parent) == VIRTUAL_DOT_VARVE)
		return 0;
	dir = dir_of(names, parent);
	if (!dir)
		return -ESTALE;
	child = names_find(names, ino_virtual_kind(parent), dir, name);
	if (child)
		*ret = names_child_ino(names, child);
	return 0;
}

void virtual_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *mount = fuse_req_userdata(req);
	fuse_ino_t found;
	int r;

	pthread_rwlock_rdlock(&mount->names_lock);
	r = find_name(mount->names, parent, name, &found);
	pthread_rwlock_unlock(&mount->names_lock);
	if (r < 0)
		fuse_reply_err(req, -r);
	else if (!found)
		fuse_reply_err(req, ENOENT);
	else if (ino_kind(found) == INO_TREE)
		nodes_reply_root(req, ino_number(found));
	else
		virtual_reply_entry(req, found);
}

void virtual_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);
	const struct names_snap *snap = NULL;
	char target[NAME_BYTES_MAX + 1] = "";

	pthread_rwlock_rdlock(&mount->names_lock);
	if (ino_virtual_kind(ino) == VIRTUAL_LATEST)
		snap = names_snap(mount->names, ino_virtual_number(ino));
	if (snap)
		strncat(target, names_text(mount->names, snap->name),
			NAME_BYTES_MAX);
	pthread_rwlock_unlock(&mount->names_lock);
	if (snap)
		fuse_reply_readlink(req, target);
	else
		fuse_reply_err(req, ESTALE);
}

/*
 * Listing.  Nothing of a snapshot is opened for it.  Tops that their records
 * tell of go out with their attributes; other entries without (ino 0), and the
 * kernel asks for those that someone looks at.
 */

struct listing {
	fuse_req_t req;
	char *bytes;
	size_t size, used;
	bool full;
	struct numbers tops;	/* looked up by this: the kernel forgets them */
};

static void put_param(struct listing *listing, const char *name,
		      const struct fuse_entry_param *e, uint64_t cookie)
{
	size_t room = listing->size - listing->used;
	size_t need;

	if (listing->full)
		return;
	need = fuse_add_direntry_plus(listing->req,
				      listing->bytes + listing->used, room,
				      name, e, (off_t)cookie);
	if (need > room)
		listing->full = true;
	else
		listing->used += need;
}

static void put_name(struct listing *listing, const char *name,
		     fuse_ino_t ino, mode_t mode, uint64_t cookie)
{
	const struct fuse_entry_param e = {
		.attr = { .st_ino = ino, .st_mode = mode },
	};

	put_param(listing, name, &e, cookie);
}

/* false: it goes out without attributes. */
static bool put_top(struct listing *listing, struct mount *mount,
		    const struct names_snap *snap, const char *name,
		    uint64_t cookie)
{
	struct fuse_entry_param e;

	if (!snap->has_top ||
	    numbers_add(&listing->tops, snap->number) < 0)
		return false;
	if (!seats_know_top(mount, snap->number)) {
		listing->tops.count--;
		return false;
	}
	nodes_fill_top(mount, snap->number, &snap->top, &e);
	put_param(listing, name, &e, cookie);
	if (listing->full) {
		listing->tops.count--;
		seats_forget(mount, snap->number, 1);
	}
	return true;
}

static mode_t child_mode(const struct names_child *child)
{
	if (child->kind == CHILD_LATEST)
		return S_IFLNK;
	if (child->kind == CHILD_SNAP && (child->area == AREA_INFO ||
					  child->area == AREA_ORIGINAL))
		return S_IFREG;
	return S_IFDIR;
}

static void put_areas(struct listing *listing, uint64_t cookie)
{
	for (size_t i = 0; i < AREAS; i++) {
		if (i + 3 > cookie)
			put_name(listing, areas[i].name,
				 ino_virtual(areas[i].area, 0, 0), S_IFDIR,
				 i + 3);
	}
}

static void put_child(struct listing *listing, struct mount *mount,
		      const struct names_child *child)
{
	const struct names *names = mount->names;
	const char *name = names_text(names, child->name);

	if (child->kind == CHILD_SNAP &&
	    ino_kind(names_child_ino(names, child)) == INO_TREE &&
	    put_top(listing, mount, &names->snaps[child->index], name,
		    child->cookie))
		return;
	put_name(listing, name, names_child_ino(names, child),
		 child_mode(child), child->cookie);
}

static int put_children(struct listing *listing, struct mount *mount,
			fuse_ino_t ino, uint64_t cookie)
{
	const struct names *names = mount->names;
	const struct names_dir *dir = dir_of(names, ino);
	const struct names_child *child;
	enum area area = ino_virtual_kind(ino);

	if (!dir)
		return -ESTALE;
	/* It would look empty, and rsync --delete would make its copy so. */
	if (area == AREA_SHOWN && dir->depth > 0 && dir->in[area].count == 0)
		return -ENODATA;
	for (;;) {
		child = names_after(names, area, dir, cookie);
		if (!child || listing->full)
			return 0;
		put_child(listing, mount, child);
		cookie = child->cookie;
	}
}

void virtual_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			 off_t offset)
{
	struct mount *mount = fuse_req_userdata(req);
	CLEANUP(free_ptr) char *bytes = NULL;
	struct listing listing = { .req = req };
	struct numbers *tops = &listing.tops;
	uint64_t cookie = (uint64_t)offset;
	int r = 0;

	listing.size = size < READ_MAX ? size : READ_MAX;
	listing.bytes = bytes = malloc(listing.size);
	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_rwlock_rdlock(&mount->names_lock);
	if (cookie < 1)
		put_name(&listing, ".", ino, S_IFDIR, 1);
	if (cookie < 2)
		put_name(&listing, "..", parent_of(mount->names, ino),
			 S_IFDIR, 2);
	if (ino_virtual_kind(ino) == VIRTUAL_DOT_VARVE)
		put_areas(&listing, cookie);
	else
		r = put_children(&listing, mount, ino, cookie);
	pthread_rwlock_unlock(&mount->names_lock);
	count(&mount->counters.tops, tops->count);
	if (r < 0)
		fuse_reply_err(req, -r);
	else if (fuse_reply_buf(req, listing.bytes, listing.used) < 0)
		for (size_t i = 0; i < tops->count; i++)
			seats_forget(mount, tops->n[i], 1);
	free(tops->n);
}

/*
 * Bytes.
 */

static void read_info(fuse_req_t req, fuse_ino_t ino, size_t size,
		      uint64_t offset)
{
	struct mount *mount = fuse_req_userdata(req);
	OWNED_BUF struct buf text = BUF_INIT;
	struct err err = ERR_INIT;
	struct stamp added;
	size_t left;
	int r = mount_info_text(mount, ino_virtual_number(ino), &text,
				&added, &err);

	if (r < 0) {
		fuse_reply_err(req, mount_fault(mount, ino, r, "read", &err));
		return;
	}
	left = offset < text.len ? text.len - (size_t)offset : 0;
	fuse_reply_buf(req, left ? (const char *)text.data + offset : NULL,
		       left < size ? left : size);
}

static void read_original(fuse_req_t req, fuse_ino_t ino, size_t size,
			  uint64_t offset)
{
	struct mount *mount = fuse_req_userdata(req);
	CLEANUP(free_ptr) char *bytes = NULL;
	struct err err = ERR_INIT;
	struct seat *seat = NULL;
	struct view *view;
	size_t got = 0;
	int r;

	if (size > READ_MAX)
		size = READ_MAX;
	bytes = malloc(size + 1);
	if (!bytes) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = open_original(mount, ino_virtual_number(ino), &seat, &view, &err);
	if (r == 0)
		r = view_read(view, offset, bytes, size, &got, &err);
	/* Less than was asked for the kernel takes for the file's end. */
	if (r == 0 && got < size && offset + got < view_size(view))
		r = err_corrupt(&err, "an original stream ends early");
	if (r < 0) {
		fuse_reply_err(req, mount_fault(mount, ino, r, "read", &err));
	} else {
		count(&mount->counters.copied_replies, 1);
		count(&mount->counters.read_bytes, got);
		fuse_reply_buf(req, bytes, got);
	}
	seat_put(mount, seat);
}

void virtual_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset)
{
	if (ino_virtual_kind(ino) == VIRTUAL_INFO)
		read_info(req, ino, size, (uint64_t)offset);
	else if (ino_virtual_kind(ino) == VIRTUAL_ORIGINAL)
		read_original(req, ino, size, (uint64_t)offset);
	else
		fuse_reply_err(req, EISDIR);
}

/* They have no holes. */
void virtual_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence)
{
	struct mount *mount = fuse_req_userdata(req);
	struct err err = ERR_INIT;
	struct stat st;
	int r = stat_virtual(mount, ino, &st, &err);

	if (r == 0 && (offset < 0 || offset >= st.st_size))
		r = -ENXIO;
	if (r == 0 && whence != SEEK_DATA && whence != SEEK_HOLE)
		r = -EINVAL;
	if (r < 0)
		fuse_reply_err(req, mount_fault(mount, ino, r, "seek", &err));
	else
		fuse_reply_lseek(req, whence == SEEK_DATA ? offset :
							    st.st_size);
}
