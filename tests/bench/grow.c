/*
 * grow: a tree of many small files, as a tar or as a directory.
 *
 *   grow count FILES GENERATION    how many entries that is, bytes, and files
 *                                  that this generation changed
 *   grow tar FILES GENERATION      the tar, to standard output
 *   grow dir FILES GENERATION DIR  makes DIR (generation 0), or brings it from
 *                                  the generation before to this one
 *
 * Directories hold 4 to 36 files and up to 8 directories.  Files are of words,
 * 200 to 4096 bytes, most of them short.  Each generation changes one file in a
 * hundred.  The same arguments give the same bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BELOW	   8		/* directories in a directory */
#define LEAST	   4		/* files in one */
#define MORE	   33
#define WORDS	   4096
#define WORD	   16		/* bytes of a word's place, its length last */
#define SMALLEST   200
#define LARGEST	   4096
#define CHANGES	   100		/* one in so many a generation */
#define TIME	   1700000000u
#define BLOCK	   512

static char words[WORDS][WORD];
static uint64_t dirs, files;
static uint64_t *first;		/* file of each directory, and the end */
static unsigned generation;

static void fail(const char *what)
{
	fprintf(stderr, "grow: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

static void make_words(void)
{
	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t r = mix(i + 1000003);
		unsigned len = 2 + (unsigned)(r % 10);

		for (unsigned j = 0; j < len; j++) {
			r = mix(r);
			words[i][j] = (char)('a' + r % 26);
		}
		words[i][len] = r % 16 ? ' ' : '\n';
		words[i][WORD - 1] = (char)(len + 1);
	}
}

static void lay_out(void)
{
	uint64_t cap = files / LEAST + 2, at = 0;

	first = calloc(cap, sizeof(*first));
	if (!first)
		fail("no memory");
	for (dirs = 0; at < files; dirs++) {
		first[dirs] = at;
		at += LEAST + mix(dirs ^ 0xd1) % MORE;
	}
	first[dirs] = files;
}

/* The last generation that changed a file. */
static unsigned changed_in(uint64_t file)
{
	unsigned g = generation;

	while (g > 0 && mix(file * 64 + g) % CHANGES)
		g--;
	return g;
}

/* Evenly over the sizes' logarithms. */
static size_t size_of(uint64_t file)
{
	uint64_t r = mix(file ^ 0x512e);
	unsigned doublings = (unsigned)(r % 44);	/* tenths; 2^4.4 = 21 */
	size_t size = (size_t)SMALLEST << doublings / 10;

	size += size * (doublings % 10) / 10 + r / 64 % (size / 10);
	return size < LARGEST ? size : LARGEST;
}

static size_t fill(uint64_t file, char *bytes)
{
	size_t size = size_of(file);
	uint64_t state = mix(file + ((uint64_t)changed_in(file) << 40));
	size_t at = (size_t)snprintf(bytes, 64, "file %" PRIu64 " %016" PRIx64
				     "\n", file, mix(state));

	while (at < size) {
		uint64_t r = next(&state);
		/* some words are met much more often than others */
		const char *word = words[(r & 4095) * (r >> 12 & 4095) / WORDS];

		memcpy(bytes + at, word, WORD);
		at += (size_t)word[WORD - 1];
	}
	return size;
}

static int word_len(uint64_t r)
{
	return words[r % WORDS][WORD - 1] - 1;
}

static void name_dir(uint64_t dir, char *name, size_t len)
{
	uint64_t r = mix(dir ^ 0xd17);

	/* short, as a tar's path has 100 bytes */
	snprintf(name, len, "%.*s-%" PRIx64, word_len(r) < 5 ? word_len(r) : 5,
		 words[r % WORDS], dir);
}

static void name_file(uint64_t file, char *name, size_t len)
{
	static const char *const ends[] = { "c", "h", "txt", "json", "yaml",
					    "conf", "md", "py" };
	uint64_t r = mix(file ^ 0xf17e);

	snprintf(name, len, "%.*s_%" PRIx64 ".%s", word_len(r),
		 words[r % WORDS], file, ends[r >> 40 & 7]);
}

static uint32_t time_of(uint64_t file)
{
	return TIME + (uint32_t)(mix(file) % 1000000) +
	       changed_in(file) * 1000000;
}

/* A tar. */

static void put(const void *bytes, size_t len)
{
	if (fwrite(bytes, 1, len, stdout) != len)
		fail("cannot write");
}

static void put_header(const char *path, char type, size_t size, uint32_t time)
{
	char block[BLOCK] = { 0 };
	size_t len = strlen(path);
	unsigned sum = 0;

	if (len > 100) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	memcpy(block, path, len);
	snprintf(block + 100, 8, "%07o", type == '5' ? 0755u : 0644u);
	snprintf(block + 108, 8, "%07o", 1000u);
	snprintf(block + 116, 8, "%07o", 100u);
	snprintf(block + 124, 12, "%011zo", size);
	snprintf(block + 136, 12, "%011o", time);
	memset(block + 148, ' ', 8);
	block[156] = type;
	memcpy(block + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof(block); i++)
		sum += (unsigned char)block[i];
	snprintf(block + 148, 8, "%06o", sum);
	put(block, sizeof(block));
}

static void tar_dir(const char *path)
{
	put_header(path, '5', 0, TIME);
}

static void tar_file(const char *path, uint64_t file)
{
	char bytes[LARGEST + BLOCK + WORD];
	size_t size = fill(file, bytes), over = size % BLOCK;

	put_header(path, '0', size, time_of(file));
	if (over)
		memset(bytes + size, 0, BLOCK - over);
	put(bytes, over ? size + BLOCK - over : size);
}

/* A directory. */

static void set_time(const char *path, uint32_t time)
{
	struct timespec times[2] = { { .tv_sec = time }, { .tv_sec = time } };

	if (utimensat(AT_FDCWD, path, times, 0) < 0)
		fail(path);
}

static void write_file(const char *path, uint64_t file)
{
	char bytes[LARGEST + WORD];
	size_t size;
	int fd;

	if (generation > 0 && changed_in(file) != generation)
		return;
	size = fill(file, bytes);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size || close(fd) < 0)
		fail(path);
	set_time(path, time_of(file));
}

static void make_dir(const char *path)
{
	if (generation == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
		fail(path);
}

/* Depth first, as whoever walks a tree meets it. */

struct maker {
	void (*dir)(const char *path);
	void (*file)(const char *path, uint64_t file);
	bool in_order;		/* a directory's entry ends with '/' */
};

static void visit(const struct maker *maker, uint64_t dir, char *path,
		  size_t len, size_t room)
{
	if (dir > 0) {
		name_dir(dir, path + len, room - len);
		len += strlen(path + len);
		if (maker->in_order)
			path[len++] = '/', path[len] = '\0';
		maker->dir(path);
	}
	if (len > 0 && path[len - 1] != '/')
		path[len++] = '/';
	for (uint64_t f = first[dir]; f < first[dir + 1]; f++) {
		name_file(f, path + len, room - len);
		maker->file(path, f);
	}
	for (uint64_t d = dir * BELOW + 1; d <= dir * BELOW + BELOW; d++)
		if (d < dirs)
			visit(maker, d, path, len, room);
}

static int count(void)
{
	uint64_t bytes = 0, changed = 0;

	for (uint64_t f = 0; f < files; f++) {
		bytes += size_of(f);
		changed += changed_in(f) == generation;
	}
	/* with the directory they all lie in */
	printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", dirs + files, bytes,
	       changed);
	return 0;
}

static int write_tar(void)
{
	static const struct maker maker = { tar_dir, tar_file, true };
	static const char end[2 * BLOCK];
	static char buffer[1 << 20];
	char path[4096] = "";

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	visit(&maker, 0, path, 0, sizeof(path));
	put(end, sizeof(end));
	if (fflush(stdout) != 0)
		fail("cannot write");
	return 0;
}

static int write_dir(const char *root)
{
	static const struct maker maker = { make_dir, write_file, false };
	char path[4096];

	make_dir(root);
	snprintf(path, sizeof(path), "%s", root);
	visit(&maker, 0, path, strlen(path), sizeof(path));
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	files = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
	generation = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	if (files == 0) {
		fprintf(stderr, "usage: grow count|tar|dir FILES ...\n");
		return 2;
	}
	make_words();
	lay_out();
	if (!strcmp(what, "count") && argc == 4)
		return count();
	if (!strcmp(what, "tar") && argc == 4)
		return write_tar();
	if (!strcmp(what, "dir") && argc == 5)
		return write_dir(argv[4]);
	fprintf(stderr, "usage: grow count|tar|dir FILES ...\n");
	return 2;
}
