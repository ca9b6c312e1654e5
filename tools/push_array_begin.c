#include "tools/push_array.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/format.h"
#include "tools/runs.h"

static const struct scheme {
	const char *prefix, *type;
	enum rest_type kind;
} schemes[] = {
	{ "flasharray:", "flasharray", REST_FLASHARRAY },
	{ "fa:", "flasharray", REST_FLASHARRAY },
	{ "flashblade:", "flashblade", REST_FLASHBLADE },
	{ "fb:", "flashblade", REST_FLASHBLADE },
	{ .prefix = NULL },
};

/* Options whose value is a fact as it is. */
static const char *const plain[] = {
	"rescan", "mount-options", "mount-command", NULL
};
static const char *const for_volumes[] = {
	"mkfs", "host", "devices", "rescan", NULL
};
static const char *const for_files[] = { "nfs-address", "nfs-rules", NULL };

static const struct scheme *scheme_of(const char *destination)
{
	for (const struct scheme *s = schemes; s->prefix; s++)
		if (!strncmp(destination, s->prefix, strlen(s->prefix)))
			return s;
	return NULL;
}

bool push_array_is(const char *destination)
{
	return scheme_of(destination) != NULL;
}

static const char *value(const struct push_array *a, const char *name)
{
	return option_value(&a->push.tool->options, name);
}

static bool is_volume(const struct push_array *a)
{
	return a->type == REST_FLASHARRAY;
}

/* What does not belong to it is not passed over. */
static int refuse_options(const struct push_array *a,
			  const char *const *names, struct err *err)
{
	for (; *names; names++)
		if (option_given(&a->push.tool->options, *names))
			return err_set(err, -EINVAL, "--%s is not for a %s",
				       *names, is_volume(a) ? "FlashArray" :
				       "FlashBlade");
	return 0;
}

static int learn_destination(struct push_array *a, const char *destination,
			     struct err *err)
{
	const struct scheme *scheme = scheme_of(destination);
	const char *array = destination + strlen(scheme->prefix);
	const char *slash = strchr(array, '/');
	struct run *run = a->push.run;
	int r;

	a->type = scheme->kind;
	if (!slash || slash == array ||
	    !(is_volume(a) ? volume_is_name(slash + 1) :
			     array_fs_is_name(slash + 1))) {
		err_set(err, -EINVAL, "'%s' names no %s", destination,
			is_volume(a) ? "volume" : "file system");
		return err_hint(err, is_volume(a) ?
				"as flasharray:10.0.0.5/VOLUME" :
				"as flashblade:10.0.0.6/FILESYSTEM");
	}
	r = run_learn(run, "type", scheme->type, err);
	if (r == 0)
		r = run_learnf(run, err, "array", "%.*s",
			       (int)(slash - array), array);
	if (r == 0)
		r = run_learn(run, "name", slash + 1, err);
	a->endpoint = run_fact(run, "array");
	a->name = run_fact(run, "name");
	return r;
}

/* A path that also holds elsewhere. */
static int learn_path(struct push_array *a, const char *name, struct err *err)
{
	const char *given = value(a, name);
	CLEANUP(free_ptr) char *real = given ? realpath(given, NULL) : NULL;

	if (!given)
		return 0;
	return real ? run_learn(a->push.run, name, real, err) :
		      err_sys(err, "--%s '%s'", name, given);
}

static int learn_options(struct push_array *a, struct err *err)
{
	const struct options *o = &a->push.tool->options;
	struct run *run = a->push.run;
	int64_t seconds = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && plain[i]; i++)
		if (value(a, plain[i]))
			r = run_learn(run, plain[i], value(a, plain[i]), err);
	if (r == 0)
		r = learn_path(a, "tokens", err);
	if (r == 0)
		r = learn_path(a, "ca-file", err);
	if (r == 0)
		r = learn_path(a, "devices", err);
	if (r == 0)
		r = push_learn_flag(run, "insecure",
				    option_given(o, "insecure"), err);
	if (r == 0)
		r = push_learn_flag(run, "replace",
				    option_given(o, "replace"), err);
	if (r == 0)
		r = push_learn_flag(run, "discard",
				    option_given(o, "discard-old"), err);
	if (r == 0 && value(a, "timeout")) {
		r = duration_parse(value(a, "timeout"), &seconds, err);
		if (r == 0 && seconds < 1)
			r = err_set(err, -EINVAL, "--timeout '%s' is no time",
				    value(a, "timeout"));
		if (r == 0)
			r = run_learnf(run, err, "timeout", "%" PRId64,
				       seconds);
	}
	if (r == 0 && value(a, "owner"))
		r = push_learn_owner(value(a, "owner"), run, err);
	return r;
}

static int learn_place(struct push_array *a, struct err *err)
{
	const char *given = value(a, "mount-dir");
	CLEANUP(free_ptr) char *real = given ? realpath(given, NULL) : NULL;
	int r;

	if (given && !real)
		return err_sys(err, "--mount-dir '%s'", given);
	r = run_learnf(a->push.run, err, "place", "%s/%s", real ? real :
		       PUSH_ARRAY_PLACES, a->push.run->id);
	return r < 0 ? r : run_learn(a->push.run, "entries", "1", err);
}

/* The array's first answers. */

static int refuse_destroyed(const struct push_array *a, struct err *err)
{
	err_set(err, -EEXIST, "'%s' is destroyed on '%s', and keeps its name "
		"until it is eradicated", a->name, a->endpoint);
	return err_hint(err, "recover it, or eradicate it, on the array");
}

static int take_size(struct push_array *a, uint64_t present, struct err *err)
{
	const char *given = value(a, "size");
	char have[SIZE_TEXT];
	int r = 0;

	a->size = present;
	if (given)
		r = size_parse(given, &a->size, err);
	if (r < 0)
		return err_wrap(err, "--size");
	if (!a->existed && !given) {
		err_set(err, -EINVAL, "'%s' has no %s '%s', and to make it "
			"takes --size", a->endpoint, is_volume(a) ? "volume" :
			"file system", a->name);
		return err_hint(err, "--size 100G makes one");
	}
	size_text(present, have);
	if (a->size < present)
		return err_set(err, -EINVAL, "--size '%s' is less than the %s "
			       "that '%s' has: it is not made smaller", given,
			       have, a->name);
	if (is_volume(a) && (a->size % VOLUME_UNIT || a->size < VOLUME_MIN))
		return err_set(err, -EINVAL, "--size '%s' is no size of a "
			       "volume: 1M or more, in units of 512 bytes",
			       given ? given : have);
	a->grows = a->existed && a->size > present;
	r = push_learn_flag(a->push.run, "grows", a->grows, err);
	return r < 0 ? r : run_learnf(a->push.run, err, "size", "%" PRIu64,
				      a->size);
}

/* What a new volume is called until it is whole: this run's alone. */
static int learn_made(struct push_array *a, struct err *err)
{
	struct run *run = a->push.run;
	const char *base = strrchr(a->name, '/');
	const char *pod = strrchr(a->name, ':');
	size_t outer;

	if (pod > base)
		base = pod;
	outer = base ? (size_t)(base + 1 - a->name) : 0;
	if (a->existed || !is_volume(a))
		return run_learn(run, "made", a->name, err);
	if (strlen(a->name + outer) + strlen("-varve-") + strlen(run->id) <=
	    VOLUME_NAME_MAX)
		return run_learnf(run, err, "made", "%s-varve-%s", a->name,
				  run->id);
	return run_learnf(run, err, "made", "%.*svarve-%s", (int)outer,
			  a->name, run->id);
}

static int learn_mkfs(struct push_array *a, struct err *err)
{
	const char *mkfs = value(a, "mkfs");

	if (mkfs && !device_can_format(mkfs))
		return err_set(err, -EINVAL, "--mkfs '%s' is neither ext4 nor "
			       "xfs", mkfs);
	if (!mkfs && !a->existed) {
		err_set(err, -EINVAL, "a new volume has no file system");
		return err_hint(err, "--mkfs ext4, or xfs, makes one");
	}
	return mkfs ? run_learn(a->push.run, "mkfs", mkfs, err) : 0;
}

static int learn_host(struct push_array *a, struct err *err)
{
	struct run *run = a->push.run;
	char host[VOLUME_TEXT] = "";
	struct volume_users users = { .ours = false };
	int r = push_array_told(a, volume_host(a->rest, value(a, "host"),
					       "/etc", DEVICE_SYS, host, err),
				err);

	if (r == 0)
		r = run_learn(run, "host", host, err);
	if (r < 0 || !a->existed)
		return r;
	a->made = a->name;
	r = push_array_told(a, volume_users(a->rest, a->name, host, &users,
					    err), err);
	if (r == 0)
		r = push_learn_flag(run, "was-connected", users.ours, err);
	/* with --stop it is looked at when that was done */
	return r < 0 || run_fact(run, "stop") ? r : array_free(a, err);
}

static int look_at_volume(struct push_array *a, struct err *err)
{
	struct run *run = a->push.run;
	struct volume volume = { .size = 0 };
	int r = volume_find(a->rest, a->name, &volume, err);

	if (r < 0 && r != -ENOENT)
		return push_array_told(a, r, err);
	a->existed = r == 0;
	if (volume.destroyed)
		return refuse_destroyed(a, err);
	r = take_size(a, volume.size, err);
	if (r == 0)
		r = learn_mkfs(a, err);
	if (r == 0 && a->existed)
		r = run_learn(run, "serial", volume.serial, err);
	return r < 0 ? r : learn_host(a, err);
}

static int learn_nfs(struct push_array *a, struct err *err)
{
	const char *rules = value(a, "nfs-rules");
	const char *given = value(a, "nfs-address");
	char address[FS_TEXT] = "", own[FS_TEXT] = "";
	int r = given ? 0 : push_array_told(a, array_fs_address(a->rest,
					    address, err), err);

	if (r == 0)
		r = run_learn(a->push.run, "nfs-address", given ? given :
			      address, err);
	if (r < 0 || a->existed)
		return r;
	if (rules)
		return run_learn(a->push.run, "nfs-rules", rules, err);
	r = array_fs_own_address(given ? given : address, own, err);
	return r < 0 ? r : run_learnf(a->push.run, err, "nfs-rules",
				      "%s(rw,no_root_squash)", own);
}

static int look_at_fs(struct push_array *a, struct err *err)
{
	struct array_fs fs = { .size = 0 };
	int r = array_fs_find(a->rest, a->name, &fs, err);

	if (r < 0 && r != -ENOENT)
		return push_array_told(a, r, err);
	a->existed = r == 0;
	if (fs.destroyed)
		return refuse_destroyed(a, err);
	if (a->existed && !fs.nfs)
		return err_set(err, -EINVAL, "'%s' is not exported by NFS on "
			       "'%s'", a->name, a->endpoint);
	r = take_size(a, fs.size, err);
	if (r == 0 && a->existed)
		r = run_learn(a->push.run, "fs-id", fs.id, err);
	if (r == 0 && a->existed)
		note(a->push.tool, "'%s' does not tell who else has '%s' "
		     "mounted: nobody may be writing to it", a->endpoint,
		     a->name);
	return r < 0 ? r : learn_nfs(a, err);
}

static int look(struct push_array *a, struct err *err)
{
	struct run *run = a->push.run;
	int r = push_array_rest(a, err);

	if (r == 0)
		r = is_volume(a) ? look_at_volume(a, err) : look_at_fs(a, err);
	if (r < 0)
		return r;
	r = push_learn_flag(run, "existed", a->existed, err);
	/* unless it is asked for, only an empty one is pushed to */
	if (r == 0)
		r = push_learn_flag(run, "empty", !a->existed ||
				    !run_flag(run, "replace"), err);
	return r < 0 ? r : learn_made(a, err);
}

static int learn_room(struct push_array *a, const struct push_room *room,
		      struct err *err)
{
	char want[SIZE_TEXT], have[SIZE_TEXT];
	int r = run_learnf(a->push.run, err, "bytes", "%" PRIu64,
			   room->bytes);

	if (r == 0)
		r = run_learnf(a->push.run, err, "inodes", "%" PRIu64,
			       room->inodes);
	if (r < 0 || a->size >= room->bytes)
		return r;
	size_text(room->bytes, want);
	size_text(a->size, have);
	err_set(err, -ENOSPC, "the tree takes %s, and '%s' has %s", want,
		a->name, have);
	return err_hint(err, "a larger --size");
}

static int learn_all(const struct tool *tool, struct repo *repo,
		     const struct target *tree, struct run *run,
		     struct push_room *room, struct rest **ret_rest,
		     struct err *err)
{
	const char *destination = tool->options.words[1];
	struct push_array a = { .push = { .tool = tool, .run = run } };
	OWNED_BUF struct buf target = BUF_INIT;
	int r = learn_destination(&a, destination, err);

	if (r == 0)
		r = refuse_options(&a, is_volume(&a) ? for_files : for_volumes,
				   err);
	if (r < 0)
		return r;
	buf_printf(&target, "%s:%s/%s", run_fact(run, "type"), a.endpoint,
		   a.name);
	r = buf_str(&target) ? push_learn(tool, repo, tree, PUSH_ARRAY_KIND,
					  (char *)target.data, run, err) :
			       err_nomem(err);
	if (r == 0)
		r = learn_options(&a, err);
	if (r == 0)
		r = learn_place(&a, err);
	if (r == 0)
		r = push_measure(tree->tree, &tree->node, room, err);
	if (r == 0)
		r = look(&a, err);
	*ret_rest = a.rest;
	return r < 0 ? r : learn_room(&a, room, err);
}

static int ask(const struct push_array *a, struct err *err)
{
	const struct run *run = a->push.run;
	OWNED_BUF struct buf question = BUF_INIT;

	buf_printf(&question, !a->existed ? "make '%s', and put %s in it?" :
		   !a->replace ? "put '%s' to use, and %s in it?" :
		   "replace what is in '%s' by %s?", a->push.name,
		   run_fact(run, "label"));
	if (!buf_str(&question))
		return err_nomem(err);
	return confirm(option_given(&a->push.tool->options, "yes"),
		       (char *)question.data, err);
}

static int begin(const struct tool *tool, struct repo *repo,
		 struct push_array *a, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	struct run *run = a->push.run;
	int r = runs_open(tool, repo, true, &dir, err);

	run->dir = &dir;
	if (r == 0)
		r = runs_refuse_other(&dir, a->push.name, err);
	if (r == 0)
		r = run_start(run, err);
	if (r < 0)
		return r;
	say(tool, "Run %s.", run->id);
	return push_end(tool, &a->push, plan_go(&a->push.plan, run, err),
			err);
}

int push_array(struct tool *tool, struct repo *repo,
	       const struct target *tree, struct err *err)
{
	OWNED_RUN struct run run = RUN_INIT;
	OWNED_PUSH_ARRAY struct push_array a = {
		.push = { .swap.place = -1, .tree = TARGET_INIT },
	};
	struct rest *rest = NULL;
	struct push_room room;
	int r = run_new(NULL, &run, err);

	if (r == 0)
		r = learn_all(tool, repo, tree, &run, &room, &rest, err);
	if (r == 0)
		r = push_array_make(tool, &run, repo, &a, err);
	a.rest = rest;
	if (r < 0)
		return r;
	if (option_given(&tool->options, "dry-run")) {
		push_print_plan(&a.push, &room);
		return DONE;
	}
	if (!option_given(&tool->options, "yes")) {
		push_print_plan(&a.push, &room);
		fflush(stdout);
	}
	r = ask(&a, err);
	if (r == 0)
		say(tool, "Nothing was done.");
	return r <= 0 ? (r < 0 ? r : FAILED) : begin(tool, repo, &a, err);
}
