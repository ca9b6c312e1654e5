/*
 * rocks DB OUT SCALE SEED: a RocksDB database that is written to while five
 * checkpoints of it are made, OUT/1 to OUT/5.
 *
 * Records of 400 bytes, three fifths of them noise; one in nine writes changes an
 * old one.  Half a million new ones before each checkpoint at scale 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#define RECORD 400u
#define NOISE  240u

static uint64_t state;

static uint64_t next(void)
{
	state += 0x9E3779B97F4A7C15u;
	uint64_t z = state;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

static void must(const char *what, char *failure)
{
	if (!failure)
		return;
	fprintf(stderr, "rocks: %s: %s\n", what, failure);
	exit(1);
}

static void put(rocksdb_t *db, rocksdb_writeoptions_t *how, uint64_t number)
{
	static const char words[] = "\"state\": \"in use\", ";
	char key[32], value[RECORD], *failure = NULL;
	/* keys in no order, as hashes are */
	int len = snprintf(key, sizeof(key), "item/%016" PRIx64,
			   number * 0xD6E8FEB86659FD93u);

	for (unsigned i = 0; i < NOISE; i += 8) {
		uint64_t v = next();

		memcpy(value + i, &v, sizeof(v));
	}
	for (unsigned i = NOISE; i < RECORD; i++)
		value[i] = words[i % (sizeof(words) - 1)];
	rocksdb_put(db, how, key, (size_t)len, value, sizeof(value), &failure);
	must("put", failure);
}

static void checkpoint(rocksdb_t *db, const char *out, int number)
{
	char path[4096], *failure = NULL;
	rocksdb_checkpoint_t *c =
		rocksdb_checkpoint_object_create(db, &failure);

	must("checkpoint", failure);
	snprintf(path, sizeof(path), "%s/%d", out, number);
	rocksdb_checkpoint_create(c, path, 0, &failure);
	must(path, failure);
	rocksdb_checkpoint_object_destroy(c);
}

int main(int argc, char **argv)
{
	rocksdb_options_t *options = rocksdb_options_create();
	rocksdb_writeoptions_t *how = rocksdb_writeoptions_create();
	uint64_t written = 0, each;
	char *failure = NULL;
	rocksdb_t *db;

	if (argc != 5) {
		fprintf(stderr, "usage: rocks DB OUT SCALE SEED\n");
		return 2;
	}
	each = (uint64_t)(500000 * atof(argv[3]));
	state = strtoull(argv[4], NULL, 10);
	rocksdb_options_set_create_if_missing(options, 1);
	rocksdb_options_set_compression(options, rocksdb_snappy_compression);
	rocksdb_options_set_write_buffer_size(options, 16u << 20);
	rocksdb_options_set_target_file_size_base(options, 16u << 20);
	rocksdb_options_set_max_bytes_for_level_base(options, 64u << 20);
	db = rocksdb_open(options, argv[1], &failure);
	must(argv[1], failure);
	for (int number = 1; number <= 5; number++) {
		for (uint64_t i = 0; i < each; i++) {
			put(db, how, written++);
			if (number > 1 && i % 8 == 0)
				put(db, how, next() % written);
		}
		checkpoint(db, argv[2], number);
	}
	rocksdb_close(db);
	rocksdb_writeoptions_destroy(how);
	rocksdb_options_destroy(options);
	return 0;
}
