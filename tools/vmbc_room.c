#include "tools/vmbc_restore.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/kube_target.h"

/* A checkpoint has no directories in it. */
static int measure_dir(const char *path, struct push_room *ret,
		       struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	struct stat st;

	if (!dir)
		return err_sys(err, "cannot list '%s'", path);
	*ret = (struct push_room){ .bytes = 4096, .inodes = 1 };
	while ((errno = 0, e = readdir(dir))) {
		if (fstatat(dirfd(dir), e->d_name, &st, 0) < 0)
			continue;
		ret->inodes++;
		ret->bytes += ((uint64_t)st.st_size + 4095) / 4096 * 4096;
	}
	if (errno) {
		int code = err_sys(err, "cannot list '%s'", path);

		closedir(dir);
		return code;
	}
	closedir(dir);
	return 0;
}

/* A volume that its vendor makes of a snapshot must be in the same one. */
static void compare_zone(const struct vmbc_replica *replica,
			 const struct record *record)
{
	const char *was = record_tag(record, "zone");

	if (was && replica->zone && strcmp(was, replica->zone) != 0)
		warn("replica %u: its volume is in zone %s, and was in %s when "
		     "'%s' was added", replica->number, replica->zone, was,
		     record->source);
}

static int measure(struct vmbc_restoring *r, struct vmbc_aim *aim,
		   struct err *err)
{
	const struct vmbc *from = r->from == FROM_LIVE ? &r->live :
						         &r->source;
	OWNED_TARGET struct target target = TARGET_INIT;
	const struct vmbc_replica *has;
	char spec[64];
	int code;

	if (r->from == FROM_LIVE || r->from == FROM_COPIES) {
		has = vmbc_has(from, aim->replica->number);
		return measure_dir(vmbc_point(has, r->number)->place,
				   &aim->room, err);
	}
	snprintf(spec, sizeof(spec), "id:%s", aim->id);
	target.older = OLDER_REFUSED;
	code = target_open_at(r->repo, aim->id[0] ? spec : aim->label, NULL,
			      &target, err);
	if (code == 0)
		code = target_refuse_partial(&target, "restores", err);
	if (code == 0 && r->asks)
		code = kube_check_record(r->tool, &target.snapshot.record,
					 &r->cluster.origin, err);
	if (code < 0)
		return code;
	compare_zone(aim->replica, &target.snapshot.record);
	hex_write(target.snapshot.record.id, RECORD_ID, aim->id);
	return push_measure(target.tree, &target.node, &aim->room, err);
}

/* Of all that share a file system together. */
static int check_sum(struct vmbc_restoring *r, size_t index, struct err *err)
{
	struct push_room sum = { 0 };
	struct stat own, other;

	if (stat(r->aims[index].place.target, &own) < 0)
		return err_sys(err, "cannot look at '%s'",
			       r->aims[index].place.target);
	for (size_t i = 0; i < r->count; i++) {
		if (stat(r->aims[i].place.target, &other) < 0)
			return err_sys(err, "cannot look at '%s'",
				       r->aims[i].place.target);
		if (other.st_dev != own.st_dev)
			continue;
		if (i < index)
			return 0;
		sum.bytes += r->aims[i].room.bytes;
		sum.inodes += r->aims[i].room.inodes;
	}
	return push_check_room(&r->aims[index].place, &sum, err);
}

int vmbc_check_room(struct vmbc_restoring *r, struct err *err)
{
	int code = 0;

	for (size_t i = 0; code == 0 && i < r->count; i++)
		code = measure(r, &r->aims[i], err);
	if (code < 0 || option_given(&r->tool->options, "in-place"))
		return code;
	for (size_t i = 0; code == 0 && i < r->count; i++)
		code = check_sum(r, i, err);
	if (code == -ENOSPC)
		err_hint(err, "nothing was done; --in-place writes over what "
			 "is there, once the store has all of it and it was "
			 "read back");
	return code;
}
