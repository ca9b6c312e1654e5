#include "tools/array_volume.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/json.h"

static bool is_name_byte(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

bool volume_is_name(const char *name)
{
	unsigned parts = 1;
	size_t len = 0;

	for (; *name; name++) {
		bool pod = name[0] == ':' && name[1] == ':';

		if (is_name_byte(*name)) {
			len++;
			continue;
		}
		if ((*name != '/' && !pod) || !len || ++parts > 3)
			return false;
		name += pod;
		len = 0;
	}
	return len > 0 && len <= VOLUME_NAME_MAX;
}

static int take_text(const struct jnode *item, const char *key,
		     char out[VOLUME_TEXT], struct err *err)
{
	struct span text = jnode_text(item, key);

	if (!text.len || text.len >= VOLUME_TEXT)
		return err_corrupt(err, "the array gives no %s", key);
	memcpy(out, text.data, text.len);
	out[text.len] = '\0';
	return 0;
}

int volume_find(struct rest *rest, const char *name, struct volume *ret,
		struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = rest_find(rest, "volumes", name, &doc, err);

	if (r < 0)
		return r;
	*ret = (struct volume){
		.destroyed = jnode_true(doc.root, "destroyed"),
	};
	if (!jnode_u64(doc.root, "provisioned", &ret->size))
		return err_corrupt(err, "the array does not tell how large "
				   "'%s' is", name);
	return take_text(doc.root, "serial", ret->serial, err);
}

int volume_find_same(struct rest *rest, const char *name, const char *serial,
		     struct volume *ret, struct err *err)
{
	int r = volume_find(rest, name, ret, err);

	if (r < 0)
		return r;
	if (strcmp(ret->serial, serial) != 0)
		return err_set(err, -ESTALE, "'%s' is another volume now: its "
			       "serial number is %s, and was %s", name,
			       ret->serial, serial);
	if (ret->destroyed)
		return err_set(err, -ESTALE, "the volume '%s' is destroyed",
			       name);
	return 0;
}

/* It was asked for once, and what came of it is not known: have a look. */
static bool is_unsure(int r)
{
	return r == -EINPROGRESS;
}

static int change(struct rest *rest, enum rest_verb verb, const char *name,
		  const char *body, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct rest_change change = { .verb = verb, .body = body };
	int r = rest_path(&path, err, "volumes", "names", name, NULL);

	if (r < 0)
		return r;
	change.path = (char *)path.data;
	return rest_change(rest, &change, NULL, err);
}

int volume_make(struct rest *rest, const char *name, uint64_t size,
		struct volume *ret, struct err *err)
{
	struct err unsure = ERR_INIT;
	char body[64];
	int r = volume_find(rest, name, ret, err);

	if (r == -ENOENT) {
		snprintf(body, sizeof(body), "{\"provisioned\":%" PRIu64 "}",
			 size);
		r = change(rest, REST_POST, name, body, &unsure);
		if (r < 0 && !is_unsure(r))
			return err_set(err, r, "%s", unsure.text);
		r = volume_find(rest, name, ret, err);
		if (r == -ENOENT && unsure.code)
			return err_set(err, -EIO, "%s; it is not there",
				       unsure.text);
	}
	if (r < 0)
		return r;
	return ret->destroyed ? err_set(err, -ESTALE, "the volume '%s' is "
					"destroyed", name) : 0;
}

int volume_resize(struct rest *rest, const char *name, const char *serial,
		  uint64_t size, struct err *err)
{
	struct volume volume;
	char body[64];
	int r = volume_find_same(rest, name, serial, &volume, err);

	if (r < 0 || volume.size >= size)
		return r;
	snprintf(body, sizeof(body), "{\"provisioned\":%" PRIu64 "}", size);
	r = change(rest, REST_PATCH, name, body, err);
	if (!is_unsure(r))
		return r;
	r = volume_find_same(rest, name, serial, &volume, NULL);
	return r == 0 && volume.size >= size ? 0 : r < 0 ? r : -EIO;
}

int volume_rename(struct rest *rest, const char *from, const char *to,
		  const char *serial, struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;
	struct volume volume;
	struct json json;
	int r = volume_find(rest, to, &volume, err);

	if (r == 0 && !strcmp(volume.serial, serial) && !volume.destroyed)
		return 0;
	if (r == 0)
		return err_set(err, -EEXIST, "the array has a volume '%s' "
			       "meanwhile", to);
	if (r != -ENOENT)
		return r;
	r = volume_find_same(rest, from, serial, &volume, err);
	if (r < 0)
		return r;
	json_init(&json, &body);
	json_open_object(&json, NULL);
	json_str(&json, "name", to);
	json_close_object(&json);
	if (!buf_str(&body))
		return err_nomem(err);
	r = change(rest, REST_PATCH, from, (char *)body.data, err);
	if (is_unsure(r) &&
	    volume_find_same(rest, to, serial, &volume, NULL) == 0)
		return 0;
	return r;
}

int volume_destroy(struct rest *rest, const char *name, const char *serial,
		   struct err *err)
{
	struct volume volume;
	int r = volume_find(rest, name, &volume, err);

	if (r == -ENOENT || (r == 0 && volume.destroyed))
		return 0;
	if (r == 0 && serial)
		r = volume_find_same(rest, name, serial, &volume, err);
	if (r < 0)
		return r;
	r = change(rest, REST_PATCH, name, "{\"destroyed\":true}", err);
	if (is_unsure(r) && volume_find(rest, name, &volume, NULL) == 0 &&
	    volume.destroyed)
		return 0;
	return r;
}

/* Connections. */

struct using {
	const char *name, *host;
	struct volume_users *users;
};

static int take_user(void *arg, const struct jnode *item, struct err *err)
{
	struct using *using = arg;
	struct volume_users *users = using->users;
	struct span host = jnode_text(item, "host.name");
	struct span group = jnode_text(item, "host_group.name");
	struct span by = host.len ? host : group;

	(void)err;
	/* by what the filter of an array is, nobody is left out */
	if (!jnode_is(item, "volume.name", using->name))
		return 0;
	if (using->host && span_equal(host, span_str(using->host))) {
		users->ours = true;
		return 0;
	}
	if (users->others++ == 0)
		snprintf(users->other, sizeof(users->other), "%.*s",
			 (int)by.len, by.len ? (const char *)by.data : "");
	return 0;
}

int volume_users(struct rest *rest, const char *name, const char *host,
		 struct volume_users *ret, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct using using = { name, host, ret };
	int r = rest_path(&path, err, "connections", "volume_names", name,
			  NULL);

	*ret = (struct volume_users){ .ours = false };
	if (r == 0)
		r = rest_query(rest, (char *)path.data, take_user, &using,
			       err);
	return r < 0 ? err_wrap(err, "cannot tell what '%s' is connected to",
				name) : 0;
}

static int connect_or_not(struct rest *rest, const char *name,
			  const char *host, bool want, struct err *err)
{
	struct rest_change change = {
		.verb = want ? REST_POST : REST_DELETE,
	};
	OWNED_BUF struct buf path = BUF_INIT;
	struct volume_users users;
	int r = volume_users(rest, name, host, &users, err);

	if (r < 0 || users.ours == want)
		return r;
	r = rest_path(&path, err, "connections", "host_names", host,
		      "volume_names", name, NULL);
	if (r < 0)
		return r;
	change.path = (char *)path.data;
	r = rest_change(rest, &change, NULL, err);
	if (is_unsure(r) &&
	    volume_users(rest, name, host, &users, NULL) == 0 &&
	    users.ours == want)
		return 0;
	return r;
}

int volume_connect(struct rest *rest, const char *name, const char *host,
		   struct err *err)
{
	return connect_or_not(rest, name, host, true, err);
}

int volume_disconnect(struct rest *rest, const char *name, const char *host,
		      struct err *err)
{
	return connect_or_not(rest, name, host, false, err);
}
