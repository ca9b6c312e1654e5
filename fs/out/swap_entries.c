#include "fs/out/swap_internal.h"

#include <fcntl.h>
#include <unistd.h>

/* Of the volume's root: what belongs to neither tree. */
static bool stays(const struct swap *swap, const char *name)
{
	return !strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1) ||
	       (swap->keep_lost && !strcmp(name, LOST_FOUND));
}

static int make_part(int staging, const char *part, int *ret_fd,
		     struct err *err)
{
	int r = disk_step_outside(part, "make", err);

	if (r == 0 && mkdirat(staging, part, 0700) < 0 && errno != EEXIST)
		r = err_sys(err, "cannot make the directory '%s'", part);
	return r < 0 ? r : swap_open_dir(staging, part, ret_fd, err);
}

static int move_all(struct swap *swap, int from, int to, struct err *err)
{
	OWNED_NAMES struct swap_names names = { .name = NULL };
	int r = swap_list(from, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++)
		if (from != swap->place || !stays(swap, names.name[i]))
			r = swap_move(from, names.name[i], to, names.name[i],
				      err);
	if (r == 0)
		r = swap_sync(from, swap->name, err);
	return r < 0 ? r : swap_sync(to, swap->target, err);
}

int swap_set_aside(struct swap *swap, struct err *err)
{
	OWNED_FD int staging = -1, old = -1, attributes = -1;
	int r = swap_open_staging(swap, &staging, err);

	if (r == 0)
		r = make_part(staging, "attributes", &attributes, err);
	if (r == 0)
		r = swap_attributes_copy(swap->place, attributes, err);
	if (r == 0)
		r = swap_sync(attributes, swap->name, err);
	if (r == 0)
		r = make_part(staging, "old", &old, err);
	if (r == 0)
		r = swap_sync(staging, swap->name, err);
	return r < 0 ? r : move_all(swap, swap->place, old, err);
}

int swap_set_aside_back(struct swap *swap, struct err *err)
{
	OWNED_FD int staging = -1, old = -1;
	int r = swap_open_staging(swap, &staging, err);

	if (r < 0 || !swap_is_there(staging, "old"))
		return r;
	r = swap_open_dir(staging, "old", &old, err);
	return r < 0 ? r : move_all(swap, old, swap->place, err);
}

int swap_put(struct swap *swap, struct err *err)
{
	OWNED_FD int new = -1;
	int r = swap_open_part(swap, "new", &new, err);

	if (r == 0)
		r = move_all(swap, new, swap->place, err);
	/* after the names, so that this is the last that changes its time */
	return r < 0 ? r : swap_attributes_copy(new, swap->place, err);
}

int swap_put_back(struct swap *swap, struct err *err)
{
	OWNED_FD int new = -1, attributes = -1;
	int r = swap_open_part(swap, "new", &new, err);

	if (r == 0)
		r = swap_open_part(swap, "attributes", &attributes, err);
	if (r == 0)
		r = move_all(swap, swap->place, new, err);
	if (r == 0)
		r = swap_attributes_copy(attributes, swap->place, err);
	/* it is not done again */
	return r < 0 ? r : swap_sync(swap->place, swap->target, err);
}

int swap_settle(struct swap *swap, const struct swap_attributes *former,
		struct err *err)
{
	OWNED_FD int old = -1, attributes = -1;
	int r = swap_remove(swap, "new", err);

	if (r < 0 || !swap_has(swap, "attributes"))
		return r;
	r = swap_open_part(swap, "attributes", &attributes, err);
	if (r == 0)
		r = swap_open_part(swap, "old", &old, err);
	if (r == 0)
		r = swap_attributes_copy(attributes, old, err);
	if (r == 0)
		r = swap_set_mtime(old, former, err);
	return r < 0 ? r : swap_remove(swap, "attributes", err);
}
