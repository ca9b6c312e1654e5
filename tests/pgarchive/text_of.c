/*
 * The text of an archive, to standard output: what pg_restore -f - prints.
 * With a third argument the archive is written to that file once more, in the
 * custom format and uncompressed, from the rows and large objects of the text.
 * usage: text_of KEY FILE|DIRECTORY|- [OUT]
 * Status 3: something is lost, and told.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "indexer/pgdump/pgarc.h"

static bool lost_some;

struct from {
	int fd;
	uint8_t bytes[65536];
};

static int next(void *arg, struct span *ret, struct err *err)
{
	struct from *from = arg;
	ssize_t n = read(from->fd, from->bytes, sizeof(from->bytes));

	if (n < 0)
		return err_sys(err, "cannot read");
	*ret = span_of(from->bytes, (size_t)n);
	return n > 0;
}

static int seek(void *arg, uint64_t offset, struct err *err)
{
	struct from *from = arg;

	if (lseek(from->fd, (off_t)offset, SEEK_SET) < 0)
		return err_sys(err, "cannot seek");
	return 0;
}

/* The text of the present entry, and the files of data so far, as numbers of
 * temporary ones. */
static struct buf present;
static struct buf files[100000];
static size_t file_count;
static struct pgarc_view *view;
static const char *view_name;

static int entry(void *arg, const struct pgarc_entry *e, struct err *err)
{
	(void)arg;
	(void)e;
	(void)err;
	buf_clear(&present);
	return 0;
}

static int text(void *arg, struct span bytes, struct err *err)
{
	(void)arg;
	if (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len)
		return err_sys(err, "cannot write");
	if (view_name)
		buf_append(&present, bytes.data, bytes.len);
	return buf_check(&present, err);
}

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static int save(int32_t id, uint32_t oid, struct buf *bytes, struct err *err)
{
	if (file_count == sizeof(files) / sizeof(files[0]))
		return err_set(err, -EFBIG, "too many files");
	files[file_count] = *bytes;
	*bytes = (struct buf)BUF_INIT;
	file_count++;
	return pgarc_view_file(view, id, oid, file_count - 1,
			       files[file_count - 1].len, err);
}

/* The large objects of the statements that make them. */
static int save_objects(int32_t id, struct err *err)
{
	static const char open_at[] = "SELECT pg_catalog.lo_open('";
	static const char write_at[] = "SELECT pg_catalog.lowrite(0, '\\x";
	struct buf bytes = BUF_INIT;
	uint32_t oid = 0;
	int r = 0;

	buf_append_byte(&present, 0);
	for (char *at = (char *)present.data; *at && r == 0;
	     at = strchr(at, '\n') + 1) {
		if (!strncmp(at, open_at, strlen(open_at)))
			oid = (uint32_t)strtoul(at + strlen(open_at), NULL, 10);
		if (!strncmp(at, write_at, strlen(write_at)))
			for (at += strlen(write_at); *at != '\''; at += 2)
				buf_append_byte(&bytes,
						(uint8_t)(nibble(at[0]) << 4 |
							  nibble(at[1])));
		if (!strncmp(at, "SELECT pg_catalog.lo_close", 26))
			r = save(id, oid, &bytes, err);
	}
	return r;
}

static int has_data(void *arg, const struct pgarc_entry *e, uint64_t before,
		    uint64_t len, struct span tail, struct err *err)
{
	struct buf rows = BUF_INIT;
	size_t end = e->copy && *e->copy ? 5 : 2;
	int r;

	(void)arg;
	if (!view_name)
		return 0;
	if (!strcmp(e->desc, "BLOBS")) {
		r = save_objects(e->id, err);
	} else {
		end = end > len ? len : end;
		/* INSERT statements: the text of the entry, or its beginning. */
		if (end == 2 && len % 2)
			buf_append(&rows, present.data, present.len);
		else
			buf_append(&rows, present.data + present.len - len,
				   len - end);
		r = save(e->id, 0, &rows, err);
	}
	return r < 0 ? r : pgarc_view_data(view, e, before, len, tail, err);
}

static int put_bytes(void *arg, struct span bytes, struct err *err)
{
	if (fwrite(bytes.data, 1, bytes.len, arg) != bytes.len)
		return err_sys(err, "cannot write");
	return 0;
}

static int put_file(void *arg, uint64_t number, uint64_t offset, uint64_t len,
		    struct err *err)
{
	return put_bytes(arg, span_of(files[number].data + offset, len), err);
}

static int write_view(struct err *err)
{
	FILE *out = fopen(view_name, "w");
	const struct pgarc_view_out to = { put_bytes, put_file, out };
	int r;

	if (!out)
		return err_sys(err, "cannot make '%s'", view_name);
	r = pgarc_view_give(view, &to, err);
	return fclose(out) ? err_sys(err, "cannot write '%s'", view_name) : r;
}

static int lost(void *arg, const struct pgarc_entry *e, const struct err *why,
		struct err *err)
{
	(void)arg;
	(void)err;
	lost_some = true;
	fprintf(stderr, "lost: %s: %s\n", e ? e->tag : "-", why->text);
	return 0;
}

int main(int argc, char **argv)
{
	static struct from from;
	const struct pgarc_out out = {
		.entry = entry, .text = text, .lost = lost,
		.has_data = has_data,
	};
	struct pgarc_input input = { .next = next, .arg = &from };
	struct pgarc *arc = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	int r;

	if (argc < 3 || argc > 4)
		return 2;
	from.fd = strcmp(argv[2], "-") ? open(argv[2], O_RDONLY) : 0;
	if (from.fd < 0 || fstat(from.fd, &st))
		return 1;
	if (lseek(from.fd, 0, SEEK_CUR) >= 0)
		input.seek = seek;
	r = S_ISDIR(st.st_mode) ? pgarc_open_dir(from.fd, &arc, &err)
				: pgarc_open(&input, &arc, &err);
	view_name = argv[3];
	if (r == 0)
		view = pgarc_view_new(pgarc_toc(arc));
	if (r == 0)
		r = pgarc_text(arc, argv[1], &out, &err);
	if (r == 0 && view_name)
		r = write_view(&err);
	pgarc_view_free(view);
	pgarc_free(arc);
	if (r < 0 || fflush(stdout)) {
		fprintf(stderr, "text_of: %s\n", err.text);
		return 1;
	}
	return lost_some ? 3 : 0;
}
