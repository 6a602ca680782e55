/*
 * Proves: the installed profiles load for every agent, and decide what they promise: secrets
 * hidden, templates writable, registries allowed, re-executions of agents trusted in their exact
 * form. Runs from the top of the tree.
 */
#include "policy/policy.h"
#include "tap.h"

#include <stdlib.h>

#define PROJECT "/home/u/src/app"

static struct policy *load(const char *agent)
{
	struct policy_request request = {
		.agent = agent, .project = PROJECT, .home = "/home/u", .profiles_dir = "profiles"
	};
	struct policy *policy = NULL;
	struct err err = { 0 };

	if (policy_load(&request, &policy, &err) < 0)
		printf("# %s\n", err.text);
	return policy;
}

static enum policy_file_kind kind_of(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_READ, .path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.file_kind;
}

static void check_files(const struct policy *policy)
{
	static const struct {
		const char *path;
		enum policy_file_kind kind;
	} rows[] = {
		{ PROJECT "/src/main.c", POLICY_FILE_WRITE },
		{ PROJECT "/.env", POLICY_FILE_HIDE },
		{ PROJECT "/a/b/.env.production", POLICY_FILE_HIDE },
		{ PROJECT "/.env.example", POLICY_FILE_WRITE },
		{ PROJECT "/a/.env.local.example", POLICY_FILE_WRITE },
		{ PROJECT "/.envrc", POLICY_FILE_HIDE },
		{ PROJECT "/deploy/id_ed25519", POLICY_FILE_HIDE },
		{ PROJECT "/deploy/id_ed25519.pub", POLICY_FILE_WRITE },
		{ PROJECT "/certs/localhost.pem", POLICY_FILE_WRITE },
		{ PROJECT "/config/master.key", POLICY_FILE_HIDE },
		{ PROJECT "/x/.streamlit/secrets.toml", POLICY_FILE_HIDE },
		{ PROJECT "/.git/hooks/pre-commit", POLICY_FILE_PROTECT },
		{ PROJECT "/.git/config", POLICY_FILE_HOLD },
		{ PROJECT "/.git/index", POLICY_FILE_WRITE },
		{ PROJECT "/.git/modules/a/b/hooks/x", POLICY_FILE_PROTECT },
		{ PROJECT "/.agentjail.ini", POLICY_FILE_PROTECT },
		{ PROJECT "/app.code-workspace", POLICY_FILE_PROTECT },
		{ PROJECT "/CLAUDE.md", POLICY_FILE_WRITE },
		{ "/usr/bin/python3", POLICY_FILE_READ },
		{ "/etc/passwd", POLICY_FILE_READ },
		{ "/etc/shadow", POLICY_FILE_HIDE },
		{ "/etc/ssh/ssh_host_rsa_key", POLICY_FILE_HIDE },
		{ "/etc/ssh/ssh_config", POLICY_FILE_READ },
		{ "/home/u/.ssh/id_rsa", POLICY_FILE_HIDE },
		{ "/home/u/.gitconfig", POLICY_FILE_REDACT },
		{ "/home/u/.config/git/ignore", POLICY_FILE_READ },
		{ "/home/u/.config/git/credentials", POLICY_FILE_REDACT },
		{ "/home/u/.cargo/registry/x", POLICY_FILE_CACHE },
		{ "/home/u/.cargo/x", POLICY_FILE_OVERLAY },
		{ "/home/u/.cargo/credentials.toml", POLICY_FILE_REDACT },
		{ "/home/u/.config/unheard-of/token", POLICY_FILE_ABSENT },
		{ "/home/u/notes.txt", POLICY_FILE_ABSENT },
		{ "/home/v/notes.txt", POLICY_FILE_ABSENT },
		{ "/root/x", POLICY_FILE_ABSENT },
		{ "/srv/x", POLICY_FILE_ABSENT },
		{ "/run/docker.sock", POLICY_FILE_ABSENT },
		{ "/tmp/x/.env", POLICY_FILE_WRITE },
		{ "/proc/self/status", POLICY_FILE_READ },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum policy_file_kind kind = kind_of(policy, rows[i].path);

		tap_ok(kind == rows[i].kind, "%s is of kind %u (got %u)", rows[i].path,
			(unsigned)rows[i].kind, (unsigned)kind);
	}
}

static bool may_connect(const struct policy *policy, const char *host, uint16_t port)
{
	struct policy_question question = { .action = POLICY_CONNECT, .host = host, .port = port };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static void check_egress(const struct policy *policy)
{
	tap_ok(may_connect(policy, "github.com", 443), "the forge");
	tap_ok(!may_connect(policy, "github.com", 22), "not its ssh");
	tap_ok(!may_connect(policy, "api.github.com", 443), "not its API");
	tap_ok(may_connect(policy, "x.npmjs.org", 443) &&
			!may_connect(policy, "npmjs.org.evil.test", 443),
		"a registry and not what looks like one");
	tap_ok(!may_connect(policy, "evil.test", 443), "default deny");
	tap_ok(!may_connect(policy, "localhost", 5432), "no loopback");
}

static enum policy_verdict exec_of(const struct policy *policy, const struct policy_exec *exec)
{
	struct policy_question question = { .action = POLICY_EXEC, .exec = exec };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict;
}

static void check_claude(void)
{
	struct policy *policy = load("claude");
	const char *rg[] = { "rg", "--files", NULL }, *shell[] = { "/bin/bash", "-c", "id", NULL };
	const char *self[] = { "claude", "-p", "hi", NULL };
	const char *ps[] = { "ps", "-A", "-o", "pid=,ppid=,pgid=", NULL };
	const char *ps_other[] = { "ps", "-A", "-o", "args", NULL };
	struct policy_exec exec = { .file = "/opt/claude", .program = "/opt/claude", .argv = rg };

	if (!tap_ok(policy != NULL && policy_has_agent_profile(policy), "claude.ini loads"))
		return;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "itself as rg stays");
	exec.env_differs = true;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "not with another LD_PRELOAD");
	exec.env_differs = false;
	exec.argv = self;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "itself as itself does not");
	exec.argv = shell;
	exec.file = "/usr/bin/bash";
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "a shell does not");
	exec.file = "/usr/bin/ps";
	exec.argv = ps;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "ps as it is called stays");
	exec.argv = ps_other;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "ps otherwise does not");
	exec = (struct policy_exec){ .file = PROJECT "/node_modules/claude",
		.program = PROJECT "/node_modules/claude",
		.argv = rg };
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL,
		"an agent that the cell can write is not trusted");
	tap_ok(kind_of(policy, "/home/u/.claude/.credentials.json") == POLICY_FILE_HIDE &&
			kind_of(policy, "/home/u/.claude.json") == POLICY_FILE_HIDE,
		"its state is not in the cell");
	tap_ok(kind_of(policy, "/home/u/.claude/shell-snapshots/a.sh") == POLICY_FILE_WRITE,
		"its snapshots are");
	tap_ok(kind_of(policy, "/home/u/.claude/hooks/a.sh") == POLICY_FILE_READ,
		"its hooks can be read");
	tap_ok(kind_of(policy, "/home/u/.codex/auth.json") == POLICY_FILE_HIDE,
		"another agent's is hidden");
	tap_ok(kind_of(policy, "/tmp/cc-socks/1.sock") == POLICY_FILE_HIDE,
		"its sockets are its own");
	policy_free(policy);
}

static void check_codex(void)
{
	static const char elf[] = "/usr/lib/node_modules/@openai/codex/node_modules/@openai/"
				  "codex-linux-x64/vendor/x86_64-unknown-linux-musl/bin/codex";
	const char *start[] = { elf, "exec", "hi", NULL };
	const char *setup[] = { "--codex-run-as-process-setup", "3", "9", "pipe", NULL };
	const char *patch[] = { "apply_patch", "x", NULL };
	struct policy_exec exec = { .file = elf,
		.argv = start,
		.program = "/usr/lib/node_modules/@openai/codex/bin/codex.js",
		.interp = "/usr/bin/node",
		.root = "/usr/lib/node_modules" };
	struct policy *policy = load("codex");
	char **files = NULL;
	struct err err;

	if (!tap_ok(policy != NULL, "codex.ini loads"))
		return;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "script starts program");
	exec.argv = setup;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "program sets up a process");
	exec.argv = patch;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "another name is another program");
	exec.argv = start;
	exec.file = "/usr/lib/node_modules/@evil/codex-linux-x64/vendor/x/bin/codex";
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "another package is not");
	tap_ok(policy_expand_trusted(policy, &exec, &files, &err) == 0 && files[0] != NULL,
		"its trusted files are listed");
	for (size_t i = 0; files != NULL && files[i] != NULL; i++)
		tap_ok(files[i][0] == '/', "%s", files[i]);
	policy_free_strings(files);
	policy_free(policy);
}

static void check_gemini(void)
{
	static const char js[] = "/opt/g/node_modules/@google/gemini-cli/bundle/gemini.js";
	static const char link[] = "/opt/g/node_modules/.bin/gemini";
	const char *again[] = { "/usr/bin/node", "--max-old-space-size=8000", link, "-p", "x",
		NULL };
	const char *plain[] = { "/usr/bin/node", link, NULL };
	const char *eval[] = { "/usr/bin/node", "-e", "1", link, NULL };
	const char *loader[] = { "/usr/bin/node", "--require=/tmp/x.js", link, NULL };
	struct policy_exec exec = { .file = "/usr/bin/node",
		.interp = "/usr/bin/node",
		.program = js,
		.script = link,
		.root = "/opt/g/node_modules",
		.argv = again };
	struct policy *policy = load("gemini");

	if (!tap_ok(policy != NULL, "gemini.ini loads"))
		return;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "node with more memory");
	exec.argv = plain;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_AGENT, "node again");
	exec.argv = eval;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "no node -e");
	exec.argv = loader;
	tap_ok(exec_of(policy, &exec) == POLICY_IN_CELL, "no node --require");
	policy_free(policy);
}

int main(void)
{
	static const char *const others[] = { "pi", "opencode", "qwen", "default", "unknown" };
	struct policy *policy = load(NULL);

	if (!tap_ok(policy != NULL, "default.ini loads"))
		return tap_done();
	check_files(policy);
	check_egress(policy);
	policy_free(policy);
	check_claude();
	check_codex();
	check_gemini();
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		policy = load(others[i]);
		tap_ok(policy != NULL && policy_has_agent_profile(policy) == (i < 3), "%s",
			others[i]);
		policy_free(policy);
	}
	return tap_done();
}
