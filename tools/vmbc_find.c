#include "tools/vmbc.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fs/base/disk.h"
#include "fs/out/swap.h"

#define WORD "replica-"
#define CLAIM "concord-pvc-"
#define FIND_DEPTH 32

static void replica_release(struct vmbc_replica *r)
{
	for (size_t i = 0; i < r->point_count; i++) {
		free(r->points[i].why);
		free(r->points[i].place);
		free(r->points[i].id);
	}
	free(r->points);
	free(r->dir);
	free(r->top);
	free(r->volume);
	free(r->source);
	free(r->odd);
	free(r->ns);
	free(r->claim);
	free(r->pv);
	free(r->path);
	free(r->handle);
	free(r->zone);
	free(r->reclaim);
	free(r->class);
}

void vmbc_release(struct vmbc *vmbc)
{
	for (size_t i = 0; i < vmbc->count; i++)
		replica_release(&vmbc->replicas[i]);
	free(vmbc->replicas);
	free(vmbc->blockchain);
	free(vmbc->ns);
	free(vmbc->uid);
	free(vmbc->settings);
	*vmbc = (struct vmbc)VMBC_INIT;
}

struct vmbc_replica *vmbc_has(const struct vmbc *vmbc, unsigned number)
{
	for (size_t i = 0; i < vmbc->count; i++)
		if (vmbc->replicas[i].number == number)
			return &vmbc->replicas[i];
	return NULL;
}

struct vmbc_replica *vmbc_replica(struct vmbc *vmbc, unsigned number)
{
	struct vmbc_replica *list = vmbc_has(vmbc, number);
	size_t at = vmbc->count;

	if (list)
		return list;
	list = reallocarray(vmbc->replicas, vmbc->count + 1, sizeof(*list));
	if (!list)
		return NULL;
	vmbc->replicas = list;
	for (; at > 0 && list[at - 1].number > number; at--)
		list[at] = list[at - 1];
	list[at] = (struct vmbc_replica){ .number = number };
	vmbc->count++;
	if (vmbc->wanted < number + 1)
		vmbc->wanted = number + 1;
	return &list[at];
}

/* Names. */

static bool read_number(struct span digits, unsigned *ret)
{
	unsigned n = 0;

	if (digits.len == 0 || digits.len > 3 ||
	    (digits.len > 1 && digits.data[0] == '0'))
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		if (digits.data[i] < '0' || digits.data[i] > '9')
			return false;
		n = n * 10 + (digits.data[i] - '0');
	}
	*ret = n;
	return n < VMBC_REPLICAS_MAX;
}

bool vmbc_name(struct span name, unsigned *ret_number, struct span *ret_id)
{
	const size_t word = sizeof(WORD) - 1, claim = sizeof(CLAIM) - 1;
	size_t at = name.len;

	while (at > 0 && name.data[at - 1] >= '0' && name.data[at - 1] <= '9')
		at--;
	*ret_id = span_of(NULL, 0);
	if (at < word || memcmp(name.data + at - word, WORD, word) != 0 ||
	    !read_number(span_of(name.data + at, name.len - at), ret_number))
		return false;
	at -= word;
	if (at == 0)
		return true;
	if (at <= claim + 1 || memcmp(name.data, CLAIM, claim) != 0 ||
	    name.data[at - 1] != '-')
		return false;
	*ret_id = span_of(name.data + claim, at - 1 - claim);
	return true;
}

/* What a path tells, from its end. */
struct told {
	unsigned number;
	bool numbered, sure;	/* sure: a claim's name tells the id */
	size_t top, volume;	/* lengths of the path to what tells the number,
				 * the innermost and the outermost */
	struct span id, ns;
};

static struct span last_of(const char *path, size_t len)
{
	size_t begin = len;

	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	return span_of(path + begin, len - begin);
}

static size_t without_last(const char *path, size_t len)
{
	len -= last_of(path, len).len;
	return len > 0 ? len - 1 : 0;
}

/* A volume of one replica in which another one's data lies is a mistake that
 * somebody made as they mounted it. */
static int refuse_two(const char *path, unsigned inner, unsigned outer,
		      struct err *err)
{
	err_set(err, -EINVAL, "'%s' is replica %u's by its end, and replica "
		"%u's by what it lies in", path, inner, outer);
	return err_hint(err, "is each volume mounted where it belongs?");
}

static int read_path(const char *path, struct told *ret, struct err *err)
{
	struct told told = { .numbered = false };
	size_t len = strlen(path), up;
	struct span id;
	unsigned number;

	for (; len > 0; len = without_last(path, len)) {
		if (!vmbc_name(last_of(path, len), &number, &id))
			continue;
		if (told.numbered && number != told.number)
			return refuse_two(path, told.number, number, err);
		told.volume = len;
		if (id.len) {
			told.id = id;
			told.sure = true;
		}
		if (told.numbered)
			continue;
		told.numbered = true;
		told.number = number;
		told.top = len;
		up = without_last(path, len);
		if (id.len) {
			told.ns = last_of(path, up);
			continue;
		}
		/* NAMESPACE/BLOCKCHAIN/replica-N */
		told.id = last_of(path, up);
		told.ns = last_of(path, without_last(path, up));
	}
	*ret = told;
	return 0;
}

/* The walk. */

struct finding {
	struct vmbc *vmbc;
	const char *only;	/* blockchain, or NULL */
	unsigned depth;
	struct finding_names {
		char **name;
		size_t count;
	} *names;
};

static int take_id(struct vmbc *vmbc, const char *path,
		   const struct told *told, struct err *err)
{
	if (!vmbc->blockchain) {
		vmbc->blockchain = strndup((const char *)told->id.data,
					   told->id.len);
		if (told->ns.len)
			vmbc->ns = strndup((const char *)told->ns.data,
					   told->ns.len);
		return vmbc->blockchain ? 0 : err_nomem(err);
	}
	if (span_equal(told->id, span_str(vmbc->blockchain)))
		return 0;
	err_set(err, -EINVAL, "there are replicas of several blockchains: "
		"'%s', and with '%s' of '%.*s'", vmbc->blockchain, path,
		(int)told->id.len, (const char *)told->id.data);
	return err_hint(err, "--blockchain says which is meant");
}

static int take(struct finding *f, const char *path, bool has_data,
		struct err *err)
{
	struct vmbc_replica *replica;
	struct told told = { .numbered = false };
	int r = read_path(path, &told, err);

	if (r < 0)
		return r;
	if (!told.numbered) {
		err_set(err, -EINVAL, "which replica's is '%s'?", path);
		return err_hint(err, "a directory above it is to be called "
				"replica-N, or concord-pvc-ID-replica-N");
	}
	/* an empty mount point tells nothing of a blockchain */
	if ((has_data || told.sure) && f->only &&
	    !span_equal(told.id, span_str(f->only)))
		return 0;
	if (has_data || told.sure)
		r = take_id(f->vmbc, path, &told, err);
	if (r < 0)
		return r;
	replica = vmbc_replica(f->vmbc, told.number);
	if (!replica)
		return err_nomem(err);
	if (replica->dir && has_data && strcmp(replica->dir, path) != 0) {
		err_set(err, -EINVAL, "replica %u is twice there: in '%s' and "
			"in '%s'", told.number, replica->dir, path);
		return err_hint(err, "name only the directories that are "
				"meant");
	}
	if (replica->top && (!has_data || replica->dir))
		return 0;
	free(replica->top);
	free(replica->volume);
	replica->top = strndup(path, told.top);
	replica->volume = strndup(path, told.volume);
	if (has_data)
		replica->dir = strdup(path);
	return replica->top && replica->volume &&
	       (!has_data || replica->dir) ? 0 : err_nomem(err);
}

static int take_name(void *arg, const char *name, struct err *err)
{
	struct finding_names *names = arg;
	char **more = reallocarray(names->name, names->count + 1,
				   sizeof(*more));

	if (!more)
		return err_nomem(err);
	names->name = more;
	more[names->count] = strdup(name);
	return more[names->count++] ? 0 : err_nomem(err);
}

static void names_release(struct finding_names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->name[i]);
	free(names->name);
}

static int list(const char *path, struct finding_names *ret, struct err *err)
{
	struct disk_dir dir;
	int r = disk_open(path, &dir, err);

	if (r < 0)
		return r;
	r = disk_list(&dir, ".", take_name, ret, err);
	disk_close(&dir);
	return r;
}

static int look(struct finding *f, const char *path, bool *ret_some,
		struct err *err);

static int look_at(struct finding *f, const char *path, const char *name,
		   bool *ret_some, struct err *err)
{
	OWNED_BUF struct buf whole = BUF_INIT;
	bool some = false;
	struct stat st;
	int r;

	buf_printf(&whole, "%s/%s", strcmp(path, "/") ? path : "", name);
	if (!buf_str(&whole))
		return err_nomem(err);
	if (lstat(buf_str(&whole), &st) < 0)
		return errno == ENOENT ? 0 :
		       err_sys(err, "cannot look at '%s'", buf_str(&whole));
	if (!S_ISDIR(st.st_mode) ||
	    !strncmp(name, SWAP_PREFIX, sizeof(SWAP_PREFIX) - 1))
		return 0;
	if (!strcmp(name, VMBC_DATA)) {
		*ret_some = true;
		return take(f, buf_str(&whole), true, err);
	}
	if (f->depth == FIND_DEPTH)
		return 0;
	f->depth++;
	r = look(f, buf_str(&whole), &some, err);
	f->depth--;
	*ret_some |= some;
	return r;
}

/* A replica's directory without its data is that of one that was lost. */
static int look(struct finding *f, const char *path, bool *ret_some,
		struct err *err)
{
	CLEANUP(names_release) struct finding_names names = { .count = 0 };
	struct span id;
	unsigned number;
	int r = list(path, &names, err);

	for (size_t i = 0; r == 0 && i < names.count; i++)
		r = look_at(f, path, names.name[i], ret_some, err);
	if (r == 0 && !*ret_some &&
	    vmbc_name(last_of(path, strlen(path)), &number, &id)) {
		*ret_some = true;
		r = take(f, path, false, err);
	}
	return r;
}

int vmbc_find(const char *path, const char *blockchain, struct vmbc *vmbc,
	      struct err *err)
{
	CLEANUP(free_ptr) char *whole = realpath(path, NULL);
	struct finding f = { .vmbc = vmbc, .only = blockchain };
	bool some = false;

	if (!whole)
		return err_sys(err, "cannot find '%s'", path);
	if (!strcmp((const char *)last_of(whole, strlen(whole)).data,
		    VMBC_DATA))
		return take(&f, whole, true, err);
	return look(&f, whole, &some, err);
}
