#include "fs/out/mount_internal.h"

#include <stdio.h>

#include "fs/tree/damage.h"

int mets_init(struct mets *mets, struct err *err)
{
	int r = pthread_mutex_init(&mets->lock, NULL);

	return r ? err_set(err, -r, "cannot make a lock") : 0;
}

void mets_release(struct mets *mets)
{
	pthread_mutex_destroy(&mets->lock);
}

static uint64_t number_of(fuse_ino_t ino)
{
	return ino_kind(ino) == INO_TREE ? ino_number(ino) :
					   ino_virtual_number(ino);
}

void mount_met(struct mount *mount, fuse_ino_t ino, const struct err *err)
{
	struct mets *mets = &mount->mets;
	size_t i = 0;

	if (!ino || !err->object[0])
		return;
	pthread_mutex_lock(&mets->lock);
	while (i < mets->count &&
	       !(number_of(mets->met[i].ino) == number_of(ino) &&
		 !strcmp(mets->met[i].object, err->object)))
		i++;
	if (i == mets->count && i < METS_MAX) {
		struct met *met = &mets->met[mets->count++];

		met->ino = ino;
		snprintf(met->object, sizeof(met->object), "%s", err->object);
		snprintf(met->text, sizeof(met->text), "%.*s",
			 (int)sizeof(met->text) - 1, err->text);
	}
	pthread_mutex_unlock(&mets->lock);
}

/* As much as can be found out of the path of pos. */
static void put_path(struct tree *tree, uint64_t pos, struct buf *path)
{
	while (pos > 0) {
		OWNED_NODE struct node node = NODE_INIT;
		struct buf longer = BUF_INIT;

		if (tree_at(tree, pos, &node, NULL) < 0 || node.parent >= pos)
			return;
		buf_append(&longer, node.entry.name.data,
			   node.entry.name.len);
		if (path->len > 0)
			buf_u8(&longer, '/');
		buf_append(&longer, path->data, path->len);
		buf_release(path);
		*path = longer;
		pos = node.parent;
	}
}

static void publish(struct mount *mount, struct repo *repo,
		    const struct met *met)
{
	CLEANUP(snapshot_release) struct snapshot row = { .forgotten = false };
	OWNED_BUF struct buf path = BUF_INIT;
	struct err what = ERR_INIT;
	struct seat *seat = NULL;
	const char *text;

	if (catalog_get_snapshot(repo_catalog(repo), number_of(met->ino), &row,
				 NULL) < 0)
		return;
	if (ino_kind(met->ino) == INO_TREE &&
	    seat_get(mount, number_of(met->ino), &seat, NULL) == 0)
		put_path(seat->tree, ino_pos(met->ino), &path);
	seat_put(mount, seat);
	text = buf_str(&path);
	err_corrupt(&what, "%s", met->text);
	snprintf(what.object, sizeof(what.object), "%s", met->object);
	damage_note(repo, &row.record, text ? text : "", &what);
}

void mets_publish(struct mount *mount)
{
	struct mets *mets = &mount->mets;
	struct repo *repo;
	size_t count;

	pthread_mutex_lock(&mets->lock);
	count = mets->count;
	pthread_mutex_unlock(&mets->lock);
	if (mets->told == count)
		return;
	/* what cannot be written to is read all the same */
	if (repo_open(mount->plan->store, REPO_WRITE, 1u << 20, &repo, NULL) ==
	    0) {
		/* those below count are as they were put */
		for (size_t i = mets->told; i < count; i++)
			publish(mount, repo, &mets->met[i]);
		repo_close(repo);
	}
	mets->told = count;
}
