#include "tools/vmbc_run.h"

int vmbc_add_in_place(struct vmbc_run *all, struct err *err)
{
	(void)all;
	return err_set(err, -ENOTSUP, "not yet");
}
