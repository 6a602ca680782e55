/*
 * Proves what --mode shared makes of a policy: what the agent keeps and reaches is the cell's too,
 * hidden files stay hidden, and a lock is not got around.
 */
#include "policy_fixture.h"

static const char profile[] = "[agent]\nkeep = ~/.a ~/.a.json\nkeep-env = A_*\nhide = ./.a\n"
			      "private = /tmp/a\ntrusted = {agent} x *\negress = * api.test localhost:1\n"
			      "[files]\nhide = ~/.ssh .env ~/.a/key\nread = ~/.a/hooks\nwrite = .\n"
			      "[env]\nkeep = B\nhide = A_*\n[egress]\nallow = ok.test\n";

static bool is_allowed(const struct policy *policy, enum policy_action action, const char *path)
{
	struct policy_question question = { .action = action, .path = at(path) };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static bool connects(const struct policy *policy, const char *host)
{
	struct policy_question question = { .action = POLICY_CONNECT, .host = host, .port = 443 };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static void check_shared(const struct policy *policy)
{
	tap_ok(is_allowed(policy, POLICY_WRITE, "home/.a/x") &&
			is_allowed(policy, POLICY_WRITE, "home/.a.json"),
		"what the agent keeps is writable in the cell");
	tap_ok(is_allowed(policy, POLICY_READ, "home/.a/hooks/h") &&
			!is_allowed(policy, POLICY_WRITE, "home/.a/hooks/h"),
		"what was read-only below it stays so");
	tap_ok(!is_allowed(policy, POLICY_READ, "home/.a/key") &&
			!is_allowed(policy, POLICY_READ, "home/.ssh/id") &&
			!is_allowed(policy, POLICY_READ, "project/.env"),
		"what [files] hides stays hidden");
	tap_ok(connects(policy, "api.test") && connects(policy, "ok.test"), "its hosts are allowed");
	tap_ok(!connects(policy, "evil.test"), "and * is not taken over");
	tap_is(joined(policy, PK_ENV_KEEP), "B|A_*", "its variables are kept");
	tap_is(joined(policy, PK_AGENT_HIDE), "", "nothing is hidden from the agent alone");
	tap_is(joined(policy, PK_AGENT_TRUSTED), "", "nothing is executed elsewhere");
	tap_is(joined(policy, PK_AGENT_PRIVATE), "", "nothing is its own in /tmp");
}

int main(void)
{
	struct policy_request request;
	struct policy *policy;
	struct err err;

	if (!fixture_make())
		return tap_done();
	request = request_of("a");
	puts_at("profiles/default.ini", "");
	puts_at("profiles/a.ini", profile);
	policy = load(request, &err);
	tap_ok(policy != NULL && !is_allowed(policy, POLICY_READ, "home/.a/x") &&
			!connects(policy, "api.test"),
		"split, the agent's own is not the cell's");
	policy_free(policy);
	request.is_shared = true;
	policy = load(request, &err);
	if (tap_ok(policy != NULL, "shared loads"))
		check_shared(policy);
	policy_free(policy);
	puts_at("system.ini", "[locked]\nkey = files.write\n");
	refused(request, "would loosen files.write by agent.keep", "nor does it get around a lock");
	puts_at("system.ini", "[locked]\nkey = egress.allow\n");
	refused(request, "loosen egress.allow by agent.egress", "of hosts");
	puts_at("system.ini", "[locked]\nkey = env.hide\n");
	refused(request, "loosen env.hide by agent.keep-env", "of variables");
	puts_at("profiles/a.ini", "[agent]\negress = *\n");
	puts_at("system.ini", "[locked]\nkey = egress.allow\n");
	accepted(request, "where nothing is loosened, a lock is in nobody's way");
	fixture_remove();
	return tap_done();
}
