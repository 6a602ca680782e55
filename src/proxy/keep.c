/*
 * Messages to and from keepers. Runs in the proxy; hostile input: what a keeper sends, since it
 * parses what the server sends.
 */
#include "proxy/keep.h"

#include "base/cleanup.h"
#include "wire/fdpass.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int keep_open(int rule_sock, const struct target *target, bool is_plain, int server)
{
	struct keepmsg_open open = {
		.version = KEEPMSG_OPEN_VERSION, .port = target->port, .is_plain = is_plain
	};
	int pair[2], fds[2], r;

	_Static_assert(sizeof(open.host) == sizeof(target->host), "a host fits");
	memcpy(open.host, target->host, sizeof(open.host));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	fds[0] = pair[1];
	fds[1] = server;
	r = fdpass_send(rule_sock, &open, sizeof(open), fds, ARRAY_LEN(fds));
	cleanup_close(&pair[1]);
	if (r < 0) {
		cleanup_close(&pair[0]);
		return r;
	}
	return pair[0];
}

int keep_send_request(int fd, const struct buf *request, bool with_end, unsigned *ret_sent)
{
	uint32_t end = KEEPMSG_BODY_END;
	struct iovec first = { .iov_base = request->data, .iov_len = request->len },
		     second = { .iov_base = &end, .iov_len = sizeof(end) };
	struct mmsghdr messages[2] = { { .msg_hdr = { .msg_iov = &first, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &second, .msg_iovlen = 1 } } };
	unsigned wanted = with_end ? 2 : 1;
	int n;

	*ret_sent = 0;
	do
		n = sendmmsg(fd, messages, wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*ret_sent = (unsigned)n;
	return *ret_sent == wanted ? 0 : -EAGAIN;
}

int keep_send(int fd, enum keepmsg_type type, const void *bytes, size_t n)
{
	uint32_t word = (uint32_t)type;
	struct iovec iov[2] = { { .iov_base = &word, .iov_len = sizeof(word) },
		{ .iov_base = (void *)(size_t)bytes, .iov_len = n } };
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1 };
	ssize_t sent;

	do
		sent = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

/* How large a keeper's messages may be, the type's word not counted; 0: not a keeper's. */
static size_t size_max(uint32_t type)
{
	switch (type) {
	case KEEPMSG_RESPONSE:
	case KEEPMSG_TRAILERS:
		return KEEPMSG_HEAD_MAX;
	case KEEPMSG_DATA:
		return KEEPMSG_DATA_MAX;
	case KEEPMSG_END:
		return sizeof(uint32_t);
	case KEEPMSG_FAILED:
		return sizeof(uint32_t) + KEEPMSG_REASON_MAX;
	default:
		return 0;
	}
}

int keep_recv(int fd, struct keep_message *ret)
{
	static char message[KEEPMSG_MAX];
	uint32_t word;
	ssize_t n;

	do
		n = recv(fd, message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	if ((size_t)n > sizeof(message) || (size_t)n < sizeof(word))
		return -EPROTO;
	memcpy(&word, message, sizeof(word));
	ret->type = (enum keepmsg_type)word;
	ret->bytes = message + sizeof(word);
	ret->n = (size_t)n - sizeof(word);
	if (size_max(word) == 0 || ret->n > size_max(word))
		return -EPROTO;
	if ((word == KEEPMSG_END && ret->n != sizeof(uint32_t)) ||
		(word == KEEPMSG_FAILED && ret->n < sizeof(uint32_t)))
		return -EPROTO;
	return 1;
}
