/* TLS towards the hosts of a rule: who may vouch for them, and who we are. */
#ifndef KEEPER_TLS_H
#define KEEPER_TLS_H

#include "base/err.h"
#include "keeper/secret.h"
#include "policy/rules.h"

#include <openssl/ssl.h>

/* The mother's share: makes OpenSSL fetch what every keeper needs, reads no file. 0 or -errno. */
int tls_warm(struct err *err);

/* All certificates of a PEM file behind fd. NULL with err when there is none. */
X509_STORE *tls_read_roots(int fd, struct err *err);

/*
 * The context of a rule: TLS 1.2 or later, no renegotiation, no ticket, no session used again, the
 * peer's certificate always verified: by the authorities of the rule's `ca` alone, or by roots.
 * With client-cert and client-key (their slots in secrets) what they say, else no certificate is
 * shown to who asks. NULL with err.
 */
SSL_CTX *tls_context(const struct rules_rule *rule, X509_STORE *roots,
	const struct secret_store *secrets, struct err *err);

#endif
