#include "tools/push.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "fs/out/restore.h"
#include "tools/format.h"
#include "tools/progress.h"

static void show_progress(void *arg, uint64_t files, uint64_t bytes,
			  uint64_t total_files, uint64_t total_bytes)
{
	const struct push *push = arg;
	struct progress_state state = {
		.phase = push->phase, .done = bytes, .total = total_bytes,
		.is_bytes = true, .files = files, .grown = NOT_KNOWN,
	};

	(void)total_files;
	progress_show(&state);
}

static void show_warning(void *arg, const char *sentence)
{
	(void)arg;
	warn("%s", sentence);
}

/* The user's stop, and a fault that a test asked for. */
static void look_at_stop(struct push *push)
{
	if (stopped)
		push->halt = 1;
}

static void see_staged(void *arg, char sign, const char *path)
{
	struct push *push = arg;

	(void)sign;
	if (!push->met.code && disk_step_outside(path, "stage", &push->met) < 0)
		push->halt = 1;
	look_at_stop(push);
}

static void see_change(void *arg, char sign, const char *path)
{
	struct push *push = arg;

	if (sign == '+' && push->incomplete) {
		push->missing++;
		return;
	}
	if (push->changes++ == 0)
		snprintf(push->first_change, sizeof(push->first_change),
			 "%s", path);
	look_at_stop(push);
}

int push_run_restore(struct push *push, const char *target, bool verify,
		     struct restore_report *report, struct err *err)
{
	static const char *const not_here[] = { "/" SWAP_PREFIX "*",
						"/" LOST_FOUND };
	struct restore_options options = {
		.target = target,
		.delete = true,
		/* what an earlier try left has no name for being right */
		.checksum = true,
		.dry_run = verify,
		.owner = push->owner,
		.exclude = not_here,
		.exclude_count = !push->swap.entries ? 0 :
				 push->swap.keep_lost ? 2 : 1,
		.change = verify ? see_change : see_staged,
		.warn = show_warning,
		.progress = show_progress,
		.arg = push,
		.stop = &push->halt,
	};
	int r;

	push->halt = 0;
	push->changes = push->missing = 0;
	push->met = (struct err)ERR_INIT;
	push->phase = verify ? "reading back" : "staging";
	progress_start(push->quiet);
	r = restore(push->tree.tree, &push->tree.node, &options, report, err);
	progress_end();
	if (push->met.code) {
		if (err)
			*err = push->met;
		return push->met.code;
	}
	if (r == -ECANCELED || (r >= 0 && stopped && push->halt))
		return err_set(err, -ECANCELED, "stopped");
	return r;
}

int push_stage(void *arg, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct restore_report report;
	struct push *push = arg;
	int r = push_open_tree(push, err);

	if (r == 0)
		r = swap_path(&push->swap, "new", &path, err);
	if (r == 0)
		r = push_run_restore(push, (char *)path.data, false, &report, err);
	if (r == 0 && report.failed && !push->incomplete)
		return err_set(err, -EIO, "%s could not be staged; the warnings "
			       "above name them",
			       counted(report.failed, "entry").s);
	if (r == 0 && report.failed)
		r = push_notef(push, err, "failed", "%" PRIu64,
				report.failed);
	return r;
}

/* The bytes from the disk against the snapshot's, and all attributes. */
static int compare(struct push *push, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct restore_report report;
	uint64_t failed = 0;
	int r = swap_path(&push->swap, "new", &path, err);

	if (r == 0 && push_fact(push, "failed"))
		r = push_fact_u64(push, "failed", &failed, err);
	if (r == 0)
		r = push_run_restore(push, (char *)path.data, true, &report, err);
	if (r < 0)
		return r;
	if (report.failed && !push->incomplete)
		return err_set(err, -EIO, "%s could not be read back; the "
			       "warnings above name them",
			       counted(report.failed, "entry").s);
	if (push->missing > failed)
		return err_set(err, -EIO, "%s more than could not be read "
			       "is missing of what was staged",
			       counted(push->missing - failed, "entry").s);
	if (push->changes)
		return err_set(err, -EIO, "what was staged is not what the "
			       "snapshot has: %s, the first '%s'",
			       counted(push->changes, "difference").s,
			       push->first_change);
	return 0;
}

int push_verify(void *arg, struct err *err)
{
	char text[SWAP_MARK_TEXT], top[SWAP_ATTRIBUTES_TEXT];
	CLEANUP(disk_close_fd) int fd = -1;
	OWNED_BUF struct buf path = BUF_INIT;
	struct swap_attributes attributes;
	struct push *push = arg;
	struct swap_mark mark;
	struct stat st;
	struct disk_dir dir;
	int r = push_open_tree(push, err);

	if (r == 0)
		r = swap_path(&push->swap, "new", &path, err);
	if (r == 0)
		r = disk_open((char *)path.data, &dir, err);
	if (r < 0)
		return r;
	fd = dup(dir.fd);
	disk_close(&dir);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot look at '%s'", (char *)path.data);
	r = swap_mark(fd, NULL, true, &mark, err);
	if (r == 0)
		r = compare(push, err);
	if (r == 0)
		r = swap_attributes_get(fd, &attributes, err);
	if (r < 0)
		return r;
	swap_mark_text(&mark, text);
	swap_attributes_text(&attributes, top);
	r = push_note(push, "new-mark", text, err);
	if (r == 0)
		r = push_note(push, "new-top", top, err);
	return r < 0 ? r : push_notef(push, err, "new-inode", "%" PRIu64,
					(uint64_t)st.st_ino);
}
