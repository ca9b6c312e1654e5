/* settle_internal: what settle.c and settle_stream.c share. */
#ifndef VARVE_SETTLE_INTERNAL_H
#define VARVE_SETTLE_INTERNAL_H

#include "indexer/settle.h"
#include "indexer/key.h"
#include "indexer/slots.h"

enum event_kind { EVENT_DIR = 1, EVENT_FILE, EVENT_MEMBER, EVENT_JOIN };

enum verdict {
	VERDICT_ACCEPTED = 1,
	VERDICT_UNDER,		/* below a file or symbolic link */
	VERDICT_OVER,		/* over a directory that is not empty */
	VERDICT_NO_TARGET,
	VERDICT_DIR_TARGET,
};

/* By sequence number.  EVENT_FILE: anything but a directory. */
struct event_slot {
	uint64_t path;		/* number of its path */
	uint64_t other;		/* EVENT_JOIN: path meant; EVENT_MEMBER: seq
				 * of the group's first; once accepted, of all
				 * three: seq of the item that has the file */
	uint64_t pos;		/* first place in the tree, + 1 */
	uint32_t names;		/* names in the tree */
	uint8_t kind;		/* 0: nothing was put */
	uint8_t verdict;
	uint8_t linked;		/* others refer to it */
	uint8_t pad;
};

enum path_state { PATH_ABSENT, PATH_FILE, PATH_DIR };

/* By path number: 1 is the root, numbers rise in key order. */
struct path_slot {
	uint64_t parent;
	uint64_t current;	/* seq; 0: none, or a directory made up */
	uint8_t state;
	uint8_t filled;		/* something was accepted below it */
	uint8_t pad[6];
	uint64_t root;		/* seq of the item with current's file */
};

/* The path at hand and the numbers of its components. */
struct trail {
	struct buf key;
	struct level {
		uint64_t number;
		size_t end;	/* of the component in key */
	} *levels;		/* [0] the root */
	unsigned depth, room;
	uint64_t last;		/* number given last */
};

struct settle {
	struct settle_options options;
	struct sorter *items;	/* key, 0, seq big-endian -> item */
	struct sorter *groups;	/* group -> seq */
	struct sorter *joined;	/* key -> item that has its attributes */
	struct slots *events, *paths;
	struct slots *names;	/* of linked files: position, seq */
	uint64_t name_count;
	uint64_t count;		/* sequence numbers given */
	bool any_linked, want_places;
	struct buf key, value;	/* scratch of settle_put() */
	struct trail trail;
	/* settle_next() */
	bool started, ended, ahead;
	struct span ahead_key, ahead_value;
	uint64_t ahead_seq;
	unsigned told;		/* levels of the trail given out */
	struct path_slot path;	/* of the trail's end */
	bool linked;		/* others may refer to what is there */
	struct buf winner;
	struct item item, own;
	unsigned lost;		/* versions replaced, of this path */
};

int trail_init(struct trail *trail);
void trail_release(struct trail *trail);
/* Move to key, drawing numbers for components that are new; *ret_common of
 * them were there before. */
int trail_move(struct trail *trail, struct span key, unsigned *ret_common,
	       struct err *err);

static inline uint64_t trail_number(const struct trail *trail)
{
	return trail->levels[trail->depth].number;
}

void put_be64(uint8_t out[8], uint64_t v);

/* Next of sorter->items as (path's key, seq, bytes); 1, 0, negative. */
int settle_read(struct settle *settle, struct span *ret_key,
		uint64_t *ret_seq, struct span *ret_value, struct err *err);
/* Begin another pass over the items: fresh trail. */
int settle_rewind(struct settle *settle, struct err *err);
int settle_join(struct settle *settle, struct err *err);

#endif
