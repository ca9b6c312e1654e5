#include "indexer/pso/yaml.h"

#include <stdlib.h>
#include <yaml.h>

#include "fs/base/jdoc.h"
#include "fs/base/json.h"

#define ANCHORS_MAX 1024

struct level {
	bool mapping;
	bool value_next;	/* of a mapping: its key stands */
	bool some;
	size_t begin;		/* in the JSON text */
	char *anchor;		/* or NULL */
};

struct anchor {
	char *name;
	size_t begin, len;	/* in the JSON text */
};

struct converting {
	yaml_parser_t parser;
	const char *what;
	struct buf *json;
	struct level level[JDOC_DEPTH_MAX];
	unsigned depth;
	struct anchor *anchors;
	size_t anchor_count;
	bool done;		/* the root stands */
	struct err *err;
};

static int bad(const struct converting *c, const yaml_mark_t *mark,
	       const char *why)
{
	return err_corrupt(c->err, "%s is not YAML that can be read: %s in "
			   "line %zu", c->what, why, mark->line + 1);
}

static int keep_anchor(struct converting *c, const char *name, size_t begin)
{
	struct anchor *more;

	if (c->anchor_count >= ANCHORS_MAX)
		return err_set(c->err, -E2BIG, "%s has more than %d anchors",
			       c->what, ANCHORS_MAX);
	more = realloc(c->anchors, (c->anchor_count + 1) * sizeof(*more));
	if (!more)
		return err_nomem(c->err);
	c->anchors = more;
	more[c->anchor_count] = (struct anchor){ strdup(name), begin,
						 c->json->len - begin };
	if (!more[c->anchor_count].name)
		return err_nomem(c->err);
	c->anchor_count++;
	return 0;
}

/* Comma, or nothing, before a key or an item.  1: what comes is a key. */
static int before(struct converting *c, const yaml_mark_t *mark)
{
	struct level *level;

	if (c->json->len > YAML_BYTES_MAX)
		return err_set(c->err, -E2BIG, "%s is too long", c->what);
	if (c->depth == 0) {
		if (c->done)
			return bad(c, mark, "a second document");
		c->done = true;
		return 0;
	}
	level = &c->level[c->depth - 1];
	if (level->mapping && level->value_next) {
		buf_append_byte(c->json, ':');
		level->value_next = false;
		return 0;
	}
	if (level->some)
		buf_append_byte(c->json, ',');
	level->some = true;
	if (level->mapping)
		level->value_next = true;
	return level->mapping;
}

/* Does JSON write this plain scalar as it stands? */
static bool is_plain_json(struct span text)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	uint8_t c = text.len ? text.data[0] : '"';

	return strchr("-0123456789tfn", c) && text.len < 64 &&
	       jdoc_parse(text, "a scalar", &doc, NULL) == 0;
}

static int scalar(struct converting *c, const yaml_event_t *event)
{
	struct span text = span_of(event->data.scalar.value,
				   event->data.scalar.length);
	bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		     !event->data.scalar.tag;
	int key = before(c, &event->start_mark);
	size_t begin = c->json->len;

	if (key < 0)
		return key;
	if (!key && plain && (text.len == 0 ||
			      span_equal(text, span_str("~"))))
		buf_append_str(c->json, "null");
	else if (!key && plain && is_plain_json(text))
		buf_append(c->json, text.data, text.len);
	else
		json_quote(c->json, text);
	return event->data.scalar.anchor ?
		keep_anchor(c, (char *)event->data.scalar.anchor, begin) : 0;
}

static int open_level(struct converting *c, const yaml_event_t *event,
		      bool mapping, const char *anchor)
{
	int key = before(c, &event->start_mark);

	if (key < 0)
		return key;
	if (key)
		return bad(c, &event->start_mark, "a key that is no scalar");
	if (c->depth == JDOC_DEPTH_MAX)
		return err_set(c->err, -E2BIG, "%s is deeper than %d levels",
			       c->what, JDOC_DEPTH_MAX);
	c->level[c->depth] = (struct level){
		.mapping = mapping, .begin = c->json->len,
		.anchor = anchor ? strdup(anchor) : NULL,
	};
	if (anchor && !c->level[c->depth].anchor)
		return err_nomem(c->err);
	c->depth++;
	buf_append_byte(c->json, mapping ? '{' : '[');
	return 0;
}

static int close_level(struct converting *c)
{
	struct level *level = &c->level[c->depth - 1];
	int r = 0;

	buf_append_byte(c->json, level->mapping ? '}' : ']');
	if (level->anchor)
		r = keep_anchor(c, level->anchor, level->begin);
	free(level->anchor);
	level->anchor = NULL;
	c->depth--;
	return r;
}

static int alias(struct converting *c, const yaml_event_t *event)
{
	const char *name = (const char *)event->data.alias.anchor;
	const struct anchor *found = NULL;
	int key = before(c, &event->start_mark);

	if (key < 0)
		return key;
	for (size_t i = 0; i < c->anchor_count; i++)
		if (!strcmp(c->anchors[i].name, name))
			found = &c->anchors[i];
	if (!found)
		return bad(c, &event->start_mark, "an alias of nothing");
	if (key && (found->len == 0 || c->json->data[found->begin] != '"'))
		return bad(c, &event->start_mark, "a key that is no text");
	if (buf_reserve(c->json, found->len) < 0)
		return err_nomem(c->err);
	buf_append(c->json, c->json->data + found->begin, found->len);
	return 0;
}

static int take_event(struct converting *c, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return scalar(c, event);
	case YAML_MAPPING_START_EVENT:
		return open_level(c, event, true, (const char *)
				  event->data.mapping_start.anchor);
	case YAML_SEQUENCE_START_EVENT:
		return open_level(c, event, false, (const char *)
				  event->data.sequence_start.anchor);
	case YAML_MAPPING_END_EVENT:
	case YAML_SEQUENCE_END_EVENT:
		return close_level(c);
	case YAML_ALIAS_EVENT:
		return alias(c, event);
	default:
		return 0;
	}
}

static int convert(struct converting *c)
{
	yaml_event_t event;
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		if (!yaml_parser_parse(&c->parser, &event)) {
			const char *why = c->parser.problem;

			if (c->parser.error == YAML_MEMORY_ERROR)
				return err_nomem(c->err);
			return bad(c, &c->parser.problem_mark, why ? why :
				   "it is malformed");
		}
		end = event.type == YAML_STREAM_END_EVENT;
		r = take_event(c, &event);
		yaml_event_delete(&event);
	}
	if (r == 0 && !c->done)
		r = err_corrupt(c->err, "%s is empty", c->what);
	return r;
}

int yaml_to_json(struct span yaml, const char *what, struct buf *json,
		 struct err *err)
{
	struct converting *c;
	int r;

	if (yaml.len > YAML_BYTES_MAX)
		return err_set(err, -E2BIG, "%s is longer than %u MiB", what,
			       YAML_BYTES_MAX >> 20);
	c = calloc(1, sizeof(*c));
	if (!c || !yaml_parser_initialize(&c->parser)) {
		free(c);
		return err_nomem(err);
	}
	c->what = what;
	c->json = json;
	c->err = err;
	yaml_parser_set_encoding(&c->parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&c->parser, yaml.data, yaml.len);
	r = convert(c);
	for (unsigned i = 0; i < c->depth; i++)
		free(c->level[i].anchor);
	for (size_t i = 0; i < c->anchor_count; i++)
		free(c->anchors[i].name);
	free(c->anchors);
	yaml_parser_delete(&c->parser);
	free(c);
	return r < 0 ? r : buf_check(json, err);
}
