/*
 * SHA-1 (FIPS 180-4), by which git names objects. No more than that: for anything that someone
 * could want to forge there is base/sha256.h.
 */
#ifndef BASE_SHA1_H
#define BASE_SHA1_H

#include "base/shablock.h"

#include <stddef.h>

#define SHA1_BYTES 20

struct sha1 {
	struct shablock sum;
};

void sha1_init(struct sha1 *s);
void sha1_add(struct sha1 *s, const void *bytes, size_t n);
void sha1_final(struct sha1 *s, unsigned char out[SHA1_BYTES]);

#endif
