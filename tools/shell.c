#include "tools/shell.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

#define NAP_MS 10
#define GRACE_MS 5000

static int start(int fd, const char *command, pid_t *ret)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", (char *)command,
			       NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
					 O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO,
					 STDOUT_FILENO);
	/* to itself: it is not closed by exec then */
	if (fd >= 0)
		posix_spawn_file_actions_adddup2(&actions, fd, fd);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setpgroup(&attributes, 0);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF |
				 POSIX_SPAWN_SETPGROUP);
	r = posix_spawn(ret, "/bin/sh", &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	return r;
}

/* True where it ended within ms. */
static bool await(pid_t pid, int ms, int *ret_status)
{
	struct timespec nap = { .tv_nsec = NAP_MS * 1000000 };

	for (;;) {
		if (waitpid(pid, ret_status, WNOHANG) != 0)
			return true;
		if (ms <= 0)
			return false;
		nanosleep(&nap, NULL);
		ms -= NAP_MS;
	}
}

int shell_run_with(int fd, const char *what, const char *command, int ms,
		   struct err *err)
{
	int status = 0;
	pid_t pid = 0;

	errno = start(fd, command, &pid);
	if (errno)
		return err_sys(err, "cannot run the command that %s", what);
	if (!await(pid, ms, &status)) {
		kill(-pid, SIGTERM);
		if (!await(pid, GRACE_MS, &status)) {
			kill(-pid, SIGKILL);
			waitpid(pid, &status, 0);
		}
		return err_set(err, -ETIMEDOUT, "the command that %s did not "
			       "end in its time: %s", what, command);
	}
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "the command that %s was killed by "
			       "signal %d: %s", what, WTERMSIG(status),
			       command);
	if (WEXITSTATUS(status))
		return err_set(err, -EIO, "the command that %s exited with "
			       "status %d: %s", what, WEXITSTATUS(status),
			       command);
	return 0;
}

int shell_run(const char *what, const char *command, int ms, struct err *err)
{
	return shell_run_with(-1, what, command, ms, err);
}
