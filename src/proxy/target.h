/* The destination of a connection: the one value that is judged, dialled and compared with. */
#ifndef PROXY_TARGET_H
#define PROXY_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_HOST_BYTES 254 /* 253 and the final NUL: policy_host_normal() */

struct target {
	char host[TARGET_HOST_BYTES]; /* name in normal form, or the text of a literal address */
	uint16_t port;
	int family; /* 0: host is a name; else AF_INET or AF_INET6 of the literal address */
	uint8_t address[16];
};

/*
 * Names and literals as people and programs write them. A literal must be in the one form that
 * inet_pton(3) takes (RFC 3986 brackets around IPv6 allowed): "127.1", "0x7f.1" and "2130706433"
 * are neither names nor addresses here, because others read them as addresses. An IPv4-mapped IPv6
 * address (RFC 4291) becomes the IPv4 one; zone ids are refused. False: not a destination; *ret is
 * untouched.
 */
bool target_from_host(const char *host, size_t n, uint16_t port, struct target *ret);

/* HOST[:PORT] of RFC 3986 without user information. Without a port: default_port, which may be 0.
 */
bool target_parse(const char *text, size_t n, uint16_t default_port, struct target *ret);

/* From an address as the kernel has it. */
void target_from_address(int family, const void *address, uint16_t port, struct target *ret);

#endif
