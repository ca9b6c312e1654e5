/*
 * commands: one of these per file cmd_*.c.
 */
#ifndef VARVE_COMMANDS_H
#define VARVE_COMMANDS_H

#include "tools/tool.h"

extern const struct command command_init;
extern const struct command command_add;
extern const struct command command_list;
extern const struct command command_ls;
extern const struct command command_cat;
extern const struct command command_find;
extern const struct command command_diff;
extern const struct command command_history;
extern const struct command command_mount;
extern const struct command command_umount;
extern const struct command command_restore;
extern const struct command command_push, command_resume, command_rollback;
extern const struct command command_runs;
extern const struct command command_verify;
extern const struct command command_copy;
extern const struct command command_forget;
extern const struct command command_prune;
extern const struct command command_undelete;
extern const struct command command_pin;
extern const struct command command_unpin;
extern const struct command command_tag;
extern const struct command command_policy;
extern const struct command command_check;
extern const struct command command_repair;
extern const struct command command_rebuild;
extern const struct command command_status;
extern const struct command command_doctor;
extern const struct command command_stats;
extern const struct command command_sql;
extern const struct command command_log;
extern const struct command command_rocksdb;
extern const struct command command_pg;
extern const struct command command_pso;
extern const struct command command_vmbc;
extern const struct command command_dv;
extern const struct command command_help;
extern const struct command command_complete;
extern const struct command command_completion;
extern const struct command command_manual;

/* mount(8) calls the mount command in its own way: SPEC MOUNTPOINT [-o …]. */
int mount_helper(int argc, char **argv, struct err *err);

#endif
