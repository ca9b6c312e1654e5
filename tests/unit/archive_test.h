/* archive_test: what the files of this test share. */
#ifndef VARVE_ARCHIVE_TEST_H
#define VARVE_ARCHIVE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/fake_sink.h"
#include "tests/unit/tar_maker.h"

/* Read bytes as if they lay in a file called name; the sink is set up by it
 * and released by the caller.  what the reader returned. */
int read_bytes(struct sink *sink, struct span bytes, const char *name,
	       bool expand);
/* The same, through a pipe. */
int read_piped(struct sink *sink, struct span bytes, const char *name);
int read_path(struct sink *sink, const char *path, bool expand);

/* The stream given back is bytes, and no rule of the sink was broken. */
void assert_stream(const struct sink *sink, struct span bytes);
/* path is there as a file of this text. */
void assert_file(struct sink *sink, const char *path, const char *text);

extern const struct CMUnitTest tar_tests[];
extern const size_t tar_test_count;
extern const struct CMUnitTest format_tests[];
extern const size_t format_test_count;

#endif
