/*
 * A process that stands for a command which runs elsewhere: the shim, and a tool's link. Include
 * shim/sys.h first. Freestanding.
 */
#ifndef SHIM_FRONT_H
#define SHIM_FRONT_H

#include "shim/sys.h"
#include "wire/hello.h"

#define FRONT_OWN_FAILURE 125
#define FRONT_FIRST_FD 3

size_t front_length(const char *s);

/* Says so on descriptor 2 and ends. */
_Noreturn void front_die(const char *text);

/* The process's name: the last component of argv0. */
void front_set_name(const char *argv0);

/* Fills argc, envc, strings and strings_bytes. */
void front_describe_strings(struct shim_hello *hello, char *const *argv);

/*
 * Lets go of all descriptors but the command's socket and terminals, passes signals on, and ends as
 * the command ends. All signals are blocked, descriptors as hello says.
 */
_Noreturn void front_run(const struct shim_hello *hello, int sock);

#endif
