#include "tools/pg_patroni.h"

#include <stdlib.h>

#include "fs/base/jdoc.h"

#define COLUMNS_MAX 32

void pg_members_release(struct pg_members *members)
{
	for (size_t i = 0; i < members->count; i++) {
		free(members->member[i].name);
		free(members->member[i].role);
		free(members->member[i].state);
	}
	free(members->member);
	*members = (struct pg_members){ .count = 0 };
}

static char *copy_of(struct span text)
{
	return text.len ? strndup((const char *)text.data, text.len) :
			  strdup("");
}

static int add(struct pg_members *members, struct span name, struct span role,
	       struct span state, struct err *err)
{
	struct pg_member *more;

	if (members->count == PG_MEMBERS_MAX)
		return err_set(err, -EPROTO, "patronictl tells of too many "
			       "members");
	more = reallocarray(members->member, members->count + 1,
			    sizeof(*more));
	if (!more)
		return err_nomem(err);
	members->member = more;
	more += members->count++;
	*more = (struct pg_member){ copy_of(name), copy_of(role),
				    copy_of(state) };
	return more->name && more->role && more->state ? 0 : err_nomem(err);
}

static int read_json(const struct jnode *root, struct pg_members *ret,
		     struct err *err)
{
	const struct jnode *one = root->type == JTYPE_ARRAY ? root->child :
							      NULL;
	int r = 0;

	for (; r == 0 && one; one = one->next) {
		struct span name = jnode_text(one, "Member");
		struct span role = jnode_text(one, "Role");

		if (!name.len || !role.len)
			return err_set(err, -EPROTO, "patronictl tells of a "
				       "member without a name or a role");
		r = add(ret, name, role, jnode_text(one, "State"), err);
	}
	return r;
}

/* The table. */

static struct span trim(const uint8_t *from, const uint8_t *to)
{
	while (from < to && *from == ' ')
		from++;
	while (to > from && (to[-1] == ' ' || to[-1] == '\r'))
		to--;
	return span_of(from, (size_t)(to - from));
}

/* "| A | B |": how many cells. */
static size_t cells_of(struct span line, struct span cells[COLUMNS_MAX])
{
	const uint8_t *at = line.data + 1, *end = line.data + line.len;
	size_t n = 0;

	while (n < COLUMNS_MAX && at < end) {
		const uint8_t *bar = memchr(at, '|', (size_t)(end - at));

		if (!bar)
			break;
		cells[n++] = trim(at, bar);
		at = bar + 1;
	}
	return n;
}

struct heads {
	size_t name, role, state, count;	/* count 0: none seen yet */
};

static size_t column_of(const struct span *cells, size_t count,
			const char *head)
{
	for (size_t i = 0; i < count; i++)
		if (span_equal(cells[i], span_str(head)))
			return i;
	return COLUMNS_MAX;
}

static int take_row(struct heads *heads, const struct span *cells,
		    size_t count, struct pg_members *ret, struct err *err)
{
	struct span state = { .len = 0 };

	if (!heads->count) {
		heads->name = column_of(cells, count, "Member");
		heads->role = column_of(cells, count, "Role");
		heads->state = column_of(cells, count, "State");
		heads->count = count;
		if (heads->name < count && heads->role < count)
			return 0;
		return err_set(err, -EPROTO, "patronictl's table has no "
			       "columns 'Member' and 'Role'");
	}
	/* a cell of several lines goes on below empty ones */
	if (count != heads->count || !cells[heads->name].len)
		return 0;
	if (heads->state < count)
		state = cells[heads->state];
	return add(ret, cells[heads->name], cells[heads->role], state, err);
}

static int read_table(struct span out, struct pg_members *ret,
		      struct err *err)
{
	struct heads heads = { .count = 0 };
	struct span cells[COLUMNS_MAX];
	int r = 0;

	while (r == 0 && out.len) {
		const uint8_t *end = memchr(out.data, '\n', out.len);
		size_t n = end ? (size_t)(end - out.data) : out.len;
		struct span line = span_of(out.data, n);

		/* borders, and what it says of maintenance, begin otherwise */
		if (n > 1 && line.data[0] == '|')
			r = take_row(&heads, cells, cells_of(line, cells),
				     ret, err);
		n += end != NULL;
		out = span_of(out.data + n, out.len - n);
	}
	return r;
}

int pg_members_read(struct span out, struct pg_members *ret, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct pg_members members = { .count = 0 };
	int r = jdoc_parse(out, "what patronictl printed", &doc, NULL);

	if (r == -ENOMEM)
		return err_nomem(err);
	r = r == 0 ? read_json(doc.root, &members, err) :
		     read_table(out, &members, err);
	if (r == 0 && members.count == 0)
		r = err_set(err, -EPROTO, "patronictl tells of no member");
	if (r < 0)
		pg_members_release(&members);
	else
		*ret = members;
	return r;
}

int pg_members_leader(const struct pg_members *members, const char **ret,
		      struct err *err)
{
	const struct pg_member *leader = NULL;
	unsigned count = 0;

	for (size_t i = 0; i < members->count; i++) {
		const struct pg_member *m = &members->member[i];

		if (!strcmp(m->role, "Standby Leader"))
			return err_set(err, -EROFS, "it is a standby cluster: "
				       "'%s' is its Standby Leader", m->name);
		if (strcmp(m->role, "Leader") != 0)
			continue;
		leader = m;
		count++;
	}
	if (count == 0)
		return err_set(err, -ENOENT, "no member is the leader, says "
			       "Patroni");
	if (count > 1)
		return err_set(err, -ENOTUNIQ, "several members are leaders, "
			       "says Patroni");
	if (strcmp(leader->state, "running") != 0)
		return err_set(err, -ENOENT, "the leader, '%s', is '%s', not "
			       "'running', says Patroni", leader->name,
			       leader->state);
	*ret = leader->name;
	return 0;
}
