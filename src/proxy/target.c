/*
 * Destinations. Runs in the proxy; hostile input: every byte, it comes from the cell.
 */
#include "proxy/target.h"

#include "policy/policy.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Would inet_aton(3) or a URL parser take a name that ends in this label for an IPv4 address? */
static bool is_number_label(const char *label)
{
	size_t n = strlen(label);

	if (n >= 2 && label[0] == '0' && label[1] == 'x')
		return strspn(label + 2, "0123456789abcdef") == n - 2;
	return n > 0 && strspn(label, "0123456789") == n;
}

void target_from_address(int family, const void *address, uint16_t port, struct target *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = address;

	memset(ret, 0, sizeof(*ret));
	if (family == AF_INET6 && memcmp(bytes, mapped, sizeof(mapped)) == 0) {
		family = AF_INET;
		bytes += sizeof(mapped);
	}
	ret->family = family;
	ret->port = port;
	memcpy(ret->address, bytes, family == AF_INET ? 4 : 16);
	(void)inet_ntop(family, bytes, ret->host, sizeof(ret->host));
}

static bool from_literal(const char *host, size_t n, uint16_t port, struct target *ret)
{
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	int family = memchr(host, ':', n) != NULL ? AF_INET6 : AF_INET;

	if (n >= sizeof(text) || memchr(host, '\0', n) != NULL)
		return false;
	memcpy(text, host, n);
	text[n] = '\0';
	if (inet_pton(family, text, address) != 1)
		return false;
	target_from_address(family, address, port, ret);
	return true;
}

bool target_from_host(const char *host, size_t n, uint16_t port, struct target *ret)
{
	struct target t = { .port = port };
	const char *dot;

	if (n >= 2 && host[0] == '[' && host[n - 1] == ']')
		return memchr(host, ':', n) != NULL && from_literal(host + 1, n - 2, port, ret);
	if (from_literal(host, n, port, ret))
		return true;
	if (!policy_host_normal(host, n, t.host))
		return false;
	dot = strrchr(t.host, '.');
	if (is_number_label(dot != NULL ? dot + 1 : t.host))
		return false;
	*ret = t;
	return true;
}

/* Decimal digits without sign or leading zeros, 1 to 65535. */
static bool parse_port(const char *text, size_t n, uint16_t *ret)
{
	unsigned port = 0;

	if (n == 0 || n > 5 || text[0] == '0')
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	if (port > UINT16_MAX)
		return false;
	*ret = (uint16_t)port;
	return true;
}

bool target_parse(const char *text, size_t n, uint16_t default_port, struct target *ret)
{
	size_t host_n = n;
	uint16_t port = default_port;

	if (n > 0 && text[0] == '[') {
		const char *end = memchr(text, ']', n);

		if (end == NULL)
			return false;
		host_n = (size_t)(end - text) + 1;
	} else {
		const char *colon = memchr(text, ':', n);

		if (colon != NULL)
			host_n = (size_t)(colon - text);
	}
	if (host_n < n &&
		(text[host_n] != ':' || !parse_port(text + host_n + 1, n - host_n - 1, &port)))
		return false;
	return target_from_host(text, host_n, port, ret);
}
