/* What a keeper gives up once its rule, its secret and its sockets are there. */
#ifndef KEEPER_CAGE_H
#define KEEPER_CAGE_H

#include "base/err.h"

/*
 * Should: be called first, before a secret is read: no core, no reading of this process by others
 * of the same user. 0 or -errno with err.
 */
int cage_hide(struct err *err) __attribute__((warn_unused_result));

/*
 * Should: be called when all is prepared and before the first connection comes. Afterwards: no
 * capability, no new privilege, and no system call but those that move bytes over descriptors that
 * are there or are sent, wait, and manage memory without code. No descriptor can be made but by
 * receiving one. 0 or -errno with err.
 */
int cage_enter(struct err *err) __attribute__((warn_unused_result));

#endif
