#include "indexer/rocksdb/rocks_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "fs/base/json.h"

/*
 * OPTIONS-NNNNNN is lines: comments ("#"), sections and "name=value", with
 * blanks in front:
 *
 *     [Version]
 *     [DBOptions]
 *     [CFOptions "NAME"]
 *     [TableOptions/BlockBasedTable "NAME"]
 *
 * the last two for each family; in NAME '\' escapes what follows.  It has no
 * checksum: what is looked for is a file that was cut, and bytes that are no
 * text.
 */
#define OPTIONS_MAX (64u << 20)

enum section { SECTION_NONE, SECTION_PLAIN, SECTION_FAMILY, SECTION_TABLE };

struct parsing {
	struct rocks *rocks;
	enum section section;
	bool has_version, has_db;
	bool blank;		/* the last line was: a section ends with one */
	uint64_t offset;	/* of the line */
};

static int bad(struct parsing *p, const char *why, struct err *err)
{
	int r = rocks_find(p->rocks, ROCKS_DAMAGED, p->rocks->options,
			   &p->offset, NULL, 0, err, "%s", why);

	return r < 0 ? r : 1;
}

static bool begins(struct span line, const char *with)
{
	size_t n = strlen(with);

	return line.len >= n && !memcmp(line.data, with, n);
}

/* The family of `[WORD "NAME"]`. */
static int note_family(struct parsing *p, struct span line, struct err *err)
{
	const uint8_t *quote = memchr(line.data, '"', line.len);
	OWNED_BUF struct buf name = BUF_INIT;

	if (!quote || line.len < 3 || line.data[line.len - 2] != '"' ||
	    quote == line.data + line.len - 2)
		return bad(p, "a section has no name", err);
	for (const uint8_t *c = quote + 1; c < line.data + line.len - 2; c++) {
		if (*c != '\\') {
			buf_append_byte(&name, *c);
			continue;
		}
		c++;
		buf_append_byte(&name, *c == 'n' ? '\n' : *c == 'r' ? '\r' :
				*c);
	}
	if (buf_failed(&name))
		return err_nomem(err);
	for (size_t i = 0; i < p->rocks->family_count; i++)
		if (span_equal(p->rocks->families[i].name, buf_span(&name)))
			p->rocks->families[i].has_options = true;
	return 0;
}

static int take_section(struct parsing *p, struct span line, struct err *err)
{
	if (line.data[line.len - 1] != ']')
		return bad(p, "the head of a section does not end", err);
	if (p->section == SECTION_FAMILY && !begins(line, "[TableOptions/"))
		return bad(p, "the table options of a column family are "
			   "missing", err);
	if (begins(line, "[CFOptions ")) {
		p->section = SECTION_FAMILY;
		return note_family(p, line, err);
	}
	p->section = begins(line, "[TableOptions/") ? SECTION_TABLE :
						      SECTION_PLAIN;
	p->has_version |= begins(line, "[Version]");
	p->has_db |= begins(line, "[DBOptions]");
	return 0;
}

static int take_line(struct parsing *p, struct span line, struct err *err)
{
	static const char version[] = "rocksdb_version=";

	if (!utf8_is_valid(line))
		return bad(p, "bytes in it are no text", err);
	for (size_t i = 0; i < line.len; i++)
		if (line.data[i] < ' ' && line.data[i] != '\t')
			return bad(p, "bytes in it are no text", err);
	while (line.len > 0 && (*line.data == ' ' || *line.data == '\t'))
		line = span_of(line.data + 1, line.len - 1);
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.len--;
	p->blank = line.len == 0;
	if (line.len == 0 || *line.data == '#')
		return 0;
	if (*line.data == '[')
		return take_section(p, line, err);
	if (p->section == SECTION_NONE || !memchr(line.data, '=', line.len))
		return bad(p, "a line is no setting", err);
	if (!begins(line, version))
		return 0;
	return rocks_keep(p->rocks, span_of(line.data + sizeof(version) - 1,
					    line.len - sizeof(version) + 1),
			  &p->rocks->version, err);
}

static int judge_end(struct parsing *p, bool newline, struct err *err)
{
	const char *why = NULL;

	if (!newline)
		why = "it ends within a line";
	else if (!p->has_version || !p->has_db || p->section != SECTION_TABLE ||
		 !p->blank)
		why = "it ends before the end of its last section";
	for (size_t i = 0; !why && i < p->rocks->family_count; i++)
		if (!p->rocks->families[i].has_options)
			why = "it has not the options of every column family";
	return why ? rocks_find(p->rocks, ROCKS_INCOMPLETE,
				p->rocks->options, &p->offset, NULL, 0, err,
				"%s", why) : 0;
}

static int parse(struct parsing *p, struct span text, struct err *err)
{
	bool newline = text.len == 0;
	size_t at = 0;
	int r = 0;

	while (r == 0 && at < text.len) {
		const uint8_t *line = text.data + at;
		const uint8_t *end = memchr(line, '\n', text.len - at);
		size_t len = end ? (size_t)(end - line) : text.len - at;

		p->offset = at;
		newline = end != NULL;
		/* What a line without its end says is not known. */
		if (newline)
			r = take_line(p, span_of(line, len), err);
		at += len + newline;
	}
	if (r == 0)
		p->offset = text.len;
	return r < 0 ? r : r > 0 ? 0 : judge_end(p, newline, err);
}

/* The newest one counts. */
static void find_newest(struct rocks *rocks)
{
	static const char head[] = "OPTIONS-";
	unsigned long long best = 0;

	for (size_t i = 0; i < rocks->own->name_count; i++) {
		const struct dir_file *f = &rocks->own->names[i];
		unsigned long long number;
		char *end;

		if (f->dir || strncmp(f->name, head, sizeof(head) - 1) != 0)
			continue;
		number = strtoull(f->name + sizeof(head) - 1, &end, 10);
		if (*end || number < best)
			continue;
		best = number;
		snprintf(rocks->options, sizeof(rocks->options), "%s",
			 f->name);
	}
}

int options_read(struct rocks *rocks, struct err *err)
{
	OWNED_BUF struct buf text = BUF_INIT;
	struct parsing p = { .rocks = rocks };
	const struct dir_file *file;
	int r;

	find_newest(rocks);
	if (!rocks->options[0])
		return rocks_find(rocks, ROCKS_INCOMPLETE, "OPTIONS-*", NULL,
				  NULL, 0, err, "it is missing, and every "
				  "checkpoint has one");
	file = rocks_name(rocks, rocks->options);
	if (file->size > OPTIONS_MAX)
		return rocks_find(rocks, ROCKS_NOTE, rocks->options, NULL,
				  NULL, 0, err, "it is longer than options "
				  "are, and was not read");
	r = rocks_read(rocks, rocks->options, 0, file->size, OPTIONS_MAX,
		       &text, err);
	return r < 0 ? r : parse(&p, buf_span(&text), err);
}
