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

struct running {
	pid_t pid;
	int out, said;		/* -1: at its end */
	size_t out_max;
	struct child_end *end;
	struct timespec until;
};

void child_end_release(struct child_end *end)
{
	buf_release(&end->out);
	buf_release(&end->said);
}

static int spawn(const char *const *argv, int out, int said, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults, none;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
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

static int64_t left_ms(const struct running *run)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (run->until.tv_sec - now.tv_sec) * 1000 +
	       (run->until.tv_nsec - now.tv_nsec) / 1000000;
}

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
		close(*fd);
		*fd = -1;
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

static int look(struct running *run, struct err *err)
{
	struct pollfd fds[2] = { { .fd = run->out, .events = POLLIN },
				 { .fd = run->said, .events = POLLIN } };
	int64_t ms = left_ms(run);
	int r;

	if (stopped)
		return err_set(err, -ECANCELED, "stopped");
	if (ms <= 0)
		return -ETIMEDOUT;
	if (poll(fds, 2, ms < LOOK_MS ? (int)ms : LOOK_MS) < 0)
		return errno == EINTR ? 0 : err_sys(err, "cannot wait");
	r = fds[0].revents ? take(&run->out, &run->end->out, run->out_max,
				  false, err) : 0;
	if (r == 0 && fds[1].revents)
		r = take(&run->said, &run->end->said, SAID_MAX, true, err);
	return r;
}

/* Its output is at its end; it itself should be soon. */
static int await(struct running *run, int *ret_status)
{
	const struct timespec nap = { .tv_nsec = 10 * 1000000 };

	for (;;) {
		pid_t r = waitpid(run->pid, ret_status, WNOHANG);

		if (r == run->pid)
			return 0;
		if (r < 0 && errno != EINTR)
			return -errno;
		if (left_ms(run) <= 0)
			return -ETIMEDOUT;
		if (stopped)
			return -ECANCELED;
		nanosleep(&nap, NULL);
	}
}

static int follow(struct running *run, struct err *err)
{
	int status = 0, r = 0;

	while (r == 0 && (run->out >= 0 || run->said >= 0))
		r = look(run, err);
	if (r == 0)
		r = await(run, &status);
	if (r < 0) {
		kill(-run->pid, SIGKILL);
		while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
			;
		run->end->late = r == -ETIMEDOUT;
		run->end->status = -1;
		if (r == -ECANCELED)
			return err_set(err, r, "stopped");
		return r == -ETIMEDOUT ? 0 : r;
	}
	run->end->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	return 0;
}

static int start(const char *const *argv, struct running *run,
		 struct err *err)
{
	int out[2], said[2], r;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	if (pipe2(said, O_CLOEXEC) < 0) {
		r = err_sys(err, "cannot make a pipe");
		close(out[0]);
		close(out[1]);
		return r;
	}
	r = spawn(argv, out[1], said[1], &run->pid);
	close(out[1]);
	close(said[1]);
	if (r != 0) {
		close(out[0]);
		close(said[0]);
		errno = r;
		return err_sys(err, "cannot run '%s'", argv[0]);
	}
	run->out = out[0];
	run->said = said[0];
	return 0;
}

int child_run(const char *const *argv, size_t out_max, int64_t timeout_s,
	      struct child_end *ret, struct err *err)
{
	struct running run = { .out = -1, .said = -1, .out_max = out_max,
			       .end = ret };
	int r;

	*ret = (struct child_end){ .out = BUF_INIT, .said = BUF_INIT };
	clock_gettime(CLOCK_MONOTONIC, &run.until);
	run.until.tv_sec += timeout_s;
	r = start(argv, &run, err);
	if (r == 0)
		r = follow(&run, err);
	if (run.out >= 0)
		close(run.out);
	if (run.said >= 0)
		close(run.said);
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
