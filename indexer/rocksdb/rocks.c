#include "indexer/rocksdb/rocks_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define CURRENT_MAX  4096u
#define IDENTITY_MAX 4096u
#define ARENA_PART   (64u << 10)

/* Memory. */

struct arena_part {
	struct arena_part *next;
	uint8_t bytes[];
};

int rocks_keep(struct rocks *rocks, struct span bytes, struct span *ret,
	       struct err *err)
{
	struct rocks_own *own = rocks->own;
	struct arena_part *part = own->arena;

	if (bytes.len > ROCKS_MEMORY_MAX - own->arena_sum)
		return err_set(err, -EFBIG, "its keys and names are longer "
			       "than %u bytes together", ROCKS_MEMORY_MAX);
	if (bytes.len == 0) {
		*ret = span_of(NULL, 0);
		return 0;
	}
	if (bytes.len > own->arena_left) {
		size_t room = bytes.len > ARENA_PART ? bytes.len : ARENA_PART;

		part = malloc(sizeof(*part) + room);
		if (!part)
			return err_nomem(err);
		part->next = own->arena;
		own->arena = part;
		own->arena_left = room;
	}
	/* taken from the end, so that no place has to be remembered */
	own->arena_left -= bytes.len;
	own->arena_sum += bytes.len;
	memcpy(part->bytes + own->arena_left, bytes.data, bytes.len);
	*ret = span_of(part->bytes + own->arena_left, bytes.len);
	return 0;
}

int rocks_grow(void **array, size_t *room, size_t count, size_t size,
	       size_t max, struct err *err)
{
	size_t want = *room ? 2 * *room : 16;
	void *more;

	if (count < *room)
		return 0;
	if (count >= max)
		return err_set(err, -EFBIG, "it has more than %zu "
			       "entries of one kind", max);
	more = reallocarray(*array, want, size);
	if (!more)
		return err_nomem(err);
	*array = more;
	*room = want;
	return 0;
}

void rocks_free(struct rocks *rocks)
{
	struct rocks_own *own;

	if (!rocks)
		return;
	own = rocks->own;
	for (size_t i = 0; i < rocks->finding_count; i++)
		free(rocks->findings[i].text);
	for (size_t i = 0; own && i < own->name_count; i++)
		free(own->names[i].name);
	while (own && own->arena) {
		struct arena_part *part = own->arena;

		own->arena = part->next;
		free(part);
	}
	if (own) {
		free(own->names);
		number_map_release(&own->tables);
		number_map_release(&own->blob_files);
		buf_release(&own->scratch);
		buf_release(&own->plain);
	}
	free(own);
	free(rocks->families);
	free(rocks->files);
	free(rocks->blobs);
	free(rocks->wals);
	free(rocks->findings);
	free(rocks);
}

void rocks_free_ptr(struct rocks **rocks)
{
	rocks_free(*rocks);
}

/* Findings. */

static int __attribute__((format(printf, 3, 0)))
find_text(struct rocks *rocks, struct rocks_finding *finding, const char *fmt,
	  va_list ap, struct err *err)
{
	struct rocks_own *own = rocks->own;
	int r = rocks_grow((void **)&rocks->findings, &own->finding_room,
			   rocks->finding_count, sizeof(*finding),
			   ROCKS_FINDINGS_MAX, err);

	if (r == 0 && vasprintf(&finding->text, fmt, ap) < 0)
		r = err_nomem(err);
	if (r == 0)
		rocks->findings[rocks->finding_count++] = *finding;
	return r;
}

int rocks_find(struct rocks *rocks, enum rocks_weight weight,
	       const char *file, const uint64_t *offset,
	       const uint64_t *want, uint64_t found, struct err *err,
	       const char *fmt, ...)
{
	struct rocks_finding finding = {
		.weight = weight, .has_offset = offset != NULL,
		.offset = offset ? *offset : 0, .has_sizes = want != NULL,
		.want = want ? *want : 0, .found = found,
	};
	va_list ap;
	int r = 0;

	snprintf(finding.file, sizeof(finding.file), "%s", file);
	rocks->notes += weight == ROCKS_NOTE;
	rocks->incomplete += weight == ROCKS_INCOMPLETE;
	rocks->damaged += weight == ROCKS_DAMAGED;
	va_start(ap, fmt);
	if (rocks->finding_count < ROCKS_FINDINGS_MAX)
		r = find_text(rocks, &finding, fmt, ap, err);
	va_end(ap);
	return r;
}

/* The directory. */

static int take_name(void *arg, const char *name, bool dir, uint64_t size,
		     struct err *err)
{
	struct rocks *rocks = arg;
	struct rocks_own *own = rocks->own;
	struct dir_file file = { .size = size, .dir = dir };
	int r;

	/* No file of RocksDB has such a name. */
	if (strlen(name) > ROCKS_NAME_MAX)
		return 0;
	r = rocks_grow((void **)&own->names, &own->name_room, own->name_count,
		       sizeof(file), ROCKS_DIR_FILES_MAX, err);
	if (r < 0)
		return r;
	file.name = strdup(name);
	if (!file.name)
		return err_nomem(err);
	own->names[own->name_count++] = file;
	return 0;
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(((const struct dir_file *)a)->name,
		      ((const struct dir_file *)b)->name);
}

struct dir_file *rocks_name(struct rocks *rocks, const char *name)
{
	struct dir_file key = { .name = (char *)(uintptr_t)name };
	struct dir_file *found;

	if (rocks->own->name_count == 0)
		return NULL;
	found = bsearch(&key, rocks->own->names, rocks->own->name_count,
			sizeof(key), name_cmp);
	if (found)
		found->known = true;
	return found && !found->dir ? found : NULL;
}

int rocks_read(struct rocks *rocks, const char *name, uint64_t offset,
	       uint64_t len, uint64_t max, struct buf *out, struct err *err)
{
	const struct rocks_source *source = &rocks->own->source;
	size_t got = 0, n = (size_t)len;
	int r;

	buf_clear(out);
	if (len > max)
		return err_set(err, -EFBIG, "a piece of '%s' is longer than "
			       "%llu bytes", name, (unsigned long long)max);
	if (buf_reserve(out, n ? n : 1) < 0)
		return err_nomem(err);
	while (out->len < n) {
		r = source->read(source->arg, name, offset + out->len,
				 out->data + out->len, n - out->len, &got,
				 err);
		if (r < 0)
			return r;
		if (got == 0)
			return err_set(err, -ESTALE, "'%s' became shorter "
				       "while it was read", name);
		out->len += got;
	}
	return 0;
}

/* CURRENT: the name of the MANIFEST and a newline. */

static bool is_manifest_name(struct span name)
{
	static const char head[] = "MANIFEST-";
	size_t n = sizeof(head) - 1;

	if (name.len <= n || name.len > ROCKS_NAME_MAX ||
	    memcmp(name.data, head, n) != 0)
		return false;
	for (size_t i = n; i < name.len; i++)
		if (name.data[i] < '0' || name.data[i] > '9')
			return false;
	return true;
}

static int take_manifest(struct rocks *rocks, struct span name,
			 struct err *err)
{
	struct dir_file *file;

	memcpy(rocks->manifest, name.data, name.len);
	rocks->manifest[name.len] = '\0';
	file = rocks_name(rocks, rocks->manifest);
	if (!file)
		return rocks_find(rocks, ROCKS_INCOMPLETE, rocks->manifest,
				  NULL, NULL, 0, err,
				  "it is missing, and CURRENT names it");
	rocks->manifest_size = file->size;
	return live_read(rocks, err);
}

static int read_current(struct rocks *rocks, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	const struct dir_file *file = rocks_name(rocks, "CURRENT");
	struct span name;
	int r;

	if (!file)
		return rocks_find(rocks, ROCKS_INCOMPLETE, "CURRENT", NULL,
				  NULL, 0, err, "it is missing, and only it "
				  "tells which MANIFEST counts");
	if (file->size > CURRENT_MAX)
		return rocks_find(rocks, ROCKS_DAMAGED, "CURRENT", NULL, NULL,
				  0, err, "it is longer than a name");
	r = rocks_read(rocks, "CURRENT", 0, file->size, CURRENT_MAX, &bytes,
		       err);
	if (r < 0)
		return r;
	name = buf_span(&bytes);
	if (name.len == 0 || name.data[name.len - 1] != '\n')
		return rocks_find(rocks, ROCKS_INCOMPLETE, "CURRENT", NULL,
				  NULL, 0, err, "it does not end with a "
				  "newline: it was cut short, or changed");
	name.len--;
	if (!is_manifest_name(name))
		return rocks_find(rocks, ROCKS_DAMAGED, "CURRENT", NULL, NULL,
				  0, err, "it names no MANIFEST");
	return take_manifest(rocks, name, err);
}

/* IDENTITY: the id of the database, for MANIFESTs that have none. */
static int read_identity(struct rocks *rocks, struct err *err)
{
	OWNED_BUF struct buf bytes = BUF_INIT;
	const struct dir_file *file = rocks_name(rocks, "IDENTITY");
	struct span id;
	int r;

	if (!file || file->size > IDENTITY_MAX)
		return 0;
	r = rocks_read(rocks, "IDENTITY", 0, file->size, IDENTITY_MAX, &bytes,
		       err);
	if (r < 0)
		return r;
	id = buf_span(&bytes);
	while (id.len > 0 && (id.data[id.len - 1] == '\n' ||
			      id.data[id.len - 1] == '\r'))
		id.len--;
	if (rocks->db_id.len == 0) {
		rocks->db_id_from = id.len ? "IDENTITY" : NULL;
		return rocks_keep(rocks, id, &rocks->db_id, err);
	}
	if (span_equal(id, rocks->db_id))
		return 0;
	return rocks_find(rocks, ROCKS_NOTE, "IDENTITY", NULL, NULL, 0, err,
			  "it has another database id than the MANIFEST");
}

/* Older MANIFESTs have no id, and fresh checkpoints no IDENTITY; each table
 * says which database made it. */
static void take_id_of_tables(struct rocks *rocks)
{
	struct span id = span_of(NULL, 0);

	if (rocks->db_id.len > 0)
		return;
	for (size_t i = 0; i < rocks->file_count; i++) {
		const struct rocks_table *t = &rocks->files[i].table;

		if (!t->known || t->db_id.len == 0)
			continue;
		/* some were taken in from elsewhere */
		if (id.len > 0 && !span_equal(id, t->db_id))
			return;
		id = t->db_id;
	}
	rocks->db_id = id;
	rocks->db_id_from = id.len ? "tables" : NULL;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && !strcmp(name + n - m, suffix);
}

static bool is_rocksdb(const struct rocks *rocks)
{
	const struct rocks_own *own = rocks->own;

	for (size_t i = 0; i < own->name_count; i++) {
		const struct dir_file *f = &own->names[i];

		if (!f->dir && (!strcmp(f->name, "CURRENT") ||
				is_manifest_name(span_str(f->name)) ||
				has_suffix(f->name, ".sst")))
			return true;
	}
	return false;
}

static int read_all(struct rocks *rocks, const char *name, struct err *err)
{
	const struct rocks_source *source = &rocks->own->source;
	int r = source->list(source->arg, take_name, rocks, err);

	if (r < 0)
		return r;
	if (rocks->own->name_count)
		qsort(rocks->own->names, rocks->own->name_count,
		      sizeof(*rocks->own->names), name_cmp);
	if (!is_rocksdb(rocks))
		return err_set(err, -ENODATA, "'%s' is no RocksDB database or "
			       "checkpoint", name);
	if (has_suffix(name, ".tmp"))
		r = rocks_find(rocks, ROCKS_INCOMPLETE, "", NULL, NULL, 0,
			       err, "the checkpoint is unfinished: it gets a "
			       "name without '.tmp' when it is whole");
	if (r == 0)
		r = read_current(rocks, err);
	if (r == 0)
		r = read_identity(rocks, err);
	if (r == 0)
		r = options_read(rocks, err);
	if (r == 0)
		r = check_files(rocks, err);
	if (r == 0)
		take_id_of_tables(rocks);
	return r;
}

int rocks_open(const struct rocks_source *source, const char *name,
	       unsigned flags, struct rocks **ret, struct err *err)
{
	struct rocks *rocks = calloc(1, sizeof(*rocks));
	int r;

	if (rocks)
		rocks->own = calloc(1, sizeof(*rocks->own));
	if (!rocks || !rocks->own) {
		rocks_free(rocks);
		return err_nomem(err);
	}
	rocks->own->source = *source;
	rocks->own->flags = flags;
	r = read_all(rocks, name, err);
	if (r < 0) {
		rocks_free(rocks);
		return r;
	}
	*ret = rocks;
	return 0;
}

void rocks_key_text(struct span key, struct buf *out)
{
	for (size_t i = 0; i < key.len; i++) {
		uint8_t c = key.data[i];

		if (c == '\\')
			buf_append_str(out, "\\\\");
		else if (c >= ' ' && c < 0x7f)
			buf_append_byte(out, c);
		else
			buf_printf(out, "\\x%02X", c);
	}
}
