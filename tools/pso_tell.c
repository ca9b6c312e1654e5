#include "tools/pso_tell.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/format.h"

const char *tell_name(enum tell tell)
{
	static const char *const names[] = {
		[TELL_OK] = "ok", [TELL_NOTE] = "note", [TELL_WARN] = "warn",
		[TELL_UNKNOWN] = "unknown", [TELL_BAD] = "BAD",
	};

	return names[tell];
}

void findings_release(struct findings *findings)
{
	for (size_t i = 0; i < findings->count; i++)
		free(findings->row[i].words);
	free(findings->row);
	*findings = (struct findings){ .row = NULL };
}

void findings_add(struct findings *findings, enum tell tell,
		  const char *check, const char *fmt, ...)
{
	struct finding *more = reallocarray(findings->row,
					    findings->count + 1,
					    sizeof(*more));
	va_list ap;
	int n;

	if (more)
		findings->row = more;
	findings->failed |= !more;
	if (!more)
		return;
	more = &more[findings->count];
	*more = (struct finding){ .tell = tell, .check = check };
	va_start(ap, fmt);
	n = vasprintf(&more->words, fmt, ap);
	va_end(ap);
	if (n < 0)
		findings->failed = true;
	else
		findings->count++;
}

enum tell findings_worst(const struct findings *findings)
{
	enum tell worst = TELL_OK;

	for (size_t i = 0; i < findings->count; i++)
		if (findings->row[i].tell > worst)
			worst = findings->row[i].tell;
	return worst;
}

static void print_one(const struct finding *f)
{
	OWNED_BUF struct buf line = BUF_INIT;

	buf_printf(&line, "%-8s %-13s ", tell_name(f->tell), f->check);
	name_append(&line, span_str(f->words), out_is_terminal(stdout));
	if (buf_str(&line))
		puts(buf_str(&line));
	else
		output_lost = true;
}

int findings_print(const struct findings *findings, const struct tool *tool,
		   struct err *err)
{
	OWNED_BUF struct buf line = BUF_INIT;
	struct json json;

	if (findings->failed)
		return err_nomem(err);
	for (size_t i = 0; i < findings->count; i++) {
		const struct finding *f = &findings->row[i];

		if (!tool->json) {
			print_one(f);
			continue;
		}
		json_init(&json, &line);
		json_open_object(&json, NULL);
		json_str(&json, "check", f->check);
		json_str(&json, "state", f->tell == TELL_BAD ? "bad" :
			 tell_name(f->tell));
		json_name(&json, "what", span_str(f->words));
		json_close_object(&json);
		json_print(&line);
	}
	return 0;
}
