#include <inttypes.h>
#include <stdio.h>

#include "tools/rest.h"
#include "tools/run.h"

int rest_journal_note(void *arg, const struct rest_change *change,
		      const char *came, struct err *err)
{
	struct rest_journal *journal = arg;

	if (came)
		return run_learnf(journal->run, err, "came", "%" PRIu64 " %s",
				  journal->count, came);
	/* the numbers go on where an earlier process stopped */
	if (journal->count == 0 && run_fact(journal->run, "call") &&
	    sscanf(run_fact(journal->run, "call"), "%" SCNu64,
		   &journal->count) != 1)
		journal->count = 0;
	journal->count++;
	return run_learnf(journal->run, err, "call",
			  "%" PRIu64 " %s %s %s%s%s", journal->count,
			  journal->array, rest_verb_name(change->verb),
			  change->path, change->body ? " " : "",
			  change->body ? change->body : "");
}
