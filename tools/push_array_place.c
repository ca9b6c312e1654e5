#include "tools/push_array.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "tools/mounting.h"
#include "tools/shell.h"

#define REGAIN_NAP_MS 500

static struct run *run_of(const struct push_array *array)
{
	return array->push.run;
}

static const char *fact_or(const struct push_array *array, const char *key,
			   const char *otherwise)
{
	const char *value = run_fact(run_of(array), key);

	return value ? value : otherwise;
}

static bool is_volume(const struct push_array *array)
{
	return array->type == REST_FLASHARRAY;
}

/* The device. */

static int find_device(struct push_array *array, struct err *err)
{
	if (!is_volume(array) || array->device.path[0])
		return 0;
	return device_find(fact_or(array, "devices", DEVICE_DIR),
			   push_array_serial(array), array->size,
			   &array->device, err);
}

int array_rescan(void *arg, struct err *err)
{
	struct push_array *array = arg;
	const char *command = run_fact(run_of(array), "rescan");
	struct device there = { .size = 0 };
	bool known = device_find(fact_or(array, "devices", DEVICE_DIR),
				 push_array_serial(array), 0, &there,
				 NULL) == 0;
	int r = disk_step_outside(array->made, "look for", err);

	if (r < 0)
		return r;
	if (command)
		return shell_run("looks for new volumes", command,
				 plan_left_ms(&array->push.plan), err);
	return device_rescan(DEVICE_SYS, known ? there.path : NULL, err);
}

int array_attached(void *arg, struct err *err)
{
	struct push_array *array = arg;

	array->device.path[0] = '\0';
	return find_device(array, err);
}

/* Only what this run connected is taken away. */
int array_detach(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct device there;
	int r;

	array->device.path[0] = '\0';
	if (run_flag(run_of(array), "was-connected"))
		return 0;
	r = device_find(fact_or(array, "devices", DEVICE_DIR),
			push_array_serial(array), 0, &there, err);
	if (r == -EAGAIN)
		return 0;
	if (r == 0)
		r = device_check_free(&there, err);
	/* a name space made meanwhile may have it mounted for a while more */
	if (r == -EBUSY)
		return -EAGAIN;
	if (r == 0)
		r = disk_step_outside(there.path, "let go of", err);
	return r < 0 ? r : device_forget(DEVICE_SYS, there.path, err);
}

/* format */

static int refuse_content(const struct push_array *array,
			  const struct device_content *content,
			  struct err *err)
{
	err_set(err, -EEXIST, "the volume '%s' holds %s, which is not written "
		"over", array->name, content->type);
	return err_hint(err, "look what it is; varve makes a file system only "
			"on a volume that is blank");
}

int array_format_ready(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	struct device_content content;
	int r = find_device(array, err);

	if (r == 0)
		r = device_check_free(&array->device, err);
	/* by this run, which was killed at it */
	if (r < 0 || run_flag(run, "was-blank"))
		return r == -EBUSY && run_fact(run, "stop") ? -EAGAIN : r;
	r = device_look(&array->device, &content, err);
	if (r < 0)
		return r;
	if (content.holds == DEVICE_BLANK)
		return run_learn(run, "was-blank", "1", err);
	if (content.holds == DEVICE_FILES && array->existed)
		return run_learn(run, "fs", content.type, err);
	return refuse_content(array, &content, err);
}

int array_format(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	const char *type = run_fact(run, "mkfs");
	int r = find_device(array, err);

	if (r < 0 || !run_flag(run, "was-blank"))
		return r;
	r = disk_step_outside(array->device.path, "make a file system on",
			      err);
	if (r == 0)
		r = device_format(&array->device, type, PUSH_ARRAY_WORK_S, err);
	if (r == 0)
		r = disk_step_outside(array->device.path,
				      "have a file system on", err);
	return r < 0 ? r : run_learn(run, "fs", type, err);
}

/* One that was made is destroyed as it is. */
int array_unformat(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r;

	if (!array->existed || !run_flag(run_of(array), "was-blank"))
		return 0;
	r = find_device(array, err);
	if (r == 0)
		r = device_check_free(&array->device, err);
	return r < 0 ? r : device_blank(&array->device, err);
}

/* mount */

static int take_type(struct push_array *array, struct err *err)
{
	struct device_content content;
	int r = device_look(&array->device, &content, err);

	if (r < 0)
		return r;
	if (content.holds == DEVICE_FILES)
		return run_learn(run_of(array), "fs", content.type, err);
	if (content.holds != DEVICE_BLANK)
		return refuse_content(array, &content, err);
	err_set(err, -ENODATA, "the volume '%s' is blank: it has no file "
		"system", array->name);
	return err_hint(err, "--mkfs ext4, or xfs, makes one");
}

int array_mount_ready(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	int r = find_device(array, err);

	if (r < 0 || !is_volume(array))
		return r;
	r = mounting_look(array->push.swap.target, array->device.rdev, err);
	if (r != 0)
		return r < 0 ? r : 0;
	r = device_check_free(&array->device, err);
	if (r < 0)
		return r == -EBUSY && run_fact(run, "stop") ? -EAGAIN : r;
	return run_fact(run, "fs") ? 0 : take_type(array, err);
}

/* Before it is mounted, where its file system is of that sort. */
int array_grow(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	int r = find_device(array, err);

	if (r == 0)
		r = device_check_free(&array->device, err);
	if (r == 0 && !run_fact(run, "fs"))
		r = take_type(array, err);
	return r < 0 ? r : device_grow(&array->device, run_fact(run, "fs"),
				       NULL, PUSH_ARRAY_WORK_S, err);
}

int array_mount(void *arg, struct err *err)
{
	struct push_array *array = arg;
	const struct run *run = run_of(array);
	OWNED_BUF struct buf source = BUF_INIT;
	struct mounting mounting = {
		.place = array->push.swap.target,
		.type = is_volume(array) ? run_fact(run, "fs") : "nfs",
		.options = run_fact(run, "mount-options"),
		.command = run_fact(run, "mount-command"),
		.timeout_s = PUSH_DEADLINE_S,
	};
	int r = find_device(array, err);

	if (is_volume(array)) {
		buf_append_str(&source, array->device.path);
		mounting.device = array->device.rdev;
	} else {
		buf_printf(&source, "%s:/%s", run_fact(run, "nfs-address"),
			   array->name);
	}
	if (r == 0 && !buf_str(&source))
		r = err_nomem(err);
	mounting.source = (char *)source.data;
	if (r == 0)
		r = disk_step_outside(mounting.place, "mount on", err);
	if (r == 0)
		r = mounting_mount(&mounting, err);
	if (r == 0 && is_volume(array) && array->grows)
		r = device_grow(&array->device, mounting.type, mounting.place,
				PUSH_ARRAY_WORK_S, err);
	return r < 0 ? r : disk_step_outside(mounting.place, "go on with",
					     err);
}

static int look_at_place(struct push_array *array, struct push_place *ret,
			 struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;

	buf_printf(&text, "dir:%s", array->push.swap.target);
	return buf_str(&text) ? push_place_find((char *)text.data, ret, err) :
				err_nomem(err);
}

static void let_go(struct push_array *array)
{
	if (array->push.swap.place >= 0)
		swap_close(&array->push.swap);
	array->push.swap.place = -1;
}

/* It is as it was, or was made and has nothing in it. */
static int prove_old(struct push_array *array, struct err *err)
{
	OWNED_PLACE struct push_place place = { .target = NULL };
	struct push *push = &array->push;
	int r = 0;

	if (push_has_begun_swap(push->run))
		r = push_prove(push, TREE_WHOLLY_OLD, err);
	if (r < 0)
		return push->accept ? 0 : r;
	if (!array->existed) {
		r = look_at_place(array, &place, err);
		if (r == 0 && !place.empty)
			return 0;
	}
	return r < 0 ? r : run_learn(push->run, "old-proved", "1", err);
}

int array_unmount_old(void *arg, struct err *err)
{
	struct push_array *array = arg;
	const char *place = array->push.swap.target;
	struct run *run = run_of(array);
	int r = mounting_look(place, 0, err);

	if (r > 0 && !run_flag(run, "old-proved"))
		r = prove_old(array, err);
	if (r < 0)
		return r;
	r = run_learn(run, "unmounting", "1", err);
	let_go(array);
	return r < 0 ? r : mounting_unmount(place, PUSH_DEADLINE_S, err);
}

int array_unmount(void *arg, struct err *err)
{
	struct push_array *array = arg;
	const char *place = array->push.swap.target;
	int r;

	let_go(array);
	r = disk_step_outside(place, "unmount", err);
	return r < 0 ? r : mounting_unmount(place, PUSH_DEADLINE_S, err);
}

/* What is in it. */

static int take_room(const struct run *run, struct push_room *ret,
		     struct err *err)
{
	int r = run_fact_u64(run, "bytes", &ret->bytes, err);

	return r < 0 ? r : run_fact_u64(run, "inodes", &ret->inodes, err);
}

static int refuse_data(const struct push_array *array, struct err *err)
{
	err_set(err, -ENOTEMPTY, "'%s' holds data", array->push.name);
	return err_hint(err, "--replace puts the snapshot in its place, and "
			"keeps what was there beside it, in the volume");
}

int array_look(void *arg, struct err *err)
{
	OWNED_PLACE struct push_place place = { .target = NULL };
	struct push_array *array = arg;
	struct push *push = &array->push;
	struct push_room room;
	unsigned kept;
	int r = look_at_place(array, &place, err);

	if (r == 0 && !place.entries)
		r = err_set(err, -ENODEV, "nothing is mounted on '%s'",
			    place.target);
	if (r == 0 && !place.empty && !array->replace)
		r = refuse_data(array, err);
	if (r == 0)
		r = push_check_place(&place, fact_or(array, "store", "/"),
				     err);
	if (r == 0)
		r = push_check_others(&place, &kept, err);
	if (r == 0)
		r = take_room(push->run, &room, err);
	if (r == 0)
		r = push_check_room(&place, &room, err);
	if (r == -ENOSPC)
		err_hint(err, "give it a larger --size");
	if (r == 0 && place.keep_lost)
		r = run_learn(push->run, "keep-lost", "1", err);
	if (r < 0)
		return r;
	push->swap.keep_lost = place.keep_lost;
	let_go(array);
	r = swap_open(&push->swap, err);
	/* nobody else's staging directory comes between looking and making */
	return r < 0 ? r : swap_lock(&push->swap, err);
}

/* Again, after a kill or a restart. */

static int regain_device(struct push_array *array, struct err *err)
{
	const struct timespec nap = { .tv_nsec = REGAIN_NAP_MS * 1000000L };
	int64_t left_ms = array->push.deadline_s * 1000;
	int r = array_connect(array, err);

	if (r == 0)
		r = array_rescan(array, err);
	if (r < 0)
		return r;
	while ((r = array_attached(array, err)) == -EAGAIN && left_ms > 0 &&
	       !stopped) {
		nanosleep(&nap, NULL);
		left_ms -= REGAIN_NAP_MS;
	}
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

/* It was mounted, and should be so still. */
static bool wants_mount(const struct run *run)
{
	enum step_state mount = run_step_state(run, "mount");

	return (mount == STEP_DONE || mount == STEP_UNDOING) &&
	       !run_flag(run, "unmounting") &&
	       run_step_state(run, "unmount") == STEP_NEW;
}

/* To go on it is there until it is let go of; to go back it is wanted by what
 * makes a blank volume blank again. */
static bool wants_device(const struct push_array *array, bool back)
{
	const struct run *run = run_of(array);
	enum step_state format = run_step_state(run, "format");

	if (!is_volume(array) || run_step_state(run, "attach") != STEP_DONE)
		return false;
	if (back)
		return array->existed && run_flag(run, "was-blank") &&
		       format != STEP_NEW && format != STEP_UNDONE;
	return run_step_state(run, "unmount") == STEP_NEW;
}

int array_regain(struct push_array *array, bool back, struct err *err)
{
	const struct run *run = run_of(array);
	bool mount = wants_mount(run);
	int r = 0;

	if (mount)
		r = mounting_look(array->push.swap.target, 0, err);
	if (r == 0 && is_volume(array) &&
	    (mount || wants_device(array, back)) &&
	    find_device(array, err) == -EAGAIN)
		r = regain_device(array, err);
	if (r >= 0 && mount) {
		r = array_mount_ready(array, err);
		if (r == 0)
			r = array_mount(array, err);
	}
	if (r < 0)
		return err_wrap(err, "cannot have again what was there");
	if (!mount || (run_step_state(run, "look") != STEP_DONE &&
		       run_step_state(run, "claim") == STEP_NEW))
		return 0;
	return swap_open(&array->push.swap, err);
}
