#include "tools/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/base/kv.h"
#include "fs/out/in_use.h"
#include "fs/out/mounts.h"
#include "tools/format.h"

#define SCHEME "dir:"
#define LINK_ROOM 256
/* What a file system wants for itself beside what is put on it. */
#define ROOM_MARGIN (1u << 20)
#define ROOM_SHARE 64
#define ROOM_INODES 8	/* the staging directory and what is in it */

void push_place_release(struct push_place *place)
{
	free(place->target);
	place->target = NULL;
}

static int refuse_link(const char *path, struct err *err)
{
	char to[LINK_ROOM] = "";
	ssize_t n = readlink(path, to, sizeof(to) - 1);

	to[n > 0 ? n : 0] = '\0';
	err_set(err, -ELOOP, "'%s' is a symbolic link to '%s'", path, to);
	return err_hint(err, "name the directory itself");
}

/* What is not there yet: in a directory that is. */
static int resolve_absent(char *path, struct push_place *place,
			  struct err *err)
{
	CLEANUP(free_ptr) char *above = NULL;
	char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	if (slash)
		*slash = '\0';
	above = realpath(!slash ? "." : *path ? path : "/", NULL);
	if (!above) {
		err_sys(err, "cannot find the directory '%s', in which '%s' "
			"is to be", path, name);
		return err_hint(err, "is the file system mounted?");
	}
	if (asprintf(&place->target, "%s/%s", strcmp(above, "/") ? above : "",
		     name) < 0) {
		place->target = NULL;
		return err_nomem(err);
	}
	place->absent = true;
	place->empty = true;
	return 0;
}

struct at_place {
	const char *path;
	bool found, whole;	/* of its file system, no directory of one */
	char source[LINK_ROOM], type[64];
};

static int see_mount(void *arg, const struct mount_row *row, struct err *err)
{
	struct at_place *at = arg;

	(void)err;
	if (strcmp(row->place, at->path) != 0)
		return 0;
	at->found = true;
	at->whole = !strcmp(row->root, "/");
	snprintf(at->source, sizeof(at->source), "%s", row->source);
	snprintf(at->type, sizeof(at->type), "%s", row->type);
	return 0;
}

/* Can the directory itself not be renamed? */
static int look_at_volume(struct push_place *place, struct err *err)
{
	struct at_place at = { .path = place->target };
	OWNED_BUF struct buf path = BUF_INIT;
	struct stat own, above, lost;
	int r = mounts_each(see_mount, &at, err);

	if (r < 0)
		return r;
	buf_printf(&path, "%s/..", place->target);
	if (!buf_str(&path))
		return err_nomem(err);
	if (lstat(place->target, &own) < 0 ||
	    lstat(buf_str(&path), &above) < 0)
		return err_sys(err, "cannot look at '%s'", place->target);
	place->entries = at.found || own.st_dev != above.st_dev;
	buf_clear(&path);
	buf_printf(&path, "%s/" LOST_FOUND, place->target);
	if (!buf_str(&path))
		return err_nomem(err);
	place->keep_lost = place->entries &&
			   lstat(buf_str(&path), &lost) == 0 &&
			   S_ISDIR(lost.st_mode);
	return 0;
}

static int count_entry(void *arg, const char *name, struct err *err)
{
	struct push_place *place = arg;

	(void)err;
	if (!(place->keep_lost && !strcmp(name, LOST_FOUND)) &&
	    strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1))
		place->empty = false;
	return 0;
}

static int look_at_present(struct push_place *place, struct err *err)
{
	struct disk_dir dir;
	int r = look_at_volume(place, err);

	if (r < 0)
		return r;
	place->empty = true;
	r = disk_open(place->target, &dir, err);
	if (r < 0)
		return r;
	r = disk_list(&dir, ".", count_entry, place, err);
	disk_close(&dir);
	return r;
}

static int find_path(char *path, struct push_place *place, struct err *err)
{
	size_t len = strlen(path);
	struct stat st;

	while (len > 1 && path[len - 1] == '/')
		path[--len] = '\0';
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? resolve_absent(path, place, err) :
		       err_sys(err, "cannot look at '%s'", path);
	if (S_ISLNK(st.st_mode))
		return refuse_link(path, err);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "'%s' is not a directory", path);
	place->target = realpath(path, NULL);
	if (!place->target)
		return err_sys(err, "cannot find '%s'", path);
	if (!strcmp(place->target, "/"))
		return err_set(err, -EINVAL, "'/' is not replaced while it "
			       "runs");
	return look_at_present(place, err);
}

int push_place_find(const char *destination, struct push_place *ret,
		    struct err *err)
{
	CLEANUP(free_ptr) char *path = NULL;
	struct push_place place = { .target = NULL };
	int r;

	if (strncmp(destination, SCHEME, sizeof(SCHEME) - 1) != 0) {
		err_set(err, -EINVAL, "'%s' is no destination", destination);
		return err_hint(err, "dir:PATH is a directory or a mounted "
				"volume, pvc:NAMESPACE/NAME a claim in a "
				"cluster");
	}
	path = strdup(destination + sizeof(SCHEME) - 1);
	if (!path)
		return err_nomem(err);
	r = *path ? find_path(path, &place, err) :
		    err_set(err, -EINVAL, "'%s' names no directory",
			    destination);
	if (r < 0)
		push_place_release(&place);
	else
		*ret = place;
	return r;
}

struct around {
	const struct push_place *place;
	size_t nearest;		/* length of the mount's place that it is in */
	bool ours;
	char below[LINK_ROOM];
};

static int see_around(void *arg, const struct mount_row *row, struct err *err)
{
	struct around *around = arg;
	const char *target = around->place->target;
	size_t len = strlen(row->place);

	(void)err;
	if (path_is_in(target, row->place) && len >= around->nearest) {
		around->nearest = len;
		around->ours = !strcmp(row->type, "fuse.varve");
	}
	if (path_is_in(row->place, target) && strcmp(row->place, target) != 0)
		snprintf(around->below, sizeof(around->below), "%s",
			 row->place);
	return 0;
}

static bool is_there(const char *dir, const char *name)
{
	OWNED_BUF struct buf path = BUF_INIT;

	buf_printf(&path, "%s/%s", dir, name);
	return buf_str(&path) && access(buf_str(&path), F_OK) == 0;
}

int push_check_place(const struct push_place *place, const char *store,
		     struct err *err)
{
	struct around around = { .place = place };
	CLEANUP(free_ptr) char *own = realpath(store, NULL);
	const char *target = place->target;
	int r;

	/* one that is gone has nothing in it; else it must be known */
	if (!own && errno != ENOENT)
		return err_sys(err, "cannot find the store '%s'", store);
	if (own && path_is_in(target, own))
		return err_set(err, -EINVAL, "'%s' lies in the store itself",
			       target);
	if (own && path_is_in(own, target))
		return err_set(err, -EINVAL, "the store lies in '%s'", target);
	if (is_there(target, "varve.conf") && is_there(target, "packs"))
		return err_set(err, -EINVAL, "'%s' is a store of backups",
			       target);
	r = mounts_each(see_around, &around, err);
	if (r < 0)
		return r;
	if (around.ours)
		return err_set(err, -EROFS, "'%s' lies in a mount of varve, "
			       "which is read-only", target);
	if (around.below[0]) {
		err_set(err, -EBUSY, "another file system is mounted in it, on "
			"'%s'", around.below);
		return err_hint(err, "unmount that first, or push to it");
	}
	return 0;
}

struct nearest {
	const char *path;
	size_t len;
	char place[LINK_ROOM], source[LINK_ROOM], type[64];
};

static int see_nearest(void *arg, const struct mount_row *row,
		       struct err *err)
{
	struct nearest *nearest = arg;
	size_t len = strlen(row->place);

	(void)err;
	if (!path_is_in(nearest->path, row->place) || len < nearest->len)
		return 0;
	nearest->len = len;
	snprintf(nearest->place, sizeof(nearest->place), "%s", row->place);
	snprintf(nearest->source, sizeof(nearest->source), "%s", row->source);
	snprintf(nearest->type, sizeof(nearest->type), "%s", row->type);
	return 0;
}

int push_check_mountpoint(const struct push_place *place, const char *what,
			  struct err *err)
{
	CLEANUP(free_ptr) char *place_of = what ? realpath(what, NULL) : NULL;
	struct nearest at = { .path = place->target };
	bool itself;
	int r = mounts_each(see_nearest, &at, err);

	if (r < 0)
		return r;
	itself = !strcmp(at.place, place->target);
	if (what ? !strcmp(what, at.source) || !strcmp(what, at.place) ||
	    (place_of && !strcmp(place_of, at.place)) : itself)
		return 0;
	/* of one type there are many, the one that should be there not */
	if (what && itself && !strcmp(what, at.type))
		return 0;
	if (!what || !itself)
		err_set(err, -ENODEV, "nothing is mounted on '%s', which lies "
			"on '%s' (%s, of type %s)", place->target, at.place,
			at.source, at.type);
	else
		err_set(err, -ENODEV, "what is mounted on '%s' is not '%s' but "
			"'%s', of type %s", place->target, what, at.source,
			at.type);
	return err_hint(err, "mount the volume that is meant; nothing was "
			"done");
}

static int measure_one(void *arg, const char *path, unsigned depth,
		       const struct node *node, struct err *err)
{
	struct push_room *room = arg;
	struct stat st;

	(void)path;
	(void)depth;
	(void)err;
	/* one that is named before takes no more */
	if (node->nlink > 1 && node->entry.type != ENTRY_DIR &&
	    node->inode != node->pos)
		return 0;
	node_stat(node, &st);
	room->inodes++;
	/* in whole blocks, and one for the name and what there is of lists */
	room->bytes += ((uint64_t)st.st_blocks * 512 + 4095) / 4096 * 4096;
	if (node->entry.type == ENTRY_DIR)
		room->bytes += 4096;
	return 0;
}

/* What is damaged takes no room; who stages it says so. */
static int pass_over(void *arg, const char *path, const struct err *why)
{
	(void)arg;
	(void)path;
	(void)why;
	return 0;
}

int push_measure(struct tree *tree, const struct node *node,
		 struct push_room *ret, struct err *err)
{
	*ret = (struct push_room){ 0 };
	return tree_walk_past(tree, node, measure_one, pass_over, ret, err);
}

int push_check_room(const struct push_place *place,
		    const struct push_room *room, struct err *err)
{
	CLEANUP(free_ptr) char *path = strdup(place->target);
	uint64_t bytes, need = room->bytes + ROOM_MARGIN +
			       room->bytes / ROOM_SHARE;
	char want[SIZE_TEXT], have[SIZE_TEXT];
	struct statvfs st;
	char *slash;

	if (!path)
		return err_nomem(err);
	slash = strrchr(path, '/');
	if (place->absent)
		slash[slash == path] = '\0';
	if (statvfs(path, &st) < 0)
		return err_sys(err, "cannot ask how full '%s' is", path);
	bytes = (uint64_t)(geteuid() ? st.f_bavail : st.f_bfree) *
		st.f_frsize;
	size_text(need, want);
	size_text(bytes, have);
	if (st.f_flag & ST_RDONLY)
		return err_set(err, -EROFS, "the file system of '%s' is "
			       "mounted read-only", path);
	if (bytes < need)
		err_set(err, -ENOSPC, "no room for the new tree beside the "
			"present one: it takes %s (%" PRIu64 " bytes), and %s "
			"(%" PRIu64 ") are free on the file system of '%s'",
			want, need, have, bytes, path);
	else if (st.f_files && st.f_favail < room->inodes + ROOM_INODES)
		err_set(err, -ENOSPC, "no room for the new tree beside the "
			"present one: it takes %" PRIu64 " inodes, and %" PRIu64
			" are free on the file system of '%s'",
			room->inodes + ROOM_INODES,
			(uint64_t)st.f_favail, path);
	else
		return 0;
	return err_hint(err, "nothing was done; 'varve restore --delete' "
			"writes over the present tree, which cannot be taken "
			"back: add that to the store first");
}

int push_check_use(const char *target, struct err *err)
{
	struct in_use in_use = { .path = target };
	struct at_place at = { .path = target };
	struct stat st;
	int r;

	if (lstat(target, &st) < 0)
		return errno == ENOENT ? 0 :
		       err_sys(err, "cannot look at '%s'", target);
	in_use.dev = st.st_dev;
	r = mounts_each(see_mount, &at, err);
	in_use.volume = at.whole;
	if (r == 0)
		r = in_use_find(&in_use, err);
	if (r < 0 || in_use.count == 0)
		return r;
	err_set(err, -EBUSY, "'%s' is in use by %s: %s", target,
		in_use.count == 1 ? "a process" :
		counted(in_use.count, "process").s, in_use.first);
	return err_hint(err, "end what uses it, or say with --stop and --start "
			"how it is stopped and started, and with --deadline how "
			"long that may take");
}

struct others {
	struct swap *swap;
	const char *target;
	unsigned kept;
	char unfinished[RUN_ID], store[LINK_ROOM], where[LINK_ROOM];
	char journal[LINK_ROOM];
};

/* Which target, run and store, as its about says. */
static int read_about(struct swap *swap, const char *name, struct kv **ret,
		      struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	int r = swap_read_about(swap, name, &text, err);

	return r < 0 ? r : kv_parse(buf_span(&text), "varve-push", 1, name,
				    ret, err);
}

/* What lies in a volume is of its root, wherever that was mounted then, unless it says
 * that it is of a directory in it. */
static bool is_of(const struct others *others, const struct kv *about)
{
	const char *target = kv_get(about, "target");
	const char *entries = kv_get(about, "entries");

	if (others->swap->entries)
		return !entries || !strcmp(entries, "1");
	return !strcmp(target, others->target);
}

static int see_other(void *arg, const char *name, bool is_done,
		     struct err *err)
{
	struct others *others = arg;
	struct kv *about = NULL;
	const char *store, *target, *run, *journal;
	bool mine;

	(void)err;
	/* one that was killed as it made it says nothing: the name tells whose
	 * it is, but not of which target */
	read_about(others->swap, name, &about, NULL);
	target = about ? kv_get(about, "target") : NULL;
	mine = !target || is_of(others, about);
	store = about ? kv_get(about, "store") : NULL;
	run = about ? kv_get(about, "run") : NULL;
	journal = about ? kv_get(about, "journal") : NULL;
	if (mine && is_done)
		others->kept++;
	/* one that is amid a directory of a volume is in the root's way, too */
	if ((mine || others->swap->entries) && !is_done && target) {
		snprintf(others->unfinished, sizeof(others->unfinished), "%s",
			 run ? run : name + sizeof(SWAP_PREFIX) - 1);
		snprintf(others->store, sizeof(others->store), "%s",
			 store ? store : "");
		snprintf(others->where, sizeof(others->where), "%s", target);
		snprintf(others->journal, sizeof(others->journal), "%s",
			 journal ? journal : "");
	}
	kv_free(about);
	return 0;
}

int push_check_others(const struct push_place *place, unsigned *ret_kept,
		      struct err *err)
{
	struct swap swap = { .target = place->target, .name = "",
			     .entries = place->entries, .place = -1 };
	struct others others = { .swap = &swap, .target = place->target };
	OWNED_BUF struct buf store = BUF_INIT, journal = BUF_INIT;
	int r = swap_open(&swap, err);

	if (r < 0)
		return r;
	r = swap_each(&swap, see_other, &others, err);
	swap_close(&swap);
	if (r < 0)
		return r;
	*ret_kept = others.kept;
	if (!others.unfinished[0])
		return 0;
	err_set(err, -EBUSY, "another push to '%s' has not come to its end: "
		"run %s of the store '%s'", others.where, others.unfinished,
		others.store);
	if (others.store[0])
		hint_option(&store, "--store", others.store);
	if (others.journal[0])
		hint_option(&journal, "--journal", others.journal);
	if (!buf_str(&store) || !buf_str(&journal))
		return err_nomem(err);
	return err_hint(err, "'varve %sresume %s%s' goes on with it; 'varve "
			"%srollback %s%s' takes it back, unless it is wholly "
			"new already", (char *)store.data,
			(char *)journal.data, others.unfinished,
			(char *)store.data, (char *)journal.data,
			others.unfinished);
}

struct telling {
	struct others others;
	void (*tell)(void *arg, const char *path, const char *snapshot);
	void *arg;
};

static int tell_one(void *arg, const char *name, bool is_done,
		    struct err *err)
{
	struct telling *telling = arg;
	struct swap swap = *telling->others.swap;
	OWNED_BUF struct buf path = BUF_INIT;
	const char *snapshot;
	struct kv *about = NULL;
	int r = 0;

	read_about(&swap, name, &about, NULL);
	if (is_done && about && kv_get(about, "target") &&
	    is_of(&telling->others, about)) {
		swap.name = name;
		snapshot = kv_get(about, "snapshot");
		r = swap_path(&swap, "old", &path, err);
		if (r == 0)
			telling->tell(telling->arg, (char *)path.data,
				      snapshot ? snapshot : "?");
	}
	kv_free(about);
	return r;
}

int push_each_kept(const struct push_place *place,
		   void (*tell)(void *arg, const char *path,
				const char *snapshot), void *arg,
		   struct err *err)
{
	struct swap swap = { .target = place->target, .name = "",
			     .entries = place->entries, .place = -1 };
	struct telling telling = { .others = { .swap = &swap,
					       .target = place->target },
				   .tell = tell, .arg = arg };
	int r = swap_open(&swap, err);

	if (r == 0)
		r = swap_each(&swap, tell_one, &telling, err);
	swap_close(&swap);
	return r;
}

struct discarding {
	struct others others;
	unsigned count;
};

static int discard_one(void *arg, const char *name, bool is_done,
		       struct err *err)
{
	/* SWAP_DONE goes last: without it this would look unfinished */
	static const char *const parts[] = { "old", "new", "attributes",
					     SWAP_ABOUT };
	struct discarding *d = arg;
	struct swap swap = *d->others.swap;
	struct kv *about = NULL;
	const char *target;
	int r = 0;

	if (!is_done)
		return 0;
	read_about(&swap, name, &about, NULL);
	target = about ? kv_get(about, "target") : NULL;
	swap.name = name;
	/* without a word about it: the rest of one that was being discarded */
	if (target ? is_of(&d->others, about) :
	    !swap_has(&swap, "old")) {
		for (size_t i = 0; r == 0 && i < 4; i++)
			r = swap_remove(&swap, parts[i], err);
		if (r == 0)
			r = swap_remove(&swap, NULL, err);
		d->count += r == 0;
	}
	kv_free(about);
	return r;
}

/* A volume's root keeps the time it has. */
int push_discard(const struct push_place *place, unsigned *ret_count,
		 struct err *err)
{
	struct swap swap = { .target = place->target, .name = "",
			     .entries = place->entries, .place = -1 };
	struct discarding d = { .others = { .swap = &swap,
					    .target = place->target } };
	struct swap_attributes before;
	int r = swap_open(&swap, err);

	if (r == 0 && place->entries)
		r = swap_attributes_get(swap.place, &before, err);
	if (r == 0)
		r = swap_each(&swap, discard_one, &d, err);
	if (r == 0 && place->entries && d.count)
		r = swap_set_mtime(swap.place, &before, err);
	swap_close(&swap);
	*ret_count = d.count;
	return r;
}
