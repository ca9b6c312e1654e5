/*
 * reader: reads as the measurements need it, and says what it read.
 *
 *   reader sum [FILE]                     hash and length of FILE or stdin
 *   reader random FILE SIZE JOBS SECONDS SEED
 *                                         blocks of SIZE in random order, none
 *                                         twice, until SECONDS are over:
 *                                         reads/s, p50 us, p99 us, reads, hash
 *   reader await DIR SECONDS PID          waits until DIR lists a name, as
 *                                         long as process PID lives
 *
 * The hash finds wrong bytes, not forged ones: it must cost next to nothing
 * beside what is measured.  That of random covers the first reads of every
 * job, so that a slow and a quick file system can be compared.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LANES	     4
#define STRIPE	     (LANES * sizeof(uint64_t))
#define SUM_BUFFER   (1u << 20)
#define MAX_JOBS     64
#define MAX_BLOCK    (16u << 20)
#define HASHED_READS 64

static const uint64_t spread = 0xd6e8feb86659fd93u;

struct sum {
	uint64_t lane[LANES];
	uint64_t length;
};

static uint64_t turn(uint64_t x)
{
	return x << 29 | x >> 35;
}

/* Every call but the last must give whole stripes. */
static void sum_put(struct sum *sum, const uint8_t *data, size_t len)
{
	uint64_t word[LANES];

	sum->length += len;
	while (len > 0) {
		size_t n = len < STRIPE ? len : STRIPE;

		if (n < STRIPE)
			memset(word, 0, sizeof(word));
		memcpy(word, data, n);
		for (int i = 0; i < LANES; i++)
			sum->lane[i] = turn(sum->lane[i] ^ word[i]) * spread;
		data += n;
		len -= n;
	}
}

static uint64_t sum_end(const struct sum *sum)
{
	uint64_t all = sum->length;

	for (int i = 0; i < LANES; i++) {
		all = (turn(all) ^ sum->lane[i]) * spread;
		all ^= all >> 32;
	}
	return all;
}

static void fail(const char *what)
{
	fprintf(stderr, "reader: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Fills the buffer however small the pieces a pipe gives. */
static size_t fill(int fd, uint8_t *buffer, const char *name)
{
	size_t have = 0;

	while (have < SUM_BUFFER) {
		ssize_t n = read(fd, buffer + have, SUM_BUFFER - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(name);
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return have;
}

static int cmd_sum(const char *path)
{
	const char *name = path ? path : "standard input";
	uint8_t *buffer = malloc(SUM_BUFFER);
	struct sum sum = {0};
	size_t n;
	int fd = path ? open(path, O_RDONLY) : STDIN_FILENO;

	if (fd < 0 || !buffer)
		fail(name);
	while ((n = fill(fd, buffer, name)) > 0)
		sum_put(&sum, buffer, n);
	printf("%016" PRIx64 " %" PRIu64 "\n", sum_end(&sum), sum.length);
	free(buffer);
	return 0;
}

struct plan {
	const char *path;
	const uint64_t *block; /* numbers, shuffled */
	size_t blocks;
	size_t size;
	size_t jobs;
	double until;
};

struct job {
	const struct plan *plan;
	size_t first;
	float *micros; /* one for each read done */
	size_t done;
	uint64_t hash;
};

static void *run_job(void *arg)
{
	struct job *job = arg;
	const struct plan *plan = job->plan;
	uint8_t *buffer = malloc(plan->size);
	int fd = open(plan->path, O_RDONLY);

	if (fd < 0 || !buffer)
		fail(plan->path);
	for (size_t i = job->first; i < plan->blocks; i += plan->jobs) {
		uint64_t at = plan->block[i] * plan->size;
		double start = now();
		ssize_t n;

		if (start >= plan->until)
			break;
		n = pread(fd, buffer, plan->size, (off_t)at);
		if (n != (ssize_t)plan->size)
			fail(plan->path);
		job->micros[job->done] = (float)((now() - start) * 1e6);
		if (job->done++ < HASHED_READS) {
			struct sum sum = {.lane = {at}};

			sum_put(&sum, buffer, plan->size);
			job->hash += sum_end(&sum);
		}
	}
	close(fd);
	free(buffer);
	return NULL;
}

static uint64_t *shuffled(size_t n, uint64_t seed)
{
	uint64_t *block = calloc(n, sizeof(*block));

	if (!block)
		fail("memory");
	for (size_t i = 0; i < n; i++)
		block[i] = i;
	for (size_t i = n - 1; i > 0; i--) {
		uint64_t other, kept = block[i];

		seed = seed * 6364136223846793005u + 1442695040888963407u;
		other = (seed >> 20) % (i + 1);
		block[i] = block[other];
		block[other] = kept;
	}
	return block;
}

static int compare_float(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

static void report(struct job *job, size_t jobs, float *micros, double took)
{
	size_t total = 0;
	uint64_t hash = 0;
	int whole = 1;

	for (size_t j = 0; j < jobs; j++) {
		memmove(micros + total, job[j].micros,
			job[j].done * sizeof(*micros));
		total += job[j].done;
		hash += job[j].hash;
		if (job[j].done < HASHED_READS)
			whole = 0;
	}
	if (total == 0) {
		fprintf(stderr, "reader: not one read in time\n");
		exit(1);
	}
	qsort(micros, total, sizeof(*micros), compare_float);
	printf("%.1f %.0f %.0f %zu ", (double)total / took,
	       (double)micros[total / 2], (double)micros[total * 99 / 100],
	       total);
	if (whole)
		printf("%016" PRIx64 "\n", hash);
	else
		printf("-\n");
}

static int cmd_random(char **arg)
{
	struct plan plan = {.path = arg[0],
			    .size = strtoul(arg[1], NULL, 10),
			    .jobs = strtoul(arg[2], NULL, 10)};
	struct job job[MAX_JOBS] = {0};
	pthread_t thread[MAX_JOBS];
	struct stat st;
	float *micros;
	double start;

	if (plan.size < 1 || plan.size > MAX_BLOCK || plan.jobs < 1 ||
	    plan.jobs > MAX_JOBS) {
		fprintf(stderr, "reader: no such block size or job count\n");
		return 2;
	}
	if (stat(plan.path, &st) < 0)
		fail(plan.path);
	plan.blocks = (size_t)st.st_size / plan.size;
	if (plan.blocks < plan.jobs * HASHED_READS) {
		fprintf(stderr, "reader: %s is too small\n", plan.path);
		return 1;
	}
	plan.block = shuffled(plan.blocks, strtoul(arg[4], NULL, 10));
	micros = calloc(plan.blocks + plan.jobs, sizeof(*micros));
	if (!micros)
		fail("memory");
	start = now();
	plan.until = start + strtod(arg[3], NULL);
	for (size_t j = 0; j < plan.jobs; j++) {
		job[j].plan = &plan;
		job[j].first = j;
		job[j].micros = micros + j * (plan.blocks / plan.jobs + 1);
		errno = pthread_create(&thread[j], NULL, run_job, &job[j]);
		if (errno)
			fail("thread");
	}
	for (size_t j = 0; j < plan.jobs; j++)
		pthread_join(thread[j], NULL);
	report(job, plan.jobs, micros, now() - start);
	free(micros);
	free((void *)plan.block);
	return 0;
}

static int lists_a_name(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int found = 0;

	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir)))
		found = strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return found;
}

static int cmd_await(const char *path, double seconds, int pid)
{
	double until = now() + seconds;

	while (!lists_a_name(path)) {
		if (now() > until || kill(pid, 0) < 0) {
			fprintf(stderr, "reader: %s: nothing there\n", path);
			return 1;
		}
		usleep(500);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && argc <= 3 && !strcmp(argv[1], "sum"))
		return cmd_sum(argv[2]);
	if (argc == 7 && !strcmp(argv[1], "random"))
		return cmd_random(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "await"))
		return cmd_await(argv[2], strtod(argv[3], NULL), atoi(argv[4]));
	fprintf(stderr, "usage: reader sum [FILE]\n"
			"       reader random FILE SIZE JOBS SECONDS SEED\n"
			"       reader await DIR SECONDS PID\n");
	return 2;
}
