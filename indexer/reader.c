#include "indexer/reader.h"

#include <stdlib.h>

#include "indexer/pso/pso.h"

const struct reader *const readers[] = {
	&reader_dir,
	&reader_archive,
	&reader_rocksdb,
	&reader_pgdump,
	&reader_pso,
	NULL,
};

const struct reader *reader_by_kind(const char *kind)
{
	for (size_t i = 0; readers[i]; i++)
		if (!strcmp(readers[i]->kind, kind))
			return readers[i];
	return NULL;
}

int parts_add(struct parts *parts, const char *path, const char *source,
	      struct part **ret, struct err *err)
{
	struct part *part = reallocarray(parts->part, parts->count + 1,
					 sizeof(*part));

	if (!part)
		return err_nomem(err);
	parts->part = part;
	part += parts->count++;
	*part = (struct part){
		.path = strdup(path),
		.source = strdup(source),
	};
	*ret = part;
	return part->path && part->source ? 0 : err_nomem(err);
}

int part_attr(struct part *part, const char *key, const char *value,
	      struct err *err)
{
	struct record_pair *pair = reallocarray(part->attrs,
						part->attr_count + 1,
						sizeof(*pair));

	if (!pair)
		return err_nomem(err);
	part->attrs = pair;
	pair += part->attr_count++;
	*pair = (struct record_pair){ strdup(key), strdup(value) };
	return pair->key && pair->value ? 0 : err_nomem(err);
}

void parts_release(struct parts *parts)
{
	for (size_t i = 0; i < parts->count; i++) {
		struct part *part = &parts->part[i];

		for (size_t n = 0; n < part->attr_count; n++) {
			free(part->attrs[n].key);
			free(part->attrs[n].value);
		}
		free(part->attrs);
		free(part->path);
		free(part->source);
		free(part->label);
	}
	free(parts->part);
	free(parts->named_after);
	*parts = (struct parts){ .count = 0 };
}
