/*
 * Proves: [inject NAME] sections of all layers become rules in a known order; what lacks its half,
 * is ambiguous, never reached, or could be turned by commands is refused with file and line; an
 * untrusted project has no say and locks hold.
 */
#include "policy_fixture.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/rules.h"
#include "policy/tenants.h"

#include <string.h>

#define BEARER "header = Authorization: Bearer {secret}\nsecret = env:T\n"
#define RULE(name, host) "[inject " name "]\nhost = " host "\n" BEARER

/* "a b c": the names of the rules, in order. */
static const char *names(const struct policy *policy)
{
	static char out[256];
	size_t n = 0, len = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);

	out[0] = '\0';
	for (size_t i = 0; i < n && len < sizeof(out); i++) {
		len += (size_t)snprintf(
			out + len, sizeof(out) - len, "%s%s", i > 0 ? " " : "", rules_name(rules[i]));
		if (rules_index(rules[i]) != i)
			return "(wrong index)";
	}
	return out;
}

static const struct rules_rule *rule_of(const struct policy *policy, const char *name)
{
	size_t n = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rules_name(rules[i]), name) == 0)
			return rules[i];
	return NULL;
}

static void bad(const char *text, const char *part)
{
	user(text);
	refused(request_of("a"), part, part);
}

static void good(const char *text, const char *what)
{
	user(text);
	accepted(request_of("a"), what);
}

static const struct row {
	const char *text, *part;
} bad_rows[] = {
	{ "[inject x]\n" BEARER, ":1: [inject x] has no host; write host = NAME" },
	{ "[inject x]\nhost = a.test\n", ":1: [inject x] does nothing" },
	{ "[inject x]\nhost = a.test\nport = 8443\n", "does nothing" },
	{ "[inject x]\nhost = a.test\nheader = A: {secret}\n", ":1: [inject x] has no secret" },
	{ "[inject x]\nhost = a.test\nbasic = a:{secret}\n", "has no secret" },
	{ "[inject x]\nhost = a.test\nquery = k={secret}\n", "has no secret" },
	{ "[inject x]\nhost = a.test\nsecret = env:T\n", ":3: [inject x] has a secret and no place" },
	{ "[inject x]\nhost = a.test\nheader = A: b\nsecret = env:T\n", "no place for it" },
	{ "[inject x]\nhost = a.test\nhost = b.test\n", ":3: [inject x] host is set on line 2" },
	{ "[inject x]\nhost = *\n", "would give the secret to every host" },
	{ "[inject x]\nhost = *.test\n", "is too wide" },
	{ RULE("x", "*.co.uk"), ":2: [inject x] host: '*.co.uk' is too wide: names below it are sold" },
	{ "[inject x]\nhost = a.test:8443\n", "has a port; write it as port = 8443" },
	{ "[inject x]\nhost = 10.0.0.1\n", "is an address" },
	{ "[inject x]\nhost = [::1]\n", "is an address" },
	{ "[inject x]\nhost = localhost\n", "is this machine" },
	{ "[inject x]\nhost = https://a.test/\n", "is a URL" },
	{ "[inject x]\nmethod = get\n", "is no method" },
	{ "[inject x]\nmethod = TRACE\n", "TRACE is never served" },
	{ "[inject x]\nmethod = CONNECT\n", "CONNECT is never served" },
	{ "[inject x]\npath = v1\n", "is no path of a request" },
	{ "[inject x]\npath = /v1/../x\n", "a dot segment" },
	{ "[inject x]\npath = /v1//x\n", "an empty segment" },
	{ "[inject x]\npath = /v1?x=1\n", "has a '?'" },
	{ "[inject x]\nheader = Host: a\n", "host frames or redirects the request" },
	{ "[inject x]\nheader = Content_Length: 1\n", "content-length frames" },
	{ "[inject x]\nheader = TRANSFER-ENCODING: chunked\n", "transfer-encoding frames" },
	{ "[inject x]\nheader = Connection: x\n", "connection frames" },
	{ "[inject x]\nheader = X-HTTP-Method-Override: x\n", "x-http-method-override frames" },
	{ "[inject x]\nremove = Host\n", "host frames" },
	{ "[inject x]\nheader = A B: x\n", "no NAME: VALUE" },
	{ "[inject x]\nheader = A:\n", "no NAME: VALUE" },
	{ "[inject x]\nheader = A: \xc3\xa9\n", "byte 0xc3" },
	{ "[inject x]\nheader = A: {token}\n", "'{token}' is not known; write {secret}" },
	{ "[inject x]\nheader = A: ${SECRET}\n", "'{SECRET}' is not known" },
	{ "[inject x]\nquery = a b=c\n", "no NAME=VALUE" },
	{ "[inject x]\nbasic = {secret}x\n", "no USER:PASSWORD" },
	{ "[inject x]\nbasic = a:b\n", "no USER:PASSWORD" },
	{ "[inject x]\nsecret = ghp_abc\n", "a secret is named, not written" },
	{ "[inject x]\nsecret = env:1A\n", "write env:NAME" },
	{ "[inject x]\nsecret = env:A B\n", "write env:NAME" },
	{ "[inject x]\nsecret = file:x\n", "write file:/PATH" },
	{ "[inject x]\nsecret = file:/a/*\n", "write file:/PATH" },
	{ "[inject x]\nsecret = file:/a/../b\n", "write file:/PATH" },
	{ "[inject x]\nsecret = command:./x\n", "by absolute path" },
	{ "[inject x]\nsecret = command:a \"b\n", "double quote" },
	{ "[inject x]\nsecret = keyring:x\n", "SERVICE/ACCOUNT" },
	{ "[inject x]\nttl = 0\n", "is no time" },
	{ "[inject x]\nttl = 8d\n", "is no time" },
	{ "[inject x]\nttl = 200h\n", "is no time" },
	{ "[inject x]\nenv = A*\n", "is no name of a variable" },
	{ "[inject x]\nlimits = 1000/day\n", "is no limit" },
	{ "[inject x]\nlimits = 60/hour\n", "is no limit" },
	{ "[inject x]\nlimits = 0/minute\n", "is no limit" },
	{ "[inject x]\nelse = allow\n", "refuse or pass" },
	{ "[inject x]\nsign = gcp\n", "none or aws" },
	{ "[inject x]\nhost = a.test\nsign = aws\nsecret = env:S\n", ":3: [inject x] sign = aws and key" },
	{ RULE("x", "a.test") "key-id = env:K\n", ":5: [inject x] sign = aws and key-id go together" },
	{ RULE("x", "a.test") "session-token = env:K\n", "session-token needs key-id" },
	{ "[inject x]\nhost = a.test\nclient-cert = file:/c\n", "client-cert needs client-key too" },
	{ "[inject x]\nhost = a.test\nmethod = GET\nttl = 60\n", "ttl needs secret too" },
	{ RULE("x", "a.test") "header = authorization: x\n", ":5: [inject x] sets authorization twice" },
	{ RULE("x", "a.test") "basic = a:{secret}\n", "sets Authorization twice" },
	{ RULE("x", "a.test") "header = X-A: 1\nheader = x_a: 2\n", "sets x_a twice, here and on line 5" },
	{ RULE("x", "a.test") "query = a=1\nquery = a=2\n", "sets a twice" },
};

static const struct row good_rows[] = {
	{ RULE("x", "a.test"), "a rule" },
	{ "[inject x]\nhost = a.test\nmethod = GET\n", "a rule that only judges" },
	{ "[inject x]\nhost = a.test\nremove = Cookie\n", "a rule that only takes away" },
	{ "[inject x]\nhost = a.test\nenv = T\n", "a rule with a fake alone" },
	{ "[inject x]\nhost = a.test\nclient-cert = file:/c\nclient-key = file:/k\n", "a certificate" },
	{ "[inject x]\nhost = a.test\nsign = aws\nkey-id = env:K\nsecret = env:S\n"
	  "session-token = env:Q\n", "signing" },
	{ "[inject x]\nhost = a.test\nheader = A: {\"a\":1} {secret}\nsecret = env:T\n", "braces" },
	{ "[inject x]\nhost = a.test\nbasic = {secret}\nsecret = env:T\n", "user and password in one" },
	{ RULE("x", "a.test") "limits = 60/minute 200M/day\nttl = 5m\n", "limits" },
	{ RULE("x", "a.test") "query = a=1\nquery = A=2\n", "parameters tell case apart" },
};

static void check_rows(void)
{
	for (size_t i = 0; i < sizeof(bad_rows) / sizeof(bad_rows[0]); i++)
		bad(bad_rows[i].text, bad_rows[i].part);
	for (size_t i = 0; i < sizeof(good_rows) / sizeof(good_rows[0]); i++)
		good(good_rows[i].text, good_rows[i].part);
}

static void check_normal_forms(void)
{
	const struct rules_rule *rule;
	struct policy *policy;
	size_t n = 0;
	char want[300];

	user("[inject x]\nhost = A.Test.\nheader = A:  {secret}\nsecret = file:~/t\nttl = 2m\n"
	     "path = /%7ea/b%2f*\n[inject y]\nhost = b.test\nbasic = a:{secret}\n"
	     "secret = command:~/bin/get \"a b\" c\n");
	policy = loaded();
	rule = policy != NULL ? rule_of(policy, "x") : NULL;
	if (rule == NULL)
		return;
	tap_ok(rules_says(rule, RULES_HOST, "a.test"), "a host");
	tap_ok(strcmp(rules_list(rule, RULES_HEADER, &n)->value, "A: {secret}") == 0 && n == 1,
		"a header");
	tap_ok(rules_says(rule, RULES_TTL, "120"), "seconds");
	tap_ok(strcmp(rules_list(rule, RULES_PATH, &n)->value, "/~a/b%2F*") == 0, "a path");
	(void)snprintf(want, sizeof(want), "file:%s/t", at("home"));
	tap_ok(rules_says(rule, RULES_SECRET, want), "a file");
	(void)snprintf(want, sizeof(want), "command:%s/bin/get \"a b\" c", at("home"));
	tap_ok(rules_says(rule_of(policy, "y"), RULES_SECRET, want), "a command");
	tap_ok(rules_value(rule, RULES_CA) == NULL && rules_says(rule, RULES_REDACT, "yes") &&
			rules_says(rule, RULES_ELSE, "refuse") && rules_says(rule, RULES_PLAIN, "no"),
		"what is not set");
	tap_ok(rules_origin(rule).line == 1, "an origin");
	policy_free(policy);
}

/* A later layer's section adds to the earlier one; the order is that of the first lines. */
static void check_merging(void)
{
	const struct rules_rule *rule;
	struct policy *policy;
	size_t n = 0;

	clear();
	puts_at("system.ini", RULE("s", "s.test") "path = /a/* /b/*\n");
	puts_at("profiles/a.ini", "[inject p]\nhost = p.test\n");
	puts_at("config/agentjail.ini", "[inject u]\nhost = u.test\nmethod = GET\n"
					"[inject s]\npath = !/a/* /c/*\nsecret = env:U\n[inject p]\n" BEARER);
	policy = loaded();
	if (policy == NULL)
		return;
	tap_ok(strcmp(names(policy), "s p u") == 0, "order of layers: %s", names(policy));
	rule = rule_of(policy, "s");
	tap_ok(rules_says(rule, RULES_SECRET, "env:U"), "a single value is replaced");
	tap_ok(strcmp(rules_list(rule, RULES_PATH, &n)[1].value, "/c/*") == 0 && n == 2,
		"lists append, !ENTRY takes away");
	tap_ok(strcmp(rules_origin(rule).file, at("system.ini")) == 0, "origin of the first line");
	policy_free(policy);
}

#define SPECIFIC                                                                                   \
	"[inject own]\nhost = api.test\npath = /repos/acme/*\nheader = Authorization: own {secret}\n" \
	"secret = env:OWN\n"

static void check_order(void)
{
	struct policy *policy;

	bad(RULE("one", "api.test") SPECIFIC, ":5: [inject own] is never reached: [inject one]");
	good(SPECIFIC RULE("one", "api.test"), "the narrow one in front is fine");
	good(RULE("one", "api.test") RULE("two", "api.test"), "two that do the same are fine");
	bad(RULE("one", "*.test.example") SPECIFIC "[inject own]\npath = /x\n[inject late]\n"
		"host = a.test.example\nremove = Cookie\n", "[inject late] is never reached");
	/* A file comes before what it inherits. */
	user("[profile]\ninherit = b\n" SPECIFIC);
	puts_at("profiles/b.ini", RULE("one", "api.test"));
	policy = loaded();
	tap_ok(policy != NULL && strcmp(names(policy), "own one") == 0, "a file, then its parents");
	policy_free(policy);
	user("[profile]\ninherit = b\n[inject one]\n" SPECIFIC);
	puts_at("profiles/b.ini", RULE("one", "api.test"));
	refused(request_of("a"), "agentjail.ini:4: [inject own] is never reached",
		"naming a parent's rule first puts it first");
	/* Files of two layers have no order. */
	user(SPECIFIC);
	puts_at("system.ini", RULE("one", "api.test"));
	refused(request_of("a"), "are of two layers, so that neither comes first", "two layers");
	user(RULE("two", "api.test"));
	puts_at("system.ini", RULE("one", "api.test"));
	accepted(request_of("a"), "two layers that do the same");
	user("[inject two]\nhost = api.test\nmethod = POST\nheader = Authorization: x {secret}\n"
	     "secret = env:T\n");
	puts_at("system.ini", RULE("one", "api.test") "method = GET HEAD\n");
	accepted(request_of("a"), "two layers, apart by method");
	user("[inject two]\nhost = api.test\nport = 8443\nremove = Cookie\n");
	puts_at("system.ini", RULE("one", "api.test"));
	accepted(request_of("a"), "two layers, apart by port");
	user("[inject two]\nhost = api.test\nremove = Cookie\nplain = yes\n");
	puts_at("system.ini", RULE("one", "api.test"));
	refused(request_of("a"), "neither comes first", "two layers, both with TLS");
	user("[inject two]\nhost = api.test\npath = /a/**/z\nremove = Cookie\n");
	puts_at("system.ini", RULE("one", "api.test") "path = /*/b/*\n");
	refused(request_of("a"), "neither comes first", "paths that cross");
}

static void check_presets(void)
{
	static const char *const one[] = { "p" }, *const two[] = { "p", "q" };
	struct policy_request request = request_of("a");
	struct policy *policy;
	struct err err;

	user("[profile]\ninherit = b inject/p\ninherit = c\n");
	puts_at("profiles/b.ini", "[files]\nhide = ~/b\n");
	puts_at("profiles/c.ini", "[files]\nhide = ~/c\n");
	puts_at("profiles/inject/p.ini", RULE("p", "p.test") "[inject p-two]\nhost = q.test\nmethod = GET\n");
	policy = loaded();
	tap_ok(policy != NULL && strcmp(names(policy), "p p-two") == 0, "inherited");
	tap_ok(policy != NULL && strstr(joined(policy, PK_FILES_HIDE), "/b") != NULL &&
			strstr(joined(policy, PK_FILES_HIDE), "/c") != NULL,
		"a list, on lines");
	policy_free(policy);
	user("[profile]\ninherit = inject/nope\n");
	refused(request, "agentjail.ini:2: [profile] inherit: there is no profile 'inject/nope'", "none");
	user("[profile]\ninherit = inject/../p\n");
	refused(request, "is no name", "no path");
	user("[profile]\ninherit = !b\n");
	refused(request, "takes nothing back", "no removal");
	puts_at("profiles/inject/q.ini", "[profile]\ninherit = inject/p\n" RULE("q", "q.test") "method = PUT\n");
	puts_at("profiles/inject/p.ini", "[profile]\ninherit = inject/q\n" RULE("p", "p.test"));
	user("[profile]\ninherit = inject/p\n");
	refused(request, "'inject/p' inherits itself", "a circle");
	puts_at("profiles/inject/p.ini", RULE("p", "p.test"));

	clear();
	request.rules = two;
	request.n_rules = 2;
	policy = load(request, &err);
	tap_ok(policy != NULL && strcmp(names(policy), "p q") == 0, "--inject p --inject q");
	policy_free(policy);
	request.n_rules = 1;
	user("[inject p]\nhost = own.test\nremove = Cookie\n");
	policy = load(request, &err);
	tap_ok(policy != NULL && rules_says(rule_of(policy, "p"), RULES_HOST, "own.test") &&
			rules_value(rule_of(policy, "p"), RULES_SECRET) == NULL,
		"a rule of that name is on already: no preset is mixed in");
	policy_free(policy);
	user("[inject own]\nhost = p.test\nremove = Cookie\n");
	refused(request, "are of two layers", "a preset and a rule for the same");
	clear();
	request.rules = (const char *const[]){ "pp" };
	refused(request, "--inject pp: there is no such rule or preset; did you mean", "misspelt");
	request.rules = (const char *const[]){ "../p" };
	refused(request, "--inject: '../p' is no name", "no path for --inject");
	request.rules = one;
	puts_at("system.ini", "[locked]\nkey = inject.*\n");
	refused(request, "--inject p: ", "a lock holds for presets");
	(void)unlink(at("profiles/inject/p.ini"));
	(void)unlink(at("profiles/inject/q.ini"));
}

static void check_overrides(void)
{
	static const char *const overrides[] = { "inject p.2.secret=env:B", "inject p.2.path=/x" };
	struct policy_request request = request_of("a");
	struct policy *policy;
	struct err err;

	user(RULE("p.2", "p.test"));
	request.overrides = overrides;
	request.n_overrides = 2;
	policy = load(request, &err);
	tap_ok(policy != NULL && rules_says(rule_of(policy, "p.2"), RULES_SECRET, "env:B"),
		"a line of a rule on the command line %s", err.text);
	policy_free(policy);
}

static void check_locks(void)
{
	user(RULE("x", "x.test"));
	puts_at("system.ini", "[locked]\nkey = inject.*\n");
	refused(request_of("a"), "agentjail.ini:2: [inject x] host is locked", "no rule at all");
	user("[inject s]\nsecret = env:OTHER\n");
	puts_at("system.ini", RULE("s", "s.test") "[locked]\nkey = inject.secret\n");
	refused(request_of("a"), "[inject s] secret is locked", "one key");
	user("[inject s]\nmethod = GET\nremove = Cookie\n");
	puts_at("system.ini", RULE("s", "s.test") "[locked]\nkey = inject.secret\n");
	accepted(request_of("a"), "another key");
	user("[inject s]\nremove = Cookie\nlimits = 5/minute\n");
	puts_at("system.ini", RULE("s", "s.test") "[locked]\nkey = inject.*\n");
	accepted(request_of("a"), "what takes away is allowed under a lock");
	clear();
	puts_at("system.ini", "[locked]\nkey = inject.secrt\n");
	refused(request_of("a"), "is no SECTION.KEY", "a misspelt lock");
}

static void check_project(void)
{
	const char *const *lines = NULL;
	struct policy *policy;

	user(RULE("x", "x.test"));
	puts_at("project/.agentjail.ini",
		"[inject x]\nhost = evil.test\npath = /a\n[inject y]\nhost = evil.test\n"
		"[profile]\ninherit = inject/p\n");
	puts_at("profiles/inject/p.ini", RULE("p", "p.test"));
	policy = loaded();
	if (policy == NULL)
		return;
	tap_ok(strcmp(names(policy), "x") == 0, "a project adds no rule");
	tap_ok(rules_says(rule_of(policy, "x"), RULES_HOST, "x.test"), "and changes none");
	tap_ok(policy_warnings(policy, &lines) == 1 && strstr(lines[0], ":2: 4 lines skipped") != NULL,
		"and is told so");
	policy_free(policy);
	(void)unlink(at("profiles/inject/p.ini"));
}

/* What commands can write chooses no secret and vouches for no host. */
static void check_places(void)
{
	char text[1024];
	static const char *const keys[] = { "secret = file:%s/project/t", "ca = %s/project/ca.pem",
		"secret = command:%s/project/bin/get", "secret = command:/bin/cat %s/project/t",
		"secret = file:%s/home/link" };

	clear();
	tap_ok(symlink(at("project/t"), at("home/link")) == 0, "a link into the project");
	puts_at("project/t", "x");
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char line[512], *percent = NULL;

		(void)snprintf(line, sizeof(line), "%s", keys[i]);
		percent = strstr(line, "%s");
		*percent = '\0';
		(void)snprintf(text, sizeof(text),
			"[inject x]\nhost = a.test\nheader = A: {secret}\n%s%s%s\n%s", line, dir,
			percent + 2, strncmp(line, "secret", 6) == 0 ? "" : "secret = env:T\n");
		bad(text, "can be written by commands");
	}
	(void)unlink(at("home/link"));
	(void)unlink(at("project/t"));
	good("[inject x]\nhost = a.test\nheader = A: {secret}\nsecret = file:~/t\n", "a file in HOME");
	(void)snprintf(text, sizeof(text),
		"[files]\nprotect = ./t\n[inject x]\nhost = a.test\nremove = A\n"
		"ca = %s/project/t\n", dir);
	good(text, "authorities in a protected file of the project");
	(void)snprintf(text, sizeof(text),
		"[files]\nprotect = ./t\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
		"secret = file:%s/project/t\n", dir);
	bad(text, "can be read by commands");
	(void)snprintf(text, sizeof(text),
		"[files]\nhide = ./t\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
		"secret = file:%s/project/t\n", dir);
	good(text, "a hidden file of the project");
	bad("[files]\nread = ~/shown\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
	    "secret = file:~/shown/t\n", "shown/t can be read by commands");
	good("[files]\nread = ~/shown\n[inject x]\nhost = a.test\nclient-cert = file:~/shown/c\n"
	     "client-key = file:~/k\n", "a certificate is public");
	bad("[env]\nkeep = ACME_*\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
	    "secret = env:ACME_T\n", "variable ACME_T is passed on to commands by [env] keep");
	good("[env]\nkeep = ACME_*\nhide = *_T\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
	     "secret = env:ACME_T\n", "a variable that is hidden all the same");
	good("[env]\nkeep = ACME_*\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
	     "secret = env:ACME_T\nenv = ACME_T\n", "a variable with a fake in its place");
	good("[inject x]\nhost = a.test\nheader = A: {secret}\nsecret = file:/tmp/t\n",
		"the host's /tmp is not the cell's");
	bad("[files]\nwrite = /usr/local/bin\n[inject x]\nhost = a.test\nheader = A: {secret}\n"
	    "secret = command:pass show x\n", "program /usr/local/bin/pass can be written");
}

static void warned(const char *text, const char *part, size_t want)
{
	const char *const *lines = NULL;
	struct policy *policy;
	size_t n, found = 0;

	user(text);
	policy = loaded();
	if (policy == NULL)
		return;
	n = policy_warnings(policy, &lines);
	for (size_t i = 0; i < n; i++)
		found += strstr(lines[i], part) != NULL;
	tap_ok(found == want && n == want, "%zu warnings: %s", want, part);
	policy_free(policy);
}

static void check_warnings(void)
{
	warned(RULE("x", "*.s3.amazonaws.com"), "every customer of a hosting service", 1);
	warned(RULE("x", "*.github.io"), "every customer", 1);
	warned(RULE("x", "**.ghe.com"), "every customer", 1);
	warned(RULE("x", "*.s3.eu-west-1.amazonaws.com"), "every customer", 1);
	warned(RULE("x", "me.github.io"), "every customer", 0);
	warned(RULE("x", "*.me.github.io"), "every customer", 0);
	warned(RULE("x", "*.npmjs.org"), "every customer", 0);
	warned("[inject x]\nhost = *.github.io\nremove = Cookie\n", "every customer", 0);
	warned(RULE("x", "a.test") "plain = yes\n", "without TLS the secret is readable", 1);
	warned(RULE("x", "a.test") "redact = no\n", "redact = no", 1);
	warned(RULE("x", "a.test") "[egress]\ndeny = **.a.test\n", "serves nothing", 1);
	warned("[inject x]\nhost = a.test\nheader = X-Api-Key: abc\n", "stands in the profile", 1);
	tap_ok(tenants_of("amazonaws.com") == TENANTS_SHARED &&
			tenants_of("example.com") == TENANTS_NONE &&
			tenants_of("notgithub.io") == TENANTS_NONE &&
			tenants_of("com.au") == TENANTS_REGISTRY,
		"domains of many");
}

int main(void)
{
	if (!fixture_make())
		return 1;
	(void)mkdir(at("profiles/inject"), 0755);
	check_rows();
	check_normal_forms();
	check_merging();
	check_order();
	check_presets();
	check_overrides();
	check_locks();
	check_project();
	check_places();
	check_warnings();
	(void)rmdir(at("profiles/inject"));
	fixture_remove();
	return tap_done();
}
