/*
 * far: shell scripts run in a pod, for what is done to a volume there.
 *
 * A script runs by sh, with what it prints ended by a line that tells that all of
 * it came: a stream of exec may lose its end and look well.  What was lost is run
 * again a few times, so a script must be one that may be.  It is short (it goes
 * through an address), and uses POSIX and the GNU tools that far_tools names.
 *
 * One thread.
 */
#ifndef VARVE_FAR_H
#define VARVE_FAR_H

#include "tools/kube_act.h"

#define FAR_ARGS_MAX 12

struct far {
	struct kube *kube;
	struct kube_container where;
	int64_t idle_s;		/* without a byte, until it is taken as lost */
	unsigned tries;		/* how often what was lost is run */
};

/*
 * Run script with args (NULL-terminated) as $1 and on; what it prints, without
 * the last line, in *out (emptied before).  -EIO: it failed, in its own words;
 * -EREMOTEIO, -ETIMEDOUT: as kube_exec(), also after all tries.
 */
int far_run(struct far *far, const char *script, const char *const *args,
	    int64_t timeout_s, struct buf *out, struct err *err);
/* Once, with what it prints given to take() as it comes; 0 also means that the
 * last line came. */
int far_read(struct far *far, const char *script, const char *const *args,
	     int (*take)(void *arg, struct span printed, struct err *err),
	     void *arg, struct err *err);

/* One that reads: far_begin(), child_put() of its input, far_end() with what it
 * printed. */
struct far_stream {
	struct child child;
	struct child_end end;
};
int far_begin(struct far *far, const char *script, const char *const *args,
	      struct far_stream *stream, struct err *err);
int far_end(struct far *far, struct far_stream *stream, struct buf *out,
	    struct err *err);
void far_stream_release(struct far_stream *stream);

/* "key=value" lines: the value of key, in line breaks or at the end; data NULL
 * where there is none. */
struct span far_value(const struct buf *out, const char *key);
bool far_number(const struct buf *out, const char *key, uint64_t *ret);

#endif
