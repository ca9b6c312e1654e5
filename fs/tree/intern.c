#include "fs/tree/intern.h"

#include <stdlib.h>

#include "fs/base/id.h"

#define SLOTS_FIRST 16u

static uint32_t end_of(const struct intern *intern, uint32_t index)
{
	return get_le32(intern->ends.data + 4 * (size_t)index);
}

struct span intern_at(const struct intern *intern, uint32_t index)
{
	uint32_t from = index ? end_of(intern, index - 1) : 0;

	return span_of(intern->bytes.data + from,
		       end_of(intern, index) - from);
}

void intern_clear(struct intern *intern)
{
	buf_clear(&intern->bytes);
	buf_clear(&intern->ends);
	intern->count = 0;
	if (intern->slots)
		memset(intern->table, 0,
		       intern->slots * sizeof(*intern->table));
}

void intern_release(struct intern *intern)
{
	buf_release(&intern->bytes);
	buf_release(&intern->ends);
	free(intern->table);
	*intern = (struct intern)INTERN_INIT;
}

static uint32_t *slot_of(const struct intern *intern, struct span key)
{
	uint32_t at = (uint32_t)sum64(key) & (intern->slots - 1);

	for (; intern->table[at]; at = (at + 1) & (intern->slots - 1))
		if (span_equal(intern_at(intern, intern->table[at] - 1), key))
			break;
	return &intern->table[at];
}

static int grow(struct intern *intern)
{
	uint32_t slots = intern->slots ? intern->slots * 2 : SLOTS_FIRST;
	uint32_t *table = calloc(slots, sizeof(*table));

	if (!table)
		return -ENOMEM;
	free(intern->table);
	intern->table = table;
	intern->slots = slots;
	for (uint32_t i = 0; i < intern->count; i++)
		*slot_of(intern, intern_at(intern, i)) = i + 1;
	return 0;
}

uint32_t intern_put(struct intern *intern, struct span key)
{
	uint32_t *slot;

	if (intern->bytes.failed ||
	    (intern->count >= intern->slots / 2 && grow(intern) < 0)) {
		intern->bytes.failed = true;
		return 0;
	}
	slot = slot_of(intern, key);
	if (*slot)
		return *slot - 1;
	buf_append(&intern->bytes, key.data, key.len);
	buf_u32(&intern->ends, (uint32_t)intern->bytes.len);
	if (intern->bytes.failed || intern->ends.failed) {
		intern->bytes.failed = true;
		return 0;
	}
	*slot = ++intern->count;
	return *slot - 1;
}
