/* The cell's nftables rules (nft(8)), installed by raw netlink in one transaction. */
#ifndef CELL_NET_RULES_H
#define CELL_NET_RULES_H

#include "cell/net.h"

/*
 * Installs, in the network namespace of the caller (CAP_NET_ADMIN over it):
 *
 *	chain n: type nat hook output priority -100
 *		udp|tcp dport 53 redirect to :53
 *		daddr 127.0.0.0/8, own4, ::1, own6 accept
 *		daddr 198.18.0.0/16 tcp, and each literal address and port, redirect to :9
 *	chain f: type filter hook output priority 0
 *		daddr 127.0.0.0/8, own4, ::1, own6 accept
 *		daddr 198.18.0.0/16 udp accept
 *		log group 7; tcp reject with tcp reset
 *
 * What is not TCP goes on to the namespace's own stack, where every address is local: nobody
 * listens, so it is refused at once. An ICMP answer of the rules' own would be slower: TCP over
 * IPv6 takes a second to believe one. 0 or -errno with err, which names the modules to load.
 */
int net_rules_install(const struct net_request *request, struct err *err)
	__attribute__((warn_unused_result));

/* Binds sock (NETLINK_NETFILTER) to the group of the log rule. 0 or -errno with err. */
int net_rules_bind_log(int sock, struct err *err) __attribute__((warn_unused_result));

#endif
