#include "indexer/peel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "indexer/archive_internal.h"

#define FILE_HEAD (5u << 20)	/* more than a block of bzip2 or lz4, packed */

struct peel {
	struct run run;
	struct window window;
	enum packing packing;
};

int peel_open(const struct input *input, struct sink *sink,
	      struct peel **ret, struct err *err)
{
	struct peel *peel = calloc(1, sizeof(*peel));
	struct span head;
	int r;

	if (!peel)
		return err_nomem(err);
	r = archive_run_open(&peel->run, input, sink, err);
	if (r < 0) {
		free(peel);
		return r;
	}
	r = tap_head(&peel->run.tap, &head, err);
	if (r < 0) {
		err_wrap(err, "cannot read '%s'", input->path);
	} else {
		peel->packing = sniff_packing(head);
		r = window_open(&peel->window, &peel->run, peel->packing);
	}
	if (r < 0) {
		archive_run_close(&peel->run);
		free(peel);
		return r;
	}
	*ret = peel;
	return 0;
}

void peel_close(struct peel *peel)
{
	if (!peel)
		return;
	window_release(&peel->window);
	archive_run_close(&peel->run);
	free(peel);
}

struct span peel_peek(struct peel *peel, size_t n)
{
	return window_peek(&peel->window, n);
}

struct span peel_some(struct peel *peel)
{
	return window_some(&peel->window, UINT64_MAX);
}

void peel_take(struct peel *peel, size_t n)
{
	window_take(&peel->window, n);
}

int peel_stopped(const struct peel *peel)
{
	return peel->run.fatal;
}

const char *peel_why(const struct peel *peel)
{
	return peel->window.why.code ? peel->window.why.text : NULL;
}

bool peel_has_garbage(const struct peel *peel)
{
	return atomic_load(&peel->run.garbage);
}

const char *peel_packing(const struct peel *peel)
{
	return peel->packing == PACKING_NONE ? NULL
					     : packing_name(peel->packing);
}

int peel_stat(const struct peel *peel, struct stat *ret)
{
	return fstat(peel->run.tap.fd, ret) < 0 ? -errno : 0;
}

bool peel_head(struct span head, struct buf *plain)
{
	enum packing packing = sniff_packing(head);

	if (packing == PACKING_NONE)
		return false;
	unpack_head(packing, head, plain);
	return true;
}

static ssize_t read_file(int fd, struct buf *head)
{
	ssize_t n;

	if (buf_reserve(head, FILE_HEAD) < 0)
		return -1;
	do {
		n = pread(fd, head->data + head->len, FILE_HEAD - head->len,
			  (off_t)head->len);
		if (n > 0)
			head->len += (size_t)n;
	} while (head->len < FILE_HEAD && (n > 0 || (n < 0 && errno == EINTR)));
	return n;
}

bool peel_file_head(const struct input *input, struct buf *plain)
{
	OWNED_BUF struct buf head = BUF_INIT;
	int fd = input->fd;

	if (fd < 0)
		fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	read_file(fd, &head);
	if (input->fd < 0)
		close(fd);
	return peel_head(buf_span(&head), plain);
}
