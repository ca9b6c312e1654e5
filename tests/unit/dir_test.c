#include "store_fixture.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

#include "indexer/ingest.h"

/* A directory to be read, beside the store of the fixture. */
struct rig {
	struct fixture *f;
	char top[64];
	int fd;			/* of top */
	struct buf told;	/* "weight sentence\n" */
	void (*on_note)(struct rig *rig, const char *sentence);
	struct exclude *exclude;
	bool one_file_system, skip_caches;
	struct ingest_result result;
};

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct rig *rig = arg;

	buf_printf(&rig->told, "%d %s\n", weight, sentence);
	if (rig->on_note)
		rig->on_note(rig, sentence);
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	fixture_setup((void **)&rig->f);
	strcpy(rig->top, "/tmp/varve-dir.XXXXXX");
	assert_non_null(mkdtemp(rig->top));
	rig->fd = open(rig->top, O_RDONLY | O_DIRECTORY);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;
	char command[128];

	ingest_result_release(&rig->result);
	buf_release(&rig->told);
	exclude_free(rig->exclude);
	close(rig->fd);
	snprintf(command, sizeof(command), "rm -rf %s", rig->top);
	assert_int_equal(system(command), 0);
	fixture_teardown((void **)&rig->f);
	free(rig);
	return 0;
}

static int try_add(struct rig *rig, struct err *err)
{
	const struct input input = {
		.path = rig->top,
		.fd = -1,
		.size = UINT64_MAX,
		.exclude = rig->exclude,
		.one_file_system = rig->one_file_system,
		.skip_caches = rig->skip_caches,
	};
	const struct ingest_options options = {
		.source = "host/etc",
		.time = stamp_now(),
		.time_from = "now",
		.input_name = rig->top,
		.warn = take_warning,
		.arg = rig,
	};

	ingest_result_release(&rig->result);
	buf_clear(&rig->told);
	return ingest(rig->f->repo, &reader_dir, &input, &options,
		      &rig->result, err);
}

static void add(struct rig *rig)
{
	struct err err = ERR_INIT;

	wanted(0, try_add(rig, &err), &err);
}

static const char *told(struct rig *rig)
{
	return buf_str(&rig->told);
}

/* Making files. */

static void make(struct rig *rig, const char *path, const char *text)
{
	int fd = openat(rig->fd, path, O_WRONLY | O_CREAT | O_TRUNC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make_dir(struct rig *rig, const char *path)
{
	assert_int_equal(mkdirat(rig->fd, path, 0750), 0);
}

static void settle_clocks(void)
{
	const struct timespec while_ = { 2, 100000000 };

	nanosleep(&while_, NULL);
}

/* Looking. */

static struct tree *open_tree(struct rig *rig)
{
	struct err err = ERR_INIT;
	struct tree *tree;

	wanted(0, tree_open(rig->f->repo, &rig->result.record, &tree, &err),
	       &err);
	return tree;
}

static int list_one(void *arg, const char *path, unsigned depth,
		    const struct node *node, struct err *err)
{
	(void)depth;
	(void)node;
	(void)err;
	buf_printf(arg, "%s ", *path ? path : ".");
	return 0;
}

static void check_names(struct rig *rig, const char *want)
{
	OWNED_BUF struct buf names = BUF_INIT;
	struct node root = NODE_INIT;
	struct tree *tree = open_tree(rig);
	struct err err = ERR_INIT;

	wanted(0, tree_root(tree, &root, &err), &err);
	wanted(0, tree_walk(tree, &root, list_one, &names, &err), &err);
	assert_string_equal(buf_str(&names), want);
	node_release(&root);
	tree_close(tree);
}

static void read_node(struct tree *tree, const char *path, struct buf *out)
{
	const struct getter getter = tree_getter(tree);
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	size_t len;

	buf_clear(out);
	wanted(0, tree_find(tree, path, &node, &err), &err);
	assert_int_equal(buf_reserve(out, node.entry.size + 1), 0);
	wanted(0, content_read_into(&getter, &node.entry.content,
				    node.entry.size, 0, out->data,
				    node.entry.size, &len, &err), &err);
	out->len = len;
	node_release(&node);
}

static void check_text(struct rig *rig, const char *path, const char *want)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	struct tree *tree = open_tree(rig);

	read_node(tree, path, &bytes);
	assert_string_equal(buf_str(&bytes), want);
	tree_close(tree);
}

/* What the tree says against lstat(2). */
static void check_stat(struct rig *rig, struct tree *tree, const char *path)
{
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct stat want, got;

	assert_int_equal(fstatat(rig->fd, *path ? path : ".", &want,
				 AT_SYMLINK_NOFOLLOW), 0);
	wanted(0, tree_find(tree, path, &node, &err), &err);
	node_stat(&node, &got);
	assert_int_equal(got.st_mode, want.st_mode);
	assert_int_equal(got.st_uid, want.st_uid);
	assert_int_equal(got.st_gid, want.st_gid);
	assert_int_equal(got.st_mtim.tv_sec, want.st_mtim.tv_sec);
	assert_int_equal(got.st_mtim.tv_nsec, want.st_mtim.tv_nsec);
	assert_int_equal(got.st_rdev, want.st_rdev);
	if (!S_ISDIR(want.st_mode)) {
		assert_int_equal(got.st_size, want.st_size);
		assert_int_equal(got.st_nlink, want.st_nlink);
	}
	node_release(&node);
}

/* Tests. */

static void test_metadata(void **state)
{
	static const char *const paths[] = { "", "dir", "dir/file", "link",
					     "fifo", "old", "null", "bad\xff",
					     "new\nline" };
	const struct timespec times[2] = { { 5, 7 },
					   { -123456789, 987654321 } };
	struct rig *rig = *state;
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;
	bool root = geteuid() == 0, device;

	make_dir(rig, "dir");
	make(rig, "dir/file", "text");
	make(rig, "bad\xff", "b");
	make(rig, "new\nline", "n");
	make(rig, "old", "");
	assert_int_equal(symlinkat("where/../ever", rig->fd, "link"), 0);
	assert_int_equal(mkfifoat(rig->fd, "fifo", 0604), 0);
	assert_int_equal(fchmodat(rig->fd, "dir", 01775, 0), 0);
	assert_int_equal(utimensat(rig->fd, "old", times, 0), 0);
	assert_int_equal(utimensat(rig->fd, "link", times,
				   AT_SYMLINK_NOFOLLOW), 0);
	if (root) {
		assert_int_equal(fchownat(rig->fd, "dir/file", 3000000000u,
					  12345, 0), 0);
		assert_int_equal(fchmodat(rig->fd, "dir/file", 06755, 0), 0);
	}
	device = root && mknodat(rig->fd, "null", S_IFCHR | 0666,
				 makedev(1, 3)) == 0;
	if (!device)
		make(rig, "null", "no device could be made");
	assert_int_equal(utimensat(rig->fd, ".", times, 0), 0);

	add(rig);
	assert_string_equal(told(rig), "");
	tree = open_tree(rig);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		check_stat(rig, tree, paths[i]);
	wanted(0, tree_find(tree, "link", &node, &err), &err);
	assert_true(span_equal(node.entry.target, span_str("where/../ever")));
	node_release(&node);
	wanted(0, tree_find(tree, "old", &node, &err), &err);
	if (root) {
		assert_true(span_equal(node.entry.uname, span_str("root")));
		assert_true(span_equal(node.entry.gname, span_str("root")));
	}
	node_release(&node);
	tree_close(tree);
	assert_string_equal(rig->result.record.kind, "dir");
	assert_int_equal(rig->result.record.files, device ? 4 : 5);
	assert_int_equal(rig->result.record.dirs, 2);
	assert_int_equal(rig->result.record.entries, 9);
	check_text(rig, "dir/file", "text");
}

static void test_xattrs_and_flags(void **state)
{
	struct rig *rig = *state;
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	OWNED_BUF struct buf value = BUF_INIT;
	char path[128], large[3000];
	struct tree *tree;
	int fd, flags = 0;

	make(rig, "f", "x");
	snprintf(path, sizeof(path), "%s/f", rig->top);
	memset(large, 'l', sizeof(large));
	if (setxattr(path, "user.small", "v\0w", 3, 0) < 0) {
		print_message("no xattrs in /tmp: %s\n", strerror(errno));
		skip();
	}
	assert_int_equal(setxattr(path, "user.large", large, sizeof(large),
				  0), 0);
	if (geteuid() == 0) {
		snprintf(path, sizeof(path), "%s/l", rig->top);
		assert_int_equal(symlinkat("f", rig->fd, "l"), 0);
		assert_int_equal(lsetxattr(path, "trusted.t", "on link", 7,
					   0), 0);
	}
	fd = openat(rig->fd, "f", O_RDONLY);
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NODUMP_FL;
		assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &flags), 0);
	} else {
		flags = 0;
	}
	close(fd);

	add(rig);
	assert_string_equal(told(rig), "");
	tree = open_tree(rig);
	wanted(0, tree_find(tree, "f", &node, &err), &err);
	assert_int_equal(node.entry.flags, flags & FS_NODUMP_FL);
	assert_true(node.entry.xattr_count >= 2);
	for (uint32_t i = 0; i < node.entry.xattr_count; i++) {
		const struct xattr *x = &node.entry.xattrs[i];

		buf_clear(&value);
		wanted(0, tree_xattr(tree, x, &value, &err), &err);
		if (span_equal(x->name, span_str("user.small")))
			assert_true(span_equal(buf_span(&value),
					       span_of("v\0w", 3)));
		if (span_equal(x->name, span_str("user.large")))
			assert_true(span_equal(buf_span(&value),
					       span_of(large,
						       sizeof(large))));
	}
	node_release(&node);
	if (geteuid() == 0) {
		wanted(0, tree_find(tree, "l", &node, &err), &err);
		assert_true(span_equal(node.entry.xattrs[0].value,
				       span_str("on link")));
		node_release(&node);
	}
	tree_close(tree);
}

static void test_hard_links(void **state)
{
	struct rig *rig = *state;
	struct node a = NODE_INIT, b = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;

	make_dir(rig, "d");
	make(rig, "d/two", "shared");
	assert_int_equal(linkat(rig->fd, "d/two", rig->fd, "one", 0), 0);
	assert_int_equal(linkat(rig->fd, "d/two", rig->fd, "three", 0), 0);
	assert_int_equal(symlinkat("t", rig->fd, "s1"), 0);
	assert_int_equal(linkat(rig->fd, "s1", rig->fd, "s2", 0), 0);
	make(rig, "outside", "its other name is not in the tree");
	assert_int_equal(linkat(rig->fd, "outside", AT_FDCWD,
				"/tmp/varve-dir-outside", 0), 0);
	add(rig);
	unlink("/tmp/varve-dir-outside");
	tree = open_tree(rig);
	check_stat(rig, tree, "one");
	check_stat(rig, tree, "d/two");
	check_stat(rig, tree, "s2");
	wanted(0, tree_find(tree, "one", &a, &err), &err);
	wanted(0, tree_find(tree, "d/two", &b, &err), &err);
	assert_int_equal(a.inode, b.inode);
	assert_int_equal(a.nlink, 3);
	node_release(&a);
	node_release(&b);
	wanted(0, tree_find(tree, "outside", &a, &err), &err);
	assert_int_equal(a.nlink, 1);
	node_release(&a);
	tree_close(tree);
	check_text(rig, "three", "shared");
	assert_int_equal(rig->result.record.bytes, 6 + 33);
	assert_int_equal(rig->result.unchanged, 0);

	/* and again, from the last snapshot */
	settle_clocks();
	add(rig);
	settle_clocks();
	add(rig);
	assert_int_equal(rig->result.unchanged, 2);
	assert_int_equal(rig->result.stats.chunks, 0);
	check_text(rig, "three", "shared");
	tree = open_tree(rig);
	check_stat(rig, tree, "d/two");
	tree_close(tree);
}

/* "skips unchanged files by (size, mtime, ctime, inode) against the last
 * snapshot" */
static void test_unchanged(void **state)
{
	struct rig *rig = *state;
	struct timespec times[2];
	struct stat st;
	char path[64];

	make_dir(rig, "d");
	for (int i = 0; i < 100; i++) {
		snprintf(path, sizeof(path), "d/f%d", i);
		make(rig, path, path);
	}
	make(rig, "same", "same");
	make(rig, "sly", "aaaa");
	make(rig, "grows", "1");
	make(rig, "z", "z");
	/* read while they were too young to be trusted: read again */
	add(rig);
	settle_clocks();
	add(rig);
	assert_int_equal(rig->result.unchanged, 0);
	assert_int_equal(rig->result.stats.new_chunks, 0);

	assert_int_equal(fstatat(rig->fd, "sly", &st, 0), 0);
	make(rig, "sly", "bbbb");
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	assert_int_equal(utimensat(rig->fd, "sly", times, 0), 0);
	make(rig, "grows", "12");
	make(rig, "a-new", "new");
	unlinkat(rig->fd, "z", 0);
	add(rig);
	assert_int_equal(rig->result.unchanged, 101);
	assert_int_equal(rig->result.stats.new_chunks, 3);
	check_text(rig, "sly", "bbbb");
	check_text(rig, "grows", "12");
	check_text(rig, "same", "same");
	check_text(rig, "d/f42", "d/f42");
	check_text(rig, "a-new", "new");
	assert_int_equal(rig->result.record.entries, 106);

	/* origins are handed on */
	add(rig);
	assert_int_equal(rig->result.unchanged, 101);
	/* a changed mode changes ctime: read again, and seen */
	assert_int_equal(fchmodat(rig->fd, "same", 0400, 0), 0);
	add(rig);
	assert_int_equal(rig->result.unchanged, 100);
	{
		struct tree *tree = open_tree(rig);

		check_stat(rig, tree, "same");
		tree_close(tree);
	}
}

static void test_sparse(void **state)
{
	struct rig *rig = *state;
	struct getter getter;
	struct node node = NODE_INIT;
	struct err err = ERR_INIT;
	struct tree *tree;
	uint64_t data;
	int fd = openat(rig->fd, "sparse", O_RDWR | O_CREAT, 0600);

	assert_int_equal(ftruncate(fd, 1ll << 33), 0);
	assert_int_equal(pwrite(fd, "middle", 6, 5ll << 30), 6);
	close(fd);
	add(rig);
	tree = open_tree(rig);
	getter = tree_getter(tree);
	wanted(0, tree_find(tree, "sparse", &node, &err), &err);
	assert_int_equal(node.entry.size, 1ull << 33);
	wanted(0, content_data_bytes(&getter, &node.entry.content,
				     node.entry.size, &data, &err), &err);
	assert_in_range(data, 6, 1 << 20);
	{
		char text[7] = "";
		size_t len;

		wanted(0, content_read_into(&getter, &node.entry.content,
					    node.entry.size, 5ull << 30, text,
					    6, &len, &err), &err);
		assert_string_equal(text, "middle");
	}
	node_release(&node);
	tree_close(tree);
}

static void test_excludes(void **state)
{
	struct rig *rig = *state;

	rig->exclude = exclude_new();
	assert_int_equal(exclude_add(rig->exclude, "*.o", NULL), 0);
	assert_int_equal(exclude_add(rig->exclude, "/d/tmp/", NULL), 0);
	assert_int_equal(exclude_add(rig->exclude, "!keep.o", NULL), 0);
	make_dir(rig, "d");
	make_dir(rig, "d/tmp");
	make(rig, "d/tmp/x", "");
	make_dir(rig, "tmp");
	make(rig, "tmp/y", "");
	make(rig, "a.o", "");
	make(rig, "keep.o", "");
	add(rig);
	check_names(rig, ". d keep.o tmp tmp/y ");
}

/* The directory and its tag are kept, what else lies in it is not. */
static void test_caches(void **state)
{
	static const char tag[] =
		"Signature: 8a477f597d28d172789f06886806bc55\n# by a test\n";
	struct rig *rig = *state;

	make_dir(rig, "c");
	make(rig, "c/CACHEDIR.TAG", tag);
	make(rig, "c/a", "");
	make(rig, "c/z", "");
	make_dir(rig, "n");
	make(rig, "n/CACHEDIR.TAG",
	     "Signature: 8a477f597d28d172789f06886806bc5");
	make(rig, "n/a", "");
	rig->skip_caches = true;
	add(rig);
	check_names(rig, ". c c/CACHEDIR.TAG n n/CACHEDIR.TAG n/a ");
	assert_string_equal(told(rig), "1 'c': is tagged as a cache: what "
			    "lies in it is left out\n");
	rig->skip_caches = false;
	add(rig);
	check_names(rig, ". c c/CACHEDIR.TAG c/a c/z n n/CACHEDIR.TAG n/a ");
}

static void test_store_inside(void **state)
{
	struct rig *rig = *state;
	struct repo *outer = rig->f->repo;
	struct err err = ERR_INIT;
	char path[128];

	make(rig, "f", "x");
	snprintf(path, sizeof(path), "%s/store", rig->top);
	wanted(0, repo_init(path, NULL, &err), &err);
	wanted(0, repo_open(path, REPO_WRITE, 1u << 20, &rig->f->repo, &err),
	       &err);
	add(rig);
	check_names(rig, ". f ");
	assert_string_equal(told(rig), "1 'store': is the store this snapshot "
			    "goes to: left out\n");
	strcpy(path, rig->top);
	strcat(rig->top, "/store");
	assert_int_equal(try_add(rig, &err), -EINVAL);
	strcpy(rig->top, path);
	repo_close(rig->f->repo);
	rig->f->repo = outer;
}

/* Mount points are kept as empty directories. */
static void test_one_file_system(void **state)
{
	struct rig *rig = *state;
	char top[64];

	strcpy(top, rig->top);
	strcpy(rig->top, "/dev");
	rig->one_file_system = true;
	add(rig);
	strcpy(rig->top, top);
	{
		struct tree *tree = open_tree(rig);
		struct node node = NODE_INIT;
		struct err err = ERR_INIT;
		struct stat a, b;

		if (stat("/dev", &a) < 0 || stat("/dev/pts", &b) < 0 ||
		    a.st_dev == b.st_dev) {
			print_message("no mount below /dev\n");
			tree_close(tree);
			skip();
		}
		wanted(0, tree_find(tree, "pts", &node, &err), &err);
		assert_int_equal(node.entry.below, 0);
		node_release(&node);
		tree_close(tree);
	}
}

/* Telling apart what is gone, what changes, and what cannot be read. */

static void remove_on_note(struct rig *rig, const char *sentence)
{
	if (!strstr(sentence, "cache"))
		return;
	assert_int_equal(unlinkat(rig->fd, "z-file", 0), 0);
	assert_int_equal(unlinkat(rig->fd, "z-dir", AT_REMOVEDIR), 0);
}

static void test_vanished(void **state)
{
	struct rig *rig = *state;

	make_dir(rig, "a");
	make(rig, "a/CACHEDIR.TAG",
	     "Signature: 8a477f597d28d172789f06886806bc55");
	make(rig, "z-file", "");
	make_dir(rig, "z-dir");
	make(rig, "zz", "");
	rig->skip_caches = true;
	rig->on_note = remove_on_note;
	add(rig);
	check_names(rig, ". a a/CACHEDIR.TAG zz ");
	assert_non_null(strstr(told(rig),
			       "1 'z-dir': vanished while it was read\n"
			       "1 'z-file': vanished while it was read\n"));
	assert_null(rig->result.record.incomplete);
}

static volatile bool writing;

static void *keep_writing(void *arg)
{
	struct rig *rig = arg;
	int fd = openat(rig->fd, "busy", O_WRONLY);

	for (uint64_t i = 0; writing; i++) {
		const struct timespec while_ = { 0, 200000 };

		if (pwrite(fd, &i, sizeof(i), 12345) != sizeof(i))
			break;
		nanosleep(&while_, NULL);
	}
	close(fd);
	return NULL;
}

static void test_changing(void **state)
{
	struct rig *rig = *state;
	pthread_t thread;

	make(rig, "busy", "");
	/* Bytes, not holes: those are passed over before a clock ticks. */
	{
		int fd = openat(rig->fd, "busy", O_WRONLY);
		static uint8_t bytes[1 << 20];

		memset(bytes, 'b', sizeof(bytes));
		for (int i = 0; i < 48; i++)
			assert_int_equal(write(fd, bytes, sizeof(bytes)),
					 sizeof(bytes));
		close(fd);
	}
	make(rig, "calm", "x");
	writing = true;
	pthread_create(&thread, NULL, keep_writing, rig);
	add(rig);
	writing = false;
	pthread_join(thread, NULL);
	assert_string_equal(told(rig),
			    "2 'busy': changed while it was read\n");
	assert_int_equal(rig->result.record.warnings, 1);
	assert_null(rig->result.record.incomplete);
	check_names(rig, ". busy calm ");
	{
		struct tree *tree = open_tree(rig);
		struct node node = NODE_INIT;
		struct err err = ERR_INIT;

		wanted(0, tree_find(tree, "busy", &node, &err), &err);
		assert_int_equal(node.entry.size, 48 << 20);
		node_release(&node);
		tree_close(tree);
	}
}

/* "A truncated file never passes for a whole one, an unreadable directory
 * never for an empty one" */
static void test_unreadable(void **state)
{
	struct rig *rig = *state;
	char command[256];
	struct err err = ERR_INIT;
	int r;

	if (geteuid() != 0) {
		print_message("only root can become somebody else\n");
		skip();
	}
	make(rig, "a-secret", "no");
	assert_int_equal(fchmodat(rig->fd, "a-secret", 0, 0), 0);
	make_dir(rig, "closed");
	make(rig, "closed/x", "");
	assert_int_equal(fchmodat(rig->fd, "closed", 0, 0), 0);
	make_dir(rig, "nosearch");
	make(rig, "nosearch/x", "");
	assert_int_equal(fchmodat(rig->fd, "nosearch", 0444, 0), 0);
	make(rig, "open", "yes");
	assert_int_equal(fchmodat(rig->fd, "open", 0444, 0), 0);
	assert_int_equal(fchmodat(rig->fd, ".", 0755, 0), 0);
	snprintf(command, sizeof(command), "chown -R 65534 %s", rig->f->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(seteuid(65534), 0);
	r = try_add(rig, &err);
	assert_int_equal(seteuid(0), 0);
	wanted(0, r, &err);
	check_names(rig, ". closed nosearch open ");
	check_text(rig, "open", "yes");
	assert_string_equal(
		told(rig),
		"4 'a-secret': cannot be opened: Permission denied\n"
		"4 'closed': cannot be opened, so what lies in it is missing: "
		"Permission denied\n"
		"4 'nosearch/x': cannot be read: Permission denied\n");
	assert_string_equal(rig->result.record.incomplete,
			    "the first of 3 losses: 'a-secret': cannot be "
			    "opened: Permission denied");
}

static void go_deep(struct rig *rig, int levels, bool names)
{
	int at = dup(rig->fd);

	for (int i = 0; i < levels; i++) {
		int next;

		assert_int_equal(mkdirat(at, "deep", 0755), 0);
		if (names) {
			close(openat(at, "a", O_CREAT | O_WRONLY, 0600));
			close(openat(at, "z", O_CREAT | O_WRONLY, 0600));
		}
		next = openat(at, "deep", O_RDONLY | O_DIRECTORY);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	close(openat(at, "bottom", O_CREAT | O_WRONLY, 0600));
	close(at);
}

/* Deeper than a path may be long, and than there are descriptors for it. */
static void test_deep(void **state)
{
	struct rig *rig = *state;

	/* what is not held open is opened again by way of all above it */
	const int levels = getenv("EVERY") ? 1900 : 850;
	struct rlimit was, few;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = was;
	few.rlim_cur = 256;
	go_deep(rig, levels, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	add(rig);
	assert_string_equal(told(rig), "");
	assert_int_equal(rig->result.record.entries, 1 + 3 * levels + 1);
	add(rig);
	assert_int_equal(rig->result.record.entries, 1 + 3 * levels + 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
}

static void test_too_deep(void **state)
{
	struct rig *rig = *state;

	go_deep(rig, 2005, false);
	add(rig);
	assert_int_equal(rig->result.record.entries, 2001);
	assert_non_null(strstr(told(rig), "lies 2000 directories deep"));
	assert_non_null(rig->result.record.incomplete);
}

static void move_on_note(struct rig *rig, const char *sentence)
{
	if (strstr(sentence, "cache"))
		assert_int_equal(renameat(rig->fd, "deep", rig->fd, "moved"),
				 0);
}

static void test_moved(void **state)
{
	struct rig *rig = *state;
	char path[512] = "";

	go_deep(rig, 40, true);
	for (int i = 0; i < 40; i++)
		strcat(path, "deep/");
	strcat(path, "CACHEDIR.TAG");
	make(rig, path, "Signature: 8a477f597d28d172789f06886806bc55");
	rig->skip_caches = true;
	rig->on_note = move_on_note;
	add(rig);
	assert_non_null(strstr(told(rig), "was moved while it was read"));
	assert_non_null(rig->result.record.incomplete);
	rig->on_note = NULL;
	add(rig);
	assert_null(rig->result.record.incomplete);
}

/* Files of the kernel's own whose size says nothing. */
static void test_sizes_that_lie(void **state)
{
	struct rig *rig = *state;
	char top[64];

	if (access("/proc/sys/kernel/random/uuid", R_OK) < 0) {
		print_message("no /proc\n");
		skip();
	}
	strcpy(top, rig->top);
	strcpy(rig->top, "/proc/sys/kernel/random");
	add(rig);
	strcpy(rig->top, top);
	assert_non_null(strstr(told(rig), "2 'uuid': has bytes, but its size "
			       "says 0: none were kept\n"));
	check_text(rig, "uuid", "");
}

static void test_no_directory(void **state)
{
	struct rig *rig = *state;
	struct err err = ERR_INIT;
	char top[64];

	strcpy(top, rig->top);
	strcat(rig->top, "/nowhere");
	assert_int_equal(try_add(rig, &err), -ENOENT);
	assert_non_null(strstr(err.text, "nowhere"));
	strcpy(rig->top, top);
}

static void test_probe(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	assert_int_equal(fstat(rig->fd, &st), 0);
	assert_true(reader_dir.probe(NULL, &st, span_of(NULL, 0)) > 0);
	make(rig, "f", "");
	assert_int_equal(fstatat(rig->fd, "f", &st, 0), 0);
	assert_int_equal(reader_dir.probe(NULL, &st, span_of(NULL, 0)), 0);
	assert_ptr_equal(reader_by_kind("dir"), &reader_dir);
	assert_null(reader_by_kind("none"));
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_metadata),
		TEST(test_xattrs_and_flags),
		TEST(test_hard_links),
		TEST(test_unchanged),
		TEST(test_sparse),
		TEST(test_excludes),
		TEST(test_caches),
		TEST(test_store_inside),
		TEST(test_one_file_system),
		TEST(test_vanished),
		TEST(test_changing),
		TEST(test_unreadable),
		TEST(test_deep),
		TEST(test_too_deep),
		TEST(test_moved),
		TEST(test_sizes_that_lie),
		TEST(test_no_directory),
		TEST(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
