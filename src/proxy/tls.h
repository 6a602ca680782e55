/*
 * TLS towards the cell: one context for all connections, certificates by leaf.c. What comes out of
 * a connection is read and written through stream.h.
 */
#ifndef PROXY_TLS_H
#define PROXY_TLS_H

#include "base/err.h"
#include "proxy/stream.h"

struct tls;

/*
 * Reads the session's certificate authority (PEM, certificate and key) from fd, which is borrowed.
 * with_h2: clients are offered HTTP/2. Must be called before lockdown_enter(). 0 or -errno.
 */
int tls_new(int fd, bool with_h2, struct tls **ret, struct err *err);
void tls_free(struct tls *tls); /* NULL is fine */

/* Makes the stream, of which nothing was read yet, a TLS server's. 0 or -ENOMEM. */
int tls_start(struct tls *tls, struct stream *s);

/*
 * Goes on with the handshake. 0: done, s->is_h2 says what was agreed on; -EAGAIN; -EACCES: we
 * refused the client, s->reason says why; -EPROTO: it failed, s->client_alert may say why.
 */
int tls_accept(struct stream *s);

/* Did the client refuse our certificate's authority? */
bool tls_was_refused(const struct stream *s);

#endif
