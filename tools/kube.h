/*
 * kube: Kubernetes asked through kubectl, or oc.
 *
 * It is run without a terminal and with a deadline, and gives JSON; what went
 * wrong is kept apart from "there is none".  The file that kubectl is configured
 * by has keys in it: nothing but context and server is taken of it.  One thread.
 */
#ifndef VARVE_KUBE_H
#define VARVE_KUBE_H

#include "fs/base/jdoc.h"
#include "tools/child.h"
#include "tools/options.h"

#define KUBE_TIMEOUT_S 60	/* of a request, unless --timeout says */
#define KUBE_TIMEOUT_MAX_S 86400
#define KUBE_WORDS_MAX 32

struct kube {
	const char *kubectl, *context, *kubeconfig;	/* borrowed */
	int64_t timeout_s;
	char request_timeout[48];
	unsigned silent;	/* requests in a row without an answer in time */
	/* while it is true, also what is stopped is asked to its end; or NULL */
	const bool *past_stop;
};

/* The options --kubectl, --context and --kubeconfig. */
#define KUBE_OPTIONS \
	{ .name = "kubectl", .arg = "COMMAND", \
	  .help = "instead of kubectl, as oc" }, \
	{ .name = "context", .arg = "NAME", .help = "kubectl's context" }, \
	{ .name = "kubeconfig", .arg = "FILE", .type = WORD_FILE, \
	  .help = "kubectl's configuration" }

/* --timeout: KUBE_TIMEOUT_S where it is not given. */
int kube_timeout(const struct options *options, int64_t *ret,
		 struct err *err);
void kube_init(struct kube *kube, const struct options *options,
	       int64_t timeout_s);
/* The same as a journal has it; kubectl NULL: the usual one. */
void kube_init_as(struct kube *kube, const char *kubectl,
		  const char *context, const char *kubeconfig,
		  int64_t timeout_s);
/*
 * kubectl and what it is always given, at the beginning of words; how many.
 * deadline: also that of a request, so that it can say by itself which server
 * does not answer (exec has none).
 */
size_t kube_words(const struct kube *kube, bool deadline,
		  const char *words[KUBE_WORDS_MAX]);
/* Run it with what behind that (NULL-terminated).  As child_run(). */
int kube_run(struct kube *kube, const char *const *what,
	     struct child_end *ret, struct err *err);
/* The same with input. */
int kube_feed(struct kube *kube, const char *const *what, struct span input,
	      struct child_end *ret, struct err *err);
/*
 * What end was, in its words: 0; -ENXIO there is no such thing, or no such kind
 * of thing, in this cluster; -EEXIST there is one; -ETIMEDOUT no answer in time;
 * -EREMOTEIO anything else that is not 0.
 */
int kube_judge(const struct kube *kube, const struct child_end *end,
	       struct err *err);
/*
 * kubectl get WHAT -o json: a document with "items", in *ret.  As kube_judge();
 * -EPROTO: what it printed is no list.  Else as child_run().
 */
int kube_get(struct kube *kube, const char *const *what, struct jdoc *ret,
	     struct err *err);

struct kube_origin {		/* which cluster it is; NULL: not known */
	char *context, *cluster, *server, *uid;	/* uid: of kube-system */
	char *why;			/* uid is not known; or NULL */
};
void kube_origin_release(struct kube_origin *origin);
/* 0 also where only some is known; negative where kubectl cannot be run. */
int kube_find_origin(struct kube *kube, struct kube_origin *ret,
		     struct err *err);

#endif
