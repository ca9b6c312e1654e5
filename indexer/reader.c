#include "indexer/reader.h"

const struct reader *const readers[] = {
	&reader_dir,
	&reader_archive,
	&reader_pgdump,
	NULL,
};

const struct reader *reader_by_kind(const char *kind)
{
	for (size_t i = 0; readers[i]; i++)
		if (!strcmp(readers[i]->kind, kind))
			return readers[i];
	return NULL;
}
