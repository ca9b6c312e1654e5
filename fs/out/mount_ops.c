#include "fs/out/mount_internal.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/base/disk.h"

#define BACKGROUND_MAX 64

void mount_override(const struct mount *mount, struct stat *st)
{
	const struct mount_plan *plan = mount->plan;

	if (plan->has_uid)
		st->st_uid = plan->uid;
	if (plan->has_gid)
		st->st_gid = plan->gid;
	/* As the option of that name elsewhere: the bits it does not mask. */
	if (plan->has_umask)
		st->st_mode = (st->st_mode & S_IFMT) |
			      (0777 & ~plan->umask);
}

static void want(struct fuse_conn_info *conn, unsigned flag, bool yes)
{
	if (yes && (conn->capable & flag))
		conn->want |= flag;
	else
		conn->want &= ~flag;
}

/*
 * AUTO_INVAL_DATA costs nothing where attributes hold for ever, which is all
 * of a snapshot.  For virtual nodes it is what keeps the kernel's copy of a
 * listing or of an info file honest: a notification alone may come between a
 * reply and the kernel's storing it.
 */
static void on_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *mount = userdata;
	const struct mount_plan *plan = mount->plan;

	conn->max_read = READ_MAX;
	conn->max_background = BACKGROUND_MAX;
	conn->congestion_threshold = BACKGROUND_MAX * 3 / 4;
	conn->time_gran = 1;
	want(conn, FUSE_CAP_ASYNC_READ, true);
	want(conn, FUSE_CAP_AUTO_INVAL_DATA, true);
	want(conn, FUSE_CAP_EXPLICIT_INVAL_DATA, false);
	want(conn, FUSE_CAP_READDIRPLUS, true);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO, false);
	want(conn, FUSE_CAP_PARALLEL_DIROPS, true);
	want(conn, FUSE_CAP_EXPORT_SUPPORT, true);
	want(conn, FUSE_CAP_CACHE_SYMLINKS, true);
	want(conn, FUSE_CAP_NO_OPEN_SUPPORT, true);
	want(conn, FUSE_CAP_NO_OPENDIR_SUPPORT, true);
	want(conn, FUSE_CAP_IOCTL_DIR, true);
	want(conn, FUSE_CAP_SPLICE_READ, false);
	want(conn, FUSE_CAP_SPLICE_WRITE, false);
	want(conn, FUSE_CAP_SPLICE_MOVE, false);
	want(conn, FUSE_CAP_WRITEBACK_CACHE, false);
	/* Mode bits alone would give a file's owning group what its ACL's
	 * mask only allows to others; so where permissions count, ACLs do. */
	want(conn, FUSE_CAP_POSIX_ACL,
	     plan->default_permissions && !plan->has_uid && !plan->has_gid &&
	     !plan->has_umask);
}

static void on_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct mount *mount = fuse_req_userdata(req);

	count(&mount->counters.lookups, 1);
	if (ino_kind(parent) == INO_TREE)
		nodes_lookup(req, parent, name);
	else
		virtual_lookup(req, parent, name);
}

static void forget_one(struct mount *mount, fuse_ino_t ino, uint64_t lookups)
{
	count(&mount->counters.forgets, 1);
	if (ino_kind(ino) == INO_TREE)
		seats_forget(mount, ino_number(ino), lookups);
}

static void on_forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups)
{
	forget_one(fuse_req_userdata(req), ino, lookups);
	fuse_reply_none(req);
}

static void on_forget_multi(fuse_req_t req, size_t n,
			    struct fuse_forget_data *forgets)
{
	struct mount *mount = fuse_req_userdata(req);

	for (size_t i = 0; i < n; i++)
		forget_one(mount, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void on_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *file)
{
	struct mount *mount = fuse_req_userdata(req);

	(void)file;
	count(&mount->counters.getattrs, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_getattr(req, ino);
	else
		virtual_getattr(req, ino);
}

static void on_readlink(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);

	count(&mount->counters.readlinks, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_readlink(req, ino);
	else
		virtual_readlink(req, ino);
}

/* The kernel then asks no more, and keeps data and listings cached. */
static void on_open(fuse_req_t req, fuse_ino_t ino,
		    struct fuse_file_info *file)
{
	struct mount *mount = fuse_req_userdata(req);

	(void)ino;
	(void)file;
	count(&mount->counters.opens, 1);
	fuse_reply_err(req, ENOSYS);
}

static void on_read(fuse_req_t req, fuse_ino_t ino, size_t size,
		    off_t offset, struct fuse_file_info *file)
{
	struct mount *mount = fuse_req_userdata(req);

	(void)file;
	count(&mount->counters.reads, 1);
	if (offset < 0)
		fuse_reply_err(req, EINVAL);
	else if (ino_kind(ino) == INO_TREE)
		nodes_read(req, ino, size, offset);
	else
		virtual_read(req, ino, size, offset);
}

static void on_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence,
		     struct fuse_file_info *file)
{
	struct mount *mount = fuse_req_userdata(req);

	(void)file;
	count(&mount->counters.seeks, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_lseek(req, ino, offset, whence);
	else
		virtual_lseek(req, ino, offset, whence);
}

static void on_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size,
			   off_t offset, struct fuse_file_info *file)
{
	struct mount *mount = fuse_req_userdata(req);

	(void)file;
	count(&mount->counters.readdirs, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_readdirplus(req, ino, size, offset);
	else
		virtual_readdirplus(req, ino, size, offset);
}

static void reply_server(fuse_req_t req, size_t size)
{
	OWNED_BUF struct buf text = BUF_INIT;

	buf_printf(&text, "%d", (int)getpid());
	nodes_reply_sized(req, &text, size);
}

static void on_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name,
			size_t size)
{
	struct mount *mount = fuse_req_userdata(req);

	count(&mount->counters.xattrs, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_getxattr(req, ino, name, size);
	else if (ino == FUSE_ROOT_ID && !strcmp(name, MOUNT_SERVER_XATTR))
		reply_server(req, size);
	else
		fuse_reply_err(req, ENODATA);
}

static void on_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct mount *mount = fuse_req_userdata(req);

	count(&mount->counters.xattrs, 1);
	if (ino_kind(ino) == INO_TREE)
		nodes_listxattr(req, ino, size);
	else if (size == 0)
		fuse_reply_xattr(req, 0);
	else
		fuse_reply_buf(req, NULL, 0);
}

static void on_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned command,
		     void *arg, struct fuse_file_info *file, unsigned flags,
		     const void *in, size_t in_size, size_t out_size)
{
	(void)arg;
	(void)file;
	(void)flags;
	(void)in;
	(void)in_size;
	if (command == (unsigned)FS_IOC_GETFLAGS && ino_kind(ino) == INO_TREE)
		nodes_getflags(req, ino, out_size);
	else
		fuse_reply_err(req, ENOTTY);
}

static void on_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct mount *mount = fuse_req_userdata(req);
	struct statvfs st;

	(void)ino;
	if (fstatvfs(repo_dir(mount->repo)->fd, &st) < 0) {
		fuse_reply_err(req, EIO);
		return;
	}
	st.f_files = st.f_ffree = st.f_favail = 0;
	st.f_namemax = NAME_BYTES_MAX;
	st.f_flag |= ST_RDONLY;
	fuse_reply_statfs(req, &st);
}

/* readdir is left out on purpose: with it the kernel would ask for names
 * alone and then look each of them up. */
const struct fuse_lowlevel_ops mount_operations = {
	.init = on_init,
	.lookup = on_lookup,
	.forget = on_forget,
	.forget_multi = on_forget_multi,
	.getattr = on_getattr,
	.readlink = on_readlink,
	.open = on_open,
	.read = on_read,
	.lseek = on_lseek,
	.opendir = on_open,
	.readdirplus = on_readdirplus,
	.getxattr = on_getxattr,
	.listxattr = on_listxattr,
	.ioctl = on_ioctl,
	.statfs = on_statfs,
};
