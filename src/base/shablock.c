#include "base/shablock.h"

#include <string.h>

void shablock_add(struct shablock *s, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	s->total_bytes += n;
	while (n > 0) {
		size_t take = sizeof(s->block) - s->block_bytes;

		if (take > n)
			take = n;
		memcpy(s->block + s->block_bytes, p, take);
		s->block_bytes += take;
		p += take;
		n -= take;
		if (s->block_bytes == sizeof(s->block)) {
			s->mix(s->state, s->block);
			s->block_bytes = 0;
		}
	}
}

void shablock_final(struct shablock *s, unsigned char *out, size_t n)
{
	uint64_t bits = s->total_bytes * 8;
	unsigned char tail[8];

	for (unsigned i = 0; i < 8; i++)
		tail[i] = (unsigned char)(bits >> (56 - 8 * i));
	shablock_add(s, "\x80", 1);
	while (s->block_bytes != 56)
		shablock_add(s, "", 1);
	shablock_add(s, tail, sizeof(tail));
	for (size_t i = 0; i < n; i++)
		out[i] = (unsigned char)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}
