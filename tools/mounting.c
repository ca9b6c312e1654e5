#include "tools/mounting.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/out/mounts.h"
#include "tools/child.h"

#define SAYS_MAX (64u << 10)
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

/* What mount and umount say is theirs to be told. */
static int run(const char *const *argv, int64_t timeout_s, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = -1 };
	int r = child_run(argv, SAYS_MAX, timeout_s, &end, err);

	if (r < 0)
		return r;
	if (end.late)
		return err_set(err, -ETIMEDOUT, "'%s' did not end within %"
			       PRId64 " s", argv[0], timeout_s);
	while (end.said.len && end.said.data[end.said.len - 1] <= ' ')
		end.said.len--;
	return end.status == 0 ? 0 :
	       err_set(err, -EIO, "'%s' failed with status %d: %.*s", argv[0],
		       end.status, (int)(end.said.len < 400 ? end.said.len :
		       400), end.said.len ? (const char *)end.said.data : "");
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
	r = run(m->command ? own : usual, m->timeout_s, err);
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
		r = run(argv, timeout_s, err);
	if (r < 0)
		return err_wrap(err, "cannot unmount '%s'", place);
	return rmdir(place) == 0 || errno == ENOENT ? 0 :
	       err_sys(err, "cannot remove '%s'", place);
}
