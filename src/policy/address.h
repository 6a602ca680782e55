/* What kind of place an IP address is: the special-purpose registries of RFC 6890, judged. */
#ifndef POLICY_ADDRESS_H
#define POLICY_ADDRESS_H

#include <stdbool.h>

/* In the order of severity. */
enum address_class {
	ADDRESS_PUBLIC,
	ADDRESS_SPECIAL, /* private, loopback, link-local, reserved: only where a line names it */
	ADDRESS_METADATA, /* a cloud's metadata service: only as a literal address in a line */
	ADDRESS_NEVER, /* unspecified, multicast, broadcast: nothing that a line could mean */
};

/*
 * address: 4 bytes for AF_INET, 16 for AF_INET6, in network order. IPv4 addresses inside IPv6 ones
 * (mapped, compatible, 6to4, NAT64, Teredo) are judged too; the worst counts. *ret_why is a static
 * text for people. Unknown families are ADDRESS_NEVER.
 */
enum address_class address_classify(int family, const unsigned char *address, const char **ret_why);

/* 127.0.0.0/8 or ::1. */
bool address_is_loopback(int family, const unsigned char *address);

#endif
