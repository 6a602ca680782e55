/*
 * Proves: what commands of sources may do and what is taken of them; that nothing of a source is
 * left when it is stopped or its parent is killed; which files and values are fit; that shapes say
 * nothing of a value but prefix and length.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/agentjail-source-XXXXXX";
static char project[64];
static struct run_plan plan;
static struct policy *policy;

/* ---- commands ---- */

/* Parses and runs a line as a source process does. NULL: fine; else why not. */
static const char *run_line(const char *line, int timeout_ms, struct source_value *value)
{
	static struct err err;
	struct source_command c = { 0 };
	bool trimmed;

	err = (struct err){ 0 };
	value->n = 0;
	if (source_command_parse(&plan, SOURCES_COMMAND, line, &c, &err) == 0) {
		c.timeout_ms = timeout_ms;
		if (source_command_run(&c, false, value, &err) == 0)
			(void)source_value_check(value, false, &trimmed, &err);
	}
	source_command_done(&c);
	return err.code == 0 ? NULL : err.text;
}

static void says(const char *line, const char *want)
{
	static struct source_value value;
	const char *why = run_line(line, 5000, &value);
	bool ok = why == NULL && value.n == strlen(want) && memcmp(value.bytes, want, value.n) == 0;

	tap_ok(ok, "%s: says %s", line, want);
	if (!ok)
		printf("# %s; %.*s\n", why != NULL ? why : "fine", (int)value.n, value.bytes);
}

static void fails(const char *line, const char *text)
{
	static struct source_value value;
	const char *why = run_line(line, 400, &value);

	tap_ok(why != NULL && strstr(why, text) != NULL && strstr(why, "canary") == NULL,
		"%.60s: %s", line, text);
	if (why == NULL || strstr(why, text) == NULL)
		printf("# %s\n", why != NULL ? why : "fine");
}

static void test_commands(void)
{
	(void)setenv("PATH", "/nonexistent:/bin", 1);
	(void)setenv("AWS_PROFILE", "work", 1);
	(void)setenv("LD_PRELOAD", "", 1);
	(void)setenv("SECRET_OF_ANOTHER", "x", 1);
	(void)setenv("GNUPGHOME", project, 1);
	says("echo value", "value");
	says("printf \"two  words\"", "two  words");
	says("sh -c \"echo $1$0\" x !y", "!yx");
	says("sh -c \"echo $AWS_PROFILE$SECRET_OF_ANOTHER$GNUPGHOME${LD_PRELOAD-unset}\"",
		"workunset");
	says("sh -c \"pwd\"", "/");
	says("sh -c \"umask\"", "0077");
	says("sh -c \"cat; echo nothing-in\"", "nothing-in");
	says("sh -c \"(true >/dev/tty) && echo tty || echo none\"", "none");
	says("sh -c \"ls /proc/self/fd | wc -l\"", "4"); /* 0, 1, 2, and the directory itself */
	says("sh -c \"sleep 30 & echo left-behind\"", "left-behind");
	fails("sh -c \"echo canary; exit 3\"", "failed with status 3");
	fails("sh -c \"kill -9 $$\"", "ended by signal 9");
	fails("true", "the value is empty");
	fails("printf canary\\nb", "has a line end in it");
	fails("printf canary\\000b", "has a NUL byte in it");
	fails("head -c 40000 /dev/zero", "more than 32 KiB");
	fails("yes canary", "more than 32 KiB");
	fails("sleep 30", "did not end");
	fails("sh -c \"exec 1>&-; sleep 30\"", "did not end");
	fails("no-such-program-here", "there is no program");
	fails("./x", "absolute path");
	fails("\"echo", "double quote");
}

static void write_script(const char *in, const char *name, const char *text)
{
	char path[200];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", in, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	(void)!write(fd, text, strlen(text));
}

/* A program that only the user's PATH has, once where commands can write and once where not. */
static void test_search(void)
{
	static struct source_value value;
	struct source_command c = { 0 };
	struct err err = { 0 };
	char path[200];

	write_script(project, "aj-test-get", "#!/bin/sh\necho project\n");
	(void)setenv("PATH", project, 1);
	fails("aj-test-get", "there is no program");
	write_script(dir, "aj-test-get", "#!/bin/sh\necho home\n");
	(void)snprintf(path, sizeof(path), "%s:%s", project, dir);
	(void)setenv("PATH", path, 1);
	says("aj-test-get", "home");
	if (access("/usr/bin/secret-tool", F_OK) == 0) {
		tap_ok(true, "keyring: # SKIP there is a real secret-tool here");
	} else {
		write_script(dir, "secret-tool", "#!/bin/sh\nprintf '%s ' \"$@\"\n");
		tap_ok(source_command_parse(&plan, SOURCES_KEYRING, "a/b/me", &c, &err) == 0 &&
				source_command_run(&c, false, &value, &err) == 0 && value.n == 30 &&
				memcmp(value.bytes, "lookup service a/b account me ", 30) == 0,
			"keyring: asks secret-tool for service and account");
		source_command_done(&c);
	}
	(void)snprintf(path, sizeof(path), "%s/aj-test-get", project);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/aj-test-get", dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/secret-tool", dir);
	(void)unlink(path);
}

/* ---- sources as processes ---- */

static const struct rules_rule *rule_named(const char *name)
{
	size_t n;
	const struct rules_rule *const *rules = rules_all(policy, &n);

	for (size_t i = 0; i < n; i++)
		if (strcmp(rules_name(rules[i]), name) == 0)
			return rules[i];
	return NULL;
}

static bool begin(const char *rule, struct source *s)
{
	struct source_request request = {
		.plan = &plan, .rule = rule_named(rule), .slot = KEEPMSG_SLOT_SECRET
	};
	struct err err = { 0 };
	bool ok = source_begin(&request, s, &err) == 0;

	if (!ok)
		printf("# %s\n", err.text);
	return ok;
}

static void test_process(void)
{
	struct source s;
	struct err err = { 0 };
	char bytes[100] = { 0 };
	struct pollfd p = { .events = POLLIN };

	if (!tap_ok(begin("good", &s), "a source starts"))
		return;
	p.fd = s.report;
	tap_ok(poll(&p, 1, 5000) == 1 && source_end(&s, &err) == 0 && s.is_trimmed,
		"says that it is done, and that it took a line end off");
	tap_ok(read(s.value, bytes, sizeof(bytes)) == 5 && strcmp(bytes, "value") == 0 &&
			read(s.value, bytes, sizeof(bytes)) == 0,
		"and the pipe has the value and its end");
	source_stop(&s);
	(void)begin("bad", &s);
	p.fd = s.report;
	tap_ok(poll(&p, 1, 5000) == 1 && source_end(&s, &err) < 0 && s.value == -1 &&
			strstr(err.text, "status 7") != NULL,
		"one that fails brings the reason and no pipe");
}

/* Waits until the command of the rule "hangs" has written its number. */
static pid_t hanging_pid(void)
{
	char path[80];
	unsigned long pid = 0;

	(void)snprintf(path, sizeof(path), "%s/pid", dir);
	for (unsigned i = 0; i < 100 && pid == 0; i++) {
		FILE *f = fopen(path, "re");

		if (f == NULL || fscanf(f, "%lu", &pid) != 1)
			(void)usleep(20000);
		if (f != NULL)
			(void)fclose(f);
	}
	(void)unlink(path);
	return (pid_t)pid;
}

static bool has_ended(pid_t pid)
{
	for (unsigned i = 0; i < 100; i++) {
		if (kill(pid, 0) < 0)
			return true;
		(void)usleep(20000);
	}
	return false;
}

static void test_ends(void)
{
	struct err err = { 0 };
	struct source s;
	pid_t parent, hanging;

	(void)begin("hangs", &s);
	hanging = hanging_pid();
	tap_ok(hanging > 0 && kill(hanging, 0) == 0, "a command hangs");
	source_stop(&s);
	tap_ok(has_ended(hanging), "and is gone when the source is stopped");
	(void)begin("hangs", &s);
	hanging = hanging_pid();
	(void)kill(s.pid, SIGKILL);
	tap_ok(source_end(&s, &err) < 0 && strstr(err.text, "was ended") != NULL && s.value == -1,
		"a source that is killed is noticed");
	(void)kill(hanging, SIGKILL);
	parent = fork();
	if (parent == 0) {
		sigset_t all;

		sigfillset(&all);
		(void)sigprocmask(SIG_SETMASK, &all, NULL);
		(void)begin("hangs", &s);
		for (;;)
			(void)pause();
	}
	hanging = hanging_pid();
	tap_ok(hanging > 0 && kill(hanging, 0) == 0, "another one hangs");
	(void)kill(parent, SIGKILL);
	(void)waitpid(parent, NULL, 0);
	tap_ok(has_ended(hanging), "and is gone when the warden is killed");
}

/* ---- shapes ---- */

static void test_shapes(void)
{
	static const struct {
		const char *value, *prefix;
	} cases[] = { { "ghp_abcdefgh12345678", "ghp_" },
		{ "sk-ant-api03-secretsecret", "sk-ant-api03-" },
		{ "sk-ant-secretsecret", "sk-ant-" }, { "AKIAABCDEFGHIJKLMNOP", "AKIA" },
		{ "glpat-abcdefgh1234567", "glpat-" }, { "xoxb-123456789012345", "xoxb-" } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *value = cases[i].value;
		size_t n = strlen(value), prefix = strlen(cases[i].prefix);
		AUTO_BUF struct buf fake = { 0 }, other = { 0 };

		(void)shape_fake(shape_of_value(value, n), &fake);
		(void)shape_fake(shape_of_value(value, n), &other);
		tap_ok(fake.len == n && memcmp(fake.data, value, prefix) == 0 &&
				strcmp(fake.data + prefix, value + prefix) != 0 &&
				strcmp(fake.data, other.data) != 0,
			"a fake of %s: its prefix, its length, else chance", cases[i].prefix);
	}
	tap_ok(shape_of_value("AKIAnot", 7).kind == 0 && shape_of_value("secret", 6).kind == 0,
		"what only begins like one, or like none, gives nothing but its length");
}

/* ---- the rest ---- */

static void write_file(const char *name, const char *text)
{
	char path[128];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, text, strlen(text));
}

static void test_all(void)
{
	sigset_t all, old;

	/* As in the warden. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	test_commands();
	test_search();
	test_process();
	test_ends();
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	test_shapes();
}

int main(void)
{
	struct policy_request request = { .project = project, .home = dir, .profiles_dir = dir };
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };

	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(project, sizeof(project), "%s/project", dir);
	(void)mkdir(project, 0700);
	buf_addf(&text,
		"[files]\nwrite = .\n[inject good]\nhost = a.test\nheader = X: {secret}\nsecret = "
		"command:echo value\n"
		"[inject bad]\nhost = b.test\nheader = X: {secret}\nsecret = command:sh -c \"exit "
		"7\"\n"
		"[inject hangs]\nhost = c.test\nheader = X: {secret}\nsecret = command:sh -c "
		"\"(sleep 60 & echo $! "
		">%s/pid; "
		"wait)\"\n",
		dir);
	write_file("default.ini", text.data);
	if (tap_ok(policy_load(&request, &policy, &err) == 0, "a policy")) {
		plan = (struct run_plan){ .policy = policy, .project = project, .home = dir };
		test_all();
		policy_free(policy);
	} else {
		printf("# %s\n", err.text);
	}
	(void)snprintf(project, sizeof(project), "%s/default.ini", dir);
	(void)unlink(project);
	(void)snprintf(project, sizeof(project), "%s/project", dir);
	(void)rmdir(project);
	(void)rmdir(dir);
	return tap_done();
}
