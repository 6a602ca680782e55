/*
 * Addresses and ports inside a cell's network namespace: what cell/net.c sets up and the proxy
 * serves. The cell's resolv.conf says "nameserver 127.0.0.1" and nothing else.
 */
#ifndef WIRE_NETPLAN_H
#define WIRE_NETPLAN_H

/*
 * Every name gets an address of 198.18.0.0/16: half of the benchmarking range (RFC 2544), which is
 * never on the Internet and which programs do not treat as private. Host byte order.
 */
#define NETPLAN_SYNTHETIC_NET 0xc6120000u
#define NETPLAN_SYNTHETIC_MASK 0xffff0000u
#define NETPLAN_SYNTHETIC_FIRST 0xc6120100u /* of a name; what is below is the cell's own */

/*
 * The cell's own addresses, on lo. They are no loopback addresses, so that resolvers with
 * AI_ADDRCONFIG (RFC 3493) look names up at all.
 */
#define NETPLAN_OWN4 0xc6120001u
#define NETPLAN_OWN6                                                                               \
	{                                                                                          \
		0xfd, 0xaa, 0x6a, 0x61, 0x69, 0x6c, [15] = 1                                       \
	}

/* Where redirected TCP arrives; "discard" (RFC 863), which no program of a cell wants to serve. */
#define NETPLAN_REDIRECT_PORT 9
#define NETPLAN_DNS_PORT 53

/* 127.0.0.1 only: HTTP CONNECT, absolute-form HTTP, SOCKS5 and SOCKS4a, for [egress] proxy-env. */
#define NETPLAN_PROXY_PORT 3128

#define NETPLAN_NFLOG_GROUP 7 /* packets to refused literal addresses */

#endif
