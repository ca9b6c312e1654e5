#include "fs/out/mount_internal.h"

#include <stdlib.h>
#include <sys/stat.h>

/*
 * The kernel keeps nodes it once looked up.  When a snapshot is forgotten its
 * name is taken back, and with it goes all below that is not in use.  What was
 * in use stays, with the directories above it, and stays also when nobody
 * uses it any more, for nobody tells.  So it is asked again, directory by
 * directory, from below: a name that is not in use goes, and its node with it.
 *
 * Only directories the kernel knows are gone through: it says so when asked to
 * forget what it cached of one, and below one it does not know it knows
 * nothing.
 */
#define DIRS_MAX 4096		/* in one go */
#define NAMES_MAX 200000
#define BATCH 64
/* In looks; doubled each time that it did not help. */
#define EVERY_FIRST 3
#define EVERY_LAST 384

struct release {
	struct mount *mount;
	struct seat *seat;
	uint64_t *dirs;		/* positions, parents first */
	size_t count;
	size_t asked;
};

static fuse_ino_t ino_of(const struct release *release,
			 const struct node *node)
{
	return ino_tree(release->seat->number, node->inode);
}

static bool is_known(const struct release *release, fuse_ino_t ino)
{
	return fuse_lowlevel_notify_inval_inode(release->mount->session, ino,
						0, 0) == 0;
}

static void each_child(struct release *release, const struct node *dir,
		       void (*each)(struct release *release,
				    const struct node *dir,
				    const struct node *child))
{
	struct node nodes[BATCH];
	size_t n = 1;

	for (uint64_t i = 0; n > 0 && release->asked < NAMES_MAX; i += n) {
		memset(nodes, 0, sizeof(nodes));
		if (tree_list(release->seat->tree, dir, i, nodes, BATCH, &n,
			      NULL) < 0)
			return;
		release->asked += n;
		for (size_t k = 0; k < n; k++) {
			each(release, dir, &nodes[k]);
			node_release(&nodes[k]);
		}
	}
}

static void note_dir(struct release *release, const struct node *dir,
		     const struct node *child)
{
	(void)dir;
	if (child->entry.type == ENTRY_DIR && release->count < DIRS_MAX &&
	    is_known(release, ino_of(release, child)))
		release->dirs[release->count++] = child->pos;
}

static void drop_name(struct release *release, const struct node *dir,
		      const struct node *child)
{
	struct span name = child->entry.name;

	fuse_lowlevel_notify_inval_entry(release->mount->session,
					 ino_of(release, dir),
					 (const char *)name.data, name.len);
}

static void with_dir(struct release *release, size_t i,
		     void (*each)(struct release *release,
				  const struct node *dir,
				  const struct node *child))
{
	OWNED_NODE struct node dir = NODE_INIT;

	if (tree_at(release->seat->tree, release->dirs[i], &dir, NULL) == 0)
		each_child(release, &dir, each);
}

static void release_snapshot(struct mount *mount, uint64_t number)
{
	struct release release = { .mount = mount };

	release.dirs = calloc(DIRS_MAX, sizeof(*release.dirs));
	if (!release.dirs || seat_get(mount, number, &release.seat,
				      NULL) < 0) {
		free(release.dirs);
		return;
	}
	if (is_known(&release, ino_tree(number, 0)))
		release.dirs[release.count++] = 0;
	for (size_t i = 0; i < release.count; i++)
		with_dir(&release, i, note_dir);
	release.asked = 0;
	for (size_t i = release.count; i > 0; i--)
		with_dir(&release, i - 1, drop_name);
	seat_put(mount, release.seat);
	free(release.dirs);
}

void release_forgotten(struct mount *mount)
{
	struct seats *seats = &mount->seats;

	if (seats->told_count == 0) {
		seats->release_every = EVERY_FIRST;
		seats->release_wait = 0;
		return;
	}
	if (++seats->release_wait < seats->release_every)
		return;
	seats->release_wait = 0;
	if (seats->release_every < EVERY_LAST)
		seats->release_every = seats->release_every ?
			2 * seats->release_every : EVERY_FIRST;
	for (size_t i = 0; i < seats->told_count; i++)
		release_snapshot(mount, seats->told[i]);
}
