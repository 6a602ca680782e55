/*
 * Proves who may say what: locked keys, a project that may only tighten, and files that somebody else
 * could have written.
 */
#include "policy_fixture.h"

static void check_locked(void)
{
	struct policy_request request = request_of("a");
	static const char *const overrides[] = { "egress.allow=evil.test" };
	static const struct {
		const char *text, *part;
	} rows[] = {
		{ "[files]\nhide = !.env\n", ":2: [files] hide is locked by" },
		{ "[egress]\nallow = a.test\n", ":2: [egress] allow is locked by" },
		{ "[sandbox]\nhome = open\n", ":2: [sandbox] home is locked by" },
	};
	struct policy *policy;
	struct err err;

	clear();
	puts_at("profiles/default.ini",
		"[files]\nhide = .env\n[egress]\nallow = ok.test gone.test\n");
	puts_at("system.ini", "[locked]\nkey = files.hide egress.allow\nkey = sandbox.home\n");
	puts_at("profiles/a.ini", "[egress]\nallow = agent.test\n");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		puts_at("config/agentjail.ini", rows[i].text);
		refused(request, rows[i].part, rows[i].part);
	}
	puts_at("config/agentjail.ini", "[files]\nhide = .more\n[egress]\nallow = !gone.test\n"
					"[sandbox]\nhome = closed\n");
	policy = load(request, &err);
	tap_is(policy != NULL ? joined(policy, PK_EGRESS_ALLOW) : err.text, "ok.test|agent.test",
		"tighter is fine, and so is what was installed");
	policy_free(policy);
	request.overrides = overrides;
	request.n_overrides = 1;
	refused(request, "(command line): [egress] allow is locked by", "nor on the command line");
	puts_at("system.ini", "[locked]\nkey = files.hid\n");
	refused(request,
		":2: [locked] key: 'files.hid' is no SECTION.KEY; did you mean 'files.hide'?",
		"a lock is a key");
}

static void check_project(void)
{
	const char *const *warnings = NULL;
	struct policy *policy;
	struct err err;

	clear();
	puts_at("profiles/default.ini", "[files]\nwrite = .\nhide = .env\nread = /usr\n");
	puts_at("project/.agentjail.ini",
		"[files]\nhide = .secret ./own ~/.bashrc !.env\nprotect = ./b /etc/passwd\nwrite = "
		"~/.ssh\n"
		"cache = ~/.npm\n[egress]\nallow = evil.test\ndeny = worse.test\n[env]\nhide = "
		"X\nkeep = Y\n"
		"[sandbox]\nhome = open\n[agent]\ntrusted = /bin/sh *\nhide = ./c\nkeep = ~/.ssh\n"
		"[profile]\ninherit = nobody\n[inject a]\nhost = b.test\n");
	policy = load(request_of(NULL), &err);
	if (!tap_ok(policy != NULL, "a hostile project loads %s", err.text))
		return;
	tap_ok(strstr(joined(policy, PK_FILES_HIDE), ".env|.secret|/") != NULL &&
			strstr(joined(policy, PK_FILES_HIDE), "project/own") != NULL &&
			strstr(joined(policy, PK_FILES_HIDE), ".bashrc") == NULL,
		"hides of its own count: %s", joined(policy, PK_FILES_HIDE));
	tap_ok(strstr(joined(policy, PK_FILES_PROTECT), "project/b") != NULL &&
			strstr(joined(policy, PK_FILES_PROTECT), "passwd") == NULL,
		"it protects its own files alone");
	tap_is(joined(policy, PK_FILES_WRITE), at("project"), "it writes no more than before");
	tap_is(joined(policy, PK_EGRESS_ALLOW), "", "it allows nothing");
	tap_is(joined(policy, PK_EGRESS_DENY), "worse.test", "it denies");
	tap_is(joined(policy, PK_ENV_HIDE), "X", "it hides variables");
	tap_is(joined(policy, PK_ENV_KEEP), "", "it keeps none");
	tap_is(joined(policy, PK_AGENT_TRUSTED), "", "it is not trusted");
	tap_is(joined(policy, PK_AGENT_KEEP), "", "it keeps no path");
	tap_is(policy_value(policy, PK_SANDBOX_HOME)->value, "closed", "it opens nothing");
	tap_ok(policy_warnings(policy, &warnings) == 1 &&
			strstr(warnings[0], "/project/.agentjail.ini:2: 11 lines skipped") != NULL,
		"one line says so: %s", warnings != NULL ? warnings[0] : "");
	policy_free(policy);
	puts_at("project/.agentjail.ini", "[files]\nwrte = /\n");
	refused(request_of(NULL), ".agentjail.ini:2: unknown key 'wrte'",
		"skipped is not unchecked");
	puts_at("project/.agentjail.ini", "[sandbox]\nhome = \xff\xfe\n");
	refused(request_of(NULL), "'\\xff\\xfe' is not valid", "its bytes are quoted");
}

static void check_owners(void)
{
	char big[300 * 1024];

	clear();
	puts_at("config/agentjail.ini", "[env]\nkeep = A\n");
	(void)chmod(at("config/agentjail.ini"), 0666);
	refused(request_of(NULL), "agentjail.ini: can be written by everybody; chmod go-w",
		"mode 666");
	(void)chmod(at("config/agentjail.ini"), 0664);
	if (geteuid() == getegid())
		accepted(request_of(NULL), "mode 664 of the user's own group");
	if (geteuid() == 0) {
		if (chown(at("config/agentjail.ini"), 0, 12345) < 0)
			tap_ok(false, "chown");
		refused(request_of(NULL), "agentjail.ini: can be written by its group; chmod go-w",
			"mode 664 of another group");
		(void)chmod(at("config/agentjail.ini"), 0644);
		if (chown(at("config/agentjail.ini"), 12345, 12345) < 0)
			tap_ok(false, "chown");
		refused(request_of(NULL), "agentjail.ini: belongs to user 12345", "another user's");
	}
	(void)unlink(at("config/agentjail.ini"));
	(void)mkfifo(at("config/agentjail.ini"), 0600);
	refused(request_of(NULL), "agentjail.ini: is no regular file", "a FIFO, without waiting");
	(void)unlink(at("config/agentjail.ini"));
	(void)mkdir(at("config/agentjail.ini"), 0700);
	refused(request_of(NULL), "agentjail.ini: is no regular file", "a directory");
	(void)rmdir(at("config/agentjail.ini"));
	memset(big, '#', sizeof(big));
	put("config/agentjail.ini", big, sizeof(big));
	refused(request_of(NULL), "agentjail.ini: is larger than 256 KiB", "a huge one");
	(void)unlink(at("config/agentjail.ini"));
	if (symlink("/etc/passwd", at("project/.agentjail.ini")) < 0)
		tap_ok(false, "symlink");
	refused(request_of(NULL), ".agentjail.ini: is a symbolic link", "a project's link");
	(void)unlink(at("project/.agentjail.ini"));
	if (geteuid() != 0) {
		puts_at("config/agentjail.ini", "[env]\n");
		(void)chmod(at("config/agentjail.ini"), 0);
		refused(request_of(NULL), "agentjail.ini: cannot be read: Permission denied",
			"mode 0");
		(void)unlink(at("config/agentjail.ini"));
	}
}

int main(void)
{
	if (!fixture_make())
		return 1;
	check_locked();
	check_project();
	check_owners();
	fixture_remove();
	return tap_done();
}
