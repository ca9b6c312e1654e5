/*
 * push_array: a snapshot put on a volume of a FlashArray or a file system of a
 * FlashBlade, as a plan.
 *
 * Around the steps of a push to a directory (push.h), which is where the volume
 * is mounted meanwhile: it is made or taken, connected to this machine, and
 * mounted, and all of that is taken back.  A new volume has a name that is this
 * run's alone until its content is whole, so that whatever is found under it
 * was made by the run.  The plan is made from a run's facts alone; only the
 * token, which is no fact, is asked for again.
 *
 *   push_array.c         the plan
 *   push_array_volume.c  steps: what the array has
 *   push_array_place.c   steps: what this machine has: device, mount
 *   push_array_begin.c   destination, options, first look, questions
 *
 * One thread.
 */
#ifndef VARVE_PUSH_ARRAY_H
#define VARVE_PUSH_ARRAY_H

#include "tools/array_fs.h"
#include "tools/array_volume.h"
#include "tools/device.h"
#include "tools/push.h"

#define PUSH_ARRAY_KIND "push-array"
#define PUSH_ARRAY_PLACES "/run/varve"
#define PUSH_ARRAY_WORK_S 3600	/* of mkfs and its like */

struct push_array {
	struct push push;	/* first: its steps are given the same */
	enum rest_type type;
	const char *endpoint, *name;
	const char *made;	/* what it is called until it is whole; = name
				 * where it was there */
	bool existed, replace, grows;
	uint64_t size;		/* it is to have; 0: as it is */
	struct rest *rest;	/* NULL: not logged in */
	struct rest_journal journal;
	struct device device;	/* path "": not found yet */
};

/* "flasharray:ARRAY/VOLUME" and the like. */
bool push_array_is(const char *destination);
/* varve push SNAPSHOT flasharray:… */
int push_array(struct tool *tool, struct repo *repo,
	       const struct target *tree, struct err *err);

int push_array_make(const struct tool *tool, struct run *run,
		    struct repo *repo, struct push_array *ret,
		    struct err *err);
void push_array_release(struct push_array *array);
#define OWNED_PUSH_ARRAY CLEANUP(push_array_release)

/* push_array_volume.c */
/* Logged in. */
int push_array_rest(struct push_array *array, struct err *err);
/* Which array it is of, in the words of a failure; returns r. */
int push_array_told(const struct push_array *array, int r, struct err *err);
/* What the array gave it, as a fact: serial number or id. */
const char *push_array_serial(const struct push_array *array);
plan_step_fn array_free, array_make, array_unmake, array_resize,
	array_connect, array_disconnect, array_name, array_unname;
/* Is the array as it should be? */
int array_prove(struct push_array *array, enum run_tree tree,
		struct err *err);

/* push_array_place.c */
plan_step_fn array_rescan, array_attached, array_detach, array_format_ready,
	array_format, array_unformat, array_mount_ready, array_mount,
	array_unmount_old, array_look, array_grow, array_unmount;
/* After a restart of the machine: all that was there is so again. */
int array_regain(struct push_array *array, bool back, struct err *err);

#endif
