#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/pso/pso_internal.h"

struct loading {
	struct pso_capture *capture;
	void (*warn)(void *arg, const char *path, const char *why);
	void *arg;
	size_t files;
	uint64_t bytes;
	bool shown;		/* it is what a capture shows */
};

static bool ends_in(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);

	return n >= k && !strcmp(text + n - k, end);
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Objects of Kubernetes. */

static int know_secrets(struct loading *l, const struct jnode *secret,
			struct err *err)
{
	OWNED_BUF struct buf dropped = BUF_INIT;

	return redact_json(l->capture->redact, secret, false, &dropped, NULL,
			   err);
}

static int take_object(struct loading *l, const struct jnode *object,
		       const char *path, struct err *err)
{
	const struct pso_resource *of =
		pso_resource_of_kind(jnode_text(object, "kind"));
	struct span uid = jnode_text(object, "metadata.uid");
	char name[PSO_NAME_MAX];

	if (of) {
		snprintf(name, sizeof(name), "kubernetes/%s", of->name);
		return pso_add(l->capture, name, object, err);
	}
	if (jnode_is(object, "kind", "Secret"))
		return know_secrets(l, object, err);
	if (jnode_is(object, "kind", "Namespace") &&
	    jnode_is(object, "metadata.name", "kube-system")) {
		if (uid.data && !l->capture->cluster_uid)
			l->capture->cluster_uid =
				strndup((const char *)uid.data, uid.len);
		return 0;
	}
	l->warn(l->arg, path, "it holds an object of a kind that is not kept");
	return 0;
}

/* An empty list tells by its kind, or by the file's name, what there is none
 * of. */
static const struct pso_resource *resource_of_list(const struct jnode *root,
						   const char *path)
{
	struct span kind = jnode_text(root, "kind");
	const char *file = name_of(path);

	if (kind.len > 4 && !memcmp(kind.data + kind.len - 4, "List", 4))
		kind.len -= 4;
	if (pso_resource_of_kind(kind))
		return pso_resource_of_kind(kind);
	for (size_t i = 0; pso_resources[i].name; i++) {
		size_t len = strlen(pso_resources[i].name);

		if (!strncmp(file, pso_resources[i].name, len) &&
		    !strcmp(file + len, ".json"))
			return &pso_resources[i];
	}
	return NULL;
}

/* What kubectl gave: an object, or a list of such. */
static int take_objects(struct loading *l, const struct jnode *root,
			const char *path, struct err *err)
{
	const struct jnode *items = jnode_get(root, "items");
	const struct pso_resource *of;
	char name[PSO_NAME_MAX];
	int r = 0;

	if (!items || items->type != JTYPE_ARRAY)
		return take_object(l, root, path, err);
	of = resource_of_list(root, path);
	if (of && !items->child) {
		snprintf(name, sizeof(name), "kubernetes/%s", of->name);
		if (!pso_find(l->capture, name))
			r = pso_add(l->capture, name, NULL, err);
	}
	for (items = items->child; r == 0 && items; items = items->next)
		r = take_object(l, items, path, err);
	return r;
}

/* Answers of arrays. */

static bool is_query(struct span name)
{
	for (size_t i = 0; pso_queries[i].name; i++)
		if (span_equal(name, span_str(pso_queries[i].name)))
			return true;
	return false;
}

/* arrays/<ARRAY>/<QUERY>[-<N>].json: where both begin; false: it is none. */
static bool is_answer(const char *path, struct span *ret_array,
		      struct span *ret_query)
{
	const char *dir = !strncmp(path, "arrays/", 7) ? path + 7 :
		strstr(path, "/arrays/"), *file = name_of(path);
	size_t len = strlen(file), digits;

	if (!dir || !ends_in(file, ".json"))
		return false;
	dir += *dir == '/' ? 8 : 0;
	if (dir >= file || dir + strcspn(dir, "/") + 1 != file)
		return false;
	len -= 5;
	for (digits = len; digits > 0 && file[digits - 1] >= '0' &&
	     file[digits - 1] <= '9';)
		digits--;
	if (digits > 1 && digits < len && file[digits - 1] == '-')
		len = digits - 1;
	*ret_array = span_of(dir, (size_t)(file - dir) - 1);
	*ret_query = span_of(file, len);
	return true;
}

static int take_answer(struct loading *l, const struct jnode *root,
		       struct span array, struct span query,
		       const char *path, struct err *err)
{
	const struct jnode *items = jnode_get(root, "items");
	char name[PSO_NAME_MAX];
	int r;

	if (!is_query(query) || array.len + query.len > PSO_NAME_MAX - 16) {
		l->warn(l->arg, path, "it is no answer that is kept");
		return 0;
	}
	snprintf(name, sizeof(name), "arrays/%.*s/%.*s", (int)array.len,
		 (const char *)array.data, (int)query.len,
		 (const char *)query.data);
	if (!items || items->type != JTYPE_ARRAY)
		return pso_put_state(l->capture, name, PSO_FAILED,
				     "the answer has no items", err);
	r = pso_add(l->capture, name, NULL, err);
	for (items = items->child; r == 0 && items; items = items->next)
		r = pso_add(l->capture, name, items, err);
	return r;
}

/* Files. */

static int take_json(struct loading *l, const char *path, struct span bytes,
		     struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	struct span array, query;
	int r = jdoc_parse(bytes, "it", &doc, &why);

	if (r == -ENOMEM)
		return err_nomem(err);
	if (r < 0) {
		char name[PSO_NAME_MAX];

		/* not "kubernetes/nodes", which it may have been */
		snprintf(name, sizeof(name), "%.*s",
			 (int)(strlen(path) - strlen(".json")), path);
		return pso_put_state(l->capture, name, PSO_FAILED, why.text,
				     err);
	}
	if (!strcmp(path, "capture.json"))
		return pso_take_index(l->capture, doc.root, err);
	if (is_answer(path, &array, &query))
		return take_answer(l, doc.root, array, query, path, err);
	return take_objects(l, doc.root, path, err);
}

static int take_file(struct loading *l, const char *path, struct span bytes,
		     struct err *err)
{
	const char *name = name_of(path);

	if (!strcmp(name, "values.yaml") || !strcmp(name, "values.yml"))
		return pso_put_values(l->capture, bytes, err);
	if (!strncmp(name, "intrusion", 9) && ends_in(name, ".txt"))
		return pso_put_table(l->capture, bytes, err);
	if (ends_in(name, ".json"))
		return take_json(l, path, bytes, err);
	l->warn(l->arg, path, "it is no document that is kept");
	return 0;
}

static int read_bytes(int fd, const char *path, size_t size,
		      struct buf *bytes, struct err *err)
{
	if (buf_reserve(bytes, size + 1) < 0)
		return err_nomem(err);
	while (bytes->len < size) {
		ssize_t n = read(fd, bytes->data + bytes->len,
				 size - bytes->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read '%s'", path);
		if (n == 0)
			break;
		bytes->len += (size_t)n;
	}
	return 0;
}

static int read_open(struct loading *l, int fd, const char *path,
		     struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct stat st;
	uint64_t size;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot look at '%s'", path);
	if (!S_ISREG(st.st_mode)) {
		l->warn(l->arg, path, "it is no file");
		return 0;
	}
	size = (uint64_t)st.st_size;
	if (size > JDOC_BYTES_MAX || size > PSO_BYTES_MAX - l->bytes)
		return err_set(err, -E2BIG, "'%s' is too long, or all files "
			       "are together", path);
	l->bytes += size;
	r = read_bytes(fd, path, (size_t)size, &bytes, err);
	if (r == 0)
		r = take_file(l, path, buf_span(&bytes), err);
	if (bytes.data)
		explicit_bzero(bytes.data, bytes.len);
	return r;
}

static int read_dir(struct loading *l, int fd, const char *path,
		    unsigned depth, struct err *err);

static int read_entry(struct loading *l, int dir_fd, const char *name,
		      const char *path, unsigned depth, struct err *err)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
			O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0 && errno == ELOOP) {
		l->warn(l->arg, path, "it is a symbolic link");
		return 0;
	}
	if (fd < 0 || fstat(fd, &st) < 0) {
		r = err_sys(err, "cannot read '%s'", path);
		if (fd >= 0)
			close(fd);
		return r;
	}
	if (S_ISDIR(st.st_mode))
		return read_dir(l, fd, path, depth + 1, err);
	r = read_open(l, fd, path, err);
	close(fd);
	return r;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* What a capture shows beside raw/ is made of what is below it. */
static bool is_passed_over(const struct loading *l, const char *name,
			   unsigned depth)
{
	return name[0] == '.' || (l->shown && depth == 0 &&
				  strcmp(name, "raw") != 0 &&
				  strcmp(name, "capture.json") != 0);
}

static int read_names(struct loading *l, int fd, struct dirent **names,
		      int count, const char *path, unsigned depth,
		      struct err *err)
{
	int r = 0;

	for (int i = 0; r == 0 && i < count; i++) {
		const char *name = names[i]->d_name;
		OWNED_BUF struct buf below = BUF_INIT;

		if (is_passed_over(l, name, depth))
			continue;
		if (++l->files > PSO_FILES_MAX)
			return err_set(err, -E2BIG, "more than %d files",
				       PSO_FILES_MAX);
		if (strcmp(path, "raw") != 0 && *path)
			buf_printf(&below, "%s/", path);
		buf_append_str(&below, name);
		if (!buf_str(&below))
			return err_nomem(err);
		r = read_entry(l, fd, name, buf_str(&below), depth, err);
	}
	return r;
}

/* Takes fd over. */
static int read_dir(struct loading *l, int fd, const char *path,
		    unsigned depth, struct err *err)
{
	struct dirent **names = NULL;
	int count, r;

	if (depth > PSO_DEPTH_MAX) {
		close(fd);
		return err_set(err, -E2BIG, "'%s' lies too deep", path);
	}
	count = scandirat(fd, ".", &names, NULL, by_name);
	r = count < 0 ? err_sys(err, "cannot list '%s'", path) :
		read_names(l, fd, names, count, path, depth, err);
	for (int i = 0; i < count; i++)
		free(names[i]);
	free(names);
	close(fd);
	return r;
}

static bool has_entry(int fd, const char *name)
{
	return faccessat(fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int pso_load(const char *dir, struct pso_capture *capture,
	     void (*warn)(void *arg, const char *path, const char *why),
	     void *arg, struct err *err)
{
	struct loading loading = { .capture = capture, .warn = warn,
				   .arg = arg };
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	if (fd < 0)
		return err_sys(err, "cannot read '%s'", dir);
	loading.shown = has_entry(fd, "raw") && has_entry(fd, "capture.json");
	r = read_dir(&loading, fd, "", 0, err);
	return r < 0 ? r : pso_find_arrays(capture, err);
}

int pso_load_file(struct pso_capture *capture, const char *path,
		  struct span bytes,
		  void (*warn)(void *arg, const char *path, const char *why),
		  void *arg, struct err *err)
{
	struct loading loading = { .capture = capture, .warn = warn,
				   .arg = arg };

	return take_file(&loading, path, bytes, err);
}

int pso_load_end(struct pso_capture *capture, struct err *err)
{
	return pso_find_arrays(capture, err);
}
