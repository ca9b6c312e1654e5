/*
 * owner_names: users and groups by name, as they are here.
 *
 * For restores where names count and numbers do not (restore --owner-names): a
 * name that is known here gives its number, any other leaves the number as it
 * came, as tar and rsync do.  The last names are remembered, since nearly all
 * entries have the same few.  Any thread.
 */
#ifndef VARVE_OWNER_NAMES_H
#define VARVE_OWNER_NAMES_H

#include "fs/base/buf.h"

struct owner_names;

/* NULL where there is no memory. */
struct owner_names *owner_names_new(void);
void owner_names_free(struct owner_names *names);
/* The number of the user of that name here, else id.  name may be empty. */
uint32_t owner_names_user(struct owner_names *names, struct span name,
			  uint32_t id);
uint32_t owner_names_group(struct owner_names *names, struct span name,
			   uint32_t id);

#endif
