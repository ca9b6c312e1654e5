#include "indexer/recipe.h"

#include "fs/tree/view.h"

int recipe_init(struct recipe *recipe, struct deposit *deposit,
		const struct chunker *chunker, struct disk_dir *dir,
		size_t budget, struct err *err)
{
	int r;

	*recipe = (struct recipe){ .deposit = deposit };
	r = cutter_init(&recipe->glue, deposit, chunker, err);
	if (r < 0)
		return r;
	recipe->runs = slots_new(dir, sizeof(struct recipe_run), 0);
	recipe->apart = sorter_new(dir, budget);
	recipe->sum = sum_stream_new();
	if (recipe->runs && recipe->apart && recipe->sum)
		return 0;
	return err_nomem(err);
}

void recipe_release(struct recipe *recipe)
{
	cutter_release(&recipe->glue);
	slots_free(recipe->runs);
	sorter_free(recipe->apart);
	sum_stream_free(recipe->sum);
}

static int close_run(struct recipe *recipe, struct err *err)
{
	int r;

	if (recipe->last.len == 0)
		return 0;
	r = slots_put(recipe->runs, recipe->run_count, &recipe->last, err);
	if (r < 0)
		return r;
	recipe->run_count++;
	recipe->last.len = 0;
	return 0;
}

static int add_run(struct recipe *recipe, uint64_t seq, uint64_t offset,
		   uint64_t len, struct err *err)
{
	struct recipe_run *last = &recipe->last;
	int r;

	recipe->len += len;
	if (last->len && last->seq == seq &&
	    (seq == 0 || last->offset + last->len == offset)) {
		last->len += len;
		return 0;
	}
	r = close_run(recipe, err);
	if (r < 0)
		return r;
	*last = (struct recipe_run){
		.seq = seq,
		.offset = offset,
		.len = len,
	};
	return 0;
}

int recipe_glue(struct recipe *recipe, struct span bytes, struct err *err)
{
	int r;

	if (bytes.len == 0)
		return 0;
	sum_stream_add(recipe->sum, bytes);
	r = cutter_add(&recipe->glue, bytes, err);
	return r < 0 ? r : add_run(recipe, 0, 0, bytes.len, err);
}

int recipe_member(struct recipe *recipe, uint64_t seq, uint64_t offset,
		  struct span bytes, struct err *err)
{
	if (bytes.len == 0)
		return 0;
	sum_stream_add(recipe->sum, bytes);
	return add_run(recipe, seq, offset, bytes.len, err);
}

int recipe_refer(struct recipe *recipe, uint64_t seq, uint64_t offset,
		 uint64_t len, struct err *err)
{
	if (len == 0)
		return 0;
	recipe->unsummed = true;
	return add_run(recipe, seq, offset, len, err);
}

int recipe_apart(struct recipe *recipe, uint64_t seq,
		 const struct content *content, uint64_t size,
		 struct err *err)
{
	OWNED_BUF struct buf value = BUF_INIT;
	uint8_t key[8];
	int r;

	/* big-endian, so that bytes sort as numbers do */
	for (int i = 0; i < 8; i++)
		key[i] = (uint8_t)(seq >> (56 - 8 * i));
	item_write_end(content, size, &value);
	r = buf_check(&value, err);
	if (r < 0)
		return r;
	return sorter_put(recipe->apart, span_of(key, sizeof(key)),
			  buf_span(&value), err);
}

/* The content set apart that was read last. */
struct apart {
	uint64_t seq;
	uint64_t size;
	struct content content;
};

static int find_apart(struct recipe *recipe, uint64_t seq,
		      struct apart *apart, struct err *err)
{
	struct span key, value;
	struct bytes in;
	int r;

	while (apart->seq < seq) {
		r = sorter_next(recipe->apart, &key, &value, err);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		apart->seq = 0;
		for (size_t i = 0; i < key.len; i++)
			apart->seq = apart->seq << 8 | key.data[i];
		in = bytes_of(value);
		apart->size = bytes_varint(&in);
		item_parse_content(&in, &apart->content);
		if (!bytes_done(&in))
			return err_set(err, -EIO, "a temporary file came back "
				       "changed");
	}
	if (apart->seq == seq)
		return 0;
	return err_set(err, -EIO, "the original stream has bytes of an entry "
		       "that is nowhere");
}

static int write_run(struct recipe *recipe, struct settle *settle,
		     struct view_builder *view, const struct recipe_run *run,
		     struct apart *apart, struct err *err)
{
	uint64_t pos;
	int r;

	if (run->seq == 0)
		return view_add_glue(view, run->len, err);
	r = settle_find(settle, run->seq, &pos, err);
	if (r == 0)
		return view_add_node(view, pos, run->offset, run->len, err);
	if (r != -ENOENT)
		return r;
	r = find_apart(recipe, run->seq, apart, err);
	if (r < 0)
		return r;
	return view_add_content(view, &apart->content, apart->size,
				run->offset, run->len, err);
}

static int write_runs(struct recipe *recipe, struct settle *settle,
		      struct view_builder *view, struct err *err)
{
	struct apart apart = { .seq = 0 };
	int r = close_run(recipe, err);

	if (r == 0)
		r = sorter_rewind(recipe->apart, err);
	for (uint64_t i = 0; r == 0 && i < recipe->run_count; i++) {
		struct recipe_run run;

		r = slots_get(recipe->runs, i, &run, err);
		if (r == 0)
			r = write_run(recipe, settle, view, &run, &apart,
				      err);
	}
	return r;
}

static void view_builder_drop(struct view_builder **view)
{
	view_builder_free(*view);
}

int recipe_write(struct recipe *recipe, struct settle *settle,
		 struct id *ret_view, struct err *err)
{
	CLEANUP(view_builder_drop) struct view_builder *view =
		view_builder_new(recipe->deposit);
	struct content glue;
	uint64_t glue_len;
	uint8_t sum[16] = { 0 };
	int r;

	if (!view)
		return err_nomem(err);
	r = write_runs(recipe, settle, view, err);
	if (r == 0)
		r = cutter_finish(&recipe->glue, &glue, &glue_len, err);
	if (r < 0)
		return r;
	if (!recipe->unsummed)
		sum_stream_get(recipe->sum, sum);
	return view_finish(view, &glue, glue_len, sum, ret_view, err);
}
