/*
 * Proves: a policy goes through its dump unchanged, with every origin, and nothing that is cut off,
 * changed or not a policy is read back.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const char *const overrides[] = { "files.read=\"/a b\" ~/x", "env.set=A=\"x\"y",
	"env.set=B=", "agent.trusted={agent} argv0=rg *", "egress.allow=[::1]:80 1.2.3.4 **.a.test",
	"sandbox.home=open", "audit.path=~/audit", "egress.private=db.a.test", "files.hide=.env" };

static struct policy *load(void)
{
	struct policy_request request = { .agent = "claude",
		.project = "/w/a,b",
		.home = "/opt/h",
		.profiles_dir = "profiles",
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
		"agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\nend\nx" };
	static const char good[] = "agentjail-policy 1\nproject 2:/a,\nhome 2:/h,\nagent 2:no,\n"
				   "item files.read 1 1:a,2:/a,\nend\n";

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		tap_ok(!reads(bad[i], strlen(bad[i])), "no dump %zu", i);
	tap_ok(reads(good, strlen(good)), "a dump");
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
		tap_ok(same(policy, copy), "and it is the same");
	policy_free(copy);
	policy_free(policy);
	(void)lseek(fd, 0, SEEK_SET);
	tap_ok(buf_read_fd(&dump, fd, 1 << 20) == 0 && dump.len > 10000, "a dump of %zu bytes",
		dump.len);
	check_broken(&dump);
	check_texts();
	return tap_done();
}
