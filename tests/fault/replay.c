/*
 * replay: what a power cut may leave, from the log of disk_fault.c.
 *
 * usage: replay LOG STORE VARIANT [SEED]
 *
 * STORE is a copy of what was there before the log began, and is made what the
 * variant says may be there after its last record.  Prints how many snapshot
 * records are durable by then: these must be found whatever was lost.
 *
 *   dropped  nothing that was not synced: neither bytes nor names
 *   names    bytes are there, names that were not synced are lost
 *   data     names are there, bytes that were not synced are lost
 *   zeros    as data, and files have their length, with zeros in them
 *   torn     all is there but the second half of the last write
 *   kept     all is there
 *   random   each write, and each change of a name, there or not, by SEED
 *
 * A rename is two changes, in two directories: where only one was synced the
 * file may have both names, or none.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/bytes.h"
#include "fs/base/disk.h"
#include "fs/base/id.h"

#define PATH_ROOM 4200
#define LOG_MAX (1u << 30)

struct write {
	uint64_t offset;
	struct span data;	/* borrowed from the log */
	bool synced;
};

struct node {
	bool dir;
	struct buf before;	/* its bytes before the log began */
	struct write *writes;
	size_t count;
};

struct change {			/* of a name */
	char *name;
	struct node *node;	/* NULL: removed */
	bool synced;
};

struct world {
	const char *store;
	struct change *changes;
	size_t count;
	struct write *last;	/* of the whole log: the one that is torn */
	size_t last_count;
};

struct variant {
	const char *name;
	bool keep_names;
	enum { DROP, KEEP, ZERO, TEAR, RANDOM } writes;
};

static const struct variant variants[] = {
	{ "dropped", false, DROP }, { "names", false, KEEP },
	{ "data", true, DROP },	    { "zeros", true, ZERO },
	{ "torn", true, TEAR },	    { "kept", true, KEEP },
	{ "random", false, RANDOM },
};

static void die(const char *what, const char *name)
{
	fprintf(stderr, "replay: %s '%s': %s\n", what, name, strerror(errno));
	exit(2);
}

static void *need(void *memory)
{
	if (!memory)
		die("no memory for", "this");
	return memory;
}

static void in_store(const struct world *world, const char *name,
		     char path[PATH_ROOM])
{
	if (snprintf(path, PATH_ROOM, "%s/%s", world->store, name) >= PATH_ROOM)
		die("too long", name);
}

static void read_file(const char *path, struct buf *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		die("cannot open", path);
	do {
		if (buf_reserve(buf, 1u << 20) < 0)
			die("no memory for", path);
		n = read(fd, buf->data + buf->len, 1u << 20);
		if (n < 0)
			die("cannot read", path);
		buf->len += (size_t)n;
	} while (n > 0 && buf->len < LOG_MAX);
	close(fd);
}

/* The log's events. */

static void change(struct world *world, const char *name, struct node *node)
{
	world->changes = need(realloc(world->changes, (world->count + 1) *
				      sizeof(*world->changes)));
	world->changes[world->count++] =
		(struct change){ need(strdup(name)), node, false };
}

static struct node *node_new(bool dir)
{
	struct node *node = need(calloc(1, sizeof(*node)));

	node->dir = dir;
	return node;
}

/* What bears the name now; what was there before the log is taken in. */
static struct node *find(struct world *world, const char *name)
{
	char path[PATH_ROOM];
	struct node *node;
	struct stat st;

	for (size_t i = world->count; i > 0; i--)
		if (!strcmp(world->changes[i - 1].name, name))
			return world->changes[i - 1].node;
	in_store(world, name, path);
	if (lstat(path, &st) < 0)
		return NULL;
	node = node_new(S_ISDIR(st.st_mode));
	if (!node->dir)
		read_file(path, &node->before);
	change(world, name, node);
	world->changes[world->count - 1].synced = true;
	return node;
}

static struct node *must_find(struct world *world, const char *name)
{
	struct node *node = find(world, name);

	if (!node) {
		errno = ENOENT;
		die("the log uses", name);
	}
	return node;
}

static void on_write(struct world *world, const char *name, uint64_t offset,
		     struct span data)
{
	struct node *node = must_find(world, name);

	node->writes = need(realloc(node->writes, (node->count + 1) *
				    sizeof(*node->writes)));
	node->writes[node->count++] = (struct write){ offset, data, false };
	world->last = node->writes;
	world->last_count = node->count;
}

static void on_sync(struct world *world, const char *name)
{
	struct node *node = must_find(world, name);

	for (size_t i = 0; i < node->count; i++)
		node->writes[i].synced = true;
}

static bool lies_in(const char *name, const char *dir)
{
	const char *slash = strrchr(name, '/');
	size_t len = slash ? (size_t)(slash - name) : 1;

	return strlen(dir) == len && !strncmp(slash ? name : ".", dir, len);
}

static void on_sync_dir(struct world *world, const char *dir)
{
	for (size_t i = 0; i < world->count; i++)
		if (lies_in(world->changes[i].name, dir))
			world->changes[i].synced = true;
}

static void on_rename(struct world *world, const char *from, const char *to)
{
	struct node *node = must_find(world, from);

	find(world, to);
	change(world, from, NULL);
	change(world, to, node);
}

static void play(struct world *world, enum disk_step step, const char *name,
		 const char *to, uint64_t offset, struct span data)
{
	if (!strcmp(name, DISK_TEMP) && step != DISK_SYNC_DIR &&
	    step != DISK_MKDIR)
		return;
	switch (step) {
	case DISK_CREATE:
		if (!find(world, name))
			change(world, name, node_new(false));
		break;
	case DISK_MKDIR:
		if (!find(world, name))
			change(world, name, node_new(true));
		break;
	case DISK_WRITE:
		on_write(world, name, offset, data);
		break;
	case DISK_SYNC:
		on_sync(world, name);
		break;
	case DISK_SYNC_DIR:
		on_sync_dir(world, name);
		break;
	case DISK_RENAME:
		on_rename(world, name, to);
		break;
	case DISK_UNLINK:
		if (find(world, name))
			change(world, name, NULL);
		break;
	case DISK_CATALOG:
	case DISK_OUTSIDE:
		break;
	}
}

static char *take_name(struct bytes *in)
{
	struct span span = bytes_string(in, PATH_ROOM);
	char *name = need(calloc(1, span.len + 1));

	if (span.len)
		memcpy(name, span.data, span.len);
	return name;
}

/* One record; false at the end of the log. */
static bool play_record(struct world *world, struct bytes *in)
{
	uint32_t len = bytes_u32(in);
	struct span record = bytes_take(in, len);
	struct bytes body;
	uint64_t sum, offset;
	enum disk_step step;
	char *name, *to;
	struct span data;

	if (in->bad || len == 0)
		return false;
	body = bytes_of(record);
	sum = bytes_u64(&body);
	if (sum != sum64(span_of(body.at, bytes_left(&body))))
		return false;
	step = (enum disk_step)bytes_u8(&body);
	bytes_u64(&body);
	free(take_name(&body));
	name = take_name(&body);
	to = take_name(&body);
	offset = bytes_u64(&body);
	data = bytes_string(&body, LOG_MAX);
	if (!bytes_done(&body)) {
		errno = EBADMSG;
		die("a record of the log is malformed at", name);
	}
	play(world, step, name, to, offset, data);
	free(name);
	free(to);
	return true;
}

/* What is left. */

static bool by_chance(void)
{
	return random() & 1;
}

static bool is_kept(const struct variant *variant, const struct change *c)
{
	if (c->synced || variant->keep_names)
		return true;
	return variant->writes == RANDOM && by_chance();
}

static void put(struct buf *out, uint64_t offset, struct span data)
{
	if (data.len == 0)
		return;
	if (offset + data.len > out->len)
		buf_append_zero(out, (size_t)(offset + data.len - out->len));
	if (buf_failed(out))
		die("no memory for", "a file");
	memcpy(out->data + offset, data.data, data.len);
}

static void put_zeros(struct buf *out, const struct write *w)
{
	void *zeros = need(calloc(1, w->data.len + 1));

	put(out, w->offset, span_of(zeros, w->data.len));
	free(zeros);
}

static void contents(const struct world *world, const struct variant *variant,
		     const struct node *node, struct buf *out)
{
	buf_append(out, node->before.data, node->before.len);
	for (size_t i = 0; i < node->count; i++) {
		const struct write *w = &node->writes[i];
		struct span data = w->data;

		if (!w->synced && variant->writes == ZERO)
			put_zeros(out, w);
		if (!w->synced && (variant->writes == DROP ||
				   variant->writes == ZERO ||
				   (variant->writes == RANDOM && by_chance())))
			continue;
		if (!w->synced && variant->writes == TEAR &&
		    node->writes == world->last && i + 1 == world->last_count)
			data.len /= 2;
		put(out, w->offset, data);
	}
}

static void make_file(const struct world *world, const struct variant *variant,
		      const struct node *node, const char *path)
{
	struct buf out = BUF_INIT;
	int fd;

	contents(world, variant, node, &out);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, out.data, out.len) != (ssize_t)out.len)
		die("cannot write", path);
	close(fd);
	buf_release(&out);
}

/* A directory that is lost takes with it what is in it. */
static void make(const struct world *world, const struct variant *variant,
		 const char *name, const struct node *node)
{
	char path[PATH_ROOM];
	struct stat st;

	in_store(world, name, path);
	if (!node) {
		if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR)
			die("cannot remove", path);
		return;
	}
	if (node->dir) {
		if (mkdir(path, 0700) < 0 && errno != EEXIST && errno != ENOENT)
			die("cannot make", path);
		return;
	}
	*strrchr(path, '/') = '\0';
	if (lstat(path, &st) < 0)
		return;
	path[strlen(path)] = '/';
	make_file(world, variant, node, path);
}

static bool is_first_of_name(const struct world *world, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (!strcmp(world->changes[i].name, world->changes[at].name))
			return false;
	return true;
}

/* Directories were made before what is in them, so this order does. */
static void make_all(const struct world *world, const struct variant *variant)
{
	for (size_t i = 0; i < world->count; i++) {
		struct node *node = NULL;

		if (!is_first_of_name(world, i))
			continue;
		for (size_t k = i; k < world->count; k++)
			if (!strcmp(world->changes[k].name,
				    world->changes[i].name) &&
			    is_kept(variant, &world->changes[k]))
				node = world->changes[k].node;
		make(world, variant, world->changes[i].name, node);
	}
}

static unsigned durable_records(const struct world *world)
{
	unsigned count = 0;

	for (size_t i = 0; i < world->count; i++) {
		const struct change *c = &world->changes[i];

		if (strncmp(c->name, "snapshots/", 10) || !c->synced)
			continue;
		count += c->node && c->node->count > 0;
		count -= !c->node;
	}
	return count;
}

int main(int argc, char **argv)
{
	const struct variant *variant = NULL;
	struct world world = { .store = argc > 2 ? argv[2] : NULL };
	struct buf log = BUF_INIT;
	struct bytes in;

	for (size_t i = 0; argc > 3 && i < sizeof(variants) /
					   sizeof(*variants); i++)
		if (!strcmp(argv[3], variants[i].name))
			variant = &variants[i];
	if (!variant) {
		fputs("usage: replay LOG STORE VARIANT [SEED]\n", stderr);
		return 2;
	}
	if (argc > 4)
		srandom((unsigned)strtoul(argv[4], NULL, 10));
	read_file(argv[1], &log);
	in = bytes_of(buf_span(&log));
	while (play_record(&world, &in))
		;
	make_all(&world, variant);
	printf("%u\n", durable_records(&world));
	return 0;
}
