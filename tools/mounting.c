#include "tools/mounting.h"

#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/out/mounts.h"
#include "tools/child.h"

#define PLACE_MODE 0700

struct looking {
	const char *place;
	bool found;
};

static int see(void *arg, const struct mount_row *row, struct err *err)
{
	struct looking *looking = arg;

	(void)err;
	looking->found |= !strcmp(row->place, looking->place);
	return 0;
}

int mounting_look(const char *place, dev_t device, struct err *err)
{
	struct looking looking = { .place = place };
	struct stat st;
	int r = mounts_each(see, &looking, err);

	if (r < 0 || !looking.found)
		return r;
	if (!device)
		return 1;
	if (stat(place, &st) < 0)
		return err_sys(err, "cannot look at '%s'", place);
	if (st.st_dev == device)
		return 1;
	return err_set(err, -EBUSY, "another file system is mounted on '%s'",
		       place);
}

/* The directory, and those above it, empty. */
static int make_place(const char *place, struct err *err)
{
	CLEANUP(free_ptr) char *path = strdup(place);

	if (!path)
		return err_nomem(err);
	for (char *at = path + 1; (at = strchr(at, '/')); at++) {
		*at = '\0';
		if (mkdir(path, PLACE_MODE) < 0 && errno != EEXIST)
			return err_sys(err, "cannot make '%s'", path);
		*at = '/';
	}
	if (mkdir(path, PLACE_MODE) == 0)
		return 0;
	if (errno != EEXIST)
		return err_sys(err, "cannot make '%s'", path);
	/* one that a run left that was killed is empty */
	if (rmdir(path) < 0 || mkdir(path, PLACE_MODE) < 0)
		return err_sys(err, "cannot mount on '%s'", path);
	return 0;
}

int mounting_mount(const struct mounting *m, struct err *err)
{
	const char *const usual[] = {
		"mount", "-t", m->type, "-o", m->options ? m->options : "rw",
		m->source, m->place, NULL,
	};
	OWNED_BUF struct buf text = BUF_INIT;
	const char *own[] = { "sh", "-c", NULL, "sh", m->source, m->place,
			      NULL };
	int r = mounting_look(m->place, m->device, err);

	if (r != 0)
		return r < 0 ? r : 0;
	r = make_place(m->place, err);
	if (r < 0)
		return r;
	buf_printf(&text, "%s \"$@\"", m->command ? m->command : "");
	own[2] = buf_str(&text);
	if (!own[2])
		return err_nomem(err);
	r = child_do(m->command ? own : usual, m->timeout_s, err);
	if (r < 0)
		return err_wrap(err, "cannot mount '%s'", m->source);
	r = mounting_look(m->place, m->device, err);
	if (r == 0)
		return err_set(err, -ENODEV, "nothing is mounted on '%s', "
			       "though mounting ended well", m->place);
	return r < 0 ? r : 0;
}

int mounting_unmount(const char *place, int64_t timeout_s, struct err *err)
{
	const char *const argv[] = { "umount", place, NULL };
	int r = mounting_look(place, 0, err);

	if (r > 0)
		r = child_do(argv, timeout_s, err);
	if (r < 0)
		return err_wrap(err, "cannot unmount '%s'", place);
	return rmdir(place) == 0 || errno == ENOENT ? 0 :
	       err_sys(err, "cannot remove '%s'", place);
}
