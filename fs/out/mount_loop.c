#include "fs/out/mount_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STARVED_MS 50
#define KICK_MS 20
#define LOOK_NS 100000		/* so long a listener looks before it sleeps */
#define BACKLOG 8u		/* requests found waiting, one after the other */

/*
 * The crew.
 *
 * A program that walks a tree asks for one thing after the other, and waking a
 * sleeping thread for each takes longer than most answers.  So one thread
 * listens, and goes on looking for a while when it has answered; the others
 * rest.  When it comes to wait for a block it calls another to listen in its
 * place; when requests wait for it, one to help.
 */

struct duty {			/* of the thread that is at a request */
	struct crew *crew;
	bool listens;
};
static _Thread_local struct duty *duty;

int crew_init(struct crew *crew, struct err *err)
{
	if (pthread_mutex_init(&crew->lock, NULL) != 0 ||
	    pthread_cond_init(&crew->called, NULL) != 0)
		return err_nomem(err);
	crew->ready = true;
	crew->look_ns = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? LOOK_NS : 0;
	return 0;
}

void crew_release(struct crew *crew)
{
	if (!crew->ready)
		return;
	pthread_mutex_destroy(&crew->lock);
	pthread_cond_destroy(&crew->called);
}

/* Under the lock: one that rests will listen, if there is one. */
static void call_one(struct crew *crew)
{
	if (crew->resting <= crew->calls)
		return;
	crew->calls++;
	crew->listening++;
	pthread_cond_signal(&crew->called);
}

static void step_back(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	if (--crew->listening == 0)
		call_one(crew);
	pthread_mutex_unlock(&crew->lock);
}

void crew_will_wait(void)
{
	if (!duty || !duty->listens)
		return;
	duty->listens = false;
	step_back(duty->crew);
}

static void get_help(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	call_one(crew);
	pthread_mutex_unlock(&crew->lock);
}

/* Others listen, so this one need not. */
static bool may_rest(struct crew *crew)
{
	bool may;

	pthread_mutex_lock(&crew->lock);
	may = crew->listening > 1;
	if (may)
		crew->listening--;
	pthread_mutex_unlock(&crew->lock);
	return may;
}

/* Until it is called to listen, or the session ends. */
static void rest(struct mount *mount)
{
	struct crew *crew = &mount->crew;

	pthread_mutex_lock(&crew->lock);
	crew->resting++;
	while (crew->calls == 0 && crew->listening > 0 &&
	       !fuse_session_exited(mount->session))
		pthread_cond_wait(&crew->called, &crew->lock);
	if (crew->calls > 0)
		crew->calls--;
	else
		crew->listening++;
	crew->resting--;
	pthread_mutex_unlock(&crew->lock);
}

/* The session has ended: nobody need rest any more. */
static void wake_all(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	pthread_cond_broadcast(&crew->called);
	pthread_mutex_unlock(&crew->lock);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

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

struct listener {		/* one of the threads */
	struct fuse_buf buf;
	bool listens;
	bool looked;			/* instead of sleeping, just now */
	uint64_t look_until;
	unsigned found;			/* requests without a pause between them */
};

static void answer(struct mount *mount, struct listener *self)
{
	struct duty own = { .crew = &mount->crew, .listens = true };

	duty = &own;
	fuse_session_process_buf(mount->session, &self->buf);
	duty = NULL;
	self->listens = own.listens;
	self->look_until = now_ns() + mount->crew.look_ns;
}

/* Nothing waits to be taken. */
static void wait_request(struct mount *mount, struct listener *self)
{
	struct pollfd fd = { .fd = fuse_session_fd(mount->session),
			     .events = POLLIN };

	self->found = 0;
	if (may_rest(&mount->crew)) {
		self->listens = false;
	} else if (now_ns() < self->look_until) {
		self->looked = true;
		sched_yield();
	} else {
		self->looked = false;
		poll(&fd, 1, -1);
	}
}

static void take_request(struct mount *mount, struct listener *self)
{
	int r = fuse_session_receive_buf(mount->session, &self->buf);

	if (r == -EAGAIN) {
		wait_request(mount, self);
	} else if (r <= 0) {
		self->listens = false;
		step_back(&mount->crew);
		take_failure(mount, r);
	} else {
		if (self->looked)
			count(&mount->counters.looked, 1);
		self->looked = false;
		if (++self->found % BACKLOG == 0)
			get_help(&mount->crew);
		answer(mount, self);
	}
}

static void *serve(void *arg)
{
	struct listener self = { .buf = { .mem = NULL } };
	struct mount *mount = arg;

	while (!fuse_session_exited(mount->session)) {
		if (self.listens) {
			take_request(mount, &self);
			continue;
		}
		rest(mount);
		self.listens = true;
		self.look_until = 0;
	}
	wake_all(&mount->crew);
	free(self.buf.mem);
	atomic_fetch_sub(&mount->serving, 1);
	return NULL;
}

/* A thread looks only when it has a request or a signal interrupts it, and one
 * may come just before it waits. */
static void end_threads(struct mount *mount, const pthread_t *threads,
			unsigned count)
{
	while (atomic_load(&mount->serving) > 0) {
		wake_all(&mount->crew);
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
	int r, fd = fuse_session_fd(mount->session);
	CLEANUP(free_ptr) pthread_t *threads = NULL;

	threads = calloc(wanted + 1, sizeof(*threads));
	if (!threads)
		return err_nomem(err);
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return err_sys(err, "cannot listen to the kernel");
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
		wake_all(&mount->crew);
		pthread_kill(mount->looper, SIGUSR1);
		pause_ms(KICK_MS);
	}
}
