/* fuzz_seeds DIR: fills DIR/<harness>/ with valid inputs. */
#include "tests/fuzz/seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static const char *seeds_dir;

/* What fuzz.c wants of a harness; nothing is changed here. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t max)
{
	(void)data;
	(void)max;
	return len;
}

size_t fuzz_change(uint8_t *data, size_t len, size_t max,
		   struct fuzz_rng *rng)
{
	(void)data;
	(void)max;
	(void)rng;
	return len;
}

void seed(const char *harness, const char *name, struct span bytes)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", seeds_dir, harness);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", seeds_dir, harness, name);
	f = fopen(path, "w");
	if (!f || fwrite(bytes.data, 1, bytes.len, f) != bytes.len ||
	    fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: fuzz_seeds DIR\n");
		return 2;
	}
	seeds_dir = argv[1];
	seeds_text();
	seeds_store();
	seeds_archive();
	seeds_tree();
	seeds_rocksdb();
	seeds_pgarchive();
	seeds_pso();
	return 0;
}
