/*
 * kube_act from the command line, for tests/kube/run: one request, what came of
 * it on stdout, and the status of the command that exec ran.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/kube_act.h"
#include "tools/tool.h"

volatile int stopped;

static void on_stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static const char *name_of(int r)
{
	return r == 0 ? "0" : strerrorname_np(-r);
}

static struct span read_input(struct buf *buf)
{
	char piece[4096];
	ssize_t n;

	while ((n = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		buf_append(buf, piece, (size_t)n);
	return buf_span(buf);
}

/* In pieces of an odd size, as a stream comes. */
static int pour(struct kube *kube, const struct kube_container *where,
		char **argv, struct span in, struct child_end *end,
		struct err *err)
{
	OWNED_RUNNING struct child child = CHILD_INIT;
	int r = kube_exec_begin(kube, where, (const char *const *)argv, 1,
				&child, end, err);
	int cut = 0;

	for (size_t at = 0; r == 0 && cut == 0 && at < in.len; at += 7777)
		cut = child_put(&child, span_of(in.data + at, in.len - at < 7777
						? in.len - at : 7777), err);
	if (cut && cut != -EPIPE && cut != -ETIMEDOUT)
		return cut;
	if (cut)
		printf("put %s\n", name_of(cut));
	return r < 0 ? r : kube_exec_end(kube, &child, err);
}

static int exec(struct kube *kube, char **argv, bool pieces, struct err *err)
{
	struct kube_container where = { argv[0], argv[1], argv[2] };
	OWNED_CHILD struct child_end end = { .status = 0 };
	OWNED_BUF struct buf input = BUF_INIT;
	struct span in = read_input(&input);
	int r = pieces ? pour(kube, &where, argv + 3, in, &end, err) :
		kube_exec(kube, &where, (const char *const *)argv + 3, in, 2,
			  &end, err);

	if (r == 0)
		printf("status %d\nsaid %.*s\nout %.*s\n", end.status,
		       (int)end.said.len, (const char *)end.said.data,
		       (int)end.out.len, (const char *)end.out.data);
	return r;
}

static int pods(struct kube *kube, char **argv, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = kube_pods_of_claim(kube, argv[0], argv[1], &doc, err);
	const struct jnode *one = r ? NULL : jnode_get(doc.root, "items")->child;

	for (; one; one = one->next) {
		struct span name = jnode_text(one, "metadata.name");

		printf("%.*s\n", (int)name.len, (const char *)name.data);
	}
	return r;
}

static int answer(struct kube *kube, const char *verb, char **argv,
		  struct err *err)
{
	OWNED_BUF struct buf input = BUF_INIT;
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct kube_origin origin = { .uid = argv[0] };
	int64_t n;
	bool yes;
	int r;

	if (!strcmp(verb, "get")) {
		r = kube_get_one(kube, argv[0], argv[1], &doc, err);
		if (r == 0)
			printf("%.*s\n", (int)jnode_text(doc.root, "kind").len,
			       (const char *)jnode_text(doc.root, "kind").data);
		return r;
	}
	if (!strcmp(verb, "replicas")) {
		r = kube_replicas(kube, argv[0], argv[1], &n, err);
		if (r == 0)
			printf("%lld\n", (long long)n);
		return r;
	}
	if (!strcmp(verb, "scale"))
		return kube_scale(kube, argv[0], argv[1], atoi(argv[2]), err);
	if (!strcmp(verb, "apply"))
		return kube_apply(kube, argv[0], read_input(&input), err);
	if (!strcmp(verb, "create"))
		return kube_create(kube, argv[0], read_input(&input), err);
	if (!strcmp(verb, "delete"))
		return kube_delete(kube, argv[0], argv[1], err);
	if (!strcmp(verb, "patch"))
		return kube_patch(kube, argv[0], argv[1], argv[2], argv[3], err);
	if (!strcmp(verb, "pods"))
		return pods(kube, argv, err);
	if (!strcmp(verb, "can")) {
		r = kube_can(kube, *argv[0] ? argv[0] : NULL, argv[1], argv[2],
			     &yes, err);
		if (r == 0)
			puts(yes ? "yes" : "no");
		return r;
	}
	if (!strcmp(verb, "origin"))
		return kube_check_origin(kube, &origin, argv[1] != NULL, NULL,
					 err);
	return exec(kube, argv, !strcmp(verb, "pour"), err);
}

int main(int argc, char **argv)
{
	static const struct option_def defs[] = { KUBE_OPTIONS,
						  { .name = NULL } };
	static const struct option_def *const tables[] = { defs, NULL };
	static const struct options none = { .tables = tables };
	struct err err = ERR_INIT;
	struct kube kube;
	bool past_stop = getenv("PAST_STOP") != NULL;
	int r;

	if (argc < 3)
		return 2;
	signal(SIGTERM, on_stop);
	kube_init(&kube, &none, 2);
	kube.kubectl = getenv("KUBECTL");
	kube.past_stop = &past_stop;
	r = answer(&kube, argv[1], argv + 2, &err);
	printf("= %s %s\n", name_of(r), r ? err.text : "");
	return r ? 1 : 0;
}
