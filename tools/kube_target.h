/*
 * kube_target: the cluster that a plan is for, told and compared.
 *
 * A snapshot tells by tags or attributes which cluster it is of (kube_origin.c); one
 * that does not may go into any, and that is noted.  One thread.
 */
#ifndef VARVE_KUBE_TARGET_H
#define VARVE_KUBE_TARGET_H

#include "tools/kube_act.h"
#include "tools/run.h"
#include "tools/tool.h"

/* -EREMOTEIO: what is to be changed does not say which cluster it is. */
int kube_require_target(const struct kube_origin *now, struct err *err);
/* "in cluster UID (SERVER, context NAME):", a line; or an object. */
void kube_print_target(const struct kube_origin *now, bool as_json);
/* The same to who says --yes and sees no plan. */
void kube_say_target(const struct tool *tool, const struct kube_origin *now);
/* Is now the cluster that record is of?  As kube_check_origin(), by tool's
 * --other-cluster. */
int kube_check_record(const struct tool *tool, const struct record *record,
		      const struct kube_origin *now, struct err *err);
/*
 * Is it still the cluster that run began in, by its facts of these keys?  -EXDEV it
 * is another; -EREMOTEIO it does not say which it is.  0 where run does not.
 */
int kube_check_run(struct kube *kube, const struct run *run, const char *uid_key,
		   const char *server_key, struct err *err);

#endif
