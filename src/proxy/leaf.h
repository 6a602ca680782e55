/*
 * Certificates for the names of hosts with rules, issued by the session's authority. One key for
 * all of them; what was issued is kept for a while.
 */
#ifndef PROXY_LEAF_H
#define PROXY_LEAF_H

#include "base/err.h"

#include <openssl/types.h>
#include <stddef.h>

/* Rationale: rules name some hosts, and wildcards some dozens; each takes 2.3 KiB. */
#define LEAF_CACHE_MAX 256u
#define LEAF_HOURS 24

struct leaf;

/*
 * Reads the authority's certificate and key from n bytes of PEM and makes the key of the leaves.
 * 0 or -errno.
 */
int leaf_new(const char *pem, size_t n, struct leaf **ret, struct err *err);
void leaf_free(struct leaf *leaf); /* NULL is fine */

/* The key and the chain above the leaves, for all connections. 0 or -errno. */
int leaf_install(struct leaf *leaf, SSL_CTX *ctx, struct err *err);

/*
 * The certificate for a host (name in normal form), borrowed until the next call: with that name
 * alone, from an hour ago for 24 hours, but not longer than the authority's own. NULL: it failed.
 */
X509 *leaf_get(struct leaf *leaf, const char *host);

#endif
