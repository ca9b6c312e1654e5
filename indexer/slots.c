#include "indexer/slots.h"

#include <stdlib.h>
#include <unistd.h>

#include "fs/base/id.h"

struct frame {
	uint64_t page;		/* number + 1; 0: empty */
	bool dirty;
	uint8_t *bytes;
};

struct slots {
	struct disk_dir *dir;
	size_t width;
	struct frame *frames;	/* page p in frame p % count */
	size_t count;
	int fd;
	uint64_t *sums;		/* by page; 0: never written out */
	uint64_t sum_count;
};

struct slots *slots_new(struct disk_dir *dir, size_t width, size_t budget)
{
	struct slots *slots = calloc(1, sizeof(*slots));

	if (!slots)
		return NULL;
	slots->dir = dir;
	slots->width = width;
	slots->fd = -1;
	slots->count = budget / SLOTS_PAGE < 2 ? 2 : budget / SLOTS_PAGE;
	slots->frames = calloc(slots->count, sizeof(*slots->frames));
	if (!slots->frames) {
		free(slots);
		return NULL;
	}
	return slots;
}

void slots_free(struct slots *slots)
{
	if (!slots)
		return;
	for (size_t i = 0; i < slots->count; i++)
		free(slots->frames[i].bytes);
	free(slots->frames);
	free(slots->sums);
	if (slots->fd >= 0)
		close(slots->fd);
	free(slots);
}

static uint64_t sum_of(const uint8_t *bytes)
{
	uint64_t sum = sum64(span_of(bytes, SLOTS_PAGE));

	return sum ? sum : 1;
}

static int grow_sums(struct slots *slots, uint64_t page, struct err *err)
{
	uint64_t count = page + page / 2 + 64;
	uint64_t *sums;

	if (page < slots->sum_count)
		return 0;
	if (count > SIZE_MAX / sizeof(*sums))
		return err_nomem(err);
	sums = realloc(slots->sums, (size_t)count * sizeof(*sums));
	if (!sums)
		return err_nomem(err);
	memset(sums + slots->sum_count, 0,
	       (size_t)(count - slots->sum_count) * sizeof(*sums));
	slots->sums = sums;
	slots->sum_count = count;
	return 0;
}

static int write_out(struct slots *slots, struct frame *frame,
		     struct err *err)
{
	uint64_t page = frame->page - 1;
	int r;

	if (slots->fd < 0) {
		r = disk_open_temp(slots->dir, &slots->fd, err);
		if (r < 0)
			return r;
	}
	r = grow_sums(slots, page, err);
	if (r < 0)
		return r;
	r = disk_write(slots->dir, "a temporary table", slots->fd,
		       page * SLOTS_PAGE, span_of(frame->bytes, SLOTS_PAGE),
		       err);
	if (r < 0)
		return r;
	slots->sums[page] = sum_of(frame->bytes);
	frame->dirty = false;
	return 0;
}

static int read_in(struct slots *slots, struct frame *frame, uint64_t page,
		   struct err *err)
{
	int r;

	frame->page = 0;
	if (page >= slots->sum_count || slots->sums[page] == 0) {
		memset(frame->bytes, 0, SLOTS_PAGE);
		frame->page = page + 1;
		return 0;
	}
	r = disk_read(slots->dir, "a temporary table", slots->fd,
		      page * SLOTS_PAGE, frame->bytes, SLOTS_PAGE, err);
	if (r < 0)
		return r;
	if (sum_of(frame->bytes) != slots->sums[page])
		return err_set(err, -EIO,
			       "a temporary file in '%s' came back changed",
			       slots->dir->path);
	frame->page = page + 1;
	return 0;
}

static int find(struct slots *slots, uint64_t index, struct frame **ret,
		uint8_t **ret_at, struct err *err)
{
	uint64_t per_page = SLOTS_PAGE / slots->width;
	uint64_t page = index / per_page;
	struct frame *frame = &slots->frames[page % slots->count];
	int r;

	if (frame->page != page + 1) {
		if (!frame->bytes)
			frame->bytes = malloc(SLOTS_PAGE);
		if (!frame->bytes)
			return err_nomem(err);
		r = frame->dirty ? write_out(slots, frame, err) : 0;
		if (r == 0)
			r = read_in(slots, frame, page, err);
		if (r < 0)
			return r;
	}
	*ret = frame;
	*ret_at = frame->bytes + index % per_page * slots->width;
	return 0;
}

int slots_get(struct slots *slots, uint64_t index, void *ret,
	      struct err *err)
{
	struct frame *frame = NULL;
	uint8_t *at = NULL;
	int r = find(slots, index, &frame, &at, err);

	if (r < 0)
		return r;
	memcpy(ret, at, slots->width);
	return 0;
}

int slots_put(struct slots *slots, uint64_t index, const void *value,
	      struct err *err)
{
	struct frame *frame = NULL;
	uint8_t *at = NULL;
	int r = find(slots, index, &frame, &at, err);

	if (r < 0)
		return r;
	memcpy(at, value, slots->width);
	frame->dirty = true;
	return 0;
}
