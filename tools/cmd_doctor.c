#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/repo/remember.h"
#include "tools/commands.h"
#include "tools/doctor.h"
#include "tools/format.h"
#include "tools/kube_act.h"
#include "tools/needs.h"
#include "tools/runs.h"
#include "tools/target.h"

#define ROOM_WARN (1ull << 30)
/* The smallest add takes more: two packs, a record, pages of the catalog. */
#define ROOM_FAIL (96ull << 10)
#define NFS_MAGIC 0x6969

void doctor_tell(struct doctor *d, enum verdict verdict, const char *subject,
		 const char *fmt, ...)
{
	static const char *const word[] = { [OK] = "ok", [WARN] = "warn",
					    [FAIL] = "fail" };
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;
	char words[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	d->warns += verdict == WARN;
	d->fails += verdict == FAIL;
	if (d->tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "state", word[verdict]);
		json_str(&json, "subject", subject);
		json_name(&json, "words", span_str(words));
		json_close_object(&json);
		json_print(&line);
	} else if (verdict != OK || !d->tool->quiet) {
		printf("%-4s  %-12s ", word[verdict], subject);
		name_print(stdout, span_str(words));
		fputc('\n', stdout);
	}
}

static void look_at_modes(struct doctor *d, const char *path)
{
	static const char *const names[] = { "", "/varve.conf", "/packs",
					     "/snapshots", "/state" };
	struct stat st;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		OWNED_BUF struct buf name = BUF_INIT;

		buf_printf(&name, "%s%s", path, names[i]);
		if (!buf_str(&name) || stat((char *)name.data, &st) < 0)
			continue;
		if (st.st_mode & 07) {
			doctor_tell(d, WARN, "modes", "'%s' is open to everybody "
			     "(%04o): chmod -R o-rwx '%s'",
			     (char *)name.data, st.st_mode & 07777, path);
			return;
		}
	}
	doctor_tell(d, OK, "modes", "others cannot look into the store");
}

static void look_at_space(struct doctor *d, struct repo *repo)
{
	struct err err = ERR_INIT;
	char text[SIZE_TEXT];
	uint64_t bytes = 0;

	if (repo_room(repo, &bytes, &err) < 0) {
		doctor_tell(d, WARN, "space", "%s", err.text);
		return;
	}
	size_text(bytes, text);
	if (bytes < ROOM_FAIL)
		doctor_tell(d, FAIL, "space", "%s free for adds: they will fail; "
		     "forget and prune, or give it more", text);
	else if (bytes < ROOM_WARN)
		doctor_tell(d, WARN, "space", "only %s free for adds: one that takes "
		     "more fails; forget and prune, or give it more", text);
	else
		doctor_tell(d, OK, "space", "%s free", text);
}

static void look_at_catalog(struct doctor *d, struct repo *repo)
{
	struct err err = ERR_INIT;
	OWNED_BUF struct buf path = BUF_INIT;
	struct statfs fs;

	if (catalog_check(repo_catalog(repo), &err) < 0)
		doctor_tell(d, FAIL, "catalog", "%s; 'varve rebuild' makes a new one",
		     err.text);
	else
		doctor_tell(d, OK, "catalog", "sound, and level with the store");
	buf_printf(&path, "%s/catalog.db", repo_path(repo));
	if (buf_str(&path) && access((char *)path.data, F_OK) == 0 &&
	    statfs((char *)path.data, &fs) == 0 && fs.f_type == NFS_MAGIC)
		doctor_tell(d, FAIL, "catalog", "it lies on NFS, where SQLite's log "
		     "is not safe: keep it elsewhere (init --catalog)");
}

static void look_at_damage(struct doctor *d, struct repo *repo,
			   const struct snapshots *list)
{
	struct store_damage damage;
	struct err err = ERR_INIT;
	char when[STAMP_TEXT];
	uint64_t hurt = 0;

	for (size_t i = 0; i < list->count; i++)
		hurt += list->row[i].damage != NULL;
	if (store_damage_load(repo, &damage, &err) < 0) {
		doctor_tell(d, FAIL, "damage", "%s", err.text);
		return;
	}
	stamp_iso((struct stamp){ damage.checked.s, 0 }, when);
	if (hurt + damage.packs + damage.errors > 0)
		doctor_tell(d, FAIL, "damage", "%s and %s known to be damaged%s; "
		     "'varve check' names what is, 'varve repair -n' what can "
		     "be done", counted(hurt, "snapshot").s,
		     counted(damage.packs, "pack").s, damage.errors > 0 ?
		     ", and the last check found some" : "");
	else if (damage.checked.s == 0)
		doctor_tell(d, OK, "damage", "none is known, and nothing was checked "
		     "yet: 'varve check' does");
	else
		doctor_tell(d, OK, "damage", "none is known; checked last %s", when);
}

/* Also of a store that does not open: they are what it may be needed for. */
static void look_at_runs(struct doctor *d)
{
	struct err err = ERR_INIT;
	struct runs_left left;

	if (!d->tool->store)
		return;
	if (runs_find_left(d->tool, true, &left, &err) < 0)
		doctor_tell(d, FAIL, "runs", "%s", err.text);
	else if (left.count)
		doctor_tell(d, WARN, "runs", "%s not come to %s end: varve resume %s, "
		     "or, unless it is wholly new, varve rollback %s",
		     left.count == 1 ? "a run has" : "runs have",
		     left.count == 1 ? "its" : "their", left.first, left.first);
}

static void look_at_store(struct doctor *d)
{
	const struct tool *tool = d->tool;
	struct err err = ERR_INIT;
	struct repo *repo = NULL;
	OWNED_SNAPSHOTS struct snapshots list = { .row = NULL };

	if (!tool->store) {
		doctor_tell(d, WARN, "store", "none was named: give --store DIR or "
		     "set VARVE_STORE");
		return;
	}
	if (tool_open(tool, REPO_READ, &repo, &err) < 0) {
		doctor_tell(d, FAIL, "store", "%s%s%s", err.text,
		     err.hint[0] ? "; " : "", err.hint);
		return;
	}
	if (snapshots_load(repo, NULL, false, &list, &err) < 0)
		doctor_tell(d, FAIL, "store", "%s", err.text);
	else
		doctor_tell(d, OK, "store", "'%s' opens, %s", tool->store,
		     counted(list.count, "snapshot").s);
	if (disk_is_readonly(repo_dir(repo)))
		doctor_tell(d, WARN, "writing", "the store cannot be written here: "
		     "it can be listed, mounted and restored from");
	else
		doctor_tell(d, OK, "writing", "the store can be written");
	look_at_damage(d, repo, &list);
	look_at_modes(d, tool->store);
	look_at_space(d, repo);
	look_at_catalog(d, repo);
	repo_close(repo);
}

static const char *find_program(const char *name, char path[256])
{
	static const char *const dirs[] = { "/usr/local/bin", "/usr/bin",
					    "/bin", "/usr/sbin", "/sbin" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, 256, "%s/%s", dirs[i], name);
		if (access(path, X_OK) == 0)
			return path;
	}
	return NULL;
}

static void look_at_allow_other(struct doctor *d)
{
	FILE *conf = fopen("/etc/fuse.conf", "re");
	bool allowed = false;
	char line[256];

	while (conf && fgets(line, sizeof(line), conf))
		allowed |= !strncmp(line, "user_allow_other", 16);
	if (conf)
		fclose(conf);
	if (allowed || geteuid() == 0)
		doctor_tell(d, OK, "allow_other", "may be given to mount");
	else
		doctor_tell(d, WARN, "allow_other", "only root may give it: put "
		     "user_allow_other into /etc/fuse.conf");
}

static void look_at_fuse(struct doctor *d)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	char path[256];
	struct stat st;

	if (fd >= 0) {
		doctor_tell(d, OK, "/dev/fuse", "can be opened");
		close(fd);
	} else if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
		doctor_tell(d, FAIL, "/dev/fuse", "%s: modprobe fuse; in a container "
		     "give it the device", strerror(errno));
	} else {
		doctor_tell(d, FAIL, "/dev/fuse", "%s: this user cannot mount; run "
		     "as root or chmod 666 /dev/fuse", strerror(errno));
	}
	if (!find_program("fusermount3", path))
		doctor_tell(d, geteuid() ? FAIL : WARN, "fusermount3", "not found: "
		     "install the package fuse3");
	else if (stat(path, &st) == 0 && !(st.st_mode & S_ISUID) && geteuid())
		doctor_tell(d, FAIL, "fusermount3", "'%s' is not setuid root: users "
		     "cannot mount", path);
	else if (access("/etc/mtab", R_OK) < 0)
		doctor_tell(d, geteuid() ? FAIL : WARN, "fusermount3", "cannot read "
		     "/etc/mtab: users cannot unmount: ln -s "
		     "../proc/self/mounts /etc/mtab");
	else
		doctor_tell(d, OK, "fusermount3", "%s", path);
	look_at_allow_other(d);
}

/* Asked of the libraries that run, not of those it was built with. */
static void look_at_versions(struct doctor *d)
{
	static const struct { const char *name, *function; } libs[] = {
		{ "zstd", "ZSTD_versionString" },
		{ "SQLite", "sqlite3_libversion" },
		/* which says its own name */
		{ "", "archive_version_string" },
		{ "libfuse", "fuse_pkgversion" },
	};
	OWNED_BUF struct buf all = BUF_INIT;
	struct utsname name;

	buf_printf(&all, "varve %s", VARVE_VERSION);
	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++) {
		const char *(*ask)(void);
		void *at = dlsym(RTLD_DEFAULT, libs[i].function);

		memcpy(&ask, &at, sizeof(ask));
		if (at)
			buf_printf(&all, ", %s%s%s", libs[i].name,
				   libs[i].name[0] ? " " : "", ask());
	}
	doctor_tell(d, OK, "versions", "%s", buf_str(&all) ? (char *)all.data : "");
	if (uname(&name) == 0)
		doctor_tell(d, OK, "kernel", "%s %s %s", name.sysname, name.release,
		     name.machine);
}

static void look_at_clock(struct doctor *d)
{
	char text[STAMP_TEXT];
	struct stamp now = stamp_now();

	stamp_iso((struct stamp){ now.s, 0 }, text);
	/* 2024: earlier than that this program was not. */
	if (now.s < 1704067200)
		doctor_tell(d, FAIL, "clock", "it says %s: set it, or new backups "
		     "seem older than they are", text);
	else
		doctor_tell(d, OK, "clock", "%s", text);
}

static int run(struct tool *tool, struct err *err)
{
	struct doctor d = { .tool = tool };
	int r;

	look_at_store(&d);
	look_at_runs(&d);
	look_at_fuse(&d);
	look_at_clock(&d);
	look_at_versions(&d);
	r = doctor_needs(&d, err);
	if (r < 0)
		return r;
	if (d.fails + d.warns)
		say(tool, "%s, %s.", counted(d.fails, "failure").s,
		    counted(d.warns, "warning").s);
	return d.fails ? FAILED : DONE;
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "namespace", .arg = "NAMESPACE",
	  .help = "where PROCEDURE is to be done" },
	KUBE_OPTIONS,
	{ .name = "timeout", .arg = "TIME",
	  .help = "for an answer of the cluster (default: 1m)" },
	{ .name = NULL },
};

static void print_procedures(FILE *out)
{
	fputs("\nProcedures:\n", out);
	for (const struct procedure_needs *p = procedure_needs; p->name; p++)
		fprintf(out, "  %-17svarve %s\n", p->name, p->commands);
}

const struct command command_doctor = {
	.name = "doctor",
	.words = "[PROCEDURE]...",
	.about = "what would fail here, before it does",
	.text = "Looks at the store, what is known of damage, space and modes, "
		"the catalog, FUSE and versions. Each line is ok, warn or "
		"fail, and says what to do. Exit status 1 where anything fails. With --quiet only "
		"what is not ok. Of each PROCEDURE, in a word or as it is "
		"typed, also whether the cluster lets it do what it does, and "
		"whether this machine has what it takes: every right is asked "
		"for, and docs/rbac/ grants them.",
	.more_help = print_procedures,
	.example = "varve doctor --store /backup/store\n"
		   "varve doctor push-pvc -n shop --context lab\n"
		   "varve doctor pg stanza",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 0,
	.max_words = ANY_WORDS,
	.word_type = WORD_TEXT,
	.run = run,
};
