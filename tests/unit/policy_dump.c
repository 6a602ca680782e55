/*
 * Proves: a policy goes through its dump unchanged, with every origin, and nothing that is cut off,
 * changed or not a policy is read back.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "policy/rules.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const overrides[] = { "files.read=\"/a b\" ~/x", "env.set=A=\"x\"y",
	"env.set=B=", "agent.trusted={agent} argv0=rg *", "egress.allow=[::1]:80 1.2.3.4 **.a.test",
	"sandbox.home=open", "audit.path=~/audit", "egress.private=db.a.test", "files.hide=.env",
	"inject own.1.host=**.own.test", "inject own.1.header=X-A: {\"a\"} {secret}",
	"inject own.1.secret=command:\"/opt/a b\" \"c d\" e", "inject own.1.limits=5/minute 2G/day",
	"inject own.1.ttl=5m", "inject own.1.path=/a%2fb/** /{x}", "inject own.1.query=k={secret}" };

static const char *const rules[] = { "github", "github-push", "aws", "npm", "docker" };

static struct policy *load(void)
{
	struct policy_request request = { .agent = "claude",
		.project = "/w/a,b",
		.home = "/opt/h",
		.profiles_dir = "profiles",
		.rules = rules,
		.n_rules = sizeof(rules) / sizeof(rules[0]),
		.overrides = overrides,
		.n_overrides = sizeof(overrides) / sizeof(overrides[0]) };
	struct policy *policy = NULL;
	struct err err = { 0 };

	if (policy_load(&request, &policy, &err) < 0)
		tap_ok(false, "%s", err.text);
	return policy;
}

static bool same_item(const struct policy_item *a, const struct policy_item *b)
{
	return strcmp(a->value, b->value) == 0 && strcmp(a->origin.file, b->origin.file) == 0 &&
	       a->origin.line == b->origin.line;
}

static bool same_rule(const struct rules_rule *a, const struct rules_rule *b)
{
	bool ok = strcmp(rules_name(a), rules_name(b)) == 0 && rules_index(a) == rules_index(b) &&
		  rules_origin(a).line == rules_origin(b).line &&
		  strcmp(rules_origin(a).file, rules_origin(b).file) == 0;

	for (size_t k = 0; k < RULES_KEY_COUNT && ok; k++) {
		enum rules_key key = (enum rules_key)k;
		size_t n = 0, m = 0;
		const struct policy_item *x = rules_list(a, key, &n), *y = rules_list(b, key, &m);

		ok = n == m;
		for (size_t i = 0; ok && i < n; i++)
			ok = same_item(&x[i], &y[i]);
		x = rules_value(a, key);
		y = rules_value(b, key);
		ok = ok && (x == NULL) == (y == NULL) && (x == NULL || same_item(x, y));
	}
	return ok;
}

static bool same_rules(const struct policy *a, const struct policy *b)
{
	size_t n = 0, m = 0;
	const struct rules_rule *const *x = rules_all(a, &n), *const *y = rules_all(b, &m);
	bool ok = n == m && n > 8;

	for (size_t i = 0; ok && i < n; i++)
		ok = same_rule(x[i], y[i]);
	return ok;
}

static bool same(const struct policy *a, const struct policy *b)
{
	bool ok = strcmp(policy_project(a), policy_project(b)) == 0 &&
		  strcmp(policy_home(a), policy_home(b)) == 0 &&
		  policy_has_agent_profile(a) == policy_has_agent_profile(b);

	for (size_t k = 0; k < PK_COUNT; k++) {
		enum policy_key key = (enum policy_key)k;
		size_t n = 0, m = 0;
		const struct policy_item *x = policy_list(a, key, &n), *y = policy_list(b, key, &m);

		if (!policy_key_is_list(key))
			ok = ok && same_item(policy_value(a, key), policy_value(b, key));
		ok = ok && n == m;
		for (size_t i = 0; ok && i < n; i++)
			ok = same_item(&x[i], &y[i]);
	}
	return ok;
}

static int memfd_of(const char *bytes, size_t n)
{
	int fd = memfd_create("policy", MFD_CLOEXEC);

	if (fd < 0 || write_all(fd, bytes, n) < 0)
		tap_ok(false, "memfd");
	return fd;
}

static bool reads(const char *bytes, size_t n)
{
	AUTO_CLOSE int fd = memfd_of(bytes, n);
	struct policy *policy = NULL;
	struct err err;
	int r = policy_undump(fd, &policy, &err);

	policy_free(policy);
	return r == 0;
}

/* Every cut is refused; of every changed byte the reader survives. */
static void check_broken(const struct buf *dump)
{
	size_t wrong = 0;
	AUTO_FREE char *copy = malloc(dump->len);

	for (size_t n = 0; n < dump->len; n += n < 512 || n + 64 > dump->len ? 1 : 499)
		wrong += reads(dump->data, n);
	tap_ok(wrong == 0, "no cut dump is read");
	for (size_t i = 0; copy != NULL && i < dump->len; i += i < 512 ? 1 : 997) {
		memcpy(copy, dump->data, dump->len);
		copy[i] = (char)(copy[i] ^ 0x15);
		(void)reads(copy, dump->len);
	}
	tap_ok(true, "changed dumps are survived");
}

static void check_texts(void)
{
	static const char *const bad[] = { "", "end\n", "agentjail-policy 2\nproject 2:/a,\n",
		"agentjail-policy 1\nitem files.read 1 1:a,2:/a,\nend\n",
		"agentjail-policy 1\nproject 99:/a,\nhome 2:/h,\nagent 2:no,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nitem no.key 1 "
		"1:a,2:/a,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nitem egress.allow 1 "
		"1:a,5:*.com,\n"
		"end\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nitem sandbox.home 1 "
		"1:a,3:opn,\n"
		"end\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nsays host 1 "
		"1:a,6:b.test,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nrule 1:x, 1 1:a,\n"
		"says host 1 1:a,1:*,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nrule 1:x, 1 1:a,\n"
		"says nothing 1 1:a,1:x,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nrule 1:x, 1 1:a,\n"
		"rule 1:x, 1 1:a,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nrule 3:../, 1 "
		"1:a,\nend\n",
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nend\nx" };
	static const char good[] = "agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\n"
				   "item files.read 1 1:a,2:/a,\nend\n";
	static const char rule[] = "agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\n"
				   "rule 1:x, 1 1:a,\nsays host 1 1:a,6:b.test,\nend\n";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(!reads(bad[i], strlen(bad[i])), "no dump %zu", i);
	tap_ok(reads(good, strlen(good)), "a dump");
	tap_ok(reads(rule, strlen(rule)), "a dump with a rule");
}

int main(void)
{
	AUTO_CLOSE int fd = memfd_create("policy", MFD_CLOEXEC);
	struct policy *policy = load(), *copy = NULL;
	AUTO_BUF struct buf dump = { 0 };
	struct err err = { 0 };

	if (policy == NULL)
		return tap_done();
	tap_ok(policy_dump(policy, fd, &err) == 0, "dumps %s", err.text);
	tap_ok(policy_undump(fd, &copy, &err) == 0, "reads it again %s", err.text);
	if (copy != NULL)
		tap_ok(same(policy, copy) && same_rules(policy, copy), "and it is the same");
	policy_free(copy);
	policy_free(policy);
	(void)lseek(fd, 0, SEEK_SET);
	tap_ok(buf_read_fd(&dump, fd, 1 << 20) == 0 && dump.len > 10000, "a dump of %zu bytes",
		dump.len);
	check_broken(&dump);
	check_texts();
	return tap_done();
}
