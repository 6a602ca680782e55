/*
 * Entries of [egress]: what was read reads the same from its canonical text, and entries keep their
 * word: what contains another covers what that covers, and two that cover one name overlap; a
 * name's normal form is one; a destination is a name or an address, never both. Input: two entries
 * and a host, a line each.
 */
#include "input.h"
#include "base/cleanup.h"
#include "policy/hostmatch.h"
#include "policy/policy.h"
#include "proxy/target.h"

static bool parse(const char *text, struct hostmatch *ret)
{
	struct hostmatch again;
	char canonical[320], other[320];

	if (hostmatch_parse(text, ret) != HOSTMATCH_OK)
		return false;
	hostmatch_format(ret, canonical, sizeof(canonical));
	assert(hostmatch_parse(canonical, &again) == HOSTMATCH_OK);
	assert(again.kind == ret->kind && again.port == ret->port);
	hostmatch_format(&again, other, sizeof(other));
	assert(strcmp(canonical, other) == 0);
	return true;
}

static bool normal(const char *text, char out[254])
{
	struct hostmatch_literal literal;
	char again[254];
	struct target t;

	if (!target_from_host(text, strlen(text), 443, &t))
		return false;
	if (t.family != 0) {
		assert(hostmatch_is_literal(t.host, &literal) && literal.family == t.family);
		memcpy(out, t.host, sizeof(t.host));
		return true;
	}
	assert(!hostmatch_is_literal(text, &literal));
	assert(policy_host_normal(text, strlen(text), out) && strcmp(out, t.host) == 0);
	assert(policy_host_normal(out, strlen(out), again) && strcmp(out, again) == 0);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_FREE char *a_text = input_text(&data, &size, '\n');
	AUTO_FREE char *b_text = input_text(&data, &size, '\n');
	AUTO_FREE char *host_text = input_text(&data, &size, '\n');
	struct hostmatch a, b;
	bool has_a = parse(a_text, &a), has_b = parse(b_text, &b), covers_a, covers_b;
	char host[254];

	if (!normal(host_text, host) || !has_a || !has_b)
		return 0;
	covers_a = hostmatch_covers(&a, host, 443, true);
	covers_b = hostmatch_covers(&b, host, 443, true);
	if (a.port != 0 || b.port != 0)
		return 0;
	assert(!covers_a || !covers_b || hostmatch_overlap(&a, &b));
	assert(!covers_b || covers_a || !hostmatch_contains(&a, &b));
	assert(!covers_a || covers_b || !hostmatch_contains(&b, &a));
	return 0;
}
