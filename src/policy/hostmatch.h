/*
 * Entries of [egress]: HOST[:PORT] with HOST a name, *.SUFFIX (below it), **.SUFFIX
 * (itself and below it), * (every name) or a literal address.
 */
#ifndef POLICY_HOSTMATCH_H
#define POLICY_HOSTMATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A literal address; compared by value, so that two spellings of one address are one. */
struct hostmatch_literal {
	int family; /* AF_INET, AF_INET6 */
	unsigned char address[16];
};

enum hostmatch_kind {
	HOSTMATCH_NAME,
	HOSTMATCH_BELOW,
	HOSTMATCH_WITHIN,
	HOSTMATCH_ANY,
	HOSTMATCH_LITERAL
};

struct hostmatch {
	enum hostmatch_kind kind;
	char name[254]; /* NAME: itself, BELOW, WITHIN: the suffix; normal form */
	struct hostmatch_literal literal;
	uint16_t port; /* 0: none was given */
};

enum hostmatch_fault {
	HOSTMATCH_OK,
	HOSTMATCH_IS_URL,
	HOSTMATCH_BAD_PORT,
	HOSTMATCH_BARE_V6, /* an IPv6 address with a port and without brackets */
	HOSTMATCH_STAR_INSIDE,
	HOSTMATCH_STAR_TOO_WIDE, /* *.com */
	HOSTMATCH_LEADING_DOT,
	HOSTMATCH_ODD_NUMBER, /* 127.1, 0x7f.0.0.1: one of many spellings of an address */
	HOSTMATCH_BAD_NAME,
	HOSTMATCH_FAULT_COUNT
};

enum hostmatch_fault hostmatch_parse(const char *entry, struct hostmatch *ret);

/* The canonical text of an entry (n bytes at most; 320 are enough). */
void hostmatch_format(const struct hostmatch *entry, char *out, size_t n);

/* Canonical dotted quad, or IPv6 with or without brackets. */
bool hostmatch_is_literal(const char *text, struct hostmatch_literal *ret);

bool hostmatch_equal(const struct hostmatch_literal *a, const struct hostmatch_literal *b);

/*
 * host: normal form or a literal address. Without a port an entry means 443 and 80, or every port
 * if any_port is set. `*` never matches localhost, and no
 * wildcard matches a literal address.
 */
bool hostmatch_covers(const struct hostmatch *entry, const char *host, uint16_t port,
	bool any_port);

/* May one name match both? Ports do not count here. */
bool hostmatch_overlap(const struct hostmatch *a, const struct hostmatch *b);

/* Does a match every name that b matches? */
bool hostmatch_contains(const struct hostmatch *a, const struct hostmatch *b);

#endif
