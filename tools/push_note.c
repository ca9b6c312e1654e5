#include "tools/push.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Whose the target's present content is, if it is all one's. */
struct owners {
	struct disk_dir dir;
	bool keep_lost, some;
	uint32_t uid, gid;
};

static int see_owner(void *arg, const char *name, struct err *err)
{
	struct owners *o = arg;
	struct stat st;

	if ((o->keep_lost && !strcmp(name, LOST_FOUND)) ||
	    !strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1))
		return 0;
	if (fstatat(o->dir.fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(err, "cannot look at '%s'", name);
	if (o->some && (st.st_uid != o->uid || st.st_gid != o->gid)) {
		err_set(err, -EINVAL, "'%s' in '%s' is %u:%u's, and another "
			"%u:%u's", name, o->dir.path, st.st_uid, st.st_gid,
			o->uid, o->gid);
		return err_hint(err, "say which with --owner UID:GID");
	}
	o->some = true;
	o->uid = st.st_uid;
	o->gid = st.st_gid;
	return 0;
}

int push_owner_of(const struct push_place *place, char out[PUSH_OWNER_TEXT],
		  struct err *err)
{
	struct owners o = { .keep_lost = place->keep_lost };
	struct stat top;
	int r;

	if (place->absent)
		return err_set(err, -EINVAL, "there is no '%s'",
			       place->target);
	r = disk_open(place->target, &o.dir, err);
	if (r < 0)
		return r;
	if (fstat(o.dir.fd, &top) < 0)
		r = err_sys(err, "cannot look at '%s'", place->target);
	o.uid = top.st_uid;
	o.gid = top.st_gid;
	if (r == 0)
		r = disk_list(&o.dir, ".", see_owner, &o, err);
	disk_close(&o.dir);
	if (r == 0)
		snprintf(out, PUSH_OWNER_TEXT, "%u:%u %u:%u", top.st_uid,
			 top.st_gid, o.uid, o.gid);
	return r;
}

int push_owner_given(const char *given, char out[PUSH_OWNER_TEXT],
		     struct err *err)
{
	uint32_t uid, gid;
	int len = 0;

	if (sscanf(given, "%" SCNu32 ":%" SCNu32 "%n", &uid, &gid, &len) != 2 ||
	    given[len])
		return err_set(err, -EINVAL, "--owner '%s' is not UID:GID",
			       given);
	snprintf(out, PUSH_OWNER_TEXT, "%u:%u %u:%u", uid, gid, uid, gid);
	return 0;
}

static void key_of(const struct push *push, const char *key,
		   char out[JOURNAL_NAME + 1])
{
	snprintf(out, JOURNAL_NAME + 1, "%s%s", push->prefix, key);
}

const char *push_fact(const struct push *push, const char *key)
{
	char own[JOURNAL_NAME + 1];
	const char *value;

	key_of(push, key, own);
	value = run_fact(push->run, own);
	return value ? value : run_fact(push->run, key);
}

int push_fact_u64(const struct push *push, const char *key, uint64_t *ret,
		  struct err *err)
{
	char own[JOURNAL_NAME + 1];

	key_of(push, key, own);
	return run_fact_u64(push->run, run_fact(push->run, own) ? own : key,
			    ret, err);
}

bool push_flag(const struct push *push, const char *key)
{
	const char *value = push_fact(push, key);

	return value && !strcmp(value, "1");
}

int push_note(struct push *push, const char *key, const char *value,
	      struct err *err)
{
	char own[JOURNAL_NAME + 1];

	key_of(push, key, own);
	return run_learn(push->run, own, value, err);
}

int push_notef(struct push *push, struct err *err, const char *key,
	       const char *fmt, ...)
{
	char own[JOURNAL_NAME + 1];
	va_list ap;
	int r;

	key_of(push, key, own);
	va_start(ap, fmt);
	r = run_learnv(push->run, err, own, fmt, ap);
	va_end(ap);
	return r;
}

struct noting {
	struct push push;	/* only its run and prefix */
	int code;
};

static void put(struct noting *noting, const char *key, const char *value,
		struct err *err)
{
	if (noting->code == 0)
		noting->code = push_note(&noting->push, key, value, err);
}

static void put_flag(struct noting *noting, const char *key, bool set,
		     struct err *err)
{
	if (set)
		put(noting, key, "1", err);
}

int push_note_part(struct run *run, const char *prefix, const char *id,
		   const char *label, const char *path,
		   const struct push_place *place, struct err *err)
{
	struct noting noting = { .push = { .run = run, .prefix = prefix } };

	put(&noting, "snapshot", id, err);
	if (noting.code == 0)
		noting.code = push_notef(&noting.push, err, "label", "%s%s%s",
					  label, path[0] ? ":" : "", path);
	put(&noting, "path", path, err);
	put(&noting, "target", place->target, err);
	if (noting.code == 0)
		noting.code = push_notef(&noting.push, err, "staging",
					  SWAP_PREFIX "%s%s%s", run->id,
					  prefix[0] ? "-" : "", prefix);
	put_flag(&noting, "entries", place->entries, err);
	put_flag(&noting, "keep-lost", place->keep_lost, err);
	put_flag(&noting, "absent", place->absent, err);
	return noting.code;
}
