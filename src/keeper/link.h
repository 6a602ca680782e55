/*
 * The connection to a rule's host, with TLS or (where the rule says so) without. The socket was
 * connected by the proxy, whose word on where it leads counts nothing: the certificate does.
 */
#ifndef KEEPER_LINK_H
#define KEEPER_LINK_H

#include "base/err.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct link {
	int fd;
	SSL *ssl; /* NULL: plain */
	bool read_wants_write, write_wants_read; /* TLS 1.3 changing its keys */
	bool is_broken; /* nothing more can be written */
};

/* Takes fd. ctx NULL: no TLS. 0 or -errno with err. */
int link_open(struct link *link, int fd, SSL_CTX *ctx, const char *host, struct err *err);
void link_close(struct link *link);

/* Before the first link_handshake(): offer HTTP/2 as well. */
void link_offer_h2(struct link *link);

/*
 * 0: the peer is who it has to be; -EAGAIN: wait for reading, and for writing when
 * write_wants_read is off and read_wants_write on; else err says why not, for people.
 */
int link_handshake(struct link *link, const char *host, struct err *err);
bool link_is_h2(const struct link *link); /* after the handshake */

/*
 * Bytes, 0 at the end that the peer announced, -EAGAIN, or -errno (-EPROTO: broken off). Should:
 * be read until -EAGAIN; decrypted bytes may be there that no poll tells of.
 */
ssize_t link_read(struct link *link, char *out, size_t max);
ssize_t link_write(struct link *link, const char *bytes, size_t n);

/* Nothing more will be written. */
void link_shut(struct link *link);

#endif
