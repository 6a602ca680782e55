/*
 * Proves: path patterns match what agentjail(1) says, the closest and most specific rule decides,
 * `protect` and name rules never show anything, and keep, share and home are weighed as documented.
 */
#include "policy/policy.h"
#include "tap.h"

#include <stdlib.h>

#define P "/w/p"
#define H "/w/h"

static void matches(const char *pattern, const char *path, bool want)
{
	tap_ok(policy_path_matches(pattern, path, P) == want, "%s %s %s", pattern,
		want ? "matches" : "does not match", path);
}

static void check_patterns(void)
{
	matches("/a", "/a", true);
	matches("/a", "/a/b/c", true);
	matches("/a", "/ab", false);
	matches("/a/b", "/a", false);
	matches("/a/*", "/a", false);
	matches("/a/*", "/a/b", true);
	matches("/a/*", "/a/b/c", true);
	matches("/a/*.c", "/a/x.c", true);
	matches("/a/*.c", "/a/b/x.c", false);
	matches("/a/?", "/a/b", true);
	matches("/a/?", "/a/bc", false);
	matches("/a/*b", "/a/.b", true);
	matches("/a/**/x", "/a/x", true);
	matches("/a/**/x", "/a/b/c/x", true);
	matches("/a/**/x", "/a/b/c/x/y", true);
	matches("/a/**/x", "/a/b/xy", false);
	matches("/a/**", "/a", true);
	matches("/a/**", "/a/b/c", true);
	matches("/a/**", "/ab", false);
	matches("/**/x", "/x", true);
	matches("/a/**/b/**/c", "/a/1/b/2/3/c", true);
	matches("/a/**/b/**/c", "/a/1/2/3/c", false);
	matches("/a/b*c", "/a/b/c", false);
	matches("/a/[b]", "/a/b", false);
	matches("/a/[b]", "/a/[b]", true);
	matches("/", "/x", true);
	matches(".env", P "/.env", true);
	matches(".env", P "/a/.env", true);
	matches(".env", P "/.env/x", true);
	matches(".env", P, false);
	matches(".env", H "/.env", false);
	matches(".env", P "x/.env", false);
	matches("*.pem", P "/a/b.pem", true);
	matches("*.pem", P "/a/b.pem.txt", false);
	matches("p", P, false);
}

/* Many wildcards against a long path that almost matches: still linear in practice. */
static void check_hostile_pattern(void)
{
	char path[4096] = "";
	size_t n = 0;

	while (n + 2 < sizeof(path)) {
		path[n++] = '/';
		path[n++] = 'a';
	}
	path[n] = '\0';
	matches("/**/a*a*a*a*a*a*a*a*b/**/a/**/a/**/a/**/b", path, false);
}

struct row {
	const char *overrides[8];
	const char *path;
	enum policy_file_kind kind;
	enum policy_key key;
};

static const struct row rows[] = {
	/* the closest match decides */
	{ { "files.write=." }, P, POLICY_FILE_WRITE, PK_FILES_WRITE },
	{ { "files.write=." }, P "/a/b", POLICY_FILE_WRITE, PK_FILES_WRITE },
	{ { "files.write=." }, "/w", POLICY_FILE_ABSENT, PK_COUNT },
	{ { "files.write=.", "files.read=./a" }, P "/a/b", POLICY_FILE_READ, PK_FILES_READ },
	{ { "files.hide=./a", "files.write=./a/b" }, P "/a/b/c", POLICY_FILE_WRITE,
		PK_FILES_WRITE },
	{ { "files.hide=./a", "files.write=./a/b" }, P "/a/c", POLICY_FILE_HIDE, PK_FILES_HIDE },
	/* of equal ones the stricter */
	{ { "files.write=./a", "files.read=./a" }, P "/a", POLICY_FILE_READ, PK_FILES_READ },
	{ { "files.cache=./a", "files.write=./a" }, P "/a", POLICY_FILE_CACHE, PK_FILES_CACHE },
	{ { "files.overlay=./a", "files.cache=./a" }, P "/a", POLICY_FILE_OVERLAY,
		PK_FILES_OVERLAY },
	{ { "files.overlay=./a", "files.write=./a" }, P "/a", POLICY_FILE_OVERLAY,
		PK_FILES_OVERLAY },
	{ { "files.hide=./a", "files.read=./a" }, P "/a", POLICY_FILE_HIDE, PK_FILES_HIDE },
	/* a literal beats a wildcard, more bytes beat fewer */
	{ { "files.write=.", "files.hide=./*", "files.write=./a" }, P "/a", POLICY_FILE_WRITE,
		PK_FILES_WRITE },
	{ { "files.write=.", "files.hide=./a*", "files.read=./abc*" }, P "/abcd", POLICY_FILE_READ,
		PK_FILES_READ },
	/* protect takes writing away and shows nothing */
	{ { "files.write=.", "files.protect=./a" }, P "/a/b", POLICY_FILE_PROTECT,
		PK_FILES_PROTECT },
	{ { "files.write=.", "files.protect=./a", "files.write=./a/b" }, P "/a/b",
		POLICY_FILE_WRITE, PK_FILES_WRITE },
	{ { "files.protect=/s/key", "files.hide=/s" }, "/s/key", POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.protect=/s/key" }, "/s/key", POLICY_FILE_ABSENT, PK_COUNT },
	{ { "files.write=.", "files.protect=x" }, P "/a/x", POLICY_FILE_PROTECT, PK_FILES_PROTECT },
	/* hold keeps back what is written to a real file, and shows nothing */
	{ { "files.write=.", "files.hold=./a" }, P "/a/b", POLICY_FILE_HOLD, PK_FILES_HOLD },
	{ { "files.write=.", "files.hold=x" }, P "/a/x", POLICY_FILE_HOLD, PK_FILES_HOLD },
	{ { "files.write=.", "files.hold=./a", "files.protect=./a" }, P "/a", POLICY_FILE_PROTECT,
		PK_FILES_PROTECT },
	{ { "files.write=.", "files.hold=./a/b", "files.protect=./a" }, P "/a/b", POLICY_FILE_HOLD,
		PK_FILES_HOLD },
	{ { "files.write=.", "files.hold=./a", "files.protect=./a/b" }, P "/a/b",
		POLICY_FILE_PROTECT, PK_FILES_PROTECT },
	{ { "files.write=.", "files.hold=./a", "files.write=./a/b" }, P "/a/b", POLICY_FILE_WRITE,
		PK_FILES_WRITE },
	{ { "files.write=.", "files.hold=./a", "files.hide=./a" }, P "/a", POLICY_FILE_HIDE,
		PK_FILES_HIDE },
	{ { "files.read=/opt/x", "files.hold=/opt/x/y" }, "/opt/x/y", POLICY_FILE_READ,
		PK_FILES_READ },
	{ { "files.hold=./a" }, P "/a", POLICY_FILE_ABSENT, PK_COUNT },
	/* name rules: closest component, literal before wildcard */
	{ { "files.write=.", "files.hide=.env .env.*", "files.write=.env.example" },
		P "/a/.env.example", POLICY_FILE_WRITE, PK_FILES_WRITE },
	{ { "files.write=.", "files.hide=.env .env.*", "files.write=.env.example" }, P "/a/.env.x",
		POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.write=.", "files.hide=.env .env.*", "files.read=.env.example" },
		P "/.env.example", POLICY_FILE_READ, PK_FILES_READ },
	{ { "files.write=.", "files.hide=sec", "files.write=.env.example" }, P "/sec/.env.example",
		POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.write=.", "files.hide=./sec", "files.write=.env.example" },
		P "/sec/.env.example", POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.write=.", "files.read=./ro", "files.write=.env.example" }, P "/ro/.env.example",
		POLICY_FILE_READ, PK_FILES_READ },
	{ { "files.write=.", "files.hide=.env", "files.write=./a/.env" }, P "/a/.env",
		POLICY_FILE_WRITE, PK_FILES_WRITE },
	{ { "files.write=.", "files.hide=.env", "files.write=./a/.env" }, P "/b/.env",
		POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.write=.", "files.hide=.env" }, P "/.env/sub/x", POLICY_FILE_HIDE,
		PK_FILES_HIDE },
	{ { "files.read=/opt/x", "files.hide=.env" }, "/opt/x/.env", POLICY_FILE_HIDE,
		PK_FILES_HIDE },
	{ { "files.read=/opt/x", "files.write=.env" }, "/opt/x/.env", POLICY_FILE_READ,
		PK_FILES_READ },
	{ { "files.write=.env" }, P "/.env", POLICY_FILE_ABSENT, PK_COUNT },
	{ { "files.write=.", "files.hide=p" }, P "/x", POLICY_FILE_WRITE, PK_FILES_WRITE },
	/* the agent's own */
	{ { "agent.keep=~/.a", "agent.share=~/.a/s" }, H "/.a/x", POLICY_FILE_HIDE, PK_AGENT_KEEP },
	{ { "agent.keep=~/.a", "agent.share=~/.a/s" }, H "/.a/s/x", POLICY_FILE_WRITE,
		PK_AGENT_SHARE },
	{ { "agent.keep=~/.a", "files.read=~/.a" }, H "/.a/x", POLICY_FILE_READ, PK_FILES_READ },
	{ { "agent.keep=~/.a", "sandbox.home=open" }, H "/.a/x", POLICY_FILE_HIDE, PK_AGENT_KEEP },
	{ { "agent.private=/tmp/s" }, "/tmp/s/x", POLICY_FILE_HIDE, PK_AGENT_PRIVATE },
	/* HOME */
	{ { "files.write=." }, H "/x", POLICY_FILE_ABSENT, PK_SANDBOX_HOME },
	{ { "sandbox.home=open" }, H "/x", POLICY_FILE_READ, PK_SANDBOX_HOME },
	{ { "sandbox.home=open", "files.hide=~/.ssh" }, H "/.ssh/k", POLICY_FILE_HIDE,
		PK_FILES_HIDE },
	{ { "sandbox.home=open", "files.hide=.env" }, H "/a/.env", POLICY_FILE_HIDE,
		PK_FILES_HIDE },
	/* the cell's own places */
	{ { "files.hide=.env" }, "/tmp/a/.env", POLICY_FILE_WRITE, PK_COUNT },
	{ { "files.hide=/tmp/a" }, "/tmp/a/b", POLICY_FILE_HIDE, PK_FILES_HIDE },
	{ { "files.read=/dev/kvm" }, "/dev/kvm", POLICY_FILE_READ, PK_FILES_READ },
	{ { NULL }, "/dev/shm/x", POLICY_FILE_WRITE, PK_COUNT },
	{ { NULL }, "/proc/1/environ", POLICY_FILE_READ, PK_COUNT },
	{ { NULL }, "/", POLICY_FILE_ABSENT, PK_COUNT },
};

static void check_row(const struct row *row)
{
	struct policy_request request = { .project = P, .home = H, .overrides = row->overrides };
	struct policy_question question = { .path = row->path };
	struct policy_answer answer;
	struct policy *policy = NULL;
	struct err err = { 0 };
	bool may_read = row->kind != POLICY_FILE_ABSENT && row->kind != POLICY_FILE_HIDE;
	bool may_write = row->kind == POLICY_FILE_WRITE ||
		row->kind == POLICY_FILE_CACHE || row->kind == POLICY_FILE_OVERLAY ||
		row->kind == POLICY_FILE_HOLD;

	while (row->overrides[request.n_overrides] != NULL)
		request.n_overrides++;
	if (!tap_ok(policy_load(&request, &policy, &err) == 0, "%s: loads %s", row->path, err.text))
		return;
	question.action = POLICY_READ;
	policy_decide(policy, &question, &answer);
	tap_ok(answer.file_kind == row->kind && answer.key == row->key &&
			(answer.item != NULL) == (row->key != PK_COUNT) && answer.reason != NULL &&
			(answer.verdict == POLICY_ALLOWED) == may_read,
		"%s: kind %u by %s (got %u by %s)", row->path, (unsigned)row->kind,
		policy_key_name(row->key), (unsigned)answer.file_kind, policy_key_name(answer.key));
	question.action = POLICY_WRITE;
	policy_decide(policy, &question, &answer);
	tap_ok((answer.verdict == POLICY_ALLOWED) == may_write, "%s: written or not", row->path);
	policy_free(policy);
}

int main(void)
{
	struct policy_question question = { .action = POLICY_READ, .path = "relative" };
	struct policy_request request = { .project = P, .home = H };
	struct policy_answer answer;
	struct policy *policy = NULL;
	struct err err;

	check_patterns();
	check_hostile_pattern();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
	if (policy_load(&request, &policy, &err) == 0) {
		policy_decide(policy, &question, &answer);
		tap_ok(answer.verdict == POLICY_DENIED, "a relative path is denied");
	}
	policy_free(policy);
	return tap_done();
}
