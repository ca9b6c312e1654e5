#include "indexer/archive_internal.h"

#include <stdlib.h>

/*
 * A group is the names of one inode.  In newc all but the last have no data;
 * which is the last is not said, so names without data wait for the one with
 * data, or for the end of the archive.  What was put under an inode is kept,
 * so that later names become links to it.
 */
#define CPIO_LINKS_MAX (64u << 20)	/* bytes of names waiting or known */
#define CPIO_BUCKETS 4096

struct waiting {
	struct waiting *next;
	size_t len;
	uint8_t path[];
};

struct group {
	struct group *next;
	uint64_t dev, ino, size;
	uint32_t left;		/* names that did not come yet */
	struct buf target;	/* path that was put; empty: none yet */
	struct waiting *waiting;
	struct entry entry;	/* of the first, spans cleared */
};

struct cpio_links {
	struct group *buckets[CPIO_BUCKETS];
	size_t bytes;
};

struct cpio_links *cpio_links_new(void)
{
	return calloc(1, sizeof(struct cpio_links));
}

static void group_free(struct group *g)
{
	while (g->waiting) {
		struct waiting *next = g->waiting->next;

		free(g->waiting);
		g->waiting = next;
	}
	buf_release(&g->target);
	free(g);
}

void cpio_links_free(struct cpio_links *links)
{
	for (size_t i = 0; links && i < CPIO_BUCKETS; i++) {
		while (links->buckets[i]) {
			struct group *next = links->buckets[i]->next;

			group_free(links->buckets[i]);
			links->buckets[i] = next;
		}
	}
	free(links);
}

static struct group **slot(struct cpio_links *links,
			   const struct cpio_name *name)
{
	uint64_t h = (name->ino * 0x9e3779b97f4a7c15u) ^ name->dev;
	struct group **g = &links->buckets[(h >> 32) % CPIO_BUCKETS];

	while (*g && ((*g)->ino != name->ino || (*g)->dev != name->dev))
		g = &(*g)->next;
	return g;
}

static struct group *group_new(struct cpio_links *links,
			       const struct cpio_name *name,
			       const struct entry *entry)
{
	struct group *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->dev = name->dev;
	g->ino = name->ino;
	g->left = name->nlink;
	g->entry = *entry;
	g->entry.uname = g->entry.gname = span_of(NULL, 0);
	g->entry.xattrs = NULL;
	g->entry.xattr_count = 0;
	links->bytes += sizeof(*g);
	return g;
}

static int hold_back(struct cpio_links *links, struct level *level,
		     struct group *g, struct span path)
{
	struct waiting *w = malloc(sizeof(*w) + path.len);
	struct waiting **end = &g->waiting;

	if (!w)
		return run_fatal(level->run, err_nomem(level->run->err));
	w->next = NULL;
	w->len = path.len;
	memcpy(w->path, path.data, path.len);
	while (*end)
		end = &(*end)->next;
	*end = w;
	links->bytes += sizeof(*w) + path.len;
	return 1;
}

int cpio_links_seen(struct cpio_links *links, struct level *level,
		    const struct cpio_name *name, struct span path,
		    const struct entry *entry)
{
	struct group **at = slot(links, name);
	int r;

	if (links->bytes > CPIO_LINKS_MAX)
		return 0;
	if (!*at) {
		*at = group_new(links, name, entry);
		if (!*at)
			return run_fatal(level->run,
					 err_nomem(level->run->err));
	}
	if ((*at)->left)
		(*at)->left--;
	if (!(*at)->target.len) {
		/* The last name has the data, or there are none. */
		if (name->size || !(*at)->left)
			return 0;
		return hold_back(links, level, *at, path);
	}
	/* Inode numbers wrap in old formats: another size, another file. */
	if (name->size && name->size != (*at)->size)
		return 0;
	r = put_link(level, path, buf_span(&(*at)->target));
	return r < 0 ? r : 1;
}

int cpio_links_put(struct cpio_links *links, struct level *level,
		   const struct cpio_name *name, struct span path)
{
	struct group *g = *slot(links, name);
	int r = 0;

	if (!g)
		return 0;
	buf_clear(&g->target);
	buf_append(&g->target, path.data, path.len);
	links->bytes += path.len;
	g->size = name->size;
	if (buf_failed(&g->target))
		return run_fatal(level->run, err_nomem(level->run->err));
	while (g->waiting && r >= 0) {
		struct waiting *w = g->waiting;

		r = put_link(level, span_of(w->path, w->len), path);
		g->waiting = w->next;
		links->bytes -= sizeof(*w) + w->len;
		free(w);
	}
	return r;
}

/* Some names were not in the archive: the file was empty, or its data came
 * with a name that is missing here; either is what cpio would extract. */
static int finish(struct cpio_links *links, struct level *level,
		  struct group *g)
{
	struct cpio_name name = { .dev = g->dev, .ino = g->ino };
	struct waiting *first = g->waiting;
	struct span path = span_of(first->path, first->len);
	int r;

	g->waiting = first->next;
	r = put_plain(level, path, &g->entry);
	if (r == 0)
		r = cpio_links_put(links, level, &name, path);
	free(first);
	return r;
}

int cpio_links_finish(struct cpio_links *links, struct level *level)
{
	int r = 0;

	for (size_t i = 0; i < CPIO_BUCKETS && r >= 0; i++) {
		for (struct group *g = links->buckets[i]; g && r >= 0;
		     g = g->next) {
			if (g->waiting)
				r = finish(links, level, g);
		}
	}
	return r;
}
