/*
 * DNS: an answer echoes id and question, is whole and within its bounds, is the same each time, and
 * is itself worth no answer. Input: a query.
 */
#include "input.h"
#include "policy/policy.h"
#include "proxy/dns.h"

static uint32_t address_of(void *context, const char *name)
{
	char normal[254];

	(void)context;
	assert(policy_host_normal(name, strlen(name), normal) && strcmp(normal, name) == 0);
	return name[0] == 'x' ? 0 : 0x7f000000u + (uint32_t)strlen(name);
}

static const char *name_of(void *context, uint32_t address)
{
	static char longest[254];

	(void)context;
	if (longest[0] == '\0')
		for (size_t i = 0; i < 253; i++)
			longest[i] = i % 64 == 63 ? '.' : 'a';
	return (address & 3) == 0 ? NULL : (address & 3) == 1 ? longest : "a.test";
}

static bool is_short_name(void *context, const char *name)
{
	(void)context;
	return name[0] == 's';
}

/* Offset behind the name, or 0. */
static size_t skip_name(const uint8_t *p, size_t n, size_t at)
{
	while (at < n && p[at] != 0) {
		if (p[at] >= 0xc0)
			return at + 2 <= n ? at + 2 : 0;
		at += 1u + p[at];
	}
	return at < n ? at + 1 : 0;
}

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void check_whole(const uint8_t *p, size_t n)
{
	unsigned questions = get16(p + 4), records = get16(p + 6) + get16(p + 8) + get16(p + 10);
	size_t at = 12;

	assert(questions <= 1 && records <= 2 && (p[2] & 0x80) != 0);
	for (unsigned i = 0; i < questions; i++) {
		at = skip_name(p, n, at);
		assert(at > 0 && at + 4 <= n);
		at += 4;
	}
	for (unsigned i = 0; i < records; i++) {
		at = skip_name(p, n, at);
		assert(at > 0 && at + 10 <= n);
		at += 10u + get16(p + at + 8);
	}
	assert(at == n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dns_source source = { NULL, address_of, name_of, is_short_name, NULL };
	uint8_t answer[DNS_ANSWER_MAX], again[DNS_ANSWER_MAX], none[DNS_ANSWER_MAX];
	size_t n = dns_answer(data, size, &source, answer);

	if (n == 0) {
		assert(size < 12 || (data[2] & 0x80) != 0);
		return 0;
	}
	assert(n >= 12 && n <= DNS_ANSWER_MAX && memcmp(answer, data, 2) == 0);
	check_whole(answer, n);
	assert(dns_answer(data, size, &source, again) == n && memcmp(answer, again, n) == 0);
	assert(dns_answer(answer, n, &source, none) == 0);
	return 0;
}
