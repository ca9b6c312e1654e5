#include "tests/fuzz/seeds.h"
void seeds_tree(void) {}
