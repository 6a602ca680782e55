/*
 * What the proxy tells the warden: one SOCK_SEQPACKET message for each connection, when it is
 * decided and when it has ended. The warden decodes it with proxymsg_decode(): the proxy parses
 * hostile bytes, so nothing it says is trusted but for the audit.
 */
#ifndef WIRE_PROXYMSG_H
#define WIRE_PROXYMSG_H

#include <stddef.h>
#include <stdint.h>

enum proxymsg_type {
	PROXYMSG_ALLOWED = 1, /* connected to the vetted address */
	PROXYMSG_DENIED,      /* by policy; the cell saw a reset */
	PROXYMSG_FAILED,      /* allowed, but the host could not be reached */
	PROXYMSG_CLOSED,      /* an allowed one has ended: byte counts */
	PROXYMSG_REQUEST, /* a request to a host with rules was judged: method, path, status, rule
			   */
	PROXYMSG_LOST,    /* so many messages before this one could not be sent: bytes_out */
	PROXYMSG_TYPE_COUNT
};

enum proxymsg_via { PROXYMSG_TRANSPARENT, PROXYMSG_CONNECT, PROXYMSG_ABSOLUTE, PROXYMSG_SOCKS,
	PROXYMSG_LOCALHOST, PROXYMSG_DNS, PROXYMSG_LITERAL, PROXYMSG_VIA_COUNT };

/* The reason that is told to the command in words of its own. */
/* The reason of a refusal where a fake key was found begins so; its path follows. */
#define PROXYMSG_REASON_HONEY "it has the fake key of "
#define PROXYMSG_REASON_UNTRUSTED "client refused the session's certificate authority"

struct proxymsg {
	uint32_t type, via;
	uint64_t connection; /* the proxy's number of it */
	char host[256]; /* NUL-terminated name or literal; never longer than 253 */
	char address[48]; /* the address dialled, as text, or "" */
	char rule[200]; /* "FILE:LINE SECTION.KEY ENTRY" or "" */
	char reason[120]; /* for people */
	uint16_t port;
	uint16_t family; /* AF_INET or AF_INET6 of the two below */
	uint16_t client_port, server_port; /* the cell's socket: to find which command it is */
	uint16_t status; /* REQUEST: what the client was answered; 0: nothing */
	uint16_t is_denied; /* REQUEST: by policy */
	char method[24]; /* REQUEST: cut to fit */
	char path[256]; /* REQUEST: without the query, cut to fit */
	uint8_t client[16], server[16];
	uint64_t bytes_out, bytes_in; /* from and to the cell */
};

/*
 * Is it a refusal? The warden answers each with one byte when it has told the command: only then is
 * the client answered, or the command might be gone before it could be found.
 */
int proxymsg_is_denial(const struct proxymsg *msg);

/* False when a field is out of range or a text is not terminated. */
int proxymsg_is_valid(const struct proxymsg *msg, size_t n);

/*
 * Descriptor numbers of the proxy role (`agentjail @proxy N_LOCALHOST N_RULES`), inherited from the
 * warden. Listeners live in the cell's network namespace; PROXY_FD_LOCALHOST + i are the listeners
 * of localhost:PORT entries (two for each port: 127.0.0.1 and ::1), as many as argv[2] says; behind
 * them the sockets of the rules, in the order of rules_all(), as many as argv[3] says.
 */
enum proxy_fd {
	PROXY_FD_POLICY = 3, /* memfd, policy_undump() */
	PROXY_FD_WARDEN, /* SOCK_SEQPACKET, struct proxymsg */
	PROXY_FD_AUTHORITY, /* memfd: the session's certificate authority with its key, PEM; or closed */
	PROXY_FD_LOGIN, /* memfd: "USER:PASSWORD" that clients of the explicit proxy need; or closed */
	PROXY_FD_HONEY, /* memfd: fake keys to be looked for, wire/honey.h; or closed */
	PROXY_FD_TCP4, /* redirected TCP: SO_ORIGINAL_DST */
	PROXY_FD_TCP6,
	PROXY_FD_UDP4, /* names */
	PROXY_FD_UDP6,
	PROXY_FD_DNS4, /* names over TCP */
	PROXY_FD_DNS6,
	PROXY_FD_PROXY, /* NETPLAN_PROXY_PORT: CONNECT, absolute-form and SOCKS */
	PROXY_FD_NFLOG, /* refused literal destinations, NFLOG group 7; -1 is possible: closed */
	PROXY_FD_LOCALHOST,
};

#endif
