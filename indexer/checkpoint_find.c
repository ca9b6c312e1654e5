#include "indexer/checkpoint_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "indexer/dir_internal.h"
#include "indexer/rocksdb/rocks_find.h"

#define PASSED_SENTENCE 1024

struct looking {
	const struct input *input;
	struct parts *parts;
	struct rocks_finder *finder;
	struct stat store;
	bool has_store;
	dev_t dev;		/* of the top */
	DIR *dir[ROCKS_FIND_DEPTH + 2];
};

static void PRINTF(3, 4) tell(const struct parts *parts, enum weight weight,
			      const char *fmt, ...)
{
	char text[PASSED_SENTENCE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (parts->warn)
		parts->warn(parts->arg, weight, text);
}

/* On a disk. */

static void close_dirs(struct looking *looking)
{
	for (size_t i = 0; i < ROCKS_FIND_DEPTH + 2; i++)
		if (looking->dir[i])
			closedir(looking->dir[i]);
}

static int check_stop(const struct input *input, struct err *err)
{
	return input->stop && *input->stop ?
		err_set(err, -ECANCELED, "stopped") : 0;
}

static void tell_deep(const struct looking *looking, const char *name)
{
	tell(looking->parts, WEIGHT_NOTE, "'%.*s/%s' lies %u directories deep: "
	     "no checkpoint is looked for in it",
	     (int)looking->finder->path.len,
	     (const char *)looking->finder->path.data, name,
	     ROCKS_FIND_DEPTH);
}

/* Nobody is to take it for a database without checkpoints. */
static void tell_link(const struct looking *looking, const char *name)
{
	const struct rocks_finder *finder = looking->finder;

	if (rocks_holds_checkpoints(span_str(name)))
		tell(looking->parts, WEIGHT_NOTE, "'%.*s%s%s' is a symbolic "
		     "link, behind which no checkpoint is looked for",
		     (int)finder->path.len,
		     finder->path.len ? (const char *)finder->path.data : "",
		     finder->path.len ? "/" : "", name);
}

static bool is_elsewhere(const struct looking *looking, const struct stat *st)
{
	if (looking->has_store && st->st_dev == looking->store.st_dev &&
	    st->st_ino == looking->store.st_ino)
		return true;
	return looking->input->one_file_system && st->st_dev != looking->dev;
}

/* Takes fd over. */
static int enter(struct looking *looking, int fd, const char *name,
		 struct err *err)
{
	struct stat st;
	struct stamp mtime;
	DIR *dir;
	int r = 0;

	if (fstat(fd, &st) < 0) {
		r = err_sys(err, "cannot look at '%s'", name);
		close(fd);
		return r;
	}
	if (looking->finder->depth == 0)
		looking->dev = st.st_dev;
	mtime = (struct stamp){ st.st_mtim.tv_sec,
				(uint32_t)st.st_mtim.tv_nsec };
	if (!is_elsewhere(looking, &st)) {
		r = rocks_finder_enter(looking->finder, name, mtime, err);
		if (r == 0)
			tell_deep(looking, name);
	}
	if (r <= 0) {
		close(fd);
		return r;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return err_nomem(err);
	}
	looking->dir[looking->finder->depth] = dir;
	return 0;
}

static void tell_unseen(const struct looking *looking, const char *name)
{
	const struct rocks_finder *finder = looking->finder;
	int code = errno;

	/* gone since it was listed, or no directory any more */
	if (code == ENOENT || code == ENOTDIR || code == ELOOP)
		return;
	tell(looking->parts, WEIGHT_LOST, "'%.*s%s%s' cannot be looked "
	     "into for checkpoints: %s", (int)finder->path.len,
	     finder->path.len ? (const char *)finder->path.data : "",
	     finder->path.len && *name ? "/" : "", name, strerror(code));
}

static bool is_left_out(const struct looking *looking, const char *name,
			struct err *err, int *ret)
{
	OWNED_BUF struct buf path = BUF_INIT;
	const struct rocks_finder *finder = looking->finder;

	*ret = 0;
	if (!looking->input->exclude)
		return false;
	if (finder->path.len) {
		buf_append(&path, finder->path.data, finder->path.len);
		buf_append_byte(&path, '/');
	}
	buf_append_str(&path, name);
	if (!buf_str(&path)) {
		*ret = err_nomem(err);
		return true;
	}
	return exclude_match(looking->input->exclude, buf_str(&path), true);
}

static int look_at(struct looking *looking, int dir_fd,
		   const struct dirent *entry, struct err *err)
{
	const char *name = entry->d_name;
	unsigned char type = entry->d_type;
	struct stat st;
	int fd, r;

	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return 0;
	if (type == DT_UNKNOWN &&
	    fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		type = IFTODT(st.st_mode);
	if (type == DT_REG)
		rocks_finder_file(looking->finder, name);
	if (type == DT_LNK)
		tell_link(looking, name);
	if (type != DT_DIR || is_left_out(looking, name, err, &r))
		return type == DT_DIR ? r : 0;
	fd = open_at(dir_fd, name, O_DIRECTORY);
	if (fd < 0) {
		errno = -fd;
		tell_unseen(looking, name);
		return 0;
	}
	return enter(looking, fd, name, err);
}

static int leave(struct looking *looking, struct err *err)
{
	DIR **dir = &looking->dir[looking->finder->depth];

	closedir(*dir);
	*dir = NULL;
	return rocks_finder_leave(looking->finder, err);
}

static int look_on_disk(struct looking *looking, struct err *err)
{
	const struct input *input = looking->input;
	struct disk_dir *store = input->repo ? repo_dir(input->repo) : NULL;
	int fd = open(input->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", input->path);
	looking->has_store = store && fstat(store->fd, &looking->store) == 0;
	r = enter(looking, fd, "", err);
	while (r == 0 && looking->finder->depth > 0) {
		DIR *dir = looking->dir[looking->finder->depth];
		struct dirent *entry;

		r = check_stop(input, err);
		if (r < 0)
			break;
		errno = 0;
		entry = readdir(dir);
		if (entry) {
			r = look_at(looking, dirfd(dir), entry, err);
			continue;
		}
		if (errno)
			tell_unseen(looking, "");
		r = leave(looking, err);
	}
	return r;
}

/* In a snapshot. */

static int look_at_node(void *arg, const char *path, unsigned depth,
			const struct node *node, struct err *err)
{
	struct looking *looking = arg;
	struct span name = depth ? node->entry.name : span_of(NULL, 0);
	char text[NAME_BYTES_MAX + 1];
	int r = check_stop(looking->input, err);

	(void)path;
	while (r == 0 && looking->finder->depth > depth)
		r = rocks_finder_leave(looking->finder, err);
	if (r < 0)
		return r;
	if (name.len)
		memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	if (node->entry.type == ENTRY_FILE)
		rocks_finder_file(looking->finder, text);
	if (node->entry.type == ENTRY_SYMLINK)
		tell_link(looking, text);
	if (node->entry.type != ENTRY_DIR)
		return 0;
	r = rocks_finder_enter(looking->finder, text, node->entry.mtime, err);
	if (r == 0)
		tell_deep(looking, text);
	return r < 0 ? r : r > 0 ? 0 : TREE_SKIP;
}

static int look_in_tree(struct looking *looking, struct err *err)
{
	OWNED_NODE struct node top = NODE_INIT;
	struct tree *tree = looking->input->tree;
	int r = tree_find(tree, looking->input->path, &top, err);

	if (r == 0 && top.entry.type != ENTRY_DIR)
		r = err_set(err, -ENOTDIR, "'%s' is no directory",
			    looking->input->path);
	if (r == 0)
		r = tree_walk(tree, &top, look_at_node, looking, err);
	while (r == 0 && looking->finder->depth > 0)
		r = rocks_finder_leave(looking->finder, err);
	return r;
}

/* What becomes of what was found. */

static int label(struct part *part, const struct rocks_found *found,
		 bool is_database, struct err *err)
{
	const char *of = found->database;
	const char *lead = found->unfinished ? "unfinished checkpoint" :
			   is_database ? "database" : "checkpoint";
	OWNED_BUF struct buf text = BUF_INIT;

	buf_append_str(&text, lead);
	if (found->numbered)
		buf_printf(&text, " %" PRIu64, found->number);
	if (*of)
		buf_printf(&text, "%s '%s'", found->numbered ? " of" : "", of);
	if (buf_failed(&text))
		return err_nomem(err);
	part->label = buf_detach(&text);
	return part->label ? 0 : err_nomem(err);
}

static int take(const struct input *input, const struct rocks_found *found,
		struct parts *parts, struct err *err)
{
	bool is_database = !found->numbered && found->opened;
	const char *source = found->database;
	struct part *part;
	char number[32];
	int r;

	/* the snapshot that it lies in is that source's own */
	if (input->tree && !*source)
		source = "rocksdb";
	r = parts_add(parts, found->path, source, &part, err);
	if (r == 0)
		r = label(part, found, is_database, err);
	snprintf(number, sizeof(number), "%" PRIu64 "%s", found->number,
		 found->unfinished ? ".tmp" : "");
	if (r == 0 && found->numbered)
		r = part_attr(part, ATTR_CHECKPOINT, number, err);
	if (r == 0)
		r = part_attr(part, ATTR_CONSISTENCY, is_database ?
			      CRASH_LEVEL : CONSISTENT, err);
	/* a database goes on while it is read */
	if (r == 0 && !is_database) {
		part->has_time = true;
		part->time = found->mtime;
		part->time_from = "mtime";
	}
	return r;
}

static int choose(const struct input *input,
		  const struct rocks_finder *finder, struct parts *parts,
		  struct err *err)
{
	const char *top = *input->path ? input->path : ".";
	int r = 0;

	for (size_t i = 0; r == 0 && i < finder->count; i++) {
		const struct rocks_found *found = &finder->found[i];
		const char *name = *found->path ? found->path : top;

		if (found->numbered || !found->opened || finder->count == 1)
			r = take(input, found, parts, err);
		else if (found->has_checkpoints && input->tree)
			continue;	/* it is kept in there */
		else if (found->has_checkpoints)
			tell(parts, WEIGHT_NOTE, "of '%s' the checkpoints are "
			     "taken, and not the database that they are of; "
			     "'-k dir' takes a directory as it is", name);
		else
			tell(parts, WEIGHT_NOTE, "'%s' is a database without "
			     "checkpoints and is left out; given as a PATH of "
			     "its own it is taken as it is", name);
	}
	if (r == 0 && parts->count == 0) {
		err_set(err, -ENODATA, "there is no RocksDB checkpoint in "
			"'%s'", top);
		r = err_hint(err, "one is a directory with CURRENT, "
			     "MANIFEST-NNNNNN and NNNNNN.sst in it");
	}
	return r;
}

/* A source is called as the database, not as one of its checkpoints. */
static int name_after(const char *top, struct parts *parts, struct err *err)
{
	char *path = strdup(top);
	char *slash = path ? strrchr(path, '/') : NULL;
	bool unfinished;
	uint64_t number;

	if (!path)
		return err_nomem(err);
	parts->named_after = path;
	if (slash && rocks_number(span_str(slash + 1), &number, &unfinished)) {
		char *above;

		*slash = '\0';
		above = strrchr(path, '/');
		if (above && rocks_holds_checkpoints(span_str(above + 1)))
			slash = above;
		else
			*slash = '/';
	}
	if (slash && slash > path && !strcmp(slash + 1, "checkpoints"))
		*slash = '\0';
	return 0;
}

/* What the top of a snapshot was called, where it was a directory. */
static char *name_of_tree(const struct input *input)
{
	const struct record *record = tree_record(input->tree);
	bool has_name = !*input->path && record->input &&
			!strcmp(record->kind, reader_dir.kind);

	return strdup(has_name ? record->input : "");
}

int checkpoint_parts(const struct input *input, struct parts *parts,
		     struct err *err)
{
	OWNED_ROCKS_FINDER struct rocks_finder finder = { .count = 0 };
	CLEANUP(close_dirs) struct looking looking = {
		.input = input, .parts = parts, .finder = &finder,
	};
	CLEANUP(free_ptr) char *top = input->tree ? name_of_tree(input) :
				      realpath(input->path, NULL);
	int r = 0;

	if (!top)
		return err_sys(err, "cannot find '%s'", input->path);
	if (!input->tree)
		r = name_after(top, parts, err);
	if (r == 0)
		r = rocks_finder_init(&finder, top, err);
	if (r == 0)
		r = input->tree ? look_in_tree(&looking, err) :
				  look_on_disk(&looking, err);
	if (r < 0)
		return r;
	rocks_finder_finish(&finder);
	return choose(input, &finder, parts, err);
}
