/*
 * A tar of many small files to stdout, its entries in no order.
 * usage: maketar FILES
 *
 * Files lie 1000 to a directory, 100 directories to a directory above; file N
 * holds its own number and a line feed, so that any can be checked.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void write_entry(const char *path, char type, const char *bytes)
{
	char block[512] = { 0 };
	size_t len = strlen(bytes);
	unsigned sum = 0;

	snprintf(block, 100, "%s", path);
	snprintf(block + 100, 8, "%07o", type == '5' ? 0755u : 0644u);
	snprintf(block + 108, 8, "%07o", 1000u);
	snprintf(block + 116, 8, "%07o", 100u);
	snprintf(block + 124, 12, "%011o", (unsigned)len);
	snprintf(block + 136, 12, "%011o", 1611343651u);
	memset(block + 148, ' ', 8);
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	fwrite(block, sizeof(block), 1, stdout);
	if (!len)
		return;
	memset(block, 0, sizeof(block));
	memcpy(block, bytes, len);
	fwrite(block, sizeof(block), 1, stdout);
}

static void write_file(uint64_t n)
{
	char path[100], bytes[24];

	snprintf(path, sizeof(path),
		 "top-%" PRIu64 "/dir-%" PRIu64 "/file-%" PRIu64,
		 n / 100000, n / 1000, n);
	snprintf(bytes, sizeof(bytes), "%" PRIu64 "\n", n);
	write_entry(path, '0', bytes);
}

int main(int argc, char **argv)
{
	static const char end[1024];
	uint64_t files = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	uint64_t step = 7368787, n = 0;	/* a prime: meets each number once */
	char path[100];

	if (!files || files % step == 0) {
		fprintf(stderr, "usage: maketar FILES\n");
		return 2;
	}
	for (uint64_t i = 0; i * 100000 < files; i++) {
		snprintf(path, sizeof(path), "top-%" PRIu64 "/", i);
		write_entry(path, '5', "");
	}
	for (uint64_t i = 0; i * 1000 < files; i++) {
		snprintf(path, sizeof(path), "top-%" PRIu64 "/dir-%" PRIu64
			 "/", i / 100, i);
		write_entry(path, '5', "");
	}
	for (uint64_t i = 0; i < files; i++) {
		write_file(n);
		n = (n + step) % files;
	}
	fwrite(end, sizeof(end), 1, stdout);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
