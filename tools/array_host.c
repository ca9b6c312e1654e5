#include "tools/array_volume.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/disk.h"

#define INITIATORS_MAX 64
#define FILE_MAX 4096
#define ISCSI_KEY "InitiatorName="

/* What this machine is called by those who connect volumes to it. */
struct initiators {
	char *name[INITIATORS_MAX];
	size_t count;
};

static void initiators_release(struct initiators *i)
{
	while (i->count > 0)
		free(i->name[--i->count]);
}

static int add(struct initiators *i, const char *name, size_t len,
	       struct err *err)
{
	if (!len || i->count == INITIATORS_MAX)
		return 0;
	i->name[i->count] = strndup(name, len);
	return i->name[i->count++] ? 0 : err_nomem(err);
}

/* A small file, NUL-terminated; one that is not there is empty. */
static int read_small(const char *path, char out[FILE_MAX], struct err *err)
{
	CLEANUP(disk_close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	out[0] = '\0';
	if (fd < 0)
		return errno == ENOENT ? 0 : err_sys(err, "cannot open '%s'",
						     path);
	n = read(fd, out, FILE_MAX - 1);
	if (n < 0)
		return err_sys(err, "cannot read '%s'", path);
	out[n] = '\0';
	return 0;
}

/* Each line of a file that begins with key, but for skip bytes. */
static int add_lines(struct initiators *i, const char *dir, const char *file,
		     const char *key, size_t skip, struct err *err)
{
	char path[512], text[FILE_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	r = read_small(path, text, err);
	for (char *line = text; r == 0 && *line;
	     line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, key, strlen(key)))
			r = add(i, line + skip, strcspn(line + skip,
							" \t\r\n"), err);
	return r;
}

/* "0x21000024ff3a5b6c" as an array writes it: "21:00:00:24:FF:3A:5B:6C". */
static int add_wwn(struct initiators *i, const char *text, struct err *err)
{
	char wwn[3 * 8 + 1];
	size_t n = 0;

	if (!strncmp(text, "0x", 2))
		text += 2;
	for (; n < 8 && isxdigit((unsigned char)text[2 * n]) &&
	       isxdigit((unsigned char)text[2 * n + 1]); n++)
		snprintf(wwn + 3 * n, 4, "%c%c:",
			 toupper((unsigned char)text[2 * n]),
			 toupper((unsigned char)text[2 * n + 1]));
	return n == 8 ? add(i, wwn, 3 * 8 - 1, err) : 0;
}

static int add_wwns(struct initiators *i, const char *sys, struct err *err)
{
	char dir[256], path[640], text[FILE_MAX];
	struct dirent *entry;
	DIR *d;
	int r = 0;

	snprintf(dir, sizeof(dir), "%s/class/fc_host", sys);
	d = opendir(dir);
	if (!d)
		return errno == ENOENT ? 0 : err_sys(err, "cannot read '%s'",
						     dir);
	while (r == 0 && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/port_name", dir,
			 entry->d_name);
		r = read_small(path, text, err);
		if (r == 0)
			r = add_wwn(i, text, err);
	}
	closedir(d);
	return r;
}

static int initiators_read(struct initiators *ret, const char *etc,
			   const char *sys, struct err *err)
{
	int r = add_lines(ret, etc, "iscsi/initiatorname.iscsi", ISCSI_KEY,
			  strlen(ISCSI_KEY), err);

	if (r == 0)
		r = add_lines(ret, etc, "nvme/hostnqn", "nqn.", 0, err);
	return r < 0 ? r : add_wwns(ret, sys, err);
}

struct matching {
	const struct initiators *mine;
	char (*found)[VOLUME_TEXT];
	unsigned count;
};

static bool has_one(const struct jnode *list, const struct initiators *mine)
{
	const struct jnode *one = list ? list->child : NULL;

	for (; one; one = one->next)
		for (size_t i = 0; i < mine->count; i++)
			if (one->type == JTYPE_STRING &&
			    one->text.len == strlen(mine->name[i]) &&
			    !strncasecmp((const char *)one->text.data,
					 mine->name[i], one->text.len))
				return true;
	return false;
}

static int match_host(void *arg, const struct jnode *item, struct err *err)
{
	struct matching *m = arg;
	struct span name = jnode_text(item, "name");

	if (!has_one(jnode_get(item, "iqns"), m->mine) &&
	    !has_one(jnode_get(item, "nqns"), m->mine) &&
	    !has_one(jnode_get(item, "wwns"), m->mine))
		return 0;
	if (!name.len || name.len >= VOLUME_TEXT)
		return err_corrupt(err, "the array has a host without a name");
	if (m->count++ == 0)
		snprintf(*m->found, VOLUME_TEXT, "%.*s", (int)name.len,
			 (const char *)name.data);
	return 0;
}

static int find_given(struct rest *rest, const char *given,
		      char ret[VOLUME_TEXT], struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	int r = strlen(given) < VOLUME_TEXT ?
		rest_find(rest, "hosts", given, &doc, err) :
		err_set(err, -EINVAL, "'%s' is no host", given);

	if (r == 0)
		snprintf(ret, VOLUME_TEXT, "%s", given);
	return r;
}

int volume_host(struct rest *rest, const char *given, const char *etc,
		const char *sys, char ret[VOLUME_TEXT], struct err *err)
{
	CLEANUP(initiators_release) struct initiators mine = { .count = 0 };
	struct matching m = { .mine = &mine,
			      .found = (char (*)[VOLUME_TEXT])ret };
	int r;

	if (given)
		return find_given(rest, given, ret, err);
	r = initiators_read(&mine, etc, sys, err);
	if (r == 0 && mine.count)
		r = rest_query(rest, "hosts", match_host, &m, err);
	if (r < 0)
		return r;
	if (m.count == 1)
		return 0;
	if (!mine.count)
		err_set(err, -ENOENT, "this machine has no initiator: no "
			"'%s/iscsi/initiatorname.iscsi', no NVMe name, and no "
			"Fibre Channel port", etc);
	else
		err_set(err, -ENOENT, "%s of the array's hosts has an "
			"initiator of this machine ('%s')", m.count ?
			"more than one" : "none", mine.name[0]);
	return err_hint(err, "--host NAME says which of the array's hosts this "
			"machine is");
}

int volume_initiators(const char *etc, const char *sys, unsigned *ret,
		      struct err *err)
{
	CLEANUP(initiators_release) struct initiators mine = { .count = 0 };
	int r = initiators_read(&mine, etc, sys, err);

	if (r == 0)
		*ret = (unsigned)mine.count;
	return r;
}
