#include "indexer/reader.h"

#include "indexer/pso/pso.h"

const struct reader *const readers[] = {
	&reader_dir,
	&reader_archive,
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
