/* Words of the warden's for the standard error of somebody, which never make the warden wait. */
#ifndef WARDEN_TELL_H
#define WARDEN_TELL_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Writes line to what fd names, if that is a pipe, a pseudo terminal, a stream socket of this
 * machine or, with may_file, a regular file. Nothing is written to whatever else it is, nor where
 * there is no room right now. fd stays the caller's and its flags (fcntl(2)) as they are. True: it was
 * written.
 */
bool tell_fd(int fd, bool may_file, const char *line, size_t n);

/* The same for descriptor 2 of a process; it is borrowed for this one write. */
bool tell_stderr(pid_t pid, bool may_file, const char *line, size_t n);

/*
 * The same for whichever of its descriptors is that file: what a process was started with may be
 * elsewhere for a moment (`exec 2>`, a shell around a command of its own). Descriptor 2 where none is.
 */
struct stat;
bool tell_process(pid_t pid, const struct stat *file, bool may_file, const char *line, size_t n);

#endif
