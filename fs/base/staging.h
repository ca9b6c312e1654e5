/*
 * staging: what a push leaves beside its target, or in it (fs/out/swap.h), as far as
 * those must know it who only come across it.
 */
#ifndef VARVE_STAGING_H
#define VARVE_STAGING_H

#define SWAP_PREFIX ".varve-push-"	/* and the run's id: a directory */
#define SWAP_ABOUT "about"		/* in it, from the first on */
#define SWAP_DONE "done"		/* and once the push has come to its end */

#endif
