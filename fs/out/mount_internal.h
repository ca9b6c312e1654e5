/*
 * mount_internal: what the parts of the mount share.
 *
 *   mount.c          the process: background, signals, session
 *   mount_loop.c     the threads that take requests
 *   mount_unmount.c  taking a mount away
 *   mount_options.c  -o, and whether a mount may lie there
 *   mount_ops.c      the operations libfuse calls, sent on by kind of node
 *   mount_names.c    the virtual directories: sources, times, .varve
 *   mount_names_build.c  how they come from the catalog
 *   mount_virtual.c  answers for them
 *   mount_info.c     the text of .varve/info
 *   mount_seats.c    open trees, and what the kernel still knows of whom
 *   mount_nodes.c    answers for nodes of a snapshot
 *   mount_read.c     bytes, holes, read-ahead
 *   mount_stats.c    counters, and faults told
 *   mount_met.c      damage that was met, on its way into the store
 *   mount_refresh.c  new and forgotten snapshots in a live mount
 *   mount_release.c  what the kernel keeps of forgotten ones
 *
 * What it keeps in memory:
 *
 *   decoded blocks            options.cache_budget (48 MiB)
 *   decoded tree pages        SEATS_MAX trees of TREE_PAGES pages, which are
 *                             160 KiB at most: 50 MiB where several huge
 *                             directories are read, 3 MiB otherwise
 *   names of snapshots        about 250 bytes each, twice while refreshing
 *   one request per thread    a READDIRPLUS batch or a reply's list of
 *                             pieces, under 256 KiB (bytes go out from the
 *                             cache itself; libfuse's own buffer of 1 MiB
 *                             per thread is touched in its first page only)
 *   snapshots looked up       one record each
 *
 * Together under 128 MiB.  Nothing is kept per node, so `find` over any
 * number of files adds nothing.
 */
#ifndef VARVE_MOUNT_INTERNAL_H
#define VARVE_MOUNT_INTERNAL_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <stdatomic.h>

#include "fs/out/mount.h"
#include "fs/tree/view.h"

/*
 * Node numbers, which are also st_ino, say what a node is; they are the same
 * in every mount of a store.  Bit 63 is 0.
 *
 *   bits 62-61  1: a node of a snapshot
 *     60-33     number of the snapshot
 *     32-0      pre-order position; of the first name where it has several
 *
 *   bits 62-61  2: a virtual node
 *     60-57     enum virtual_kind
 *     35-8      a snapshot's number: the lowest ever at or below a directory,
 *               the target of a latest, the subject of a file
 *     7-0       depth of a directory below its area
 *
 *   1           the root (area AREA_SHOWN, depth 0)
 *
 * Two directories of one depth share no snapshot, so the lowest number and
 * the depth name a directory; it stays when that snapshot is forgotten.
 */
#define INO_POS_BITS 33
#define INO_NUMBER_BITS 28
#define INO_NUMBER_MAX (((uint64_t)1 << INO_NUMBER_BITS) - 1)
#define INO_POS_MAX (((uint64_t)1 << INO_POS_BITS) - 1)

/* Of the mount's root, in no list: the server's process, in decimals. */
#define MOUNT_SERVER_XATTR "user.varve.server"
#define MOUNT_SERVER_TEXT 16

enum ino_kind { INO_NONE, INO_TREE, INO_VIRTUAL };

/* The four trees of names; the first is the mount itself. */
enum area { AREA_SHOWN = 1, AREA_ORIGINAL, AREA_INFO, AREA_ASIDE, AREA_END };

enum virtual_kind {
	VIRTUAL_NONE,
	/* 1..4: directory of that area */
	VIRTUAL_DOT_VARVE = AREA_END,
	VIRTUAL_LATEST,
	VIRTUAL_ORIGINAL,	/* the original stream of a snapshot */
	VIRTUAL_INFO,		/* what is known of a snapshot */
	VIRTUAL_END,
};

static inline fuse_ino_t ino_tree(uint64_t number, uint64_t pos)
{
	return (uint64_t)INO_TREE << 61 | number << INO_POS_BITS | pos;
}

static inline fuse_ino_t ino_virtual(unsigned kind, uint64_t number,
				     unsigned depth)
{
	if (kind == AREA_SHOWN && depth == 0)
		return FUSE_ROOT_ID;
	return (uint64_t)INO_VIRTUAL << 61 | (uint64_t)kind << 57 |
	       number << 8 | depth;
}

static inline enum ino_kind ino_kind(fuse_ino_t ino)
{
	if (ino == FUSE_ROOT_ID)
		return INO_VIRTUAL;
	return (enum ino_kind)(ino >> 61);
}

static inline uint64_t ino_number(fuse_ino_t ino)
{
	return ino >> INO_POS_BITS & INO_NUMBER_MAX;
}

static inline uint64_t ino_pos(fuse_ino_t ino)
{
	return ino & INO_POS_MAX;
}

static inline unsigned ino_virtual_kind(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? AREA_SHOWN : (unsigned)(ino >> 57 & 15);
}

static inline uint64_t ino_virtual_number(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? 0 : ino >> 8 & INO_NUMBER_MAX;
}

static inline unsigned ino_virtual_depth(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? 0 : (unsigned)(ino & 255);
}

/*
 * names: the virtual directories as of one moment; immutable once published.
 *
 * A directory of sources exists in an area while a snapshot that is not
 * forgotten is at or below it there; among those shown also while all are aside:
 * then it has no children, and a listing of it is an error.
 * Children are ordered twice: by cookie
 * (a number that is the child's for good, so that a listing goes on where it
 * was though the names were replaced meanwhile), and by name.
 */
#define NAMES_NONE UINT32_MAX

struct names_snap {
	uint64_t number;
	struct stamp time, added;
	uint32_t dir;		/* its source's directory */
	uint32_t source, name;	/* in text */
	char suffix[8];		/* of the original stream: ".tar" */
	bool hidden;		/* forgotten, or no --source of ours */
	bool damaged;		/* here, or as it was backed up: no latest */
	bool aside;		/* incomplete: not in AREA_SHOWN */
	bool original;
	bool has_top;
	struct record_top top;	/* so that a listing opens no tree */
};

enum child_kind { CHILD_DIR = 1, CHILD_SNAP, CHILD_LATEST };

struct names_child {
	uint32_t dir;
	uint8_t area;
	uint8_t kind;		/* enum child_kind */
	uint32_t index;		/* in dirs or snaps */
	uint32_t name;		/* in text */
	uint64_t cookie;
};

struct names_dir {
	uint64_t key;		/* the number in its node number */
	uint32_t parent;
	uint32_t name;		/* in text */
	unsigned depth;
	uint64_t lowest;	/* of the snapshots at or below */
	uint32_t latest;	/* in snaps, or NAMES_NONE */
	uint32_t was;		/* the same directory in the names before */
	struct {
		uint32_t live;	/* snapshots that it is there for */
		uint32_t first, count;	/* children */
		uint32_t dirs;		/* of them directories */
		struct stamp mtime;
	} in[AREA_END];
};

struct names {
	struct buf text;	/* NUL-terminated strings by offset */
	struct names_dir *dirs;	/* 0 is the root */
	uint32_t dir_count, dir_cap;
	uint32_t *dir_slots;	/* open hash (parent, name) -> index */
	uint32_t dir_slot_count;
	uint32_t *dirs_by_key;	/* ordered by (depth, key) */
	struct names_snap *snaps;	/* ordered by number */
	uint32_t snap_count, snap_cap;
	struct names_child *children;	/* ordered by (area, dir, cookie) */
	uint32_t *by_name;		/* ordered by (area, dir, name) */
	uint32_t child_count, child_cap;
	int64_t due;		/* when a snapshot's time comes; INT64_MAX */
};

struct mount;

/* From the catalog.  before: the names so far (keys and mtimes go on), or
 * NULL. */
int names_build(struct mount *mount, const struct names *before,
		struct names **ret, struct err *err);
void names_free(struct names *names);
/* NULL where there is none. */
const struct names_dir *names_dir(const struct names *names, enum area area,
				  uint64_t key, unsigned depth);
const struct names_snap *names_snap(const struct names *names,
				    uint64_t number);
const struct names_child *names_find(const struct names *names,
				     enum area area,
				     const struct names_dir *dir,
				     const char *name);
/* The first child whose cookie is over the given one. */
const struct names_child *names_after(const struct names *names,
				      enum area area,
				      const struct names_dir *dir,
				      uint64_t cookie);
const char *names_text(const struct names *names, uint32_t at);
fuse_ino_t names_dir_ino(const struct names_dir *dir, enum area area);
fuse_ino_t names_child_ino(const struct names *names,
			   const struct names_child *child);

/*
 * seats: open trees by snapshot number, a bounded number of them; and how
 * often the kernel looked up nodes of a snapshot and has not forgotten them.
 */
#define SEATS_MAX 5

struct seat {
	uint64_t number;	/* 0: free */
	struct tree *tree;
	struct view *view;	/* opened when first asked for */
	pthread_mutex_t view_lock;
	unsigned users;
	uint64_t used;
	bool opening;
};

struct known {			/* a snapshot the kernel has nodes of */
	uint64_t number;
	uint64_t lookups;
	bool has_record;	/* at the latest when it is seen forgotten */
	struct record record;	/* so that it opens after it is gone */
	struct known *next;
};

#define KNOWN_BUCKETS 256

struct seats {
	pthread_mutex_t lock;	/* all below, but a seat's view */
	pthread_cond_t changed;	/* one was opened or is free */
	struct seat seats[SEATS_MAX];
	bool ready;
	uint64_t clock;
	struct known *known[KNOWN_BUCKETS];
	uint64_t told_seen;	/* of the refresher: what prune was told last */
	uint64_t *told;
	size_t told_count;
	bool told_once;
	unsigned release_every, release_wait;
};

struct numbers {		/* of snapshots; free(n) */
	uint64_t *n;
	size_t count, cap;
};
/* -ENOMEM. */
int numbers_add(struct numbers *list, uint64_t number);

int seats_init(struct seats *seats, struct err *err);
void seats_release(struct seats *seats);
/* Waits while all are in use: a thread holds one at most.  -ESTALE: the mount
 * shows no such snapshot (any more). */
int seat_get(struct mount *mount, uint64_t number, struct seat **ret,
	     struct err *err);
void seat_put(struct mount *mount, struct seat *seat);
int seat_view(struct seat *seat, struct view **ret, struct err *err);
/* Count lookups of nodes; before the reply, for a forget may overtake it. */
void seat_know(struct mount *mount, struct seat *seat, uint64_t lookups);
void seats_forget(struct mount *mount, uint64_t number, uint64_t lookups);
/* One lookup of a snapshot's top, whose tree is not opened: while names that
 * show it are locked, so that whoever takes them away finds it counted.
 * false: there is no memory for it. */
bool seats_know_top(struct mount *mount, uint64_t number);
/* Tell prune what the names that are shown now, as of event seen, do not show
 * and is read all the same: snapshots that were forgotten while the kernel
 * has nodes of them, or a request is at work in them. */
int seats_tell(struct mount *mount, uint64_t seen, struct err *err);

/* The threads that serve (mount_loop.c). */
struct crew {
	pthread_mutex_t lock;
	pthread_cond_t called;
	unsigned listening;		/* those called counted */
	unsigned resting, calls;	/* and how many of them are called */
	uint64_t look_ns;		/* before sleeping; 0: one processor */
	bool ready;
};

int crew_init(struct crew *crew, struct err *err);
void crew_release(struct crew *crew);
/* The thread that answers will wait for a block, the disk or another thread:
 * others listen meanwhile.  Any thread may call it. */
void crew_will_wait(void);

/* Read-ahead: what was read last of some files. */
#define AHEAD_SLOTS 64
#define AHEAD_WINDOW (4u << 20)
#define AHEAD_FIRST (1u << 20)	/* while only the beginning was read */
#define AHEAD_SLACK (2u << 20)	/* requests overtake each other by so much */
#define AHEAD_STEP (256u << 10)

struct ahead {
	pthread_mutex_t lock;
	struct {
		fuse_ino_t ino;
		uint64_t next;	/* where a sequential reader goes on */
		uint64_t mark;	/* asked ahead up to here */
	} slot[AHEAD_SLOTS];
};

/* mount_scan.c: files that are read one after the other. */
#define SCANS 8

struct scans {
	pthread_mutex_t lock;
	struct scan {
		uint64_t number;	/* of the snapshot */
		uint64_t next;		/* position behind the last that was read */
		uint64_t mark;		/* asked ahead up to here */
		unsigned run;
	} scan[SCANS];
};

/* The file node was begun to be read.  After the reply. */
void scan_note(struct mount *mount, struct seat *seat,
	       const struct node *node);

struct counters {
	atomic_uint_fast64_t lookups, getattrs, readlinks, xattrs;
	atomic_uint_fast64_t readdirs, readdir_entries;
	atomic_uint_fast64_t reads, read_bytes, iov_replies, copied_replies;
	atomic_uint_fast64_t prefetches, seeks, opens, forgets, looked;
	atomic_uint_fast64_t scanned;
	atomic_uint_fast64_t errors, refreshes, notifies, trees_opened, tops;
};

static inline void count(atomic_uint_fast64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/*
 * Damaged objects that requests met, for the refresher to remember in the
 * store, each once.
 */
#define METS_MAX 64		/* in the life of a mount */

struct met {
	fuse_ino_t ino;		/* of the node that was asked for */
	char object[48], text[400];
};

struct mets {
	pthread_mutex_t lock;	/* of count, and of what is put behind it */
	struct met met[METS_MAX];
	size_t count;
	size_t told;		/* of the refresher */
};

int mets_init(struct mets *mets, struct err *err);
void mets_release(struct mets *mets);
/* What err says of node ino (0: of none), if it is damage. */
void mount_met(struct mount *mount, fuse_ino_t ino, const struct err *err);
void mets_publish(struct mount *mount);

/* What -o and its kin come to. */
struct mount_plan {
	char *store, *mountpoint;	/* absolute */
	struct buf args;		/* of the session: "-o…", comma-parted */
	bool nonempty, debug;
	bool default_permissions;
	bool others;		/* allow_other or allow_root was asked for */
	bool has_uid, has_gid, has_umask;
	uint32_t uid, gid, umask;
	unsigned threads;
};

int mount_plan_init(struct mount_plan *plan,
		    const struct mount_options *options, struct err *err);
void mount_plan_release(struct mount_plan *plan);
/* 1: something is mounted right on path, which is absolute (*ret_ours: the
 * topmost is a mount of varve); 0: nothing is. */
int mount_lies_on(const char *path, bool *ret_ours, struct err *err);
/* -EBUSY: not empty, mounted already, or store and mountpoint lie in each
 * other. */
int mount_plan_check_place(const struct mount_plan *plan, struct err *err);

/* What whoever asked for the mount was told, or is: one of both, once. */
enum standing { STANDING_AWAITED, STANDING_ANSWERED, STANDING_FAILED };

struct mount {
	const struct mount_options *options;
	const struct mount_plan *plan;
	struct repo *repo;
	struct fuse_session *session;
	struct stamp started;
	uint32_t owner, group;		/* of virtual nodes */
	const uint8_t *zeros;		/* ZEROS bytes that are 0, read-only */

	pthread_rwlock_t names_lock;	/* of the pointer; never held while
					 * something is asked of the kernel */
	struct names *names;

	struct seats seats;
	struct crew crew;
	struct ahead ahead;
	struct scans scans;
	struct counters counters;
	struct mets mets;

	pthread_t looper, refresher;
	int wake_fd;			/* a byte: a signal, or 0 to stop */
	atomic_uint serving;		/* threads that take requests */
	atomic_int loop_error;		/* what ended one of them */
	_Atomic enum standing standing;
	atomic_bool loop_ended;
	int ready_fd;			/* the parent waits on it; -1 */
	bool quiet;			/* no terminal to complain to */
	atomic_uint_fast64_t complained;
};

#define ZEROS ((size_t)1 << 20)
#define READ_MAX ((size_t)1 << 20)

/* Seconds for what never changes, and for what may. */
#define FOREVER ((double)1e15)
#define A_WHILE 1.0

/* uid=, gid=, umask= into what stat(2) shows. */
void mount_override(const struct mount *mount, struct stat *st);
/* Tell what node ino (0: none) could not be read for (bounded), have it
 * remembered where that is damage; the errno to reply. */
int mount_fault(struct mount *mount, fuse_ino_t ino, int r, const char *doing,
		const struct err *err);

/* The rest of mount_stats.c: all that this folder ever prints. */
void mount_debug(const char *text);
void mount_print_stats(struct mount *mount);

/* mount_nodes.c: ino is of kind INO_TREE. */
void nodes_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void nodes_getattr(fuse_req_t req, fuse_ino_t ino);
void nodes_readlink(fuse_req_t req, fuse_ino_t ino);
void nodes_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
		       off_t offset);
/* What is asked for with room for size bytes; 0: how many there are. */
void nodes_reply_sized(fuse_req_t req, const struct buf *buf, size_t size);
void nodes_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
		    size_t size);
void nodes_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void nodes_getflags(fuse_req_t req, fuse_ino_t ino, size_t size);
int nodes_at(struct seat *seat, fuse_ino_t ino, struct node *ret,
	     struct err *err);
/* The entry of a snapshot's root, for the virtual directory it lies in. */
void nodes_reply_root(fuse_req_t req, uint64_t number);
/* What the kernel is told of a top that a record tells. */
void nodes_fill_top(const struct mount *mount, uint64_t number,
		    const struct record_top *top, struct fuse_entry_param *e);

/* mount_read.c */
void nodes_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset);
void nodes_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence);

/* mount_virtual.c: ino is of kind INO_VIRTUAL. */
void virtual_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void virtual_getattr(fuse_req_t req, fuse_ino_t ino);
void virtual_readlink(fuse_req_t req, fuse_ino_t ino);
void virtual_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			 off_t offset);
void virtual_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset);
void virtual_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence);
/* Where a snapshot's root lies: the ".." of its position 0; 0: nowhere. */
fuse_ino_t virtual_parent(struct mount *mount, uint64_t number);
/* Reply with the entry or attributes of a virtual node. */
void virtual_reply_entry(fuse_req_t req, fuse_ino_t ino);

/* mount_release.c: now and then, ask the kernel to let go of what it has of
 * snapshots that were forgotten. */
void release_forgotten(struct mount *mount);

/* mount_refresh.c */
int refresh_start(struct mount *mount, struct err *err);

/*
 * mount_loop.c: take requests, in as many threads as planned and in this one,
 * until the session ends.  Not libfuse's own loop: there a thread that gets no
 * memory for its buffer ends the mount for all.
 */
int loop_run(struct mount *mount, struct err *err);
/* Let it end, and wait until it has; not in a thread that takes requests. */
void loop_end(struct mount *mount);
/* True for the one who settles it first. */
bool mount_settle(struct mount *mount, enum standing standing);

/* mount_ops.c */
extern const struct fuse_lowlevel_ops mount_operations;

/* What .varve/info shows of a snapshot. */
int mount_info_text(struct mount *mount, uint64_t number, struct buf *out,
		    struct stamp *ret_added, struct err *err);

#endif
