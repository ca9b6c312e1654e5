#include "fs/out/swap_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/id.h"
#include "fs/tree/entry.h"

#define LIST_MAX 65536
#define VALUE_MAX 65536

/* Labels are the target's own business. */
static bool is_copied(const char *name)
{
	return strcmp(name, "security.selinux") != 0 && !xattr_is_shadow(name);
}

/* each(): of every extended attribute of fd that is copied. */
static int xattrs_each(int fd, int (*each)(void *arg, const char *name,
					   struct span value,
					   struct err *err),
		       void *arg, struct err *err)
{
	CLEANUP(free_ptr) char *list = malloc(LIST_MAX);
	CLEANUP(free_ptr) char *value = malloc(VALUE_MAX);
	ssize_t n, len;
	int r = 0;

	if (!list || !value)
		return err_nomem(err);
	n = flistxattr(fd, list, LIST_MAX);
	if (n < 0)
		return errno == ENOTSUP ? 0 :
		       err_sys(err, "cannot list extended attributes");
	for (char *at = list; r == 0 && at < list + n; at += strlen(at) + 1) {
		if (!is_copied(at))
			continue;
		len = fgetxattr(fd, at, value, VALUE_MAX);
		if (len >= 0)
			r = each(arg, at, span_of(value, (size_t)len), err);
		else if (errno != ENODATA)
			r = err_sys(err, "cannot read the attribute '%s'", at);
	}
	return r;
}

static int add_xattr(void *arg, const char *name, struct span value,
		     struct err *err)
{
	OWNED_BUF struct buf whole = BUF_INIT;
	uint64_t *sum = arg;

	buf_append(&whole, name, strlen(name) + 1);
	buf_append(&whole, value.data, value.len);
	*sum += sum64(buf_span(&whole));
	return buf_check(&whole, err);
}

int swap_attributes_get(int fd, struct swap_attributes *ret, struct err *err)
{
	uint64_t sum = 0;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_sys(err, "cannot look at the directory");
	r = xattrs_each(fd, add_xattr, &sum, err);
	if (r < 0)
		return r;
	*ret = (struct swap_attributes){
		.mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid,
		.mtime_s = st.st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st.st_mtim.tv_nsec,
		.xattrs = sum,
	};
	return 0;
}

void swap_attributes_text(const struct swap_attributes *a,
			  char out[SWAP_ATTRIBUTES_TEXT])
{
	snprintf(out, SWAP_ATTRIBUTES_TEXT, "%04" PRIo32 " %" PRIu32 ":%" PRIu32
		 " %" PRId64 ".%09" PRIu32 " %016" PRIx64, a->mode, a->uid,
		 a->gid, a->mtime_s, a->mtime_ns, a->xattrs);
}

int swap_attributes_parse(const char *text, struct swap_attributes *ret)
{
	struct swap_attributes a;

	if (sscanf(text, "%" SCNo32 " %" SCNu32 ":%" SCNu32 " %" SCNd64
		   ".%" SCNu32 " %" SCNx64, &a.mode, &a.uid, &a.gid,
		   &a.mtime_s, &a.mtime_ns, &a.xattrs) != 6)
		return -EBADMSG;
	*ret = a;
	return 0;
}

static int put_xattr(void *arg, const char *name, struct span value,
		     struct err *err)
{
	int fd = *(int *)arg;

	if (fsetxattr(fd, name, value.data, value.len, 0) < 0)
		return err_sys(err, "cannot set the attribute '%s'", name);
	return 0;
}

struct removing {
	int from, to;
};

static int remove_xattr(void *arg, const char *name, struct span value,
			struct err *err)
{
	const struct removing *removing = arg;

	(void)value;
	if (fgetxattr(removing->from, name, NULL, 0) >= 0)
		return 0;
	if (fremovexattr(removing->to, name) < 0 && errno != ENODATA)
		return err_sys(err, "cannot remove the attribute '%s'", name);
	return 0;
}

int swap_attributes_copy(int from, int to, struct err *err)
{
	struct removing removing = { from, to };
	struct stat st, now;
	int r = disk_step_outside("its attributes", "set", err);

	if (r < 0)
		return r;
	if (fstat(from, &st) < 0 || fstat(to, &now) < 0)
		return err_sys(err, "cannot look at the directory");
	if ((now.st_uid != st.st_uid || now.st_gid != st.st_gid) &&
	    fchown(to, st.st_uid, st.st_gid) < 0)
		return err_sys(err, "cannot give it to %u:%u", st.st_uid,
			       st.st_gid);
	r = xattrs_each(to, remove_xattr, &removing, err);
	if (r == 0 && fchmod(to, st.st_mode & 07777) < 0)
		r = err_sys(err, "cannot set its mode");
	return r < 0 ? r : xattrs_each(from, put_xattr, &to, err);
}

int swap_set_mtime(int fd, const struct swap_attributes *attributes,
		   struct err *err)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = attributes->mtime_s,
		  .tv_nsec = attributes->mtime_ns },
	};

	if (futimens(fd, times) < 0)
		return err_sys(err, "cannot set its time");
	return swap_sync(fd, "its time", err);
}
