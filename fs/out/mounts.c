#include "fs/out/mounts.h"

#include <stdio.h>
#include <stdlib.h>

/* /proc writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		if (in[0] == '\\' && in[1] && in[2] && in[3]) {
			*out = (char)((in[1] - '0') << 6 |
				      (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = 0;
}

/* "ID PARENT DEV ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS" */
static bool parse(char *line, struct mount_row *ret)
{
	char *dash = strstr(line, " - "), *root = line, *place, *type, *source;

	if (!dash)
		return false;
	*dash = 0;
	type = dash + 3;
	source = strchr(type, ' ');
	if (!source)
		return false;
	*source++ = 0;
	source[strcspn(source, " \n")] = 0;
	for (int i = 0; i < 3; i++) {
		root = strchr(root, ' ');
		if (!root++)
			return false;
	}
	place = strchr(root, ' ');
	if (!place)
		return false;
	*place++ = 0;
	place[strcspn(place, " ")] = 0;
	unescape(place);
	unescape(source);
	unescape(root);
	*ret = (struct mount_row){ place, root, type, source };
	return true;
}

int mounts_each(int (*each)(void *arg, const struct mount_row *row,
			    struct err *err), void *arg, struct err *err)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	struct mount_row row;
	char *line = NULL;
	size_t cap = 0;
	int r = 0;

	if (!file)
		return err_sys(err, "cannot read /proc/self/mountinfo");
	while (r == 0 && getline(&line, &cap, file) > 0)
		if (parse(line, &row))
			r = each(arg, &row, err);
	/* neither is it the end when there is no memory for a line */
	if (r == 0 && !feof(file))
		r = err_sys(err, "cannot read /proc/self/mountinfo");
	free(line);
	fclose(file);
	return r;
}

bool path_is_in(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1)
		return true;
	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}
