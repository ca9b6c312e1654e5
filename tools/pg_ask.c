#include "tools/pg.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/format.h"
#include "tools/kube_act.h"
#include "tools/pg_patroni.h"

/* pgBackRest waits twice its io-timeout (60 s) for a silent repository. */
#define OWN_DEADLINE_S 125
#define GRACE_S 2
#define WAL_DEADLINE_S 30

/* What was asked and answered.  pgBackRest shows no passwords and keys. */

static void debug_line(const char *mark, struct span text)
{
	OWNED_BUF struct buf line = BUF_INIT;

	/* a pod may print anything: none of it drives the terminal */
	name_append(&line, text, out_is_terminal(stderr));
	if (buf_str(&line))
		fprintf(stderr, "debug: %s %s\n", mark, (char *)line.data);
}

static void debug_lines(const char *mark, const struct buf *out)
{
	struct span rest = buf_span(out);

	while (rest.len) {
		const uint8_t *end = memchr(rest.data, '\n', rest.len);
		size_t n = end ? (size_t)(end - rest.data) : rest.len;

		debug_line(mark, span_of(rest.data, n));
		n += end != NULL;
		rest = span_of(rest.data + n, rest.len - n);
	}
}

static void debug_asked(const struct kube_container *where,
			const char *const *argv)
{
	fprintf(stderr, "debug: $ exec -n %s %s -c %s --", where->ns,
		where->pod, where->container);
	for (; *argv; argv++)
		fprintf(stderr, " %s", *argv);
	fputc('\n', stderr);
}

static void debug_answer(int r, const struct child_end *end,
			 const struct err *err)
{
	debug_lines(">", &end->out);
	debug_lines("2>", &end->said);
	if (r < 0)
		fprintf(stderr, "debug: not run: %s\n", err ? err->text : "");
	else
		fprintf(stderr, "debug: ended with status %d\n", end->status);
}

int pg_exec(const struct pg_asking *asking, const char *namespace,
	    const char *pod, const char *const *argv, int64_t deadline_s,
	    struct child_end *end, struct err *err)
{
	const struct kube_container where = { namespace, pod, PG_CONTAINER };
	int r;

	if (asking->debug)
		debug_asked(&where, argv);
	r = kube_exec(asking->kube, &where, argv, (struct span){ NULL, 0 },
		      deadline_s, end, err);
	if (asking->debug)
		debug_answer(r, end, err);
	return r;
}

/* Nothing more can be asked: stopped, no memory, no kubectl. */
static bool is_the_end(int r)
{
	return r < 0 && r != -EREMOTEIO && r != -ETIMEDOUT && r != -EPROTO &&
	       r != -E2BIG;
}

/* pgbackrest info */

static int outcome_of(struct pg_info *info, enum pg_outcome outcome,
		      const char *why, struct err *err)
{
	info->outcome = outcome;
	info->why = pg_one_line(span_str(why));
	return info->why ? 0 : err_nomem(err);
}

/* It failed by itself, as older ones do where the repository is silent. */
static int judge_failed(struct pg_info *info, const struct child_end *end,
			struct err *err)
{
	CLEANUP(free_ptr) char *words = pg_exit_words(end);
	const char *name = pg_exit_name(end->status);
	OWNED_BUF struct buf why = BUF_INIT;

	if (!words)
		return err_nomem(err);
	buf_printf(&why, "pgbackrest info ended with status %d%s%s%s%s%s",
		   end->status, name ? " (" : "", name ? name : "",
		   name ? ")" : "", words[0] ? ": " : "", words);
	if (!buf_str(&why))
		return err_nomem(err);
	return outcome_of(info, end->status == 49 ? PG_TIMEOUT : PG_ERROR,
			  buf_str(&why), err);
}

static int judge_not_run(struct pg_info *info, int r, int64_t deadline_s,
			 const struct err *why, struct err *err)
{
	char late[64];

	if (r != -ETIMEDOUT)
		return outcome_of(info, PG_ERROR, why->text, err);
	snprintf(late, sizeof(late), "no answer within %" PRId64 " s",
		 deadline_s);
	return outcome_of(info, PG_TIMEOUT, late, err);
}

int pg_ask_info(const struct pg_asking *asking, const char *namespace,
		const char *pod, struct pg_info *ret, struct err *err)
{
	OWNED_CHILD struct child_end end = { .status = 0 };
	const char *argv[] = { "pgbackrest", "info", "--output=json", NULL,
			       NULL };
	int64_t io_s = (asking->deadline_s - GRACE_S) / 2;
	struct err why = ERR_INIT;
	char io_timeout[48];
	int r;

	*ret = (struct pg_info){ .code = PG_CODE_NONE };
	/* so that it says by itself who does not answer */
	if (asking->deadline_s < OWN_DEADLINE_S) {
		snprintf(io_timeout, sizeof(io_timeout), "--io-timeout=%" PRId64,
			 io_s < 1 ? 1 : io_s);
		argv[3] = io_timeout;
	}
	r = pg_exec(asking, namespace, pod, argv, asking->deadline_s, &end,
		    &why);
	if (is_the_end(r)) {
		if (err)
			*err = why;
		return r;
	}
	if (r < 0)
		return judge_not_run(ret, r, asking->deadline_s, &why, err);
	if (end.status != 0)
		return judge_failed(ret, &end, err);
	return pg_info_read(buf_span(&end.out), PG_STANZA, ret, err);
}

/* The leader. */

/* 0: *ret is read; -EAGAIN: this pod's patronictl tells nothing; its words. */
static int ask_members(const struct pg_asking *asking,
		       const struct pg_cluster *cluster, const char *pod,
		       bool json, struct pg_members *ret, struct err *err)
{
	const char *argv[] = { "patronictl", "list", json ? "-f" : NULL,
			       "json", NULL };
	OWNED_CHILD struct child_end end = { .status = 0 };
	int r = pg_exec(asking, cluster->namespace, pod, argv,
			asking->deadline_s, &end, err);

	if (is_the_end(r))
		return r;
	if (r == 0 && end.status != 0) {
		CLEANUP(free_ptr) char *words = pg_exit_words(&end);

		r = err_set(err, -EAGAIN, "patronictl ended with status %d: "
			    "%s", end.status, words ? words : "");
	}
	if (r == 0)
		r = pg_members_read(buf_span(&end.out), ret, err);
	return r < 0 && r != -ENOMEM ? -EAGAIN : r;
}

/* Patroni's members are called as their pods. */
static int pod_of(const struct pg_cluster *cluster, const char *member,
		  const char **ret, struct err *err)
{
	for (size_t i = 0; i < cluster->running; i++)
		if (!strcmp(cluster->pods[i], member)) {
			*ret = cluster->pods[i];
			return 0;
		}
	return err_set(err, -ENOENT, "the leader is '%s', says Patroni, and "
		       "no such pod of [%s] %s runs", member,
		       cluster->namespace, cluster->name);
}

static int ask_in(const struct pg_asking *asking,
		  const struct pg_cluster *cluster, const char *pod,
		  const char **ret, struct err *err)
{
	OWNED_PG_MEMBERS struct pg_members members = { .count = 0 };
	const char *member;
	int r = ask_members(asking, cluster, pod, true, &members, err);

	if (r == -EAGAIN)
		r = ask_members(asking, cluster, pod, false, &members, err);
	if (r == 0)
		r = pg_members_leader(&members, &member, err);
	return r < 0 ? r : pod_of(cluster, member, ret, err);
}

int pg_ask_leader(const struct pg_asking *asking,
		  const struct pg_cluster *cluster, const char **ret,
		  bool *ret_by_label, struct err *err)
{
	const char *first = pg_cluster_any(cluster);
	struct err why = ERR_INIT;
	int r = -EREMOTEIO;

	*ret_by_label = false;
	if (!first)
		return err_set(err, -EREMOTEIO, "%s", pg_cluster_why(cluster));
	r = ask_in(asking, cluster, first, ret, &why);
	for (size_t i = 0; r == -EAGAIN && i < cluster->running; i++)
		if (cluster->pods[i] != first &&
		    strcmp(cluster->pods[i], first) != 0)
			r = ask_in(asking, cluster, cluster->pods[i], ret,
				   &why);
	if (r == -EAGAIN && cluster->leaders == 1) {
		*ret = cluster->pod;
		*ret_by_label = true;
		return 0;
	}
	if (r < 0 && err)
		*err = why;
	if (r != -EAGAIN)
		return r;
	return err_set(err, -EREMOTEIO, "patronictl could be asked in no pod, "
		       "and by the labels %s: %s", pg_cluster_why(cluster),
		       why.text);
}

int pg_leader_now(const struct pg_asking *asking, const char *namespace,
		  const char *name, char **ret, bool *ret_by_label,
		  struct err *err)
{
	CLEANUP(pg_clusters_release) struct pg_clusters clusters = {
		.count = 0 };
	OWNED_BUF struct buf word = BUF_INIT;
	struct pg_cluster *cluster;
	const char *leader;
	int r = pg_clusters_find(asking->kube, namespace, &clusters, err);

	if (r < 0)
		return r == -ECANCELED ? r :
			err_wrap(err, "cannot ask for the PostgresClusters");
	buf_printf(&word, "%s/%s", namespace, name);
	if (!buf_str(&word))
		return err_nomem(err);
	r = pg_cluster_named(&clusters, (char *)word.data, &cluster, err);
	if (r == 0)
		r = pg_ask_leader(asking, cluster, &leader, ret_by_label, err);
	if (r < 0)
		return r == -ECANCELED ? r : err_wrap(err, "[%s] %s",
						      namespace, name);
	*ret = strdup(leader);
	return *ret ? 0 : err_nomem(err);
}

/* pg_wal */

/* Of the server; then of the disk, as POSIX has df. */
static const char wal_script[] =
	"psql -XAtqc \"SELECT json_build_object("
	"'bytes', (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir()), "
	"'files', (SELECT count(*) FROM pg_ls_waldir()), "
	"'standby', pg_is_in_recovery(), "
	"'archived', archived_count, 'failed', failed_count, "
	"'last_archived', trunc(extract(epoch FROM last_archived_time)), "
	"'last_failed', trunc(extract(epoch FROM last_failed_time))) "
	"FROM pg_stat_archiver\" && "
	"dir=$(psql -XAtqc 'SHOW data_directory') && "
	"df -Pk \"$dir/pg_wal/.\"";

static void take_disk(struct span text, struct pg_wal *ret)
{
	uint64_t total, used, avail;
	char line[512];
	const char *at;

	snprintf(line, sizeof(line), "%.*s",
		 (int)(text.len < sizeof(line) ? text.len : sizeof(line) - 1),
		 (const char *)text.data);
	at = strchr(line, '\n');
	if (!at || sscanf(at + 1, "%*s %" SCNu64 " %" SCNu64 " %" SCNu64,
			  &total, &used, &avail) != 3)
		return;
	ret->disk_known = true;
	ret->disk_bytes = total * 1024;
	ret->disk_free = avail * 1024;
}

static void take_wal(struct span out, struct pg_wal *ret)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	const uint8_t *end = out.len ? memchr(out.data, '\n', out.len) : NULL;
	size_t n = end ? (size_t)(end - out.data) : 0;

	if (!end || jdoc_parse(span_of(out.data, n), "it", &doc, NULL) < 0 ||
	    !jnode_u64(doc.root, "bytes", &ret->bytes) ||
	    !jnode_u64(doc.root, "archived", &ret->archived) ||
	    !jnode_u64(doc.root, "failed", &ret->failed))
		return;
	ret->known = true;
	ret->standby = jnode_true(doc.root, "standby");
	jnode_u64(doc.root, "files", &ret->files);
	/* null: never */
	jnode_u64(doc.root, "last_archived", &ret->last_archived);
	jnode_u64(doc.root, "last_failed", &ret->last_failed);
	take_disk(span_of(end + 1, out.len - n - 1), ret);
}

int pg_ask_wal(const struct pg_asking *asking, const char *namespace,
	       const char *pod, struct pg_wal *ret, struct err *err)
{
	static const char *const argv[] = { "sh", "-c", wal_script, NULL };
	OWNED_CHILD struct child_end end = { .status = 0 };
	int64_t deadline_s = asking->deadline_s < WAL_DEADLINE_S ?
			     asking->deadline_s : WAL_DEADLINE_S;
	struct err why = ERR_INIT;
	int r;

	*ret = (struct pg_wal){ .known = false };
	r = pg_exec(asking, namespace, pod, argv, deadline_s, &end, &why);
	if (is_the_end(r)) {
		if (err)
			*err = why;
		return r;
	}
	if (r == 0)
		take_wal(buf_span(&end.out), ret);
	return 0;
}
