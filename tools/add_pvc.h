/*
 * add_pvc: captures of what is in volumes of claims (`varve add --pvc`).
 */
#ifndef VARVE_ADD_PVC_H
#define VARVE_ADD_PVC_H

#include "tools/tool.h"

/* Each word is NAMESPACE/NAME[:PATH]; a snapshot each. */
int add_pvc(struct tool *tool, struct err *err);

#endif
