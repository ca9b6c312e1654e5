/* The kind that docs/add-a-kind.md adds, as it stands there. */
#include "store_fixture.h"

#include <fcntl.h>

#include "fs/tree/view.h"
#include "indexer/ingest.h"

extern const struct reader reader_mbox;

static const char mails[] =
	"X-Before: the first mail\n"
	"\n"
	"From ann Mon Jan  1 00:00:00 2021\nSubject: one\n\n"
	"From here it is another mail, as an empty line is before it.\n"
	"text\nFrom the middle of a paragraph\n\n"
	"From ben Mon Jan  1 00:00:01 2021\nSubject: two\n\nlast\n";

#define FIRST "Subject: one\n\n"

static void read_text(struct fixture *f, const char *text, int want,
		      struct ingest_result *result)
{
	const struct ingest_options options = {
		.source = "mail/inbox", .time = { 1600000000, 0 },
		.time_from = "option", .input_name = "inbox",
	};
	struct input input = { .path = "inbox", .size = strlen(text) };
	struct err err = ERR_INIT;
	char path[96];

	snprintf(path, sizeof(path), "%s/inbox", f->dir);
	input.fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(input.fd, text, strlen(text)), strlen(text));
	assert_int_equal(lseek(input.fd, 0, SEEK_SET), 0);
	wanted(want, ingest(f->repo, &reader_mbox, &input, &options, result,
			    &err), &err);
	close(input.fd);
}

static void has_file(struct tree *tree, const char *path, const char *want)
{
	OWNED_NODE struct node node = NODE_INIT;
	struct getter getter = tree_getter(tree);
	struct err err = ERR_INIT;
	char text[1024] = "";
	size_t len;

	wanted(0, tree_find(tree, path, &node, &err), &err);
	wanted(0, content_read_into(&getter, &node.entry.content,
				    node.entry.size, 0, text,
				    sizeof(text) - 1, &len, &err), &err);
	assert_string_equal(text, want);
}

static void test_mails(void **state)
{
	struct fixture *f = *state;
	struct ingest_result result;
	struct err err = ERR_INIT;
	char back[sizeof(mails)] = "";
	struct tree *tree;
	struct view *view;
	size_t len;

	read_text(f, mails, 0, &result);
	assert_null(result.record.incomplete);
	assert_string_equal(record_attr(&result.record, "mails"), "3");
	assert_int_equal(result.record.files, 3);
	wanted(0, tree_open(f->repo, &result.record, &tree, &err), &err);
	has_file(tree, "000001.eml",
		 "From ann Mon Jan  1 00:00:00 2021\n" FIRST);
	has_file(tree, "000003.eml", strstr(mails, "From ben"));
	/* "the original can be given back" */
	wanted(0, view_open(tree, &view, &err), &err);
	assert_int_equal(view_size(view), sizeof(mails) - 1);
	wanted(0, view_read(view, 0, back, sizeof(back), &len, &err), &err);
	assert_string_equal(back, mails);
	view_close(view);
	tree_close(tree);
	ingest_result_release(&result);
}

/* "That nothing was found is an error, not an empty snapshot." */
static void test_nothing(void **state)
{
	struct ingest_result result;

	read_text(*state, "no mail\n", -EPROTO, &result);
}

static void test_probe(void **state)
{
	const struct stat file = { .st_mode = S_IFREG };
	const struct stat dir = { .st_mode = S_IFDIR };
	const struct input input = { .path = "x", .fd = -1 };

	(void)state;
	assert_true(reader_mbox.probe(&input, &file, span_str("From a")) > 0);
	assert_int_equal(reader_mbox.probe(&input, &file, span_str("To: a")),
			 0);
	assert_int_equal(reader_mbox.probe(&input, &dir, span_str("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mails, fixture_setup,
						fixture_teardown),
		cmocka_unit_test_setup_teardown(test_nothing, fixture_setup,
						fixture_teardown),
		cmocka_unit_test(test_probe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
