#include "indexer/reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/*
 * A pattern without '/' (but at its end) is matched against the last component
 * of a path, any other against the whole path from the top.  "*", "?" and
 * "[...]" stand for bytes other than '/'; "**" as a whole component stands for
 * any number of components, none included; elsewhere it is as "*".  "\" takes
 * the byte behind it as it is.  A '/' at the end: directories only.  "!" in
 * front takes an exclusion back.  The last pattern that matches decides.
 *
 * What lies in an excluded directory is never looked at, so "!" cannot bring
 * it back: name the directory's children instead ("cache/?*", "!cache/keep").
 */
#define PATTERN_MAX 4096
#define PATTERNS_MAX 100000
#define PATTERN_FILE_MAX (16u << 20)

struct pattern {
	char *text;		/* without '!', and '/' at either end */
	bool keep, dir_only, whole;
};

struct exclude {
	struct pattern *patterns;
	size_t count, cap;
};

struct exclude *exclude_new(void)
{
	return calloc(1, sizeof(struct exclude));
}

void exclude_free(struct exclude *exclude)
{
	if (!exclude)
		return;
	for (size_t i = 0; i < exclude->count; i++)
		free(exclude->patterns[i].text);
	free(exclude->patterns);
	free(exclude);
}

static int make_room(struct exclude *exclude, struct err *err)
{
	size_t cap = exclude->cap ? 2 * exclude->cap : 16;
	struct pattern *patterns;

	if (exclude->count < exclude->cap)
		return 0;
	if (exclude->count >= PATTERNS_MAX)
		return err_set(err, -E2BIG, "more than %d exclude patterns",
			       PATTERNS_MAX);
	patterns = realloc(exclude->patterns, cap * sizeof(*patterns));
	if (!patterns)
		return err_nomem(err);
	exclude->patterns = patterns;
	exclude->cap = cap;
	return 0;
}

/* An even number of backslashes before the byte at end? */
static bool is_plain(const char *text, size_t end)
{
	size_t n = 0;

	while (n < end && text[end - 1 - n] == '\\')
		n++;
	return n % 2 == 0;
}

static const char *class_end(const char *p);

static int check(const char *text, size_t len, const char *whole,
		 struct err *err)
{
	if (len == 0)
		return err_set(err, -EINVAL, "exclude pattern '%s' is empty",
			       whole);
	if (len > PATTERN_MAX)
		return err_set(err, -EINVAL,
			       "exclude pattern is over %d bytes long",
			       PATTERN_MAX);
	if (text[len - 1] == '\\' && is_plain(text, len - 1))
		return err_set(err, -EINVAL,
			       "exclude pattern '%s' ends in a single '\\'",
			       whole);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			i++;
		else if (text[i] == '[' && !class_end(text + i + 1))
			return err_set(err, -EINVAL,
				       "exclude pattern '%s' has a '[' without "
				       "its ']'", whole);
		else if (text[i] == '[')
			i = (size_t)(class_end(text + i + 1) - text) - 1;
	}
	return 0;
}

int exclude_add(struct exclude *exclude, const char *pattern, struct err *err)
{
	struct pattern made = { .text = NULL };
	const char *text = pattern;
	size_t len;
	int r;

	if (*text == '!') {
		made.keep = true;
		text++;
	}
	if (*text == '/') {
		made.whole = true;
		text++;
	}
	len = strlen(text);
	while (len > 0 && text[len - 1] == '/') {
		made.dir_only = true;
		len--;
	}
	r = check(text, len, pattern, err);
	if (r == 0)
		r = make_room(exclude, err);
	if (r < 0)
		return r;
	made.text = strndup(text, len);
	if (!made.text)
		return err_nomem(err);
	if (memchr(made.text, '/', len))
		made.whole = true;
	exclude->patterns[exclude->count++] = made;
	return 0;
}

static int add_line(struct exclude *exclude, char *line, size_t len,
		    struct err *err)
{
	while (len > 0 && strchr("\n\r\t ", line[len - 1]) &&
	       is_plain(line, len - 1))
		line[--len] = '\0';
	if (len == 0 || line[0] == '#')
		return 0;
	if (strlen(line) != len)
		return err_set(err, -EINVAL, "a pattern has a zero byte");
	return exclude_add(exclude, line, err);
}

static void close_stream(FILE **file)
{
	if (*file)
		fclose(*file);
}

int exclude_add_file(struct exclude *exclude, const char *path,
		     struct err *err)
{
	CLEANUP(close_stream) FILE *file = fopen(path, "re");
	CLEANUP(free_ptr) char *line = NULL;
	size_t cap = 0, total = 0;
	unsigned number = 0;
	ssize_t n;
	int r;

	if (!file)
		return err_sys(err, "cannot open exclude file '%s'", path);
	while (errno = 0, (n = getline(&line, &cap, file)) >= 0) {
		number++;
		total += (size_t)n;
		if (total > PATTERN_FILE_MAX)
			return err_set(err, -EFBIG,
				       "exclude file '%s' is over 16 MiB",
				       path);
		r = add_line(exclude, line, (size_t)n, err);
		if (r < 0)
			return err_wrap(err, "'%s', line %u", path, number);
	}
	if (ferror(file) || (errno && !feof(file)))
		return err_sys(err, "cannot read exclude file '%s'", path);
	return 0;
}

/* Behind the ']' that ends the class begun before p; NULL: it has none. */
static const char *class_end(const char *p)
{
	if (*p == '!' || *p == '^')
		p++;
	if (*p == ']')
		p++;
	for (; *p && *p != ']' && *p != '/'; p++)
		if (*p == '\\' && p[1])
			p++;
	return *p == ']' ? p + 1 : NULL;
}

static bool in_class(const char *p, unsigned char c)
{
	bool not = *p == '!' || *p == '^', found = false, first = true;

	if (not)
		p++;
	for (; first || *p != ']'; first = false) {
		unsigned char low, high;

		if (*p == '\\')
			p++;
		low = high = (unsigned char)*p++;
		if (*p == '-' && p[1] != ']') {
			p += p[1] == '\\' ? 2 : 1;
			high = (unsigned char)*p++;
		}
		if (c >= low && c <= high)
			found = true;
	}
	return found != not;
}

/* One pattern element at *p against c; *p is moved behind it where it fits. */
static bool one(const char **p, char c)
{
	const char *at = *p;
	bool fits;

	if (c == '/' || *at == '\0') {
		fits = *at == c && c;
		*p = at + fits;
		return fits;
	}
	if (*at == '?') {
		*p = at + 1;
		return true;
	}
	if (*at == '[') {
		fits = in_class(at + 1, (unsigned char)c);
		if (fits)
			*p = class_end(at + 1);
		return fits;
	}
	if (*at == '\\')
		at++;
	fits = *at == c;
	if (fits)
		*p = at + 1;
	return fits;
}

/* "**" as a whole component at p (start tells whether one begins there)? */
static bool is_deep(const char *p, const char *begin)
{
	return p[0] == '*' && p[1] == '*' && (p == begin || p[-1] == '/') &&
	       (p[2] == '/' || p[2] == '\0');
}

/*
 * Wildcards with two places to go back to: the last "*" (within a component)
 * and the last "**" (a component further).  A later one of its sort makes the
 * earlier needless, so time is at most a product of lengths.
 */
static bool matches(const char *pattern, const char *path)
{
	const char *p = pattern, *s = path;
	const char *star = NULL, *star_at = NULL;
	const char *deep = NULL, *deep_at = NULL;

	for (;;) {
		if (is_deep(p, pattern)) {
			if (p[2] == '\0')
				return *s != '\0';
			deep = p + 3;
			deep_at = s;
			star = NULL;
			p = deep;
			continue;
		}
		if (*p == '*') {
			while (*p == '*')
				p++;
			star = p;
			star_at = s;
			continue;
		}
		if (*s == '\0' && *p == '\0')
			return true;
		if (*s && one(&p, *s)) {
			s++;
			continue;
		}
		if (star && *star_at && *star_at != '/') {
			s = ++star_at;
			p = star;
			continue;
		}
		star = NULL;
		deep_at = deep ? strchr(deep_at, '/') : NULL;
		if (!deep_at)
			return false;
		s = ++deep_at;
		p = deep;
	}
}

bool exclude_is_empty(const struct exclude *exclude)
{
	return !exclude || exclude->count == 0;
}

bool exclude_match(const struct exclude *exclude, const char *path,
		   bool is_dir)
{
	const char *name = strrchr(path, '/');

	if (!exclude)
		return false;
	name = name ? name + 1 : path;
	for (size_t i = exclude->count; i-- > 0;) {
		const struct pattern *pattern = &exclude->patterns[i];

		if (pattern->dir_only && !is_dir)
			continue;
		if (matches(pattern->text, pattern->whole ? path : name))
			return !pattern->keep;
	}
	return false;
}
