/*
 * Proves: a line of [agent] trusted matches one exact way to execute one file and nothing near it;
 * its files are found at start; a package's root is its outermost node_modules.
 */
#include "policy/policy.h"
#include "tap.h"

#include <stdlib.h>

#define ROOT "/opt/n/node_modules"
#define AGENT ROOT "/a/cli.js"
#define LINK ROOT "/.bin/a"

static const struct row {
	const char *line; /* without "trusted = " */
	const char *file;
	const char *argv[6];
	bool want;
} rows[] = {
	{ "{agent}", AGENT, { "x" }, true },
	{ "{agent}", AGENT, { "x", "y" }, false },
	{ "{agent}", LINK, { "x" }, false },
	{ "{agent}", AGENT "x", { "x" }, false },
	{ "{agent} *", AGENT, { "x" }, true },
	{ "{agent} *", AGENT, { "x", "y", "z" }, true },
	{ "{agent} a *", AGENT, { "x", "a" }, true },
	{ "{agent} a *", AGENT, { "x" }, false },
	{ "{agent} * b", AGENT, { "x", "a", "b" }, true },
	{ "{agent} * b", AGENT, { "x", "b" }, false },
	{ "{agent} * b", AGENT, { "x", "a", "c", "b" }, false },
	{ "{agent} a", AGENT, { "x", "a", "" }, false },
	{ "{agent} a*", AGENT, { "x", "abc" }, true },
	{ "{agent} a*", AGENT, { "x", "abc", "d" }, false },
	{ "{agent} \"a b\" *", AGENT, { "x", "a b" }, true },
	{ "{agent} \"a b\"", AGENT, { "x", "a", "b" }, false },
	{ "{agent} !x", AGENT, { "x", "!x" }, true },
	{ "{agent} argv0=rg *", AGENT, { "rg", "x" }, true },
	{ "{agent} argv0=rg *", AGENT, { "/bin/rg", "x" }, false },
	{ "{agent} argv0=*/rg *", AGENT, { "/bin/rg", "x" }, true },
	{ "{agent} argv0=rg", AGENT, { "rg" }, true },
	{ "{agent} argv0=rg", AGENT, { "rg", "x" }, false },
	{ "{interp} {agent} *", "/usr/bin/node", { "node", AGENT, "x" }, true },
	{ "{interp} {agent} *", "/usr/bin/node", { "node", LINK, "x" }, true },
	{ "{interp} {agent} *", "/usr/bin/node", { "node", "/evil.js", AGENT }, false },
	{ "{interp} {agent} *", "/usr/bin/node", { "node", "cli.js" }, false },
	{ "{interp} {agent} *", "/usr/bin/nodejs", { "node", AGENT }, false },
	{ "{root}/b/*/c *", ROOT "/b/1.0/c", { "c" }, true },
	{ "{root}/b/*/c *", ROOT "/b/1.0/2/c", { "c" }, false },
	{ "{root}/b/*/c *", ROOT "/b/1.0/c/d", { "c" }, false },
	{ "{root}/**/c *", ROOT "/b/1.0/c", { "c" }, true },
	{ "{root}/c", "/opt/n/c", { "c" }, false },
	{ "{root}/c {root}/d/*", ROOT "/c", { "c", ROOT "/d/e" }, true },
	{ "{root}/c {root}/d/*", ROOT "/c", { "c", ROOT "/d/../e" }, false },
	{ "/usr/bin/ps -A", "/usr/bin/ps", { "ps", "-A" }, true },
	{ "/usr/bin/ps -A", "/usr/bin/ps", { "ps", "-a" }, false },
	{ "/usr/bin/p* -A", "/usr/bin/ps", { "ps", "-A" }, true },
	{ "/usr/bin/p* -A", "/usr/bin/p/s", { "ps", "-A" }, false },
	{ "/usr/bin -A", "/usr/bin/ps", { "ps", "-A" }, false },
};

static struct policy *load(const char *line)
{
	char override[256];
	const char *overrides[] = { override, "files.write=." };
	struct policy_request request = {
		.project = "/w/p", .home = "/w/h", .overrides = overrides, .n_overrides = 2
	};
	struct policy *policy = NULL;
	struct err err = { 0 };

	(void)snprintf(override, sizeof(override), "agent.trusted=%s", line);
	if (policy_load(&request, &policy, &err) < 0)
		tap_ok(false, "%s: %s", line, err.text);
	return policy;
}

static void ask(
	const struct policy *policy, const struct policy_exec *exec, struct policy_answer *answer)
{
	struct policy_question question = { .action = POLICY_EXEC, .exec = exec };

	policy_decide(policy, &question, answer);
}

static struct policy_exec exec_of(const char *file, const char *const *argv)
{
	return (struct policy_exec){ .file = file,
		.argv = argv,
		.program = AGENT,
		.script = LINK,
		.interp = "/usr/bin/node",
		.root = ROOT };
}

static void check_row(const struct row *row)
{
	struct policy *policy = load(row->line);
	struct policy_exec exec = exec_of(row->file, row->argv);
	struct policy_answer answer;

	if (policy == NULL)
		return;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == (row->want ? POLICY_IN_AGENT : POLICY_IN_CELL), "%s %s %s %s ...",
		row->line, row->want ? "matches" : "does not match", row->file, row->argv[0]);
	exec.env_differs = true;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL && (answer.item != NULL) == row->want,
		"never with a loader variable");
	policy_free(policy);
}

/* What the cell can write is not trusted, whichever part of the command it is. */
static void check_writable(void)
{
	static const char *const argv[] = { "x", NULL };
	struct policy *policy = load("{agent} *");
	struct policy_exec exec = exec_of("/w/p/node_modules/a", argv);
	struct policy_answer answer;

	if (policy == NULL)
		return;
	exec.program = exec.file;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL && strstr(answer.reason, "can write") != NULL,
		"an agent in the project");
	exec = exec_of(AGENT, argv);
	exec.script = "/w/p/node_modules/.bin/a";
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL, "a link in the project");
	exec.script = NULL;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_AGENT, "neither");
	exec.argv = NULL;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_DENIED, "no argv is denied");
	exec.argv = argv + 1;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL, "an empty argv is not trusted");
	policy_free(policy);
}

/* A root with wildcards in its name stands for itself alone. */
static void check_odd_root(void)
{
	static const char *const argv[] = { "x", NULL };
	struct policy *policy = load("{root}/c");
	struct policy_exec exec = exec_of("/opt/a*/c", argv);
	struct policy_answer answer;

	if (policy == NULL)
		return;
	exec.root = "/opt/a*";
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_AGENT, "its own name");
	exec.file = "/opt/abc/c";
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL, "not what it would match");
	exec.root = NULL;
	ask(policy, &exec, &answer);
	tap_ok(answer.verdict == POLICY_IN_CELL, "no root, no match");
	policy_free(policy);
}

static void check_files(void)
{
	struct policy_exec exec = exec_of(NULL, NULL);
	struct policy *policy = load("{root}/**/c *");
	char **files = NULL;
	struct err err;

	if (policy == NULL)
		return;
	tap_ok(policy_expand_trusted(policy, &exec, &files, &err) == 0, "expands");
	tap_is(files[0], ROOT "/**/c", "the root is filled in");
	tap_ok(files[1] == NULL, "and that is all");
	policy_free_strings(files);
	exec.root = NULL;
	tap_ok(policy_expand_trusted(policy, &exec, &files, &err) == 0 && files[0] == NULL,
		"without a root there is none");
	policy_free_strings(files);
	policy_free(policy);
}

static void check_root(void)
{
	char out[64] = "";

	tap_ok(policy_package_root("/a/node_modules/b/node_modules/c/x.js", out, sizeof(out)),
		"a root");
	tap_is(out, "/a/node_modules", "the outermost one");
	tap_ok(policy_package_root("/usr/bin/agent", out, sizeof(out)), "another");
	tap_is(out, "/usr/bin", "its directory");
	tap_ok(!policy_package_root("/agent", out, sizeof(out)), "not all of /");
	tap_ok(!policy_package_root("agent", out, sizeof(out)), "no relative one");
	tap_ok(!policy_package_root("/usr/bin/agent", out, 8), "no room");
	tap_ok(policy_package_root("/usr/bin/agent", out, 9), "room");
}

int main(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	check_writable();
	check_odd_root();
	check_files();
	check_root();
	return tap_done();
}
