/*
 * Runs in the process of a tool's run. Hostile: the descriptor written to, which may be anything
 * that a command can pass on; whatever is wrong with it, the rest is read and dropped.
 */
#include "warden/relay.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A description of our own, which does not wait: the caller's is shared with its cell. */
static int open_anew(int fd)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void relay_init(struct relay *r, int from, int to)
{
	AUTO_CLOSE int given = to;
	struct stat st;
	int flags = to >= 0 ? fcntl(to, F_GETFL) : -1, anew;

	*r = (struct relay){ .from = from, .to = -1 };
	/* What cannot be written by the caller is not written for it. */
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || fstat(to, &st) < 0)
		return;
	r->is_socket = S_ISSOCK(st.st_mode);
	anew = S_ISFIFO(st.st_mode) || isatty(to) ? open_anew(to) : -1;
	r->to = anew >= 0 ? anew : take_fd(&given);
}

void relay_done(struct relay *r)
{
	cleanup_close(&r->from);
	cleanup_close(&r->to);
}

bool relay_is_done(const struct relay *r)
{
	return r->from < 0 && (r->to < 0 || r->at == r->end);
}

void relay_pollfd(const struct relay *r, struct pollfd *fd)
{
	bool has_bytes = r->to >= 0 && r->at < r->end;

	*fd = (struct pollfd){ .fd = has_bytes ? r->to : r->from,
		.events = has_bytes ? POLLOUT : POLLIN };
}

static void put(struct relay *r)
{
	size_t n = r->end - r->at;
	ssize_t done = r->is_socket ? send(r->to, r->bytes + r->at, n, MSG_DONTWAIT | MSG_NOSIGNAL)
				    : write(r->to, r->bytes + r->at, n);

	if (done > 0)
		r->at += (size_t)done;
	else if (done == 0 || (errno != EAGAIN && errno != EINTR))
		cleanup_close(&r->to);
}

static void get(struct relay *r)
{
	ssize_t n = read(r->from, r->bytes, sizeof(r->bytes));

	if (n > 0) {
		r->at = 0;
		r->end = (size_t)n;
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		cleanup_close(&r->from);
	}
}

void relay_dispatch(struct relay *r, const struct pollfd *fd)
{
	if (fd->fd < 0 || fd->revents == 0)
		return;
	if (fd->fd == r->to)
		put(r);
	else
		get(r);
}

void relay_say(int fd, const char *line, size_t n)
{
	struct relay r;

	relay_init(&r, -1, fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : -1);
	if (r.to >= 0 && n <= sizeof(r.bytes)) {
		memcpy(r.bytes, line, n);
		r.end = n;
		put(&r);
	}
	relay_done(&r);
}
