#include "tools/pso_act.h"

int pso_reconstruct(struct tool *tool, struct err *err)
{
	(void)tool;
	return err_set(err, -ENOSYS, "not yet");
}
