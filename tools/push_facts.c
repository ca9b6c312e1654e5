#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tools/format.h"
#include "tools/push.h"

int push_learn_owner(const char *text, struct run *run, struct err *err)
{
	char owner[PUSH_OWNER_TEXT];
	int r = push_owner_given(text, owner, err);

	return r < 0 ? r : run_learn(run, "owner", owner, err);
}

int push_learn_flag(struct run *run, const char *key, bool set,
		    struct err *err)
{
	return set ? run_learn(run, key, "1", err) : 0;
}

static int take_commands(const struct tool *tool, struct run *run,
			 struct err *err)
{
	const char *stop = option_value(&tool->options, "stop");
	const char *start = option_value(&tool->options, "start");
	const char *deadline = option_value(&tool->options, "deadline");
	int64_t seconds = PUSH_DEADLINE_S;
	int r = 0;

	if (!stop != !start)
		return err_set(err, -EINVAL, "--stop and --start go together");
	if (deadline)
		r = duration_parse(deadline, &seconds, err);
	if (r < 0)
		return err_wrap(err, "--deadline");
	if (seconds < 1)
		return err_set(err, -EINVAL, "--deadline '%s' is no time",
			       deadline);
	if (stop)
		r = run_learn(run, "stop", stop, err);
	if (stop && r == 0)
		r = run_learn(run, "start", start, err);
	return r < 0 ? r : run_learnf(run, err, "deadline", "%" PRId64,
				      seconds);
}

int push_learn(const struct tool *tool, const struct repo *repo,
	       const struct target *tree, const char *kind, const char *target,
	       struct run *run, struct err *err)
{
	const struct record *record = &tree->snapshot.record;
	char hex[2 * RECORD_ID + 1], label[LABEL_TEXT];
	int r;

	hex_write(record->id, RECORD_ID, hex);
	snapshot_label(record, label);
	r = run_learn(run, "kind", kind, err);
	if (r == 0)
		r = run_learn(run, "store", repo_path(repo), err);
	if (r == 0)
		r = run_learn(run, "snapshot", hex, err);
	if (r == 0)
		r = run_learnf(run, err, "label", "%s%s%s", label,
			       tree->path[0] ? ":" : "", tree->path);
	if (r == 0)
		r = run_learn(run, "path", tree->path, err);
	if (r == 0)
		r = run_learn(run, "target", target, err);
	if (r == 0)
		r = run_learnf(run, err, "staging", SWAP_PREFIX "%s", run->id);
	if (r == 0)
		r = push_learn_flag(run, "incomplete",
				    option_given(&tool->options, "incomplete"),
				    err);
	return r < 0 ? r : take_commands(tool, run, err);
}

int push_identity(const char *path, char out[PUSH_IDENTITY_TEXT],
		  struct err *err)
{
	struct statx st;

	if (statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW,
		  STATX_TYPE | STATX_INO | STATX_BTIME, &st) < 0)
		return err_sys(err, "cannot look at '%s'", path);
	if (!S_ISDIR(st.stx_mode))
		return err_set(err, -ENOTDIR, "'%s' is no directory", path);
	if (!(st.stx_mask & STATX_BTIME))
		st.stx_btime = (struct statx_timestamp){ .tv_sec = 0 };
	snprintf(out, PUSH_IDENTITY_TEXT, "%llu %lld.%09u",
		 (unsigned long long)st.stx_ino,
		 (long long)st.stx_btime.tv_sec, st.stx_btime.tv_nsec);
	return 0;
}

void push_print_plan(const struct push *push, const struct push_room *room)
{
	char size[SIZE_TEXT];

	size_text(room->bytes, size);
	if (!push->tool->json)
		printf("%s to '%s' (%s, %s):\n", run_fact(push->run, "label"),
		       push->name, counted(room->inodes, "entry").s, size);
	plan_show(&push->plan, push->tool->json);
}
