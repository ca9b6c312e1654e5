/*
 * pg_patroni: who leads, as `patronictl list` says.
 *
 * Takes its JSON (-f json), or the table it prints without, in which columns
 * are found by their heads: they differ between versions.  Pure.
 */
#ifndef VARVE_PG_PATRONI_H
#define VARVE_PG_PATRONI_H

#include "fs/base/buf.h"

#define PG_MEMBERS_MAX 1000u

struct pg_member {
	char *name, *role, *state;	/* state: "" where it told none */
};

struct pg_members {
	struct pg_member *member;
	size_t count;
};
void pg_members_release(struct pg_members *members);
#define OWNED_PG_MEMBERS CLEANUP(pg_members_release)

/* -EPROTO: it is neither, or of no member. */
int pg_members_read(struct span out, struct pg_members *ret, struct err *err);
/*
 * The one that leads, and runs; borrowed.  -ENOENT: none does; -ENOTUNIQ:
 * several; -EROFS: it is a standby cluster, whose leader follows another one.
 */
int pg_members_leader(const struct pg_members *members, const char **ret,
		      struct err *err);

#endif
