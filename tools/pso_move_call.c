#include "tools/pso_move.h"

#define TRIES 3		/* of what nobody knows to be done */

/* The array of a move, logged in to. */
static int reach(struct pso_arms *arms, const struct pso_move *move,
		 struct rest **ret, struct err *err)
{
	for (size_t i = 0; i < arms->targets.count && i < PSO_ARRAYS_MAX;
	     i++) {
		const struct pso_target *t = &arms->targets.row[i];
		int r = 0;

		if (strcmp(t->mgmt, move->mgmt) != 0)
			continue;
		if (!arms->open[i].rest)
			r = pso_target_open(&arms->asking, t,
					    &arms->open[i].rest, err);
		if (r < 0)
			return err_wrap(err, "array %s", move->array);
		arms->open[i].journal.run = arms->run;
		arms->open[i].journal.array = move->array;
		rest_watch(arms->open[i].rest, rest_journal_note,
			   &arms->open[i].journal);
		*ret = arms->open[i].rest;
		return 0;
	}
	err_set(err, -ENOKEY, "nobody knows a token for array %s (%s)",
		move->array, move->mgmt);
	return err_hint(err, "--values, --array and --tokens name arrays and "
			"their tokens");
}

static const char *resource_of(const struct pso_move *move)
{
	return move->type == PSO_FLASHBLADE ? "file-systems" : "volumes";
}

/* What the volume is under that name. */
enum seen { SEEN_NONE = 1, SEEN_OTHER, SEEN_THERE, SEEN_DESTROYED };

static int see(struct rest *rest, const struct pso_move *move,
	       const char *name, enum seen *ret, struct err *err)
{
	OWNED_JDOC struct jdoc doc = JDOC_INIT;
	struct err why = ERR_INIT;
	int r = rest_find(rest, resource_of(move), name, &doc, &why);

	if (r == -ENOENT) {
		*ret = SEEN_NONE;
		return 0;
	}
	if (r < 0)
		return err_set(err, r, "array %s: %s", move->array, why.text);
	*ret = !jnode_is(doc.root, "id", move->id) ? SEEN_OTHER :
	       jnode_true(doc.root, "destroyed") ? SEEN_DESTROYED : SEEN_THERE;
	return 0;
}

static int change(struct rest *rest, const struct pso_move *move,
		  enum rest_verb verb, const char *name, const char *body,
		  struct err *err)
{
	OWNED_BUF struct buf path = BUF_INIT;
	struct rest_change what = { .verb = verb, .body = body };
	struct err why = ERR_INIT;
	int r = rest_path(&path, err, resource_of(move), "names", name, NULL);

	if (r < 0)
		return r;
	what.path = buf_str(&path);
	r = rest_change(rest, &what, NULL, &why);
	return r < 0 ? err_set(err, r, "array %s: %s", move->array, why.text) :
		       0;
}

static int other_has_it(const struct pso_move *move, const char *name,
			struct err *err)
{
	return err_set(err, -EEXIST, "array %s has another volume of the name "
		       "'%s': nothing is overwritten", move->array, name);
}

static int nowhere(const struct pso_move *move, const char *a, const char *b,
		   struct err *err)
{
	return err_set(err, -ENOENT, "array %s has '%s' no more%s%s%s: who "
		       "else changes it?", move->array, a, b ? ", nor as '" :
		       "", b ? b : "", b ? "'" : "");
}

/* From one name to the other; what is there tells what is left. */
static int rename_volume(struct rest *rest, const struct pso_move *move,
			 const char *from, const char *to, struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;
	enum seen at_from, at_to;
	int r = see(rest, move, from, &at_from, err);

	if (r == 0)
		r = see(rest, move, to, &at_to, err);
	if (r < 0)
		return r;
	if (at_to == SEEN_THERE || at_to == SEEN_DESTROYED)
		return 0;
	if (at_to == SEEN_OTHER)
		return other_has_it(move, to, err);
	if (at_from == SEEN_OTHER)
		return other_has_it(move, from, err);
	if (at_from == SEEN_NONE)
		return nowhere(move, from, to, err);
	buf_append_str(&body, "{\"name\":");
	json_quote(&body, span_str(to));
	buf_append_byte(&body, '}');
	return buf_str(&body) ? change(rest, move, REST_PATCH, from,
				       buf_str(&body), err) : err_nomem(err);
}

#define PROTOCOLS_OFF "{\"nfs\":{\"v3_enabled\":false,\"v4_1_enabled\":false}," \
	"\"smb\":{\"enabled\":false},\"http\":{\"enabled\":false}," \
	"\"destroyed\":true}"

static int destroy(struct rest *rest, const struct pso_move *move,
		   struct err *err)
{
	enum seen seen;
	int r = see(rest, move, move->name, &seen, err);

	if (r < 0 || seen == SEEN_DESTROYED)
		return r;
	if (seen == SEEN_OTHER)
		return other_has_it(move, move->name, err);
	if (seen == SEEN_NONE)
		return nowhere(move, move->name, NULL, err);
	/* of a file system, all that serves it goes in the same call */
	return change(rest, move, REST_PATCH, move->name, move->type ==
		      PSO_FLASHBLADE ? PROTOCOLS_OFF : "{\"destroyed\":true}",
		      err);
}

static const char *yes_no(bool yes)
{
	return yes ? "true" : "false";
}

static int serve_again(struct rest *rest, const struct pso_move *move,
		       struct err *err)
{
	OWNED_BUF struct buf body = BUF_INIT;

	buf_printf(&body, "{\"nfs\":{\"v3_enabled\":%s,\"v4_1_enabled\":%s},"
		   "\"smb\":{\"enabled\":%s},\"http\":{\"enabled\":%s}}",
		   yes_no(move->nfs3), yes_no(move->nfs41), yes_no(move->smb),
		   yes_no(move->http));
	return buf_str(&body) ? change(rest, move, REST_PATCH, move->name,
				       buf_str(&body), err) : err_nomem(err);
}

static int recover(struct rest *rest, const struct pso_move *move,
		   struct err *err)
{
	enum seen seen;
	int r = see(rest, move, move->name, &seen, err);

	if (r < 0)
		return r;
	if (seen == SEEN_OTHER)
		return other_has_it(move, move->name, err);
	if (seen == SEEN_NONE)
		return nowhere(move, move->name, NULL, err);
	if (seen == SEEN_DESTROYED)
		r = change(rest, move, REST_PATCH, move->name,
			   "{\"destroyed\":false}", err);
	return r < 0 || move->type != PSO_FLASHBLADE ? r :
		serve_again(rest, move, err);
}

static int eradicate(struct rest *rest, const struct pso_move *move,
		     struct err *err)
{
	enum seen seen;
	int r = see(rest, move, move->name, &seen, err);

	/* one that is there was recovered by somebody, who wants it */
	if (r < 0 || seen != SEEN_DESTROYED)
		return r;
	return change(rest, move, REST_DELETE, move->name, NULL, err);
}

static int once(struct rest *rest, const struct pso_move *move, bool back,
		struct err *err)
{
	switch (move->verb) {
	case PSO_RENAME:
		return back ? rename_volume(rest, move, move->to, move->name,
					    err) :
			      rename_volume(rest, move, move->name, move->to,
					    err);
	case PSO_DESTROY:
		return back ? recover(rest, move, err) :
			      destroy(rest, move, err);
	default:
		return back ? 0 : eradicate(rest, move, err);
	}
}

/* Each looks what is there first: so it may be asked again where nobody knows
 * whether it was done. */
static int until_known(struct pso_arms *arms, const struct pso_move *move,
		       bool back, struct err *err)
{
	struct rest *rest;
	int r = reach(arms, move, &rest, err);

	if (r < 0)
		return r;
	r = once(rest, move, back, err);
	for (unsigned i = 1; r == -EINPROGRESS && i < TRIES; i++)
		r = once(rest, move, back, err);
	return r;
}

int pso_move_go(struct pso_arms *arms, const struct pso_move *move,
		struct err *err)
{
	return until_known(arms, move, false, err);
}

int pso_move_back(struct pso_arms *arms, const struct pso_move *move,
		  struct err *err)
{
	return until_known(arms, move, true, err);
}

int pso_move_prove(struct pso_arms *arms, const struct pso_move *move,
		   bool moved, struct err *err)
{
	const char *name = moved && move->verb == PSO_RENAME ? move->to :
							       move->name;
	enum seen want = moved && move->verb != PSO_RENAME ? SEEN_DESTROYED :
							     SEEN_THERE;
	struct rest *rest = NULL;
	enum seen seen;
	int r = reach(arms, move, &rest, err);

	if (r == 0)
		r = see(rest, move, name, &seen, err);
	if (r < 0)
		return r;
	/* before it is eradicated it is destroyed, and behind that gone */
	if (move->verb == PSO_ERADICATE ? seen == SEEN_DESTROYED ||
	    seen == SEEN_NONE : seen == want)
		return 0;
	return err_set(err, -EUCLEAN, "array %s: '%s' %s", move->array, name,
		       seen == SEEN_NONE ? "is not there" :
		       seen == SEEN_OTHER ? "is another volume" :
		       seen == SEEN_DESTROYED ? "is destroyed" :
		       "is not destroyed");
}
