#include "tools/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/tool.h"

extern char **environ;

#define SAID_MAX 65536		/* bytes of stderr that are kept: its last */
#define READ_STEP 65536
#define LOOK_MS 200		/* how soon a stop is seen */

void child_end_release(struct child_end *end)
{
	buf_release(&end->out);
	buf_release(&end->said);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin_time(struct child *child)
{
	child->until_ms = now_ms() + child->how.timeout_s * 1000;
}

static int64_t left_ms(const struct child *child)
{
	return child->until_ms - now_ms();
}

static bool is_stopped(const struct child *child)
{
	return stopped && !child->how.past_stop;
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* It begins. */

static int spawn(const char *const *argv, const int ends[3], pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	if (ends[0] < 0)
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO,
						 "/dev/null", O_RDONLY, 0);
	else
		posix_spawn_file_actions_adddup2(&actions, ends[0],
						 STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[2], STDERR_FILENO);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	sigaddset(&defaults, SIGINT);
	sigaddset(&defaults, SIGTERM);
	sigemptyset(&none);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setsigmask(&attributes, &none);
	/* a session of its own has no terminal to ask at */
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF |
				 POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
	r = posix_spawnp(ret, argv[0], &actions, &attributes,
			 (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* Its ends of the three, and ours. */
static int make_pipes(struct child *child, int ends[3], struct err *err)
{
	int *const ours[3] = { &child->in, &child->out, &child->said };
	int both[2];

	for (int i = child->how.input ? 0 : 1; i < 3; i++) {
		if (pipe2(both, O_CLOEXEC) < 0)
			return err_sys(err, "cannot make a pipe");
		ends[i] = both[i == 0 ? 0 : 1];
		*ours[i] = both[i == 0 ? 1 : 0];
	}
	if (child->in >= 0 && fcntl(child->in, F_SETFL, O_NONBLOCK) < 0)
		return err_sys(err, "cannot make a pipe");
	return 0;
}

static int start(const char *const *argv, struct child *child,
		 struct err *err)
{
	int ends[3] = { -1, -1, -1 };
	int r = make_pipes(child, ends, err);

	if (r == 0 && (r = spawn(argv, ends, &child->pid)) != 0) {
		child->pid = 0;
		errno = r;
		r = err_sys(err, "cannot run '%s'", argv[0]);
	}
	for (int i = 0; i < 3; i++)
		close_end(&ends[i]);
	return r;
}

int child_start(const char *const *argv, const struct child_how *how,
		struct child *child, struct child_end *ret, struct err *err)
{
	int r;

	*child = (struct child)CHILD_INIT;
	*ret = (struct child_end){ .out = BUF_INIT, .said = BUF_INIT };
	child->how = *how;
	child->end = ret;
	begin_time(child);
	r = start(argv, child, err);
	if (r < 0)
		child_kill(child);
	return r;
}

/* It runs. */

/* Take what is there; an end closes *fd. */
static int take(int *fd, struct buf *into, size_t max, bool last,
		struct err *err)
{
	ssize_t n;

	if (buf_reserve(into, READ_STEP) < 0)
		return err_nomem(err);
	n = read(*fd, into->data + into->len, READ_STEP);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 :
			err_sys(err, "cannot read what it prints");
	if (n == 0) {
		close_end(fd);
		return 0;
	}
	into->len += (size_t)n;
	if (into->len > max && !last)
		return err_set(err, -E2BIG, "it prints more than %zu MiB",
			       max >> 20);
	if (into->len > max) {
		memmove(into->data, into->data + into->len - max, max);
		into->len = max;
	}
	return 0;
}

/* A piece of *bytes, as much as it takes now. */
static int give(struct child *child, struct span *bytes, struct err *err)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
	ssize_t n;
	int code;

	sigaction(SIGPIPE, &ignore, &before);
	n = write(child->in, bytes->data, bytes->len);
	code = errno;
	sigaction(SIGPIPE, &before, NULL);
	errno = code;
	if (n < 0 && errno == EPIPE)
		return err_set(err, -EPIPE, "it does not read all of its "
			       "input");
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 0 :
			err_sys(err, "cannot write to it");
	bytes->data += n;
	bytes->len -= (size_t)n;
	return 0;
}

/* Wait for any of the three; bytes: what is to be written, or NULL. */
static int look(struct child *child, struct span *bytes, struct err *err)
{
	struct pollfd fds[3] = {
		{ .fd = child->out, .events = POLLIN },
		{ .fd = child->said, .events = POLLIN },
		{ .fd = bytes ? child->in : -1, .events = POLLOUT },
	};
	int64_t ms = left_ms(child);
	int n, r = 0;

	if (is_stopped(child))
		return err_set(err, -ECANCELED, "stopped");
	if (ms <= 0)
		return -ETIMEDOUT;
	n = poll(fds, 3, ms < LOOK_MS ? (int)ms : LOOK_MS);
	if (n < 0)
		return errno == EINTR ? 0 : err_sys(err, "cannot wait");
	if (n > 0 && child->how.idle)
		begin_time(child);
	if (fds[0].revents)
		r = take(&child->out, &child->end->out, child->how.out_max,
			 false, err);
	if (r == 0 && fds[1].revents)
		r = take(&child->said, &child->end->said, SAID_MAX, true, err);
	if (r == 0 && fds[2].revents)
		r = give(child, bytes, err);
	return r;
}

int child_put(struct child *child, struct span bytes, struct err *err)
{
	int r = 0;

	while (r == 0 && bytes.len)
		r = child->in < 0 ? -EPIPE : look(child, &bytes, err);
	if (r == -EPIPE)
		close_end(&child->in);
	if (r == -ETIMEDOUT)
		err_set(err, r, "it takes no more within %lld s",
			(long long)child->how.timeout_s);
	return r;
}

/* It ends. */

/* Its output is at its end; it itself should be soon. */
static int await(struct child *child, int *ret_status)
{
	const struct timespec nap = { .tv_nsec = 10 * 1000000 };

	for (;;) {
		pid_t r = waitpid(child->pid, ret_status, WNOHANG);

		if (r == child->pid) {
			child->pid = 0;
			return 0;
		}
		if (r < 0 && errno != EINTR)
			return -errno;
		if (left_ms(child) <= 0)
			return -ETIMEDOUT;
		if (is_stopped(child))
			return -ECANCELED;
		nanosleep(&nap, NULL);
	}
}

void child_kill(struct child *child)
{
	int status;

	if (child->pid > 0) {
		kill(-child->pid, SIGKILL);
		while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR)
			;
		child->pid = 0;
	}
	close_end(&child->in);
	close_end(&child->out);
	close_end(&child->said);
}

int child_finish(struct child *child, struct err *err)
{
	int status = 0, r = 0;

	close_end(&child->in);
	while (r == 0 && (child->out >= 0 || child->said >= 0))
		r = look(child, NULL, err);
	if (r == 0)
		r = await(child, &status);
	child_kill(child);
	child->end->late = r == -ETIMEDOUT;
	child->end->status = r == 0 && WIFEXITED(status) ?
			     WEXITSTATUS(status) : -1;
	if (r == -ECANCELED)
		return err_set(err, r, "stopped");
	return r == -ETIMEDOUT ? 0 : r;
}

int child_run(const char *const *argv, size_t out_max, int64_t timeout_s,
	      struct child_end *ret, struct err *err)
{
	const struct child_how how = { .out_max = out_max,
				       .timeout_s = timeout_s };

	return child_feed(argv, &how, (struct span){ NULL, 0 }, ret, err);
}

int child_feed(const char *const *argv, const struct child_how *how,
	       struct span input, struct child_end *ret, struct err *err)
{
	OWNED_RUNNING struct child child = CHILD_INIT;
	int r = child_start(argv, how, &child, ret, err);

	if (r == 0 && input.len)
		r = child_put(&child, input, err);
	/* what it did not want to read, it may have words for */
	if (child.pid > 0 && (r == 0 || r == -EPIPE || r == -ETIMEDOUT))
		r = child_finish(&child, err);
	if (r == 0 && err)
		*err = (struct err)ERR_INIT;
	return r < 0 && r != -ECANCELED && r != -ENOMEM ?
		err_wrap(err, "'%s'", argv[0]) : r;
}

#define DONE_SAYS 400	/* bytes of what it said, in a message */

int child_do(const char *const *argv, int64_t timeout_s, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = -1 };
	int r = child_run(argv, SAID_MAX, timeout_s, &end, err);
	size_t len = end.said.len;

	if (r < 0)
		return r;
	if (end.late)
		return err_set(err, -ETIMEDOUT, "'%s' did not end within %lld "
			       "s", argv[0], (long long)timeout_s);
	if (end.status == 0)
		return 0;
	while (len > 0 && end.said.data[len - 1] <= ' ')
		len--;
	return err_set(err, -EIO, "'%s' failed with status %d: %.*s", argv[0],
		       end.status, (int)(len < DONE_SAYS ? len : DONE_SAYS),
		       len ? (const char *)end.said.data : "");
}
