/*
 * SOCKS5 (RFC 1928, CONNECT only), SOCKS4 and SOCKS4a requests; with a login SOCKS5 alone and with
 * that user and password (RFC 1929).
 */
#ifndef PROXY_SOCKS_H
#define PROXY_SOCKS_H

#include "proxy/target.h"

/* Rationale: 255 bytes of name and the fields around it; SOCKS4a has a user name as well. */
#define SOCKS_REQUEST_MAX 600u
#define SOCKS_REPLY_BYTES 10u

enum socks_result {
	SOCKS_MORE,
	SOCKS_GREETED, /* SOCKS5: send reply, then ask again with has_greeted */
	SOCKS_REQUEST, /* target is filled; answer with socks_reply() when it is decided */
	SOCKS_BAD,     /* send reply (if any) and close */
};

struct socks {
	const char *login; /* "USER:PASSWORD" that is asked for, or NULL; borrowed */
	bool has_greeted;
	bool has_logged_in;
	unsigned version; /* 4 or 5 */
	size_t bytes;     /* how many were used up */
	struct target target;
	unsigned char reply[SOCKS_REPLY_BYTES];
	size_t reply_bytes;
	const char *why; /* SOCKS_BAD: static text */
};

enum socks_status { SOCKS_GRANTED, SOCKS_DENIED, SOCKS_UNREACHABLE, SOCKS_BAD_COMMAND };

/* Reads what there is. Pure; s starts as {0}. */
enum socks_result socks_parse(struct socks *s, const unsigned char *bytes, size_t n);

/* Fills reply and reply_bytes for the version that was asked in. */
void socks_reply(struct socks *s, enum socks_status status);

#endif
