/* What the proxy gives up once everything is open. */
#ifndef PROXY_LOCKDOWN_H
#define PROXY_LOCKDOWN_H

#include "base/err.h"

/*
 * Should: be called when all descriptors are open and before the first byte of the cell is read.
 * Afterwards: no capability, no new privilege, no core, no way to execute, fork, trace, signal or
 * map code; no file can be written; of files, only those of name resolution can be read (Landlock,
 * where the kernel has it), so that a changed resolv.conf is seen. 0 or -errno with err.
 */
int lockdown_enter(struct err *err) __attribute__((warn_unused_result));

#endif
