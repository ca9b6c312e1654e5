#include "tests/unit/archive_test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Archives as the tools of this host write them, against what they extract. */

#define PATH_ROOM 8192

static char dir[] = "/tmp/varve-archive-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/varve-archive-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "chmod -R u+rwX %s; rm -rf %s", dir,
		 dir);
	return system(command);
}

/* In the test's directory; false where a tool is missing or fails. */
static bool run(const char *fmt, ...) PRINTF(1, 2);
static bool run(const char *fmt, ...)
{
	char command[4096], line[4500];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	snprintf(line, sizeof(line), "cd %s && { %s; } >log 2>&1", dir,
		 command);
	return system(line) == 0;
}

static bool has_tool(const char *name)
{
	if (run("command -v %s", name))
		return true;
	print_message("no %s here: skipped\n", name);
	return false;
}

static void load(const char *name, struct buf *ret)
{
	char path[PATH_ROOM];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	do {
		assert_int_equal(buf_reserve(ret, 1 << 20), 0);
		n = fread(ret->data + ret->len, 1, 1 << 20, file);
		ret->len += n;
	} while (n);
	fclose(file);
}

static int read_here(struct sink *sink, const char *name, bool expand)
{
	char path[PATH_ROOM];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return read_path(sink, path, expand);
}

static const char make_tree[] =
	"rm -rf t && mkdir -p t/sub/empty && cd t && umask 022 && "
	"echo hello >file && ln file hard && ln -s file sym && mkfifo fifo && "
	"cp file suid && chmod 4755 suid && chmod 2775 sub && "
	": >nothing && head -c 512 /dev/zero >block && "
	"head -c 3000000 /dev/urandom >random && "
	"truncate -s 3M sparse && "
	"printf data | dd of=sparse bs=1 seek=1048576 conv=notrunc && "
	"printf end | dd of=sparse bs=1 seek=3145725 conv=notrunc && "
	"truncate -s 1M hole && "
	"echo n >\"$(printf 'new\\nline')\" && echo b >\"$(printf 'b\\377')\" && "
	"L=$(printf '%0120d' 7) && mkdir -p $L/$L && echo deep >$L/$L/$L && "
	"ln -s $L/$L/$L longlink && ln $L/$L/$L longhard && "
	"{ setfattr -n user.k -v value file || :; } && "
	"{ setfacl -m u:1:rw,g:2:r random && setfacl -d -m u:3:rwx sub || :; } "
	"&& touch -d '1969-12-31 23:59:58.25 UTC' suid && "
	"touch -d '2200-01-01 00:00:00.000000001 UTC' nothing && "
	"touch -h -d '2020-02-02 02:02:02.123456789 UTC' sym file sub";

static enum entry_type type_of(mode_t mode)
{
	if (S_ISDIR(mode))
		return ENTRY_DIR;
	if (S_ISLNK(mode))
		return ENTRY_SYMLINK;
	return S_ISFIFO(mode) ? ENTRY_FIFO : ENTRY_FILE;
}

static struct fake_entry *follow(struct sink *sink, struct fake_entry *e)
{
	for (int hops = 0; e && e->link && hops < 10; hops++)
		e = fake_find(sink, e->link);
	return e;
}

static void same_xattrs(const char *path, const struct fake_entry *e)
{
	char names[4096];
	ssize_t len = llistxattr(path, names, sizeof(names));
	size_t count = 0;

	for (char *n = names; n < names + len; n += strlen(n) + 1) {
		const struct buf *have = fake_xattr(e, n);
		char value[4096];
		ssize_t size = lgetxattr(path, n, value, sizeof(value));

		count++;
		if (!have)
			fail_msg("'%s' lacks %s", path, n);
		assert_int_equal(have->len, size);
		assert_memory_equal(have->data, value, have->len);
	}
	assert_int_equal(e->xattr_count, count);
}

static void same_bytes(const char *name, const struct fake_entry *e)
{
	OWNED_BUF struct buf bytes = BUF_INIT;

	load(name, &bytes);
	assert_int_equal(bytes.len, e->size);
	assert_int_equal(e->data.len, bytes.len);
	if (bytes.len)
		assert_memory_equal(e->data.data, bytes.data, bytes.len);
}

#define SAME_NS 1	/* the format has nanoseconds */
#define SAME_XATTRS 2
#define SAME_DIR_TIMES 4 /* the tool restores those */

/* Every entry read is as it was extracted below x/. */
static void same_as_extracted(struct sink *sink, unsigned same)
{
	char path[2 * PATH_ROOM], name[PATH_ROOM], target[PATH_ROOM];
	struct fake_entry *e;
	struct stat st;
	ssize_t n;

	for (size_t i = 0; i < sink->count; i++) {
		e = follow(sink, &sink->entries[i]);
		assert_non_null(e);
		snprintf(name, sizeof(name), "x/%s", sink->entries[i].path);
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		n = (ssize_t)strlen(path);
		if (path[n - 1] == '/')
			path[n - 1] = '\0';
		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(e->entry.type, type_of(st.st_mode));
		assert_int_equal(e->entry.mode, st.st_mode & 07777);
		assert_int_equal(e->entry.uid, st.st_uid);
		assert_int_equal(e->entry.gid, st.st_gid);
		if (!(same & SAME_DIR_TIMES) && e->entry.type != ENTRY_FILE)
			st.st_mtim = (struct timespec){
				e->entry.mtime.s, e->entry.mtime.ns,
			};
		assert_int_equal(e->entry.mtime.s, st.st_mtim.tv_sec);
		if (same & SAME_NS)
			assert_int_equal(e->entry.mtime.ns,
					 st.st_mtim.tv_nsec);
		if (same & SAME_XATTRS)
			same_xattrs(path, e);
		if (e->entry.type == ENTRY_FILE)
			same_bytes(name, e);
		if (e->entry.type != ENTRY_SYMLINK)
			continue;
		n = readlink(path, target, sizeof(target) - 1);
		assert_int_equal(n, strlen(e->target));
		assert_memory_equal(e->target, target, (size_t)n);
	}
}

static size_t count_lines(const char *name)
{
	OWNED_BUF struct buf text = BUF_INIT;
	size_t lines = 0;

	load(name, &text);
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\0';
	return lines;
}

/* "must give exactly what a restore by the backup's own tool would have
 * given" (docs/design.md) */
static void as_gnu_tar_extracts(void **state)
{
	static const struct {
		const char *options;
		unsigned same;
	} ways[] = {
		{ "--format=gnu", 0 },
		{ "--format=gnu -S", 0 },
		{ "--format=oldgnu -S", 0 },
		{ "--format=pax --acls --xattrs", SAME_NS | SAME_XATTRS },
		{ "--format=pax -S --sparse-version=0.0", SAME_NS },
		{ "--format=pax -S --sparse-version=0.1", SAME_NS },
		{ "--format=pax -S --sparse-version=1.0", SAME_NS },
		{ "--format=pax --pax-option=globexthdr.name=g,mtime=12.5",
		  SAME_NS },
		{ "--format=ustar --exclude=t/00* --exclude=longhard "
		  "--exclude=longlink --exclude=nothing --exclude=suid", 0 },
		{ "--format=v7 --exclude=t/00* --exclude=longhard "
		  "--exclude=longlink --exclude=nothing --exclude=suid "
		  "--exclude=fifo", 0 },
	};

	(void)state;
	assert_true(run("%s", make_tree));
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		OWNED_BUF struct buf tar = BUF_INIT;
		struct sink sink;

		assert_true(run("tar %s -cf a.tar t && chmod -R u+rwX . && "
				"rm -rf x && mkdir x && "
				"tar -xpf a.tar -C x --numeric-owner --acls "
				"--xattrs --xattrs-include='*' && "
				"find x -mindepth 1 -print0 >found",
				ways[i].options));
		assert_int_equal(read_here(&sink, "a.tar", false), 0);
		load("a.tar", &tar);
		assert_stream(&sink, buf_span(&tar));
		assert_int_equal(sink.warnings.len, 0);
		assert_int_equal(sink.count, count_lines("found"));
		same_as_extracted(&sink, ways[i].same | SAME_DIR_TIMES);
		fake_release(&sink);
	}
}

static void as_bsdtar_writes(void **state)
{
	struct sink sink;

	(void)state;
	if (!has_tool("bsdtar"))
		skip();
	assert_true(run("%s", make_tree));
	assert_true(run("LC_ALL=C bsdtar --format=pax --acls --xattrs -cf a.tar t "
			"&& rm -rf x && mkdir x && tar -xpf a.tar -C x "
			"--numeric-owner --acls --xattrs --xattrs-include='*'"));
	assert_int_equal(read_here(&sink, "a.tar", false), 0);
	assert_int_equal(sink.weights[WEIGHT_LOST], 0);
	same_as_extracted(&sink, SAME_NS | SAME_XATTRS);
	fake_release(&sink);
}

static void packed(void **state)
{
	static const char *const tools[][2] = {
		{ "gzip", "gz" }, { "bzip2", "bz2" }, { "xz", "xz" },
		{ "zstd", "zst" }, { "pzstd", "zst" }, { "lz4", "lz4" },
		{ "lzip", "lz" }, { "lzma", "lzma" }, { "pigz", "gz" },
	};
	OWNED_BUF struct buf tar = BUF_INIT;

	(void)state;
	assert_true(run("%s", make_tree));
	assert_true(run("tar -cf a.tar t"));
	load("a.tar", &tar);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++) {
		OWNED_BUF struct buf whole = BUF_INIT;
		char name[64];
		struct sink sink;

		if (!has_tool(tools[i][0]))
			continue;
		snprintf(name, sizeof(name), "p.tar.%s", tools[i][1]);
		assert_true(run("%s -c <a.tar >%s", tools[i][0], name));
		assert_int_equal(read_here(&sink, name, false), 0);
		assert_stream(&sink, buf_span(&tar));
		assert_int_equal(sink.warnings.len, 0);
		fake_release(&sink);

		load(name, &whole);
		assert_int_equal(read_piped(&sink, buf_span(&whole), name), 0);
		assert_stream(&sink, buf_span(&tar));
		assert_int_equal(sink.progress, whole.len);
		fake_release(&sink);

		/* Cut off: what is given is a beginning, and told. */
		whole.len = whole.len / 2 + 3000;
		assert_int_equal(read_bytes(&sink, buf_span(&whole), name,
					    false), 0);
		assert_true(sink.stream.len > 0);
		assert_stream(&sink, span_of(tar.data, sink.stream.len));
		assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
		fake_release(&sink);
	}
}

static void damaged_gzip(void **state)
{
	OWNED_BUF struct buf gz = BUF_INIT;
	struct sink sink;

	(void)state;
	assert_true(run("%s", make_tree));
	assert_true(run("tar -czf a.tgz t"));
	load("a.tgz", &gz);
	/* In the random file: the deflate stream stays well-formed. */
	for (int i = 0; i < 4; i++)
		gz.data[gz.len / 2 + (size_t)i] ^= 0x55;
	assert_int_equal(read_bytes(&sink, buf_span(&gz), "a.tgz", false), 0);
	assert_true(sink.weights[WEIGHT_INPUT] >= 1);
	assert_null(sink.broken);
	fake_release(&sink);

	gz.len = 0;
	load("a.tgz", &gz);
	buf_append_str(&gz, "what is this?");
	assert_int_equal(read_bytes(&sink, buf_span(&gz), "a.tgz", false), 0);
	assert_true(fake_warned(&sink, "NOTE : other bytes follow the packed"));
	assert_int_equal(sink.weights[WEIGHT_INPUT], 0);
	fake_release(&sink);
}

/* "foo.sql.gz ... becomes one file in the tree named as the input" */
static void one_packed_file(void **state)
{
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	assert_true(run("echo 'select 1;' >foo.sql && chmod 604 foo.sql && "
			"touch -d @1234567890.25 foo.sql && rm -f *.gz && "
			"gzip -k foo.sql && : | gzip >none.sql.gz && "
			": | gzip >none.tar.gz && : >none.tar"));
	assert_int_equal(read_here(&sink, "foo.sql.gz", false), 0);
	assert_int_equal(sink.count, 1);
	assert_file(&sink, "foo.sql", "select 1;\n");
	e = fake_find(&sink, "foo.sql");
	assert_int_equal(e->entry.mode, 0604);
	assert_int_equal(e->entry.mtime.s, 1234567890);
	assert_string_equal(sink.format, "one file, gzip");
	assert_int_equal(sink.stream_len, 0);
	fake_release(&sink);

	assert_int_equal(read_here(&sink, "none.sql.gz", false), 0);
	assert_file(&sink, "none.sql", "");
	fake_release(&sink);
	/* An empty backup is none. */
	assert_int_equal(read_here(&sink, "none.tar.gz", false), -EPROTO);
	fake_release(&sink);
	assert_int_equal(read_here(&sink, "none.tar", false), -EPROTO);
	fake_release(&sink);
	assert_int_equal(read_here(&sink, "foo.sql", false), -EPROTO);
	fake_release(&sink);
}

static void as_cpio_extracts(void **state)
{
	static const char *const formats[] = { "newc", "crc", "odc" };

	(void)state;
	if (!has_tool("cpio"))
		skip();
	assert_true(run("%s", make_tree));
	for (size_t i = 0; i < 3; i++) {
		struct sink sink;

		assert_true(run("find t ! -name nothing ! -name suid -print0 "
				"| cpio -0 -o -H %s >a.cpio && rm -rf x && "
				"mkdir x && cd x && cpio -idm <../a.cpio && "
				"find . -mindepth 1 -print0 >../found",
				formats[i]));
		assert_int_equal(read_here(&sink, "a.cpio", false), 0);
		assert_null(sink.broken);
		assert_int_equal(sink.warnings.len, 0);
		assert_int_equal(sink.count, count_lines("found"));
		same_as_extracted(&sink, 0);
		/* Both names of the file, whichever has the data. */
		assert_true(!!fake_find(&sink, "t/file")->link ^
			    !!fake_find(&sink, "t/hard")->link);
		fake_release(&sink);
	}
}

static void zips(void **state)
{
	struct sink sink;

	(void)state;
	if (!has_tool("zip") || !has_tool("bsdtar"))
		skip();
	assert_true(run("%s", make_tree));
	assert_true(run("rm -f a.zip; zip -qry a.zip t -x t/fifo && "
			"rm -rf x && mkdir x && "
			"LC_ALL=C.UTF-8 bsdtar -xpf a.zip -C x"));
	assert_int_equal(read_here(&sink, "a.zip", false), 0);
	assert_null(sink.broken);
	assert_int_equal(sink.warnings.len, 0);
	assert_true(sink.count > 15);
	same_as_extracted(&sink, SAME_DIR_TIMES);
	fake_release(&sink);

	assert_true(run("rm -f e.zip; zip -q -P secret e.zip t/file t/random"));
	assert_int_equal(read_here(&sink, "e.zip", false), 0);
	assert_int_equal(sink.weights[WEIGHT_LOST], 2);
	fake_release(&sink);
}

static void seven_zip(void **state)
{
	struct sink sink;

	(void)state;
	if (!has_tool("7z"))
		skip();
	assert_true(run("rm -f *.7z; echo a >n1 && echo ü >ü.txt && "
			"7z a -bd a.7z n1 ü.txt"));
	assert_int_equal(read_here(&sink, "a.7z", false), 0);
	assert_file(&sink, "n1", "a\n");
	assert_file(&sink, "ü.txt", "ü\n");
	fake_release(&sink);
}

/* --expand */

static void expanding(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct fake_entry *e;
	struct sink sink;

	(void)state;
	assert_true(run("rm -rf n *.gz && mkdir -p n/d && echo in >n/inner && "
			"ln n/inner n/hl && echo x | gzip >x.gz && "
			"tar -czf in.tgz ./n && tar -cf mid.tar n in.tgz x.gz && "
			"chmod 640 mid.tar && touch -d @1111 mid.tar && "
			"head -c 150 in.tgz >cut.tgz && echo t >fake.tar && "
			"tar -cf a.tar mid.tar cut.tgz fake.tar"));
	assert_int_equal(read_here(&sink, "a.tar", true), 0);
	load("a.tar", &tar);
	assert_stream(&sink, buf_span(&tar));
	e = fake_find(&sink, "mid.tar");
	assert_int_equal(e->entry.type, ENTRY_DIR);
	assert_int_equal(e->entry.mode, 0750);
	assert_int_equal(e->entry.mtime.s, 1111);
	assert_int_equal(fake_find(&sink, "mid.tar/in.tgz")->entry.type,
			 ENTRY_DIR);
	e = follow(&sink, fake_find(&sink, "mid.tar/in.tgz/./n/hl"));
	assert_non_null(e);
	assert_string_equal(buf_str(&e->data), "in\n");
	assert_int_equal(fake_find(&sink, "mid.tar/x.gz")->entry.type,
			 ENTRY_FILE);
	/* What is none, or does not open whole, stays a file. */
	assert_int_equal(fake_find(&sink, "cut.tgz")->size, 150);
	assert_file(&sink, "fake.tar", "t\n");
	assert_int_equal(sink.weights[WEIGHT_LOST], 0);
	assert_true(fake_warned(&sink, "NOTE mid.tar: opened as a directory"));
	fake_release(&sink);

	/* Without it they are files. */
	assert_int_equal(read_here(&sink, "a.tar", false), 0);
	assert_int_equal(sink.count, 3);
	assert_stream(&sink, buf_span(&tar));
	fake_release(&sink);
}

/* Larger than what is tried first: opened as it streams by. */
static void expanding_large(void **state)
{
	OWNED_BUF struct buf tar = BUF_INIT;
	struct sink sink;
	uint8_t sum[16], want[16];

	(void)state;
	assert_true(run("rm -rf big && mkdir big && echo 1 >big/one && "
			"head -c 70000000 /dev/zero | tr '\\0' z >big/zeds && "
			"echo 2 >big/two && "
			"tar -cf in.tar big/one big/zeds big/two && "
			"tar -cf a.tar in.tar && head -c 60000000 a.tar >c.tar"));
	assert_int_equal(read_here(&sink, "a.tar", true), 0);
	assert_null(sink.broken);
	assert_int_equal(sink.count, 4);
	assert_int_equal(fake_find(&sink, "in.tar/big/zeds")->size, 70000000);
	assert_file(&sink, "in.tar/big/two", "2\n");
	assert_int_equal(sink.weights[WEIGHT_LOST], 0);
	load("a.tar", &tar);
	sum128(buf_span(&tar), want);
	sum_stream_get(sink.sum, sum);
	assert_memory_equal(sum, want, 16);
	fake_release(&sink);

	assert_int_equal(read_here(&sink, "c.tar", true), 0);
	assert_null(sink.broken);
	assert_int_equal(sink.stream_len, 60000000);
	assert_file(&sink, "in.tar/big/one", "1\n");
	assert_int_equal(sink.weights[WEIGHT_LOST], 1);
	assert_int_equal(sink.weights[WEIGHT_INPUT], 1);
	fake_release(&sink);
}

/* A member that becomes far more than it is stays a file. */
static void expanding_a_bomb(void **state)
{
	struct sink sink;

	(void)state;
	if (!has_tool("zstd"))
		skip();
	assert_true(run("truncate -s 1200M zeros && tar -cf - zeros | "
			"zstd -q >bomb.tar.zst && tar -cf a.tar bomb.tar.zst"));
	assert_int_equal(read_here(&sink, "a.tar", true), 0);
	assert_null(sink.broken);
	assert_int_equal(sink.count, 1);
	assert_int_equal(fake_find(&sink, "bomb.tar.zst")->entry.type,
			 ENTRY_FILE);
	assert_int_equal(sink.weights[WEIGHT_LOST], 0);
	fake_release(&sink);
}

/* More levels than allowed stay files. */
static void expanding_deep(void **state)
{
	struct sink sink;

	(void)state;
	assert_true(run("echo 0 >f0 && tar -cf l1.tar f0 && tar -cf l2.tar "
			"l1.tar && tar -cf l3.tar l2.tar && tar -cf l4.tar "
			"l3.tar && tar -cf l5.tar l4.tar"));
	assert_int_equal(read_here(&sink, "l5.tar", true), 0);
	assert_int_equal(fake_find(&sink, "l4.tar/l3.tar/l2.tar")->entry.type,
			 ENTRY_DIR);
	assert_int_equal(fake_find(&sink, "l4.tar/l3.tar/l2.tar/l1.tar")
				 ->entry.type, ENTRY_FILE);
	fake_release(&sink);
}

#define IN_DIR(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

const struct CMUnitTest format_tests[] = {
	IN_DIR(as_gnu_tar_extracts),
	IN_DIR(as_bsdtar_writes),
	IN_DIR(packed),
	IN_DIR(damaged_gzip),
	IN_DIR(one_packed_file),
	IN_DIR(as_cpio_extracts),
	IN_DIR(zips),
	IN_DIR(seven_zip),
	IN_DIR(expanding),
	IN_DIR(expanding_large),
	IN_DIR(expanding_a_bomb),
	IN_DIR(expanding_deep),
};
const size_t format_test_count =
	sizeof(format_tests) / sizeof(format_tests[0]);
