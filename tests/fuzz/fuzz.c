#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/id.h"

_Noreturn void fuzz_fail(const char *file, int line, const char *what)
{
	const char *base = strrchr(file, '/');

	fprintf(stderr, "%s:%d: does not hold: %s\n", base ? base + 1 : file,
		line, what);
	abort();
}

/* splitmix64 */
uint64_t fuzz_random(struct fuzz_rng *rng)
{
	uint64_t z = rng->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t fuzz_below(struct fuzz_rng *rng, uint32_t n)
{
	return (uint32_t)(fuzz_random(rng) % n);
}

bool fuzz_mostly(struct fuzz_rng *rng)
{
	return fuzz_below(rng, 8) != 0;
}

struct fuzz_rng fuzz_rng_of(struct span bytes)
{
	return (struct fuzz_rng){ sum64(bytes) };
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t max,
			       unsigned seed)
{
	struct fuzz_rng rng = { seed };

	if (len == 0 || fuzz_below(&rng, 16) == 0)
		return LLVMFuzzerMutate(data, len, max);
	return fuzz_change(data, len, max, &rng);
}

void fuzz_change_buf(struct buf *buf, size_t max)
{
	size_t room = buf->len + buf->len / 4 + 64;

	if (room > max)
		room = max;
	if (room < buf->len || room == 0 ||
	    buf_reserve(buf, room - buf->len) < 0)
		return;
	buf->len = LLVMFuzzerMutate(buf->data, buf->len, room);
}

size_t fuzz_take(const struct buf *buf, uint8_t *data, size_t len, size_t max)
{
	if (buf_failed(buf) || buf->len > max || buf->len == 0)
		return len;
	memcpy(data, buf->data, buf->len);
	return buf->len;
}

static struct disk_dir dir = { .fd = -1 };
static char dir_path[] = "/tmp/varve-fuzz-XXXXXX";

static void remove_below(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;
	char name[512];

	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		if (unlink(name) < 0)
			remove_below(name);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static void remove_dir(void)
{
	disk_close(&dir);
	remove_below(dir_path);
}

struct disk_dir *fuzz_dir(void)
{
	char name[16];

	if (dir.fd >= 0)
		return &dir;
	if (!mkdtemp(dir_path) || disk_open(dir_path, &dir, NULL) < 0) {
		perror(dir_path);
		exit(2);
	}
	atexit(remove_dir);
	disk_mkdir(&dir, "tmp", NULL);
	disk_mkdir(&dir, "packs", NULL);
	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "packs/%02x", i);
		disk_mkdir(&dir, name, NULL);
	}
	return &dir;
}
