/*
 * Proves: a decision is the first rule of the host that has method and path; a rule covers its host
 * on its ports alone, with TLS unless it says otherwise, and allows it where no line denies it.
 */
#include "policy_fixture.h"

#include "policy/rules.h"

#include <string.h>
#include <sys/socket.h>

static void check_limits(void)
{
	enum rules_unit unit = RULES_BYTES_A_DAY;
	uint64_t n = 0;

	tap_ok(rules_limit("60/minute", &unit, &n) && unit == RULES_REQUESTS_A_MINUTE && n == 60,
		"requests a minute");
	tap_ok(rules_limit("2G/day", &unit, &n) && unit == RULES_BYTES_A_DAY && n == 2ULL << 30,
		"bytes a day");
	tap_ok(rules_limit("1B/day", &unit, &n) && n == 1, "one byte");
	tap_ok(!rules_limit("", &unit, &n) && !rules_limit("x/minute", &unit, &n) &&
			!rules_limit("99999999999999999999G/day", &unit, &n) &&
			!rules_limit("1G/day ", &unit, &n) && !rules_limit("+1/minute", &unit, &n),
		"no limits");
}

static enum policy_verdict decide(const struct policy *policy, const char *host, const char *method,
	const char *path, const char **ret_rule)
{
	struct policy_question question = { .action = POLICY_INJECT,
		.host = host,
		.port = 443,
		.method = method,
		.url_path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	*ret_rule = answer.rule != NULL ? rules_name(answer.rule) : "-";
	return answer.verdict;
}

static void decides(const struct policy *policy, const char *request, enum policy_verdict want,
	const char *want_rule)
{
	char host[64], method[16], path[64];
	const char *rule = "-";
	enum policy_verdict verdict;

	(void)sscanf(request, "%15s %63s %63s", method, host, path);
	verdict = decide(policy, host, method, path, &rule);
	tap_ok(verdict == want && strcmp(rule, want_rule) == 0, "%s: %s", request, want_rule);
}

static void check_decisions(void)
{
	struct policy *policy;

	user("[inject read]\nhost = api.test\nmethod = GET HEAD\npath = /repos/acme/*\nremove = A\n"
	     "[inject post]\nhost = api.test\nmethod = POST\nremove = B\n"
	     "[inject wild]\nhost = *.w.test\nelse = pass\npath = /x/*\nremove = C\n"
	     "[inject any]\nhost = any.test\nremove = D\n"
	     "[inject off]\nhost = off.test\nremove = E\n[egress]\ndeny = off.test\n");
	policy = loaded();
	if (policy == NULL)
		return;
	decides(policy, "GET api.test /repos/acme/x", POLICY_ALLOWED, "read");
	decides(policy, "POST api.test /repos/acme/x", POLICY_ALLOWED, "post");
	decides(policy, "GET api.test /user", POLICY_DENIED, "-");
	decides(policy, "GET api.test /repos/acme%2Fx/y", POLICY_DENIED, "-");
	decides(policy, "get api.test /repos/acme/x", POLICY_DENIED, "-");
	decides(policy, "DELETE api.test /repos/acme/x", POLICY_DENIED, "-");
	decides(policy, "GET a.w.test /x/y", POLICY_ALLOWED, "wild");
	decides(policy, "GET a.w.test /y", POLICY_PASSED, "wild");
	decides(policy, "TRACE a.w.test /y", POLICY_DENIED, "-");
	decides(policy, "GET w.test /x/y", POLICY_DENIED, "-");
	decides(policy, "GET evilw.test /x/y", POLICY_DENIED, "-");
	decides(policy, "GET a.w.test.evil /x/y", POLICY_DENIED, "-");
	decides(policy, "PURGE any.test /", POLICY_ALLOWED, "any");
	decides(policy, "TRACE any.test /", POLICY_DENIED, "-");
	decides(policy, "CONNECT any.test /", POLICY_DENIED, "-");
	decides(policy, "GET off.test /", POLICY_DENIED, "-");
	decides(policy, "GET other.test /", POLICY_DENIED, "-");
	policy_free(policy);
}

static void covers(const struct policy *policy, const char *host, uint16_t port, bool plain, bool want)
{
	tap_ok(rules_cover(policy, host, port, plain) == want, "%s:%u%s is %scovered", host, port,
		plain ? " without TLS" : "", want ? "" : "not ");
}

static void connects(const struct policy *policy, const char *host, uint16_t port,
	enum policy_verdict want)
{
	struct policy_question question = { .action = POLICY_CONNECT, .host = host, .port = port };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	tap_ok(answer.verdict == want, "connect %s:%u is %s", host, port,
		want == POLICY_ALLOWED ? "allowed" : "denied");
	tap_ok(want == POLICY_DENIED || answer.rule != NULL, "by a rule");
}

static void check_hosts(void)
{
	unsigned char private_address[4] = { 10, 0, 0, 1 };
	struct policy_question question = { .action = POLICY_CONNECT,
		.host = "a.test",
		.port = 443,
		.address = private_address,
		.family = AF_INET };
	struct policy_answer answer;
	struct policy *policy;

	user("[inject a]\nhost = a.test\nremove = A\n"
	     "[inject p]\nhost = p.test\nplain = yes\nremove = A\n"
	     "[inject q]\nhost = q.test\nport = 8443 9000\nremove = A\n"
	     "[inject d]\nhost = d.test\nremove = A\n[egress]\ndeny = d.test\n");
	policy = loaded();
	if (policy == NULL)
		return;
	covers(policy, "a.test", 443, false, true);
	covers(policy, "a.test", 8443, false, false);
	covers(policy, "a.test", 80, true, false);
	covers(policy, "a.test", 443, true, false);
	covers(policy, "p.test", 443, false, true);
	covers(policy, "p.test", 80, true, true);
	covers(policy, "p.test", 80, false, false);
	covers(policy, "p.test", 443, true, false);
	covers(policy, "q.test", 9000, false, true);
	covers(policy, "q.test", 443, false, false);
	covers(policy, "b.test", 443, false, false);
	connects(policy, "a.test", 443, POLICY_ALLOWED);
	connects(policy, "a.test", 80, POLICY_DENIED);
	connects(policy, "p.test", 80, POLICY_ALLOWED);
	connects(policy, "q.test", 8443, POLICY_ALLOWED);
	connects(policy, "d.test", 443, POLICY_DENIED);
	connects(policy, "b.test", 443, POLICY_DENIED);
	policy_decide(policy, &question, &answer);
	tap_ok(answer.verdict == POLICY_DENIED, "a private address needs [egress] private");
	policy_free(policy);
}

int main(void)
{
	if (!fixture_make())
		return 1;
	check_limits();
	check_decisions();
	check_hosts();
	fixture_remove();
	return tap_done();
}
