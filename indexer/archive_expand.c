#include "indexer/archive_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "fs/base/disk.h"

/*
 * --expand: an archive in an archive becomes a directory.  Large tar and cpio
 * archives are read as they stream by; small ones, and zip and 7z, which have
 * their index at the end, from a temporary file.  There they are tried first:
 * what does not open whole (damaged, encrypted) stays a file.  Only what is
 * named .zip is taken for one: documents and programs (.docx, .jar) are zip
 * archives inside, and files to their users.
 */

static bool ends_with(struct span name, const char *ending)
{
	size_t n = strlen(ending);

	return name.len > n &&
	       !strncasecmp((const char *)name.data + name.len - n, ending, n);
}

bool expand_likely(struct span head)
{
	return sniff_packing(head) != PACKING_NONE ||
	       sniff_form(head, false) != FORM_NONE;
}

/* A package is more than the files in it, and a text than what it carries. */
static bool keeps_own_bytes(const struct layers *layers)
{
	for (unsigned i = 0; i < layers->count; i++) {
		if (layers->list[i] == PACKING_RPM ||
		    layers->list[i] == PACKING_UU)
			return true;
	}
	return false;
}

void expand_sniff(struct span path, struct span head, uint64_t whole_size,
		  struct expand_plan *ret)
{
	struct expand_plan plan = { .way = EXPAND_NOT };
	bool whole = head.len >= whole_size;

	plan.form = sniff_layers(head, whole, &plan.layers);
	if (keeps_own_bytes(&plan.layers))
		plan.form = FORM_NONE;
	if (plan.form == FORM_TAR || plan.form == FORM_CPIO)
		plan.way = whole_size <= EXPAND_TRIED ? EXPAND_SPOOL
						      : EXPAND_STREAM;
	if (!plan.layers.count &&
	    ((plan.form == FORM_ZIP && ends_with(path, ".zip")) ||
	     (plan.form == FORM_7ZIP && ends_with(path, ".7z"))))
		plan.way = EXPAND_SPOOL;
	*ret = plan;
}

/* Who may read the file may enter the directory. */
static int put_directory(struct level *outer, struct span path,
			 const struct entry *member)
{
	struct entry dir = *member;

	dir.type = ENTRY_DIR;
	dir.size = 0;
	dir.mode = (uint16_t)((member->mode & 0777) |
			      (member->mode & 0444) >> 2);
	/* Lists and capabilities were the file's. */
	dir.xattrs = NULL;
	dir.xattr_count = 0;
	dir.flags = 0;
	return put_plain(outer, path, &dir);
}

static uint64_t limit_of(const struct run *run, uint64_t size)
{
	uint64_t left = run->expanded < EXPAND_TOTAL
				? EXPAND_TOTAL - run->expanded : 0;
	uint64_t limit = size > EXPAND_TOTAL / EXPAND_RATIO
				 ? EXPAND_TOTAL : size * EXPAND_RATIO;

	if (limit < EXPAND_FLOOR)
		limit = EXPAND_FLOOR;
	return limit < left ? limit : left;
}

static void inner_level(struct level *outer, const struct buf *prefix,
			uint64_t size, struct level *ret)
{
	*ret = (struct level){
		.run = outer->run,
		.name = outer->name,
		.prefix = buf_span(prefix),
		.depth = outer->depth - 1,
		.limit = limit_of(outer->run, size),
	};
}

static int read_stream(struct level *inner, const struct expand_plan *plan,
		       struct source *bytes)
{
	struct window window;
	int r = 0;

	bytes = source_unpack(&plan->layers, bytes, NULL, inner->run->err);
	if (!bytes)
		return run_fatal(inner->run, -ENOMEM);
	window_init(&window, inner->run, bytes);
	window.limit = inner->limit;
	inner->window = &window;
	r = plan->form == FORM_TAR ? tar_read(inner)
				   : format_read(inner, plan->form, -1);
	inner->window = NULL;
	window_release(&window);
	return r;
}

/* What was spooled, as a source. */
struct file_source {
	struct source base;
	int fd;
	uint64_t at;
	uint8_t data[ARCHIVE_BUFFER];
};

static int file_next(struct source *source, struct span *ret,
		     struct err *err)
{
	struct file_source *s = (struct file_source *)source;
	ssize_t n;

	do {
		n = pread(s->fd, s->data, sizeof(s->data), (off_t)s->at);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(err, "cannot read a temporary file");
	s->at += (uint64_t)n;
	*ret = span_of(s->data, (size_t)n);
	return n > 0;
}

static void file_free(struct source *source)
{
	free(source);
}

static struct source *source_file(int fd)
{
	struct file_source *s = malloc(sizeof(*s));

	if (!s)
		return NULL;
	s->base = (struct source){ file_next, file_free };
	s->fd = fd;
	s->at = 0;
	return &s->base;
}

static int read_file(struct level *inner, const struct expand_plan *plan,
		     int fd)
{
	if (plan->form == FORM_TAR || plan->form == FORM_CPIO)
		return read_stream(inner, plan, source_file(fd));
	return format_read(inner, plan->form, fd);
}

/* A file without a name, where the store has room for such. */
static int temp_file(struct run *run, int *ret)
{
	const char *dir = getenv("TMPDIR");
	struct disk_dir *store;
	int fd;

	if (run->input->repo) {
		store = repo_dir(run->input->repo);
		return disk_open_temp(store, ret, run->err);
	}
	fd = open(dir && *dir ? dir : "/tmp",
		  O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(run->err, "cannot make a temporary file");
	*ret = fd;
	return 0;
}

static int write_all(struct run *run, int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(run->err, "cannot write a temporary "
				       "file");
		bytes.data += n;
		bytes.len -= (size_t)n;
	}
	return 0;
}

/* All of bytes into fd; *ret_why where they ended early. */
static int spool(struct run *run, struct source *bytes, int fd,
		 struct err *ret_why)
{
	struct span some;
	int r;

	while ((r = bytes->next(bytes, &some, ret_why)) > 0) {
		if (write_all(run, fd, some) < 0)
			return run_fatal(run, -EIO);
	}
	ret_why->code = r;
	if (r == -ENOMEM)
		return run_fatal(run, err_nomem(run->err));
	return run->fatal;
}

int spool_window(struct level *level, int *ret_fd)
{
	struct source *bytes = source_window(level->window);
	struct run *run = level->run;
	struct err why = ERR_INIT;
	int fd, r;

	r = bytes ? temp_file(run, &fd) : err_nomem(run->err);
	if (r < 0) {
		source_free(bytes);
		return run_fatal(run, r);
	}
	r = spool(run, bytes, fd, &why);
	source_free(bytes);
	if (r == 0 && why.code)
		put_lost(level, span_of(NULL, 0), "ends early: %s", why.text);
	if (r < 0)
		close(fd);
	else
		*ret_fd = fd;
	return r;
}

/* It was no archive after all: a file then, from what was spooled. */
static int put_spooled(struct level *outer, struct span path,
		       const struct entry *member, int fd)
{
	struct source *bytes = source_file(fd);
	struct span some;
	uint64_t at = 0;
	int r;

	if (!bytes)
		return run_fatal(outer->run, err_nomem(outer->run->err));
	r = put_begin(outer, path, member);
	while (r > 0) {
		int more = bytes->next(bytes, &some, outer->run->err);

		if (more < 0)
			r = run_fatal(outer->run, more);
		else if (more == 0)
			break;
		else if (put_data(outer, at, some) < 0)
			r = outer->run->fatal;
		at += some.len;
	}
	source_free(bytes);
	return r <= 0 ? r : put_end(outer, at);
}

static void tell_opened(struct level *outer, const struct level *inner,
			struct span path, const struct expand_plan *plan)
{
	char packed[128];

	layers_name(&plan->layers, packed, sizeof(packed));
	put_warn(outer, WEIGHT_NOTE, path,
		 "opened as a directory (%s%s); its own bytes are not kept "
		 "as a file",
		 inner->format[0] ? inner->format : "archive", packed);
}

static int read_spooled(struct level *outer, struct level *inner,
			struct span path, const struct entry *member,
			const struct expand_plan *plan, int fd)
{
	struct level dry = *inner;
	int r;

	dry.dry = true;
	dry.depth = 0;
	r = read_file(&dry, plan, fd);
	if (r < 0)
		return r;
	if (dry.trouble) {
		outer->run->expanded += dry.out;
		put_warn(outer, WEIGHT_NOTE, path, "is kept as a file: it "
			 "does not open as an archive, or not wholly");
		return put_spooled(outer, path, member, fd);
	}
	r = put_directory(outer, path, member);
	if (r < 0)
		return r;
	r = read_file(inner, plan, fd);
	if (r == 0)
		tell_opened(outer, inner, path, plan);
	return r;
}

static int run_spool(struct level *outer, struct level *inner,
		     struct span path, const struct entry *member,
		     const struct expand_plan *plan, struct source *bytes)
{
	struct err why = ERR_INIT;
	int fd, r;

	r = temp_file(outer->run, &fd);
	if (r < 0)
		return run_fatal(outer->run, r);
	r = spool(outer->run, bytes, fd, &why);
	if (r == 0 && why.code) {
		put_lost(inner, span_of(NULL, 0), "%s", why.text);
		r = put_spooled(outer, path, member, fd);
	} else if (r == 0) {
		r = read_spooled(outer, inner, path, member, plan, fd);
	}
	close(fd);
	return r;
}

int expand_run(struct level *outer, struct span path,
	       const struct entry *entry, const struct expand_plan *plan,
	       struct source *bytes)
{
	OWNED_BUF struct buf prefix = BUF_INIT;
	struct level inner;
	int r = 0;

	buf_append(&prefix, outer->prefix.data, outer->prefix.len);
	buf_append(&prefix, path.data, path.len);
	buf_append_byte(&prefix, '/');
	if (!bytes || buf_failed(&prefix)) {
		source_free(bytes);
		return run_fatal(outer->run, err_nomem(outer->run->err));
	}
	inner_level(outer, &prefix, entry->size, &inner);
	if (plan->way == EXPAND_SPOOL) {
		r = run_spool(outer, &inner, path, entry, plan, bytes);
		source_free(bytes);
	} else {
		r = put_directory(outer, path, entry);
		if (r < 0)
			source_free(bytes);
		else
			r = read_stream(&inner, plan, bytes);
		if (r == 0)
			tell_opened(outer, &inner, path, plan);
	}
	outer->run->expanded += inner.out;
	return r;
}
