#include "tools/vmbc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/out/swap.h"
#include "tools/add_parts.h"
#include "tools/format.h"
#include "tools/self.h"

#define TAGS_MAX 12

struct adding {
	const struct tool *tool;
	const struct vmbc *vmbc;
	const char *base;
	bool quiet;
	char self[PATH_MAX];
	struct buf tags[TAGS_MAX];	/* "KEY=VALUE" each */
	size_t tag_count;
};

static void adding_release(struct adding *a)
{
	for (size_t i = 0; i < a->tag_count; i++)
		buf_release(&a->tags[i]);
	a->tag_count = 0;
}

static void tag(struct adding *a, const char *key, const char *value)
{
	if (value && *value && a->tag_count < TAGS_MAX)
		buf_printf(&a->tags[a->tag_count++], "%s=%s", key, value);
}

/* How it is found again, also where the cluster is gone. */
static void tag_all(struct adding *a, const struct vmbc_replica *replica)
{
	char count[16];

	for (size_t i = 0; i < TAGS_MAX; i++)
		a->tags[i] = (struct buf)BUF_INIT;
	snprintf(count, sizeof(count), "%u", a->vmbc->wanted);
	tag(a, "replicas", count);
	tag(a, "blockchain", a->vmbc->blockchain);
	tag(a, "namespace", a->vmbc->ns);
	tag(a, "cluster_uid", a->vmbc->uid);
	tag(a, "settings", a->vmbc->settings);
	if (!replica)
		return;
	tag(a, "volume", replica->pv);
	tag(a, "handle", replica->handle);
	tag(a, "zone", replica->zone);
}

/* time NULL: its own. */
static int run_add(struct adding *a, const struct vmbc_replica *replica,
		   const char *kind, const char *source, const char *path,
		   const char *time, struct err *err)
{
	struct words words = { .count = 0 };

	tag_all(a, replica);
	words_put(&words, a->self);
	words_put(&words, "add");
	words_put(&words, "--store");
	words_put(&words, a->tool->store);
	words_put(&words, "-k");
	words_put(&words, kind);
	words_put(&words, "-s");
	words_put(&words, source);
	if (time) {
		words_put(&words, "-t");
		words_put(&words, time);
		words_put(&words, "--exclude");
		words_put(&words, SWAP_PREFIX "*");
		tag(a, "consistency", "crash");
	}
	for (size_t i = 0; i < a->tag_count; i++) {
		if (!buf_str(&a->tags[i]))
			return err_nomem(err);
		words_put(&words, "--tag");
		words_put(&words, buf_str(&a->tags[i]));
	}
	if (a->quiet)
		words_put(&words, "--quiet");
	else if (a->tool->json)
		words_put(&words, "--json");
	words_put(&words, path);
	return self_run(&words, err);
}

static int add_point(struct adding *a, const struct vmbc_replica *replica,
		     const struct vmbc_point *point, struct err *err)
{
	OWNED_BUF struct buf source = BUF_INIT;
	int r;

	buf_printf(&source, "%s/replica-%u", a->base, replica->number);
	if (!buf_str(&source))
		return err_nomem(err);
	r = run_add(a, replica, "rocksdb", buf_str(&source), point->place,
		    NULL, err);
	adding_release(a);
	return r;
}

static int adding_init(struct adding *a, struct err *err)
{
	OWNED_REPO struct repo *repo = NULL;
	int r = tool_open(a->tool, REPO_READ, &repo, err);

	return r < 0 ? r : self_find(a->self, err);
}

int vmbc_add_set(const struct tool *tool, const struct vmbc *vmbc,
		 const char *base, uint64_t number, int only, bool quiet,
		 struct err *err)
{
	struct adding a = { .tool = tool, .vmbc = vmbc, .base = base,
			    .quiet = quiet };
	int status = DONE, r = adding_init(&a, err);

	for (unsigned n = 0; r >= 0 && n < vmbc->wanted; n++) {
		const struct vmbc_replica *replica = vmbc_has(vmbc, n);
		const struct vmbc_point *p = replica ?
			vmbc_point(replica, number) : NULL;

		if (only >= 0 && n != (unsigned)only)
			continue;
		if (!p || p->state != POINT_WHOLE) {
			warn("replica %u %s checkpoint %" PRIu64 "%s%s: the "
			     "set in the store is incomplete", n, p ? "has" :
			     "does not have", number, p ? " damaged: " : "",
			     p ? p->why : "");
			status = worse_status(status, INCOMPLETE);
			continue;
		}
		r = add_point(&a, replica, p, err);
		if (r > 0)
			warn("checkpoint %" PRIu64 " of replica %u was not "
			     "added as it should be", number, n);
		if (r > 0)
			status = worse_status(status, r == FAILED ?
					      INCOMPLETE : r);
	}
	return r < 0 ? r : status;
}

int vmbc_add_present(const char *store, const char *source, const char *path,
		     struct err *err)
{
	struct words words = { .count = 0 };
	char self[PATH_MAX];
	int r = self_find(self, err);

	if (r < 0)
		return r;
	words_put(&words, self);
	words_put(&words, "add");
	words_put(&words, "--quiet");
	words_put(&words, "--store");
	words_put(&words, store);
	words_put(&words, "-k");
	words_put(&words, "dir");
	words_put(&words, "-s");
	words_put(&words, source);
	words_put(&words, "--tag");
	words_put(&words, "consistency=crash");
	words_put(&words, "--exclude");
	words_put(&words, "/" SWAP_PREFIX "*");
	words_put(&words, path);
	r = self_run(&words, err);
	return r <= 0 ? r : err_set(err, -EIO, "'%s' was not added to the "
				    "store as it should be", path);
}

/* Whole volumes: bit for bit, and of no single moment while it runs. */

static int add_volume(struct adding *a, const struct vmbc_replica *replica,
		      const char *name, const char *path, const char *time,
		      struct err *err)
{
	OWNED_BUF struct buf source = BUF_INIT;
	int r;

	buf_printf(&source, "%s/volumes/%s", a->base, name);
	if (!buf_str(&source))
		return err_nomem(err);
	r = run_add(a, replica, "dir", buf_str(&source), path, time, err);
	adding_release(a);
	if (r > 0)
		warn("'%s' was not added as it should be", path);
	return r == FAILED ? INCOMPLETE : r;
}

static int add_replicas(struct adding *a, const char *time, struct err *err)
{
	int status = DONE, r = 0;

	for (unsigned n = 0; r >= 0 && n < a->vmbc->wanted; n++) {
		const struct vmbc_replica *replica = vmbc_has(a->vmbc, n);
		char name[32];

		if (!replica || !replica->volume) {
			warn("replica %u is not here: the set in the store is "
			     "incomplete", n);
			status = worse_status(status, INCOMPLETE);
			continue;
		}
		snprintf(name, sizeof(name), "replica-%u", n);
		r = add_volume(a, replica, name, replica->volume, time, err);
		status = r < 0 ? status : worse_status(status, r);
	}
	return r < 0 ? r : status;
}

/* Clients and whatever else has a volume of this blockchain. */
static int add_others(struct adding *a, const struct vmbc_cluster *cluster,
		      const char *time, struct err *err)
{
	int status = DONE, r = 0;

	for (size_t i = 0; r >= 0 && i < cluster->volume_count; i++) {
		const struct vmbc_volume *v = &cluster->volumes[i];
		const char *name = v->claim + 12 +
				   strlen(cluster->blockchain) + 1;

		if (v->is_replica)
			continue;
		if (!v->path || access(v->path, F_OK) < 0) {
			warn("volume %s (%s) is not on this machine: not "
			     "added", v->pv, v->claim);
			status = worse_status(status, INCOMPLETE);
			continue;
		}
		r = add_volume(a, NULL, name, v->path, time, err);
		status = r < 0 ? status : worse_status(status, r);
	}
	return r < 0 ? r : status;
}

static int add_volumes(const struct tool *tool, const struct vmbc *vmbc,
		       const struct vmbc_cluster *cluster, const char *base,
		       struct err *err)
{
	struct adding a = { .tool = tool, .vmbc = vmbc, .base = base,
			    .quiet = tool->quiet };
	char time[STAMP_TEXT];
	int status, r = adding_init(&a, err);

	if (r < 0)
		return r;
	/* one time for all: by it the set is known */
	stamp_iso((struct stamp){ stamp_now().s, 0 }, time);
	status = add_replicas(&a, time, err);
	r = status < 0 || !cluster ? 0 : add_others(&a, cluster, time, err);
	if (status >= 0 && r >= 0)
		say(tool, "The volumes as they are (crash-level: of one moment "
		    "only if all replicas are stopped); 'varve vmbc restore "
		    "--volumes=%s' puts them back.", time);
	return status < 0 ? status : r < 0 ? r : worse_status(status, r);
}

/* The number in the first word behind the use; false: it is none. */
static bool number_of(const char *word, uint64_t *ret)
{
	char *end = NULL;

	if (!word || !*word || strspn(word, "0123456789") != strlen(word))
		return false;
	errno = 0;
	*ret = strtoull(word, &end, 10);
	return errno == 0 && !*end;
}

int vmbc_take_number(const struct tool *tool, uint64_t *ret, bool *ret_given)
{
	const struct options *o = &tool->options;

	*ret_given = o->word_count > 1 && number_of(o->words[1], ret);
	return *ret_given ? 2 : 1;
}

static int add_number(const struct tool *tool, struct vmbc *vmbc,
		      const char *base, const uint64_t *given,
		      struct err *err)
{
	uint64_t number = given ? *given : 0;
	int r = vmbc_judge(tool, vmbc, err);

	if (r < 0)
		return r;
	if (!given && !vmbc_newest(vmbc, &number))
		return err_set(err, -ENODATA, "no checkpoint is whole on all "
			       "%u replicas; 'varve vmbc list' tells why",
			       vmbc->wanted);
	r = vmbc_add_set(tool, vmbc, base, number, -1, tool->quiet, err);
	if (r == DONE)
		say(tool, "Checkpoint %" PRIu64 " of all %u replicas is in the "
		    "store, as %s/replica-*@checkpoint=%" PRIu64 ".", number,
		    vmbc->wanted, base, number);
	return r;
}

int vmbc_add(struct tool *tool, struct err *err)
{
	const struct options *o = &tool->options;
	OWNED_CLUSTER struct vmbc_cluster cluster = { .class_count = 0 };
	OWNED_VMBC struct vmbc vmbc = VMBC_INIT;
	CLEANUP(free_ptr) char *base = NULL;
	uint64_t number;
	bool given, asks;
	size_t first = (size_t)vmbc_take_number(tool, &number, &given);
	int r = 0;

	asks = vmbc_asks_cluster(tool, first);
	if (asks)
		r = vmbc_ask(tool, option_value(o, "blockchain"), &cluster,
			     err);
	if (r == 0)
		r = vmbc_take_words(tool, first, asks ? &cluster : NULL, &vmbc,
				    err);
	if (r == 0)
		r = vmbc_base(tool, &vmbc, &base, err);
	if (r == 0)
		r = vmbc_take_settings(tool, asks ? &cluster : NULL, &vmbc,
				       err);
	if (r < 0)
		return r;
	catch_stop();
	if (option_given(o, "volumes"))
		return add_volumes(tool, &vmbc, asks ? &cluster : NULL, base,
				   err);
	return add_number(tool, &vmbc, base, given ? &number : NULL, err);
}
