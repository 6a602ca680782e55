/* A set of certificates, each once, read from PEM and written as PEM or as a Java key store. */
#ifndef PROXY_AUTHORITY_ROOTS_H
#define PROXY_AUTHORITY_ROOTS_H

#include "base/buf.h"

#include <stddef.h>

/* Starts as {0}. */
struct authority_roots {
	struct authority_root {
		unsigned char *der;
		size_t n;
	} *items;
	size_t n, cap;
};

void authority_roots_done(struct authority_roots *roots);

/* Adds a certificate (copied) unless it is there. 0, -ENOMEM, or -E2BIG above AUTHORITY_ROOTS_MAX. */
int authority_roots_add(struct authority_roots *roots, const unsigned char *der, size_t n);

/*
 * Adds every CERTIFICATE block of text (RFC 7468): nothing else in it counts, keys least of all.
 * A block that is no DER of one SEQUENCE is left out: one bad byte would cost Java all of them.
 * 0 or as authority_roots_add().
 */
int authority_roots_add_pem(struct authority_roots *roots, const char *text, size_t len);

int authority_roots_add_all(struct authority_roots *roots, const struct authority_roots *from);

/* Appends them as PEM. Check out->failed. */
void authority_roots_put_pem(const struct authority_roots *roots, struct buf *out);

/*
 * Appends them as a JKS key store of trusted certificates with the password that everybody uses,
 * "changeit": all Java versions read it, with or without the password.
 */
void authority_roots_put_jks(const struct authority_roots *roots, struct buf *out);

#endif
