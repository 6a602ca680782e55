/*
 * A profile directory, a configuration directory and a project of a test's own, and loading them.
 */
#ifndef TESTS_POLICY_FIXTURE_H
#define TESTS_POLICY_FIXTURE_H

#include "policy/policy.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64]; /* of the test: profiles/ config/ project/ system.ini home/ */

__attribute__((unused)) static const char *at(const char *path)
{
	static char full[4][256];
	static unsigned next;
	char *out = full[next++ % 4];

	(void)snprintf(out, sizeof(full[0]), "%s/%s", dir, path);
	return out;
}

__attribute__((unused)) static void put(const char *path, const char *text, size_t n)
{
	int fd = open(at(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, n) != (ssize_t)n || fchmod(fd, 0644) < 0)
		tap_ok(false, "write %s", path);
	(void)close(fd);
}

__attribute__((unused)) static void puts_at(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

__attribute__((unused)) static struct policy_request request_of(const char *agent)
{
	static char paths[5][256];

	(void)snprintf(paths[0], sizeof(paths[0]), "%s", at("project"));
	(void)snprintf(paths[1], sizeof(paths[1]), "%s", at("home"));
	(void)snprintf(paths[2], sizeof(paths[2]), "%s", at("config"));
	(void)snprintf(paths[3], sizeof(paths[3]), "%s", at("profiles"));
	(void)snprintf(paths[4], sizeof(paths[4]), "%s", at("system.ini"));
	return (struct policy_request){ .agent = agent,
		.project = paths[0],
		.home = paths[1],
		.config_dir = paths[2],
		.profiles_dir = paths[3],
		.system_file = paths[4] };
}

__attribute__((unused)) static struct policy *load(struct policy_request request, struct err *err)
{
	struct policy *policy = NULL;

	err->text[0] = '\0';
	if (policy_load(&request, &policy, err) < 0)
		return NULL;
	return policy;
}

__attribute__((unused)) static void clear(void)
{
	static const char *const files[] = { "system.ini", "config/agentjail.ini",
		"config/profiles/a.ini", "profiles/a.ini", "profiles/b.ini", "profiles/c.ini",
		"project/.agentjail.ini" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		(void)unlink(at(files[i]));
	puts_at("profiles/default.ini", "[files]\nwrite = .\n");
}

/* The user's file with this text, and nothing else. */
__attribute__((unused)) static void user(const char *text)
{
	clear();
	puts_at("config/agentjail.ini", text);
}

/* NULL: a failure, and why. */
__attribute__((unused)) static struct policy *loaded(void)
{
	struct err err;
	struct policy *policy = load(request_of("a"), &err);

	if (policy == NULL)
		tap_ok(false, "loads: %s", err.text);
	return policy;
}

/* Joined values of a list, for comparisons. */
__attribute__((unused)) static const char *joined(const struct policy *policy, enum policy_key key)
{
	static char out[1024];
	size_t n = 0, len = 0;
	const struct policy_item *items = policy_list(policy, key, &n);

	out[0] = '\0';
	for (size_t i = 0; i < n && len < sizeof(out) - 1; i++)
		len += (size_t)snprintf(
			out + len, sizeof(out) - len, "%s%s", i > 0 ? "|" : "", items[i].value);
	return out;
}

__attribute__((unused)) static void accepted(struct policy_request request, const char *what)
{
	struct err err;
	struct policy *policy = load(request, &err);

	if (!tap_ok(policy != NULL, "%s", what))
		printf("# got:  %s\n", err.text);
	policy_free(policy);
}

__attribute__((unused)) static void refused(struct policy_request request, const char *part, const char *what)
{
	struct err err;
	struct policy *policy = load(request, &err);
	bool ok = policy == NULL && strstr(err.text, part) != NULL;

	if (!tap_ok(ok, "%s", what))
		printf("# got:  %s\n# want: ... %s ...\n", policy != NULL ? "(loaded)" : err.text,
			part);
	if (strlen(err.text) > 420)
		tap_ok(false, "message of %zu bytes", strlen(err.text));
	policy_free(policy);
}

static const char *const dirs[] = { "profiles", "config", "config/profiles", "project", "home" };

/* Makes the directories. False: the test cannot run. */
__attribute__((unused)) static bool fixture_make(void)
{
	(void)snprintf(dir, sizeof(dir), "/tmp/policy_load.XXXXXX");
	(void)umask(022);
	if (mkdtemp(dir) == NULL)
		return false;
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
		(void)mkdir(at(dirs[i]), 0755);
	return true;
}

__attribute__((unused)) static void fixture_remove(void)
{
	clear();
	(void)unlink(at("profiles/default.ini"));
	(void)unlink(at("x.ini"));
	for (size_t i = sizeof(dirs) / sizeof(dirs[0]); i-- > 0;)
		(void)rmdir(at(dirs[i]));
	tap_ok(rmdir(dir) == 0, "nothing is left");
}

#endif
