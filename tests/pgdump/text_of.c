/*
 * The text of an archive, to standard output: what pg_restore -f - prints.
 * usage: text_of KEY FILE|DIRECTORY|-   Status 3: something is lost, and told.
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

static int entry(void *arg, const struct pgarc_entry *e, struct err *err)
{
	(void)arg;
	(void)e;
	(void)err;
	return 0;
}

static int text(void *arg, struct span bytes, struct err *err)
{
	(void)arg;
	if (fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len)
		return err_sys(err, "cannot write");
	return 0;
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
	};
	struct pgarc_input input = { .next = next, .arg = &from };
	struct pgarc *arc = NULL;
	struct err err = ERR_INIT;
	struct stat st;
	int r;

	if (argc != 3)
		return 2;
	from.fd = strcmp(argv[2], "-") ? open(argv[2], O_RDONLY) : 0;
	if (from.fd < 0 || fstat(from.fd, &st))
		return 1;
	if (lseek(from.fd, 0, SEEK_CUR) >= 0)
		input.seek = seek;
	r = S_ISDIR(st.st_mode) ? pgarc_open_dir(from.fd, &arc, &err)
				: pgarc_open(&input, &arc, &err);
	if (r == 0)
		r = pgarc_text(arc, argv[1], &out, &err);
	pgarc_free(arc);
	if (r < 0 || fflush(stdout)) {
		fprintf(stderr, "text_of: %s\n", err.text);
		return 1;
	}
	return lost_some ? 3 : 0;
}
