#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "indexer/pgdump/pgarc.h"
#include "tests/unit/pgarc_maker.h"
#include "tests/unit/pgarc_memory.h"

struct got {
	struct buf text;
	struct buf lost;	/* a line each */
	struct pgarc_view *view;
	struct buf files[16];
	size_t file_count;
	size_t entry_at;	/* where in text the entry begins */
};

static int entry(void *arg, const struct pgarc_entry *e, struct err *err)
{
	struct got *got = arg;

	(void)e;
	(void)err;
	got->entry_at = got->text.len;
	return 0;
}

static int text(void *arg, struct span bytes, struct err *err)
{
	struct got *got = arg;

	buf_append(&got->text, bytes.data, bytes.len);
	return buf_check(&got->text, err);
}

static int lost(void *arg, const struct pgarc_entry *e, const struct err *why,
		struct err *err)
{
	struct got *got = arg;

	buf_printf(&got->lost, "%s: %s\n", e ? e->tag : "-", why->text);
	return buf_check(&got->lost, err);
}

/* The rows are a file of their own, the large object is as it was made. */
static int has_data(void *arg, const struct pgarc_entry *e, uint64_t before,
		    uint64_t len, struct span tail, struct err *err)
{
	struct got *got = arg;
	struct buf *file = &got->files[got->file_count];
	bool object = !strcmp(e->desc, "BLOBS");
	int r;

	if (!got->view)
		return 0;
	assert_true(got->text.len - got->entry_at == before + len ||
		    object);
	if (object)
		buf_append_str(file, "\\large'");
	else
		buf_append(file, got->text.data + got->text.len - len,
			   len - 5);
	got->file_count++;
	r = pgarc_view_file(got->view, e->id, object ? 4000000000u : 0,
			    got->file_count, file->len, err);
	return r < 0 ? r : pgarc_view_data(got->view, e, before, len, tail,
					   err);
}

static int view_bytes(void *arg, struct span bytes, struct err *err)
{
	(void)err;
	buf_append(arg, bytes.data, bytes.len);
	return 0;
}

struct viewing {
	struct got *got;
	struct buf out;
};

static int view_glue(void *arg, struct span bytes, struct err *err)
{
	struct viewing *viewing = arg;

	return view_bytes(&viewing->out, bytes, err);
}

static int view_file(void *arg, uint64_t number, uint64_t offset, uint64_t len,
		     struct err *err)
{
	struct viewing *viewing = arg;
	const struct buf *file = &viewing->got->files[number - 1];

	assert_true(offset + len <= file->len);
	return view_bytes(&viewing->out, span_of(file->data + offset, len),
			  err);
}

static void got_release(struct got *got)
{
	buf_release(&got->text);
	buf_release(&got->lost);
	for (size_t i = 0; i < got->file_count; i++)
		buf_release(&got->files[i]);
}

/* 0, or what opening gave.  view: the archive put together again, or NULL. */
static int read_it(struct span all, bool seeks, size_t step, struct got *got,
		   struct buf *view, struct err *err)
{
	const struct pgarc_out out = { entry, text, lost, has_data, got };
	struct pgarc_memory from = { all, 0, step };
	const struct pgarc_input input = {
		pgarc_memory_next, seeks ? pgarc_memory_seek : NULL, &from,
	};
	struct viewing viewing = { got, BUF_INIT };
	const struct pgarc_view_out to = { view_glue, view_file, &viewing };
	struct pgarc *arc = NULL;
	int r = pgarc_open(&input, &arc, err);

	memset(got, 0, sizeof(*got));
	if (r < 0)
		return r;
	if (view)
		got->view = pgarc_view_new(pgarc_toc(arc));
	assert_int_equal(pgarc_text(arc, "KEY", &out, err), 0);
	if (view) {
		assert_int_equal(pgarc_view_give(got->view, &to, err), 0);
		buf_swap(view, &viewing.out);
	}
	buf_release(&viewing.out);
	pgarc_view_free(got->view);
	pgarc_free(arc);
	return 0;
}

#define OWNER_OF_TYPE "ALTER TYPE \"user\".mood OWNER TO \"Odd\"\"one\";\n\n"
#define COMMENT(what, name, type, schema, owner)                              \
	"--\n-- " what "Name: " name "; Type: " type "; Schema: " schema      \
	"; Owner: " owner "\n--\n\n"

static const char text_15[] =
	"--\n-- PostgreSQL database dump\n--\n\n"
	"\\restrict KEY\n\n"
	"-- Dumped from database version 9.9\n"
	"-- Dumped by pg_dump version 15.1\n\n"
	"SET statement_timeout = 0;\n"
	"SET lock_timeout = 0;\n"
	"SET idle_in_transaction_session_timeout = 0;\n"
	"SET client_encoding = 'UTF8';\n"
	"SET standard_conforming_strings = on;\n"
	"SET check_function_bodies = false;\n"
	"SET xmloption = content;\n"
	"SET client_min_messages = warning;\n"
	"SET row_security = off;\n\n"
	"SET search_path = \"user\", pg_catalog;\n\n"
	COMMENT("", "mood", "TYPE", "user", "Odd\"one")
	"CREATE TYPE \"user\".mood;\n\n\n" OWNER_OF_TYPE
	"SET search_path = public, pg_catalog;\n\n"
	"SET default_tablespace = '';\n\n"
	"SET default_table_access_method = heap;\n\n"
	COMMENT("", "t", "TABLE", "public", "me")
	"CREATE TABLE t ();\n\n\n"
	"ALTER TABLE public.t OWNER TO me;\n\n"
	COMMENT("Data for ", "t", "TABLE DATA", "public", "me")
	"COPY t FROM stdin;\n1\ta\n2\tb\n\\.\n\n\n"
	COMMENT("Data for ", "BLOBS", "BLOBS", "-", "-")
	"SET search_path = pg_catalog;\n\n"
	"BEGIN;\n\n"
	"SELECT pg_catalog.lo_open('4000000000', 131072);\n"
	"SELECT pg_catalog.lowrite(0, '\\x5c6c6172676527');\n"
	"SELECT pg_catalog.lo_close(0);\n\n"
	"COMMIT;\n\n"
	"SET search_path = public, pg_catalog;\n\n"
	COMMENT("", "COLUMN t. x", "COMMENT", "public", "-")
	"COMMENT ON COLUMN t.x IS 'x';\n\n\n"
	COMMENT("", "TABLE t", "ACL", "public", "me")
	"GRANT ALL ON TABLE t TO x;\n\n\n"
	"--\n-- PostgreSQL database dump complete\n--\n\n"
	"\\unrestrict KEY\n\n";

static void gives(struct span all, const char *want)
{
	static const size_t steps[] = { 1, 7, 100000 };

	for (size_t i = 0; i < 6; i++) {
		struct err err = ERR_INIT;
		struct got got;

		assert_int_equal(read_it(all, i & 1, steps[i / 2], &got, NULL,
					 &err), 0);
		assert_string_equal(buf_str(&got.text), want);
		assert_int_equal(got.lost.len, 0);
		got_release(&got);
	}
}

static void the_text(void **state)
{
	OWNED_BUF struct buf archive = BUF_INIT, tar = BUF_INIT;

	(void)state;
	made_archive(&archive, 14, "15.1");
	gives(buf_span(&archive), text_15);
	made_tar(&tar);
	gives(buf_span(&tar), text_15);
	assert_true(pgarc_is(buf_span(&archive)));
	assert_true(pgarc_is(buf_span(&tar)));
	assert_false(pgarc_is(span_str("PGDM")));
}

/* text_15 with lines changed. */
static void changed(const char *const (*pairs)[2], struct buf *ret)
{
	buf_append_str(ret, text_15);
	for (; (*pairs)[0]; pairs++) {
		OWNED_BUF struct buf old = BUF_INIT;
		const char *at;

		buf_swap(&old, ret);
		at = strstr(buf_str(&old), (*pairs)[0]);
		assert_non_null(at);
		buf_append(ret, old.data, (size_t)(at - (char *)old.data));
		buf_append_str(ret, (*pairs)[1]);
		buf_append_str(ret, at + strlen((*pairs)[0]));
	}
}

/* What versions print otherwise, by their release notes and dumps of theirs. */
static void other_versions(void **state)
{
	static const char *const to_18[][2] = {
		{ "version 15.1", "version 18.4 (x)" },
		{ "session_timeout = 0;\n",
		  "session_timeout = 0;\nSET transaction_timeout = 0;\n" },
		{ "SET default_table_access_method = heap;\n\n", "" },
		{ "ALTER TABLE public.t OWNER TO me;\n\n",
		  "ALTER TABLE public.t OWNER TO me;\n\n"
		  "ALTER TABLE public.t SET ACCESS METHOD heap;\n\n" },
		{ NULL, NULL },
	};
	static const char *const to_11[][2] = {
		{ "\\restrict KEY\n\n", "" },
		{ "\\unrestrict KEY\n\n", "" },
		{ "version 15.1", "version 11.22" },
		{ "SET default_table_access_method = heap;\n\n",
		  "SET default_with_oids = true;\n\n" },
		{ NULL, NULL },
	};
	static const char *const to_92[][2] = {
		{ "\\restrict KEY\n\n", "" },
		{ "\\unrestrict KEY\n\n", "" },
		{ "-- Dumped from database version 9.9\n"
		  "-- Dumped by pg_dump version 15.1\n\n", "" },
		{ "SET lock_timeout = 0;\n", "" },
		{ "SET idle_in_transaction_session_timeout = 0;\n", "" },
		{ "SET xmloption = content;\n", "" },
		{ "SET row_security = off;\n", "" },
		{ "SET default_table_access_method = heap;\n\n",
		  "SET default_with_oids = true;\n\n" },
		{ NULL, NULL },
	};
	static const struct {
		unsigned minor;
		const char *dumper;
		const char *const (*pairs)[2];
	} all[] = {
		{ 16, "18.4 (x)", to_18 }, { 13, "11.22", to_11 },
		{ 12, "9.2.24", to_92 },
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		OWNED_BUF struct buf archive = BUF_INIT, want = BUF_INIT;

		made_archive(&archive, all[i].minor, all[i].dumper);
		changed(all[i].pairs, &want);
		gives(buf_span(&archive), buf_str(&want));
	}
}

static void comes_back(void **state)
{
	OWNED_BUF struct buf archive = BUF_INIT, view = BUF_INIT;
	OWNED_BUF struct buf again = BUF_INIT, tar = BUF_INIT;
	struct err err = ERR_INIT;
	struct got got;

	(void)state;
	made_archive(&archive, 14, "15.1");
	assert_int_equal(read_it(buf_span(&archive), true, 99, &got, &view,
				 &err), 0);
	got_release(&got);
	gives(buf_span(&view), text_15);
	/* Of what came back comes the same. */
	assert_int_equal(read_it(buf_span(&view), true, 5, &got, &again,
				 &err), 0);
	got_release(&got);
	assert_true(span_equal(buf_span(&view), buf_span(&again)));
	/* And of the tar. */
	made_tar(&tar);
	buf_clear(&again);
	assert_int_equal(read_it(buf_span(&tar), false, 5, &got, &again,
				 &err), 0);
	got_release(&got);
	assert_true(span_equal(buf_span(&view), buf_span(&again)));
}

static void fails(struct span all, int code, const char *words)
{
	struct err err = ERR_INIT;
	struct got got;

	assert_int_equal(read_it(all, false, 100, &got, NULL, &err), code);
	if (!strstr(err.text, words))
		print_message("%s\n", err.text);
	assert_non_null(strstr(err.text, words));
}

/* One entry whose fields are bad. */
static void bad_entry(const struct made_entry *e, const char *words)
{
	OWNED_BUF struct buf archive = BUF_INIT;

	made_head(&archive, 14, 1, 0, "15.1", 2);
	made_entry(&archive, 14, 1, e);
	made_entry(&archive, 14, 1, e);
	fails(buf_span(&archive), -EBADMSG, words);
}

static void bad_heads(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
		int code;
		const char *words;
	} all[] = {
		{ 0, 'Q', -EBADMSG, "a member at byte 0 is none" },
		{ 5, 2, -ENOTSUP, "its version is 2.14; 1.12 to 1.16" },
		{ 6, 11, -ENOTSUP, "its version is 1.11" },
		{ 6, 17, -ENOTSUP, "its version is 1.17" },
		{ 8, 0, -EBADMSG, "its numbers have 0 bytes" },
		{ 8, 9, -EBADMSG, "its numbers have 9 bytes" },
		{ 9, 17, -EBADMSG, "its offsets have 17 bytes" },
		{ 10, 3, -EBADMSG, "its format is number 3, which it is not" },
		{ 15, 0x80, -EBADMSG, "the number before byte 16 is out of" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		OWNED_BUF struct buf archive = BUF_INIT;

		made_archive(&archive, 14, "15.1");
		archive.data[all[i].at] = all[i].byte;
		fails(buf_span(&archive), all[i].code, all[i].words);
	}
}

static void bad_entries(void **state)
{
	static const struct made_entry no_id = { .tag = "x", .desc = "x" };
	static const struct made_entry section = {
		.id = 1, .tag = "x", .desc = "x", .section = 5,
	};
	static const struct made_entry place = {
		.id = 1, .tag = "x", .desc = "x", .place = 4,
	};
	static const struct made_entry twice = {
		.id = 1, .tag = "x", .desc = "x",
	};
	OWNED_BUF struct buf packing = BUF_INIT, many = BUF_INIT;
	OWNED_BUF struct buf huge = BUF_INIT;

	(void)state;
	bad_entry(&no_id, "entry 1 of 2: its id is 0");
	bad_entry(&section, "entry 1 of 2: its section is number 5");
	bad_entry(&place, "entry 1 of 2: its offset has the mark 4");
	bad_entry(&twice, "two entries have the id 1");
	made_head(&packing, 15, 1, 4, "16.1", 0);
	fails(buf_span(&packing), -ENOTSUP, "compression (number 4)");
	made_head(&many, 14, 1, 0, "15.1", 0x7fffffff);
	fails(buf_span(&many), -EBADMSG, "it has 2147483647 entries");
	/* A length of 2 GiB takes no memory before its bytes are there. */
	made_head(&huge, 14, 1, 0, "15.1", 1);
	made_int(&huge, 1);
	made_int(&huge, 0);
	made_int(&huge, 0x7fffffff);
	buf_append_str(&huge, "12");
	fails(buf_span(&huge), -EBADMSG, "entry 1 of 1: it ends early");
}

static void loses(struct span all, const char *words)
{
	for (size_t i = 0; i < 2; i++) {
		struct err err = ERR_INIT;
		struct got got;

		assert_int_equal(read_it(all, i, 50, &got, NULL, &err), 0);
		if (!strstr(buf_str(&got.lost), words))
			print_message("%s", buf_str(&got.lost));
		assert_non_null(strstr(buf_str(&got.lost), words));
		got_release(&got);
	}
}

static void losses_have_words(void **state)
{
	static const struct made_entry entries[] = {
		{ .id = 1, .has_data = true, .tag = "a", .desc = "TABLE DATA",
		  .section = 3, .copy = "COPY a FROM stdin;\n" },
		{ .id = 2, .has_data = true, .tag = "b", .desc = "TABLE DATA",
		  .section = 3, .copy = "COPY b FROM stdin;\n" },
	};
	OWNED_BUF struct buf toc = BUF_INIT, x = BUF_INIT;
	struct span rows = span_str("1\n\\.\n\n\n");

	(void)state;
	made_head(&toc, 14, 1, 0, "15.1", 2);
	made_entry(&toc, 14, 1, &entries[0]);
	made_entry(&toc, 14, 1, &entries[1]);
	buf_append(&x, toc.data, toc.len);
	made_rows(&x, 1, rows);
	loses(buf_span(&x), "b: the archive ends without it");
	loses(span_of(x.data, x.len - 7),
	      "a: the archive ends early, after");
	made_rows(&x, 2, span_str("1\n2"));
	loses(buf_span(&x), "b: its rows end without their mark");
	x.data[toc.len] = 9;
	loses(buf_span(&x), "a: what should be a block at byte");
	x.data[toc.len] = 1;
	x.data[toc.len + 6] = 1;
	loses(buf_span(&x), "a: a length before byte");
	buf_clear(&x);
	buf_append(&x, toc.data, toc.len);
	made_rows(&x, 2, rows);
	loses(buf_span(&x), "a: ");
	made_rows(&x, 1, rows);
	made_rows(&x, 3, rows);
	loses(buf_span(&x), "-: a block at byte ");
}

/* Rows that were cut are ended, so that what follows is not taken for rows. */
static void cut_rows_are_ended(void **state)
{
	OWNED_BUF struct buf archive = BUF_INIT;
	struct err err = ERR_INIT;
	struct got got;
	uint8_t *at;

	(void)state;
	made_archive(&archive, 14, "15.1");
	at = memmem(archive.data, archive.len, "1\ta\n", 4);
	assert_non_null(at);
	assert_int_equal(read_it(span_of(archive.data,
					 (size_t)(at + 5 - archive.data)),
				 true, 1000, &got, NULL, &err), 0);
	assert_non_null(strstr(buf_str(&got.text),
			       "FROM stdin;\n1\ta\n2\n\\.\n\n\n--\n-- Data"));
	assert_non_null(strstr(buf_str(&got.lost), "t: the archive ends"));
	got_release(&got);
}

/* Directories. */

static void put(const char *dir, const char *name, struct span bytes)
{
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
	fclose(file);
}

/* words NULL: nothing is lost, and the rows are there. */
static void dir_gives(const char *path, const char *words)
{
	struct got got = { .file_count = 0 };
	const struct pgarc_out out = { entry, text, lost, has_data, &got };
	int dir = open(path, O_RDONLY | O_DIRECTORY);
	struct err err = ERR_INIT;
	struct pgarc *arc = NULL;

	assert_int_equal(pgarc_open_dir(dir, &arc, &err), 0);
	assert_int_equal(pgarc_text(arc, "KEY", &out, &err), 0);
	pgarc_free(arc);
	close(dir);
	if (!words) {
		assert_int_equal(got.lost.len, 0);
		assert_non_null(strstr(buf_str(&got.text), "\n1\n\\.\n"));
	} else if (!got.lost.len || !strstr(buf_str(&got.lost), words)) {
		fail_msg("'%s' is not said: %s", words,
			 got.lost.len ? buf_str(&got.lost) : "nothing");
	}
	got_release(&got);
}

static void toc_of(const char *dir, const char *file)
{
	OWNED_BUF struct buf toc = BUF_INIT;

	made_toc(&toc, file);
	put(dir, "toc.dat", buf_span(&toc));
}

/* What a stranger wrote never leads out of the directory, nor to what is no
 * file. */
static void directories(void **state)
{
	static const char *const elsewhere[] = {
		"../4.dat", "/etc/passwd", "a/4.dat", ".4.dat", "..",
	};
	char path[] = "/tmp/varve-pgarc-XXXXXX", command[100];
	struct span rows = span_str("1\n\\.\n\n\n");
	char fifo[100];

	(void)state;
	assert_non_null(mkdtemp(path));
	toc_of(path, "4.dat");
	dir_gives(path, "t: the file '4.dat' is missing");
	put(path, "4.dat", rows);
	dir_gives(path, NULL);
	put(path, "5.dat.gz", rows);
	dir_gives(path, "-: the file '5.dat.gz' is of no entry");
	for (size_t i = 0; i < 5; i++) {
		toc_of(path, elsewhere[i]);
		dir_gives(path, "t: its file is said to be elsewhere");
	}
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	toc_of(path, "fifo");
	dir_gives(path, "t: 'fifo' is no file");
	snprintf(fifo, sizeof(fifo), "%s/link", path);
	assert_int_equal(symlink("4.dat", fifo), 0);
	toc_of(path, "link");
	dir_gives(path, "t: cannot open 'link'");
	snprintf(command, sizeof(command), "rm -r '%s'", path);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_text),
		cmocka_unit_test(other_versions),
		cmocka_unit_test(comes_back),
		cmocka_unit_test(bad_heads),
		cmocka_unit_test(bad_entries),
		cmocka_unit_test(losses_have_words),
		cmocka_unit_test(cut_rows_are_ended),
		cmocka_unit_test(directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
