#include "tools/plan.h"

#include <stdio.h>

#include "tools/format.h"

static void show_json(const struct plan_step *step, size_t number,
		      struct buf *line)
{
	struct json json;

	json_init(&json, line);
	json_open_object(&json, NULL);
	json_u64(&json, "step", number);
	json_str(&json, "name", step->name);
	json_name(&json, "does", span_str(step->says));
	json_bool(&json, "can_be_undone", step->undo != NULL);
	json_bool(&json, "destroys", step->flags & PLAN_DESTROYS);
	json_close_object(&json);
	json_print(line);
}

void plan_show(const struct plan *plan, bool json)
{
	OWNED_BUF struct buf line = BUF_INIT;

	for (size_t i = 0; i < plan->count; i++) {
		if (json)
			show_json(&plan->steps[i], i + 1, &line);
		else
			printf("%3zu. %s\n", i + 1, plan->steps[i].says);
	}
}
