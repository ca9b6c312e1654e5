#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/out/mount.h"
#include "tools/commands.h"
#include "tools/format.h"

#define SOURCES_MAX 256
#define CACHE_MIB_MAX (1u << 20)

struct mounting {
	struct mount_options options;
	const char *sources[SOURCES_MAX];
	struct buf fuse;	/* options that are libfuse's or the kernel's */
	char store[PATH_MAX];
	bool helper;		/* called by mount(8) */
};

static int number(const char *text, const char *name, int base,
		  uint64_t max, uint64_t *ret, struct err *err)
{
	unsigned long long v;
	char *end;

	errno = 0;
	v = strtoull(text, &end, base);
	if (text[0] < '0' || text[0] > '9' || *end || errno || v > max)
		return err_set(err, -EINVAL, "'%s=%s' is no such number",
			       name, text);
	*ret = v;
	return 0;
}

static int add_source(struct mounting *m, const char *glob, struct err *err)
{
	if (m->options.source_count == SOURCES_MAX)
		return err_set(err, -EINVAL, "more than %d --source",
			       SOURCES_MAX);
	m->sources[m->options.source_count++] = glob;
	return 0;
}

/* What is for mount(8) and systemd alone, or says what is so anyway. */
static bool is_idle(const char *name, bool helper)
{
	static const char *const idle[] = {
		"ro", "defaults", "auto", "noauto", "user", "nouser", "users",
		"nofail", "_netdev", "exec", "noatime", "relatime", "async",
		NULL,
	};

	if (!strncmp(name, "x-", 2) || !strncmp(name, "comment=", 8))
		return true;
	/* mount.fuse adds these for root whoever asked; a backup's devices
	 * and setuid programs are not to be used from the mount.  mount(8)
	 * itself says "rw" where fstab says nothing, or "defaults". */
	if (helper && (!strcmp(name, "dev") || !strcmp(name, "suid") ||
		       !strcmp(name, "rw")))
		return true;
	for (size_t i = 0; idle[i]; i++)
		if (!strcmp(name, idle[i]))
			return true;
	return false;
}

/* 1: it is ours and was taken; 0: it is not ours. */
static int own_option(struct mounting *m, char *name, struct err *err)
{
	static const struct { const char *name; int base; uint64_t max; }
	numbers[] = {
		{ "uid", 10, UINT32_MAX }, { "gid", 10, UINT32_MAX },
		{ "umask", 8, 0777 }, { "cache", 10, CACHE_MIB_MAX },
		{ "threads", 10, 1024 },
	};
	char *value = strchr(name, '=');
	uint64_t v = 0;
	size_t i, len = value ? (size_t)(value - name) : 0;

	if (!value)
		return 0;
	if (len == 6 && !strncmp(name, "source", 6))
		return add_source(m, value + 1, err) < 0 ? -EINVAL : 1;
	for (i = 0; i < 5; i++)
		if (strlen(numbers[i].name) == len &&
		    !strncmp(name, numbers[i].name, len))
			break;
	if (i == 5)
		return 0;
	if (number(value + 1, numbers[i].name, numbers[i].base,
		   numbers[i].max, &v, err) < 0)
		return -EINVAL;
	m->options.has_uid |= i == 0;
	m->options.uid = i == 0 ? (uint32_t)v : m->options.uid;
	m->options.has_gid |= i == 1;
	m->options.gid = i == 1 ? (uint32_t)v : m->options.gid;
	m->options.has_umask |= i == 2;
	m->options.umask = i == 2 ? (uint32_t)v : m->options.umask;
	m->options.cache_budget = i == 3 ? (size_t)v << 20 :
				  m->options.cache_budget;
	m->options.threads = i == 4 ? (unsigned)v : m->options.threads;
	return 1;
}

/* text is cut into pieces in place and must outlive m. */
static int take_mount_options(struct mounting *m, char *text,
			      struct err *err)
{
	char *name, *rest = text;
	int r;

	while ((name = strsep(&rest, ","))) {
		if (!name[0] || is_idle(name, m->helper))
			continue;
		if (!strcmp(name, "rw"))
			return err_set(err, -EINVAL,
				       "a store can only be mounted to read");
		r = own_option(m, name, err);
		if (r < 0)
			return r;
		if (r == 0)
			buf_printf(&m->fuse, "%s%s", m->fuse.len ? "," : "",
				   name);
	}
	return buf_check(&m->fuse, err);
}

/* The daemon changes to "/": the store's path must hold from there. */
static int serve(struct mounting *m, const char *store,
		 const char *mountpoint, struct err *err)
{
	char point[PATH_MAX];
	int r;

	if (!realpath(store, m->store))
		return err_sys(err, "no store in '%s'", store);
	if (!realpath(mountpoint, point)) {
		r = err_sys(err, "cannot mount on '%s'", mountpoint);
		if (r == -ENOENT)
			err_hint(err, "make it first: mkdir '%s'",
				 mountpoint);
		else if (r == -ENOTCONN)
			err_hint(err, "a mount died there: 'varve umount %s' "
				 "first", mountpoint);
		return r;
	}
	m->options.store = m->store;
	m->options.mountpoint = point;
	m->options.sources = m->sources;
	m->options.fuse_options = m->fuse.len ? buf_str(&m->fuse) : NULL;
	r = mount_serve(&m->options, err);
	/* Not a lock: the place is taken, which waiting does not mend. */
	return r == -EBUSY ? -EEXIST : r;
}

static void mounting_release(struct mounting *m)
{
	buf_release(&m->fuse);
}

static int run(struct tool *tool, struct err *err)
{
	CLEANUP(mounting_release) struct mounting m = { .helper = false };
	const struct options *o = &tool->options;
	CLEANUP(free_ptr) char *texts = NULL;
	OWNED_BUF struct buf all = BUF_INIT;
	uint64_t cache = 0, threads = 0;
	const char *text;
	int r = 0;

	for (size_t i = 0; r >= 0 && (text = option_nth(o, "source", i)); i++)
		r = add_source(&m, text, err);
	for (size_t i = 0; (text = option_nth(o, "options", i)); i++)
		buf_printf(&all, "%s%s", i ? "," : "", text);
	texts = buf_detach(&all);
	if (r >= 0 && texts)
		r = take_mount_options(&m, texts, err);
	if (r < 0 || option_u64(o, "cache", CACHE_MIB_MAX, &cache, err) < 0 ||
	    option_u64(o, "threads", 1024, &threads, err) < 0)
		return -EINVAL;
	if (!tool->store) {
		r = err_set(err, -EINVAL, "no store was named");
		err_hint(err, "give --store DIR, or set VARVE_STORE");
		return r;
	}
	if (cache)
		m.options.cache_budget = (size_t)cache << 20;
	if (threads)
		m.options.threads = (unsigned)threads;
	m.options.foreground = option_given(o, "foreground");
	m.options.stats = option_given(o, "stats");
	fflush(stdout);
	r = serve(&m, tool->store, o->words[0], err);
	return r < 0 ? r : DONE;
}

/*
 * STORE MOUNTPOINT [-o OPTIONS] [-t TYPE] [-sfnvrw], words and flags mixed, as
 * mount(8) calls its helpers.
 */
int mount_helper(int argc, char **argv, struct err *err)
{
	static const struct option_def flags[] = {
		{ .letter = 'o', .name = "options", .arg = "OPTIONS",
		  .help = "" },
		{ .letter = 't', .name = "type", .arg = "TYPE", .help = "" },
		{ .letter = 's', .name = "sloppy", .help = "" },
		{ .letter = 'f', .name = "fake", .help = "" },
		{ .letter = 'n', .name = "no-mtab", .help = "" },
		{ .letter = 'v', .name = "verbose", .help = "" },
		{ .letter = 'r', .name = "read-only", .help = "" },
		{ .letter = 'w', .name = "read-write", .help = "" },
		{ .name = NULL },
	};
	const struct option_def *tables[] = { flags, NULL };
	CLEANUP(options_release) struct options o = { .tables = NULL };
	CLEANUP(mounting_release) struct mounting m = { .helper = true };
	CLEANUP(free_ptr) char *texts = NULL;
	OWNED_BUF struct buf all = BUF_INIT;
	const char *text;
	int r;

	r = options_parse(tables, argc, argv, false, &o, err);
	for (size_t i = 0; r >= 0 && (text = option_nth(&o, "options", i));
	     i++)
		buf_printf(&all, "%s%s", i ? "," : "", text);
	texts = buf_detach(&all);
	if (r >= 0 && texts)
		r = take_mount_options(&m, texts, err);
	if (r < 0)
		return r;
	if (o.word_count != 2)
		return err_set(err, -EINVAL,
			       "as a mount helper: STORE MOUNTPOINT [-o OPTIONS]");
	if (option_given(&o, "fake"))
		return DONE;
	r = serve(&m, o.words[0], o.words[1], err);
	return r < 0 ? r : DONE;
}

static const struct option_def options[] = {
	{ .letter = 'f', .name = "foreground",
	  .help = "serve in the foreground, until stopped or unmounted" },
	{ .letter = 'o', .name = "options", .arg = "OPTIONS",
	  .help = "uid=N, gid=N, umask=OCTAL override owners and modes; "
		  "others, as allow_other, are FUSE's" },
	{ .name = "source", .arg = "GLOB", .type = WORD_SOURCE,
	  .help = "show only these sources; may be given again" },
	{ .name = "cache", .arg = "MIB",
	  .help = "memory for decoded blocks (default 48)" },
	{ .name = "threads", .arg = "N",
	  .help = "serving threads (default: by processors)" },
	{ .name = "stats", .help = "print counters at the end, to stderr" },
	{ .name = NULL },
};

const struct command command_mount = {
	.name = "mount",
	.words = "MOUNTPOINT",
	.about = "show all snapshots as one read-only file system",
	.text = "Mounts the store: MOUNTPOINT/SOURCE/TIME/... for every "
		"snapshot, MOUNTPOINT/SOURCE/latest for the newest complete "
		"one. MOUNTPOINT/.varve (by name, not listed) has original "
		"streams, facts and incomplete snapshots. New snapshots "
		"appear while it is mounted.",
	.example = "varve mount /mnt/backups\n"
		   "varve mount -o allow_other --source 'web/*' /mnt/web",
	.options = options,
	.common = TAKES_STORE | TAKES_QUIET,
	.min_words = 1,
	.max_words = 1,
	.word_type = WORD_DIR,
	.run = run,
};

static int run_umount(struct tool *tool, struct err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < tool->options.word_count; i++) {
		r = mount_unmount(tool->options.words[i],
				  option_given(&tool->options, "lazy"), err);
		if (r > 0)
			warn("the server of '%s', process %d, goes on: it is "
			     "mounted elsewhere, too, or still closes its "
			     "store", tool->options.words[i], r);
	}
	if (r != -EBUSY && r != -EINVAL)
		return r < 0 ? r : DONE;
	/* In use is no lock of the store, not mounted no wrong use. */
	if (r == -EBUSY && !err->hint[0])
		err_hint(err, "fuser -vm MOUNTPOINT names who uses it; "
			 "--lazy lets go when they end");
	complain(err);
	return FAILED;
}

static const struct option_def umount_options[] = {
	{ .letter = 'z', .name = "lazy",
	  .help = "take it away now, end when nobody uses it any more" },
	{ .name = NULL },
};

const struct command command_umount = {
	.name = "umount",
	.words = "MOUNTPOINT...",
	.about = "end a mount",
	.text = "Unmounts what 'varve mount' mounted, also where its server "
		"died.",
	.example = "varve umount /mnt/backups",
	.options = umount_options,
	.common = TAKES_QUIET,
	.min_words = 1,
	.max_words = ANY_WORDS,
	.word_type = WORD_DIR,
	.run = run_umount,
};
