/*
 * Runs in the warden. Hostile: the descriptor, which a command chose. The warden must not wait for
 * it: all execs of the agent would. So it is not even asked what it is in a way that a file system
 * of the command's own (FUSE) would have to answer.
 */
#include "warden/tell.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* linux/major.h: UNIX98_PTY_SLAVE_MAJOR and the seven after it */
#define PTY_MAJOR_FIRST 136
#define PTY_MAJOR_LAST 143

/*
 * The same pipe or terminal through an open file of our own: O_NONBLOCK belongs to the open file,
 * and the command's must stay as it is.
 */
static void write_anew(int fd, const char *line, size_t n)
{
	AUTO_CLOSE int own = -1;
	struct pollfd p = { .fd = fd };
	char path[64];

	/* Nobody reads it any more: a SIGPIPE is for the command, not for us (where it is blocked). */
	if (poll(&p, 1, 0) != 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		(void)!write(own, line, n);
}

/* Of other families a netlink socket is one: what is sent there acts with the sender's rights. */
static void send_unix(int fd, const char *line, size_t n)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM)
		(void)send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void tell_fd(int fd, bool may_file, const char *line, size_t n)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return;
	if (S_ISFIFO(st.stx_mode) ||
		(S_ISCHR(st.stx_mode) && st.stx_rdev_major >= PTY_MAJOR_FIRST &&
			st.stx_rdev_major <= PTY_MAJOR_LAST))
		write_anew(fd, line, n);
	else if (S_ISSOCK(st.stx_mode))
		send_unix(fd, line, n);
	else if (S_ISREG(st.stx_mode) && may_file)
		(void)!write(fd, line, n); /* at the offset that the command shares */
}

/* Borrowed for this one write: kept, it would delay the end of file of whoever reads it. */
void tell_stderr(pid_t pid, bool may_file, const char *line, size_t n)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(pid, 0);
	AUTO_CLOSE int fd = pidfd < 0 ? -1 : sys_pidfd_getfd(pidfd, 2, 0);

	if (fd >= 0)
		tell_fd(fd, may_file, line, n);
}
