/*
 * pump: a large file's bytes, read by a thread of its own some buffers ahead of
 * who takes them.
 *
 * What reading costs (copying out of the kernel, waiting for the disk) is then
 * beside what is done with the bytes.  PUMP_SLOTS buffers of PUMP_BYTES.  The
 * calls are for one thread.
 */
#ifndef VARVE_PUMP_H
#define VARVE_PUMP_H

#include <stdint.h>
#include <sys/types.h>

#define PUMP_SLOTS 4u
#define PUMP_BYTES (1u << 20)

struct pump;

/* NULL: no memory, or no thread. */
struct pump *pump_new(void);
void pump_free(struct pump *pump);
/* Begin to read fd from `from` up to `to`; it stays open until pump_end(). */
void pump_begin(struct pump *pump, int fd, uint64_t from, uint64_t to);
/*
 * The next bytes, borrowed until the next call: how many, as pread(2) of
 * PUMP_BYTES has it; 0 where the file ended before `to`, or all was given; a
 * negative errno, and nothing behind it.
 */
ssize_t pump_next(struct pump *pump, const uint8_t **ret);
/* The rest is not wanted; fd is used no more. */
void pump_end(struct pump *pump);

#endif
