#include "tools/vmbc_restore.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/format.h"

/* Which replicas. */

static int choose_one(struct vmbc_restoring *r, const char *word,
		      struct err *err)
{
	struct vmbc_replica *replica;
	char *end = NULL;
	unsigned long n = strtoul(word, &end, 10);

	replica = *word >= '0' && *word <= '9' && !*end && n < INT_MAX ?
		vmbc_has(&r->live, (unsigned)n) : NULL;
	if (!replica)
		return err_set(err, -EINVAL, "--lost '%s' is neither 'all' nor "
			       "the number of a replica", word);
	r->count += !replica->chosen;
	replica->chosen = true;
	return 0;
}

/*
 * One that goes back alone forgets what it said; the others stand that of f of
 * 3f + 1, as of any fault, and of no more.
 */
static int check_few(const struct vmbc_restoring *r, struct err *err)
{
	unsigned may = (r->live.wanted - 1) / 3;

	if (r->count <= may)
		return 0;
	err_set(err, -EINVAL, "of %u replicas at most %u can go back alone, "
		"not %zu", r->live.wanted, may, r->count);
	return err_hint(err, "--lost all puts all of them back to one "
			"checkpoint; the blocks behind it are lost");
}

int vmbc_choose(struct vmbc_restoring *r, struct err *err)
{
	const struct options *o = &r->tool->options;
	const char *word;
	int code = 0;

	r->all = !option_given(o, "lost") ||
		 !strcmp(option_value(o, "lost"), "all");
	for (size_t n = 0; !r->all && code == 0 &&
	     (word = option_nth(o, "lost", n)); n++)
		code = choose_one(r, word, err);
	if (code == 0 && !r->all)
		code = check_few(r, err);
	for (unsigned n = 0; code == 0 && r->all && n < r->live.wanted; n++) {
		struct vmbc_replica *replica = vmbc_has(&r->live, n);

		if (!replica) {
			err_set(err, -ENODATA, "there is no directory of "
				"replica %u", n);
			return err_hint(err, "of %u replicas all are put back; "
					"--replicas says if there are fewer",
					r->live.wanted);
		}
		replica->chosen = true;
		r->count++;
	}
	return code;
}

/* From where. */

static bool have_all(const struct vmbc_restoring *r, const struct vmbc *from,
		     uint64_t number, char **ret_why)
{
	OWNED_BUF struct buf why = BUF_INIT;

	if (r->all)
		return vmbc_everywhere(from, number, ret_why);
	for (size_t i = 0; i < r->live.count; i++) {
		const struct vmbc_replica *chosen = &r->live.replicas[i], *has;
		const struct vmbc_point *p;

		if (!chosen->chosen)
			continue;
		has = vmbc_has(from, chosen->number);
		p = has ? vmbc_point(has, number) : NULL;
		if (p && p->state == POINT_WHOLE)
			continue;
		buf_printf(&why, "replica %u %s", chosen->number, p ?
			   "has it damaged" : "does not have it");
		if (ret_why)
			*ret_why = buf_detach(&why);
		return false;
	}
	return true;
}

static bool newest(const struct vmbc_restoring *r, const struct vmbc *from,
		   uint64_t *ret)
{
	CLEANUP(free_ptr) uint64_t *numbers = NULL;
	size_t count = 0;

	if (vmbc_numbers(from, &numbers, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (have_all(r, from, numbers[i], NULL)) {
			*ret = numbers[i];
			return true;
		}
	return false;
}

static int pick(struct vmbc_restoring *r, const struct vmbc *from,
		struct err *err)
{
	CLEANUP(free_ptr) char *why = NULL;
	uint64_t best = 0;
	bool any = newest(r, from, &best);

	if (r->given && have_all(r, from, r->number, &why))
		return 0;
	if (r->given)
		err_set(err, -ENODATA, "checkpoint %" PRIu64 " is not whole on "
			"all that are put back: %s", r->number, why ? why :
			"no memory");
	if (r->given && any)
		return err_hint(err, "the newest that is: %" PRIu64 "; 'varve "
				"vmbc list' tells of all", best);
	if (!any) {
		if (!r->given)
			err_set(err, -ENODATA, "no checkpoint is whole on all "
				"that are put back");
		return err_hint(err, "'varve vmbc list' tells why%s", r->from ==
				FROM_STORE ? "" : "; --stored takes those of "
				"the store");
	}
	r->number = best;
	return 0;
}

/* Both mounted, and not one and the same volume: what is copied over must be
 * the original one. */
static int check_devices(const struct vmbc_restoring *r, struct err *err)
{
	for (size_t i = 0; i < r->live.count; i++) {
		const struct vmbc_replica *to = &r->live.replicas[i], *from;
		struct stat a, b;

		from = vmbc_has(&r->source, to->number);
		if (!to->chosen || !to->dir || !from || !from->dir)
			continue;
		if (stat(to->volume, &a) < 0 || stat(from->volume, &b) < 0)
			return err_sys(err, "cannot look at '%s'",
				       from->volume);
		if (a.st_dev != b.st_dev)
			continue;
		err_set(err, -ENODEV, "'%s' and '%s' lie on one file system: "
			"is the restored volume of replica %u mounted, and the "
			"original one?", from->dir, to->dir, to->number);
		return err_hint(err, "--same-device where they are directories "
				"of one volume and no volumes");
	}
	return 0;
}

static int find_copies(struct vmbc_restoring *r, struct err *err)
{
	const struct options *o = &r->tool->options;
	const char *dir;
	int code = 0;

	for (size_t n = 0; code == 0 && (dir = option_nth(o, "from", n)); n++)
		code = vmbc_find(dir, r->live.blockchain, &r->source, err);
	if (code < 0)
		return code;
	if (r->source.count == 0)
		return err_set(err, -ENODATA, "there is no replica of "
			       "blockchain '%s' in '%s'", r->live.blockchain,
			       option_value(o, "from"));
	r->source.wanted = r->live.wanted;
	if (r->live.uid)
		r->source.uid = strdup(r->live.uid);
	if (!option_given(o, "same-device"))
		code = check_devices(r, err);
	return code < 0 ? code : vmbc_judge(r->tool, &r->source, err);
}

static int find_stored(struct vmbc_restoring *r, struct err *err)
{
	int code = vmbc_stored(r->repo, r->base, &r->source, err);

	if (code == 0 && r->source.count == 0)
		return err_set(err, -ENODATA, "the store has no checkpoint of "
			       "'%s'", r->base);
	/* they are all that are to be put back, however many were added */
	r->source.wanted = r->live.wanted;
	return code;
}

static int find_volumes(struct vmbc_restoring *r, struct err *err)
{
	r->time = NULL;
	for (size_t i = 0; i < r->live.count; i++) {
		const char *given = option_value(&r->tool->options, "volumes");
		OWNED_BUF struct buf spec = BUF_INIT;
		struct snapshot found;
		int code;

		if (!r->live.replicas[i].chosen)
			continue;
		if (r->time)
			given = r->time;
		buf_printf(&spec, "%s/volumes/replica-%u%s%s", r->base,
			   r->live.replicas[i].number, given ? "@" : "",
			   given ? given : "");
		if (!buf_str(&spec))
			return err_nomem(err);
		code = find_snapshot(r->repo, buf_str(&spec), OLDER_REFUSED,
				     &found, err);
		if (code < 0)
			return err_wrap(err, "replica %u's volume",
					r->live.replicas[i].number);
		/* of all the same */
		if (!r->time)
			r->time = strdup(found.record.name);
		snapshot_release(&found);
		if (!r->time)
			return err_nomem(err);
	}
	return 0;
}

int vmbc_find_source(struct vmbc_restoring *r, struct err *err)
{
	const struct options *o = &r->tool->options;
	int code;

	r->from = option_given(o, "volumes") ? FROM_VOLUMES :
		  option_given(o, "stored") ? FROM_STORE :
		  option_given(o, "from") ? FROM_COPIES : FROM_LIVE;
	if (r->from == FROM_VOLUMES)
		return find_volumes(r, err);
	code = r->from == FROM_STORE ? find_stored(r, err) :
	       r->from == FROM_COPIES ? find_copies(r, err) :
	       vmbc_judge(r->tool, &r->live, err);
	return code < 0 ? code :
	       pick(r, r->from == FROM_LIVE ? &r->live : &r->source, err);
}

/* Where to. */

static int refuse_absent(const struct vmbc_restoring *r,
			 const struct vmbc_replica *replica, struct err *err)
{
	if (replica->top) {
		err_set(err, -ENOENT, "replica %u has no " VMBC_DATA " in "
			"'%s'", replica->number, replica->top);
		return err_hint(err, "make it empty where the others have "
				"theirs; its owner is taken from it");
	}
	err_set(err, -ENOENT, "the volume of replica %u is not on this "
		"machine: %s (%s%s%s)", replica->number, replica->pv ?
		replica->pv : "?", replica->handle ? replica->handle : "?",
		replica->zone ? ", zone " : "", replica->zone ?
		replica->zone : "");
	return err_hint(err, "mkdir -p /mnt/destination/replica-%u; mount "
			"DEVICE /mnt/destination/replica-%u; then varve vmbc "
			"restore %s/mnt/destination", replica->number,
			replica->number, r->given ? "N " : "");
}

static int find_place(struct vmbc_restoring *r, struct vmbc_aim *aim,
		      struct err *err)
{
	const char *owner = option_value(&r->tool->options, "owner");
	const char *dir = r->from == FROM_VOLUMES ? aim->replica->volume :
			  aim->replica->dir;
	OWNED_BUF struct buf text = BUF_INIT;
	unsigned kept = 0;
	int code;

	if (!dir)
		return refuse_absent(r, aim->replica, err);
	buf_printf(&text, "dir:%s", dir);
	code = buf_str(&text) ? push_place_find(buf_str(&text), &aim->place,
						err) : err_nomem(err);
	if (code == 0)
		code = push_check_place(&aim->place, repo_path(r->repo), err);
	if (code == 0)
		code = push_check_others(&aim->place, &kept, err);
	/* a volume's own entries differ in owners; its snapshot has them */
	if (code == 0 && owner)
		code = push_owner_given(owner, aim->owner, err);
	else if (code == 0 && r->from != FROM_VOLUMES)
		code = push_owner_of(&aim->place, aim->owner, err);
	if (code == 0 && kept)
		note(r->tool, "%s of '%s' %s kept: 'varve push --discard-old "
		     "dir:%s' gives the room back",
		     counted(kept, "former tree").s, aim->place.target,
		     kept == 1 ? "is" : "are", aim->place.target);
	return code;
}

static int find_snapshots(struct vmbc_restoring *r, struct vmbc_aim *aim,
			  struct err *err)
{
	const struct vmbc_replica *has = vmbc_has(&r->source,
						  aim->replica->number);
	const struct vmbc_point *p = has ? vmbc_point(has, r->number) : NULL;
	int n;

	if (r->from == FROM_VOLUMES)
		n = asprintf(&aim->label, "%s/volumes/replica-%u@%s", r->base,
			     aim->replica->number, r->time);
	else
		n = asprintf(&aim->label, "%s/replica-%u@checkpoint=%" PRIu64,
			     r->base, aim->replica->number, r->number);
	if (n < 0) {
		aim->label = NULL;
		return err_nomem(err);
	}
	if (r->from == FROM_STORE && p && p->id)
		snprintf(aim->id, sizeof(aim->id), "%s", p->id);
	return 0;
}

int vmbc_find_places(struct vmbc_restoring *r, struct err *err)
{
	size_t at = 0;
	int code = 0;

	r->aims = calloc(r->count, sizeof(*r->aims));
	if (!r->aims)
		return err_nomem(err);
	for (size_t i = 0; i < r->live.count; i++)
		if (r->live.replicas[i].chosen)
			r->aims[at++].replica = &r->live.replicas[i];
	for (size_t i = 0; code == 0 && i < r->count; i++) {
		code = find_place(r, &r->aims[i], err);
		if (code == 0)
			code = find_snapshots(r, &r->aims[i], err);
	}
	return code;
}

/* Into the store. */

int vmbc_add_source(struct vmbc_restoring *r, struct err *err)
{
	const struct vmbc *from = r->from == FROM_LIVE ? &r->live :
						         &r->source;
	OWNED_VMBC struct vmbc stored = VMBC_INIT;
	int code = 0;

	if (r->from == FROM_STORE || r->from == FROM_VOLUMES)
		return 0;
	for (size_t i = 0; code == 0 && i < r->count; i++) {
		unsigned n = r->aims[i].replica->number;

		say(r->tool, "Checkpoint %" PRIu64 " of replica %u goes to the "
		    "store.", r->number, n);
		code = vmbc_add_set(r->tool, from, r->base, r->number, (int)n,
				    true, err);
		if (code > 0)
			code = err_set(err, -EIO, "checkpoint %" PRIu64 " of "
				       "replica %u could not be put into the "
				       "store", r->number, n);
	}
	/* as it is now */
	if (code == 0) {
		repo_close(r->repo);
		r->repo = NULL;
		code = tool_open_maybe(r->tool, &r->repo, err);
	}
	if (code >= 0)
		code = vmbc_stored(r->repo, r->base, &stored, err);
	for (size_t i = 0; code == 0 && i < r->count; i++) {
		const struct vmbc_replica *has =
			vmbc_has(&stored, r->aims[i].replica->number);
		const struct vmbc_point *p = has ?
			vmbc_point(has, r->number) : NULL;

		if (p && p->state == POINT_WHOLE)
			strcpy(r->aims[i].id, p->id);
		else
			code = err_set(err, -EIO, "checkpoint %" PRIu64 " of "
				       "replica %u is not whole in the store",
				       r->number, r->aims[i].replica->number);
	}
	return code;
}
