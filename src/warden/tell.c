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
#include <sys/uio.h>

/* linux/major.h: UNIX98_PTY_SLAVE_MAJOR and the seven after it */
#define PTY_MAJOR_FIRST 136
#define PTY_MAJOR_LAST 143

/*
 * The same pipe or terminal through an open file of our own: O_NONBLOCK belongs to the open file,
 * and the command's must stay as it is.
 */
static bool write_anew(int fd, const char *line, size_t n)
{
	AUTO_CLOSE int own = -1;
	struct iovec text = { (void *)(size_t)line, n };
	struct pollfd p = { .fd = fd };
	char path[64];

	/* Nobody reads it any more: a SIGPIPE is for the command, not for us (where it is blocked). */
	if (poll(&p, 1, 0) != 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (own >= 0)
		return write(own, line, n) > 0;
	/* Somebody else's: a shell before sudo made it. Without waiting that works since Linux 6.4. */
	return pwritev2(fd, &text, 1, -1, RWF_NOWAIT) > 0;
}

/* Of other families a netlink socket is one: what is sent there acts with the sender's rights. */
static bool send_unix(int fd, const char *line, size_t n)
{
	int domain = 0, type = 0;
	socklen_t size = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM &&
		send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

bool tell_fd(int fd, bool may_file, const char *line, size_t n)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
		return false;
	if (S_ISFIFO(st.stx_mode) ||
		(S_ISCHR(st.stx_mode) && st.stx_rdev_major >= PTY_MAJOR_FIRST &&
			st.stx_rdev_major <= PTY_MAJOR_LAST))
		return write_anew(fd, line, n);
	if (S_ISSOCK(st.stx_mode))
		return send_unix(fd, line, n);
	/* At the offset that the command shares. */
	return S_ISREG(st.stx_mode) && may_file && write(fd, line, n) > 0;
}

/* Borrowed for this one write: kept, it would delay the end of file of whoever reads it. */
static bool tell_borrowed(pid_t pid, int number, bool may_file, const char *line, size_t n)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(pid, 0);
	AUTO_CLOSE int fd = pidfd < 0 ? -1 : sys_pidfd_getfd(pidfd, number, 0);

	return fd >= 0 && tell_fd(fd, may_file, line, n);
}

bool tell_stderr(pid_t pid, bool may_file, const char *line, size_t n)
{
	return tell_borrowed(pid, STDERR_FILENO, may_file, line, n);
}

static bool is_same(pid_t pid, int number, const struct stat *file)
{
	char path[64];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, number);
	return stat(path, &st) == 0 && st.st_dev == file->st_dev && st.st_ino == file->st_ino;
}

bool tell_process(pid_t pid, const struct stat *file, bool may_file, const char *line, size_t n)
{
	int number = STDERR_FILENO;

	/* Rationale: shells put what they will need again at 10 and above, one at a time. */
	while (number < 32 && !is_same(pid, number, file))
		number++;
	return tell_borrowed(pid, number < 32 ? number : STDERR_FILENO, may_file, line, n);
}
