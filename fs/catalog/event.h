/*
 * event: what befell snapshots and sources after they were recorded.
 *
 * State lies beside the records as small kv documents of type "varve-event"
 * under state/<20-digit sequence>-<16 hex random>: forget, undelete, pin,
 * unpin, tag, policy, rename, damage, heal, scrub, high-water, log.  The
 * sequence is drawn under the commit lock; later ones win.  Pure.
 * docs/format.md, "State".
 */
#ifndef VARVE_EVENT_H
#define VARVE_EVENT_H

#include "fs/base/kv.h"
#include "fs/base/stamp.h"

#define EVENT_VERSION 1

enum event_type {
	EVENT_FORGET = 1,	/* id, number: the snapshot is not shown */
	EVENT_UNDELETE,		/* id */
	EVENT_PIN, EVENT_UNPIN,	/* id */
	EVENT_TAG,		/* id, key, value (absent: tag removed) */
	EVENT_POLICY,		/* source (glob), value: the keep options; absent: none */
	EVENT_RENAME,		/* source, value: its new name */
	EVENT_DAMAGE,		/* key: object or pack (hex), value: words */
	EVENT_HEAL,		/* key as in damage */
	EVENT_SCRUB,		/* value: pack name reached */
	EVENT_HIGHWATER,	/* number: snapshots up to it were used */
	EVENT_LOG,		/* key: the command; value: words */
};

struct event {
	uint64_t seq;
	enum event_type type;
	struct stamp at;
	char *host, *user;
	uint8_t snapshot[16];	/* where the type has one, else zero */
	uint64_t number;
	char *source, *key, *value;
};

void event_release(struct event *event);
int event_write(const struct event *event, struct buf *out, struct err *err);
int event_parse(struct span bytes, const char *what, struct event *ret,
		struct err *err);
const char *event_type_name(enum event_type type);

#endif
