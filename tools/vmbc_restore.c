#include "tools/vmbc_restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/format.h"
#include "tools/kube_target.h"
#include "tools/runs.h"

#define NOT_YET "00000000000000000000000000000000"

void vmbc_restoring_release(struct vmbc_restoring *r)
{
	for (size_t i = 0; r->aims && i < r->count; i++) {
		push_place_release(&r->aims[i].place);
		free(r->aims[i].label);
	}
	free(r->aims);
	free(r->base);
	free(r->time);
	vmbc_release(&r->live);
	vmbc_release(&r->source);
	vmbc_cluster_release(&r->cluster);
	if (r->repo)
		repo_close(r->repo);
}

/* Facts. */

static int note_part(const struct vmbc_restoring *r, size_t index,
		     struct run *run, struct err *err)
{
	const struct vmbc_aim *aim = &r->aims[index];
	const struct vmbc_replica *replica = aim->replica;
	struct push part = { .run = run };
	char prefix[16];
	int code;

	snprintf(prefix, sizeof(prefix), "r%u-",
		 (unsigned)index);
	part.prefix = prefix;
	code = push_note_part(run, prefix, aim->id[0] ? aim->id : NOT_YET,
			      aim->label, "", &aim->place, err);
	if (code == 0)
		code = push_notef(&part, err, "replica", "%u",
				   replica->number);
	if (code == 0 && aim->owner[0])
		code = push_note(&part, "owner", aim->owner, err);
	if (code == 0 && option_given(&r->tool->options, "in-place"))
		code = push_notef(&part, err, "present",
				   "%s/present/replica-%u", r->base,
				   replica->number);
	if (code == 0 && replica->claim)
		code = push_note(&part, "claim", replica->claim, err);
	if (code == 0 && replica->ns)
		code = push_note(&part, "ns", replica->ns, err);
	return code;
}

/* Whether pods have it could not be asked. */
static int refuse_unclaimed(const struct vmbc_restoring *r, struct err *err)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->aims[i].replica->claim)
			continue;
		err_set(err, -ENODATA, "the cluster has no volume of replica "
			"%u of blockchain %s", r->aims[i].replica->number,
			r->live.blockchain);
		return err_hint(err, "is it the right cluster (--context)?");
	}
	return 0;
}

static int note_cluster(struct vmbc_restoring *r, struct run *run,
			struct err *err)
{
	const struct kube *kube = &r->cluster.kube;
	CLEANUP(free_ptr) char *config = kube->kubeconfig ?
		realpath(kube->kubeconfig, NULL) : NULL;
	const struct {
		const char *key, *value;
	} facts[] = {
		{ "asks", "1" }, { "kubectl", kube->kubectl },
		{ "context", kube->context },
		{ "kubeconfig", config ? config : kube->kubeconfig },
		{ "cluster-uid", r->cluster.origin.uid },
		{ "server", r->cluster.origin.server },
	};
	int code = refuse_unclaimed(r, err);

	if (code == 0)
		code = kube_require_target(&r->cluster.origin, err);
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++)
		if (code == 0 && facts[i].value)
			code = run_learn(run, facts[i].key, facts[i].value,
					 err);
	if (code == 0)
		code = run_learnf(run, err, "timeout", "%" PRId64,
				  kube->timeout_s);
	return code < 0 ? code :
	       vmbc_note_stop(r->tool, &r->live, &r->cluster, run, err);
}

static int note_label(const struct vmbc_restoring *r, struct run *run,
		      struct err *err)
{
	int code;

	if (r->from == FROM_VOLUMES)
		return run_learnf(run, err, "label", "the volumes of %s",
				  r->time);
	code = run_learnf(run, err, "checkpoint", "%" PRIu64, r->number);
	return code < 0 ? code :
	       run_learnf(run, err, "label", "checkpoint %" PRIu64,
			  r->number);
}

static int note_target(const struct vmbc_restoring *r, struct run *run,
		       struct err *err)
{
	if (r->all)
		return run_learnf(run, err, "target", "%s of blockchain %s",
				  counted(r->count, "replica").s,
				  r->live.blockchain);
	return run_learnf(run, err, "target", "replica %u%s of blockchain %s",
			  r->aims[0].replica->number, r->count > 1 ?
			  " and others" : "", r->live.blockchain);
}

static int note_facts(struct vmbc_restoring *r, struct run *run,
		      struct err *err)
{
	const struct options *o = &r->tool->options;
	const char *deadline = option_value(o, "deadline");
	const char *validate = option_value(o, "validate");
	int64_t seconds = PUSH_DEADLINE_S;
	int code = deadline ? duration_parse(deadline, &seconds, err) : 0;

	if (code < 0)
		return err_wrap(err, "--deadline");
	if (seconds < 1)
		return err_set(err, -EINVAL, "--deadline '%s' is no time",
			       deadline);
	code = run_learn(run, "kind", VMBC_KIND, err);
	if (code == 0)
		code = run_learn(run, "store", repo_path(r->repo), err);
	if (code == 0)
		code = note_label(r, run, err);
	if (code == 0)
		code = note_target(r, run, err);
	if (code == 0)
		code = run_learnf(run, err, "parts", "%zu", r->count);
	if (code == 0)
		code = run_learnf(run, err, "deadline", "%" PRId64, seconds);
	if (code == 0 && validate)
		code = run_learn(run, "validate", validate, err);
	if (code == 0)
		code = push_learn_flag(run, "in-place",
				      option_given(o, "in-place"), err);
	return code < 0 || !r->asks ? code : note_cluster(r, run, err);
}

/* Clients and others: no swap of the run's is theirs, and helm stops them too. */
static void tell_others(const struct vmbc_restoring *r)
{
	const size_t skip = strlen("concord-pvc-");

	for (size_t i = 0; r->asks && r->from == FROM_VOLUMES &&
	     i < r->cluster.volume_count; i++) {
		const struct vmbc_volume *v = &r->cluster.volumes[i];

		if (!v->is_replica)
			note(r->tool, "volume %s of %s is not put back with "
			     "the replicas': varve push %s/volumes/%s@%s "
			     "dir:%s", v->pv, v->claim, r->base, v->claim +
			     skip + strlen(r->cluster.blockchain) + 1, r->time,
			     v->path ? v->path : "PATH");
	}
}

/* The plan. */

static void print_head(const struct vmbc_restoring *r, const struct run *run)
{
	char size[SIZE_TEXT];

	printf("%s for %s%s%s", run_fact(run, "label"),
	       run_fact(run, "target"), r->live.ns ? ", namespace " : "",
	       r->live.ns ? r->live.ns : "");
	printf(r->asks ? "\n" : ":\n");
	if (r->asks)
		kube_print_target(&r->cluster.origin, false);
	for (size_t i = 0; i < r->count; i++) {
		const struct vmbc_aim *aim = &r->aims[i];
		unsigned uid, gid;

		size_text(aim->room.bytes, size);
		printf("  replica %u: %s (%s) to '%s'",
		       aim->replica->number, aim->label, size,
		       aim->place.target);
		if (sscanf(aim->owner, "%*u:%*u %u:%u", &uid, &gid) == 2)
			printf(", all %u:%u's", uid, gid);
		putchar('\n');
	}
	if (r->from == FROM_VOLUMES)
		printf("These are volumes as they were (crash-level); a "
		       "checkpoint is consistent.\n");
	else
		printf("%s; the checkpoints that lie in the present data go "
		       "aside with it.\n", r->all ?
		       "What the blockchain did behind this checkpoint goes" :
		       "What came behind this checkpoint is for the others to "
		       "bring it up to date with");
	if (!r->asks)
		printf("No cluster is asked: that the replicas are stopped is "
		       "your word (--stopped).\n");
	if (r->from == FROM_LIVE || r->from == FROM_COPIES)
		printf("%3d. put the checkpoint of each replica into the "
		       "store, where it is not yet\n", 0);
}

static int print_plan(const struct vmbc_restoring *r,
		      const struct vmbc_run *all)
{
	if (!r->tool->json)
		print_head(r, all->run);
	else if (r->asks)
		kube_print_target(&r->cluster.origin, true);
	plan_show(&all->plan, r->tool->json);
	return fflush(stdout);
}

/* Asked first: to roll all back for the sake of one loses blocks. */
static int ask_lost(const struct vmbc_restoring *r, struct err *err)
{
	const struct options *o = &r->tool->options;
	int code;

	if (option_given(o, "lost") || option_given(o, "dry-run"))
		return true;
	code = confirm(false, "is the data of all replicas lost, or is all of "
		       "it to go back?", err);
	if (code < 0 && code == -EINVAL) {
		err_set(err, code, "which replicas are lost?");
		return err_hint(err, "--lost all: all go back to one "
				"checkpoint, and blocks are lost; --lost N: "
				"only N, and the others go on");
	}
	if (code == 0)
		say(r->tool, "Nothing was done. --lost N puts back only "
		    "replica N, with its own checkpoint; whether the others "
		    "then bring it up to date is for the blockchain's state "
		    "transfer.");
	return code;
}

static int lock_places(struct vmbc_run *all, struct err *err)
{
	struct stat own, other;
	unsigned kept;
	int r = 0;

	for (size_t i = 0; r == 0 && i < all->count; i++) {
		struct swap *swap = &all->parts[i].push.swap;
		struct push_place place = { .target = (char *)swap->target,
					    .entries = swap->entries };
		bool held = false;

		if (fstat(swap->place, &own) < 0)
			return err_sys(err, "cannot look at '%s'",
				       swap->target);
		for (size_t j = 0; j < i && !held; j++)
			held = fstat(all->parts[j].push.swap.place,
				     &other) == 0 &&
			       other.st_dev == own.st_dev &&
			       other.st_ino == own.st_ino;
		if (!held)
			r = swap_lock(swap, err);
		if (r == 0)
			r = push_check_others(&place, &kept, err);
	}
	return r;
}

static int go(struct vmbc_restoring *r, struct vmbc_run *all, struct err *err)
{
	CLEANUP(disk_close) struct disk_dir dir = { .path = NULL };
	struct run *run = all->run;
	int code = runs_open(r->tool, r->repo, true, &dir, err);

	if (code == 0)
		code = runs_refuse_other(&dir, run_fact(run, "target"), err);
	run->dir = &dir;
	if (code == 0)
		code = lock_places(all, err);
	if (code == 0)
		code = run_start(run, err);
	if (code == 0 && r->asks)
		kube_say_target(r->tool, &r->cluster.origin);
	if (code == 0)
		say(r->tool, "Run %s.", run->id);
	if (code == 0)
		code = vmbc_end(r->tool, all, plan_go(&all->plan, run, err),
				err);
	run->dir = NULL;
	return code;
}

/* Nobody here has it open, where nothing will be stopped. */
static int check_use(const struct vmbc_run *all, struct err *err)
{
	int r = 0;

	if (all->how != STOP_NOTHING)
		return 0;
	for (size_t i = 0; r == 0 && i < all->count; i++)
		r = push_check_use(all->parts[i].push.swap.target, err);
	if (r == -EBUSY)
		err_hint(err, "stop what uses it; a replica that runs writes "
			 "into it");
	return r;
}

#define PUT_QUESTION "put this checkpoint in the place of the present data?"

static int plan_and_go(struct vmbc_restoring *r, struct run *run,
		       struct err *err)
{
	const struct options *o = &r->tool->options;
	OWNED_VMBC_RUN struct vmbc_run all = { .count = 0 };
	bool dry = option_given(o, "dry-run");
	int code = 0;

	for (size_t i = 0; code == 0 && i < r->count; i++)
		code = note_part(r, i, run, err);
	if (code == 0)
		code = vmbc_make(r->tool, run, r->repo, &all, err);
	if (code == 0)
		code = check_use(&all, err);
	if (code < 0)
		return code;
	if (geteuid() != 0)
		note(r->tool, "only root sees whether others use the data");
	tell_others(r);
	if (dry || !option_given(o, "yes"))
		print_plan(r, &all);
	if (dry)
		return DONE;
	code = confirm(option_given(o, "yes"), PUT_QUESTION, err);
	if (code == 0)
		say(r->tool, r->from == FROM_LIVE || r->from == FROM_COPIES ?
		    "Nothing was put back; the checkpoints are in the store." :
		    "Nothing was done.");
	return code < 0 ? code : code == 0 ? FAILED : go(r, &all, err);
}

static int find_all(struct vmbc_restoring *r, size_t first, struct err *err)
{
	const struct options *o = &r->tool->options;
	int code = tool_open_maybe(r->tool, &r->repo, err);

	if (code >= 0 && r->asks)
		code = vmbc_ask(r->tool, option_value(o, "blockchain"),
				&r->cluster, err);
	if (code < 0 && r->asks && code != -ECANCELED)
		return err->hint[0] ? code :
		       err_hint(err, "where the replicas are stopped and "
				"there is no cluster to ask: --stopped");
	if (code >= 0)
		code = vmbc_take_words(r->tool, first, r->asks ? &r->cluster :
				       NULL, &r->live, err);
	if (code >= 0)
		code = vmbc_base(r->tool, &r->live, &r->base, err);
	if (code >= 0)
		code = vmbc_choose(r, err);
	if (code >= 0)
		code = vmbc_find_source(r, err);
	if (code >= 0)
		code = vmbc_find_places(r, err);
	return code < 0 ? code : vmbc_check_room(r, err);
}

int vmbc_restore(struct tool *tool, struct err *err)
{
	CLEANUP(vmbc_restoring_release) struct vmbc_restoring r = {
		.tool = tool,
		.asks = !option_given(&tool->options, "stopped"),
	};
	size_t first = (size_t)vmbc_take_number(tool, &r.number, &r.given);
	OWNED_RUN struct run run = RUN_INIT;
	int code;

	if (!r.asks && (option_given(&tool->options, "scale") ||
			option_given(&tool->options, "release")))
		return err_set(err, -EINVAL, "with --stopped nothing is "
			       "stopped or started: it does not go with --scale "
			       "or --release");
	if (!r.asks && first >= tool->options.word_count)
		return err_set(err, -EINVAL, "with --stopped no cluster is "
			       "asked: name the replicas' directories");
	catch_stop();
	code = find_all(&r, first, err);
	if (code >= 0)
		code = ask_lost(&r, err);
	if (code <= 0)
		return code < 0 ? code : FAILED;
	/* what refuses it comes before anything is read for the store */
	code = run_new(NULL, &run, err);
	if (code == 0)
		code = note_facts(&r, &run, err);
	/* where nobody can be asked, nothing is put into the store either */
	if (code == 0 && !option_given(&tool->options, "dry-run") &&
	    !can_confirm(option_given(&tool->options, "yes")))
		code = confirm(false, PUT_QUESTION, err);
	if (code == 0 && !option_given(&tool->options, "dry-run"))
		code = vmbc_add_source(&r, err);
	return code < 0 ? code : plan_and_go(&r, &run, err);
}
