#include "tools/self.h"

#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/tool.h"

extern char **environ;

void words_put(struct words *words, const char *word)
{
	if (word && words->count + 1 < WORDS_MAX)
		words->list[words->count++] = word;
	words->list[words->count] = NULL;
}

int self_find(char out[PATH_MAX], struct err *err)
{
	ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);

	if (n < 0)
		return err_sys(err, "cannot find this program");
	out[n] = '\0';
	return 0;
}

int self_run(const struct words *words, struct err *err)
{
	int status, code;
	pid_t pid;

	code = posix_spawn(&pid, words->list[0], NULL, NULL,
			   (char *const *)(uintptr_t)words->list, environ);
	if (code != 0) {
		errno = code;
		return err_sys(err, "cannot run '%s'", words->list[0]);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_sys(err, "cannot wait for it");
		if (stopped)
			kill(pid, SIGTERM);
	}
	if (stopped)
		return err_set(err, -ECANCELED, "stopped");
	return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}
