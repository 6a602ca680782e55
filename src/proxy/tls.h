/*
 * TLS towards the cell: one context for all connections, certificates by leaf.c. What comes out of
 * a connection is read and written through stream.h.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "base/err.h"
#include "proxy/stream.h"
#include "proxy/target.h"

#include <openssl/types.h>

struct tls;

/*
 * Reads the session's certificate authority (PEM, certificate and key) from fd, which is borrowed.
 * with_h2: clients are offered HTTP/2. Must be called before lockdown_enter(). 0 or -errno.
 */
int tls_new(int fd, bool with_h2, struct tls **ret, struct err *err);
void tls_free(struct tls *tls); /* NULL is fine */

#endif
