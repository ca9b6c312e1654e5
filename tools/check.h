/*
 * check: what commands that look for damage share.
 */
#ifndef VARVE_TOOLS_CHECK_H
#define VARVE_TOOLS_CHECK_H

#include "fs/repo/check.h"
#include "fs/tree/damage.h"
#include "tools/tool.h"

/* One line, or one JSON object, for a place that is damaged. arg: the tool. */
void show_damage(void *arg, const struct damage *damage);
/* repo_check(), then damage_find() of what it found, shown. */
int check_and_find(const struct tool *tool, struct repo *repo,
		   struct check_options *options, struct check_report *report,
		   struct damage_report *found, struct err *err);

#endif
