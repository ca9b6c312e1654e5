/*
 * vmbc_restore: what a restore is of, as it is found out step by step before
 * anything is done.  One thread.
 */
#ifndef VARVE_VMBC_RESTORE_H
#define VARVE_VMBC_RESTORE_H

#include "tools/vmbc_run.h"

enum vmbc_from { FROM_LIVE = 1, FROM_COPIES, FROM_STORE, FROM_VOLUMES };

struct vmbc_aim {		/* of one replica that is put back */
	struct vmbc_replica *replica;	/* of live */
	struct push_place place;
	struct push_room room;
	char owner[PUSH_OWNER_TEXT];	/* "": the snapshot's */
	char id[2 * RECORD_ID + 1];	/* of its snapshot; "": not added yet */
	char *label;
};

struct vmbc_restoring {
	struct tool *tool;
	struct vmbc_cluster cluster;
	bool asks;
	struct repo *repo;
	struct vmbc live;	/* where it goes to */
	struct vmbc source;	/* FROM_COPIES, FROM_STORE: where it comes from */
	enum vmbc_from from;
	char *base;
	uint64_t number;
	bool given;		/* the number was */
	char *time;		/* of FROM_VOLUMES, as snapshots are named */
	struct vmbc_aim *aims;
	size_t count;
	bool all;		/* of all replicas */
};
void vmbc_restoring_release(struct vmbc_restoring *r);

/* vmbc_aim.c: which replicas, which snapshots, which directories. */
/* --lost: all of them, or so few that the others go on without. */
int vmbc_choose(struct vmbc_restoring *r, struct err *err);
/* What is lost is asked for before anything else; 0: not answered. */
int vmbc_find_source(struct vmbc_restoring *r, struct err *err);
int vmbc_find_places(struct vmbc_restoring *r, struct err *err);
/* vmbc_room.c: bytes and inodes of each, and whether there is room for all. */
int vmbc_check_room(struct vmbc_restoring *r, struct err *err);
/* vmbc_aim.c: the snapshots of FROM_LIVE and FROM_COPIES: made now. */
int vmbc_add_source(struct vmbc_restoring *r, struct err *err);

#endif
