#include "tools/vmbc.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "indexer/rocksdb/rocks_find.h"
#include "tools/rocks_place.h"

#define SCANS 3			/* concord removes the oldest as it likes */

const struct vmbc_point *vmbc_point(const struct vmbc_replica *replica,
				    uint64_t number)
{
	for (size_t i = 0; i < replica->point_count; i++)
		if (replica->points[i].number == number &&
		    replica->points[i].state != POINT_UNFINISHED)
			return &replica->points[i];
	return NULL;
}

struct vmbc_point *vmbc_add_point(struct vmbc_replica *replica,
				  uint64_t number, enum vmbc_state state,
				  const char *place, const char *why)
{
	struct vmbc_point *list = reallocarray(replica->points,
					       replica->point_count + 1,
					       sizeof(*list));
	struct vmbc_point *point;

	if (!list)
		return NULL;
	replica->points = list;
	point = &list[replica->point_count];
	*point = (struct vmbc_point){ .number = number, .state = state };
	point->place = strdup(place);
	point->why = why ? strdup(why) : NULL;
	if (!point->place || (why && !point->why)) {
		free(point->place);
		free(point->why);
		return NULL;
	}
	replica->point_count++;
	return point;
}

static int by_number(const void *a, const void *b)
{
	const struct vmbc_point *x = a, *y = b;

	if (x->number != y->number)
		return x->number > y->number ? -1 : 1;
	return (x->state == POINT_UNFINISHED) - (y->state == POINT_UNFINISHED);
}

void vmbc_sort_points(struct vmbc_replica *replica)
{
	if (replica->point_count)
		qsort(replica->points, replica->point_count,
		      sizeof(*replica->points), by_number);
}

static void drop_points(struct vmbc_replica *replica)
{
	while (replica->point_count > 0) {
		struct vmbc_point *p =
			&replica->points[--replica->point_count];

		free(p->why);
		free(p->place);
		free(p->id);
	}
	free(replica->odd);
	replica->odd = NULL;
}

/* What is the matter, by the first finding that is no note. */
static void tell_why(const struct rocks *rocks, struct buf *out)
{
	uint64_t more = rocks->incomplete + rocks->damaged;

	for (size_t i = 0; i < rocks->finding_count; i++) {
		const struct rocks_finding *f = &rocks->findings[i];

		if (f->weight == ROCKS_NOTE)
			continue;
		if (f->file[0])
			buf_printf(out, "%s: ", f->file);
		buf_append_str(out, f->text);
		break;
	}
	if (more > 1)
		buf_printf(out, ", and %" PRIu64 " more", more - 1);
}

/*
 * A symbolic link in it: RocksDB makes none, a snapshot keeps it as one, and what
 * it leads to may be another moment's.
 */
static int find_link(const char *path, struct buf *why, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	struct stat st;

	if (!dir)
		return errno == ENOENT ? -EAGAIN :
		       err_sys(err, "cannot list '%s'", path);
	while ((errno = 0, e = readdir(dir)) && why->len == 0)
		if (fstatat(dirfd(dir), e->d_name, &st,
			    AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
			buf_printf(why, "%s: it is a symbolic link",
				   e->d_name);
	if (errno && !e) {
		int r = err_sys(err, "cannot list '%s'", path);

		closedir(dir);
		return r;
	}
	closedir(dir);
	return 0;
}

static int judge(const struct tool *tool, const char *path,
		 struct vmbc_replica *replica, uint64_t number,
		 struct err *err)
{
	OWNED_ROCKS_PLACE struct rocks_place place = ROCKS_PLACE_INIT;
	OWNED_ROCKS struct rocks *rocks = NULL;
	OWNED_BUF struct buf why = BUF_INIT;
	struct err bad = ERR_INIT;
	int r = rocks_place_open(tool, path, &place, &bad);

	if (r == 0)
		r = rocks_open(&place.source, place.name, 0, &rocks, &bad);
	if (r == -ENOMEM)
		return err_nomem(err);
	/* it went, or is going: looked for once more */
	if (r < 0 && (access(path, F_OK) < 0 || r == -ESTALE))
		return -EAGAIN;
	if (r < 0)
		buf_append_str(&why, bad.text);
	else if (!rocks_is_complete(rocks))
		tell_why(rocks, &why);
	else if ((r = find_link(path, &why, err)) < 0)
		return r;
	if (!buf_str(&why))
		return err_nomem(err);
	return vmbc_add_point(replica, number, why.len ? POINT_HURT :
			      POINT_WHOLE, path, why.len ? buf_str(&why) :
			      NULL) ? 0 : err_nomem(err);
}

struct scanning {
	const struct tool *tool;
	struct vmbc_replica *replica;
	const char *path;
};

static int see_name(void *arg, const char *name, struct err *err)
{
	struct scanning *s = arg;
	OWNED_BUF struct buf path = BUF_INIT;
	bool unfinished;
	uint64_t number;

	if (!rocks_number(span_str(name), &number, &unfinished)) {
		if (!s->replica->odd)
			s->replica->odd = strdup(name);
		return 0;
	}
	buf_printf(&path, "%s/%s", s->path, name);
	if (!buf_str(&path))
		return err_nomem(err);
	if (unfinished)
		return vmbc_add_point(s->replica, number, POINT_UNFINISHED,
				      buf_str(&path), "it was never finished") ?
		       0 : err_nomem(err);
	return judge(s->tool, buf_str(&path), s->replica, number, err);
}

/* No such directory: no checkpoint was ever made. */
static int scan(struct scanning *s, struct err *err)
{
	struct disk_dir dir;
	int r;

	if (access(s->path, F_OK) < 0 && errno == ENOENT)
		return 0;
	r = disk_open(s->path, &dir, err);
	if (r < 0)
		return r;
	r = disk_list(&dir, ".", see_name, s, err);
	disk_close(&dir);
	return r;
}

static int scan_replica(const struct tool *tool, struct vmbc_replica *replica,
			struct err *err)
{
	static const char *const in[] = { "/checkpoints", "_checkpoint" };
	int r = -EAGAIN;

	for (int turn = 0; turn < SCANS && r == -EAGAIN; turn++) {
		drop_points(replica);
		r = 0;
		for (size_t i = 0; r == 0 && i < 2; i++) {
			OWNED_BUF struct buf path = BUF_INIT;
			struct scanning s = { tool, replica, NULL };

			buf_printf(&path, "%s%s", replica->dir, in[i]);
			s.path = buf_str(&path);
			r = s.path ? scan(&s, err) : err_nomem(err);
		}
	}
	if (r == -EAGAIN)
		return err_set(err, -EBUSY, "the checkpoints of '%s' come and "
			       "go as they are looked at", replica->dir);
	vmbc_sort_points(replica);
	return r;
}

int vmbc_judge(const struct tool *tool, struct vmbc *vmbc, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < vmbc->count; i++)
		if (vmbc->replicas[i].dir)
			r = scan_replica(tool, &vmbc->replicas[i], err);
	return r;
}

static void say_missing(struct buf *why, unsigned number, const char *what)
{
	if (why->len)
		buf_append_str(why, "; ");
	buf_printf(why, "replica %u %s", number, what);
}

bool vmbc_everywhere(const struct vmbc *vmbc, uint64_t number,
		     char **ret_why)
{
	OWNED_BUF struct buf why = BUF_INIT;
	bool all = vmbc->wanted > 0;

	for (unsigned n = 0; n < vmbc->wanted; n++) {
		const struct vmbc_replica *replica = vmbc_has(vmbc, n);
		const struct vmbc_point *p = replica ?
			vmbc_point(replica, number) : NULL;

		if (p && p->state == POINT_WHOLE)
			continue;
		all = false;
		if (!replica)
			say_missing(&why, n, "is not there");
		else if (!p)
			say_missing(&why, n, "does not have it");
		else
			say_missing(&why, n, "has it damaged");
		if (p && p->state != POINT_WHOLE)
			buf_printf(&why, " (%s)", p->why);
	}
	if (ret_why)
		*ret_why = buf_detach(&why);
	return all;
}

static int descending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x > *y ? -1 : *x < *y;
}

int vmbc_numbers(const struct vmbc *vmbc, uint64_t **ret, size_t *ret_count,
		 struct err *err)
{
	size_t count = 0, kept = 0;
	uint64_t *all;

	for (size_t i = 0; i < vmbc->count; i++)
		count += vmbc->replicas[i].point_count;
	all = calloc(count + 1, sizeof(*all));
	if (!all)
		return err_nomem(err);
	for (size_t i = 0; i < vmbc->count; i++)
		for (size_t j = 0; j < vmbc->replicas[i].point_count; j++)
			if (vmbc->replicas[i].points[j].state !=
			    POINT_UNFINISHED)
				all[kept++] =
					vmbc->replicas[i].points[j].number;
	if (kept)
		qsort(all, kept, sizeof(*all), descending);
	count = 0;
	for (size_t i = 0; i < kept; i++)
		if (i == 0 || all[i] != all[i - 1])
			all[count++] = all[i];
	*ret = all;
	*ret_count = count;
	return 0;
}

bool vmbc_newest(const struct vmbc *vmbc, uint64_t *ret)
{
	CLEANUP(free_ptr) uint64_t *numbers = NULL;
	size_t count;

	if (vmbc_numbers(vmbc, &numbers, &count, NULL) < 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (vmbc_everywhere(vmbc, numbers[i], NULL)) {
			*ret = numbers[i];
			return true;
		}
	return false;
}
