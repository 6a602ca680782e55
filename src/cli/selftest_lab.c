/*
 * The throwaway homes of `agentjail selftest`, what lies in them, and the process that attacks aim
 * at. See selftest.h. Runs before anything hostile does.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Rationale: two repositories and a process; a loaded machine takes a second. */
#define SETUP_MS 20000

/* Below the home; a text with %s gets the canary. */
static const struct {
	const char *path, *text;
	mode_t mode;
} files[] = {
	{ ".ssh/id_rsa", "secret key %s\n", 0600 },
	{ ".aws/credentials", "aws_secret_access_key = %s\n", 0600 },
	{ ".config/gh/hosts.yml", "github.com:\n    user: someone\n    oauth_token: %s\n", 0600 },
	{ ".netrc", "machine example.org login someone password %s\n", 0600 },
	{ ".nobody-has-heard-of/token", "%s\n", 0600 },
	{ ".bash_history", "psql --password %s\n", 0600 },
	{ "documents/diary.txt", "dear diary: %s\n", 0644 },
	{ ".bashrc", "alias ll='ls -l'\n", 0644 },
	{ ".profile", "# profile\n", 0644 },
	{ ".gitconfig", "[user]\n\tname = Test\n\temail = test@example.org\n", 0644 },
	{ "project/.env", "PASSWORD=%s\nXDG_CONFIG_HOME=./evil\nAGENTJAIL_PROFILE=./evil\n", 0600 },
	{ "project/.env.local", "PASSWORD=%s\n", 0600 },
	{ "project/sub/.env", "PASSWORD=%s\n", 0600 },
	{ "project/deep/a/c/.env", "PASSWORD=%s\n", 0600 },
	{ "project/other/c/file", "a file\n", 0644 },
	{ "project/README", "a project\n", 0644 },
	{ "project/AGENTS.md", "be nice\n", 0644 },
	{ "project/Makefile", "all:\n", 0644 },
	{ "project/read-key.sh", "#!/bin/sh\ncat ~/.ssh/id_rsa\n", 0755 },
	{ "project/package.json", "{}\n", 0644 },
	{ "project/.venv/bin/python", "#!/bin/sh\n", 0755 },
	{ "project/late/checkout/.gitkeep", "", 0644 },
	{ "project/.git/HEAD", "ref: refs/heads/main\n", 0644 },
	{ "project/.git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n", 0644 },
	{ "project/.git/info/exclude", "act\n", 0644 },
	{ "project/.git/hooks/pre-commit", "#!/bin/sh\n", 0755 },
	{ "project/.git/objects/info/.keep", "", 0644 },
	{ "project/.git/refs/heads/.keep", "", 0644 },
	{ "prepared/moved/.env", "PASSWORD=%s\n", 0600 },
	{ "prepared/production", "PASSWORD=%s\n", 0600 },
	{ "prepared/editor", "PASSWORD=%s\n", 0600 },
	{ "prepared/late", "PASSWORD=%s\n", 0600 },
	{ ".docker/run/.keep", "", 0600 },
};

static const struct {
	const char *from, *to;
	bool is_hard;
} links[] = {
	{ "../.ssh/id_rsa", "project/link-to-key", false },
	{ "../.ssh", "project/link-to-dir", false },
	{ ".env", "project/link-to-env", false },
	{ "../.ssh", "project/.fleet", false },
	{ ".ssh/id_rsa", "project/hard-link-to-key", true },
	{ "project/.env.local", "project/hard-link-to-env", true },
};

static char *join(const char *a, const char *b)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", a, b) < 0 ? NULL : path;
}

static void make_parents(const char *path)
{
	char copy[PATH_MAX];

	(void)snprintf(copy, sizeof(copy), "%s", path);
	for (char *s = strchr(copy + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(copy, 0700);
		*s = '/';
	}
}

static int write_file(const char *dir, const char *name, const char *text, mode_t mode)
{
	AUTO_FREE char *path = join(dir, name);
	AUTO_CLOSE int fd = -1;

	if (path == NULL)
		return -ENOMEM;
	make_parents(path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	(void)fchmod(fd, mode); /* whatever the umask */
	return write_all(fd, text, strlen(text));
}

static int copy_file(const char *from, const char *to, mode_t mode)
{
	AUTO_CLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int out = -1;
	char bytes[65536];
	ssize_t n;

	if (in < 0)
		return -errno;
	make_parents(to);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (out < 0)
		return -errno;
	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write_all(out, bytes, (size_t)n) < 0)
			return -EIO;
	return n < 0 ? -errno : 0;
}

/* The text with the canary in its %s. */
static void add_filled(struct buf *out, const char *text, const char *canary)
{
	const char *at = strstr(text, "%s");

	if (at == NULL) {
		buf_adds(out, text);
		return;
	}
	buf_add(out, text, (size_t)(at - text));
	buf_adds(out, canary);
	buf_adds(out, at + 2);
}

static int fill_home(const struct selftest *t, const char *home, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_BUF struct buf text = { 0 };
		int r;

		add_filled(&text, files[i].text, t->canary);
		r = text.failed ? -ENOMEM
				: write_file(home, files[i].path,
					  text.data != NULL ? text.data : "", files[i].mode);
		if (r < 0)
			return err_set(err, -r, "%s/%s", home, files[i].path);
	}
	for (size_t i = 0; i < ARRAY_LEN(links); i++) {
		AUTO_FREE char *to = join(home, links[i].to);
		AUTO_FREE char *from =
			links[i].is_hard ? join(home, links[i].from) : strdup(links[i].from);

		if (to == NULL || from == NULL ||
			(links[i].is_hard ? link(from, to) : symlink(from, to)) < 0)
			return err_set(err, errno, "%s/%s", home, links[i].to);
	}
	return 0;
}

/* A built tree in the project, so that an act finds a whole agentjail there. */
static void copy_program(const struct launch *launch, const struct selftest_side *side)
{
	AUTO_FREE char *from = join(launch->paths.profiles_dir, "default.ini");
	AUTO_FREE char *profile = join(side->project, "profiles/default.ini");
	AUTO_FREE char *program = join(side->project, "build/agentjail");

	/* Without them one attack has no control. */
	if (from == NULL || profile == NULL || program == NULL ||
		copy_file(from, profile, 0644) < 0)
		return;
	make_parents(program);
	if (link(side->program, program) < 0)
		(void)copy_file(side->program, program, 0755);
}

static bool add_env(char **env, size_t *n, const char *name, const char *value)
{
	char *text = NULL;

	if (value == NULL || asprintf(&text, "%s=%s", name, value) < 0)
		return value == NULL;
	env[(*n)++] = text;
	return true;
}

/* The environment of an agent's user. */
static int make_env(const struct selftest *t, struct selftest_side *side)
{
	static const char *const secrets[] = { "AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY",
		"MY_TOKEN", "LIBERTY_BELL" };
	static const struct {
		const char *name, *format;
	} paths[] = {
		{ "XDG_RUNTIME_DIR", "%s" },
		{ "SSH_AUTH_SOCK", "%s/ssh-agent" },
		{ "DBUS_SESSION_BUS_ADDRESS", "unix:path=%s/bus" },
		{ "TMUX", "%s/tmux,1,0" },
		{ "NVIM", "%s/nvim" },
	};
	size_t n = 0;
	bool good = true;

	side->env = calloc(SELFTEST_ENV_MAX, sizeof(*side->env));
	if (side->env == NULL)
		return -ENOMEM;
	good &= add_env(side->env, &n, "HOME", side->home);
	good &= add_env(side->env, &n, "PATH", getenv("PATH"));
	good &= add_env(side->env, &n, "USER", getenv("USER"));
	good &= add_env(side->env, &n, "LOGNAME", getenv("LOGNAME"));
	good &= add_env(side->env, &n, "SHELL", "/bin/sh");
	good &= add_env(side->env, &n, "TERM", "dumb");
	good &= add_env(side->env, &n, "LC_ALL", "C");
	good &= add_env(side->env, &n, "GIT_TERMINAL_PROMPT", "0");
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
		good &= add_env(side->env, &n, secrets[i], t->canary);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_BUF struct buf value = { 0 };
		const char *at = strstr(paths[i].format, "%s");

		buf_add(&value, paths[i].format, (size_t)(at - paths[i].format));
		buf_adds(&value, side->run);
		buf_adds(&value, at + 2);
		good &= !value.failed && add_env(side->env, &n, paths[i].name, value.data);
	}
	return good ? 0 : -ENOMEM;
}

static int make_side(
	struct selftest *t, struct selftest_side *side, const char *name, struct err *err)
{
	AUTO_FREE char *top = join(t->dir, name);
	int r;

	side->canary = t->canary;
	side->home = top != NULL ? join(top, "home") : NULL;
	side->run = top != NULL ? join(top, "run") : NULL;
	side->project = side->home != NULL ? join(side->home, "project") : NULL;
	side->program = side->project != NULL ? join(side->project, "act") : NULL;
	if (side->program == NULL || side->run == NULL || make_env(t, side) < 0)
		return err_set(err, ENOMEM, "selftest");
	r = fill_home(t, side->home, err);
	if (r < 0)
		return r;
	for (size_t i = 0; selftest_victim_sockets[i] != NULL; i++) {
		AUTO_FREE char *path = join(side->run, selftest_victim_sockets[i]);

		if (path != NULL)
			make_parents(path);
	}
	r = copy_file(t->self, side->program, 0755);
	if (r == 0 && side->is_jailed && t->is_own) {
		/* An agent's own program is never one that its commands can write. */
		side->agent_program = join(side->home, "bin/act");
		r = side->agent_program != NULL ? copy_file(t->self, side->agent_program, 0755)
						: -ENOMEM;
	} else {
		side->agent_program = strdup(side->program);
	}
	return r < 0 ? err_set(err, -r, "copy %s to %s", t->self, side->home) : 0;
}

/* Where programs may be executed: TMPDIR, /tmp, else the cache. */
static int make_dir(struct selftest *t, const char *cache_dir, struct err *err)
{
	const char *places[] = { getenv("TMPDIR"), "/tmp", cache_dir };
	struct statvfs fs;

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		AUTO_FREE char *dir = NULL;

		if (places[i] == NULL || places[i][0] != '/')
			continue;
		if (asprintf(&dir, "%s/agentjail-selftest.XXXXXX", places[i]) < 0)
			return err_set(err, ENOMEM, "selftest");
		make_parents(dir);
		if (statvfs(places[i], &fs) < 0 || (fs.f_flag & ST_NOEXEC) != 0 ||
			mkdtemp(dir) == NULL)
			continue;
		/* Without links in it, as sandboxes and masks name it. */
		t->dir = realpath(dir, NULL);
		return t->dir != NULL ? 0 : err_set(err, errno, "%s", dir);
	}
	return err_set(err, 0,
		"no directory for the test: TMPDIR, /tmp and %s are read-only or noexec",
		cache_dir);
}

/* A repository to copy, with git's own hands; without git its attacks are skipped. */
static int make_template(const struct selftest_side *side)
{
	const char *words[] = { "sh", "-c",
		"git init -q ~/template && cd ~/template && echo content >file && git add file && "
		"git commit -qm first && git branch -qM main && git checkout -qb env && "
		"cp ~/project/.env.local .env && git add .env && git commit -qm env && git "
		"checkout -q main && "
		"cd ~/project && rm -rf .git/objects/info/.keep "
		".git/refs/heads/.keep && git add README && git commit -qnm first",
		NULL };

	return selftest_run(
		&(struct selftest_command){ .side = side, .words = words, .timeout_ms = SETUP_MS });
}

static int write_extras(const struct selftest *t, struct err *err)
{
	AUTO_FREE char *other = join(t->dir, "other");
	AUTO_BUF struct buf text = { 0 };
	int r;

	buf_addf(&text, "%s\n", t->canary);
	r = text.failed ? -ENOMEM : write_file(t->dir, "tmpfile", text.data, 0644);
	if (r == 0)
		r = write_file(t->dir, "other/id_rsa", text.data, 0600);
	/* In a user namespace with one user there is no other: then it is root's own. */
	if (r == 0 && getuid() == 0 && other != NULL && chown(other, 12345, 12345) < 0 &&
		errno != EINVAL && errno != EPERM)
		r = -errno;
	return r < 0 ? err_set(err, -r, "%s", t->dir) : 0;
}

int selftest_lab_begin(struct selftest *t, const struct launch *launch, struct err *err)
{
	uint64_t number = 0;
	int r = make_dir(t, launch->paths.cache_dir, err);

	if (r < 0)
		return r;
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return err_set(err, EIO, "random bytes");
	(void)snprintf(t->canary, sizeof(t->canary), "canary-%016llx", (unsigned long long)number);
	r = make_side(t, &t->bare, "bare", err);
	if (r == 0)
		r = make_side(t, &t->jail, "jail", err);
	if (r == 0)
		r = write_extras(t, err);
	if (r == 0 && t->is_own)
		r = selftest_config_copy(launch, &t->jail, err);
	if (r < 0)
		return r;
	copy_program(launch, &t->bare);
	copy_program(launch, &t->jail);
	(void)make_template(&t->bare);
	(void)make_template(&t->jail);
	return selftest_victim_start(t, err);
}
