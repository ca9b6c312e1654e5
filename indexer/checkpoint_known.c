#include "indexer/checkpoint_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "indexer/dir_internal.h"

#define COMPARED_MAX 16		/* of the newest that may be the same one */

/* Against a directory. */

struct listed {
	struct dirent **entry;	/* sorted by bytes */
	int count;
};

static void listed_release(struct listed *listed)
{
	for (int i = 0; i < listed->count; i++)
		free(listed->entry[i]);
	free(listed->entry);
}

static int is_name(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static bool looks_same(const struct node *node, const struct stat *st)
{
	const struct entry *e = &node->entry;
	struct stat was;

	node_stat(node, &was);
	if ((was.st_mode & S_IFMT) != (st->st_mode & S_IFMT) ||
	    e->mtime.s != st->st_mtim.tv_sec ||
	    e->mtime.ns != (uint32_t)st->st_mtim.tv_nsec)
		return false;
	return e->type != ENTRY_FILE || e->size == (uint64_t)st->st_size;
}

/* A name against what the snapshot has under it: 1, 0, or negative. */
static int is_same_name(struct past *past, struct past_dir *dir, int fd,
			const char *name, struct err *err)
{
	uint8_t now[ORIGIN_WIDTH];
	const uint8_t *then;
	const struct node *node;
	struct stat st;
	int r;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	r = past_find(past, dir, name, &node, err);
	if (r < 0 || !node || !looks_same(node, &st))
		return r;
	r = past_origin(past, node->pos, &then, err);
	if (r <= 0)
		return r < 0 ? r : 1;
	origin_write(&st, now);
	return origin_is_same(now, then, true);
}

static int compare_names(const struct listed *listed, int fd,
			 struct tree *tree, struct err *err)
{
	CLEANUP(past_release) struct past past = { .tree = NULL };
	CLEANUP(past_dir_release) struct past_dir dir = { .open = false };
	uint64_t count;
	int r = past_init(&past, tree, NULL, err);

	if (r == 0)
		r = past_root(&past, &dir, err);
	if (r == 0)
		r = tree_dir_count(tree, &dir.dir, &count, err);
	if (r < 0)
		return r;
	if (count != (uint64_t)listed->count)
		return 0;
	r = 1;
	for (int i = 0; r > 0 && i < listed->count; i++)
		r = is_same_name(&past, &dir, fd, listed->entry[i]->d_name,
				 err);
	return r;
}

int checkpoint_is_as(const char *path, struct tree *tree, struct err *err)
{
	CLEANUP(listed_release) struct listed listed = { .entry = NULL };
	OWNED_FD fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd < 0)
		return err_sys(err, "cannot open '%s'", path);
	listed.count = scandirat(fd, ".", &listed.entry, is_name, by_bytes);
	if (listed.count < 0) {
		listed.count = 0;
		return err_sys(err, "cannot list '%s'", path);
	}
	return compare_names(&listed, fd, tree, err);
}

/* Against another snapshot. */

static int is_as_node(const struct input *input, struct tree *tree,
		      struct err *err)
{
	OWNED_NODE struct node part = NODE_INIT;
	OWNED_NODE struct node root = NODE_INIT;
	int r = tree_find(input->tree, input->path, &part, err);

	if (r == 0)
		r = tree_root(tree, &root, err);
	if (r < 0)
		return r;
	/* equal directories have equal ids */
	return id_equal(&part.entry.tree, &root.entry.tree) &&
	       part.entry.tree_levels == root.entry.tree_levels;
}

/* Which of a source's snapshots may be it. */

struct search {
	const struct part *part;
	uint64_t number[COMPARED_MAX];	/* the newest last */
	size_t count;
};

static bool has_attrs(const struct record *record, const struct part *part)
{
	const char *number = record_attr(record, ATTR_CHECKPOINT);

	for (size_t i = 0; i < part->attr_count; i++) {
		const char *value = record_attr(record, part->attrs[i].key);

		if (!value || strcmp(value, part->attrs[i].value) != 0)
			return false;
		if (!strcmp(part->attrs[i].key, ATTR_CHECKPOINT))
			number = NULL;
	}
	return !number;
}

static int consider(void *arg, const struct snapshot *snapshot,
		    struct err *err)
{
	const struct record *record = &snapshot->record;
	struct search *search = arg;

	(void)err;
	if (strcmp(record->kind, reader_rocksdb.kind) != 0 ||
	    snapshot->damage || !has_attrs(record, search->part))
		return 0;
	if (search->count == COMPARED_MAX)
		memmove(search->number, search->number + 1,
			--search->count * sizeof(*search->number));
	search->number[search->count++] = record->number;
	return 0;
}

static void drop_tree(struct tree **tree)
{
	tree_close(*tree);
}

static int is_this(const struct input *input, uint64_t number,
		   struct snapshot *ret, struct err *err)
{
	CLEANUP(drop_tree) struct tree *tree = NULL;
	struct snapshot found = { .forgotten = false };
	struct catalog *catalog = repo_catalog(input->repo);
	int r = catalog_get_snapshot(catalog, number, &found, err);

	if (r == 0)
		r = tree_open(input->repo, &found.record, &tree, err);
	if (r == 0)
		r = input->tree ? is_as_node(input, tree, err) :
				  checkpoint_is_as(input->path, tree, err);
	if (r == 1)
		*ret = found;
	else
		snapshot_release(&found);
	/* one that cannot be read is none: it is added anew, which heals it */
	return r == -EBADMSG || r == -EIO || r == -ENOENT ? 0 : r;
}

int checkpoint_known(const struct input *input, const char *source,
		     struct snapshot *ret, struct err *err)
{
	struct search search = { .part = input->part };
	int r;

	/* a database goes on; what is said of it is of now */
	if (!input->part || !input->part->has_time)
		return 0;
	r = catalog_each_snapshot(repo_catalog(input->repo), source, false,
				  consider, &search, err);
	while (r == 0 && search.count > 0)
		r = is_this(input, search.number[--search.count], ret, err);
	return r;
}
