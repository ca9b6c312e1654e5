#include "tools/tool.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "tools/format.h"
#include "tools/progress.h"

volatile int stopped;

int exit_status_of(int code)
{
	switch (code) {
	case -EINVAL:
		return WRONG_USE;
	case -EBADMSG:
		return DAMAGED;
	case -EBUSY:
		return LOCKED;
	}
	return FAILED;
}

/* Without memory for more: what is not plain ASCII is left out. */
static void print_bare(const char *before, const char *words)
{
	fputs(before, stderr);
	for (; *words; words++)
		fputc(*words >= ' ' && *words < 0x7f ? *words : '?', stderr);
	fputc('\n', stderr);
}

/* Words may quote names out of a backup: none may drive the terminal. */
static void print_line(const char *before, const char *words)
{
	OWNED_BUF struct buf line = BUF_INIT;

	name_append(&line, span_str(words), out_is_terminal(stderr));
	progress_wipe();
	if (buf_failed(&line))
		print_bare(before, words);
	else
		fprintf(stderr, "%s%.*s\n", before, (int)line.len,
			line.data ? (const char *)line.data : "");
}

static char mail_place[1024];

void tool_expect_mail(const struct tool *tool)
{
	const char *source = NULL;
	char host[256] = "?";

	if (!tool->quiet || !tool->store || out_is_terminal(stderr))
		return;
	gethostname(host, sizeof(host) - 1);
	/* Elsewhere than in add it is a pattern, or none of its options. */
	if (!strcmp(tool->command->name, "add"))
		source = option_value(&tool->options, "source");
	snprintf(mail_place, sizeof(mail_place), "host '%s', store '%s'%s%s%s: ",
		 host, tool->store, source ? ", source '" : "",
		 source ? source : "", source ? "'" : "");
}

/* What says it itself, or says it of several sources, says it once. */
static void print_placed(const char *before, const char *words)
{
	OWNED_BUF struct buf line = BUF_INIT;
	bool said = !strncmp(words, "host '", 6);

	buf_printf(&line, "%s%s", said ? "" : mail_place, words);
	print_line(before, buf_str(&line) ? (char *)line.data : words);
}

/* What a store and runs of their own are found by, put where a hint names the
 * commands that go on with them. */
static const char *hint_store, *hint_journal;
/* Written by the handler of signals. */
static const char *volatile stop_words;

void hint_option(struct buf *out, const char *name, const char *value)
{
	bool plain = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP"
			    "QRSTUVWXYZ0123456789_-+=:,./@%") ==
		     strlen(value);

	buf_printf(out, "%s %s", name, plain ? "" : "\"");
	for (; *value; value++)
		buf_printf(out, "%s%c", strchr("\"$`\\", *value) ? "\\" : "",
			   *value);
	buf_printf(out, "%s ", plain ? "" : "\"");
}

static void print_hint(const char *hint)
{
	static const char *const verbs[] = { "resume ", "rollback ", "runs",
					     NULL };
	OWNED_BUF struct buf line = BUF_INIT;
	const char *from = hint, *at;

	while ((at = strstr(from, "varve ")) != NULL) {
		const char *command = at + 6;
		size_t i = 0;

		while (verbs[i] &&
		       strncmp(command, verbs[i], strlen(verbs[i])) != 0)
			i++;
		buf_append(&line, from, (size_t)(command - from));
		from = command;
		if (!verbs[i])
			continue;
		if (hint_store)
			hint_option(&line, "--store", hint_store);
		if (hint_journal) {
			size_t len = strcspn(command, " ';:,");

			buf_append(&line, command, len);
			buf_append_byte(&line, ' ');
			hint_option(&line, "--journal", hint_journal);
			line.len--;
			from = command + len;
		}
	}
	buf_append(&line, from, strlen(from));
	print_line("hint: ", buf_str(&line) ? (char *)line.data : hint);
}

void tool_expect_runs(const struct tool *tool)
{
	const char *store = getenv("VARVE_STORE");

	hint_store = tool->store && (!store || strcmp(store, tool->store)) ?
		     tool->store : NULL;
	hint_journal = option_value(&tool->options, "journal");
	stop_words = "varve: stopping once what runs now has ended; a second "
		     "signal ends varve at once, and leaves its run as it is\n";
}

void complain(const struct err *err)
{
	fflush(stdout);
	print_placed("varve: ", err->text[0] ? err->text :
		     strerror(-err->code));
	if (err->hint[0])
		print_hint(err->hint);
}

static void __attribute__((format(printf, 2, 0)))
talk(const char *before, const char *fmt, va_list ap)
{
	char *words = NULL;

	if (vasprintf(&words, fmt, ap) < 0)
		return;
	print_placed(before, words);
	free(words);
}

void say(const struct tool *tool, const char *fmt, ...)
{
	va_list ap;

	if (tool->quiet)
		return;
	va_start(ap, fmt);
	talk("", fmt, ap);
	va_end(ap);
}

void note(const struct tool *tool, const char *fmt, ...)
{
	va_list ap;

	if (tool->quiet)
		return;
	va_start(ap, fmt);
	talk("varve: note: ", fmt, ap);
	va_end(ap);
}

void warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	talk("varve: warning: ", fmt, ap);
	va_end(ap);
}

void warn_of(const struct err *words)
{
	warn("%s", words->text);
	if (words->hint[0])
		print_hint(words->hint);
}

bool can_confirm(bool yes)
{
	return yes || (isatty(STDIN_FILENO) == 1 &&
		       isatty(STDERR_FILENO) == 1);
}

int confirm(bool yes, const char *question, struct err *err)
{
	char answer[16] = "";
	int r;

	if (yes)
		return true;
	if (!can_confirm(false)) {
		r = err_set(err, -EINVAL,
			    "not done without a yes: %s", question);
		err_hint(err, "--yes says it here; --dry-run shows what "
			 "would be done");
		return r;
	}
	fprintf(stderr, "%s [y/N] ", question);
	if (!fgets(answer, sizeof(answer), stdin))
		return false;
	return answer[0] == 'y' || answer[0] == 'Y';
}

static void on_stop(int signal_number)
{
	const char *words = stop_words;
	int kept = errno;

	(void)signal_number;
	stopped = 1;
	/* where it cannot be written nobody is to be told */
	if (!words || write(STDERR_FILENO, words, strlen(words)) < 0)
		words = NULL;
	errno = kept;
}

void catch_stop(void)
{
	struct sigaction action = { .sa_handler = on_stop,
				    .sa_flags = (int)SA_RESETHAND };
	struct sigaction was;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	/* a terminal that went away; not under nohup */
	if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

#define WAIT_LEAST_MS 50
#define WAIT_MOST_MS 1000

static void pause_ms(int64_t ms)
{
	struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };

	/* a signal ends it early, which is meant */
	nanosleep(&pause, NULL);
}

bool tool_wait(const struct tool *tool, int r, struct err *err)
{
	static int64_t waited_ms;
	int64_t left = tool->wait_s * 1000 - waited_ms;
	int64_t ms = waited_ms / 4;
	char text[SIZE_TEXT];

	if (r != -EBUSY || tool->wait_s == 0 || stopped)
		return false;
	if (left <= 0) {
		age_text(tool->wait_s, text);
		err_hint(err, "waited %s for it", text);
		return false;
	}
	if (waited_ms == 0)
		say(tool, "Waiting: %s.", err->text);
	ms = ms < WAIT_LEAST_MS ? WAIT_LEAST_MS :
	     ms > WAIT_MOST_MS ? WAIT_MOST_MS : ms;
	ms = ms > left ? left : ms;
	pause_ms(ms);
	waited_ms += ms;
	if (stopped)
		return false;
	*err = (struct err)ERR_INIT;
	return true;
}

int tool_open(const struct tool *tool, enum repo_mode mode,
	      struct repo **ret, struct err *err)
{
	int r;

	if (!tool->store) {
		r = err_set(err, -EINVAL, "no store was named");
		err_hint(err, "give --store DIR, or set VARVE_STORE");
		return r;
	}
	do {
		r = repo_open(tool->store, mode, tool->cache_budget ?
			      tool->cache_budget : REPO_CACHE_DEFAULT, ret,
			      err);
	} while (tool_wait(tool, r, err));
	return r;
}

int tool_open_maybe(const struct tool *tool, struct repo **ret,
		    struct err *err)
{
	int r = tool_open(tool, REPO_WRITE, ret, err);

	/* A store that cannot be written can be restored from: that is the
	 * night it is needed. */
	switch (r) {
	case -EROFS:
	case -EACCES:
	case -EPERM:
	case -ENOSPC:
	case -EDQUOT:
	case -EIO:
		return tool_open(tool, REPO_READ, ret, err);
	default:
		return r;
	}
}

int tool_min_free(const struct tool *tool, const struct repo *repo,
		  uint64_t *ret, struct err *err)
{
	const char *text = option_value(&tool->options, "min-free");
	struct statvfs st;
	double percent;
	char *end;

	if (!text || !strchr(text, '%'))
		return option_size(&tool->options, "min-free", ret, err);
	percent = strtod(text, &end);
	if (end == text || strcmp(end, "%") || !(percent >= 0) ||
	    percent > 100)
		return err_set(err, -EINVAL, "--min-free '%s' is neither a "
			       "size nor a share", text);
	if (statvfs(repo_path(repo), &st) < 0)
		return err_sys(err, "cannot ask how large the file system of "
			       "'%s' is", repo_path(repo));
	*ret = (uint64_t)(percent / 100 * (double)st.f_blocks *
			  (double)st.f_frsize);
	return 0;
}

void tool_log(struct repo *repo, const char *command, const char *fmt, ...)
{
	struct event event = { .type = EVENT_LOG };
	struct err err = ERR_INIT;
	char *words = NULL;
	va_list ap;
	int r;

	if (repo_is_readonly(repo))
		return;
	va_start(ap, fmt);
	r = vasprintf(&words, fmt, ap);
	va_end(ap);
	event.key = strdup(command);
	event.value = r < 0 ? NULL : words;
	if (!event.key || !event.value)
		r = err_nomem(&err);
	else
		r = repo_event(repo, &event, &err);
	if (r < 0)
		warn("what was done is not in the store's log: %s", err.text);
	event_release(&event);
}
