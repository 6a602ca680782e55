/*
 * Netlink messages. Runs in the cell's first process before it has lost its capabilities; the peer
 * is the kernel, no input is hostile.
 */
#include "cell/net_msg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void net_msg_init(struct net_msg *m)
{
	m->len = m->head = 0;
	m->n_acks = 0;
	m->seq = 0;
	m->is_open = m->failed = false;
}

/* Room for n bytes, zeroed up to the next multiple of 4; NULL and failed when there is none. */
static void *reserve(struct net_msg *m, size_t n)
{
	unsigned char *at = m->bytes + m->len;
	size_t padded = NLMSG_ALIGN(n);

	if (padded > sizeof(m->bytes) - m->len) {
		m->failed = true;
		return NULL;
	}
	memset(at, 0, padded);
	m->len += padded;
	return at;
}

static void close_message(struct net_msg *m)
{
	uint32_t bytes = (uint32_t)(m->len - m->head);

	if (m->is_open && !m->failed)
		memcpy(m->bytes + m->head + offsetof(struct nlmsghdr, nlmsg_len), &bytes,
			sizeof(bytes));
	m->is_open = false;
}

void net_msg_begin(struct net_msg *m, unsigned type, unsigned flags)
{
	struct nlmsghdr h = { .nlmsg_type = (uint16_t)type,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags),
		.nlmsg_seq = ++m->seq };

	close_message(m);
	m->head = m->len;
	m->is_open = true;
	if ((flags & NLM_F_ACK) != 0)
		m->n_acks++;
	net_msg_put(m, &h, sizeof(h));
}

void net_msg_want_ack(struct net_msg *m)
{
	uint16_t flags;
	unsigned char *at = m->bytes + m->head + offsetof(struct nlmsghdr, nlmsg_flags);

	if (m->failed)
		return;
	memcpy(&flags, at, sizeof(flags));
	flags = (uint16_t)(flags | NLM_F_ACK);
	memcpy(at, &flags, sizeof(flags));
	m->n_acks++;
}

void net_msg_put(struct net_msg *m, const void *bytes, size_t n)
{
	void *at = reserve(m, n);

	if (at != NULL && n > 0)
		memcpy(at, bytes, n);
}

void net_msg_attr(struct net_msg *m, unsigned type, const void *bytes, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + n), .nla_type = (uint16_t)type };

	net_msg_put(m, &a, sizeof(a));
	net_msg_put(m, bytes, n);
}

void net_msg_attr_str(struct net_msg *m, unsigned type, const char *s)
{
	net_msg_attr(m, type, s, strlen(s) + 1);
}

void net_msg_attr_be32(struct net_msg *m, unsigned type, uint32_t value)
{
	value = htonl(value);
	net_msg_attr(m, type, &value, sizeof(value));
}

size_t net_msg_nest(struct net_msg *m, unsigned type)
{
	size_t at = m->len;

	net_msg_attr(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

void net_msg_end(struct net_msg *m, size_t nest)
{
	uint16_t bytes = (uint16_t)(m->len - nest);

	if (!m->failed)
		memcpy(m->bytes + nest + offsetof(struct nlattr, nla_len), &bytes, sizeof(bytes));
}

/* Reads what is queued; *ret_acks counts acknowledgements, the result is the first error. */
static int read_acks(int sock, unsigned *ret_acks)
{
	_Alignas(struct nlmsghdr) unsigned char reply[8192];
	int first = 0;

	for (;;) {
		ssize_t n = recv(sock, reply, sizeof(reply), MSG_DONTWAIT);
		struct nlmsghdr *h = (void *)reply;
		unsigned left = n > 0 ? (unsigned)n : 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? first : -errno;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			const struct nlmsgerr *e = NLMSG_DATA(h);

			if (h->nlmsg_type != NLMSG_ERROR)
				continue;
			(*ret_acks)++;
			if (e->error != 0 && first == 0)
				first = e->error;
		}
	}
}

int net_msg_exchange(struct net_msg *m, int sock)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	unsigned n_wanted = m->n_acks, n_acks = 0;
	size_t len = m->len;
	int r;

	close_message(m);
	m->len = 0;
	m->n_acks = 0;
	if (m->failed)
		return -ENOBUFS;
	if (sendto(sock, m->bytes, len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	r = read_acks(sock, &n_acks);
	if (r < 0)
		return r;
	return n_acks == n_wanted ? 0 : -EPROTO;
}

int net_msg_socket(int protocol)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	int one = 1;

	if (sock < 0)
		return -errno;
	/* An acknowledgement need not repeat the message it is for. */
	(void)setsockopt(sock, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
	return sock;
}
