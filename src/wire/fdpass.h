/* Messages with descriptors over a SOCK_SEQPACKET socket (unix(7), SCM_RIGHTS). */
#ifndef WIRE_FDPASS_H
#define WIRE_FDPASS_H

#include <stddef.h>
#include <sys/types.h>

/* Rationale: the largest set is the report of a new cell: enum cell_fd of policy/roles.h. */
#define FDPASS_MAX 64

/* Sends one message with n_fds descriptors (0 to FDPASS_MAX). No SIGPIPE. 0 or -errno. */
int fdpass_send(int sock, const void *bytes, size_t n, const int *fds, size_t n_fds);

/*
 * Receives one message: its length, 0 at end of file, or -errno (-EMSGSIZE when it was cut). The
 * descriptors are close-on-exec and the caller's; *ret_n_fds is what came, at most max_fds: what
 * comes above that is closed and the call fails with -EMSGSIZE.
 */
ssize_t fdpass_recv(int sock, void *bytes, size_t n, int *fds, size_t max_fds, size_t *ret_n_fds);

#endif
