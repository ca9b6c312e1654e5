#include "tools/dv.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/out/export.h"
#include "tools/target.h"

/*
 * A backup that only the store has, put back on the volume as it was: its parts
 * packed again under the names they had, and joined there.
 */

static void show_warning(void *arg, const char *sentence)
{
	(void)arg;
	warn("%s", sentence);
}

struct sending {
	struct dv *dv;
	struct target target;
	const char *hold;
	struct child child;
	struct child_end end;
	uint64_t bytes;
};

static int put_child(void *arg, struct span bytes, struct err *err)
{
	struct sending *s = arg;

	s->bytes += bytes.len;
	return child_put(&s->child, bytes, err);
}

static int send_bytes(struct sending *s, const struct node *node,
		      struct err *err)
{
	const struct entry *e = &node->entry;
	struct getter getter = tree_getter(s->target.tree);
	CLEANUP(free_ptr) uint8_t *bytes = malloc(1u << 20);
	uint64_t at = 0;
	size_t got = 1;
	int r = bytes ? 0 : err_nomem(err);

	for (; r >= 0 && at < e->size && got; at += got) {
		r = content_read_into(&getter, &e->content, e->size, at, bytes,
				      1u << 20, &got, err);
		if (r >= 0)
			r = put_child(s, span_of(bytes, got), err);
	}
	return r < 0 ? r : 0;
}

/* "drwxr-xr-x 0/0 2021-01-22 19:27:31", as tar lists it. */
static int parse_top(const char *text, struct export_top *ret, struct err *err)
{
	static const char letters[] = "rwxrwxrwx";
	char mode[16], when[32];

	*ret = (struct export_top){ .mode = 0 };
	if (sscanf(text, "%15s %" SCNu32 "/%" SCNu32 " %31[^\n]", mode,
		   &ret->uid, &ret->gid, when) != 4 || strlen(mode) < 10 ||
	    stamp_parse(when, "UTC", &ret->mtime, NULL, NULL) < 0)
		return err_set(err, -EINVAL, "the snapshot says '%s' of the "
			       "top directory", text);
	for (unsigned i = 0; i < 9; i++) {
		char c = mode[1 + i];

		if (c == letters[i] || c == 's' || c == 't')
			ret->mode |= (uint16_t)(0400u >> i);
		if (strchr("sStT", c))
			ret->mode |= (uint16_t)(04000u >> (i / 3));
	}
	return 0;
}

static int send_tree(struct sending *s, const struct node *node,
		     const char *name, struct err *err)
{
	const struct record *record = &s->target.snapshot.record;
	struct export_report report;
	struct export_top top;
	char key[128];
	const char *text;
	int r;
	struct export_options options = {
		.format = EXPORT_TAR_GZIP, .to = { put_child, s },
		.stop = &stopped, .warn = show_warning };

	snprintf(key, sizeof(key), "dv_names.%.60s", name);
	options.prefix = record_tag(record, key);
	if (options.prefix && !strcmp(options.prefix, "./"))
		options.prefix = NULL;
	snprintf(key, sizeof(key), "dv_top.%.60s", name);
	text = record_tag(record, key);
	if (text) {
		r = parse_top(text, &top, err);
		if (r < 0)
			return r;
		options.top = &top;
	}
	return export_tree(s->target.tree, node, &options, &report, err);
}

static int check_sent(struct sending *s, const char *name, struct err *err)
{
	OWNED_BUF struct buf out = BUF_INIT;
	const char *args[] = { s->hold, name, NULL };
	int r = dv_volume_sh(s->dv, "cd \"$1\"\n"
			     "gzip -t \"$2\"\nstat -c %s \"$2\"", args,
			     DV_LOOK_S, &out, err);

	if (r == 0 && !buf_str(&out))
		return err_nomem(err);
	if (r == 0 && strtoull((char *)out.data, NULL, 10) != s->bytes)
		r = err_set(err, -EIO, "%s came with %s bytes, and not "
			    "%" PRIu64, name, (char *)out.data, s->bytes);
	return r;
}

/* One part as it was packed: the same inside, valid gzip. */
static int send_part(struct sending *s, const char *name, struct err *err)
{
	const struct kube_container where = { s->dv->ns, s->dv->pod,
					      DV_READER_CONTAINER };
	const char *const words[] = { "bash", "-c", "cat >" DV_BAR
				      "/\"$1\"/\"$2\"", "dv", s->hold, name,
				      NULL };
	OWNED_NODE struct node node = NODE_INIT;
	char path[256];
	int r, end;

	snprintf(path, sizeof(path), DV_JOINED "/%s", name);
	r = tree_find(s->target.tree, path, &node, err);
	if (r < 0)
		return err_wrap(err, "the snapshot has no %s", path);
	s->bytes = 0;
	r = kube_exec_begin(&s->dv->kube, &where, words, 600, &s->child,
			    &s->end, err);
	if (r < 0)
		return r;
	r = node.entry.type == ENTRY_DIR ? send_tree(s, &node, name, err) :
					   send_bytes(s, &node, err);
	if (r < 0 && r != -EPIPE) {
		child_kill(&s->child);
	} else {
		end = kube_exec_end(&s->dv->kube, &s->child, err);
		r = end < 0 ? end : r;
		if (r == 0 && s->end.status != 0)
			r = err_set(err, -EIO, "in pod %s: %.*s", s->dv->pod,
				    (int)s->end.said.len,
				    (const char *)s->end.said.data);
	}
	child_end_release(&s->end);
	return r < 0 ? err_wrap(err, "cannot send %s", name) :
		       check_sent(s, name, err);
}

/* Owner, mode and time as they were; a directory was a file of these rights. */
static int set_owner(struct sending *s, const char *name, struct err *err)
{
	OWNED_NODE struct node node = NODE_INIT;
	char owner[32], mode[16], when[32];
	const char *args[] = { s->hold, name, owner, mode, when, NULL };
	const struct entry *e = &node.entry;
	int r = tree_find(s->target.tree, name, &node, err);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	snprintf(owner, sizeof(owner), "%u:%u", e->uid, e->gid);
	snprintf(mode, sizeof(mode), "%o", e->mode & (*name ? 0666 : 07777));
	snprintf(when, sizeof(when), "@%" PRId64, e->mtime.s);
	return dv_volume_sh(s->dv, "cd \"$1\"\n"
			    "$as touch -d \"$5\" \"./$2\"\n"
			    "$as chmod \"$4\" \"./$2\"\n"
			    "$as chown \"$3\" \"./$2\" || echo 'not owned' >&2",
			    args, 60, NULL, err);
}

static int send_parts(struct sending *s, const char *members, struct err *err)
{
	CLEANUP(free_ptr) char *list = strdup(members);
	char *rest = NULL;
	int r = list ? 0 : err_nomem(err);

	for (char *word = r < 0 ? NULL : strtok_r(list, " ", &rest);
	     r == 0 && word; word = strtok_r(NULL, " ", &rest)) {
		const char *name = strncmp(word, "./", 2) ? word : word + 2;

		if (!*name)
			continue;
		say(s->dv->tool, "  %s", name);
		r = send_part(s, name, err);
	}
	return r;
}

static int join(struct sending *s, const char *members, struct err *err)
{
	CLEANUP(free_ptr) char *list = strdup(members);
	const char *args[] = { s->hold, members, NULL };
	char *rest = NULL;
	int r = list ? 0 : err_nomem(err);

	/* members has no name with a blank in it */
	if (r == 0)
		r = dv_volume_sh(s->dv, "cd \"$1\"\n"
				 "$as tar czf " DV_JOINED " --no-recursion $2\n"
				 "$as tar tzf " DV_JOINED " >/dev/null", args,
				 DV_LOOK_S, NULL, err);
	for (char *word = r < 0 ? NULL : strtok_r(list, " ", &rest);
	     r == 0 && word; word = strtok_r(NULL, " ", &rest))
		r = set_owner(s, strncmp(word, "./", 2) ? word : word + 2, err);
	if (r == 0)
		r = set_owner(s, DV_JOINED, err);
	return r < 0 ? r : set_owner(s, "", err);
}

int dv_store_send(struct dv *dv, struct repo *repo, const char *snapshot,
		  const char *ts, const char *hold, struct err *err)
{
	struct sending s = { .dv = dv, .target = TARGET_INIT, .hold = hold };
	const char *args[] = { hold, ts, NULL }, *members;
	int r;

	s.target.older = OLDER_UNTOLD;
	r = target_open_at(repo, snapshot, NULL, &s.target, err);
	members = r < 0 ? NULL : record_tag(&s.target.snapshot.record,
					    "dv_members");
	if (r == 0 && !members)
		r = err_set(err, -ENOENT, "the snapshot does not say what is "
			    "in its " DV_JOINED);
	if (r == 0)
		r = dv_volume_sh(dv, "$as rm -rf \"$1\"\n"
				 "mkdir \"$1\" 2>/dev/null || {\n"
				 "	$as mkdir \"$1\"\n"
				 "	$as chown \"$(id -u)\" \"$1\"\n"
				 "}", args, 60, NULL, err);
	if (r == 0)
		r = send_parts(&s, members, err);
	if (r == 0)
		r = join(&s, members, err);
	if (r == 0)
		r = dv_volume_sh(dv, "[ ! -e \"$2\" ]\n"
				 "$as mv -T \"$1\" \"$2\"", args, 60, NULL,
				 err);
	target_close(&s.target);
	return r;
}
