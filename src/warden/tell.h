/* Words of the warden's for the standard error of somebody, which never make the warden wait. */
#ifndef WARDEN_TELL_H
#define WARDEN_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Writes line to what fd names, if that is a pipe, a pseudo terminal, a stream socket of this
 * machine or, with may_file, a regular file. Nothing is written to whatever else it is, nor where
 * there is no room right now. fd stays the caller's and its flags (fcntl(2)) as they are.
 */
void tell_fd(int fd, bool may_file, const char *line, size_t n);

/* The same for descriptor 2 of a process; it is borrowed for this one write. */
void tell_stderr(pid_t pid, bool may_file, const char *line, size_t n);

#endif
