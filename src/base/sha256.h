/*
 * SHA-256 (FIPS 180-4), for the audit's hash chain. Our own because libcrypto costs every command
 * line more than a millisecond of loading, and nothing else in the warden needs it.
 */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/shablock.h"

#include <stddef.h>

#define SHA256_BYTES 32
#define SHA256_HEX_BYTES 65 /* with the final NUL */

struct sha256 {
	struct shablock sum;
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *bytes, size_t n);
void sha256_final(struct sha256 *s, unsigned char out[SHA256_BYTES]);
void sha256_hex(const unsigned char digest[SHA256_BYTES], char out[SHA256_HEX_BYTES]);

#endif
