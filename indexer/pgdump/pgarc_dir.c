#include "indexer/pgdump/pgarc_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * An archive as a directory: toc.dat, a file for the rows of each entry, named
 * in its entry, one for each large object, and lists of these (blobs.toc, or
 * from 1.16 on one for each entry of large objects).  Any file may be packed
 * and then has an ending that its name in the entry lacks.
 */
struct dir {
	int fd;
};

struct file {
	int fd;
	struct unpack *unpack;
};

static void file_close(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	unpack_free(file->unpack);
}

/* -ENOENT where it is not there: no words. */
static int open_one(int dir, const char *name, int *ret_fd, struct err *err)
{
	struct stat st;
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW |
				   O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return errno == ENOENT ? -ENOENT :
			err_sys(err, "cannot open '%s'", name);
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_corrupt(err, "'%s' is no file", name);
	}
	*ret_fd = fd;
	return 0;
}

/* A name without or with the ending of a packing. */
static int file_open(int dir, const char *name, struct file *ret,
		     struct err *err)
{
	static const struct {
		const char *ending;
		enum pgarc_packing packing;
	} ways[] = {
		{ "", PGARC_PLAIN }, { ".gz", PGARC_GZIP },
		{ ".lz4", PGARC_LZ4 }, { ".zst", PGARC_ZSTD },
	};
	char whole[300];
	int r = -ENOENT;

	*ret = (struct file){ .fd = -1 };
	if (!blobs_is_name(name))
		return err_corrupt(err, "its file is said to be elsewhere: "
				   "'%.200s'", name);
	for (size_t i = 0; i < 4 && r == -ENOENT; i++) {
		snprintf(whole, sizeof(whole), "%s%s", name, ways[i].ending);
		r = open_one(dir, whole, &ret->fd, err);
		if (r == 0)
			ret->unpack = unpack_new(ways[i].packing, true);
	}
	if (r == -ENOENT)
		return err_set(err, -ENOENT, "the file '%s' is missing", name);
	if (r == 0 && !ret->unpack) {
		file_close(ret);
		return err_nomem(err);
	}
	return r;
}

/* Up to size bytes; short at the end of the file only. */
static int read_some(int fd, uint8_t *out, size_t size, size_t *ret_len,
		     const char *name, struct err *err)
{
	ssize_t n;

	do {
		n = read(fd, out, size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot read '%s'", name);
	*ret_len = (size_t)n;
	return 0;
}

static int file_give(int dir, const char *name, const struct outlet *to,
		     struct err *err)
{
	uint8_t *packed = NULL;
	struct file file;
	size_t len = 0;
	int r = file_open(dir, name, &file, err);

	if (r < 0)
		return r;
	packed = malloc(PGARC_STEP);
	if (!packed)
		r = err_nomem(err);
	while (r == 0) {
		r = read_some(file.fd, packed, PGARC_STEP, &len, name, err);
		if (r < 0 || !len)
			break;
		r = unpack_put(file.unpack, span_of(packed, len), to, err);
	}
	if (r == 0)
		r = unpack_end(file.unpack, err);
	free(packed);
	file_close(&file);
	return r;
}

struct objects {
	struct pgarc *arc;
	const struct rows *rows;
	struct blobs_list list;
	struct err damage;	/* the first object's that has some */
};

static int give_object(struct objects *objects, uint32_t oid,
		       const char *name, struct err *err)
{
	const struct rows *rows = objects->rows;
	const struct outlet to = { rows->bytes, rows->arg };
	struct dir *dir = objects->arc->access;
	struct err own = ERR_INIT;
	int r = rows->large_begin(rows->arg, oid, err);

	if (r < 0)
		return r;
	r = file_give(dir->fd, name, &to, &own);
	if (r < 0 && *rows->stopped) {
		if (err)
			*err = own;
		return r;
	}
	if (r < 0 && !objects->damage.code) {
		objects->damage = own;
		err_wrap(&objects->damage, "large object %u", oid);
	}
	return rows->large_end(rows->arg, err);
}

static int put_list(void *arg, struct span bytes, struct err *err)
{
	struct objects *objects = arg;
	char name[256];
	uint32_t oid;
	int r;

	while ((r = blobs_line(&objects->list, &bytes, &oid, name, err)) > 0) {
		r = give_object(objects, oid, name, err);
		if (r < 0)
			return r;
	}
	return r;
}

static int give_objects(struct pgarc *arc, const char *list,
			const struct rows *rows, struct err *err)
{
	struct objects objects = { .arc = arc, .rows = rows };
	const struct outlet to = { put_list, &objects };
	struct dir *dir = arc->access;
	int r = file_give(dir->fd, list, &to, err);

	if (r == 0 && objects.list.len)
		r = err_corrupt(err, "the list of large objects ends early");
	if (r == 0 && objects.damage.code) {
		if (err)
			*err = objects.damage;
		return objects.damage.code;
	}
	return r;
}

static int dir_give(struct pgarc *arc, const struct pgarc_entry *entry,
		    const struct rows *rows, struct err *err)
{
	const struct outlet to = { rows->bytes, rows->arg };
	struct dir *dir = arc->access;

	if (!entry->file)
		return 0;
	if (desc_is(entry, "BLOBS"))
		return give_objects(arc, entry->file, rows, err);
	return file_give(dir->fd, entry->file, &to, err);
}

/* Is it named as rows are ("3378.dat.gz"), and those of no entry? */
static bool is_strange(const struct pgarc *arc, const char *name)
{
	const struct pgarc_entry *entry;
	char *end;
	unsigned long id = strtoul(name, &end, 10);

	if (*name < '0' || *name > '9' || !str_begins(end, ".dat"))
		return false;
	end += 4;
	if (*end && strcmp(end, ".gz") && strcmp(end, ".lz4") &&
	    strcmp(end, ".zst"))
		return false;
	entry = id <= INT32_MAX ? pgarc_find(&arc->own.toc, (int32_t)id) : NULL;
	return !entry || !entry->file ||
	       strncmp(entry->file, name, strlen(entry->file));
}

static int dir_finish(struct pgarc *arc, struct err *err)
{
	struct dir *dir = arc->access;
	int fd = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *names = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *found;
	int r = 0;

	if (!names) {
		r = err_sys(err, "cannot list its directory");
		if (fd >= 0)
			close(fd);
		return r;
	}
	errno = 0;
	while (r == 0 && (found = readdir(names)))
		if (is_strange(arc, found->d_name))
			r = err_corrupt(err, "the file '%s' is of no entry",
					found->d_name);
	if (r == 0 && errno)
		r = err_sys(err, "cannot list its directory");
	closedir(names);
	return r;
}

static void dir_close(struct pgarc *arc)
{
	free(arc->access);
}

struct toc_file {		/* toc.dat as an input, unpacked whole */
	struct buf plain;
	bool given;
};

static int toc_put(void *arg, struct span bytes, struct err *err)
{
	struct toc_file *toc = arg;

	if (toc->plain.len + bytes.len > PGARC_TOC_MAX)
		return err_set(err, -EFBIG, "toc.dat is larger than %llu MiB",
			       PGARC_TOC_MAX >> 20);
	buf_append(&toc->plain, bytes.data, bytes.len);
	return buf_check(&toc->plain, err);
}

static int toc_next(void *arg, struct span *ret, struct err *err)
{
	struct toc_file *toc = arg;

	(void)err;
	if (toc->given)
		return 0;
	toc->given = true;
	*ret = buf_span(&toc->plain);
	return ret->len > 0;
}

int dir_open(struct pgarc *arc, int fd, struct err *err)
{
	struct toc_file toc = { .plain = BUF_INIT };
	const struct pgarc_input input = { .next = toc_next, .arg = &toc };
	const struct outlet to = { toc_put, &toc };
	struct dir *dir = calloc(1, sizeof(*dir));
	struct take take;
	int r;

	if (!dir)
		return err_nomem(err);
	dir->fd = fd;
	arc->access = dir;
	arc->close = dir_close;
	arc->give = dir_give;
	arc->finish = dir_finish;
	r = file_give(fd, "toc.dat", &to, err);
	if (r == 0) {
		take_init(&take, &input, "toc.dat");
		r = toc_read(&take, PGARC_DIRECTORY, &arc->own, err);
	}
	buf_release(&toc.plain);
	return r;
}
