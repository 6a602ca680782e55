/* What a process does to itself when it becomes one of our roles. */
#ifndef BASE_STANDING_H
#define BASE_STANDING_H

#include "base/err.h"

/* Descriptors 0 to 2 become /dev/null: nothing of the user's terminal is left. 0 or -errno. */
int standing_leave_stdio(struct err *err) __attribute__((warn_unused_result));

/* Not to be traced or read through /proc by others of this user (PR_SET_DUMPABLE, prctl(2)). 0 or -errno. */
int standing_hide(struct err *err) __attribute__((warn_unused_result));

/* No core file of it, nor of what it starts (core(5)); lowering a limit cannot fail. */
void standing_no_core(void);

/*
 * Overwrites and empties the environment, which /proc/PID/environ would go on to show; pointers of
 * getenv(3) are dangling from here on. The array itself belongs to the stack the kernel made.
 */
void standing_wipe_environment(void);

/* As many descriptors as the hard limit lets us have (getrlimit(2)); fewer are no error. */
void standing_raise_descriptors(void);

#endif
