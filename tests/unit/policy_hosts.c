/*
 * Proves: host names have one normal form and nothing else passes; entries of [egress] match what
 * they say; no address of the host's own network is reached through an allowed name.
 */
#include "base/log.h"
#include "policy/hostmatch.h"
#include "policy/policy.h"
#include "tap.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define P "/w/p"
#define H "/w/h"
#define LABEL63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void normal(const char *name, size_t n, const char *want)
{
	char out[254] = "untouched", shown[64];
	bool ok = policy_host_normal(name, n, out);

	(void)log_quote(name, n, shown, sizeof(shown));
	tap_ok(ok == (want != NULL), "'%s' is %s name", shown, want != NULL ? "a" : "no");
	tap_is(out, want != NULL ? want : "untouched", "its normal form");
}

static void check_normal(void)
{
	static const char *const bad[] = { "", ".", "..", "a..b", ".a", "a.b..", "-a.b", "a-.b",
		"a b", "a/b", "a:1", "[::1]", "::1", "a%00b",
		"b\xc3\xbc"
		"cher.test",
		"\xe3\x80\x82"
		"a.test",
		"a.test\n", "a\ttest", "*.a.test", "127.1", "0x7f.0.0.1", "0x7f000001",
		"2130706433", "017700000001", "0177.0.0.1", "1.2.3.04", "1.2.3.256", "1.2.3.4.5",
		"1.2.3", "a.0x1", "a.1", "0x", "a.0x", LABEL63 "a.test", "a@b", "a\\b", "a'b",
		"1.2.3.4:80" };
	char longest[256];

	normal("Example.COM", 11, "example.com");
	normal("example.com.", 12, "example.com");
	normal("a", 1, "a");
	normal("_dmarc.a-b.test", 15, "_dmarc.a-b.test");
	normal("xn--bcher-kva.test", 18, "xn--bcher-kva.test");
	normal("1.2.3.4", 7, "1.2.3.4");
	normal("1.2.3.4.", 8, "1.2.3.4");
	normal("1a.2b.3", 7, NULL);
	normal("3com.test", 9, "3com.test");
	normal("a.0xg", 5, "a.0xg");
	normal(LABEL63 ".t", 65, LABEL63 ".t");
	normal("a\0.test", 7, NULL);
	normal("a.test\0", 7, NULL);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		normal(bad[i], strlen(bad[i]), NULL);
	for (size_t i = 0; i < sizeof(longest); i++)
		longest[i] = i % 2 == 0 ? 'a' : '.';
	longest[253] = '\0';
	normal(longest, 253, longest);
	longest[253] = '.';
	longest[254] = 'a';
	longest[255] = '\0';
	normal(longest, 255, NULL);
}

static void check_matches(void)
{
	static const struct {
		const char *pattern, *host;
		uint16_t port;
		bool want;
	} rows[] = {
		{ "a.test", "a.test", 443, true },
		{ "a.test", "a.test", 80, true },
		{ "a.test", "a.test", 22, false },
		{ "a.test:22", "a.test", 22, true },
		{ "a.test:22", "a.test", 443, false },
		{ "A.Test", "a.test", 443, true },
		{ "a.test", "b.a.test", 443, false },
		{ "*.a.test", "b.a.test", 443, true },
		{ "*.a.test", "c.b.a.test", 443, true },
		{ "*.a.test", "a.test", 443, false },
		{ "*.a.test", "xa.test", 443, false },
		{ "*.a.test", ".a.test", 443, false },
		{ "**.a.test", "a.test", 443, true },
		{ "**.a.test", "b.a.test", 443, true },
		{ "**.a.test", "xa.test", 443, false },
		{ "*.a.test:8443", "b.a.test", 8443, true },
		{ "*", "x", 443, true },
		{ "*", "localhost", 443, false },
		{ "*", "1.2.3.4", 443, false },
		{ "*:8080", "x.test", 8080, true },
		{ "1.2.3.4", "1.2.3.4", 443, true },
		{ "1.2.3.4", "1.2.3.5", 443, false },
		{ "[2001:DB8::1]:443", "2001:db8:0:0::1", 443, true },
		{ "2001:db8::1", "[2001:db8::1]", 80, true },
		{ "localhost:5432", "localhost", 5432, true },
		{ "localhost:5432", "localhost", 5433, false },
		{ "localhost:5432", "127.0.0.1", 5432, false },
		{ "http://a.test", "a.test", 80, false },
		{ "a.test:0", "a.test", 0, false },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		tap_ok(policy_host_matches(rows[i].pattern, rows[i].host, rows[i].port) ==
				rows[i].want,
			"%s %s %s:%u", rows[i].pattern, rows[i].want ? "matches" : "does not match",
			rows[i].host, rows[i].port);
}

static struct policy *load(const char *const *overrides)
{
	struct policy_request request = { .project = P, .home = H, .overrides = overrides };
	struct policy *policy = NULL;
	struct err err = { 0 };

	while (overrides[request.n_overrides] != NULL)
		request.n_overrides++;
	if (policy_load(&request, &policy, &err) < 0)
		printf("# %s\n", err.text);
	return policy;
}

static enum policy_key asks(const struct policy *policy, const char *host, uint16_t port,
	const char *address, bool *ret_allowed)
{
	struct policy_question question = { .action = POLICY_CONNECT, .host = host, .port = port };
	unsigned char bytes[16];
	struct policy_answer answer;

	if (address != NULL) {
		question.family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
		question.address = bytes;
		if (inet_pton(question.family, address, bytes) != 1)
			tap_ok(false, "%s is an address", address);
	}
	policy_decide(policy, &question, &answer);
	*ret_allowed = answer.verdict == POLICY_ALLOWED;
	if (answer.reason == NULL)
		tap_ok(false, "there is a reason");
	return answer.key;
}

static const char *const egress[] = { "egress.allow=*.ok.test *", "egress.allow=localhost:5432",
	"egress.allow=10.1.2.3:8080 [fd00::5]:443 169.254.169.254:80 0.0.0.0:80 "
	"[::ffff:8.8.8.8]:443",
	"egress.allow=127.0.0.1:9000", "egress.deny=bad.ok.test *.bad.test 203.0.114.9",
	"egress.private=db.ok.test *.intra.test nas.test:8080", NULL };

static const struct {
	const char *host;
	uint16_t port;
	const char *address;
	bool want;
	enum policy_key key;
} questions[] = {
	{ "a.ok.test", 443, NULL, true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 8443, NULL, false, PK_COUNT },
	{ "bad.ok.test", 443, NULL, false, PK_EGRESS_DENY },
	{ "bad.ok.test", 8443, NULL, false, PK_EGRESS_DENY },
	{ "A.ok.test", 443, NULL, false, PK_COUNT },
	{ "a.ok.test.", 443, NULL, false, PK_COUNT },
	{ "", 443, NULL, false, PK_COUNT },
	{ "a.ok.test", 0, NULL, false, PK_COUNT },
	{ "a.ok.test", 443, "8.8.8.8", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "203.0.114.9", false, PK_EGRESS_DENY },
	{ "a.ok.test", 443, "2606:4700::1", true, PK_EGRESS_ALLOW },
	/* names that lead home */
	{ "a.ok.test", 443, "127.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "127.255.255.254", false, PK_COUNT },
	{ "a.ok.test", 443, "10.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "172.16.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "172.31.255.255", false, PK_COUNT },
	{ "a.ok.test", 443, "172.32.0.1", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "192.168.1.1", false, PK_COUNT },
	{ "a.ok.test", 443, "100.64.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "100.63.255.255", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "100.128.0.1", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "169.254.1.1", false, PK_COUNT },
	{ "a.ok.test", 443, "0.0.0.0", false, PK_COUNT },
	{ "a.ok.test", 443, "0.1.2.3", false, PK_COUNT },
	{ "a.ok.test", 443, "224.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "255.255.255.255", false, PK_COUNT },
	{ "a.ok.test", 443, "240.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "192.0.0.8", false, PK_COUNT },
	{ "a.ok.test", 443, "198.18.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "198.19.255.255", false, PK_COUNT },
	{ "a.ok.test", 443, "192.0.2.1", false, PK_COUNT },
	{ "a.ok.test", 443, "198.51.100.1", false, PK_COUNT },
	{ "a.ok.test", 443, "203.0.113.1", false, PK_COUNT },
	{ "a.ok.test", 443, "::", false, PK_COUNT },
	{ "a.ok.test", 443, "::1", false, PK_COUNT },
	{ "a.ok.test", 443, "::ffff:127.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "::ffff:8.8.8.8", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "::10.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "::8.8.8.8", false, PK_COUNT },
	{ "a.ok.test", 443, "fc00::1", false, PK_COUNT },
	{ "a.ok.test", 443, "fdff::1", false, PK_COUNT },
	{ "a.ok.test", 443, "fe80::1", false, PK_COUNT },
	{ "a.ok.test", 443, "fec0::1", false, PK_COUNT },
	{ "a.ok.test", 443, "ff02::1", false, PK_COUNT },
	{ "a.ok.test", 443, "2001:db8::1", false, PK_COUNT },
	{ "a.ok.test", 443, "4000::1", false, PK_COUNT },
	{ "a.ok.test", 443, "2002:7f00:1::", false, PK_COUNT },
	{ "a.ok.test", 443, "2002:0808:0808::1", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "64:ff9b::10.0.0.1", false, PK_COUNT },
	{ "a.ok.test", 443, "64:ff9b::8.8.8.8", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "64:ff9b:1::8.8.8.8", false, PK_COUNT },
	/* Teredo: client 127.0.0.1 and 8.8.8.8, inverted; a server in a private range */
	{ "a.ok.test", 443, "2001:0:808:808::80ff:fffe", false, PK_COUNT },
	{ "a.ok.test", 443, "2001:0:808:808::f7f7:f7f7", true, PK_EGRESS_ALLOW },
	{ "a.ok.test", 443, "2001:0:a00:1::f7f7:f7f7", false, PK_COUNT },
	/* private */
	{ "db.ok.test", 443, "10.0.0.1", true, PK_EGRESS_PRIVATE },
	{ "db.ok.test", 443, "fd00::1", true, PK_EGRESS_PRIVATE },
	{ "db.ok.test", 443, "127.0.0.1", true, PK_EGRESS_PRIVATE },
	{ "db.ok.test", 443, "8.8.8.8", true, PK_EGRESS_ALLOW },
	{ "x.intra.test", 443, "192.168.0.9", true, PK_EGRESS_PRIVATE },
	{ "nas.test", 443, "192.168.0.9", false, PK_COUNT },
	{ "db.ok.test", 443, "0.0.0.0", false, PK_COUNT },
	{ "db.ok.test", 443, "ff02::1", false, PK_COUNT },
	/* metadata: no name leads there */
	{ "db.ok.test", 80, "169.254.169.254", false, PK_COUNT },
	{ "db.ok.test", 80, "::ffff:169.254.169.254", false, PK_COUNT },
	{ "db.ok.test", 80, "2002:a9fe:a9fe::", false, PK_COUNT },
	{ "db.ok.test", 80, "64:ff9b::169.254.169.254", false, PK_COUNT },
	{ "db.ok.test", 80, "64:ff9b:1:a9fe:a9:fe00::", false, PK_COUNT },
	{ "db.ok.test", 80, "fd00:ec2::254", false, PK_COUNT },
	{ "db.ok.test", 80, "100.100.100.200", false, PK_COUNT },
	{ "db.ok.test", 80, "192.0.0.192", false, PK_COUNT },
	{ "169.254.169.254", 80, NULL, true, PK_EGRESS_ALLOW },
	{ "169.254.169.254", 80, "169.254.169.254", true, PK_EGRESS_ALLOW },
	/* literals */
	{ "10.1.2.3", 8080, NULL, true, PK_EGRESS_ALLOW },
	{ "10.1.2.3", 8080, "10.1.2.3", true, PK_EGRESS_ALLOW },
	{ "10.1.2.3", 8080, "10.1.2.4", false, PK_COUNT },
	{ "10.1.2.3", 8080, "::ffff:10.1.2.3", false, PK_COUNT },
	{ "10.1.2.3", 443, NULL, false, PK_COUNT },
	{ "8.8.8.8", 443, NULL, false, PK_COUNT },
	{ "::ffff:8.8.8.8", 443, NULL, true, PK_EGRESS_ALLOW },
	{ "203.0.114.9", 443, NULL, false, PK_EGRESS_DENY },
	{ "fd00::5", 443, NULL, true, PK_EGRESS_ALLOW },
	{ "[fd00:0::5]", 443, "fd00::5", true, PK_EGRESS_ALLOW },
	{ "fd00::5%lo", 443, NULL, false, PK_COUNT },
	{ "0.0.0.0", 80, NULL, false, PK_COUNT },
	{ "127.0.0.1", 9000, "127.0.0.1", true, PK_EGRESS_ALLOW },
	{ "127.1", 9000, NULL, false, PK_COUNT },
	/* localhost */
	{ "localhost", 5432, NULL, true, PK_EGRESS_ALLOW },
	{ "localhost", 5432, "127.0.0.1", true, PK_EGRESS_ALLOW },
	{ "localhost", 5432, "::1", true, PK_EGRESS_ALLOW },
	{ "localhost", 5432, "10.0.0.1", false, PK_COUNT },
	{ "localhost", 443, NULL, false, PK_COUNT },
	{ "x.localhost", 443, "127.0.0.1", false, PK_COUNT },
};

static void check_questions(void)
{
	struct policy *policy = load(egress);

	if (!tap_ok(policy != NULL, "egress loads"))
		return;
	for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
		bool allowed;
		enum policy_key key = asks(policy, questions[i].host, questions[i].port,
			questions[i].address, &allowed);

		tap_ok(allowed == questions[i].want && key == questions[i].key, "%s:%u at %s is %s",
			questions[i].host, questions[i].port,
			questions[i].address != NULL ? questions[i].address : "(any)",
			questions[i].want ? "allowed" : "denied");
	}
	policy_free(policy);
}

static void check_localhost(void)
{
	static const char *const lines[] = {
		"egress.allow=localhost:5432 localhost:80 localhost:5432",
		"egress.allow=localhost:81", "egress.deny=localhost:81", NULL
	};
	struct policy *policy = load(lines);
	uint16_t ports[2];
	size_t n = 9;

	if (!tap_ok(policy != NULL, "localhost loads"))
		return;
	tap_ok(policy_localhost_ports(policy, ports, 2, &n) == 0 && n == 2 && ports[0] == 5432 &&
			ports[1] == 80,
		"ports once each, without the denied one");
	tap_ok(policy_localhost_ports(policy, ports, 1, &n) < 0 && n == 2, "too many are an error");
	policy_free(policy);
}

/* What is said of two entries is what their matches with a set of names say. */
static void check_pairs(void)
{
	static const char *const entries[] = { "*", "*.b.c", "**.b.c", "*.a.b.c", "**.a.b.c", "b.c",
		"a.b.c", "x.a.b.c", "*.d.e", "d.e" };
	static const char *const hosts[] = { "b.c", "a.b.c", "x.b.c", "x.a.b.c", "y.x.a.b.c",
		"d.e", "x.d.e", "ab.c", "q.r" };
	size_t n = sizeof(entries) / sizeof(entries[0]), wrong = 0;

	for (size_t i = 0; i < n * n; i++) {
		bool meets = false, contains = true;
		struct hostmatch a, b;

		if (hostmatch_parse(entries[i / n], &a) != HOSTMATCH_OK ||
			hostmatch_parse(entries[i % n], &b) != HOSTMATCH_OK)
			wrong++;
		for (size_t k = 0; k < sizeof(hosts) / sizeof(hosts[0]); k++) {
			bool by_a = hostmatch_covers(&a, hosts[k], 443, true);
			bool by_b = hostmatch_covers(&b, hosts[k], 443, true);

			meets = meets || (by_a && by_b);
			contains = contains && (by_a || !by_b);
		}
		if (hostmatch_overlap(&a, &b) != meets || hostmatch_contains(&a, &b) != contains) {
			wrong++;
			printf("# %s %s\n", entries[i / n], entries[i % n]);
		}
	}
	tap_ok(wrong == 0, "%zu pairs of entries", n * n);
}

int main(void)
{
	check_normal();
	check_matches();
	check_questions();
	check_localhost();
	check_pairs();
	return tap_done();
}
