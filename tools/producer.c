#include "tools/producer.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define DRAIN_STEP 65536
#define PATIENCE_S 3	/* with a command whose output was of no use */
#define NAP_MS 20

static int spawn(struct producer *producer, int out, char *const *argv)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	pid_t pid = 0;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(&pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	producer->pid = pid;
	return r;
}

int producer_start(struct producer *producer, char *const *argv,
		   struct err *err)
{
	int pipe_fd[2];
	int r;

	memset(producer, 0, sizeof(*producer));
	producer->fd = -1;
	producer->name = argv[0];
	if (pipe2(pipe_fd, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	r = spawn(producer, pipe_fd[1], argv);
	close(pipe_fd[1]);
	if (r != 0) {
		close(pipe_fd[0]);
		producer->pid = 0;
		errno = r;
		return err_sys(err, "cannot run '%s'", argv[0]);
	}
	/* More in flight, so that neither side waits for the other as often. */
	(void)fcntl(pipe_fd[0], F_SETPIPE_SZ, 1 << 20);
	producer->fd = pipe_fd[0];
	return 0;
}

/* A reader may stop before the end (padding behind an archive's end): the
 * command must not fail for that. */
static void drain(int fd)
{
	char bytes[DRAIN_STEP];
	ssize_t n;

	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0);
}

static void tell_end(struct producer *producer, int status)
{
	if (WIFSIGNALED(status))
		snprintf(producer->why, sizeof(producer->why),
			 "command '%.180s' was killed by signal %d",
			 producer->name, WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		snprintf(producer->why, sizeof(producer->why),
			 "command '%.180s' exited with status %d",
			 producer->name, WEXITSTATUS(status));
}

const char *producer_end(struct producer *producer)
{
	int status = 0;
	pid_t r;

	if (producer->pid > 0) {
		drain(producer->fd);
		close(producer->fd);
		producer->fd = -1;
		do
			r = waitpid((pid_t)producer->pid, &status, 0);
		while (r < 0 && errno == EINTR);
		producer->pid = 0;
		if (r < 0)
			snprintf(producer->why, sizeof(producer->why),
				 "how the command '%.180s' ended is not known",
				 producer->name);
		else
			tell_end(producer, status);
	}
	return producer->why[0] ? producer->why : NULL;
}

/* Is there no more of its output?  Takes what there is, waits for ms. */
static bool is_dry(int fd, int ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	char bytes[DRAIN_STEP];

	return poll(&poll_fd, 1, ms) > 0 && read(fd, bytes, sizeof(bytes)) == 0;
}

const char *producer_failure(struct producer *producer)
{
	struct timespec now, nap = { .tv_nsec = NAP_MS * 1000000 };
	bool dry = false;
	int status;
	time_t end;

	clock_gettime(CLOCK_MONOTONIC, &now);
	end = now.tv_sec + PATIENCE_S;
	while (producer->pid > 0 && now.tv_sec < end) {
		pid_t r;

		if (!dry)
			dry = is_dry(producer->fd, NAP_MS);
		r = dry ? waitpid((pid_t)producer->pid, &status, WNOHANG) : 0;
		if (r != 0) {
			producer->pid = 0;
			if (r > 0)
				tell_end(producer, status);
		} else if (dry) {
			nanosleep(&nap, NULL);
		}
		clock_gettime(CLOCK_MONOTONIC, &now);
	}
	return producer->why[0] ? producer->why : NULL;
}

void producer_release(struct producer *producer)
{
	if (producer->fd >= 0)
		close(producer->fd);
	producer->fd = -1;
	if (producer->pid <= 0)
		return;
	kill((pid_t)producer->pid, SIGTERM);
	while (waitpid((pid_t)producer->pid, NULL, 0) < 0 && errno == EINTR)
		;
	producer->pid = 0;
}

void producer_words(char *const *argv, struct buf *ret)
{
	for (size_t i = 0; argv[i]; i++)
		buf_printf(ret, "%s%s", i ? " " : "", argv[i]);
}
