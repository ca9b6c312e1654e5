/*
 * array_volume: volumes, hosts and connections of a FlashArray, as a push needs
 * them.
 *
 * Each change looks first whether it is done, and again where the array gave
 * no answer, so that it may be asked for twice.  A volume is known by its
 * serial number: one of the same name with another is another.  One thread.
 */
#ifndef VARVE_ARRAY_VOLUME_H
#define VARVE_ARRAY_VOLUME_H

#include "tools/rest.h"

#define VOLUME_TEXT 128
#define VOLUME_NAME_MAX 63	/* behind its pod or volume group */
#define VOLUME_MIN (1u << 20)
#define VOLUME_UNIT 512u

struct volume {
	char serial[VOLUME_TEXT];
	uint64_t size;
	bool destroyed;		/* it waits to be eradicated */
};

/* Letters, digits, '-' and '_', also behind "pod::" or "group/". */
bool volume_is_name(const char *name);
/* -ENOENT: the array has none of that name, not even a destroyed one. */
int volume_find(struct rest *rest, const char *name, struct volume *ret,
		struct err *err);
/* The same; -ESTALE where it is another one, or destroyed. */
int volume_find_same(struct rest *rest, const char *name, const char *serial,
		     struct volume *ret, struct err *err);
/* name must be nobody else's: one that is there is taken for made. */
int volume_make(struct rest *rest, const char *name, uint64_t size,
		struct volume *ret, struct err *err);
int volume_resize(struct rest *rest, const char *name, const char *serial,
		  uint64_t size, struct err *err);
int volume_rename(struct rest *rest, const char *from, const char *to,
		  const char *serial, struct err *err);
/* One that is not there, or is destroyed, is done. */
int volume_destroy(struct rest *rest, const char *name, const char *serial,
		   struct err *err);

struct volume_users {
	bool ours;		/* it is connected to the host asked about */
	unsigned others;
	char other[VOLUME_TEXT];	/* the first of them */
};
int volume_users(struct rest *rest, const char *name, const char *host,
		 struct volume_users *ret, struct err *err);
int volume_connect(struct rest *rest, const char *name, const char *host,
		   struct err *err);
int volume_disconnect(struct rest *rest, const char *name, const char *host,
		      struct err *err);
/*
 * What the array calls this machine: given, which must be there, or the one
 * that has one of this machine's initiators.  etc, sys: "/etc", "/sys".
 */
int volume_host(struct rest *rest, const char *given, const char *etc,
		const char *sys, char ret[VOLUME_TEXT], struct err *err);
/* How many initiators this machine has: iSCSI, NVMe, Fibre Channel. */
int volume_initiators(const char *etc, const char *sys, unsigned *ret,
		      struct err *err);

#endif
