#include "fs/out/mount_internal.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define STARVED_MS 50
#define KICK_MS 20

static void pause_ms(long ms)
{
	const struct timespec pause = { .tv_nsec = ms * 1000000 };

	nanosleep(&pause, NULL);
}

bool mount_settle(struct mount *mount, enum standing standing)
{
	enum standing was = STANDING_AWAITED;

	return atomic_compare_exchange_strong(&mount->standing, &was, standing);
}

/*
 * A request could not be taken.  A thread without memory for its buffer waits
 * for some, while the others serve; but who still waits for the mount is told.
 */
static void take_failure(struct mount *mount, int r)
{
	if (r == -EINTR || r == -EAGAIN)
		return;
	if (r == -ENOMEM && (!pthread_equal(pthread_self(), mount->looper) ||
			     !mount_settle(mount, STANDING_FAILED))) {
		pause_ms(STARVED_MS);
		return;
	}
	mount_settle(mount, STANDING_FAILED);
	if (r < 0)
		atomic_store(&mount->loop_error, r);
	fuse_session_exit(mount->session);
}

static void *serve(void *arg)
{
	struct fuse_buf buf = { .mem = NULL };
	struct mount *mount = arg;

	while (!fuse_session_exited(mount->session)) {
		int r = fuse_session_receive_buf(mount->session, &buf);

		if (r > 0)
			fuse_session_process_buf(mount->session, &buf);
		else
			take_failure(mount, r);
	}
	free(buf.mem);
	atomic_fetch_sub(&mount->serving, 1);
	return NULL;
}

/* A thread looks only when it has a request or a signal interrupts it, and one
 * may come just before it waits. */
static void end_threads(struct mount *mount, const pthread_t *threads,
			unsigned count)
{
	while (atomic_load(&mount->serving) > 0) {
		for (unsigned i = 0; i < count; i++)
			pthread_kill(threads[i], SIGUSR1);
		pause_ms(KICK_MS);
	}
	for (unsigned i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
}

int loop_run(struct mount *mount, struct err *err)
{
	unsigned count = 0, wanted = mount->plan->threads - 1;
	CLEANUP(free_ptr) pthread_t *threads = NULL;
	int r;

	threads = calloc(wanted + 1, sizeof(*threads));
	if (!threads)
		return err_nomem(err);
	atomic_store(&mount->serving, 1);
	/* Fewer serve as well. */
	while (count < wanted) {
		atomic_fetch_add(&mount->serving, 1);
		if (pthread_create(&threads[count], NULL, serve, mount)) {
			atomic_fetch_sub(&mount->serving, 1);
			break;
		}
		count++;
	}
	serve(mount);
	end_threads(mount, threads, count);
	r = atomic_load(&mount->loop_error);
	if (r == -ENOMEM)
		return err_nomem(err);
	return r < 0 ? err_set(err, r, "the mount on '%s' ended: %s",
			       mount->plan->mountpoint, strerror(-r)) : 0;
}

void loop_end(struct mount *mount)
{
	fuse_session_exit(mount->session);
	while (!atomic_load(&mount->loop_ended)) {
		pthread_kill(mount->looper, SIGUSR1);
		pause_ms(KICK_MS);
	}
}
