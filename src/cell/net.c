/*
 * Network of a cell: namespace of its own, every address local, all ways out lead to the proxy.
 * Runs in the cell's first process with CAP_NET_ADMIN and CAP_NET_BIND_SERVICE over its own network
 * namespace, before they are dropped. No input is hostile.
 *
 * ping fails at once: without CAP_NET_RAW there is no raw socket (EPERM), and ping_group_range of a
 * new namespace is empty, so there is no ICMP socket either (EACCES).
 */
#include "cell/net.h"

#include "base/cleanup.h"
#include "cell/net_msg.h"
#include "cell/net_rules.h"
#include "wire/netplan.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: the kernel cuts it to net.core.somaxconn; a paused proxy must not lose connections. */
#define BACKLOG 4096

#define LO_INDEX 1 /* the loopback device is the first of every network namespace */

static const uint8_t own6[16] = NETPLAN_OWN6;

/* ---- interface, addresses, routes (rtnetlink(7)) ---- */

struct link_address {
	uint8_t family, prefix, flags;
	const void *bytes;
	size_t n;
};

static void put_address(struct net_msg *m, struct link_address a)
{
	struct ifaddrmsg ifa = { .ifa_family = a.family,
		.ifa_prefixlen = a.prefix,
		.ifa_flags = a.flags,
		.ifa_index = LO_INDEX };

	net_msg_begin(m, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL);
	net_msg_put(m, &ifa, sizeof(ifa));
	net_msg_attr(m, IFA_LOCAL, a.bytes, a.n);
	net_msg_attr(m, IFA_ADDRESS, a.bytes, a.n);
}

/* "Any address is local": without it connect() is ENETUNREACH before a rule could see the packet.
 */
static void put_route(struct net_msg *m, struct link_address source)
{
	struct rtmsg r = { .rtm_family = source.family,
		.rtm_table = RT_TABLE_MAIN,
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = source.family == AF_INET ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
		.rtm_type = RTN_LOCAL };
	const int lo = LO_INDEX;

	net_msg_begin(m, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE);
	net_msg_put(m, &r, sizeof(r));
	net_msg_attr(m, RTA_OIF, &lo, sizeof(lo));
	net_msg_attr(m, RTA_PREFSRC, source.bytes, source.n);
}

static void put_lo_up(struct net_msg *m)
{
	struct ifinfomsg i = { .ifi_index = LO_INDEX, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	net_msg_begin(m, RTM_NEWLINK, NLM_F_ACK);
	net_msg_put(m, &i, sizeof(i));
}

static int exchange(struct net_msg *m, int sock, const char *what, struct err *err)
{
	int r = net_msg_exchange(m, sock);

	return r < 0 ? err_set(err, -r, "%s in the cell's network", what) : 0;
}

/* IPv6 may be switched off on the host in several ways; then the cell has none. */
static bool set_up_ipv6(struct net_msg *m, int sock)
{
	const struct link_address a = { AF_INET6, 128, IFA_F_NODAD, own6, sizeof(own6) };

	put_address(m, a);
	put_route(m, a);
	return net_msg_exchange(m, sock) == 0;
}

static int set_up_links(bool *ret_has_ipv6, struct err *err)
{
	const uint32_t own4 = htonl(NETPLAN_OWN4);
	const struct link_address a = { AF_INET, 32, 0, &own4, sizeof(own4) };
	AUTO_CLOSE int sock = net_msg_socket(NETLINK_ROUTE);
	AUTO_FREE struct net_msg *m = malloc(sizeof(*m));
	int r;

	if (sock < 0)
		return err_set(err, -sock, "route netlink socket");
	if (m == NULL)
		return err_set(err, ENOMEM, "network set-up");
	net_msg_init(m);
	put_lo_up(m);
	put_address(m, a);
	put_route(m, a);
	r = exchange(m, sock, "lo, its address and the local default route", err);
	if (r < 0)
		return r;
	*ret_has_ipv6 = set_up_ipv6(m, sock);
	return 0;
}

/* ---- sockets ---- */

struct listener {
	int family, type;
	uint16_t port;
};

static int bind_loopback(int sock, struct listener l)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET,
		.sin_port = htons(l.port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(l.port),
		.sin6_addr = IN6ADDR_LOOPBACK_INIT };

	return l.family == AF_INET ? bind(sock, (struct sockaddr *)&a4, sizeof(a4))
				   : bind(sock, (struct sockaddr *)&a6, sizeof(a6));
}

static int open_listener(struct listener l, int *ret_fd, struct err *err)
{
	AUTO_CLOSE int sock = socket(l.family, l.type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;

	if (sock < 0)
		return err_set(err, errno, "socket for port %u", l.port);
	if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
		return err_set(err, errno, "SO_REUSEADDR");
	if (l.family == AF_INET6 &&
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
		return err_set(err, errno, "IPV6_V6ONLY");
	if (bind_loopback(sock, l) < 0)
		return err_set(err, errno, "bind port %u in the cell", l.port);
	if (l.type == SOCK_STREAM && listen(sock, BACKLOG) < 0)
		return err_set(err, errno, "listen on port %u in the cell", l.port);
	*ret_fd = take_fd(&sock);
	return 0;
}

static int open_listeners(bool has_ipv6, struct net_sockets *s, struct err *err)
{
	static const struct listener table[] = {
		[NET_FD_TCP4] = { AF_INET, SOCK_STREAM, NETPLAN_REDIRECT_PORT },
		[NET_FD_TCP6] = { AF_INET6, SOCK_STREAM, NETPLAN_REDIRECT_PORT },
		[NET_FD_UDP4] = { AF_INET, SOCK_DGRAM, NETPLAN_DNS_PORT },
		[NET_FD_UDP6] = { AF_INET6, SOCK_DGRAM, NETPLAN_DNS_PORT },
		[NET_FD_DNS4] = { AF_INET, SOCK_STREAM, NETPLAN_DNS_PORT },
		[NET_FD_DNS6] = { AF_INET6, SOCK_STREAM, NETPLAN_DNS_PORT },
		[NET_FD_PROXY] = { AF_INET, SOCK_STREAM, NETPLAN_PROXY_PORT },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		int r = table[i].family == AF_INET6 && !has_ipv6
				? 0
				: open_listener(table[i], &s->fds[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int open_localhost(
	const struct net_request *request, bool has_ipv6, struct net_sockets *s, struct err *err)
{
	for (size_t i = 0; i < request->n_localhost; i++) {
		struct listener l = { AF_INET, SOCK_STREAM, request->localhost_ports[i] };
		int r = open_listener(l, &s->fds[NET_FD_LOCALHOST + 2 * i], err);

		l.family = AF_INET6;
		if (r == 0 && has_ipv6)
			r = open_listener(l, &s->fds[NET_FD_LOCALHOST + 2 * i + 1], err);
		if (r < 0)
			return r;
	}
	s->n = NET_FD_LOCALHOST + 2 * request->n_localhost;
	return 0;
}

static int open_netlink(struct net_sockets *s, struct err *err)
{
	s->fds[NET_FD_NFLOG] = net_msg_socket(NETLINK_NETFILTER);
	if (s->fds[NET_FD_NFLOG] < 0)
		return err_set(err, -s->fds[NET_FD_NFLOG], "netfilter netlink socket");
	s->fds[NET_FD_DIAG] = net_msg_socket(NETLINK_SOCK_DIAG);
	if (s->fds[NET_FD_DIAG] < 0)
		return err_set(err, -s->fds[NET_FD_DIAG], "sock_diag netlink socket");
	return net_rules_bind_log(s->fds[NET_FD_NFLOG], err);
}

int net_setup(const struct net_request *request, struct net_sockets *ret, struct err *err)
{
	struct net_sockets s = { .n = NET_FD_LOCALHOST };
	bool has_ipv6 = false;
	int r;

	for (size_t i = 0; i < NET_FD_COUNT; i++)
		s.fds[i] = -1;
	if (request->n_localhost > PLACE_LOCALHOST_MAX || request->n_literals > NET_LITERALS_MAX)
		return err_set(err, E2BIG, "too many localhost ports or literal addresses");
	r = set_up_links(&has_ipv6, err);
	if (r == 0)
		r = net_rules_install(request, err);
	if (r == 0)
		r = open_listeners(has_ipv6, &s, err);
	if (r == 0)
		r = open_localhost(request, has_ipv6, &s, err);
	if (r == 0)
		r = open_netlink(&s, err);
	if (r < 0) {
		net_done(&s);
		return r;
	}
	*ret = s;
	return 0;
}

void net_done(struct net_sockets *sockets)
{
	for (size_t i = 0; i < NET_FD_COUNT; i++)
		cleanup_close(&sockets->fds[i]);
}
