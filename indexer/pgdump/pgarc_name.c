#include "indexer/pgdump/pgarc_internal.h"

#include <stdlib.h>

struct keyword {
	const char *word;
	unsigned since;		/* this major version; 0: all that are read */
};

static int by_word(const void *a, const void *b)
{
	return strcmp(a, ((const struct keyword *)b)->word);
}

/*
 * The keywords that are not free to be names: what pg_get_keywords() of the
 * versions tells to be of another category than U.
 */
static bool is_keyword(const char *name, unsigned major)
{
	static const struct keyword keywords[] = {
		{ "all", 0 }, { "analyse", 0 }, { "analyze", 0 },
		{ "and", 0 }, { "any", 0 }, { "array", 0 }, { "as", 0 },
		{ "asc", 0 }, { "asymmetric", 0 }, { "authorization", 0 },
		{ "between", 0 }, { "bigint", 0 }, { "binary", 0 },
		{ "bit", 0 }, { "boolean", 0 }, { "both", 0 }, { "case", 0 },
		{ "cast", 0 }, { "char", 0 }, { "character", 0 },
		{ "check", 0 }, { "coalesce", 0 }, { "collate", 0 },
		{ "collation", 901 }, { "column", 0 }, { "concurrently", 0 },
		{ "constraint", 0 }, { "create", 0 }, { "cross", 0 },
		{ "current_catalog", 0 }, { "current_date", 0 },
		{ "current_role", 0 }, { "current_schema", 0 },
		{ "current_time", 0 }, { "current_timestamp", 0 },
		{ "current_user", 0 }, { "dec", 0 }, { "decimal", 0 },
		{ "default", 0 }, { "deferrable", 0 }, { "desc", 0 },
		{ "distinct", 0 }, { "do", 0 }, { "else", 0 }, { "end", 0 },
		{ "except", 0 }, { "exists", 0 }, { "extract", 0 },
		{ "false", 0 }, { "fetch", 0 }, { "float", 0 }, { "for", 0 },
		{ "foreign", 0 }, { "freeze", 0 }, { "from", 0 },
		{ "full", 0 }, { "grant", 0 }, { "greatest", 0 },
		{ "group", 0 }, { "grouping", 905 }, { "having", 0 },
		{ "ilike", 0 }, { "in", 0 }, { "initially", 0 },
		{ "inner", 0 }, { "inout", 0 }, { "int", 0 },
		{ "integer", 0 }, { "intersect", 0 }, { "interval", 0 },
		{ "into", 0 }, { "is", 0 }, { "isnull", 0 }, { "join", 0 },
		{ "json", 1700 }, { "json_array", 1600 },
		{ "json_arrayagg", 1600 }, { "json_exists", 1700 },
		{ "json_object", 1600 }, { "json_objectagg", 1600 },
		{ "json_query", 1700 }, { "json_scalar", 1700 },
		{ "json_serialize", 1700 }, { "json_table", 1700 },
		{ "json_value", 1700 }, { "lateral", 903 }, { "leading", 0 },
		{ "least", 0 }, { "left", 0 }, { "like", 0 }, { "limit", 0 },
		{ "localtime", 0 }, { "localtimestamp", 0 },
		{ "merge_action", 1700 }, { "national", 0 }, { "natural", 0 },
		{ "nchar", 0 }, { "none", 0 }, { "normalize", 1300 },
		{ "not", 0 }, { "notnull", 0 }, { "null", 0 },
		{ "nullif", 0 }, { "numeric", 0 }, { "offset", 0 },
		{ "on", 0 }, { "only", 0 }, { "or", 0 }, { "order", 0 },
		{ "out", 0 }, { "outer", 0 }, { "overlaps", 0 },
		{ "overlay", 0 }, { "placing", 0 }, { "position", 0 },
		{ "precision", 0 }, { "primary", 0 }, { "real", 0 },
		{ "references", 0 }, { "returning", 0 }, { "right", 0 },
		{ "row", 0 }, { "select", 0 }, { "session_user", 0 },
		{ "setof", 0 }, { "similar", 0 }, { "smallint", 0 },
		{ "some", 0 }, { "substring", 0 }, { "symmetric", 0 },
		{ "system_user", 1600 }, { "table", 0 },
		{ "tablesample", 905 }, { "then", 0 }, { "time", 0 },
		{ "timestamp", 0 }, { "to", 0 }, { "trailing", 0 },
		{ "treat", 0 }, { "trim", 0 }, { "true", 0 }, { "union", 0 },
		{ "unique", 0 }, { "user", 0 }, { "using", 0 },
		{ "values", 0 }, { "varchar", 0 }, { "variadic", 0 },
		{ "verbose", 0 }, { "when", 0 }, { "where", 0 },
		{ "window", 0 }, { "with", 0 }, { "xmlattributes", 0 },
		{ "xmlconcat", 0 }, { "xmlelement", 0 }, { "xmlexists", 901 },
		{ "xmlforest", 0 }, { "xmlnamespaces", 1000 },
		{ "xmlparse", 0 }, { "xmlpi", 0 }, { "xmlroot", 0 },
		{ "xmlserialize", 0 }, { "xmltable", 1000 },
	};
	const struct keyword *found =
		bsearch(name, keywords, sizeof(keywords) / sizeof(keywords[0]),
			sizeof(keywords[0]), by_word);

	return found && major >= found->since;
}

static bool is_plain(const char *name)
{
	if (!(*name >= 'a' && *name <= 'z') && *name != '_')
		return false;
	for (; *name; name++)
		if (!(*name >= 'a' && *name <= 'z') &&
		    !(*name >= '0' && *name <= '9') && *name != '_')
			return false;
	return true;
}

void name_quote(struct buf *out, const char *name, unsigned major)
{
	if (is_plain(name) && !is_keyword(name, major)) {
		buf_append_str(out, name);
		return;
	}
	buf_append_byte(out, '"');
	for (; *name; name++) {
		if (*name == '"')
			buf_append_byte(out, '"');
		buf_append_byte(out, (uint8_t)*name);
	}
	buf_append_byte(out, '"');
}

void name_comment(struct buf *out, const char *name, bool hyphen)
{
	if (!name) {
		buf_append_str(out, hyphen ? "-" : "");
		return;
	}
	for (; *name; name++)
		buf_append_byte(out, *name == '\n' || *name == '\r'
					     ? ' '
					     : (uint8_t)*name);
}
