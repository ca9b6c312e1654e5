#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tools/pso_rebuild.h"
#include "tools/self.h"

static int write_file(const char *dir, const char *name, struct span bytes,
		      struct err *err)
{
	char path[PATH_MAX + 32];
	int fd, r = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(err, "cannot make '%s'", path);
	while (r == 0 && bytes.len > 0) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = err_sys(err, "cannot write '%s'", path);
		else
			bytes = span_of(bytes.data + n, bytes.len - (size_t)n);
	}
	close(fd);
	return r;
}

/* As it came, but for what is a secret. */
static int write_words(struct rebuild *rb, const char *dir, const char *name,
		       const struct buf *bytes, struct err *err)
{
	OWNED_BUF struct buf clean = BUF_INIT;
	int r = redact_text(rb->moving.arms.capture.redact, buf_span(bytes),
			    &clean, NULL, err);

	return r < 0 ? r : write_file(dir, name, buf_span(&clean), err);
}

static int write_about(const struct rebuild *rb, const char *dir,
		       const struct child_end *end, struct stamp begun,
		       struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct json json;
	int r;

	json_init(&json, &text);
	json_open_object(&json, NULL);
	json_str(&json, "command", "db-reconstructor");
	json_str(&json, "namespace", rb->ns);
	json_str(&json, "pod", PSO_CONTROLLER_POD);
	json_str(&json, "container", PSO_CONTAINER);
	json_i64(&json, "status", end->status);
	json_bool(&json, "timed_out", end->late);
	json_stamp(&json, "begun", begun);
	json_stamp(&json, "ended", stamp_now());
	json_str(&json, "run", rb->run->id);
	json_close_object(&json);
	buf_append_byte(&text, '\n');
	r = buf_check(&text, err);
	return r < 0 ? r : write_file(dir, "about.json", buf_span(&text), err);
}

static int add(struct rebuild *rb, const char *dir, const char *source,
	       struct err *err)
{
	struct words words = { .count = 0 };
	char self[PATH_MAX], tag[RUN_ID + 8];
	const char *store = rb->tool->store;
	int r = self_find(self, err);

	if (r < 0)
		return r;
	if (!store)
		return err_set(err, -EINVAL, "no store is named, to keep what "
			       "db-reconstructor says");
	snprintf(tag, sizeof(tag), "run=%s", rb->run->id);
	words_put(&words, self);
	words_put(&words, "add");
	words_put(&words, "--quiet");
	words_put(&words, "--store");
	words_put(&words, store);
	words_put(&words, "-k");
	words_put(&words, "dir");
	words_put(&words, "-s");
	words_put(&words, source);
	words_put(&words, "--tag");
	words_put(&words, tag);
	words_put(&words, dir);
	r = self_run(&words, err);
	return r < 0 ? r : r == DONE ? 0 :
		err_set(err, -EIO, "what db-reconstructor said could not be "
			"kept");
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = { "stdout.txt", "stderr.txt",
					     "about.json" };
	char path[PATH_MAX + 32];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int rebuild_keep_output(struct rebuild *rb, const struct child_end *end,
			struct stamp begun, struct err *err)
{
	const char *base = getenv("TMPDIR"), *of = run_fact(rb->run, "source");
	OWNED_BUF struct buf source = BUF_INIT;
	char dir[PATH_MAX];
	int r;

	buf_printf(&source, "%s/reconstruct", of ? of : "pso");
	snprintf(dir, sizeof(dir), "%s/varve-XXXXXX", base ? base : "/tmp");
	if (!buf_str(&source))
		return err_nomem(err);
	if (!mkdtemp(dir))
		return err_sys(err, "cannot make a directory in '%s'", dir);
	r = write_words(rb, dir, "stdout.txt", &end->out, err);
	if (r == 0)
		r = write_words(rb, dir, "stderr.txt", &end->said, err);
	if (r == 0)
		r = write_about(rb, dir, end, begun, err);
	if (r == 0)
		r = add(rb, dir, buf_str(&source), err);
	remove_dir(dir);
	return r < 0 ? r : run_learn(rb->run, "output", buf_str(&source),
				     err);
}
