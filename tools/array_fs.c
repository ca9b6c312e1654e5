#include "tools/array_fs.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "fs/base/json.h"

#define NFS_PORT "2049"

bool array_fs_is_name(const char *name)
{
	static const char bytes[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"-_.";

	return *name && *name != '.' && *name != '-' &&
	       strlen(name) <= 63 && !name[strspn(name, bytes)];
}

/* One that is too long is no less than another: it is not compared with. */
static void take(const struct jnode *item, const char *key,
		 char out[FS_TEXT])
{
	struct span text = jnode_text(item, key);

	snprintf(out, FS_TEXT, "%.*s", (int)(text.len < FS_TEXT ? text.len :
		 0), text.len ? (const char *)text.data : "");
}

int array_fs_find(struct rest *rest, const char *name, struct array_fs *ret,
		  struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = rest_find(rest, "file-systems", name, &doc, err);

	if (r < 0)
		return r;
	*ret = (struct array_fs){
		.destroyed = jnode_true(doc.root, "destroyed"),
		.nfs = jnode_true(jnode_get(doc.root, "nfs"), "v3_enabled") ||
		       jnode_true(jnode_get(doc.root, "nfs"), "v4_1_enabled"),
	};
	take(doc.root, "id", ret->id);
	take(doc.root, "nfs.rules", ret->rules);
	jnode_u64(doc.root, "created", &ret->created_ms);
	if (!jnode_u64(doc.root, "provisioned", &ret->size))
		return err_corrupt(err, "the array does not tell how large "
				   "'%s' is", name);
	return 0;
}

static int change(struct rest *rest, enum rest_verb verb, const char *name,
		  struct buf *body, struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct rest_change change = { .verb = verb };
	int r = rest_path(&path, err, "file-systems", "names", name, NULL);

	if (r == 0 && body && !buf_str(body))
		r = err_nomem(err);
	if (r < 0)
		return r;
	change.path = (char *)path.data;
	change.body = body ? (char *)body->data : NULL;
	return rest_change(rest, &change, NULL, err);
}

int array_fs_make(struct rest *rest, const char *name, uint64_t size,
		  const char *rules, struct array_fs *ret, struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;
	struct err unsure = ERR_INIT;
	struct json json;
	int r = array_fs_find(rest, name, ret, err);

	if (r != -ENOENT)
		return r < 0 ? r : err_set(err, -EEXIST, "the array has a file "
					   "system '%s' already", name);
	json_init(&json, &body);
	json_open_object(&json, NULL);
	json_u64(&json, "provisioned", size);
	json_open_object(&json, "nfs");
	json_bool(&json, "v3_enabled", true);
	json_bool(&json, "v4_1_enabled", true);
	json_str(&json, "rules", rules);
	json_close_object(&json);
	json_close_object(&json);
	r = change(rest, REST_POST, name, &body, &unsure);
	if (r < 0 && r != -EINPROGRESS)
		return err_set(err, r, "%s", unsure.text);
	r = array_fs_find(rest, name, ret, err);
	if (r == -ENOENT && unsure.code)
		return err_set(err, -EIO, "%s; it is not there", unsure.text);
	return r;
}

int array_fs_resize(struct rest *rest, const char *name, uint64_t size,
		    struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;
	struct array_fs fs;
	int r = array_fs_find(rest, name, &fs, err);

	if (r < 0 || fs.size >= size)
		return r;
	buf_printf(&body, "{\"provisioned\":%" PRIu64 "}", size);
	r = change(rest, REST_PATCH, name, &body, err);
	if (r == -EINPROGRESS && array_fs_find(rest, name, &fs, NULL) == 0 &&
	    fs.size >= size)
		return 0;
	return r;
}

static int is_same(const struct array_fs *fs, const char *name, const char *id,
		   struct err *err)
{
	if (!id[0] || !strcmp(fs->id, id))
		return 0;
	return err_set(err, -ESTALE, "'%s' is another file system now", name);
}

int array_fs_destroy(struct rest *rest, const char *name, const char *id,
		     struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;
	struct array_fs fs;
	int r = array_fs_find(rest, name, &fs, err);

	if (r == -ENOENT || (r == 0 && fs.destroyed))
		return 0;
	if (r == 0)
		r = is_same(&fs, name, id, err);
	if (r < 0)
		return r;
	/* it takes no other change behind this, so all in one */
	buf_append_str(&body, "{\"nfs\":{\"v3_enabled\":false,"
		       "\"v4_1_enabled\":false},\"smb\":{\"enabled\":false},"
		       "\"http\":{\"enabled\":false},\"destroyed\":true}");
	r = change(rest, REST_PATCH, name, &body, err);
	if (r == -EINPROGRESS && array_fs_find(rest, name, &fs, NULL) == 0 &&
	    fs.destroyed)
		return 0;
	return r;
}

int array_fs_eradicate(struct rest *rest, const char *name, const char *id,
		       struct err *err)
{
	struct array_fs fs;
	int r = array_fs_find(rest, name, &fs, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = is_same(&fs, name, id, err);
	if (r == 0 && !fs.destroyed)
		r = err_set(err, -EBUSY, "'%s' is not destroyed", name);
	if (r < 0)
		return r;
	r = change(rest, REST_DELETE, name, NULL, err);
	return r == -EINPROGRESS &&
	       array_fs_find(rest, name, &fs, NULL) == -ENOENT ? 0 : r;
}

/* Addresses. */

struct addresses {
	char (*first)[FS_TEXT];
	unsigned count;
};

static int take_interface(void *arg, const struct jnode *item,
			  struct err *err)
{
	struct addresses *a = arg;
	const struct jnode *one = jnode_get(item, "services");
	bool data = false;

	(void)err;
	for (one = one ? one->child : NULL; one; one = one->next)
		data |= one->type == JTYPE_STRING &&
			span_equal(one->text, span_str("data"));
	if (data && jnode_true(item, "enabled") &&
	    jnode_text(item, "address").len && a->count++ == 0)
		take(item, "address", *a->first);
	return 0;
}

int array_fs_address(struct rest *rest, char ret[FS_TEXT], struct err *err)
{
	struct addresses a = { .first = (char (*)[FS_TEXT])ret };
	int r = rest_query(rest, "network-interfaces", take_interface, &a,
			   err);

	if (r < 0)
		return err_wrap(err, "cannot ask for the array's addresses");
	if (a.count == 1 && ret[0])
		return 0;
	err_set(err, -ENOENT, "the array has %s that serves files",
		a.count ? "more than one address" : "no address");
	return err_hint(err, "--nfs-address says which");
}

int array_fs_own_address(const char *address, char ret[FS_TEXT],
			 struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM };
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	struct addrinfo *found;
	CLEANUP(disk_close_fd) int fd = -1;
	int r = getaddrinfo(address, NFS_PORT, &hints, &found);

	if (r != 0)
		return err_set(err, -ENOENT, "cannot find '%s': %s", address,
			       gai_strerror(r));
	/* nothing is sent: the kernel picks a way and its address */
	fd = socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) < 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		r = err_sys(err, "there is no way to '%s'", address);
	freeaddrinfo(found);
	if (r == 0 && getnameinfo((struct sockaddr *)&own, len, ret, FS_TEXT,
				  NULL, 0, NI_NUMERICHOST) != 0)
		r = err_set(err, -EIO, "this machine has no address");
	return r;
}
