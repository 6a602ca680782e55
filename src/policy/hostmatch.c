/*
 * Pure, in the proxy, the warden and verbs. Names come from hostile requests: whatever two parsers
 * could read in two ways is refused.
 */
#include "policy/hostmatch.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define NAME_BYTES 254

static const uint16_t default_ports[] = { 443, 80 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

/*
 * The last label is a number for inet_aton(3) (decimal, octal or hexadecimal): resolvers would take
 * the whole for an address (WHATWG URL section 3.5, "ends in a number").
 */
static bool ends_in_number(const char *name)
{
	const char *dot = strrchr(name, '.'), *label = dot != NULL ? dot + 1 : name;
	bool is_hexadecimal = label[0] == '0' && label[1] == 'x';

	for (const char *s = label + (is_hexadecimal ? 2 : 0); *s != '\0'; s++)
		if (is_hexadecimal ? !is_hex(*s) : !is_digit(*s))
			return false;
	return true;
}

static bool is_ldh(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || c == '-' || c == '_';
}

static bool has_good_labels(const char *name)
{
	const char *s = name;

	for (;;) {
		size_t n = strcspn(s, ".");

		if (n == 0 || n > 63 || s[0] == '-' || s[n - 1] == '-')
			return false;
		for (size_t i = 0; i < n; i++)
			if (!is_ldh(s[i]))
				return false;
		if (s[n] == '\0')
			return true;
		s += n + 1;
	}
}

/* inet_pton() alone takes dotted quads in decimal without leading zeros only. */
static bool is_quad(const char *text)
{
	unsigned char ignored[4];

	return inet_pton(AF_INET, text, ignored) == 1;
}

bool policy_host_normal(const char *name, size_t n, char out[254])
{
	char text[NAME_BYTES] = { 0 };

	if (n > 0 && name[n - 1] == '.')
		n--;
	if (n == 0 || n >= sizeof(text) || memchr(name, '\0', n) != NULL)
		return false;
	for (size_t i = 0; i < n; i++)
		text[i] = ascii_lower(name[i]);
	text[n] = '\0';
	if (!has_good_labels(text) || (ends_in_number(text) && !is_quad(text)))
		return false;
	memcpy(out, text, n + 1);
	return true;
}

bool hostmatch_is_literal(const char *text, struct hostmatch_literal *ret)
{
	struct hostmatch_literal l = { .family = AF_INET };
	char inner[INET6_ADDRSTRLEN];
	size_t n = strlen(text);

	if (inet_pton(AF_INET, text, l.address) == 1) {
		*ret = l;
		return true;
	}
	if (n > 2 && text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	if (n >= sizeof(inner))
		return false;
	memcpy(inner, text, n);
	inner[n] = '\0';
	l.family = AF_INET6;
	if (inet_pton(AF_INET6, inner, l.address) != 1)
		return false;
	*ret = l;
	return true;
}

bool hostmatch_equal(const struct hostmatch_literal *a, const struct hostmatch_literal *b)
{
	return a->family == b->family &&
		memcmp(a->address, b->address, a->family == AF_INET ? 4 : 16) == 0;
}

static enum hostmatch_fault parse_wildcard(const char *host, struct hostmatch *ret)
{
	ret->kind = HOSTMATCH_ANY;
	if (strcmp(host, "*") == 0)
		return HOSTMATCH_OK;
	ret->kind = str_starts(host, "**.") ? HOSTMATCH_WITHIN : HOSTMATCH_BELOW;
	host += ret->kind == HOSTMATCH_WITHIN;
	if (!str_starts(host, "*.") || strchr(host + 1, '*') != NULL)
		return HOSTMATCH_STAR_INSIDE;
	if (!policy_host_normal(host + 2, strlen(host + 2), ret->name) || is_quad(ret->name))
		return HOSTMATCH_BAD_NAME;
	return strchr(ret->name, '.') == NULL ? HOSTMATCH_STAR_TOO_WIDE : HOSTMATCH_OK;
}

static enum hostmatch_fault parse_host(const char *host, struct hostmatch *ret)
{
	ret->kind = HOSTMATCH_LITERAL;
	if (hostmatch_is_literal(host, &ret->literal))
		return HOSTMATCH_OK;
	if (strchr(host, '*') != NULL)
		return parse_wildcard(host, ret);
	if (host[0] == '.')
		return HOSTMATCH_LEADING_DOT;
	ret->kind = HOSTMATCH_NAME;
	/* "192.0.2.1." is no address for those who compare, and one for those who look it up. */
	if (policy_host_normal(host, strlen(host), ret->name))
		return is_quad(ret->name) ? HOSTMATCH_ODD_NUMBER : HOSTMATCH_OK;
	return host[0] != '\0' && host[strspn(host, "0123456789abcdefABCDEFxX.")] == '\0' &&
			is_digit(host[0])
		? HOSTMATCH_ODD_NUMBER
		: HOSTMATCH_BAD_NAME;
}

/* Cuts ":PORT" off. false: there is one and it is none. */
static bool cut_port(char *text, uint16_t *ret_port)
{
	char *colon = strrchr(text, ':');
	unsigned long port;

	if (colon == NULL || strchr(colon, ']') != NULL)
		return true;
	if (!str_to_ulong(colon + 1, UINT16_MAX, &port) || port == 0)
		return false;
	*ret_port = (uint16_t)port;
	*colon = '\0';
	return true;
}

enum hostmatch_fault hostmatch_parse(const char *entry, struct hostmatch *ret)
{
	struct hostmatch e = { 0 };
	char text[NAME_BYTES + 64];
	enum hostmatch_fault fault;
	size_t n = strlen(entry);

	if (strchr(entry, '/') != NULL)
		return HOSTMATCH_IS_URL;
	if (n >= sizeof(text))
		return HOSTMATCH_BAD_NAME;
	memcpy(text, entry, n + 1);
	if (!hostmatch_is_literal(text, &e.literal)) {
		if (text[0] != '[' && strchr(text, ':') != strrchr(text, ':'))
			return HOSTMATCH_BARE_V6;
		if (!cut_port(text, &e.port))
			return HOSTMATCH_BAD_PORT;
	}
	fault = parse_host(text, &e);
	if (fault == HOSTMATCH_OK)
		*ret = e;
	return fault;
}

void hostmatch_format(const struct hostmatch *entry, char *out, size_t n)
{
	char address[INET6_ADDRSTRLEN] = "", port[8] = "";
	bool is_v6 = entry->literal.family == AF_INET6;

	if (entry->port != 0)
		(void)snprintf(port, sizeof(port), ":%u", entry->port);
	switch (entry->kind) {
	case HOSTMATCH_NAME:
		(void)snprintf(out, n, "%s%s", entry->name, port);
		return;
	case HOSTMATCH_BELOW:
		(void)snprintf(out, n, "*.%s%s", entry->name, port);
		return;
	case HOSTMATCH_WITHIN:
		(void)snprintf(out, n, "**.%s%s", entry->name, port);
		return;
	case HOSTMATCH_ANY:
		(void)snprintf(out, n, "*%s", port);
		return;
	case HOSTMATCH_LITERAL:
		(void)inet_ntop(entry->literal.family, entry->literal.address, address,
			sizeof(address));
		(void)snprintf(out, n, "%s%s%s%s", is_v6 ? "[" : "", address, is_v6 ? "]" : "",
			port);
		return;
	}
}

static bool covers_port(const struct hostmatch *entry, uint16_t port, bool any_port)
{
	if (entry->port != 0)
		return entry->port == port;
	for (size_t i = 0; i < ARRAY_LEN(default_ports); i++)
		if (default_ports[i] == port)
			return true;
	return any_port;
}

static bool is_below(const char *host, const char *suffix)
{
	size_t n = strlen(host), m = strlen(suffix);

	return n > m + 1 && host[n - m - 1] == '.' && strcmp(host + n - m, suffix) == 0;
}

static bool covers_host(const struct hostmatch *entry, const char *host)
{
	struct hostmatch_literal literal;

	if (hostmatch_is_literal(host, &literal))
		return entry->kind == HOSTMATCH_LITERAL &&
			hostmatch_equal(&literal, &entry->literal);
	switch (entry->kind) {
	case HOSTMATCH_NAME:
		return strcmp(host, entry->name) == 0;
	case HOSTMATCH_BELOW:
		return is_below(host, entry->name);
	case HOSTMATCH_WITHIN:
		return strcmp(host, entry->name) == 0 || is_below(host, entry->name);
	case HOSTMATCH_ANY:
		return strcmp(host, "localhost") != 0;
	case HOSTMATCH_LITERAL:
		break;
	}
	return false;
}

bool hostmatch_covers(const struct hostmatch *entry, const char *host, uint16_t port, bool any_port)
{
	return covers_port(entry, port, any_port) && covers_host(entry, host);
}

static bool is_wildcard(const struct hostmatch *entry)
{
	return entry->kind == HOSTMATCH_BELOW || entry->kind == HOSTMATCH_WITHIN;
}

bool hostmatch_contains(const struct hostmatch *a, const struct hostmatch *b)
{
	if (b->kind == HOSTMATCH_LITERAL)
		return a->kind == HOSTMATCH_LITERAL && hostmatch_equal(&a->literal, &b->literal);
	if (b->kind == HOSTMATCH_NAME || a->kind == HOSTMATCH_ANY)
		return b->kind == HOSTMATCH_ANY || covers_host(a, b->name);
	if (!is_wildcard(a) || !is_wildcard(b))
		return false;
	if (strcmp(a->name, b->name) == 0)
		return a->kind == HOSTMATCH_WITHIN || b->kind == HOSTMATCH_BELOW;
	return is_below(b->name, a->name);
}

bool hostmatch_overlap(const struct hostmatch *a, const struct hostmatch *b)
{
	if (hostmatch_contains(a, b) || hostmatch_contains(b, a))
		return true;
	/* "*.x" and "**.x" have been answered; of others one suffix has to be below the other. */
	return is_wildcard(a) && is_wildcard(b) &&
		(is_below(a->name, b->name) || is_below(b->name, a->name));
}

bool policy_host_matches(const char *pattern, const char *host, uint16_t port)
{
	struct hostmatch entry;

	return hostmatch_parse(pattern, &entry) == HOSTMATCH_OK &&
		hostmatch_covers(&entry, host, port, false);
}
