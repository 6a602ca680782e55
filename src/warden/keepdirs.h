/*
 * What an agent keeps must be there before it can be mounted: on an agent's first run its own
 * directories are made as it would make them itself.
 */
#ifndef WARDEN_KEEPDIRS_H
#define WARDEN_KEEPDIRS_H

#include "policy/runplan.h"

/*
 * Makes the missing ones of [agent] keep and share: directories with mode 0700, and `{}` with mode
 * 0600 for a name that ends in .json. Patterns and paths whose parents are missing but for those
 * below another kept one are left alone. 0 or -errno with err.
 */
int keepdirs_make(const struct run_plan *plan, struct err *err);

#endif
