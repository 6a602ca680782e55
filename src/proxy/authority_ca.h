/* The session's certificate authority: a P-256 key and the certificate that speaks for it. */
#ifndef PROXY_AUTHORITY_CA_H
#define PROXY_AUTHORITY_CA_H

#include "base/err.h"

#include <openssl/x509.h>
#include <stddef.h>

/* Rationale: H8: a session that lasts longer is rare, and a key that leaks is worth little then. */
#define AUTHORITY_CA_LIFE_S (24L * 3600)

/*
 * Makes key and self-signed certificate (RFC 5280): CA:TRUE with pathlen 0, keyCertSign, serverAuth,
 * and critical name constraints: hosts (names or *.SUFFIX) alone, and no address. A wildcard stands
 * for its suffix: the RFC's dNSName constraint has no form without it. Valid from an hour ago for
 * AUTHORITY_CA_LIFE_S. 0, or -errno with err; both results are the caller's.
 */
int authority_ca_make(const char *const *hosts, size_t n, X509 **ret_cert, EVP_PKEY **ret_key,
	struct err *err);

#endif
