/*
 * makedb DB: a live RocksDB database with two column families, blob files,
 * deletes and compactions, and five checkpoints of it, DB/checkpoints/1 to 5.
 * Beside each, DB/facts/N has what RocksDB itself says of its live files.
 *
 *     family NAME
 *     table FAMILY LEVEL NUMBER SIZE ENTRIES DELETIONS SMALLEST LARGEST
 *     sequence N
 *
 * and DB/facts/N.kv every key and value there is, as --dump DB prints those of a
 * database that it opens: a line for each, "FAMILY KEY VALUE".
 *
 * Keys and values are in hex.  With --plain: one table format after the other, as
 * `makedb --plain DB VERSION CHECKSUM INDEX COMPRESSION`, one checkpoint.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <rocksdb/c.h>

#define FAMILIES 2

static const char *const names[FAMILIES] = { "default", "blocks" };
static char *failure;

static void must(const char *what)
{
	if (!failure)
		return;
	fprintf(stderr, "makedb: %s: %s\n", what, failure);
	exit(1);
}

static rocksdb_options_t *options_new(void)
{
	rocksdb_options_t *o = rocksdb_options_create();

	rocksdb_options_set_create_if_missing(o, 1);
	rocksdb_options_set_create_missing_column_families(o, 1);
	/* Nothing moves between a checkpoint and the facts of it. */
	rocksdb_options_set_disable_auto_compactions(o, 1);
	rocksdb_options_set_write_buffer_size(o, 128 << 10);
	rocksdb_options_set_target_file_size_base(o, 64 << 10);
	rocksdb_options_set_max_bytes_for_level_base(o, 256 << 10);
	return o;
}

struct db {
	rocksdb_t *db;
	rocksdb_column_family_handle_t *family[FAMILIES];
	rocksdb_writeoptions_t *write;
};

static void put(struct db *db, unsigned family, unsigned key, unsigned turn)
{
	char k[32], v[900];
	int n = snprintf(k, sizeof(k), "key%06u\\%c%u", key, key % 7, turn % 2);
	int m = snprintf(v, sizeof(v), "%u-%0*u", turn,
			 (int)(key % 5 == 0 ? 800 : 60 + key % 50), key);

	/* the odd ones have a zero byte and control bytes in them */
	rocksdb_put_cf(db->db, db->write, db->family[family], k, (size_t)n, v,
		       (size_t)m, &failure);
	must("put");
}

static void take(struct db *db, unsigned family, unsigned key, unsigned turn)
{
	char k[32];
	int n = snprintf(k, sizeof(k), "key%06u\\%c%u", key, key % 7, turn % 2);

	rocksdb_delete_cf(db->db, db->write, db->family[family], k, (size_t)n,
			  &failure);
	must("delete");
}

static void flush(struct db *db)
{
	rocksdb_flushoptions_t *f = rocksdb_flushoptions_create();

	for (unsigned i = 0; i < FAMILIES; i++) {
		rocksdb_flush_cf(db->db, f, db->family[i], &failure);
		must("flush");
	}
	rocksdb_flushoptions_destroy(f);
}

static void hex(FILE *out, const char *bytes, size_t len)
{
	fputc(' ', out);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%02x", (unsigned char)bytes[i]);
}

/* Taken while nothing is written, so that they are those of a checkpoint. */
static void facts(struct db *db, const char *path)
{
	const rocksdb_livefiles_t *live = rocksdb_livefiles(db->db);
	FILE *out = fopen(path, "w");

	if (!out)
		exit(1);
	for (int i = 0; i < rocksdb_livefiles_count(live); i++) {
		size_t small, large;
		const char *s = rocksdb_livefiles_smallestkey(live, i, &small);
		const char *l = rocksdb_livefiles_largestkey(live, i, &large);

		fprintf(out, "table %s %d %lu %zu %" PRIu64 " %" PRIu64,
			rocksdb_livefiles_column_family_name(live, i),
			rocksdb_livefiles_level(live, i),
			strtoul(rocksdb_livefiles_name(live, i) + 1, NULL, 10),
			rocksdb_livefiles_size(live, i),
			rocksdb_livefiles_entries(live, i),
			rocksdb_livefiles_deletions(live, i));
		hex(out, s, small);
		hex(out, l, large);
		fputc('\n', out);
	}
	rocksdb_livefiles_destroy(live);
	fprintf(out, "sequence %" PRIu64 "\n",
		rocksdb_get_latest_sequence_number(db->db));
	fclose(out);
}

static void dump(struct db *db, FILE *out)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	for (unsigned i = 0; i < FAMILIES; i++) {
		rocksdb_iterator_t *at =
			rocksdb_create_iterator_cf(db->db, o, db->family[i]);

		for (rocksdb_iter_seek_to_first(at); rocksdb_iter_valid(at);
		     rocksdb_iter_next(at)) {
			size_t k, v;
			const char *key = rocksdb_iter_key(at, &k);
			const char *value = rocksdb_iter_value(at, &v);

			fputs(names[i], out);
			hex(out, key, k);
			hex(out, value, v);
			fputc('\n', out);
		}
		rocksdb_iter_get_error(at, &failure);
		must("read");
		rocksdb_iter_destroy(at);
	}
	rocksdb_readoptions_destroy(o);
}

static void dump_to(struct db *db, const char *path)
{
	FILE *out = fopen(path, "w");

	if (!out)
		exit(1);
	dump(db, out);
	fclose(out);
}

static void checkpoint(struct db *db, const char *path, unsigned n)
{
	rocksdb_checkpoint_t *c =
		rocksdb_checkpoint_object_create(db->db, &failure);
	char name[4096];

	must("checkpoint");
	snprintf(name, sizeof(name), "%s/checkpoints/%u", path, n);
	/* A limit that large keeps the WAL as it is, without a flush. */
	rocksdb_checkpoint_create(c, name, n % 2 ? 0 : UINT64_MAX, &failure);
	must("checkpoint");
	rocksdb_checkpoint_object_destroy(c);
	snprintf(name, sizeof(name), "%s/facts/%u", path, n);
	facts(db, name);
	strcat(name, ".kv");
	dump_to(db, name);
}

static void directories(const char *path)
{
	char name[4096];

	mkdir(path, 0777);
	snprintf(name, sizeof(name), "%s/checkpoints", path);
	mkdir(name, 0777);
	snprintf(name, sizeof(name), "%s/facts", path);
	mkdir(name, 0777);
}

static void open_db(struct db *db, const char *path,
		    const rocksdb_options_t *const *o)
{
	db->write = rocksdb_writeoptions_create();
	db->db = rocksdb_open_column_families(o[0], path, FAMILIES, names, o,
					      db->family, &failure);
	must("open");
}

static void close_db(struct db *db)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		rocksdb_column_family_handle_destroy(db->family[i]);
	rocksdb_writeoptions_destroy(db->write);
	rocksdb_close(db->db);
}

static void live(const char *path)
{
	rocksdb_options_t *o[FAMILIES] = { options_new(), options_new() };
	struct db db;

	/* The second family has blob files, and garbage in them. */
	rocksdb_options_set_enable_blob_files(o[1], 1);
	rocksdb_options_set_min_blob_size(o[1], 500);
	rocksdb_options_set_blob_file_size(o[1], 64 << 10);
	rocksdb_options_set_enable_blob_gc(o[1], 1);
	directories(path);
	open_db(&db, path, (const rocksdb_options_t *const *)o);
	for (unsigned turn = 1; turn <= 5; turn++) {
		for (unsigned i = 0; i < 4000; i++)
			put(&db, i % FAMILIES, i * 7919 % 4000, turn);
		for (unsigned i = 0; i < 4000; i += 3)
			take(&db, i % FAMILIES, i * 7919 % 4000, turn);
		if (turn == 2 || turn == 4)
			for (unsigned i = 0; i < FAMILIES; i++)
				rocksdb_compact_range_cf(db.db, db.family[i],
							 NULL, 0, NULL, 0);
		flush(&db);
		/* what follows is in the WAL alone */
		for (unsigned i = 0; turn % 2 == 0 && i < 50; i++)
			put(&db, i % FAMILIES, i, turn);
		checkpoint(&db, path, turn);
	}
	close_db(&db);
}

static void plain(const char *path, int version, int sum, int index,
		  int compression)
{
	rocksdb_options_t *o[FAMILIES] = { options_new(), options_new() };
	rocksdb_block_based_table_options_t *t =
		rocksdb_block_based_options_create();
	struct db db;

	rocksdb_block_based_options_set_format_version(t, version);
	rocksdb_block_based_options_set_checksum(t, (char)sum);
	rocksdb_block_based_options_set_index_type(t, index);
	rocksdb_block_based_options_set_partition_filters(t, index == 2);
	rocksdb_block_based_options_set_metadata_block_size(t, 512);
	rocksdb_block_based_options_set_filter_policy(t,
		rocksdb_filterpolicy_create_bloom_full(10));
	for (unsigned i = 0; i < FAMILIES; i++) {
		rocksdb_options_set_block_based_table_factory(o[i], t);
		rocksdb_options_set_compression(o[i], compression);
	}
	directories(path);
	open_db(&db, path, (const rocksdb_options_t *const *)o);
	for (unsigned i = 0; i < 3000; i++)
		put(&db, i % FAMILIES, i, 1);
	flush(&db);
	checkpoint(&db, path, 1);
	close_db(&db);
}

static void dump_other(const char *path)
{
	rocksdb_options_t *o[FAMILIES] = { options_new(), options_new() };
	struct db db;

	open_db(&db, path, (const rocksdb_options_t *const *)o);
	dump(&db, stdout);
	close_db(&db);
}

int main(int argc, char **argv)
{
	if (argc == 2)
		live(argv[1]);
	else if (argc == 3 && !strcmp(argv[1], "--dump"))
		dump_other(argv[2]);
	else if (argc == 7 && !strcmp(argv[1], "--plain"))
		plain(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]),
		      atoi(argv[6]));
	else
		return 2;
	return 0;
}
