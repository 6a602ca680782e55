/*
 * Proves: which calls are a tool's, word by word; a rule that a tool names is no rule of the session;
 * and the policy of a run has what the tool adds and, for a command, nothing that cells can write.
 */
#include "policy_fixture.h"

#include "policy/tools.h"

#include <string.h>

/* args: separated by '|'. */
static void matches(const char *line, const char *args, bool is_strict, bool want)
{
	char text[128], *rest = text, *word;
	const char *list[16] = { NULL };
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "%s", args);
	while (text[0] != '\0' && n < 15 && (word = strsep(&rest, "|")) != NULL)
		list[n++] = word;
	tap_ok(tools_args_match(line, list, is_strict) == want, "'%s' %s '%s'%s", line,
		want ? "matches" : "does not match", args, is_strict ? ", strictly" : "");
}

static void check_arguments(void)
{
	matches("push *", "push", false, true);
	matches("push *", "push|origin|main", false, true);
	matches("push *", "push|--force", false, true);
	matches("push *", "pushx", false, false);
	matches("push *", "-C|d|push", false, false);
	matches("push", "push|x", false, false);
	matches("* push", "x|push", false, true);
	matches("v?", "v1", true, true);
	matches("*", "-c|x", true, false);
	matches("*", "x|-c", true, false);
	matches("-n *", "-n|x", true, true);
	matches("-n *", "-c|x", true, false);
	matches("\"a b\"", "a b", true, true);
	matches("none", "", false, false);
}

static enum policy_verdict ask(const struct policy *policy, const char *word, const char *arg,
	const char **ret_tool)
{
	const char *args[] = { arg, NULL };
	struct policy_question question = { .action = POLICY_TOOL, .word = word, .args = args };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	*ret_tool = answer.tool != NULL ? tools_name(answer.tool) : "-";
	return answer.verdict;
}

static void asks(const struct policy *policy, const char *word, const char *arg,
	enum policy_verdict want, const char *want_tool)
{
	const char *tool = "-";

	tap_ok(ask(policy, word, arg, &tool) == want && strcmp(tool, want_tool) == 0, "%s %s: %s",
		word, arg != NULL ? arg : "", want_tool);
}

static bool connects(const struct policy *policy, const char *host)
{
	struct policy_question question = { .action = POLICY_CONNECT, .host = host, .port = 443 };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static bool reads(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_READ, .path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static size_t count_rules(const struct policy *policy)
{
	size_t n;

	(void)rules_all(policy, &n);
	return n;
}

static const char profile[] =
	"[files]\nread = /usr /srv ./docs\nwrite = . /srv/shared\nhide = ~/pgpass /usr/secret\n"
	"[egress]\nallow = all.test\ndeny = never.test\n[env]\nset = A=b\n"
	"[inject mine]\nhost = session.test\nremove = A\n"
	"[inject push]\nhost = git.test\nremove = B\n"
	"[tool push]\nmatch = git push *\nmatch = hub push\ninject = push\negress = more.test\n"
	"[tool pull]\nmatch = git pull *\negress = never.test\n"
	"[tool orders]\ncommand = psql -f ~/q.sql\nargs = v*\nfiles = ~/pgpass ./data\negress = db.test\n";

static void check_session(const struct policy *policy)
{
	size_t n;

	asks(policy, "git", "push", POLICY_ALLOWED, "push");
	asks(policy, "git", "pull", POLICY_ALLOWED, "pull");
	asks(policy, "git", "status", POLICY_PASSED, "-");
	asks(policy, "git", NULL, POLICY_PASSED, "-");
	asks(policy, "hub", "push", POLICY_ALLOWED, "push");
	asks(policy, "orders", NULL, POLICY_DENIED, "orders");
	asks(policy, "orders", "v1", POLICY_ALLOWED, "orders");
	asks(policy, "orders", "-c", POLICY_DENIED, "orders");
	asks(policy, "psql", "x", POLICY_DENIED, "-");
	asks(policy, "push", "push", POLICY_DENIED, "-");
	(void)tools_rules(policy, &n);
	tap_ok(count_rules(policy) == 1 && n == 1, "one rule is the session's, one the tool's");
	tap_ok(!rules_cover(policy, "git.test", 443, false) && !connects(policy, "git.test"),
		"the session has neither the tool's rule nor its host");
	tap_ok(!connects(policy, "more.test") && !connects(policy, "db.test"), "nor its egress");
}

static struct policy *derived(const struct policy *policy, size_t i)
{
	struct policy *run = NULL;
	struct err err = { 0 };
	size_t n;
	const struct tools_tool *const *tools = tools_all(policy, &n);

	if (!tap_ok(tools_derive(policy, tools[i], "/state/empty", &run, &err) == 0, "derive %s",
		    err.text))
		return NULL;
	(void)tools_all(run, &n);
	tap_ok(n == 0, "a run has no tools");
	return run;
}

static void check_match(const struct policy *policy)
{
	struct policy *run = derived(policy, 0);
	size_t n;

	if (run == NULL)
		return;
	tap_ok(connects(run, "git.test") && connects(run, "more.test") && connects(run, "all.test"),
		"match: the session's hosts and the tool's");
	tap_ok(count_rules(run) == 2 && rules_cover(run, "git.test", 443, false),
		"match: both rules");
	tap_is(rules_name(rules_all(run, &n)[0]), "push", "match: the tool's rule first");
	tap_ok(reads(run, at("project/x")) && !connects(run, "db.test"), "match: the session's files");
	(void)policy_list(run, PK_ENV_SET, &n);
	tap_ok(n == 0, "match: the caller's variables stay");
	policy_free(run);
	run = derived(policy, 1);
	tap_ok(run != NULL && !connects(run, "never.test"), "match: deny wins");
	policy_free(run);
}

static void check_command(const struct policy *policy)
{
	struct policy *run = derived(policy, 2);

	if (run == NULL)
		return;
	tap_ok(connects(run, "db.test") && !connects(run, "all.test") &&
			!connects(run, "session.test"),
		"command: its own hosts alone");
	tap_ok(count_rules(run) == 0, "command: no rule of the session");
	tap_ok(reads(run, "/usr/bin/psql") && reads(run, "/srv/x"), "command: the system's files");
	tap_ok(!reads(run, "/usr/secret"), "command: but what is hidden");
	tap_ok(!reads(run, "/srv/shared/x"), "command: nothing that commands write");
	tap_ok(!reads(run, at("project/docs/x")), "command: not what the session reads of it");
	tap_ok(!reads(run, at("project/x")) && reads(run, at("project/data/x")),
		"command: of the project what is named");
	tap_ok(reads(run, at("home/pgpass")) && reads(run, at("home/q.sql")) &&
			!reads(run, at("home/other")),
		"command: its own files, hidden ones too");
	tap_is(policy_project(run), "/state/empty", "command: another project");
	policy_free(run);
}

static void check_all(void)
{
	struct policy *policy;

	user(profile);
	policy = loaded();
	if (policy == NULL)
		return;
	check_session(policy);
	check_match(policy);
	check_command(policy);
	policy_free(policy);
}

static void check_limits(void)
{
	struct tools_limits limits = { 0 };

	tap_ok(tools_limit("6/minute", &limits) && limits.runs_a_minute == 6, "runs a minute");
	tap_ok(tools_limit("2m", &limits) && limits.seconds == 120, "minutes");
	tap_ok(!tools_limit("0s", &limits) && !tools_limit("s", &limits) &&
			!tools_limit("1h", &limits) && !tools_limit("1/minutes", &limits) &&
			!tools_limit("99999999999s", &limits),
		"no limits");
}

int main(void)
{
	if (!fixture_make())
		return 1;
	check_arguments();
	check_limits();
	check_all();
	fixture_remove();
	return tap_done();
}
