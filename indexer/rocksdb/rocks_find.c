#include "indexer/rocksdb/rocks_find.h"

#include <stdlib.h>

#define NUMBER_DIGITS 20

/* Names. */

static bool has_end(struct span name, const char *end)
{
	size_t n = strlen(end);

	return name.len > n && !memcmp(name.data + name.len - n, end, n);
}

/* head, digits, end. */
static bool is_made_of(struct span name, const char *head, const char *end)
{
	size_t n = strlen(head);

	if (name.len <= n || memcmp(name.data, head, n) != 0 ||
	    !has_end(name, end))
		return false;
	for (size_t i = n; i < name.len - strlen(end); i++)
		if (name.data[i] < '0' || name.data[i] > '9')
			return false;
	return name.len > n + strlen(end);
}

bool rocks_is_sealed(const char *name)
{
	return is_made_of(span_str(name), "", ".sst") ||
	       is_made_of(span_str(name), "", ".blob");
}

void rocks_marks_take(struct rocks_marks *marks, const char *text)
{
	struct span name = span_str(text);

	marks->current |= !strcmp(text, "CURRENT");
	marks->lock |= !strcmp(text, "LOCK");
	marks->manifest |= is_made_of(name, "MANIFEST-", "");
	marks->options |= is_made_of(name, "OPTIONS-", "");
	marks->table |= rocks_is_sealed(text);
	marks->leveldb |= is_made_of(name, "", ".ldb");
}

bool rocks_marks_sure(const struct rocks_marks *marks)
{
	unsigned own = marks->options + marks->table;

	if (marks->leveldb && own == 0)
		return false;
	return own > 0 && marks->current + marks->manifest + own >= 2;
}

bool rocks_number(struct span name, uint64_t *ret, bool *ret_unfinished)
{
	uint64_t n = 0;
	bool unfinished = has_end(name, ".tmp");

	if (unfinished)
		name.len -= 4;
	if (name.len == 0 || name.len > NUMBER_DIGITS ||
	    (name.data[0] == '0' && name.len > 1))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		uint64_t digit = name.data[i] - (uint64_t)'0';

		if (digit > 9 || n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*ret = n;
	*ret_unfinished = unfinished;
	return true;
}

bool rocks_holds_checkpoints(struct span name)
{
	static const char word[] = "checkpoint";

	return memmem(name.data, name.len, word, sizeof(word) - 1) != NULL;
}

/* Cuts the last name off *path, which has none left where it is empty. */
static struct span cut_name(struct span *path)
{
	size_t end = path->len, at = end;
	struct span name = *path;

	if (end == 0)
		return name;
	while (at > 0 && path->data[at - 1] != '/')
		at--;
	name = span_of(path->data + at, end - at);
	while (at > 0 && path->data[at - 1] == '/')
		at--;
	path->len = at;
	return name;
}

static void tally_leave(struct rocks_tally *tally)
{
	struct rocks_tally_level *level = &tally->level[--tally->depth];
	struct span dir = span_of(tally->dir.data, level->len), last = dir;
	const struct rocks_marks *marks = &level->marks;
	bool unfinished = false;
	uint64_t number;

	if (rocks_number(cut_name(&last), &number, &unfinished))
		tally->count += marks->current && !unfinished;
	else if (dir.len && !span_equal(dir, span_str(".")))
		tally->count += !marks->lock && rocks_marks_sure(marks);
	tally->dir.len = tally->depth ? level[-1].len : 0;
}

void rocks_tally_end(struct rocks_tally *tally)
{
	while (tally->depth)
		tally_leave(tally);
}

static bool lies_in(struct span dir, struct span above)
{
	return above.len == 0 ||
	       (dir.len >= above.len &&
		!memcmp(dir.data, above.data, above.len) &&
		(dir.len == above.len || dir.data[above.len] == '/'));
}

/* NULL: it lies too deep to be looked at. */
static struct rocks_marks *tally_enter(struct rocks_tally *tally,
				       struct span dir)
{
	while (tally->depth && !lies_in(dir, buf_span(&tally->dir)))
		tally_leave(tally);
	if (tally->depth && dir.len == tally->dir.len)
		return &tally->level[tally->depth - 1].marks;
	if (tally->depth == ROCKS_FIND_DEPTH)
		return NULL;
	buf_clear(&tally->dir);
	buf_append(&tally->dir, dir.data, dir.len);
	if (tally->dir.failed)
		return NULL;
	tally->level[tally->depth] = (struct rocks_tally_level){
		.len = dir.len };
	return &tally->level[tally->depth++].marks;
}

void rocks_tally_take(struct rocks_tally *tally, struct span path)
{
	struct span dir = path, name = cut_name(&dir);
	struct rocks_marks *marks;
	char text[64];

	if (!name.len || name.len >= sizeof(text))
		return;
	/* all others are of no one's concern */
	if (!strchr("CLMO", name.data[0]) && !has_end(name, ".sst"))
		return;
	marks = tally_enter(tally, dir);
	if (!marks)
		return;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	rocks_marks_take(marks, text);
}

void rocks_tally_release(struct rocks_tally *tally)
{
	buf_release(&tally->dir);
}

/* The walk. */

int rocks_finder_init(struct rocks_finder *finder, const char *top,
		      struct err *err)
{
	struct span rest = span_str(top);

	memset(finder, 0, sizeof(*finder));
	while (rest.len > 0 && rest.data[rest.len - 1] == '/')
		rest.len--;
	for (int i = 0; i < 2; i++) {
		struct span name = cut_name(&rest);

		finder->above[i] = strndup(name.len ?
					   (const char *)name.data : "",
					   name.len);
		if (!finder->above[i])
			return err_nomem(err);
	}
	return 0;
}

static void found_release(struct rocks_found *found)
{
	free(found->path);
	free(found->database);
}

void rocks_finder_release(struct rocks_finder *finder)
{
	for (size_t i = 0; i < finder->count; i++)
		found_release(&finder->found[i]);
	free(finder->found);
	buf_release(&finder->path);
	free(finder->above[0]);
	free(finder->above[1]);
	memset(finder, 0, sizeof(*finder));
}

int rocks_finder_enter(struct rocks_finder *finder, const char *name,
		       struct stamp mtime, struct err *err)
{
	if (finder->depth > ROCKS_FIND_DEPTH)
		return 0;
	if (finder->depth > 1)
		buf_append_byte(&finder->path, '/');
	buf_append_str(&finder->path, name);
	finder->level[++finder->depth] = (struct rocks_finder_level){
		.mtime = mtime, .path_len = finder->path.len,
	};
	return buf_failed(&finder->path) ? err_nomem(err) : 1;
}

void rocks_finder_file(struct rocks_finder *finder, const char *name)
{
	rocks_marks_take(&finder->level[finder->depth].marks, name);
}

/* The name of a directory on the way to the one in hand, 0 its own, 1 that of
 * the one it lies in. */
static struct span name_above(const struct rocks_finder *finder, unsigned up)
{
	unsigned to = finder->depth - up;
	size_t from;

	if (finder->depth <= up || to == 1)
		return span_str(finder->above[up - (finder->depth - 1)]);
	from = finder->level[to - 1].path_len;
	from += from > 0;
	return span_of(finder->path.data + from,
		       finder->level[to].path_len - from);
}

/* How much of the path is that of the directory so many above; of one above
 * the top there is none. */
static size_t path_above(const struct rocks_finder *finder, unsigned up)
{
	return finder->depth > up ? finder->level[finder->depth - up].path_len :
				    0;
}

static int keep(struct rocks_finder *finder, const struct rocks_found *like,
		size_t database_len, struct err *err)
{
	struct rocks_found *found;
	const char *path = (const char *)finder->path.data;

	if (finder->count == ROCKS_FIND_MAX)
		return err_set(err, -EFBIG, "there are more than %u RocksDB "
			       "checkpoints", ROCKS_FIND_MAX);
	if (finder->count == finder->room) {
		size_t room = finder->room ? 2 * finder->room : 16;
		void *more = reallocarray(finder->found, room, sizeof(*found));

		if (!more)
			return err_nomem(err);
		finder->found = more;
		finder->room = room;
	}
	found = &finder->found[finder->count];
	*found = *like;
	found->path = strndup(path ? path : "", finder->path.len);
	found->database = strndup(path ? path : "", database_len);
	if (!found->path || !found->database) {
		found_release(found);
		return err_nomem(err);
	}
	finder->count++;
	return 0;
}

/* What the directory in hand is, now that all of its names are known. */
static int settle(struct rocks_finder *finder, struct err *err)
{
	const struct rocks_finder_level *level = &finder->level[finder->depth];
	const struct rocks_marks *marks = &level->marks;
	struct span within = name_above(finder, 1);
	struct rocks_found found = {
		.opened = marks->lock,
		.emptied = !rocks_marks_any(marks),
		.mtime = level->mtime,
	};
	bool held = rocks_holds_checkpoints(within);
	/* "checkpoints" is a directory of the database, and any other stands
	 * beside it */
	unsigned up = span_equal(within, span_str("checkpoints")) ? 2 : 1;

	found.numbered = rocks_number(name_above(finder, 0), &found.number,
				      &found.unfinished);
	/* live databases are numbered, too: shards */
	if (found.numbered && (held || (!marks->lock &&
					rocks_marks_sure(marks))))
		return keep(finder, &found, path_above(finder, up), err);
	found.numbered = found.unfinished = false;
	if (!found.emptied && (finder->depth == 1 || rocks_marks_sure(marks)))
		return keep(finder, &found, finder->path.len, err);
	return 0;
}

int rocks_finder_leave(struct rocks_finder *finder, struct err *err)
{
	int r = settle(finder, err);

	finder->depth--;
	finder->path.len = finder->level[finder->depth].path_len;
	return r;
}

static int order(const void *a, const void *b)
{
	const struct rocks_found *x = a, *y = b;
	int r = strcmp(x->database, y->database);

	if (r == 0 && x->numbered != y->numbered)
		r = x->numbered ? 1 : -1;
	if (r == 0 && x->number != y->number)
		r = x->number < y->number ? -1 : 1;
	return r ? r : strcmp(x->path, y->path);
}

/* Directories without a file of RocksDB are checkpoints only beside one that
 * has some: [from, to) are of one database. */
static bool is_of_rocksdb(const struct rocks_finder *finder, size_t from,
			  size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!finder->found[i].emptied)
			return true;
	return false;
}

void rocks_finder_finish(struct rocks_finder *finder)
{
	struct rocks_found *found = finder->found;
	size_t kept = 0, to;

	if (finder->count)
		qsort(found, finder->count, sizeof(*found), order);
	for (size_t from = 0; from < finder->count; from = to) {
		bool is;

		for (to = from; to < finder->count &&
		     !strcmp(found[from].database, found[to].database); to++)
			;
		is = is_of_rocksdb(finder, from, to);
		/* the database stands before its checkpoints */
		found[from].has_checkpoints = !found[from].numbered &&
					      found[to - 1].numbered;
		for (size_t i = from; i < to; i++) {
			if (is)
				found[kept++] = found[i];
			else
				found_release(&found[i]);
		}
	}
	finder->count = kept;
}
