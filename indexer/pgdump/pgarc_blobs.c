#include "indexer/pgdump/pgarc_internal.h"

#include <stdlib.h>

bool blobs_is_name(const char *name)
{
	return *name && *name != '.' && !strchr(name, '/') &&
	       strlen(name) <= 255;
}

/* "16400 blob_16400.dat\n" */
static int split(const char *line, uint32_t *ret_oid, char *ret_name,
		 struct err *err)
{
	char *end;
	unsigned long oid = strtoul(line, &end, 10);
	size_t len;

	while (*end == ' ')
		end++;
	len = strcspn(end, " \t\r\n");
	if (!oid || oid > UINT32_MAX || !len || len > 255)
		return err_corrupt(err, "a line of the list of large objects "
				   "is damaged: '%.40s'", line);
	*ret_oid = (uint32_t)oid;
	memcpy(ret_name, end, len);
	ret_name[len] = 0;
	if (!blobs_is_name(ret_name))
		return err_corrupt(err, "the list of large objects names a "
				   "file elsewhere: '%.200s'", ret_name);
	return 0;
}

int blobs_line(struct blobs_list *list, struct span *from, uint32_t *ret_oid,
	       char *ret_name, struct err *err)
{
	int r;

	while (from->len > 0) {
		char byte = (char)*from->data;

		from->data++;
		from->len--;
		if (byte == '\n') {
			list->line[list->len] = 0;
			list->len = 0;
			r = split(list->line, ret_oid, ret_name, err);
			return r < 0 ? r : 1;
		}
		if (list->len == BLOBS_LINE_MAX || byte == 0)
			return err_corrupt(err, "the list of large objects is "
					   "damaged");
		list->line[list->len++] = byte;
	}
	return 0;
}
