#include "tools/group.h"

static int parse_part(const char *text, size_t len, struct group_part *ret,
		      struct err *err)
{
	struct group_part part = { .by = GROUP_TAG };
	int r;

	if (len == 6 && !strncmp(text, "source", len)) {
		part.by = GROUP_SOURCE;
	} else if (len == 4 && !strncmp(text, "host", len)) {
		part.by = GROUP_HOST;
	} else if (len > 4 && len - 4 < sizeof(part.tag) &&
		   !strncmp(text, "tag:", 4) && text[4] != ' ') {
		memcpy(part.tag, text + 4, len - 4);
	} else {
		r = err_set(err, -EINVAL, "nothing is grouped by '%.*s'",
			    (int)len, text);
		err_hint(err, "source, host, tag:KEY, or more of them with "
			 "commas between; or none");
		return r;
	}
	*ret = part;
	return 0;
}

int grouping_parse(const char *text, struct grouping *ret, struct err *err)
{
	struct grouping by = { .given = true };
	int r = 0;

	if (!strcmp(text, "none")) {
		*ret = by;
		return 0;
	}
	for (; r == 0; text++) {
		size_t len = strcspn(text, ",");

		if (by.count == GROUP_PARTS)
			return err_set(err, -EINVAL, "grouped by more than %d "
				       "things", GROUP_PARTS);
		r = parse_part(text, len, &by.part[by.count++], err);
		text += len;
		if (!*text)
			break;
	}
	if (r == 0)
		*ret = by;
	return r;
}

/* What counts where nothing was given. */
static const struct grouping *effective(const struct grouping *by)
{
	static const struct grouping per_source = {
		.part = { { .by = GROUP_SOURCE } }, .count = 1,
	};

	return by->given ? by : &per_source;
}

void grouping_write(const struct grouping *by, struct buf *out)
{
	by = effective(by);
	if (by->count == 0)
		buf_append_str(out, "none");
	for (size_t i = 0; i < by->count; i++) {
		const struct group_part *part = &by->part[i];

		buf_printf(out, "%s%s%s", i ? "," : "",
			   part->by == GROUP_SOURCE ? "source" :
			   part->by == GROUP_HOST ? "host" : "tag:",
			   part->tag);
	}
}

bool grouping_has(const struct grouping *by, enum group_by what)
{
	by = effective(by);
	for (size_t i = 0; i < by->count; i++)
		if (by->part[i].by == what)
			return true;
	return false;
}

/* NULL: it has none. */
static const char *value_of(const struct group_part *part,
			    const struct snapshot *s)
{
	switch (part->by) {
	case GROUP_SOURCE:
		return s->record.source;
	case GROUP_HOST:
		return s->record.host;
	default:
		return record_tag(&s->record, part->tag);
	}
}

int grouping_cmp(const struct grouping *by, const struct snapshot *a,
		 const struct snapshot *b)
{
	int order = 0;

	by = effective(by);
	for (size_t i = 0; order == 0 && i < by->count; i++) {
		const char *x = value_of(&by->part[i], a);
		const char *y = value_of(&by->part[i], b);

		/* That there is none is a value of its own. */
		order = x && y ? strcmp(x, y) : (x != NULL) - (y != NULL);
	}
	return order;
}

void grouping_label(const struct grouping *by, const struct snapshot *one,
		    struct buf *out)
{
	by = effective(by);
	if (by->count == 0)
		buf_append_str(out, "all snapshots");
	for (size_t i = 0; i < by->count; i++) {
		const struct group_part *part = &by->part[i];
		const char *value = value_of(part, one);

		buf_append_str(out, i ? ", " : "");
		if (part->by == GROUP_HOST)
			buf_append_str(out, "host ");
		else if (part->by == GROUP_TAG)
			buf_printf(out, value ? "%s=" : "no tag %s",
				   part->tag);
		buf_append_str(out, value ? value : "");
	}
}
