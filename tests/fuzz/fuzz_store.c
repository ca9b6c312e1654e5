#include "tests/fuzz/fuzz_store.h"

#include <stdlib.h>

uint8_t fuzz_chunk_byte(const struct id *id, uint64_t at)
{
	return (uint8_t)(id->hash[at % ID_HASH] + at / ID_HASH);
}

void fuzz_store_id(const struct repo *repo, uint32_t number, struct id *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->hash[0] = (uint8_t)number;
	ret->hash[1] = (uint8_t)(number >> 8);
	ret->hash[2] = 0x55;
	ret->len = (uint32_t)repo->object[number].len;
	ret->nth = ID_META;
}

/* The one of type at or behind first, round all there are; else first. */
static uint32_t nearest(const struct repo *repo, uint32_t number,
			uint32_t first, uint8_t type)
{
	for (uint32_t i = 0; i < number; i++) {
		uint32_t at = (first + i) % number;

		if (repo->object[at].data[0] == type)
			return at;
	}
	return first % number;
}

static void mend_ref(const struct repo *repo, uint32_t number, uint8_t *type,
		     uint8_t *disk)
{
	uint32_t at;
	struct id id;

	id_from_disk(disk, &id);
	if (*type == OBJECT_CHUNK || number == 0) {
		*type = OBJECT_CHUNK;
		id.len = 1 + (id.len - 1) % FUZZ_CHUNK_MAX;
		id.nth &= (uint16_t)~ID_META;
	} else {
		at = nearest(repo, number, id.hash[0] + 256u * id.hash[1],
			     *type);
		fuzz_store_id(repo, at, &id);
		*type = repo->object[at].data[0];
	}
	id_to_disk(&id, disk);
}

void fuzz_store_mend(const struct repo *repo, uint32_t number,
		     struct buf *object)
{
	struct bytes in = bytes_of(buf_span(object));
	uint64_t count;
	size_t at;

	bytes_u8(&in);
	count = bytes_count(&in, OBJECT_REFS_MAX);
	at = (size_t)(in.at - object->data);
	if (in.bad || bytes_left(&in) < count * (1 + ID_BYTES))
		return;
	for (uint64_t i = 0; i < count; i++)
		mend_ref(repo, number, object->data + at + i,
			 object->data + at + count + i * ID_BYTES);
}

void fuzz_store_load(struct repo *repo, struct span bundle)
{
	struct bytes in = bytes_of(bundle);

	memset(repo, 0, sizeof(*repo));
	repo->gets_max = 4000;
	while (bytes_left(&in) > 2 && repo->count < FUZZ_OBJECTS) {
		struct buf *object = &repo->object[repo->count];
		size_t len = bytes_u16(&in);
		struct span s;

		if (len == 0 || len > bytes_left(&in))
			len = bytes_left(&in);
		s = bytes_take(&in, len);
		buf_append(object, s.data, s.len);
		fuzz_store_mend(repo, repo->count, object);
		repo->count++;
	}
}

void fuzz_store_release(struct repo *repo)
{
	for (uint32_t i = 0; i < repo->count; i++)
		buf_release(&repo->object[i]);
}

bool fuzz_store_last(const struct repo *repo, enum object_type type,
		     struct id *ret)
{
	for (uint32_t i = repo->count; i > 0; i--) {
		if (repo->object[i - 1].data[0] != type)
			continue;
		fuzz_store_id(repo, i - 1, ret);
		return true;
	}
	return false;
}

void fuzz_store_bundle(const struct repo *repo, struct buf *ret)
{
	for (uint32_t i = 0; i < repo->count; i++) {
		const struct buf *object = &repo->object[i];

		buf_u16(ret, (uint16_t)object->len);
		buf_append(ret, object->data, object->len);
	}
}

/* What fs/tree asks of fs/repo. */

static int give(struct repo *repo, const struct id *id, struct held *ret,
		struct err *err)
{
	uint32_t number = id->hash[0] + 256u * id->hash[1];
	uint8_t *own;

	if (++repo->gets > repo->gets_max)
		return err_set(err, -EIO, "asked too often");
	FUZZ_CHECK(id->len > 0);
	own = malloc(id->len);
	FUZZ_CHECK(own != NULL);
	if (!id_is_meta(id)) {
		for (uint32_t i = 0; i < id->len; i++)
			own[i] = fuzz_chunk_byte(id, i);
	} else {
		FUZZ_CHECK(number < repo->count);
		FUZZ_CHECK(id->len == repo->object[number].len);
		memcpy(own, repo->object[number].data, id->len);
	}
	*ret = (struct held){ .bytes = span_of(own, id->len), .own = own,
			      .repo = repo };
	return 0;
}

int repo_get(struct repo *repo, const struct id *id, struct held *ret,
	     struct err *err)
{
	return give(repo, id, ret, err);
}

int deposit_get(struct deposit *deposit, const struct id *id,
		struct held *ret, struct err *err)
{
	return give(deposit->repo, id, ret, err);
}

void held_release(struct held *held)
{
	free(held->own);
	*held = (struct held)HELD_INIT;
}

const struct id_key *repo_key(const struct repo *repo)
{
	static struct id_key key;

	(void)repo;
	return &key;
}

int deposit_object(struct deposit *deposit, struct span object,
		   struct id *ret, struct err *err)
{
	struct repo *repo = deposit->repo;

	if (repo->count == FUZZ_OBJECTS)
		return err_set(err, -ENOSPC, "too many objects");
	buf_append(&repo->object[repo->count], object.data, object.len);
	fuzz_store_id(repo, repo->count++, ret);
	return 0;
}

int deposit_object_like(struct deposit *deposit, struct span object,
			const struct deposit_like *like, struct id *ret,
			struct err *err)
{
	(void)like;
	return deposit_object(deposit, object, ret, err);
}
