#include "wire/fdpass.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int fdpass_send(int sock, const void *bytes, size_t n, const int *fds, size_t n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDPASS_MAX * sizeof(int))] = { 0 };
	struct iovec io = { .iov_base = (void *)(size_t)bytes, .iov_len = n };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };

	assert(n_fds <= FDPASS_MAX);
	if (n_fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	for (;;) {
		ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (sent >= 0)
			return 0;
		if (errno != EINTR)
			return -errno;
	}
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
}

ssize_t fdpass_recv(int sock, void *bytes, size_t n, int *fds, size_t max_fds, size_t *ret_n_fds)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDPASS_MAX * sizeof(int))];
	struct iovec io = { .iov_base = bytes, .iov_len = n };
	struct msghdr msg = { .msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	int got[FDPASS_MAX];
	size_t n_got = 0;
	ssize_t len;

	do
		len = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL; c = CMSG_NXTHDR(&msg, c)) {
		size_t k = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n_got + k > FDPASS_MAX)
			continue;
		memcpy(got + n_got, CMSG_DATA(c), k * sizeof(int));
		n_got += k;
	}
	if (n_got > max_fds || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		close_all(got, n_got);
		return -EMSGSIZE;
	}
	if (n_got > 0)
		memcpy(fds, got, n_got * sizeof(int));
	*ret_n_fds = n_got;
	return len;
}
