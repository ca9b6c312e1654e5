/*
 * handle: does a file system give a node back by its handle, as a network
 * server asks for it when it knows nothing but the handle?
 *
 * usage: handle save MNT PATH FILE     write PATH's handle to FILE
 *        handle open MNT FILE          print inode, size and first bytes
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static union {
	struct file_handle handle;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
} h;

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int save(const char *path, const char *file)
{
	int mount, fd;

	h.handle.handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, path, &h.handle, &mount, 0) < 0)
		return fail("name_to_handle_at");
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, &h, sizeof(h)) != sizeof(h))
		return fail(file);
	return close(fd) < 0 ? fail(file) : 0;
}

static int reopen(const char *top, const char *file)
{
	int fd = open(file, O_RDONLY), mount = open(top, O_RDONLY);
	struct stat st;
	char text[64];
	ssize_t n;

	if (fd < 0 || mount < 0 || read(fd, &h, sizeof(h)) != sizeof(h))
		return fail(file);
	close(fd);
	fd = open_by_handle_at(mount, &h.handle, O_RDONLY);
	if (fd < 0)
		return fail("open_by_handle_at");
	if (fstat(fd, &st) < 0)
		return fail("fstat");
	printf("%llu %lld", (unsigned long long)st.st_ino,
	       (long long)st.st_size);
	if (S_ISREG(st.st_mode)) {
		n = read(fd, text, sizeof(text));
		if (n < 0)
			return fail("read");
		printf(" %.*s", (int)strcspn(text, "\n"), text);
	}
	putchar('\n');
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "save"))
		return save(argv[3], argv[4]);
	if (argc == 4 && !strcmp(argv[1], "open"))
		return reopen(argv[2], argv[3]);
	fprintf(stderr, "usage: handle save MNT PATH FILE | open MNT FILE\n");
	return 2;
}
