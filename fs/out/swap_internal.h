/* swap_internal: what the files of swap share. */
#ifndef VARVE_SWAP_INTERNAL_H
#define VARVE_SWAP_INTERNAL_H

#include "fs/base/disk.h"
#include "fs/out/swap.h"

/* The staging directory, or part of it; -errno. */
int swap_open_staging(struct swap *swap, int *ret_fd, struct err *err);
int swap_open_part(struct swap *swap, const char *part, int *ret_fd,
		   struct err *err);
/* A directory in fd, no link followed. */
int swap_open_dir(int fd, const char *name, int *ret_fd, struct err *err);
/* fsync of a directory; what it is for messages. */
int swap_sync(int fd, const char *what, struct err *err);
/* r, with a hint where root may not: the bits of chattr. */
int swap_refused(int r, struct err *err);
/* A rename that replaces nothing. */
int swap_move(int from, const char *name, int to, const char *as,
	      struct err *err);
bool swap_is_there(int fd, const char *name);
/* Names of a directory but "." and "..", in no order; owned. */
struct swap_names {
	char **name;
	size_t count, room;
};
int swap_list(int fd, struct swap_names *ret, struct err *err);
void swap_names_release(struct swap_names *names);
#define OWNED_NAMES CLEANUP(swap_names_release)
#define OWNED_FD CLEANUP(disk_close_fd)

#endif
