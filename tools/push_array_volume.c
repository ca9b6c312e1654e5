#include "tools/push_array.h"

#include <string.h>

#include "tools/tokens.h"

#define TIMEOUT_S 60		/* of a call, where nothing else is said */

static struct run *run_of(const struct push_array *array)
{
	return array->push.run;
}

static bool is_volume(const struct push_array *array)
{
	return array->type == REST_FLASHARRAY;
}

/* All that is asked for is written down. */
static void watch(struct push_array *array)
{
	array->journal.run = array->push.run;
	array->journal.array = array->endpoint;
	rest_watch(array->rest, rest_journal_note, &array->journal);
}

int push_array_rest(struct push_array *array, struct err *err)
{
	const struct run *run = run_of(array);
	struct rest_options options = {
		.endpoint = array->endpoint, .type = array->type,
		.ca_file = run_fact(run, "ca-file"),
		.insecure = run_flag(run, "insecure"),
		.timeout_s = TIMEOUT_S,
	};
	uint64_t timeout;
	char *token;
	int r = 0;

	if (array->rest) {
		watch(array);
		return 0;
	}
	if (run_fact(run, "timeout")) {
		r = run_fact_u64(run, "timeout", &timeout, err);
		options.timeout_s = (int64_t)timeout;
	}
	if (r == 0)
		r = token_find(run_fact(run, "tokens"), array->endpoint,
			       &token, err);
	if (r < 0)
		return r;
	options.token = token;
	r = rest_open(&options, &array->rest, err);
	token_wipe(token);
	if (r < 0)
		return r == -ECANCELED ? r : err_wrap(err, "'%s'",
						      array->endpoint);
	watch(array);
	return 0;
}

int push_array_told(const struct push_array *array, int r, struct err *err)
{
	if (r >= 0 || r == -EAGAIN || r == -ECANCELED || r == -ENOMEM)
		return r;
	err_wrap(err, "'%s'", array->endpoint);
	/* the damage is not the store's */
	if (r == -EBADMSG && err)
		err->code = -EIO;
	return r == -EBADMSG ? -EIO : r;
}

const char *push_array_serial(const struct push_array *array)
{
	const char *serial = run_fact(run_of(array), is_volume(array) ?
				      "serial" : "fs-id");

	return serial ? serial : "";
}

/* What it is called now: by its serial number where that may be either. */
static int name_now(struct push_array *array, const char **ret,
		    struct err *err)
{
	struct volume volume;
	int r;

	*ret = array->made;
	if (run_step_state(run_of(array), "name") == STEP_NEW)
		return 0;
	r = volume_find(array->rest, array->name, &volume, err);
	if (r == 0 && !strcmp(volume.serial, push_array_serial(array)))
		*ret = array->name;
	return r == -ENOENT ? 0 : r;
}

/* Only this machine may have it, or nobody. */
int array_free(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	const char *host = run_fact(run, "host");
	struct volume_users users = { .ours = false };
	struct volume volume;
	int r = push_array_rest(array, err);

	if (r == 0)
		r = volume_find_same(array->rest, array->made,
				     push_array_serial(array), &volume, err);
	if (r == 0)
		r = volume_users(array->rest, array->made, host, &users, err);
	if (r < 0)
		return push_array_told(array, r, err);
	if (!users.others)
		return 0;
	r = err_set(err, run_fact(run, "stop") ? -EAGAIN : -EBUSY,
		    "the volume '%s' is connected to '%s'", array->made,
		    users.other);
	err_hint(err, "stop what uses it there and disconnect it, or say with "
		 "--stop and --start how that is done");
	return r;
}

/* make */

static int make_volume(struct push_array *array, struct err *err)
{
	struct volume volume;
	int r = volume_make(array->rest, array->made, array->size, &volume,
			    err);

	return r < 0 ? r : run_learn(run_of(array), "serial", volume.serial,
				     err);
}

/* Is what is found what was asked for, and by this run? */
static bool fits(const struct push_array *array, const struct array_fs *fs)
{
	const char *rules = run_fact(run_of(array), "nfs-rules");

	return fs->size == array->size && rules && !strcmp(fs->rules, rules);
}

static int make_fs(struct push_array *array, struct err *err)
{
	struct run *run = run_of(array);
	bool before = run_flag(run, "asked");
	struct array_fs fs;
	int r = run_learn(run, "asked", "1", err);

	if (r == 0)
		r = array_fs_make(array->rest, array->name, array->size,
				  run_fact(run, "nfs-rules"), &fs, err);
	/* asked for before a kill: whether it is empty is looked at later */
	if (r == -EEXIST && before && fits(array, &fs) && !fs.destroyed)
		r = 0;
	return r < 0 ? r : run_learn(run, "fs-id", fs.id, err);
}

int array_make(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r = push_array_rest(array, err);

	if (r < 0)
		return r;
	if (*push_array_serial(array))
		return 0;
	return push_array_told(array, is_volume(array) ? make_volume(array, err) :
					      make_fs(array, err), err);
}

static int unmake_volume(struct push_array *array, struct err *err)
{
	const char *serial = push_array_serial(array);
	struct volume_users users;
	struct volume volume;
	int r = volume_find(array->rest, array->made, &volume, err);

	if (r == -ENOENT || (r == 0 && volume.destroyed))
		return 0;
	if (r == 0)
		r = volume_users(array->rest, array->made, NULL, &users, err);
	if (r < 0)
		return r;
	if (users.others)
		return err_set(err, -EBUSY, "the volume '%s' is connected to "
			       "'%s' meanwhile, and is not destroyed",
			       array->made, users.other);
	return volume_destroy(array->rest, array->made, *serial ? serial :
			      NULL, err);
}

static int unmake_fs(struct push_array *array, struct err *err)
{
	struct run *run = run_of(array);
	const char *id = push_array_serial(array);
	struct err kept = ERR_INIT;
	struct array_fs fs;
	int r;

	if (!run_flag(run, "asked"))
		return 0;
	r = array_fs_find(array->rest, array->name, &fs, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (!*id && !fits(array, &fs))
		return 0;
	r = array_fs_destroy(array->rest, array->name, id, err);
	/* what was seen empty, or that nothing was written to, gives its name
	 * back */
	if (r < 0 || !*id || (!run_flag(run, "old-proved") &&
			      run_step_state(run, "claim") != STEP_NEW))
		return r;
	r = array_fs_eradicate(array->rest, array->name, id, &kept);
	if (r < 0)
		warn("'%s' stays destroyed on the array, and keeps its name "
		     "until it is eradicated: %s", array->name, kept.text);
	return r == -ENOMEM ? r : 0;
}

int array_unmake(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r = push_array_rest(array, err);

	if (r < 0)
		return r;
	return push_array_told(array, is_volume(array) ? unmake_volume(array, err) :
					      unmake_fs(array, err), err);
}

int array_resize(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r = push_array_rest(array, err);

	if (r == 0)
		r = is_volume(array) ?
			volume_resize(array->rest, array->name,
				      push_array_serial(array), array->size,
				      err) :
			array_fs_resize(array->rest, array->name, array->size,
					err);
	return push_array_told(array, r, err);
}

int array_connect(void *arg, struct err *err)
{
	struct push_array *array = arg;
	const char *name;
	int r = push_array_rest(array, err);

	if (r == 0)
		r = name_now(array, &name, err);
	if (r == 0)
		r = volume_connect(array->rest, name,
				   run_fact(run_of(array), "host"), err);
	return push_array_told(array, r, err);
}

int array_disconnect(void *arg, struct err *err)
{
	struct push_array *array = arg;
	struct run *run = run_of(array);
	const char *name;
	int r;

	if (run_flag(run, "was-connected"))
		return 0;
	r = push_array_rest(array, err);
	if (r == 0)
		r = name_now(array, &name, err);
	if (r == 0)
		r = volume_disconnect(array->rest, name, run_fact(run, "host"),
				      err);
	return push_array_told(array, r, err);
}

int array_name(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r = push_array_rest(array, err);

	if (r == 0)
		r = volume_rename(array->rest, array->made, array->name,
				  push_array_serial(array), err);
	return push_array_told(array, r, err);
}

int array_unname(void *arg, struct err *err)
{
	struct push_array *array = arg;
	int r = push_array_rest(array, err);

	if (r == 0)
		r = volume_rename(array->rest, array->name, array->made,
				  push_array_serial(array), err);
	return push_array_told(array, r, err);
}

/* The proof. */

static int is_there(struct push_array *array, struct err *err)
{
	struct volume volume;
	struct array_fs fs;
	int r;

	if (is_volume(array))
		return volume_find_same(array->rest, array->name,
					push_array_serial(array), &volume,
					err);
	r = array_fs_find(array->rest, array->name, &fs, err);
	if (r < 0)
		return r;
	if (fs.destroyed || strcmp(fs.id, push_array_serial(array)) != 0)
		return err_set(err, -ESTALE, "'%s' is another file system now, "
			       "or destroyed", array->name);
	return 0;
}

/* Made by this run, and gone again. */
static int is_gone(struct push_array *array, struct err *err)
{
	struct volume volume = { .destroyed = false };
	struct array_fs fs = { .destroyed = false };
	bool ours, destroyed;
	int r;

	if (is_volume(array))
		r = volume_find(array->rest, array->made, &volume, err);
	else
		r = array_fs_find(array->rest, array->name, &fs, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	ours = is_volume(array) || !strcmp(fs.id, push_array_serial(array));
	destroyed = is_volume(array) ? volume.destroyed : fs.destroyed;
	return !ours || destroyed ? 0 :
	       err_set(err, -EUCLEAN, "'%s' is still there", array->made);
}

static int is_apart(struct push_array *array, struct err *err)
{
	const struct run *run = run_of(array);
	struct volume_users users;
	int r;

	if (!is_volume(array) || run_flag(run, "was-connected"))
		return 0;
	r = volume_users(array->rest, array->name, run_fact(run, "host"),
			 &users, err);
	if (r < 0 || !users.ours)
		return r;
	return err_set(err, -EUCLEAN, "'%s' is still connected to this "
		       "machine", array->name);
}

int array_prove(struct push_array *array, enum run_tree tree,
		struct err *err)
{
	int r = push_array_rest(array, err);

	if (r == 0 && tree == TREE_WHOLLY_OLD && !array->existed)
		r = is_gone(array, err);
	else if (r == 0)
		r = is_there(array, err);
	if (r == 0 && tree == TREE_WHOLLY_OLD && array->existed)
		r = is_apart(array, err);
	return push_array_told(array, r, err);
}
