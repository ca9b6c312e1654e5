#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "fs/tree/content.h"
#include "tools/pso_ask.h"
#include "tools/target.h"

#define VALUES_MAX (16u << 20)

int pso_read_values(struct pso_capture *capture, const char *path,
		    struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC), r = 0;
	ssize_t n = 1;

	if (fd < 0)
		return err_sys(err, "cannot read '%s'", path);
	while (r == 0 && n > 0) {
		if (bytes.len > VALUES_MAX)
			r = err_set(err, -E2BIG, "'%s' is too long", path);
		else if (buf_reserve(&bytes, 65536) < 0)
			r = err_nomem(err);
		else if ((n = read(fd, bytes.data + bytes.len, 65536)) < 0)
			r = errno == EINTR ? 0 :
				err_sys(err, "cannot read '%s'", path);
		else
			bytes.len += (size_t)n;
	}
	close(fd);
	if (r == 0)
		r = pso_put_values(capture, buf_span(&bytes), err);
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.cap);
	return r;
}

void pso_look_release(struct pso_look *look)
{
	pso_model_release(&look->model);
	pso_targets_release(&look->targets);
	if (look->capture.redact)
		pso_capture_release(&look->capture);
}

/* Documents of a snapshot. */

struct loading {
	struct pso_capture *capture;
	struct tree *tree;
	uint64_t bytes;
};

static void pass_over(void *arg, const char *path, const char *why)
{
	(void)arg;
	(void)path;
	(void)why;
}

static int load_file(struct loading *l, const char *path,
		     const struct node *node, struct err *err)
{
	const struct getter getter = tree_getter(l->tree);
	const struct entry *entry = &node->entry;
	OWNED_BUF struct buf bytes = BUF_INIT;
	size_t got = 0;
	int r;

	l->bytes += entry->size;
	if (entry->size > JDOC_BYTES_MAX || l->bytes > PSO_BYTES_MAX)
		return err_set(err, -E2BIG, "'%s' is too long", path);
	if (buf_reserve(&bytes, entry->size + 1) < 0)
		return err_nomem(err);
	r = content_read_into(&getter, &entry->content, entry->size, 0,
			      bytes.data, entry->size, &got, err);
	if (r < 0)
		return err_wrap(err, "cannot read '%s'", path);
	bytes.len = got;
	return pso_load_file(l->capture, path, buf_span(&bytes), pass_over,
			     NULL, err);
}

static int load_node(void *arg, const char *path, unsigned depth,
		     const struct node *node, struct err *err)
{
	struct loading *l = arg;

	(void)depth;
	if (node->entry.type == ENTRY_DIR)
		return !*path || !strcmp(path, "raw") ||
		       !strncmp(path, "raw/", 4) ? 0 : TREE_SKIP;
	if (node->entry.type != ENTRY_FILE)
		return 0;
	if (!strncmp(path, "raw/", 4))
		return load_file(l, path + 4, node, err);
	return strcmp(path, "capture.json") ? 0 :
		load_file(l, path, node, err);
}

int pso_look_load(struct pso_capture *capture, struct repo *repo,
		  const struct record *record, struct err *err)
{
	struct loading l = { .capture = capture };
	OWNED_NODE struct node root = NODE_INIT;
	int r = tree_open(repo, record, &l.tree, err);

	if (r < 0)
		return r;
	r = tree_root(l.tree, &root, err);
	if (r == 0)
		r = tree_walk(l.tree, &root, load_node, &l, err);
	tree_close(l.tree);
	return r < 0 ? r : pso_load_end(capture, err);
}

/* On the night that counts, no capture may be complete: then the newest there is. */
static int find_incomplete(const struct tool *tool, struct repo *repo,
			   const char *spec, struct snapshot *ret,
			   struct err *err)
{
	OWNED_BUF struct buf name = BUF_INIT;
	struct passed passed = { .newest = "" };
	int r = repo_find_snapshot(repo, spec, ret, &passed, NULL);

	if (r == 0)
		return 0;
	if (!passed.incomplete.count ||
	    strcmp(passed.newest, passed.incomplete.name) != 0)
		return -ENOENT;
	buf_printf(&name, "%.*s@%s", (int)strcspn(spec, "@"), spec,
		   passed.newest);
	if (!buf_str(&name))
		return err_nomem(err);
	r = repo_find_snapshot(repo, buf_str(&name), ret, NULL, err);
	if (r == 0 && !tool->json)
		note(tool, "no capture '%s' is complete: '%s' is taken, %s",
		     spec, buf_str(&name), ret->record.incomplete ?
		     ret->record.incomplete : "");
	return r;
}

static int load_from(struct pso_look *look, const char *spec,
		     struct err *err)
{
	CLEANUP(snapshot_release) struct snapshot s = { .damage = NULL };
	OWNED_REPO struct repo *repo = NULL;
	int r = tool_open_maybe(look->asking.tool, &repo, err);

	if (r == 0)
		r = find_snapshot(repo, spec, OLDER_TOLD, &s, err);
	if (r == -ENOENT)
		r = find_incomplete(look->asking.tool, repo, spec, &s, err);
	if (r < 0)
		return r;
	snapshot_label(&s.record, look->label);
	look->at = s.record.time;
	if (strcmp(s.record.kind, "pso") != 0)
		return err_set(err, -EINVAL, "'%s' is no capture of PSO: it "
			       "is of kind %s", look->label, s.record.kind);
	r = pso_look_load(&look->capture, repo, &s.record, err);
	return r < 0 ? err_wrap(err, "cannot read '%s'", look->label) : 0;
}

/* Both. */

static int ask_arrays(struct pso_look *look, struct err *err)
{
	const struct options *o = &look->asking.tool->options;
	const char *values = option_value(o, "values");
	int r = 0;

	if (look->without_arrays || option_given(o, "no-arrays")) {
		look->capture.no_arrays = true;
		return 0;
	}
	if (!look->live && !values && !option_given(o, "array"))
		return 0;
	/* those of the snapshot are of then, and have no tokens */
	pso_forget(&look->capture, "arrays/");
	if (values) {
		pso_forget(&look->capture, "values");
		r = pso_read_values(&look->capture, values, err);
	}
	look->arrays_live = true;
	if (r == 0)
		r = pso_targets_find(&look->asking, &look->targets, err);
	return r < 0 ? r :
		pso_ask_targets(&look->asking, &look->targets, err);
}

static int open_look(struct pso_look *look, const struct tool *tool,
		     bool arrays, struct err *err)
{
	const struct options *o = &tool->options;
	const char *from = option_value(o, "from");
	int r;

	*look = (struct pso_look){
		.asking = { .tool = tool, .capture = &look->capture },
		.live = !from,
		.without_arrays = !arrays,
		.at = stamp_now(),
	};
	/* tokens are in memory: not in a core file */
	prctl(PR_SET_DUMPABLE, 0);
	r = kube_timeout(o, &look->asking.timeout_s, err);
	if (r == 0)
		r = pso_check_arrays(tool, err);
	if (r == 0)
		r = pso_capture_init(&look->capture, err);
	if (r < 0)
		return r;
	kube_init(&look->kube, o, look->asking.timeout_s);
	r = from ? load_from(look, from, err) :
		pso_ask_kubernetes(&look->asking, err);
	if (r == 0)
		r = ask_arrays(look, err);
	if (r == 0)
		r = pso_capture_clean(&look->capture, err);
	return r < 0 ? r : pso_model_build(&look->capture, &look->model, err);
}

int pso_look_open(struct pso_look *look, const struct tool *tool,
		  struct err *err)
{
	return open_look(look, tool, true, err);
}

int pso_look_cluster(struct pso_look *look, const struct tool *tool,
		     struct err *err)
{
	return open_look(look, tool, false, err);
}

const struct pso_target *pso_look_target(const struct pso_look *look,
					 size_t backend)
{
	const struct pso_backend *b = &look->model.backends[backend];

	for (size_t i = 0; i < look->targets.count && b->array; i++)
		if (b->array->mgmt &&
		    !strcmp(look->targets.row[i].mgmt, b->array->mgmt))
			return &look->targets.row[i];
	return NULL;
}
