#include "tools/pso_clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/kube_act.h"

#define ASKS 3		/* of each node: the quickest answer counts */
#define CLOSE_MS 100	/* known so closely, it is not asked once more */

void pso_clocks_release(struct pso_clocks *clocks)
{
	free(clocks->row);
	clocks->row = NULL;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* "1614592800.123456789", or without a fraction: then it is a whole second. */
static bool take_date(const struct buf *out, int64_t *low, int64_t *high)
{
	int64_t seconds = 0, ms = 0, scale = 100;
	size_t i = 0;

	for (; i < out->len && i < 12 && out->data[i] >= '0' &&
	     out->data[i] <= '9'; i++)
		seconds = seconds * 10 + (out->data[i] - '0');
	if (i < 9)
		return false;
	*low = seconds * 1000;
	*high = *low + 999;
	if (i == out->len || out->data[i] != '.')
		return true;
	for (i++; i < out->len && scale && out->data[i] >= '0' &&
	     out->data[i] <= '9'; i++, scale /= 10)
		ms += (out->data[i] - '0') * scale;
	if (scale != 0)
		return true;
	*low = *high = seconds * 1000 + ms;
	return true;
}

static int ask_once(struct pso_look *look,
		    const struct kube_container *where,
		    struct pso_clock *clock, struct err *err)
{
	static const char *const date[] = { "date", "-u", "+%s.%N", NULL };
	OWNED_CHILD struct child_end end = { .status = 0 };
	int64_t before = now_ms(), after, low, high;
	int r = kube_exec(&look->kube, where, date, span_of(NULL, 0),
			  look->asking.timeout_s, &end, err);

	after = now_ms();
	if (r < 0)
		return r;
	if (end.status != 0 || !take_date(&end.out, &low, &high))
		return err_set(err, -EPROTO, "'date' in pod %s says nothing "
			       "that is understood", where->pod);
	/* it looked at its clock between before and after */
	if (!clock->known || high - before - (low - after) <
	    clock->high_ms - clock->low_ms) {
		clock->low_ms = low - after;
		clock->high_ms = high - before;
		clock->known = true;
	}
	return 0;
}

static int ask_node(struct pso_look *look, const struct jnode *pod,
		    const char *container, struct pso_clock *clock,
		    struct err *err)
{
	struct span name = jnode_text(pod, "metadata.name");
	CLEANUP(free_ptr) char *text = strndup((const char *)name.data,
					       name.len);
	struct kube_container where = {
		.ns = look->capture.namespace, .pod = text,
		.container = container };
	struct err why = ERR_INIT;
	int r = text ? 0 : err_nomem(err);

	for (unsigned i = 0; r == 0 && i < ASKS && !(clock->known &&
	     clock->high_ms - clock->low_ms < CLOSE_MS); i++)
		r = ask_once(look, &where, clock, &why);
	if (r == -ECANCELED || r == -ENOMEM)
		return err_set(err, r, "%s", why.text);
	if (!clock->known)
		snprintf(clock->why, sizeof(clock->why), "%.199s", why.text);
	return 0;
}

static const char *container_of(struct span pod)
{
	return pso_is_db_pod(pod) ? "cockroachdb" :
	       span_begins(pod, "pso-csi-node", 12) ? "pso-csi-container" :
						      NULL;
}

static struct pso_clock *of_node(struct pso_clocks *clocks, struct span node)
{
	for (size_t i = 0; i < clocks->count; i++)
		if (span_equal(clocks->row[i].node, node))
			return &clocks->row[i];
	clocks->row[clocks->count] = (struct pso_clock){ .node = node };
	return &clocks->row[clocks->count++];
}

/* The two that are surely the furthest apart. */
static void compare(struct pso_clocks *clocks)
{
	for (size_t i = 0; i < clocks->count; i++) {
		clocks->known += clocks->row[i].known;
		for (size_t k = 0; k < clocks->count; k++) {
			const struct pso_clock *a = &clocks->row[i];
			const struct pso_clock *b = &clocks->row[k];

			if (!a->known || !b->known || i == k)
				continue;
			if (b->low_ms - a->high_ms > clocks->least_ms ||
			    clocks->early == clocks->late) {
				clocks->least_ms = b->low_ms - a->high_ms;
				clocks->early = i;
				clocks->late = k;
			}
			if (b->high_ms - a->low_ms > clocks->most_ms)
				clocks->most_ms = b->high_ms - a->low_ms;
		}
	}
	if (clocks->least_ms < 0)
		clocks->least_ms = 0;
}

int pso_clocks_find(struct pso_look *look, struct pso_clocks *ret,
		    struct err *err)
{
	const struct pso_refs *pods = &look->model.pods;
	int r = 0;

	*ret = (struct pso_clocks){ .row = calloc(pods->count + 1,
						  sizeof(*ret->row)) };
	if (!ret->row)
		return err_nomem(err);
	for (size_t i = 0; r == 0 && i < pods->count && look->live; i++) {
		const struct jnode *pod = pods->ref[i].node;
		struct span node = jnode_text(pod, "spec.nodeName");
		const char *container = container_of(pods->ref[i].key);
		struct pso_clock *clock;

		if (!container || !node.len)
			continue;
		clock = of_node(ret, node);
		if (!clock->known)
			r = ask_node(look, pod, container, clock, err);
	}
	compare(ret);
	return r;
}
