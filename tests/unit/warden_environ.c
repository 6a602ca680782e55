/*
 * Proves: which variables reach the agent and which a command in the cell, that a value which was
 * withheld does not get in under another name, and what commands are told of certificate
 * authorities in a session with rules.
 */
#include "warden/environ.h"

#include "base/cleanup.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[] = "/tmp/agentjail-environ-XXXXXX";

static void write_profile(const char *name, const char *text)
{
	char path[64];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(path, sizeof(path), "%s/%s.ini", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, text, strlen(text));
}

static bool has(const struct buf *b, size_t n, const char *assignment)
{
	const char *s = b->data;

	for (size_t i = 0; i < n; i++, s += strlen(s) + 1)
		if (strcmp(s, assignment) == 0)
			return true;
	return false;
}

static bool has_name(char *const *list, const char *assignment)
{
	for (; *list != NULL; list++)
		if (strcmp(*list, assignment) == 0)
			return true;
	return false;
}

/* A session with rules: the bundle stands in for what the user named, not for the agent's own. */
static void check_trust(const struct run_plan *plan)
{
	char *const env[] = { (char[]){ "SSL_CERT_FILE=/etc/system.pem" },
		(char[]){ "REQUESTS_CA_BUNDLE=/home/me/corp.pem" }, (char[]){ "PIP_CERT=" },
		(char[]){ "PATH=/bin" }, NULL };
	static const char child[] = "PATH=/bin\0SSL_CERT_FILE=/etc/system.pem\0"
				    "REQUESTS_CA_BUNDLE=/home/me/corp.pem\0CURL_CA_BUNDLE=/agents/own.pem";
	static const char *const asked[] = { "AWS_CA_BUNDLE=/asked.pem", NULL };
	AUTO_BUF struct buf none = { 0 }, out = { 0 }, fallback = { 0 };
	struct run_plan with_asked = *plan;
	struct environ_trust trust;
	struct err err = { 0 };
	struct environ e;
	size_t n;

	with_asked.env = asked;
	(void)environ_init(&e, &with_asked, env, &err);
	n = environ_for_cell(&e, child, 4, &none);
	tap_ok(!has(&none, n, "PIP_CERT=/etc/system.pem"), "without rules nothing is added");
	environ_trust_init(&trust, env);
	trust.bundle = "/etc/system.pem";
	trust.is_system = true;
	trust.cert = "/session.pem";
	trust.is_right[environ_trust_find("SSL_CERT_FILE")] = true;
	e.trust = &trust;
	n = environ_for_cell(&e, child, 4, &out);
	tap_ok(has(&out, n, "SSL_CERT_FILE=/etc/system.pem"), "what names the bundle stays");
	tap_ok(has(&out, n, "REQUESTS_CA_BUNDLE=/etc/system.pem") &&
			!has(&out, n, "REQUESTS_CA_BUNDLE=/home/me/corp.pem"),
		"the bundle stands in for the user's own file, which is in it");
	tap_ok(has(&out, n, "CURL_CA_BUNDLE=/agents/own.pem") &&
			!has(&out, n, "CURL_CA_BUNDLE=/etc/system.pem"),
		"what the agent set for a command is left alone");
	tap_ok(has(&out, n, "PIP_CERT=/etc/system.pem"), "an empty value is none");
	tap_ok(has(&out, n, "AWS_CA_BUNDLE=/asked.pem") && !has(&out, n, "AWS_CA_BUNDLE=/etc/system.pem"),
		"--env is the user's word");
	tap_ok(has(&out, n, "NODE_EXTRA_CA_CERTS=/session.pem"), "node gets one more, not a hundred");
	tap_ok(!has(&out, n, "GIT_SSL_CAINFO=/etc/system.pem"), "git's configuration is not overruled");
	trust.bundle = "/session/bundle.pem";
	trust.is_system = false;
	n = environ_for_cell(&e, child, 4, &fallback);
	tap_ok(has(&fallback, n, "GIT_SSL_CAINFO=/session/bundle.pem"),
		"but where no place is known that git looks at");
	environ_done(&e);
}

static void clean_up(void)
{
	(void)!chdir(dir);
	(void)unlink("default.ini");
	(void)unlink("known.ini");
	(void)rmdir(dir);
}

int main(void)
{
	char *const env[] = { (char[]){ "PATH=/bin" }, (char[]){ "LC_ALL=C" },
		(char[]){ "API_KEY=0123456789abcdef" }, (char[]){ "RANDOM_THING=topsecretvalue" },
		(char[]){ "LC_TOKEN=abc" }, NULL };
	static const char child[] = "PATH=/bin\0API_KEY=0123456789abcdef\0COPY=0123456789abcdef\0"
				    "AGENT_SET=1\0NEW_TOKEN=x\0OTHER=topsecretvalue\0GREETING=no\0"
				    "RANDOM_THING=changed\0LC_TOKEN=abc";
	static const char *const asked[] = { "RANDOM_THING", "ADDED=1", NULL };
	struct run_plan plan = { .project = dir, .home = dir };
	struct policy_request request = { .agent = "known",
		.project = dir,
		.home = "/",
		.profiles_dir = dir,
		.config_dir = dir };
	AUTO_BUF struct buf out = { 0 }, again = { 0 };
	struct policy *policy = NULL;
	struct err err = { 0 };
	struct environ e;
	AUTO_FREE char **agent = NULL;
	size_t n;

	if (mkdtemp(dir) == NULL)
		return 1;
	write_profile("default",
		"[env]\nkeep = PATH LC_* HOME SSL_CERT_FILE REQUESTS_CA_BUNDLE\nhide = *_TOKEN\nset = GREETING=hello\n");
	write_profile("known", "[agent]\nkeep-env = API_*\n");
	if (!tap_ok(policy_load(&request, &policy, &err) == 0, "loads"))
		printf("# %s\n", err.text);
	else {
		plan.policy = policy;
		tap_ok(environ_init(&e, &plan, env, &err) == 0, "reads the user's environment");
		agent = environ_for_agent(&e, env);
		tap_ok(has_name(agent, "API_KEY=0123456789abcdef"), "the agent keeps keep-env");
		tap_ok(has_name(agent, "RANDOM_THING=topsecretvalue"), "and what looks harmless");
		tap_ok(!has_name(agent, "LC_TOKEN=abc"), "not what is hidden by name");
		n = environ_for_cell(&e, child, 9, &out);
		tap_ok(has(&out, n, "PATH=/bin"), "the cell gets what is kept");
		tap_ok(has(&out, n, "AGENT_SET=1"), "and what the agent added");
		tap_ok(!has(&out, n, "API_KEY=0123456789abcdef"), "not the agent's own");
		tap_ok(!has(&out, n, "COPY=0123456789abcdef"), "not its value under another name");
		tap_ok(!has(&out, n, "OTHER=topsecretvalue"), "nor any withheld value");
		tap_ok(!has(&out, n, "NEW_TOKEN=x"), "not what is hidden by name");
		tap_ok(!has(&out, n, "LC_TOKEN=abc"), "hide beats keep");
		tap_ok(!has(&out, n, "RANDOM_THING=changed"), "not the user's unnamed one, changed");
		tap_ok(has(&out, n, "GREETING=hello") && !has(&out, n, "GREETING=no"), "set wins");
		environ_done(&e);
		plan.env = asked;
		(void)environ_init(&e, &plan, env, &err);
		n = environ_for_cell(&e, child, 9, &again);
		tap_ok(has(&again, n, "RANDOM_THING=changed"), "--env NAME lets it in");
		tap_ok(has(&again, n, "ADDED=1"), "--env NAME=VALUE adds it");
		environ_done(&e);
		check_trust(&plan);
	}
	tap_ok(environ_is_loader("LD_PRELOAD=x") && environ_is_loader("BASH_FUNC_x%%=() {") &&
			!environ_is_loader("LDFLAGS=x"),
		"loader variables");
	policy_free(policy);
	clean_up();
	return tap_done();
}
