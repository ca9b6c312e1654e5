/*
 * helm: releases of a cluster, asked and upgraded.
 *
 * It is run as kubectl is (kube.h): without a terminal, with a deadline, in the
 * same context.  What it prints may hold secrets: nothing of it is shown but
 * its words where it fails.  One thread.
 */
#ifndef VARVE_HELM_H
#define VARVE_HELM_H

#include "tools/kube.h"

#define HELM_WORDS 24
#define HELM_STATUS 32

struct helm {
	const char *words[HELM_WORDS];	/* NULL-terminated; borrowed */
	size_t n;
};

/* Append a, and b where it is not NULL. */
void helm_put(struct helm *helm, const char *a, const char *b);
/* Append which namespace (NULL: the usual one) of which cluster. */
void helm_where(struct helm *helm, const char *ns, const struct kube *kube);
/* -EREMOTEIO: it failed, in its words; -ETIMEDOUT.  Else as child_run(). */
int helm_run(const struct helm *helm, const struct kube *kube,
	     int64_t timeout_s, struct child_end *end, struct err *err);
/* "deployed", "failed", "pending-install", …; "" where there is no such release. */
int helm_status(const char *command, const char *release, const char *ns,
		const struct kube *kube, char ret[HELM_STATUS],
		struct err *err);
/* What all values of release come to, not only those that somebody gave. */
int helm_values(const char *command, const char *release, const char *ns,
		const struct kube *kube, struct jdoc *ret, struct err *err);

#endif
