#include "fs/out/mount_internal.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#define CACHE_DEFAULT ((size_t)48 << 20)
#define ARENAS 2		/* of malloc(); more of them only waste */
#define BIG_ALLOCATION (64 << 10)	/* from here on given back at once */
#define TRIM (1 << 20)

/* One mount a process: signal handlers know no other way to it. */
static int wake_pipe = -1;
static char last_complaint[512];	/* libfuse's, while mounting */

static void on_signal(int signal)
{
	int before = errno;
	uint8_t byte = (uint8_t)signal;

	if (write(wake_pipe, &byte, 1) < 0)
		byte = 0;	/* the pipe is full of such already */
	errno = before;
}

static void on_wake(int signal)
{
	(void)signal;
}

/* What the caller ignores (nohup, a shell's background job) stays so. */
static void catch(int signal, const struct sigaction *action)
{
	struct sigaction before;

	if (sigaction(signal, NULL, &before) == 0 &&
	    before.sa_handler != SIG_IGN)
		sigaction(signal, action, NULL);
}

/* Until there is a mount to take away, signals just end the process. */
static int catch_signals(struct mount *mount, struct err *err)
{
	struct sigaction action = { .sa_flags = SA_RESTART };
	int fds[2];

	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_sys(err, "cannot make a pipe");
	mount->wake_fd = fds[0];
	wake_pipe = fds[1];
	sigemptyset(&action.sa_mask);
	action.sa_handler = on_signal;
	sigaction(SIGTERM, &action, NULL);
	catch(SIGINT, &action);
	catch(SIGHUP, &action);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	action.sa_handler = on_wake;
	action.sa_flags = 0;
	sigaction(SIGUSR1, &action, NULL);
	return 0;
}

static void stop_refresher(struct mount *mount)
{
	uint8_t stop = 0;

	while (write(wake_pipe, &stop, 1) < 0 && errno == EINTR)
		;
	pthread_join(mount->refresher, NULL);
}

PRINTF(2, 0)
static void on_fuse_log(enum fuse_log_level level, const char *format,
			va_list args)
{
	char text[sizeof(last_complaint)];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = 0;
	if (level == FUSE_LOG_DEBUG)
		mount_debug(text);
	else
		memcpy(last_complaint, text, sizeof(text));
}

/*
 * The session.
 */

static int session_open(struct mount *mount, struct err *err)
{
	const struct mount_plan *plan = mount->plan;
	char *argv[] = {
		(char *)"varve", (char *)"-o", (char *)plan->args.data,
		(char *)(plan->debug ? "-d" : NULL), NULL,
	};
	struct fuse_args args = FUSE_ARGS_INIT(plan->debug ? 4 : 3, argv);
	int r = 0;

	fuse_set_log_func(on_fuse_log);
	mount->session = fuse_session_new(&args, &mount_operations,
					  sizeof(mount_operations), mount);
	fuse_opt_free_args(&args);
	if (!mount->session)
		return err_set(err, -EINVAL, "cannot prepare a mount: %s",
			       last_complaint);
	if (fuse_session_mount(mount->session, plan->mountpoint) < 0) {
		r = err_set(err, -EPERM, "cannot mount on '%s': %s",
			    plan->mountpoint,
			    last_complaint[0] ? last_complaint :
						"refused");
		if (access("/dev/fuse", F_OK) < 0)
			err_hint(err, "there is no /dev/fuse here: 'modprobe "
				 "fuse', or give the container the device");
		else if (access("/dev/fuse", R_OK | W_OK) < 0)
			err_hint(err, "you may not open /dev/fuse: run as "
				 "root, or change its mode");
		else if (geteuid() != 0 && mount->plan->others)
			err_hint(err, "allow_other is for root, unless "
				 "/etc/fuse.conf has the line user_allow_other");
	}
	return r;
}

static int serve_mounted(struct mount *mount, struct err *err)
{
	int r = catch_signals(mount, err);

	if (r < 0)
		return r;
	r = refresh_start(mount, err);
	if (r < 0)
		return r;
	repo_on_wait(mount->repo, crew_will_wait);
	r = loop_run(mount, err);
	atomic_store(&mount->loop_ended, true);
	/* The refresher may still wait for the mount to answer. */
	if (r < 0)
		fuse_session_unmount(mount->session);
	stop_refresher(mount);
	return r;
}

static int check_sources(const struct mount *mount, struct err *err)
{
	for (uint32_t i = 0; i < mount->names->snap_count; i++) {
		if (!mount->names->snaps[i].hidden)
			return 0;
	}
	if (mount->options->source_count == 0)
		return 0;
	/* A misspelt name must not become an empty directory, which someone
	 * might mirror. */
	err_set(err, -ENOENT, "no snapshot of a source like '%s' in '%s'",
		mount->options->sources[0], mount->plan->store);
	return err_hint(err, "'varve list' names the sources there are");
}

static void mount_release(struct mount *mount)
{
	if (mount->session)
		fuse_session_destroy(mount->session);
	seats_release(&mount->seats);
	crew_release(&mount->crew);
	mets_release(&mount->mets);
	names_free(mount->names);
	repo_close(mount->repo);
	if (mount->zeros)
		munmap((void *)mount->zeros, ZEROS);
	pthread_rwlock_destroy(&mount->names_lock);
	pthread_mutex_destroy(&mount->ahead.lock);
	pthread_mutex_destroy(&mount->scans.lock);
}

static int mount_prepare(struct mount *mount, struct err *err)
{
	size_t budget = mount->options->cache_budget;
	void *zeros;
	int r;

	pthread_rwlock_init(&mount->names_lock, NULL);
	pthread_mutex_init(&mount->ahead.lock, NULL);
	pthread_mutex_init(&mount->scans.lock, NULL);
	mount->owner = getuid();
	mount->group = getgid();
	mount->started = stamp_now();
	zeros = mmap(NULL, ZEROS, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		     0);
	if (zeros == MAP_FAILED)
		return err_nomem(err);
	mount->zeros = zeros;
	r = mets_init(&mount->mets, err);
	if (r == 0)
		r = seats_init(&mount->seats, err);
	if (r == 0)
		r = crew_init(&mount->crew, err);
	if (r == 0)
		r = repo_open(mount->plan->store, REPO_READ,
			      budget ? budget : CACHE_DEFAULT, &mount->repo,
			      err);
	if (r == 0)
		r = names_build(mount, NULL, &mount->names, err);
	return r < 0 ? r : check_sources(mount, err);
}

static int serve(const struct mount_options *options,
		 const struct mount_plan *plan, int ready_fd, struct err *err)
{
	struct mount mount = {
		.options = options, .plan = plan, .ready_fd = ready_fd,
		.quiet = !options->foreground,
	};
	int r;

	/* Decoded blocks come and go in any thread: without this malloc()
	 * keeps twice their size (124 MiB for 69), a little quicker. */
	mallopt(M_ARENA_MAX, ARENAS);
	mallopt(M_MMAP_THRESHOLD, BIG_ALLOCATION);
	mallopt(M_TRIM_THRESHOLD, TRIM);
	r = mount_prepare(&mount, err);
	if (r == 0)
		r = session_open(&mount, err);
	if (r == 0) {
		r = serve_mounted(&mount, err);
		fuse_session_unmount(mount.session);
		if (options->stats)
			mount_print_stats(&mount);
	}
	mount_release(&mount);
	return r;
}

/*
 * In the background.
 */

/* Once the mount answers, nothing of the caller's is held open. */
static void leave_caller(const struct mount_options *options)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, 0);
	dup2(null, 1);
	if (!options->stats)
		dup2(null, 2);
	if (null > 2)
		close(null);
}

_Noreturn static void serve_in_background(const struct mount_options *options,
					  const struct mount_plan *plan,
					  int ready_fd)
{
	struct err err = ERR_INIT;
	int r;

	setsid();
	if (chdir("/") < 0)
		err_sys(&err, "cannot go to '/'");
	leave_caller(options);
	openlog("varve", LOG_PID, LOG_DAEMON);
	r = serve(options, plan, ready_fd, &err);
	if (r < 0) {
		err.code = r;
		syslog(LOG_ERR, "%s", err.text);
		/* Taken only while the parent still waits for it. */
		signal(SIGPIPE, SIG_IGN);
		if (write(ready_fd, &err, sizeof(err)) < 0)
			r = 1;
	}
	exit(r < 0 ? 1 : 0);
}

static int wait_ready(pid_t child, int fd, struct err *err)
{
	struct err said;
	ssize_t n;
	int status = 0;

	do
		n = read(fd, &said, sizeof(said));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(said) && said.code == 0)
		return 0;
	waitpid(child, &status, 0);
	if (n == sizeof(said)) {
		if (err)
			*err = said;
		return said.code;
	}
	if (WIFSIGNALED(status))
		return err_set(err, -EIO, "the mount died of signal %d",
			       WTERMSIG(status));
	return err_set(err, -EIO, "the mount ended before it answered");
}

static int serve_behind(const struct mount_options *options,
			const struct mount_plan *plan, struct err *err)
{
	int fds[2], r;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "cannot make a pipe");
	fflush(NULL);
	child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return err_sys(err, "cannot start a process");
	}
	if (child == 0) {
		close(fds[0]);
		serve_in_background(options, plan, fds[1]);
	}
	close(fds[1]);
	r = wait_ready(child, fds[0], err);
	close(fds[0]);
	return r;
}

int mount_serve(const struct mount_options *options, struct err *err)
{
	struct mount_plan plan;
	int r;

	r = mount_plan_init(&plan, options, err);
	if (r < 0)
		return r;
	r = mount_plan_check_place(&plan, err);
	if (r == 0)
		r = options->foreground ? serve(options, &plan, -1, err) :
					  serve_behind(options, &plan, err);
	mount_plan_release(&plan);
	return r;
}
