/*
 * Pure, in the proxy and in verbs. The addresses are answers of hostile name servers: a name that
 * is allowed must not become a way to the host's own network.
 */
#include "policy/address.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct range {
	unsigned char prefix[16];
	unsigned bits;
	enum address_class class;
	const char *why;
};

#define LOOPBACK "a loopback address"
#define PRIVATE "a private address"
#define LINK_LOCAL "a link-local address"
#define RESERVED "a reserved address"
#define METADATA "the address of a cloud's metadata service"
#define NEVER "an address that nothing can be connected to"

/*
 * First match counts. RFC 6890 and the IANA IPv4 special-purpose registry; the metadata addresses
 * are those that clouds document.
 */
static const struct range ranges4[] = {
	{ { 169, 254, 169, 254 }, 32, ADDRESS_METADATA, METADATA }, /* AWS, Google, Azure, ... */
	{ { 169, 254, 170, 2 }, 32, ADDRESS_METADATA, METADATA }, /* AWS container credentials */
	{ { 169, 254, 170, 23 }, 32, ADDRESS_METADATA, METADATA }, /* AWS pod identity */
	{ { 169, 254, 0, 23 }, 32, ADDRESS_METADATA, METADATA }, /* Tencent */
	{ { 169, 254, 42, 42 }, 32, ADDRESS_METADATA, METADATA }, /* Scaleway */
	{ { 100, 100, 100, 200 }, 32, ADDRESS_METADATA, METADATA }, /* Alibaba */
	{ { 192, 0, 0, 192 }, 32, ADDRESS_METADATA, METADATA }, /* Oracle */
	{ { 168, 63, 129, 16 }, 32, ADDRESS_METADATA, METADATA }, /* Azure's host agent */
	{ { 0 }, 8, ADDRESS_NEVER, NEVER },
	{ { 10 }, 8, ADDRESS_SPECIAL, PRIVATE },
	{ { 100, 64 }, 10, ADDRESS_SPECIAL, "a carrier's private address" },
	{ { 127 }, 8, ADDRESS_SPECIAL, LOOPBACK },
	{ { 169, 254 }, 16, ADDRESS_SPECIAL, LINK_LOCAL },
	{ { 172, 16 }, 12, ADDRESS_SPECIAL, PRIVATE },
	{ { 192, 0, 0 }, 24, ADDRESS_SPECIAL, RESERVED },
	{ { 192, 0, 2 }, 24, ADDRESS_SPECIAL, RESERVED },
	{ { 192, 88, 99 }, 24, ADDRESS_SPECIAL, RESERVED },
	{ { 192, 168 }, 16, ADDRESS_SPECIAL, PRIVATE },
	{ { 198, 18 }, 15, ADDRESS_SPECIAL, RESERVED },
	{ { 198, 51, 100 }, 24, ADDRESS_SPECIAL, RESERVED },
	{ { 203, 0, 113 }, 24, ADDRESS_SPECIAL, RESERVED },
	{ { 224 }, 4, ADDRESS_NEVER, "a multicast address" },
	{ { 255, 255, 255, 255 }, 32, ADDRESS_NEVER, "the broadcast address" },
	{ { 240 }, 4, ADDRESS_SPECIAL, RESERVED },
	{ { 0 }, 0, ADDRESS_PUBLIC, "a public address" },
};

/* Public is only what is in 2000::/3 and in no row above it: what is not assigned is refused. */
static const struct range ranges6[] = {
	{ { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 }, 128, ADDRESS_METADATA, METADATA },
	{ { 0xfd, 0x00, 0x0e, 0xc2, [15] = 0x23 }, 128, ADDRESS_METADATA, METADATA },
	{ { 0xfd, 0x20, 0x00, 0xce, [14] = 0x02, [15] = 0x54 }, 128, ADDRESS_METADATA, METADATA },
	{ { 0xfd, 0x00, 0x00, 0x42, [15] = 0x42 }, 128, ADDRESS_METADATA, METADATA },
	{ { 0xfe, 0x80, [12] = 0xa9, 0xfe, 0xa9, 0xfe }, 128, ADDRESS_METADATA, METADATA },
	{ { 0 }, 128, ADDRESS_NEVER, NEVER },
	{ { [15] = 1 }, 128, ADDRESS_SPECIAL, LOOPBACK },
	{ { [10] = 0xff, 0xff }, 96, ADDRESS_PUBLIC, "a mapped IPv4 address" },
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, ADDRESS_PUBLIC, "an IPv4 address behind NAT64" },
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 48, ADDRESS_SPECIAL, RESERVED },
	{ { 0 }, 8, ADDRESS_SPECIAL, RESERVED },
	{ { 0xfc }, 7, ADDRESS_SPECIAL, PRIVATE },
	{ { 0xfe, 0x80 }, 10, ADDRESS_SPECIAL, LINK_LOCAL },
	{ { 0xfe, 0xc0 }, 10, ADDRESS_SPECIAL, PRIVATE },
	{ { 0xff }, 8, ADDRESS_NEVER, "a multicast address" },
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, ADDRESS_SPECIAL, RESERVED },
	{ { 0x20, 0x01, 0x00, 0x02, 0x00, 0x00 }, 48, ADDRESS_SPECIAL, RESERVED },
	{ { 0x20, 0x01, 0x00, 0x10 }, 28, ADDRESS_SPECIAL, RESERVED },
	{ { 0x3f, 0xff, 0x00 }, 20, ADDRESS_SPECIAL, RESERVED },
	{ { 0x20 }, 3, ADDRESS_PUBLIC, "a public address" },
	{ { 0 }, 0, ADDRESS_SPECIAL, RESERVED },
};

/* Where IPv6 transition mechanisms keep an IPv4 address. */
static const struct embedded {
	unsigned char prefix[16];
	unsigned bits;
	unsigned char at[4]; /* which bytes it is in */
	unsigned char invert;
} embeddings[] = {
	{ { [10] = 0xff, 0xff }, 96, { 12, 13, 14, 15 }, 0 }, /* RFC 4291 section 2.5.5.2 */
	{ { 0 }, 96, { 12, 13, 14, 15 }, 0 }, /* RFC 4291 section 2.5.5.1 */
	{ { 0x20, 0x02 }, 16, { 2, 3, 4, 5 }, 0 }, /* RFC 3056 */
	{ { 0x00, 0x64, 0xff, 0x9b }, 96, { 12, 13, 14, 15 }, 0 }, /* RFC 6052 */
	{ { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, 48, { 6, 7, 9, 10 }, 0 }, /* RFC 8215, /48 form */
	{ { 0x00, 0x64, 0xff, 0x9b, 0, 1 }, 48, { 12, 13, 14, 15 }, 0 }, /* RFC 8215, /96 form */
	{ { 0x20, 0x01, 0, 0 }, 32, { 4, 5, 6, 7 }, 0 }, /* RFC 4380: server */
	{ { 0x20, 0x01, 0, 0 }, 32, { 12, 13, 14, 15 }, 0xff }, /* RFC 4380: client */
};

static bool has_prefix(const unsigned char *address, const unsigned char *prefix, unsigned bits)
{
	unsigned rest = bits % 8;

	if (memcmp(address, prefix, bits / 8) != 0)
		return false;
	return rest == 0 || ((address[bits / 8] ^ prefix[bits / 8]) >> (8 - rest)) == 0;
}

static enum address_class first_match(const struct range *ranges, const unsigned char *address,
	const char **ret_why)
{
	while (!has_prefix(address, ranges->prefix, ranges->bits))
		ranges++;
	*ret_why = ranges->why;
	return ranges->class;
}

bool address_is_loopback(int family, const unsigned char *address)
{
	static const unsigned char loopback6[16] = { [15] = 1 };

	if (family == AF_INET)
		return address[0] == 127;
	return family == AF_INET6 && memcmp(address, loopback6, sizeof(loopback6)) == 0;
}

enum address_class address_classify(int family, const unsigned char *address, const char **ret_why)
{
	enum address_class worst;

	if (family == AF_INET)
		return first_match(ranges4, address, ret_why);
	if (family != AF_INET6) {
		*ret_why = NEVER;
		return ADDRESS_NEVER;
	}
	worst = first_match(ranges6, address, ret_why);
	if (address_is_loopback(family, address))
		return worst; /* as a compatible address it would be 0.0.0.1 */
	for (size_t i = 0; i < ARRAY_LEN(embeddings); i++) {
		const struct embedded *e = &embeddings[i];
		unsigned char v4[4];
		enum address_class class;
		const char *why;

		if (!has_prefix(address, e->prefix, e->bits))
			continue;
		for (size_t k = 0; k < sizeof(v4); k++)
			v4[k] = address[e->at[k]] ^ e->invert;
		class = first_match(ranges4, v4, &why);
		if (class <= worst)
			continue;
		worst = class;
		*ret_why = why;
	}
	return worst;
}
