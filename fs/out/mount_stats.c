#include "fs/out/mount_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <syslog.h>

#define COMPLAINTS_MAX 100	/* sentences about faults in one mount */

/*
 * What the kernel is told.  ESTALE and the like answer a question; anything
 * else is a fault of the store, and EIO for this one node.
 */
static int reply_code(int r)
{
	switch (-r) {
	case ESTALE: case EISDIR: case EINVAL: case ENXIO: case ENOTDIR:
	case ENAMETOOLONG: case ENOMEM:
		return -r;
	}
	return EIO;
}

int mount_fault(struct mount *mount, fuse_ino_t ino, int r, const char *doing,
		const struct err *err)
{
	int code = reply_code(r);
	const char *words = err->text[0] ? err->text : "input/output error";
	uint64_t before;

	if (code != EIO)
		return code;
	mount_met(mount, ino, err);
	count(&mount->counters.errors, 1);
	before = atomic_fetch_add(&mount->complained, 1);
	if (before > COMPLAINTS_MAX)
		return code;
	if (before == COMPLAINTS_MAX)
		words = "further faults are not told";
	if (mount->quiet)
		syslog(LOG_ERR, "mount %s: cannot %s: %s",
		       mount->plan->mountpoint, doing, words);
	else
		fprintf(stderr, "varve: cannot %s: %s\n", doing, words);
	return code;
}

/* Of libfuse, where -o debug asked for it. */
void mount_debug(const char *text)
{
	fprintf(stderr, "%s\n", text);
}

void mount_print_stats(struct mount *mount)
{
	const struct {
		const char *name;
		const atomic_uint_fast64_t *value;
	} rows[] = {
		{ "lookups", &mount->counters.lookups },
		{ "forgets", &mount->counters.forgets },
		{ "getattrs", &mount->counters.getattrs },
		{ "readlinks", &mount->counters.readlinks },
		{ "xattrs", &mount->counters.xattrs },
		{ "opens", &mount->counters.opens },
		{ "readdirplus", &mount->counters.readdirs },
		{ "readdirplus_entries", &mount->counters.readdir_entries },
		{ "reads", &mount->counters.reads },
		{ "read_bytes", &mount->counters.read_bytes },
		{ "replies_iov", &mount->counters.iov_replies },
		{ "replies_copied", &mount->counters.copied_replies },
		{ "seeks", &mount->counters.seeks },
		{ "prefetches", &mount->counters.prefetches },
		{ "prefetched_files", &mount->counters.scanned },
		{ "taken_awake", &mount->counters.looked },
		{ "trees_opened", &mount->counters.trees_opened },
		{ "tops", &mount->counters.tops },
		{ "refreshes", &mount->counters.refreshes },
		{ "notifies", &mount->counters.notifies },
		{ "errors", &mount->counters.errors },
	};
	struct cache_stats cache;

	repo_cache_stats(mount->repo, &cache);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		fprintf(stderr, "%s %" PRIuFAST64 "\n", rows[i].name,
			atomic_load(rows[i].value));
	fprintf(stderr, "cache_hits %" PRIu64 "\ncache_misses %" PRIu64
		"\ncache_waits %" PRIu64 "\ncache_evictions %" PRIu64
		"\ncache_bytes %" PRIu64 "\ncache_peak_bytes %" PRIu64 "\n",
		cache.hits, cache.misses, cache.waits, cache.evictions,
		cache.bytes, cache.peak_bytes);
}
