#include "fs/tree/content.h"
#include "tools/pg_table_internal.h"

#define BACK_STEP 65536

/* Is part of the table that is asked for, or of its partitions, what lost
 * names?  What is neither rows nor large objects may be anything's. */
static int is_of_table(struct pg_pick *pick, const struct jnode *lost,
		       struct err *err)
{
	if (jnode_is(lost, "desc", "TABLE DATA"))
		return pg_pick_owns(pick, lost, err);
	return !jnode_is(lost, "desc", "BLOBS");
}

static int tell_lost(struct pg_pick *pick, const struct jnode *lost,
		     struct buf *why)
{
	if (why->len)
		buf_append_str(why, "; ");
	if (jnode_is(lost, "desc", "TABLE DATA"))
		buf_append_str(why, "not all rows of '");
	else
		buf_append_str(why, "not all of '");
	if (pg_pick_text(lost, "schema", &pick->scratch) < 0)
		return -ENOMEM;
	buf_append(why, pick->scratch.data, pick->scratch.len);
	buf_append_str(why, pick->scratch.len ? "." : "");
	if (pg_pick_text(lost, "tag", &pick->scratch) < 0)
		return -ENOMEM;
	buf_append(why, pick->scratch.data, pick->scratch.len);
	buf_append_str(why, "' are there: ");
	if (pg_pick_text(lost, "why", &pick->scratch) < 0)
		return -ENOMEM;
	buf_append(why, pick->scratch.data, pick->scratch.len);
	return 0;
}

static int list_lost(struct pg_pick *pick, struct buf *why, struct err *err)
{
	const struct jnode *list = jnode_get(pick->toc.root, "lost");
	const struct jnode *lost = list ? list->child : NULL;
	int r = 0;

	for (; lost && r >= 0; lost = lost->next) {
		r = is_of_table(pick, lost, err);
		if (r > 0 && tell_lost(pick, lost, why) < 0)
			r = err_nomem(err);
	}
	return r < 0 ? r : 0;
}

int pg_pick_judge(struct pg_pick *pick, struct buf *why, struct err *err)
{
	const char *incomplete = pick->target->snapshot.record.incomplete;

	buf_clear(why);
	if (!incomplete)
		return 0;
	/* A Varve before this one, or a command that failed behind its dump. */
	if (!pick->lists_lost) {
		buf_printf(why, "what is lost cannot be told table by table: "
			   "%s", incomplete);
		return buf_check(why, err);
	}
	if (pg_pick_text(pick->toc.root, "incomplete", &pick->scratch) < 0)
		return err_nomem(err);
	if (pick->scratch.len) {
		buf_append_str(why, "rows, indexes or grants of it may lack: ");
		buf_append(why, pick->scratch.data, pick->scratch.len);
		return buf_check(why, err);
	}
	if (list_lost(pick, why, err) < 0)
		return -ENOMEM;
	return buf_check(why, err);
}

static bool same_text(struct pg_pick *pick, const struct jnode *a,
		      const struct jnode *b, const char *key)
{
	OWNED_BUF struct buf text = BUF_INIT;

	return pg_pick_text(a, key, &text) == 0 &&
	       pg_pick_text(b, key, &pick->scratch) == 0 &&
	       span_equal(buf_span(&text), buf_span(&pick->scratch));
}

static bool is_lost(struct pg_pick *pick, const struct jnode *entry)
{
	const struct jnode *list = jnode_get(pick->toc.root, "lost");
	const struct jnode *lost = list ? list->child : NULL;

	for (; lost; lost = lost->next)
		if (same_text(pick, entry, lost, "desc") &&
		    same_text(pick, entry, lost, "tag") &&
		    same_text(pick, entry, lost, "schema"))
			return true;
	return false;
}

/* Behind the last newline before *end; 0: there is none. */
static int cut_line(struct pg_pick *pick, const struct node *node,
		    uint64_t *end, struct err *err)
{
	const struct getter getter = tree_getter(pick->target->tree);
	uint8_t bytes[BACK_STEP];
	int r = 0;

	while (r == 0 && *end > 0) {
		size_t n = *end < BACK_STEP ? (size_t)*end : BACK_STEP, got = 0;
		const uint8_t *nl;

		r = content_read_into(&getter, &node->entry.content,
				      node->entry.size, *end - n, bytes, n,
				      &got, err);
		if (r == 0 && got != n)
			r = err_corrupt(err, "rows end early");
		nl = r == 0 ? memrchr(bytes, '\n', n) : NULL;
		*end -= n;
		if (nl) {
			*end += (uint64_t)(nl - bytes) + 1;
			break;
		}
	}
	return r;
}

int pg_pick_rows(struct pg_pick *pick, const struct jnode *entry,
		 const struct node *node, uint64_t *ret, struct err *err)
{
	uint64_t end = node->entry.size;
	/* the reader of an archive ended its line */
	bool lost = pick->cut && end > 0 && is_lost(pick, entry);
	int r = 0;

	if (lost)
		end--;
	if (pick->cut)
		r = cut_line(pick, node, &end, err);
	*ret = end;
	return r;
}
