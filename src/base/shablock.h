/* What SHA-1 and SHA-256 have in common: blocks of 64 bytes and how the last one is filled (FIPS 180-4, 5.1.1). */
#ifndef BASE_SHABLOCK_H
#define BASE_SHABLOCK_H

#include <stddef.h>
#include <stdint.h>

struct shablock {
	uint32_t state[8]; /* SHA-1 uses five */
	uint64_t total_bytes;
	unsigned char block[64];
	size_t block_bytes;
	void (*mix)(uint32_t state[8], const unsigned char block[64]);
};

/* What was fed before counts too. */
void shablock_add(struct shablock *s, const void *bytes, size_t n);

/* The digest's first n bytes, at most 32; s is of no use afterwards. */
void shablock_final(struct shablock *s, unsigned char *out, size_t n);

#endif
