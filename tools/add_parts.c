#include "tools/add_parts.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "tools/format.h"
#include "tools/probe.h"

int worse_status(int a, int b)
{
	static const int rank[] = { [DONE] = 0, [INCOMPLETE] = 1,
				    [WRONG_USE] = 2, [FAILED] = 3,
				    [LOCKED] = 4, [DAMAGED] = 5 };

	return rank[a] >= rank[b] ? a : b;
}

struct looking {
	const struct tool *tool;
	bool lost;		/* some place could not be looked into */
};

static void take_warning(void *arg, enum weight weight, const char *sentence)
{
	struct looking *looking = arg;

	if (weight == WEIGHT_NOTE) {
		note(looking->tool, "%s", sentence);
		return;
	}
	warn("%s", sentence);
	looking->lost |= weight >= WEIGHT_LOST;
}

/* base: the source's name, or a directory in front of it. */
static void join(const char *base, const char *rest, struct buf *out)
{
	buf_clear(out);
	buf_append_str(out, base);
	if (*rest && out->len && out->data[out->len - 1] != '/')
		buf_append_byte(out, '/');
	buf_append_str(out, rest);
}

static void tell_known(const struct tool *tool, const struct part *part,
		       const struct snapshot *known)
{
	OWNED_BUF struct buf line = BUF_INIT;
	char label[LABEL_TEXT];
	struct json json;

	snapshot_label(&known->record, label);
	if (tool->json) {
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_snapshot(&json, known);
		json_bool(&json, "already_there", true);
		json_close_object(&json);
		json_print(&line);
	}
	if (known->record.incomplete)
		warn("already there: %s, as '%s', which is incomplete: %s",
		     part->label, label, known->record.incomplete);
	else if (!tool->json)
		say(tool, "Already there: %s, as '%s'.", part->label, label);
}

/* 1: the store has it, *ret_status is what that comes to; 0: add it. */
static int pass_over(const struct parts_add *adding,
		     const struct input *input, const char *source,
		     int *ret_status, struct err *err)
{
	struct snapshot known = { .forgotten = false };
	int r;

	if (!adding->reader->known || adding->again)
		return 0;
	r = adding->reader->known(input, source, &known, err);
	if (r <= 0)
		return r;
	tell_known(adding->tool, input->part, &known);
	*ret_status = known.record.incomplete ? INCOMPLETE : DONE;
	snapshot_release(&known);
	return 1;
}

/* Whoever makes them also removes them. */
static bool is_gone(const struct input *input)
{
	struct stat st;

	return !input->tree && stat(input->path, &st) < 0 && errno == ENOENT;
}

static int add_one(const struct parts_add *adding, const struct part *part,
		   struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT, source = BUF_INIT;
	OWNED_BUF struct buf shown = BUF_INIT;
	struct input input = *adding->input;
	int status = DONE, r;

	join(input.path, part->path, &path);
	join(adding->source, part->source, &source);
	if (input.tree)
		buf_printf(&shown, "%s:%s", adding->shown, part->path);
	else
		join(adding->shown, part->path, &shown);
	if (!buf_str(&path) || !buf_str(&source) || !buf_str(&shown))
		return err_nomem(err);
	input.path = buf_str(&path);
	input.part = part;
	r = source_check_new(buf_str(&source), err);
	if (r < 0) {
		err_wrap(err, "cannot add '%s'", buf_str(&shown));
		return err_hint(err, "given as a PATH of its own, it gets a "
				"source by -s SOURCE");
	}
	r = pass_over(adding, &input, buf_str(&source), &status, err);
	if (r == 0)
		r = adding->add(adding->arg, adding->reader, &input,
				buf_str(&source), buf_str(&shown), err);
	else if (r > 0)
		r = status;
	if (r >= 0 || r == -ECANCELED || !is_gone(&input))
		return r;
	note(adding->tool, "%s was removed while it was read: no snapshot was "
	     "made of it", part->label);
	return DONE;
}

static int check_use(const struct parts_add *adding,
		     const struct parts *parts, struct err *err)
{
	if (parts->count < 2 || !adding->is_timed)
		return 0;
	return err_set(err, -EINVAL, "--time would date all %zu backups in "
		       "'%s' the same", parts->count, adding->shown);
}

/* Where none was given, the name comes of what was found. */
static int name_source(struct parts_add *adding, const struct parts *parts,
		       struct buf *name, struct err *err)
{
	int r;

	if (!parts->named_after || adding->is_named)
		return 0;
	r = source_from_path(parts->named_after, name, err);
	if (r < 0)
		return r;
	adding->source = buf_str(name);
	return adding->source ? 0 : err_nomem(err);
}

int parts_add_all(struct parts_add *adding, struct err *err)
{
	CLEANUP(parts_release) struct parts parts = { .count = 0 };
	OWNED_BUF struct buf name = BUF_INIT;
	struct looking looking = { .tool = adding->tool };
	int status, r;

	parts.warn = take_warning;
	parts.arg = &looking;
	r = adding->reader->parts(adding->input, &parts, err);
	if (r >= 0)
		r = check_use(adding, &parts, err);
	if (r >= 0)
		r = name_source(adding, &parts, &name, err);
	if (r < 0)
		return r;
	status = looking.lost ? INCOMPLETE : DONE;
	for (size_t i = 0; i < parts.count; i++) {
		r = add_one(adding, &parts.part[i], err);
		if (r == -ECANCELED || (r < 0 && parts.count == 1))
			return r;
		if (r < 0) {
			complain(err);
			r = exit_status_of(r);
		}
		status = worse_status(status, r);
	}
	return status;
}
