/* A store in a temporary directory, for the tests of what stands on one. */
#ifndef VARVE_STORE_FIXTURE_H
#define VARVE_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/repo/repo.h"

struct fixture {
	char dir[64];
	struct repo *repo;
};

static inline int fixture_unlink(const char *path, const struct stat *st,
				 int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

/* Fail with err's words where r is not what was wanted. */
static inline void wanted(int want, int r, const struct err *err)
{
	if (r != want)
		fail_msg("wanted %d, got %d: %s", want, r, err->text);
}

static inline void fixture_open(struct fixture *f, enum repo_mode mode)
{
	struct err err = ERR_INIT;

	wanted(0, repo_open(f->dir, mode, 8u << 20, &f->repo, &err), &err);
}

static inline void fixture_reopen(struct fixture *f)
{
	repo_close(f->repo);
	fixture_open(f, REPO_WRITE);
}

static inline int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err = ERR_INIT;

	strcpy(f->dir, "/tmp/varve-unit.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	wanted(0, repo_init(f->dir, NULL, &err), &err);
	fixture_open(f, REPO_WRITE);
	*state = f;
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	repo_close(f->repo);
	nftw(f->dir, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* A record with what a caller must fill in. */
static inline void fixture_record(struct record *record, const char *source,
				  int64_t seconds)
{
	*record = (struct record){ 0 };
	record->source = strdup(source);
	record->time = (struct stamp){ seconds, 0 };
	record->time_from = strdup("option");
	record->kind = strdup("tar");
	record->format = strdup("test");
	record->input = strdup("test");
	record->entries = 1;
}

/* Commit a snapshot whose root object refers to one chunk of these bytes. */
static inline int fixture_commit(struct repo *repo, struct record *record,
				 struct span bytes, struct err *err)
{
	OWNED_BUF struct buf object = BUF_INIT;
	struct object_out out = OBJECT_OUT_INIT;
	struct deposit *deposit;
	struct id chunk;
	int r;

	r = deposit_begin(repo, NULL, &deposit, err);
	if (r < 0)
		return r;
	r = deposit_chunk(deposit, CHUNK_SMALL, bytes, &chunk, err);
	if (r == 0) {
		object_begin(&out, OBJECT_LIST);
		object_ref(&out, OBJECT_CHUNK, &chunk);
		r = object_finish(&out, &object, err);
	}
	if (r == 0)
		r = deposit_object(deposit, buf_span(&object), &record->root,
				   err);
	if (r == 0)
		r = deposit_commit(deposit, record, err);
	object_out_release(&out);
	deposit_free(deposit);
	return r;
}

#endif
