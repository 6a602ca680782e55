/*
 * Refused packets. Runs in the proxy; the netlink messages are the kernel's, hostile input: the
 * packet in them.
 */
#include "proxy/nflog.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "proxy/report.h"
#include "proxy/target.h"
#include "wire/proxymsg.h"

#include <event2/event.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Rationale: one packet with 128 bytes of it a message (queue threshold 1). */
#define MESSAGE_MAX 4096u
#define MESSAGES_A_TURN 64

#define IP4_BYTES 20u
#define IP6_BYTES 40u
#define TCP_FLAGS_AT 13u
#define TCP_SYN 0x02u
#define TCP_ACK 0x10u

struct nflog {
	struct proxy *proxy;
	struct event *event;
	time_t second;
	unsigned n_this_second;
};

static bool read_transport(uint8_t protocol, const uint8_t *p, size_t n, struct proxymsg *ret)
{
	if (protocol == IPPROTO_TCP) {
		if (n <= TCP_FLAGS_AT || (p[TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			return false;
	} else if (protocol != IPPROTO_UDP || n < 4) {
		return false;
	}
	ret->client_port = (uint16_t)(p[0] << 8 | p[1]);
	ret->server_port = ret->port = (uint16_t)(p[2] << 8 | p[3]);
	(void)snprintf(ret->reason, sizeof(ret->reason), "%s",
		protocol == IPPROTO_TCP ? "literal address that [egress] allow does not name"
					: "UDP other than DNS is not carried");
	return true;
}

static bool read_ip4(const uint8_t *p, size_t n, struct proxymsg *ret)
{
	size_t header = n > 0 ? (size_t)(p[0] & 15) * 4 : 0;

	if (n < IP4_BYTES || header < IP4_BYTES || header > n)
		return false;
	if (p[16] >= 224 || p[16] == 0)
		return false; /* multicast, broadcast, unspecified */
	ret->family = AF_INET;
	memcpy(ret->client, p + 12, 4);
	memcpy(ret->server, p + 16, 4);
	return read_transport(p[9], p + header, n - header, ret);
}

static bool read_ip6(const uint8_t *p, size_t n, struct proxymsg *ret)
{
	if (n < IP6_BYTES || p[24] == 0xff)
		return false;
	ret->family = AF_INET6;
	memcpy(ret->client, p + 8, 16);
	memcpy(ret->server, p + 24, 16);
	return read_transport(p[6], p + IP6_BYTES, n - IP6_BYTES, ret);
}

bool nflog_read_packet(const uint8_t *packet, size_t n, struct proxymsg *ret)
{
	struct proxymsg msg = { .type = PROXYMSG_DENIED, .via = PROXYMSG_LITERAL };
	struct target t;
	bool ok;

	if (n == 0)
		return false;
	ok = packet[0] >> 4 == 4 ? read_ip4(packet, n, &msg)
				 : packet[0] >> 4 == 6 && read_ip6(packet, n, &msg);
	if (!ok)
		return false;
	target_from_address(msg.family, msg.server, msg.port, &t);
	memcpy(msg.host, t.host, sizeof(t.host));
	*ret = msg;
	return true;
}

static bool is_within_rate(struct nflog *nflog)
{
	int64_t now_s = clock_s();

	if (now_s != nflog->second) {
		nflog->second = now_s;
		nflog->n_this_second = 0;
	}
	return ++nflog->n_this_second <= NFLOG_REPORTS_A_SECOND;
}

static void report_packet(struct nflog *nflog, const uint8_t *packet, size_t n)
{
	struct proxymsg msg;

	if (!nflog_read_packet(packet, n, &msg) || !is_within_rate(nflog))
		return;
	msg.connection = ++nflog->proxy->last_connection;
	report_send(nflog->proxy->report, &msg);
}

/* The NFULA_PAYLOAD attribute of one message. */
static void read_message(struct nflog *nflog, const struct nlmsghdr *h)
{
	const uint8_t *p = (const uint8_t *)h + NLMSG_LENGTH(sizeof(struct nfgenmsg));
	size_t left;

	if (h->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) ||
		h->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
		return;
	left = h->nlmsg_len - NLMSG_LENGTH(sizeof(struct nfgenmsg));
	while (left >= sizeof(struct nlattr)) {
		struct nlattr a;
		size_t padded;

		memcpy(&a, p, sizeof(a));
		if (a.nla_len < sizeof(a) || a.nla_len > left)
			return;
		if ((a.nla_type & NLA_TYPE_MASK) == NFULA_PAYLOAD)
			report_packet(nflog, p + sizeof(a), a.nla_len - sizeof(a));
		padded = NLMSG_ALIGN((size_t)a.nla_len);
		if (padded > left)
			return;
		p += padded;
		left -= padded;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct nflog *nflog = arg;
	_Alignas(struct nlmsghdr) uint8_t bytes[MESSAGE_MAX];

	(void)what;
	for (int i = 0; i < MESSAGES_A_TURN; i++) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		struct nlmsghdr *h = (void *)bytes;
		unsigned left = n > 0 ? (unsigned)n : 0;

		/* ENOBUFS says that some were lost: only the audit is the poorer for it. */
		if (n < 0 && errno != EINTR && errno != ENOBUFS)
			return;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			read_message(nflog, h);
	}
}

struct nflog *nflog_new(struct proxy *proxy, int sock)
{
	struct nflog *nflog = calloc(1, sizeof(*nflog));

	if (nflog == NULL)
		return NULL;
	nflog->proxy = proxy;
	nflog->event = event_new(proxy->base, sock, EV_READ | EV_PERSIST, on_readable, nflog);
	if (nflog->event == NULL || event_add(nflog->event, NULL) < 0) {
		nflog_free(nflog);
		return NULL;
	}
	return nflog;
}

void nflog_free(struct nflog *nflog)
{
	if (nflog == NULL)
		return;
	if (nflog->event != NULL)
		event_free(nflog->event);
	free(nflog);
}
