#include "tools/fifo.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "tools/tool.h"

#define NUDGE_S 1	/* not told of a writer that comes sooner */

static void on_alarm(int signal_number)
{
	(void)signal_number;
}

/* Interrupts what waits, again and again: a signal that came a moment before is
 * not missed for long. */
static void nudge(time_t seconds)
{
	const struct itimerval timer = { { seconds, 0 }, { seconds, 0 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int open_waiting(const char *path, struct err *err)
{
	bool told = false;
	int fd;

	while ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) < 0 &&
	       errno == EINTR) {
		if (stopped)
			return err_set(err, -ECANCELED, "stopped: nobody "
				       "opened the FIFO '%s' for writing",
				       path);
		if (!told)
			warn("waiting for a writer of the FIFO '%s': nobody "
			     "has opened it for writing yet", path);
		told = true;
	}
	return fd < 0 ? err_sys(err, "cannot open '%s'", path) : fd;
}

int fifo_open(const char *path, int *ret_fd, struct err *err)
{
	/* without SA_RESTART */
	struct sigaction action = { .sa_handler = on_alarm }, before;
	int fd;

	sigaction(SIGALRM, &action, &before);
	nudge(NUDGE_S);
	fd = open_waiting(path, err);
	nudge(0);
	sigaction(SIGALRM, &before, NULL);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}
