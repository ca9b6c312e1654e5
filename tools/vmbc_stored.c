#include "tools/vmbc.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/bytes.h"
#include "indexer/rocksdb/rocks_find.h"
#include "tools/format.h"
#include "tools/target.h"

#define ATTR_CHECKPOINT "checkpoint"
#define TAG_REPLICAS	"replicas"

int vmbc_base(const struct tool *tool, const struct vmbc *vmbc, char **ret,
	      struct err *err)
{
	const char *given = option_value(&tool->options, "source");
	int r = 0;

	if (given) {
		*ret = strdup(given);
	} else if (!vmbc->blockchain) {
		err_set(err, -EINVAL, "which blockchain is it?");
		return err_hint(err, "-s SOURCE is what the sources of its "
				"replicas begin with, as vmbc/ID");
	} else if (asprintf(ret, VMBC_BASE "/%s", vmbc->blockchain) < 0) {
		*ret = NULL;
	}
	if (!*ret)
		return err_nomem(err);
	r = source_check_new(*ret, err);
	if (r < 0) {
		free(*ret);
		*ret = NULL;
	}
	return r;
}

/* Of several of one number the newest good one counts. */
static int take(struct vmbc_replica *replica, const struct snapshot *row,
		uint64_t number, struct err *err)
{
	const struct record *record = &row->record;
	const struct vmbc_point *had = vmbc_point(replica, number);
	char label[LABEL_TEXT], hex[2 * RECORD_ID + 1];
	const char *flaw = snapshot_flaw(row, NULL);
	bool good = snapshot_is_good(row);
	struct vmbc_point *point;

	if (had && had->state == POINT_WHOLE && !good)
		return 0;
	snapshot_label(record, label);
	hex_write(record->id, RECORD_ID, hex);
	if (had) {
		point = &replica->points[had - replica->points];
		free(point->why);
		free(point->place);
		free(point->id);
		point->place = strdup(label);
		point->why = point->id = NULL;
		point->state = POINT_WHOLE;
	} else {
		point = vmbc_add_point(replica, number, POINT_WHOLE, label,
				       NULL);
	}
	if (!point || !point->place)
		return err_nomem(err);
	point->id = strdup(hex);
	if (!good) {
		point->state = POINT_HURT;
		point->why = strdup(flaw ? flaw : "it is dated in the future");
	}
	return point->id && (good || point->why) ? 0 : err_nomem(err);
}

static int take_row(struct vmbc *vmbc, const struct snapshot *row,
		    size_t base_len, struct err *err)
{
	const struct record *record = &row->record;
	const char *text = record_attr(record, ATTR_CHECKPOINT);
	const char *of = record_tag(record, TAG_REPLICAS);
	struct vmbc_replica *replica;
	bool unfinished;
	uint64_t number;
	unsigned long n;
	struct span id;
	unsigned which;

	if (!text || !vmbc_name(span_str(record->source + base_len + 1),
				&which, &id) ||
	    !rocks_number(span_str(text), &number, &unfinished) || unfinished)
		return 0;
	replica = vmbc_replica(vmbc, which);
	if (!replica)
		return err_nomem(err);
	if (!replica->source)
		replica->source = strdup(record->source);
	n = of ? strtoul(of, NULL, 10) : 0;
	if (n > vmbc->wanted && n <= VMBC_REPLICAS_MAX)
		vmbc->wanted = (unsigned)n;
	return replica->source ? take(replica, row, number, err) :
	       err_nomem(err);
}

int vmbc_stored(struct repo *repo, const char *base, struct vmbc *vmbc,
		struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .count = 0 };
	OWNED_BUF struct buf glob = BUF_INIT;
	size_t len = strlen(base);
	int r;

	buf_printf(&glob, "%s/replica-*", base);
	if (!buf_str(&glob))
		return err_nomem(err);
	r = snapshots_load(repo, buf_str(&glob), false, &list, err);
	for (size_t i = 0; r == 0 && i < list.count; i++)
		if (!strncmp(list.row[i].record.source, base, len))
			r = take_row(vmbc, &list.row[i], len, err);
	for (size_t i = 0; r == 0 && i < vmbc->count; i++)
		vmbc_sort_points(&vmbc->replicas[i]);
	return r;
}

/* "vmbc/ID" of "vmbc/ID/replica-2"; 0: a checkpoint of none. */
static size_t base_of(const struct record *record)
{
	const char *slash = strrchr(record->source, '/');
	unsigned number;
	struct span id;

	if (!slash || !record_attr(record, ATTR_CHECKPOINT) ||
	    strncmp(slash, "/replica-", 9) != 0 ||
	    !vmbc_name(span_str(slash + 1), &number, &id))
		return 0;
	return (size_t)(slash - record->source);
}

int vmbc_only_base(struct repo *repo, char **ret, struct err *err)
{
	OWNED_SNAPSHOTS struct snapshots list = { .count = 0 };
	OWNED_BUF struct buf names = BUF_INIT;
	const char *last = "";
	size_t len = 0, count = 0;
	int r = snapshots_load(repo, "*/replica-*", false, &list, err);

	/* they come by their sources */
	for (size_t i = 0; r == 0 && i < list.count; i++) {
		const struct record *record = &list.row[i].record;
		size_t n = base_of(record);

		if (!n || (n == len && !strncmp(record->source, last, n)))
			continue;
		last = record->source;
		len = n;
		buf_printf(&names, "%s%.*s", count++ ? ", " : "", (int)n, last);
	}
	if (r < 0)
		return r;
	if (count == 0) {
		err_set(err, -ENODATA, "the store has no checkpoints of "
			"replicas");
		return err_hint(err, "'varve vmbc add' adds them");
	}
	if (count > 1) {
		err_set(err, -ENOTUNIQ, "the store has those of several: %s",
			buf_str(&names));
		return err_hint(err, "-s says of which, as -s %.*s", (int)len,
				last);
	}
	*ret = strndup(last, len);
	return *ret ? 0 : err_nomem(err);
}
