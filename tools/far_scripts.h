/*
 * far_scripts: what is done to a volume, as scripts for far_run().
 *
 * $1: the directory with the staging directory in it; $2: the staging directory's
 * name; $3: the target's name in $1, or nothing where $1, the root of a volume, is
 * the target; more as said.  All may be run again after any of them was killed,
 * and each file is synced before it says that it came to its end.  Whose varve was
 * killed, or lost the pod, goes on there: those that swap, or end what was swapped,
 * wait for one another by a lock in the staging directory, where the volume has locks.
 *
 * They want GNU's tar, find and coreutils: others lose times, names, attributes;
 * and where they stage, flock of util-linux.
 */
#ifndef VARVE_FAR_SCRIPTS_H
#define VARVE_FAR_SCRIPTS_H

/* What there is: lack=, uid=, writable=, bytes=, inodes=, kind=, lost=,
 * mounted=, other=, kept=, top=. */
extern const char far_look[];
/* Make the staging directory.  $4: what it is.  top= of a volume's root then. */
extern const char far_claim[];
/* A tar archive from standard input to new/.  $4: leave out lost+found.
 * len=, sum=, tar= where tar failed. */
extern const char far_stage[];
/* All of new/: "E…", "D…" and, behind "H", sums; see push_pvc_expect.c. */
extern const char far_read_back[];
/* mark=, of $4: "new" or "target"; top=; inode=. */
extern const char far_mark[];
/* $4: inode of the new tree. */
extern const char far_swap[], far_swap_back[];
/* $4: lost+found stays; $5: the root's time. */
extern const char far_set_aside[], far_set_aside_back[];
extern const char far_put[], far_put_back[];
/* $4: the root's time, or nothing; $5 (far_unclaim): what its top must be for
 * that, or nothing. */
extern const char far_keep[], far_discard[], far_unclaim[];
extern const char far_unstage[];
/* $1 as a tar archive on standard output; runs by itself. */
extern const char far_capture[];
/* Remove what pushes to $4 that have ended kept.  count=. */
extern const char far_discard_kept[];

#endif
