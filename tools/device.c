#include "tools/device.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/disk.h"
#include "tools/child.h"

#define PIECE (256u << 10)
#define BLKID_SAYS (64u << 10)
#define BLKID_S 60
#define BLKID_NOTHING 2		/* its exit status */
#define E2FSCK_MENDED 1		/* nor is that a failure */
#define PATH_ROOM 512

/* An array's part of a world-wide name. */
#define OUI "24a937"
#define NAA "624a9370"

/* Links, the one that stands for all paths first. */
static int link_name(unsigned n, const char *serial, char out[PATH_ROOM])
{
	switch (n) {
	case 0:
		return snprintf(out, PATH_ROOM, "dm-uuid-mpath-3" NAA "%s",
				serial);
	case 1:
		return snprintf(out, PATH_ROOM, "wwn-0x" NAA "%s", serial);
	case 2:
		return snprintf(out, PATH_ROOM, "scsi-3" NAA "%s", serial);
	case 3:
		return snprintf(out, PATH_ROOM, "nvme-eui.00%.14s" OUI "%s",
				serial, serial + 14);
	default:
		return -1;
	}
}

static int take_serial(const char *text, char out[DEVICE_SERIAL + 1],
		       struct err *err)
{
	size_t i;

	for (i = 0; i < DEVICE_SERIAL && isxdigit((unsigned char)text[i]); i++)
		out[i] = (char)tolower((unsigned char)text[i]);
	out[i] = '\0';
	return i == DEVICE_SERIAL && !text[i] ? 0 :
	       err_set(err, -EINVAL, "'%.40s' is no serial number of a volume",
		       text);
}

static int look_at(const char *path, struct device *ret, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = -1;
	struct stat st;
	char *real = realpath(path, NULL);

	if (!real)
		return errno == ENOENT ? -ENOENT :
		       err_sys(err, "cannot follow '%s'", path);
	snprintf(ret->path, sizeof(ret->path), "%s", real);
	free(real);
	fd = open(ret->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (errno == ENXIO || errno == ENOENT))
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "cannot open '%s'", ret->path);
	if (!S_ISBLK(st.st_mode))
		return err_set(err, -ENOTBLK, "'%s' is no block device",
			       ret->path);
	if (ioctl(fd, BLKGETSIZE64, &ret->size) < 0)
		return err_sys(err, "cannot ask how large '%s' is", ret->path);
	ret->rdev = st.st_rdev;
	return 0;
}

int device_find(const char *dir, const char *serial, uint64_t size,
		struct device *ret, struct err *err)
{
	char low[DEVICE_SERIAL + 1], name[PATH_ROOM];
	int r = take_serial(serial, low, err);

	for (unsigned n = 0; r == 0 && link_name(n, low, name) >= 0; n++) {
		OWNED_BUF struct buf path = BUF_INIT;

		buf_printf(&path, "%s/%s", dir, name);
		if (!buf_str(&path))
			return err_nomem(err);
		r = look_at((char *)path.data, ret, err);
		if (r == -ENOENT) {
			r = 0;
			continue;
		}
		if (r == 0 && ret->size < size)
			return err_set(err, -EAGAIN, "'%s' has %" PRIu64
				       " bytes, and the volume %" PRIu64,
				       ret->path, ret->size, size);
		return r;
	}
	if (r == 0)
		err_set(err, r = -EAGAIN, "no device of the volume is in '%s': "
			"neither wwn-0x" NAA "%s nor scsi-3, dm-uuid-mpath-3 "
			"or nvme-eui of it", dir, low);
	if (r == -EAGAIN)
		err_hint(err, "is this host logged in to the array (iscsiadm, "
			 "multipath -ll)?");
	return r;
}

/* One word into a file of the kernel's; one that is not there wants none. */
static int tell_kernel(const char *path, const char *word, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(word);

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || write(fd, word, (size_t)len) != len)
		return err_sys(err, "cannot write to '%s'", path);
	return 0;
}

/* word into FILE of each entry of dir; a directory that is not there has
 * none. */
static int tell_each(const char *dir, const char *file, const char *word,
		     struct err *err)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int r = 0;

	if (!d)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s'",
						     dir);
	while (r == 0 && (errno = 0, entry = readdir(d))) {
		OWNED_BUF struct buf path = BUF_INIT;

		if (entry->d_name[0] == '.')
			continue;
		buf_printf(&path, "%s/%s/%s", dir, entry->d_name, file);
		r = buf_str(&path) ? tell_kernel((char *)path.data, word,
						 err) : err_nomem(err);
	}
	if (r == 0 && errno)
		r = err_sys(err, "cannot read '%s'", dir);
	closedir(d);
	return r;
}

static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int device_rescan(const char *sys, const char *path, struct err *err)
{
	OWNED_BUF struct buf at = BUF_INIT;
	int r;

	buf_printf(&at, "%s/class/scsi_host", sys);
	r = buf_str(&at) ? tell_each((char *)at.data, "scan", "- - -", err) :
			   err_nomem(err);
	if (r < 0 || !path)
		return r;
	buf_clear(&at);
	buf_printf(&at, "%s/class/block/%s/device/rescan", sys, name_of(path));
	r = buf_str(&at) ? tell_kernel((char *)at.data, "1", err) :
			   err_nomem(err);
	if (r < 0)
		return r;
	buf_clear(&at);
	buf_printf(&at, "%s/class/block/%s/slaves", sys, name_of(path));
	return buf_str(&at) ? tell_each((char *)at.data, "device/rescan", "1",
					err) : err_nomem(err);
}

int device_check_free(const struct device *device, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(device->path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno != EBUSY)
		return err_sys(err, "cannot open '%s'", device->path);
	err_set(err, -EBUSY, "'%s' is in use on this host: mounted, part of "
		"another device, or being formatted", device->path);
	return err_hint(err, "'lsblk %s' tells by what", device->path);
}

/* What is on it. */

static int is_zero(int fd, uint64_t from, uint64_t to, bool *ret,
		   const char *path, struct err *err)
{
	CLEANUP(free_ptr) unsigned char *piece = malloc(PIECE);

	if (!piece)
		return err_nomem(err);
	while (*ret && from < to) {
		size_t want = to - from < PIECE ? (size_t)(to - from) : PIECE;
		ssize_t n = pread(fd, piece, want, (off_t)from);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(err, "cannot read '%s'", path);
		if (n == 0)
			return err_set(err, -EIO, "'%s' ends before its end",
				       path);
		*ret = piece[0] == 0 && !memcmp(piece, piece + 1,
						(size_t)n - 1);
		from += (size_t)n;
	}
	return 0;
}

static uint64_t tail_of(const struct device *device)
{
	return device->size > DEVICE_EDGE ? device->size - DEVICE_EDGE : 0;
}

static int has_zero_edges(const struct device *device, bool *ret,
			  struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(device->path, O_RDONLY | O_CLOEXEC);
	uint64_t head = device->size < DEVICE_EDGE ? device->size :
						     DEVICE_EDGE;
	int r;

	if (fd < 0)
		return err_sys(err, "cannot open '%s'", device->path);
	*ret = true;
	r = is_zero(fd, 0, head, ret, device->path, err);
	return r < 0 ? r : is_zero(fd, tail_of(device), device->size, ret,
				   device->path, err);
}

/* KEY=VALUE lines; the value of key, or "". */
static void value_of(const struct buf *lines, const char *key, char *out,
		     size_t room)
{
	const char *line = lines->len ? (const char *)lines->data : "";
	size_t len = strlen(key);

	out[0] = '\0';
	for (; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, key, len) && line[len] == '=')
			snprintf(out, room, "%.*s", (int)strcspn(line + len + 1,
								 "\n"),
				 line + len + 1);
}

/* What blkid found. */
static void take_found(const struct buf *lines, struct device_content *ret)
{
	char type[48], usage[32], table[32];

	value_of(lines, "TYPE", type, sizeof(type));
	value_of(lines, "USAGE", usage, sizeof(usage));
	value_of(lines, "PTTYPE", table, sizeof(table));
	if (type[0] && !strcmp(usage, "filesystem")) {
		ret->holds = DEVICE_FILES;
		snprintf(ret->type, sizeof(ret->type), "%s", type);
		return;
	}
	ret->holds = DEVICE_OTHER;
	if (table[0])
		snprintf(ret->type, sizeof(ret->type),
			 "a partition table (%s)", table);
	else
		snprintf(ret->type, sizeof(ret->type), "%s", type[0] ? type :
			 "something that blkid knows");
}

int device_look(const struct device *device, struct device_content *ret,
		struct err *err)
{
	const char *const argv[] = { "blkid", "-p", "-o", "export",
				     device->path, NULL };
	OWNED_CHILD struct child_end end = { .status = -1 };
	bool zero;
	int r = has_zero_edges(device, &zero, err);

	if (r == 0)
		r = child_run(argv, BLKID_SAYS, BLKID_S, &end, err);
	if (r < 0)
		return r;
	if (end.out.len && !buf_str(&end.out))
		return err_nomem(err);
	if (end.status == 0) {
		take_found(&end.out, ret);
		return 0;
	}
	if (end.status != BLKID_NOTHING || end.late)
		return err_set(err, -EIO, "blkid cannot tell what is on '%s' "
			       "(status %d)", device->path, end.status);
	*ret = (struct device_content){ .holds = zero ? DEVICE_BLANK :
							DEVICE_OTHER };
	if (!zero)
		snprintf(ret->type, sizeof(ret->type), "bytes of no format "
			 "that blkid knows");
	return 0;
}

/* Changing it. */

static int zero_out(int fd, uint64_t from, uint64_t to, const char *path,
		    struct err *err)
{
	uint64_t range[2] = { from, to - from };

	return ioctl(fd, BLKZEROOUT, range) == 0 ? 0 :
	       err_sys(err, "cannot write zeros to '%s'", path);
}

int device_blank(const struct device *device, struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(device->path, O_RDWR | O_EXCL | O_CLOEXEC);
	uint64_t head = device->size < DEVICE_EDGE ? device->size :
						     DEVICE_EDGE;
	int r;

	if (fd < 0)
		return err_sys(err, "cannot open '%s' for itself",
			       device->path);
	r = zero_out(fd, 0, head, device->path, err);
	if (r == 0)
		r = zero_out(fd, tail_of(device), device->size, device->path,
			     err);
	return r == 0 && fsync(fd) < 0 ? err_sys(err, "cannot sync '%s'",
						 device->path) : r;
}

bool device_can_format(const char *type)
{
	return !strcmp(type, "ext4") || !strcmp(type, "xfs");
}

int device_format(const struct device *device, const char *type,
		  int64_t timeout_s, struct err *err)
{
	/* it ends with varve: else it would write on under a rollback */
	const char *const ext4[] = { "setpriv", "--pdeathsig", "KILL",
				     "mkfs.ext4", "-q", "-F", device->path,
				     NULL };
	const char *const xfs[] = { "setpriv", "--pdeathsig", "KILL",
				    "mkfs.xfs", "-q", device->path, NULL };
	int r = device_blank(device, err);

	if (r < 0)
		return r;
	r = child_do(!strcmp(type, "xfs") ? xfs : ext4, timeout_s, err);
	return r < 0 ? err_wrap(err, "mkfs.%s", type) : 0;
}

/* Checked first: it refuses what was not. */
static int grow_ext(const struct device *device, int64_t timeout_s,
		    struct err *err)
{
	const char *const check[] = { "e2fsck", "-f", "-p", device->path,
				      NULL };
	const char *const grow[] = { "resize2fs", device->path, NULL };
	OWNED_CHILD struct child_end end = { .status = -1 };
	int r = child_run(check, BLKID_SAYS, timeout_s, &end, err);

	if (r < 0)
		return r;
	if (end.late || (end.status != 0 && end.status != E2FSCK_MENDED)) {
		err_set(err, -EIO, "the file system on '%s' is damaged, or "
			"cannot be checked (e2fsck: status %d)", device->path,
			end.status);
		return err_hint(err, "e2fsck -f %s", device->path);
	}
	return child_do(grow, timeout_s, err);
}

int device_grow(const struct device *device, const char *type,
		const char *place, int64_t timeout_s, struct err *err)
{
	const char *const xfs[] = { "xfs_growfs", place, NULL };

	if (!strncmp(type, "ext", 3))
		return place ? 0 : grow_ext(device, timeout_s, err);
	if (!strcmp(type, "xfs"))
		return place ? child_do(xfs, timeout_s, err) : 0;
	err_set(err, -ENOTSUP, "how a file system of type %s grows is not "
		"known here", type);
	return err_hint(err, "grow it yourself, and push without --size");
}

static int forget_map(const char *sys, const char *path, struct err *err)
{
	const char *const argv[] = { "multipath", "-f", path, NULL };
	OWNED_BUF struct buf slaves = BUF_INIT;
	char *names[64];
	size_t count = 0;
	struct dirent *entry;
	DIR *d;
	int r = 0;

	buf_printf(&slaves, "%s/class/block/%s/slaves", sys, name_of(path));
	if (!buf_str(&slaves))
		return err_nomem(err);
	d = opendir((char *)slaves.data);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s'",
						     (char *)slaves.data);
	/* its list of paths is gone with it */
	while (r == 0 && count < 64 && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		names[count] = strdup(entry->d_name);
		if (!names[count++])
			r = err_nomem(err);
	}
	closedir(d);
	if (r == 0 && count)
		r = child_do(argv, BLKID_S, err);
	for (size_t i = 0; i < count; i++) {
		char at[PATH_ROOM];

		snprintf(at, sizeof(at), "%s/class/block/%s/device/delete",
			 sys, names[i] ? names[i] : "");
		if (r == 0)
			r = tell_kernel(at, "1", err);
		free(names[i]);
	}
	return r;
}

int device_forget(const char *sys, const char *path, struct err *err)
{
	char at[PATH_ROOM];
	int r = forget_map(sys, path, err);

	snprintf(at, sizeof(at), "%s/class/block/%s/device/delete", sys,
		 name_of(path));
	return r < 0 ? r : tell_kernel(at, "1", err);
}
