/*
 * A cell's network: a namespace that holds only lo, on which every address is local, and the
 * sockets through which the proxy, outside, answers for all of it.
 */
#ifndef CELL_NET_H
#define CELL_NET_H

#include "base/err.h"
#include "policy/policy.h"
#include "policy/roles.h"

#include <stdint.h>

/* Rationale: a rule each in the ruleset, checked by the kernel one after the other. */
#define NET_LITERALS_MAX 64

/*
 * Indexes of net_sockets.fds: in the order of enum cell_fd from CELL_FD_TCP4 on, and of enum
 * proxy_fd from PROXY_FD_TCP4 on up to NFLOG.
 */
enum net_fd {
	NET_FD_TCP4, /* redirected TCP */
	NET_FD_TCP6, /* -1 without IPv6, as every *6 */
	NET_FD_UDP4, /* names */
	NET_FD_UDP6,
	NET_FD_DNS4, /* names over TCP */
	NET_FD_DNS6,
	NET_FD_PROXY,
	NET_FD_NFLOG,
	NET_FD_DIAG,      /* stays with the warden */
	NET_FD_LOCALHOST, /* two for each port: 127.0.0.1, ::1 (-1 without IPv6) */
	NET_FD_COUNT = NET_FD_LOCALHOST + 2 * PLACE_LOCALHOST_MAX
};

struct net_sockets {
	int fds[NET_FD_COUNT]; /* -1: not there */
	size_t n;              /* NET_FD_LOCALHOST + 2 * ports: how many are meant */
};

/* A literal address that [egress] allow names: its TCP port is redirected to the proxy. */
struct net_literal {
	int family;          /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* network byte order; 4 bytes of it for AF_INET */
	uint16_t port;
};

struct net_request {
	uint16_t localhost_ports[PLACE_LOCALHOST_MAX];
	size_t n_localhost;
	struct net_literal literals[NET_LITERALS_MAX];
	size_t n_literals;
};

/*
 * Takes localhost:PORT entries and literal addresses from [egress] allow; a literal without a port
 * means 443 and 80. 0, or -E2BIG with err: more than fit, naming the line.
 */
int net_request_from(const struct policy *policy, struct net_request *ret, struct err *err);

/*
 * Sets up the network namespace the caller is in: lo, addresses, routes, nftables rules, sockets.
 * Should: be called once, in a namespace that nobody else has used, with CAP_NET_ADMIN and
 * CAP_NET_BIND_SERVICE over it, before any capability is dropped. 0: *ret is the caller's, see
 * net_done(). -errno with err: nothing is left open and the cell must not run.
 */
int net_setup(const struct net_request *request, struct net_sockets *ret, struct err *err)
	__attribute__((warn_unused_result));

void net_done(struct net_sockets *sockets); /* closes all of them */

#endif
