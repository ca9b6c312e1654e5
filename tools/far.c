#include "tools/far.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LAST "\nvarve: all of it\n"
#define LAST_LEN (sizeof(LAST) - 1)
#define PAUSE_S 1
#define WORDS_MAX_BYTES 400

/* sh -c BEGIN + script + END name args… */
#define BEGIN "set -eu; export LC_ALL=C; umask 077\n"
#define END "\nprintf '\\nvarve: all of it\\n'"

struct command {
	struct buf text;
	const char *argv[FAR_ARGS_MAX + 5];
};

static void command_release(struct command *command)
{
	buf_release(&command->text);
}
#define OWNED_COMMAND CLEANUP(command_release)
#define COMMAND_INIT { .text = BUF_INIT }

static int make_command(const char *script, const char *const *args,
			struct command *ret, struct err *err)
{
	size_t n = 0;

	buf_append_str(&ret->text, BEGIN);
	buf_append_str(&ret->text, script);
	buf_append_str(&ret->text, END);
	if (!buf_str(&ret->text))
		return err_nomem(err);
	ret->argv[n++] = "sh";
	ret->argv[n++] = "-c";
	ret->argv[n++] = buf_str(&ret->text);
	ret->argv[n++] = "varve";
	for (; *args; args++) {
		if (n + 1 == FAR_ARGS_MAX + 5)
			return err_set(err, -E2BIG, "too many words");
		ret->argv[n++] = *args;
	}
	ret->argv[n] = NULL;
	return 0;
}

/* It failed: the last of its own words. */
static int tell_failure(const struct far *far, const struct child_end *end,
			struct err *err)
{
	const char *said = (const char *)end->said.data;
	size_t len = end->said.len, from;

	while (len > 0 && (said[len - 1] == '\n' || said[len - 1] == ' '))
		len--;
	for (from = len; from > 0 && said[from - 1] != '\n'; from--)
		;
	if (len - from > WORDS_MAX_BYTES)
		len = from + WORDS_MAX_BYTES;
	if (len == from)
		return err_set(err, -EIO, "a command in pod '%s' ended with "
			       "status %d", far->where.pod, end->status);
	return err_set(err, -EIO, "in pod '%s': %.*s", far->where.pod,
		       (int)(len - from), said + from);
}

static int lost(const struct far *far, struct err *err)
{
	return err_set(err, -EREMOTEIO, "the connection to pod '%s' was lost: "
		       "the end of what it said did not come", far->where.pod);
}

static int judge(const struct far *far, struct child_end *end, struct buf *out,
		 struct err *err)
{
	if (end->status != 0)
		return tell_failure(far, end, err);
	if (end->out.len < LAST_LEN ||
	    memcmp(end->out.data + end->out.len - LAST_LEN, LAST, LAST_LEN))
		return lost(far, err);
	end->out.len -= LAST_LEN;
	buf_swap(out, &end->out);
	return 0;
}

static int run_once(struct far *far, const struct command *command,
		    int64_t timeout_s, struct buf *out, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	int r = kube_exec(far->kube, &far->where, command->argv,
			  (struct span){ NULL, 0 }, timeout_s, &end, err);

	return r < 0 ? r : judge(far, &end, out, err);
}

int far_run(struct far *far, const char *script, const char *const *args,
	    int64_t timeout_s, struct buf *out, struct err *err)
{
	OWNED_COMMAND struct command command = COMMAND_INIT;
	const struct timespec pause = { .tv_sec = PAUSE_S };
	int r = make_command(script, args, &command, err);

	if (r < 0)
		return r;
	for (unsigned i = 0;; i++) {
		buf_clear(out);
		r = run_once(far, &command, timeout_s, out, err);
		if (r != -EREMOTEIO || i + 1 >= far->tries)
			return r;
		nanosleep(&pause, NULL);
	}
}

/* All but the last line, which is kept back until it is known not to be it. */
struct reading {
	int (*take)(void *arg, struct span printed, struct err *err);
	void *arg;
	struct buf kept;
};

static int take_some(void *arg, struct span printed, struct err *err)
{
	struct reading *reading = arg;
	size_t given;
	int r;

	buf_append(&reading->kept, printed.data, printed.len);
	if (buf_failed(&reading->kept))
		return err_nomem(err);
	if (reading->kept.len <= LAST_LEN)
		return 0;
	given = reading->kept.len - LAST_LEN;
	r = reading->take(reading->arg, span_of(reading->kept.data, given),
			  err);
	memmove(reading->kept.data, reading->kept.data + given, LAST_LEN);
	reading->kept.len = LAST_LEN;
	return r;
}

int far_read(struct far *far, const char *script, const char *const *args,
	     int (*take)(void *arg, struct span printed, struct err *err),
	     void *arg, struct err *err)
{
	OWNED_COMMAND struct command command = COMMAND_INIT;
	struct reading reading = { .take = take, .arg = arg,
				   .kept = BUF_INIT };
	CLEANUP(far_stream_release) struct far_stream stream = {
		.child = CHILD_INIT };
	int r = make_command(script, args, &command, err);

	if (r == 0)
		r = kube_exec_begin(far->kube, &far->where, command.argv,
				    far->idle_s, take_some, &reading,
				    &stream.child, &stream.end, err);
	if (r == 0)
		r = kube_exec_end(far->kube, &stream.child, err);
	if (r == 0 && stream.end.status)
		r = tell_failure(far, &stream.end, err);
	else if (r == 0 && (reading.kept.len != LAST_LEN ||
			    memcmp(reading.kept.data, LAST, LAST_LEN) != 0))
		r = lost(far, err);
	buf_release(&reading.kept);
	return r;
}

int far_begin(struct far *far, const char *script, const char *const *args,
	      struct far_stream *stream, struct err *err)
{
	OWNED_COMMAND struct command command = COMMAND_INIT;
	int r;

	*stream = (struct far_stream){ .child = CHILD_INIT };
	r = make_command(script, args, &command, err);
	return r < 0 ? r : kube_exec_begin(far->kube, &far->where,
					   command.argv, far->idle_s, NULL,
					   NULL, &stream->child, &stream->end,
					   err);
}

int far_end(struct far *far, struct far_stream *stream, struct buf *out,
	    struct err *err)
{
	int r = kube_exec_end(far->kube, &stream->child, err);

	buf_clear(out);
	return r < 0 ? r : judge(far, &stream->end, out, err);
}

void far_stream_release(struct far_stream *stream)
{
	child_kill(&stream->child);
	child_end_release(&stream->end);
}

struct span far_value(const struct buf *out, const char *key)
{
	size_t len = strlen(key);
	const char *at = (const char *)out->data;
	const char *end = at ? at + out->len : at;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t line = (size_t)((stop ? stop : end) - at);

		if (line > len && !memcmp(at, key, len) && at[len] == '=')
			return span_of(at + len + 1, line - len - 1);
		at += line + 1;
	}
	return (struct span){ NULL, 0 };
}

bool far_number(const struct buf *out, const char *key, uint64_t *ret)
{
	struct span value = far_value(out, key);
	char text[24], *end;

	if (!value.len || value.len >= sizeof(text))
		return false;
	memcpy(text, value.data, value.len);
	text[value.len] = '\0';
	if (text[0] < '0' || text[0] > '9')
		return false;
	*ret = strtoull(text, &end, 10);
	return !*end;
}
