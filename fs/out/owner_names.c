#include "fs/out/owner_names.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>

#include "fs/base/id.h"

#define NAME_MAX_BYTES 255
#define SEATS 64		/* names remembered, a power of two */
#define ROOM_FIRST 4096		/* for what the system tells of a name */
#define ROOM_MAX (1u << 20)	/* a group with very many members */

struct seat {
	char name[NAME_MAX_BYTES + 1];	/* "": free */
	bool group, known;
	uint32_t id;
};

struct owner_names {
	pthread_mutex_t mutex;
	struct seat seat[SEATS];	/* under mutex */
};

struct owner_names *owner_names_new(void)
{
	struct owner_names *names = calloc(1, sizeof(*names));

	if (names)
		pthread_mutex_init(&names->mutex, NULL);
	return names;
}

void owner_names_free(struct owner_names *names)
{
	if (!names)
		return;
	pthread_mutex_destroy(&names->mutex);
	free(names);
}

/* 0 or an errno; *ret_known says whether *ret_id was set. */
static int ask(const char *name, bool group, char *room, size_t size,
	       uint32_t *ret_id, bool *ret_known)
{
	struct passwd user, *found_user = NULL;
	struct group set, *found_set = NULL;
	int r;

	if (group)
		r = getgrnam_r(name, &set, room, size, &found_set);
	else
		r = getpwnam_r(name, &user, room, size, &found_user);
	*ret_known = found_user || found_set;
	if (found_user)
		*ret_id = found_user->pw_uid;
	else if (found_set)
		*ret_id = found_set->gr_gid;
	return r;
}

static bool find(const char *name, bool group, uint32_t *ret_id)
{
	bool known = false;

	for (size_t size = ROOM_FIRST; size <= ROOM_MAX; size *= 4) {
		CLEANUP(free_ptr) char *room = malloc(size);

		if (!room || ask(name, group, room, size, ret_id, &known) !=
				     ERANGE)
			break;
	}
	return known;
}

static uint32_t look_up(struct owner_names *names, struct span name,
			bool group, uint32_t id)
{
	char text[NAME_MAX_BYTES + 1];
	struct seat *seat;

	if (name.len == 0 || name.len > NAME_MAX_BYTES ||
	    memchr(name.data, '\0', name.len))
		return id;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	seat = &names->seat[(sum64(name) + group) % SEATS];
	pthread_mutex_lock(&names->mutex);
	if (seat->group != group || strcmp(seat->name, text) != 0) {
		seat->known = find(text, group, &seat->id);
		seat->group = group;
		memcpy(seat->name, text, name.len + 1);
	}
	if (seat->known)
		id = seat->id;
	pthread_mutex_unlock(&names->mutex);
	return id;
}

uint32_t owner_names_user(struct owner_names *names, struct span name,
			  uint32_t id)
{
	return look_up(names, name, false, id);
}

uint32_t owner_names_group(struct owner_names *names, struct span name,
			   uint32_t id)
{
	return look_up(names, name, true, id);
}
