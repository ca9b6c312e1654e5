#include "tools/commands.h"
#include "tools/dv.h"

static int run(struct tool *tool, struct err *err)
{
	static const struct {
		const char *name;
		int (*run)(struct tool *tool, struct err *err);
	} uses[] = {
		{ "backup", dv_backup }, { "list", dv_list },
		{ "restore", dv_restore }, { "clean", dv_clean },
		{ "mend", dv_mend },
	};
	const struct options *o = &tool->options;

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		if (strcmp(o->words[0], uses[i].name) != 0)
			continue;
		if (o->word_count > 1 && uses[i].run != dv_restore &&
		    uses[i].run != dv_clean)
			return err_set(err, -EINVAL, "'varve dv %s' takes no "
				       "words: '%s'", o->words[0],
				       o->words[1]);
		return uses[i].run(tool, err);
	}
	err_set(err, -EINVAL, "'varve dv %s' is not one of its uses",
		o->words[0]);
	return err_hint(err, "dv backup, dv list, dv restore [TS], dv clean, "
			"dv mend");
}

static const struct option_def options[] = {
	{ .letter = 'n', .name = "namespace", .arg = "NAME",
	  .help = "where the DV instance is, as cpd30" },
	{ .letter = 'y', .name = "yes",
	  .help = "do it without asking (needed where there is no "
		  "terminal)" },
	{ .name = "dry-run", .help = "only show the plan" },
	{ .letter = 's', .name = "source", .arg = "SOURCE",
	  .type = WORD_SOURCE,
	  .help = "backup: the snapshot's source (default: the cluster's "
		  "name, the namespace, and dv)" },
	{ .name = "storage-class", .arg = "NAME",
	  .help = "backup: of the claim dv-bar-pvc, where that is to be made" },
	{ .name = "size", .arg = "SIZE",
	  .help = "backup: of that claim, as 40Gi (default 20Gi)" },
	{ .name = "room", .arg = "SIZE",
	  .help = "backup: what must be free on it (default: 10 GiB, or 1.2 "
		  "times what the last backup took)" },
	{ .name = "window", .arg = "HH:MM-HH:MM",
	  .help = "backup: refuse outside these hours, as DV is offline "
		  "meanwhile" },
	{ .name = "deadline", .arg = "TIME",
	  .help = "of the vendor's Job (default 60m)" },
	{ .name = "image", .arg = "NAME",
	  .help = "dv-init-volume's, where neither its pod nor its Job is "
		  "there" },
	{ .name = "keep", .arg = "N",
	  .help = "clean: leave the newest N on the volume; backup: clean "
		  "behind it" },
	{ .name = "unstored",
	  .help = "clean: remove BACKUP though it is not in the store as it "
		  "is on the volume" },
	{ .name = "by-link",
	  .help = "restore: change the link, also where the Job can be told "
		  "the backup" },
	{ .name = "backup-first",
	  .help = "restore: back DV up before, and put that backup in place "
		  "again if BACKUP cannot be restored" },
	{ .name = "caching",
	  .help = "restore: DV caching is enabled: run dv-caching-bar.sh false "
		  "afterwards" },
	{ .name = "other-instance", .arg = "UID",
	  .help = "restore: a backup of another instance into this one, which "
		  "is the one of this UID" },
	{ .name = "permissions",
	  .help = "mend: make the volume of backups writable, by dv-test-job" },
	{ .name = "world",
	  .help = "mend: with mode 777, as the vendor's document has it" },
	{ .name = "log", .arg = "FILE", .type = WORD_FILE,
	  .help = "mend: only tell what a log of dvcli.sh or of a Job says" },
	KUBE_OTHER_OPTION,
	KUBE_OPTIONS,
	{ .name = "timeout", .arg = "DURATION",
	  .help = "how long to wait for each answer of kubectl (default "
		  "60s)" },
	{ .name = "journal", .arg = "DIR", .type = WORD_DIR,
	  .help = "keep the journal in DIR (default: in the store)" },
	{ .name = NULL },
};

const struct command command_dv = {
	.name = "dv",
	.words = "backup\nlist\nrestore [BACKUP]\nclean --keep N\nclean BACKUP\nmend",
	.about = "back up and restore IBM Data Virtualization",
	.text = "Runs Data Virtualization's own backup and restore, whose "
		"script is dvcli.sh, with what that leaves to people: room is "
		"looked for first, Deployments are scaled down and back to the "
		"counts they had, Jobs are watched, and markers that keep DV "
		"stopped are taken away. DV is offline meanwhile.\n"
		"\n"
		"'backup' also takes the backup into the store, with the "
		"archives in it as directories. 'clean' removes from the "
		"volume dv-bar-pvc what the store holds, and with --unstored "
		"BACKUP also where it does not. 'restore' brings back "
		"BACKUP, as 2021-01-22-19-27-31, also one that is in the "
		"store only. 'mend' takes away what a failed backup left. "
		"Killed at any point, 'varve resume' or 'varve rollback' go "
		"on.",
	.example = "varve dv backup -n cpd30 --yes --keep 1\n"
		   "varve dv list -n cpd30\n"
		   "varve dv restore 2021-01-22-19-27-31 -n cpd30",
	.options = options,
	.common = TAKES_STORE | TAKES_JSON | TAKES_QUIET,
	.min_words = 1,
	.max_words = 2,
	.word_type = WORD_TEXT,
	.run = run,
};
