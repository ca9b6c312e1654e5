#include "indexer/dir_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/base/staging.h"

#define FDS_KEPT 32		/* directories held open above the deepest */
#define NAMES_MAX (1u << 30)	/* bytes of names in one directory */

/* 43 bytes at the beginning of CACHEDIR.TAG (bford.info/cachedir). */
#define CACHE_TAG "CACHEDIR.TAG"
#define CACHE_SIGNATURE "Signature: 8a477f597d28d172789f06886806bc55"

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void level_release(struct dir_level *level)
{
	close_fd(&level->fd);
	buf_release(&level->names.text);
	free(level->names.sorted);
	past_dir_release(&level->past);
}

static void walk_release(struct walk *walk)
{
	ahead_free(walk->ahead);
	pump_free(walk->pump);
	for (unsigned i = 0; walk->levels && i <= walk->depth; i++)
		level_release(&walk->levels[i]);
	free(walk->levels);
	buf_release(&walk->path);
	past_release(&walk->past);
	links_release(&walk->links);
	meta_release(&walk->meta);
	free(walk->bytes);
}

/* That of name in the deepest directory; NULL: no memory. */
static const char *walk_path(struct walk *walk, const char *name)
{
	walk->path.len = deepest(walk)->path_len;
	if (walk->path.len)
		buf_append_byte(&walk->path, '/');
	buf_append_str(&walk->path, name);
	return buf_str(&walk->path);
}

void walk_tell(struct walk *walk, int code, const char *what)
{
	struct span path = walk->path.len ? buf_span(&walk->path)
					  : span_str(".");

	if (code == -ENOENT || code == -ESTALE)
		sink_warn(walk->sink, WEIGHT_NOTE, path,
			  "vanished while it was read");
	else
		sink_warn(walk->sink, WEIGHT_LOST, path, "%s: %s", what,
			  strerror(-code));
}

void walk_tell_as(struct walk *walk, enum weight weight, const char *text)
{
	struct span path = walk->path.len ? buf_span(&walk->path)
					  : span_str(".");

	sink_warn(walk->sink, weight, path, "%s", text);
}

int open_at(int dir_fd, const char *name, int flags)
{
	int fd;

	flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	fd = openat(dir_fd, name, flags | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = openat(dir_fd, name, flags);
	return fd < 0 ? -errno : fd;
}

int walk_past_failed(struct walk *walk, int r, struct err *err)
{
	if (r >= 0 || r == -ENOMEM)
		return r;
	walk->past.tree = NULL;
	sink_warn(walk->sink, WEIGHT_NOTE, span_of(NULL, 0),
		  "the last snapshot cannot be read further, so files are read "
		  "anew: %s", err->text);
	return 0;
}

/* Directories. */

static int order_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int sort_names(struct names *names, struct err *err)
{
	char *at = (char *)names->text.data;
	int r = buf_check(&names->text, err);

	if (r < 0 || names->count == 0)
		return r;
	names->sorted = malloc(names->count * sizeof(*names->sorted));
	if (!names->sorted)
		return err_nomem(err);
	for (size_t i = 0; i < names->count; i++) {
		names->sorted[i] = at;
		at += strlen(at) + 1;
	}
	qsort(names->sorted, names->count, sizeof(*names->sorted),
	      order_names);
	return 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* 0, also where the listing failed or is short: that was told. */
static int list_dir(struct walk *walk, struct dir_level *level,
		    struct err *err)
{
	struct names *names = &level->names;
	CLEANUP(close_dir) DIR *dir = NULL;
	struct dirent *entry;
	int fd = fcntl(level->fd, F_DUPFD_CLOEXEC, 0);

	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir) {
		walk_tell(walk, -errno, "cannot be listed");
		close_fd(&fd);
		return 0;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (!strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		if (names->text.len > NAMES_MAX) {
			errno = EFBIG;
			break;
		}
		buf_append(&names->text, name, strlen(name) + 1);
		names->count++;
	}
	/* A short listing must not pass for a small directory. */
	if (errno)
		walk_tell(walk, errno == ENOENT ? -EIO : -errno,
		     "cannot be listed to its end");
	return sort_names(names, err);
}

static bool is_cache(const struct dir_level *level)
{
	char head[sizeof(CACHE_SIGNATURE) - 1];
	OWNED_FD fd = open_at(level->fd, CACHE_TAG, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	return pread(fd, head, sizeof(head), 0) == sizeof(head) &&
	       !memcmp(head, CACHE_SIGNATURE, sizeof(head));
}

/* Of a cache only the directory and its tag are kept. */
static void skip_cache(struct walk *walk, struct dir_level *level)
{
	struct names *names = &level->names;

	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->sorted[i], CACHE_TAG))
			continue;
		if (is_cache(level)) {
			names->sorted[0] = names->sorted[i];
			names->count = 1;
			walk_tell_as(walk, WEIGHT_NOTE,
				"is tagged as a cache: what lies in it is left "
				"out");
		}
		return;
	}
}

/* Ahead of the walk. */

static void leave_ahead(struct walk *walk, struct dir_level *level)
{
	ahead_leave(walk->ahead, level->ahead);
	level->ahead = NULL;
}

static bool is_out(struct walk *walk, const char *name)
{
	const struct exclude *exclude = walk->input->exclude;
	const char *path;

	if (exclude_is_empty(exclude))
		return false;
	path = walk_path(walk, name);
	return !path || exclude_match(exclude, path, false) ||
	       exclude_match(exclude, path, true);
}

/* What the walk will want of level behind the name it is at. */
static void ask_ahead(struct walk *walk, struct dir_level *level)
{
	const struct names *names = &level->names;
	bool one_by_one = !exclude_is_empty(walk->input->exclude);
	size_t at = names->at;

	if (!level->ahead)
		return;
	ahead_at(level->ahead, at);
	if (level->asked <= at)
		level->asked = at + 1;
	while (level->asked < names->count) {
		size_t to = names->count;

		if (one_by_one)
			to = level->asked + 1;
		if (is_out(walk, names->sorted[level->asked])) {
			level->asked = to;
			continue;
		}
		to = ahead_ask(walk->ahead, level->ahead, names->sorted,
			       level->asked, to);
		level->asked += to;
		if (to == 0 || !one_by_one)
			return;
	}
}

static int push_level(struct walk *walk, struct dir_level **ret,
		      struct err *err)
{
	unsigned room = walk->room ? 2 * walk->room : 16;
	struct dir_level *levels;

	if (walk->depth + 1 >= walk->room) {
		levels = realloc(walk->levels, room * sizeof(*levels));
		if (!levels)
			return err_nomem(err);
		walk->levels = levels;
		walk->room = room;
	}
	walk->depth++;
	*ret = deepest(walk);
	**ret = (struct dir_level){ .fd = -1, .path_len = walk->path.len };
	/* The root stays open: closed ones are found again from it. */
	if (walk->depth > FDS_KEPT) {
		struct dir_level *far = &walk->levels[walk->depth - FDS_KEPT];

		close_fd(&far->fd);
		leave_ahead(walk, far);
	}
	return 0;
}

static int same_dir(int fd, const struct dir_level *level)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_dev == level->dev && st.st_ino == level->ino ? 0
								  : -ENOENT;
}

/* One component down from *fd. */
static int step(struct walk *walk, unsigned to, int *fd)
{
	size_t from = walk->levels[to - 1].path_len;
	char name[NAME_BYTES_MAX + 1];
	size_t len;
	int next;

	from += from > 0;
	len = walk->levels[to].path_len - from;
	if (len > NAME_BYTES_MAX)
		return -ENAMETOOLONG;
	memcpy(name, walk->path.data + from, len);
	name[len] = '\0';
	next = open_at(*fd, name, O_DIRECTORY);
	if (next < 0)
		return next;
	close_fd(fd);
	*fd = next;
	return same_dir(next, &walk->levels[to]);
}

/* The deepest directory was closed on the way down: open it again. */
static int reopen(struct walk *walk)
{
	unsigned from = walk->depth;
	OWNED_FD fd = -1;
	int r = 0;

	while (walk->levels[from].fd < 0)
		from--;
	fd = fcntl(walk->levels[from].fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	for (unsigned to = from + 1; r == 0 && to <= walk->depth; to++)
		r = step(walk, to, &fd);
	if (r < 0)
		return r;
	deepest(walk)->fd = fd;
	fd = -1;
	return 0;
}

static void pop_level(struct walk *walk)
{
	struct dir_level *level;

	leave_ahead(walk, deepest(walk));
	level_release(deepest(walk));
	walk->depth--;
	level = deepest(walk);
	walk->path.len = level->path_len;
	if (level->fd >= 0 || level->names.at == level->names.count)
		return;
	if (reopen(walk) < 0) {
		level->names.at = level->names.count;
		walk_tell_as(walk, WEIGHT_LOST,
			"was moved while it was read: the rest of it is "
			"missing");
	}
}

static bool is_store(const struct walk *walk, const struct stat *st)
{
	return walk->has_store && st->st_dev == walk->store.st_dev &&
	       st->st_ino == walk->store.st_ino;
}

/* The directory's own attributes.  fd -1: it cannot be opened. */
static int begin_dir(struct walk *walk, int dir_fd, const char *name, int fd,
		     const struct stat *st, struct err *err)
{
	struct entry entry;
	int r = meta_read(&walk->meta, dir_fd, name, fd, st, &entry);

	if (r < 0)
		return err_nomem(err);
	if (walk->meta.flaw[0])
		walk_tell_as(walk, WEIGHT_FLAWED, walk->meta.flaw);
	r = sink_begin(walk->sink, buf_span(&walk->path), &entry, err);
	if (r > 0)
		r = sink_end(walk->sink, 0, err);
	return r < 0 ? r : 0;
}

/* Make what is open as fd the deepest level and list it.  Takes fd over. */
static int enter(struct walk *walk, int fd, const struct stat *st,
		 const struct node *node, struct err *err)
{
	struct dir_level *level = NULL;
	int r = push_level(walk, &level, err);

	if (r < 0) {
		close(fd);
		return r;
	}
	level->fd = fd;
	level->dev = st->st_dev;
	level->ino = st->st_ino;
	past_enter(node, &level->past);
	r = list_dir(walk, level, err);
	if (r == 0 && walk->input->skip_caches)
		skip_cache(walk, level);
	if (r == 0)
		level->ahead = ahead_enter(walk->ahead, level->fd);
	return r;
}

/* Of one that has not come to its end it may be all there is. */
static bool is_kept(const char *name, int fd)
{
	return !strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1) &&
	       faccessat(fd, SWAP_ABOUT, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	       faccessat(fd, SWAP_DONE, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int add_dir(struct walk *walk, const char *name, struct stat *st,
		   const struct node *node, struct err *err)
{
	struct dir_level *parent = deepest(walk);
	OWNED_FD fd = -1;
	bool is_mount;
	int taken, r;

	if (is_store(walk, st)) {
		walk_tell_as(walk, WEIGHT_NOTE,
			"is the store this snapshot goes to: left out");
		return 0;
	}
	fd = open_at(parent->fd, name, O_DIRECTORY);
	if (fd >= 0 && fstat(fd, st) < 0) {
		r = -errno;
		close_fd(&fd);
		fd = r;
	}
	if (fd == -ENOENT) {
		walk_tell(walk, fd, "");
		return 0;
	}
	if (fd >= 0 && is_kept(name, fd)) {
		walk_tell_as(walk, WEIGHT_NOTE, "is what a push keeps of a "
			     "former tree: left out");
		return 0;
	}
	r = begin_dir(walk, parent->fd, name, fd < 0 ? -1 : fd, st, err);
	if (r < 0)
		return r;
	if (fd < 0) {
		walk_tell(walk, fd, "cannot be opened, so what lies in it is "
		     "missing");
		return 0;
	}
	is_mount = st->st_dev != walk->levels[0].dev;
	if (is_mount && walk->input->one_file_system)
		return 0;
	if (walk->depth + 1 >= DEPTH_MAX) {
		walk_tell_as(walk, WEIGHT_LOST,
			     "lies 2000 directories deep: what lies in it is "
			     "missing");
		return 0;
	}
	taken = fd;
	fd = -1;
	return enter(walk, taken, st, node, err);
}

static int add_entry(struct walk *walk, const char *name, struct stat *st,
		     struct err *err)
{
	struct link_file *file = NULL;
	const struct node *node;
	int r = past_find(&walk->past, &deepest(walk)->past, name, &node,
			  err);

	r = walk_past_failed(walk, r, err);
	if (r < 0)
		return r;
	if (S_ISDIR(st->st_mode))
		return add_dir(walk, name, st, node, err);
	if (st->st_nlink > 1)
		file = links_find(&walk->links, st);
	if (file)
		return walk_add_linked(walk, name, file, st, err);
	if (S_ISREG(st->st_mode))
		return walk_add_file(walk, name, st, node, err);
	return walk_add_special(walk, name, st, NULL, err);
}

/* The next name of the deepest directory. */
static int add_next(struct walk *walk, struct err *err)
{
	struct dir_level *level = deepest(walk);
	const struct exclude *exclude = walk->input->exclude;
	const char *name, *path;
	struct stat st;

	ask_ahead(walk, level);
	name = level->names.sorted[level->names.at++];
	path = walk_path(walk, name);
	if (!path)
		return err_nomem(err);
	if (fstatat(level->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		int code = -errno;

		if (!exclude_match(exclude, path, false))
			walk_tell(walk, code, "cannot be read");
		return 0;
	}
	if (exclude_match(exclude, path, S_ISDIR(st.st_mode)))
		return 0;
	return add_entry(walk, name, &st, err);
}

static int begin_root(struct walk *walk, int fd, struct err *err)
{
	struct dir_level *level = &walk->levels[0];
	struct stat st;
	int r;

	level->fd = fd;
	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot read '%s'", walk->input->path);
	level->dev = st.st_dev;
	level->ino = st.st_ino;
	if (is_store(walk, &st))
		return err_set(err, -EINVAL, "'%s' is the store itself",
			       walk->input->path);
	r = begin_dir(walk, fd, ".", fd, &st, err);
	if (r < 0)
		return r;
	r = past_root(&walk->past, &level->past, err);
	r = walk_past_failed(walk, r, err);
	if (r == 0)
		r = list_dir(walk, level, err);
	if (r == 0 && walk->input->skip_caches)
		skip_cache(walk, level);
	if (r == 0)
		level->ahead = ahead_enter(walk->ahead, level->fd);
	return r;
}

/* What was unchanged when the last snapshot was taken is not read. */
static struct ahead *begin_ahead(const struct input *input)
{
	struct ahead_options options = { .into = exclude_is_empty(input->exclude) };

	if (input->previous)
		options.since = tree_record(input->previous)->added;
	return ahead_new(&options);
}

static int walk_init(struct walk *walk, const struct input *input,
		     struct sink *sink, struct err *err)
{
	struct disk_dir *store = input->repo ? repo_dir(input->repo) : NULL;

	*walk = (struct walk){ .input = input, .sink = sink, .room = 16 };
	walk->has_store = store && fstat(store->fd, &walk->store) == 0;
	walk->bytes = malloc(READ_BYTES);
	walk->levels = calloc(walk->room, sizeof(*walk->levels));
	if (!walk->bytes || !walk->levels)
		return err_nomem(err);
	walk->levels[0].fd = -1;
	walk->ahead = begin_ahead(input);
	return past_init(&walk->past, input->previous, input->repo, err);
}

static int open_root(const struct input *input, struct err *err)
{
	int fd;

	/* Named by the user: a symbolic link to a directory will do. */
	if (input->fd >= 0)
		fd = fcntl(input->fd, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(input->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", input->path);
	return fd;
}

static int dir_read(const struct input *input, struct sink *sink,
		    struct err *err)
{
	CLEANUP(walk_release) struct walk walk;
	int r = walk_init(&walk, input, sink, err);
	int fd = r < 0 ? r : open_root(input, err);

	if (fd < 0)
		return fd;
	r = begin_root(&walk, fd, err);
	while (r == 0) {
		struct dir_level *level = deepest(&walk);

		if (level->names.at < level->names.count)
			r = add_next(&walk, err);
		else if (walk.depth == 0)
			break;
		else
			pop_level(&walk);
	}
	if (r == 0)
		sink_format(sink, "directory");
	sink_ahead(sink, ahead_files(walk.ahead));
	return r;
}

static int dir_probe(const struct input *input, const struct stat *st,
		     struct span head)
{
	(void)input;
	(void)head;
	return S_ISDIR(st->st_mode) ? 50 : 0;
}

const struct reader reader_dir = {
	.kind = "dir",
	.about = "a directory: every file and all that is known of it",
	.probe = dir_probe,
	.read = dir_read,
};
