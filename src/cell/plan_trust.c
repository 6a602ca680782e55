/*
 * Where programs look for the certificate authorities that they believe. Runs in the warden, with
 * the user's own rights, and only for a profile with rules. Hostile: nothing, for what a cell can
 * write is left out.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "policy/rules.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Rationale: a start must not wait for a slow file system; the variables are there as well. */
#define TRUST_SEARCH_MS 40
/* Rationale: a dozen Pythons and JDKs are many; each is a mount of 12 us. */
#define TRUST_FILES_MAX 256u
#define PYTHON_DIRS_MAX 64u

struct search {
	const struct run_plan *run;
	struct mount_plan *plan;
	struct err *err;
	int64_t until_ms;
	size_t n;
};

struct place {
	enum mount_kind kind;
	const char *pattern; /* glob(3); ~ is HOME */
};

/* The commonest first: the search may run out of time. */
static const struct place places[] = {
	/* Debian, Alpine, Arch, Gentoo; BSD and OpenSSL's own; Fedora and its kin; SUSE; Nix */
	{ MOUNT_ROOTS, "/etc/ssl/certs/ca-certificates.crt" },
	{ MOUNT_ROOTS, "/etc/ssl/cert.pem" },
	{ MOUNT_ROOTS, "/etc/pki/tls/cert.pem" },
	{ MOUNT_ROOTS, "/etc/pki/tls/certs/ca-bundle*.crt" },
	{ MOUNT_ROOTS, "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem" },
	{ MOUNT_ROOTS, "/etc/pki/ca-trust/extracted/openssl/ca-bundle.trust.crt" },
	{ MOUNT_ROOTS, "/etc/ca-certificates/extracted/tls-ca-bundle.pem" },
	{ MOUNT_ROOTS, "/etc/ca-certificates/extracted/ca-bundle.trust.crt" },
	{ MOUNT_ROOTS, "/etc/ssl/ca-bundle.pem" },
	{ MOUNT_ROOTS, "/var/lib/ca-certificates/ca-bundle.pem" },
	{ MOUNT_ROOTS, "/etc/ssl/certs/ca-bundle.crt" },
	{ MOUNT_ROOTS, "/usr/lib/ssl/cert.pem" },
	{ MOUNT_ROOTS, "/usr/local/ssl/cert.pem" },
	{ MOUNT_ROOTS, "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt" },
	{ MOUNT_ROOTS, "~/.nix-profile/etc/ssl/certs/ca-bundle.crt" },
	{ MOUNT_ROOTS, "/home/linuxbrew/.linuxbrew/etc/ca-certificates/cert.pem" },
	{ MOUNT_ROOTS, "/home/linuxbrew/.linuxbrew/etc/openssl@*/cert.pem" },
	/* by hash */
	{ MOUNT_HASHED, "/etc/ssl/certs" },
	{ MOUNT_HASHED, "/etc/pki/tls/certs" },
	{ MOUNT_HASHED, "/etc/pki/ca-trust/extracted/pem/directory-hash" },
	{ MOUNT_HASHED, "/var/lib/ca-certificates/pem" },
	{ MOUNT_HASHED, "/var/lib/ca-certificates/openssl" },
	/* Chromium and its kin; below /etc/opt Chrome, Chrome for Testing, Edge */
	{ MOUNT_POLICIES, "/etc/chromium" },
	{ MOUNT_POLICIES, "/etc/opt" },
	{ MOUNT_POLICIES, "/etc/brave" },
	/* Java */
	{ MOUNT_KEYSTORE, "/etc/ssl/certs/java/cacerts" },
	{ MOUNT_KEYSTORE, "/etc/pki/ca-trust/extracted/java/cacerts" },
	{ MOUNT_KEYSTORE, "/var/lib/ca-certificates/java-cacerts" },
	{ MOUNT_KEYSTORE, "/usr/lib/jvm/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "/usr/lib/jvm/*/jre/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "/usr/lib64/jvm/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "/opt/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "~/.sdkman/candidates/java/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "~/.jdks/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "~/.jabba/jdk/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "~/.asdf/installs/java/*/lib/security/cacerts" },
	{ MOUNT_KEYSTORE, "~/.local/share/mise/installs/java/*/lib/security/cacerts" },
	/* conda has an OpenSSL with a bundle of its own */
	{ MOUNT_ROOTS, "~/*conda3/ssl/cacert.pem" },
	{ MOUNT_ROOTS, "~/*conda3/envs/*/ssl/cacert.pem" },
	{ MOUNT_ROOTS, "~/.miniconda3/ssl/cacert.pem" },
	{ MOUNT_ROOTS, "~/m*forge*/ssl/cacert.pem" },
};

/* Directories with lib/python3.N/ in them, besides those of PATH. */
static const char *const pythons[] = { "/usr", "/usr/local", "~/.local", "~/.pyenv/versions/*",
	"~/*conda3", "~/.miniconda3", "~/m*forge*", "~/.local/share/uv/python/*",
	"~/.local/share/uv/tools/*", "~/.local/share/pipx/venvs/*", "~/.local/pipx/venvs/*",
	"~/.local/share/mise/installs/python/*", "~/.asdf/installs/python/*" };

/* What a Python's packages bring along, and pip in itself. Debian has python3, others python3.N. */
static const char *const packages[] = { "certifi/cacert.pem", "pip/_vendor/certifi/cacert.pem",
	"botocore/cacert.pem" };

static bool is_out_of_time(const struct search *s)
{
	return s->n >= TRUST_FILES_MAX || clock_ms() >= s->until_ms;
}

/* Does a cell see it, and cannot it change it? */
static bool is_shown_and_fixed(const struct search *s, const char *path)
{
	struct policy_question question = { .action = POLICY_READ, .path = path };
	struct policy_answer answer;

	policy_decide(s->run->policy, &question, &answer);
	if (answer.verdict != POLICY_ALLOWED)
		return false;
	question.action = POLICY_WRITE;
	policy_decide(s->run->policy, &question, &answer);
	return answer.verdict != POLICY_ALLOWED;
}

static int add_file(struct search *s, const char *path, enum mount_kind kind)
{
	AUTO_FREE char *real = realpath(path, NULL);
	struct mount_entry entry = { .path = real, .kind = kind, .cell_only = true };
	struct stat st;

	if (real == NULL || stat(real, &st) < 0)
		return 0;
	entry.is_dir = S_ISDIR(st.st_mode);
	if (entry.is_dir != (kind == MOUNT_HASHED || kind == MOUNT_POLICIES) || (!entry.is_dir && !S_ISREG(st.st_mode)) ||
		!is_shown_and_fixed(s, real))
		return 0;
	s->n++;
	return plan_add(s->plan, entry, s->err);
}

/* Every name that fits the pattern, with `~` for HOME. */
static int add_pattern(struct search *s, const char *pattern, enum mount_kind kind)
{
	AUTO_BUF struct buf full = { 0 };
	glob_t found = { 0 };
	int r = 0;

	if (is_out_of_time(s))
		return 0;
	if (pattern[0] == '~')
		plan_escape(s->run->home, true, &full);
	buf_adds(&full, pattern[0] == '~' ? pattern + 1 : pattern);
	if (full.failed)
		return err_set(s->err, ENOMEM, "certificates");
	if (strpbrk(full.data, "*?[\\") == NULL)
		return add_file(s, full.data, kind);
	if (glob(full.data, GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
		r = err_set(s->err, ENOMEM, "glob");
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = add_file(s, found.gl_pathv[i], kind);
	globfree(&found);
	return r;
}

/* One look at the directories: /usr/lib has thousands of names. */
static int add_python(struct search *s, const char *prefix)
{
	AUTO_BUF struct buf pattern = { 0 };
	glob_t found = { 0 };
	int r = 0;

	if (is_out_of_time(s))
		return 0;
	if (prefix[0] == '~')
		plan_escape(s->run->home, true, &pattern);
	buf_addf(&pattern, "%s/lib/python3*/*-packages", prefix[0] == '~' ? prefix + 1 : prefix);
	if (pattern.failed || glob(pattern.data, GLOB_NOSORT, NULL, &found) == GLOB_NOSPACE)
		r = err_set(s->err, ENOMEM, "certificates");
	for (size_t i = 0; r == 0 && i < found.gl_pathc * ARRAY_LEN(packages); i++) {
		char path[PATH_MAX];
		int n = snprintf(path, sizeof(path), "%s/%s", found.gl_pathv[i / ARRAY_LEN(packages)],
			packages[i % ARRAY_LEN(packages)]);

		if (n > 0 && (size_t)n < sizeof(path))
			r = add_file(s, path, MOUNT_ROOTS);
	}
	globfree(&found);
	return r;
}

/* The program behind the links of DIR/PROGRAM has its packages in ../lib. */
static int add_program(struct search *s, const char *dir, size_t len, const char *program)
{
	char path[PATH_MAX], real[PATH_MAX];
	AUTO_BUF struct buf prefix = { 0 };
	char *slash;
	int n = snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, program);

	if (n < 0 || (size_t)n >= sizeof(path) || realpath(path, real) == NULL)
		return 0;
	for (unsigned up = 0; up < 2; up++) {
		slash = strrchr(real, '/');
		if (slash == NULL || slash == real)
			return 0;
		*slash = '\0';
	}
	plan_escape(real, true, &prefix);
	if (prefix.failed)
		return err_set(s->err, ENOMEM, "certificates");
	if (strcmp(program, "java") != 0)
		return strcmp(real, "/usr") == 0 ? 0 : add_python(s, prefix.data);
	buf_adds(&prefix, "/lib/security/cacerts");
	return prefix.failed ? err_set(s->err, ENOMEM, "certificates")
			     : add_pattern(s, prefix.data, MOUNT_KEYSTORE);
}

static int add_path(struct search *s)
{
	static const char *const programs[] = { "python3", "java" };
	const char *dir = getenv("PATH");

	for (unsigned i = 0; dir != NULL && *dir != '\0' && i < PYTHON_DIRS_MAX; i++) {
		size_t len = strcspn(dir, ":");

		for (size_t k = 0; len > 0 && dir[0] == '/' && k < ARRAY_LEN(programs); k++)
			if (add_program(s, dir, len, programs[k]) < 0)
				return -s->err->code;
		dir += len + (dir[len] == ':');
	}
	return 0;
}

static int add_java_home(struct search *s)
{
	const char *home = getenv("JAVA_HOME");
	AUTO_BUF struct buf path = { 0 };

	if (home == NULL || home[0] != '/')
		return 0;
	plan_escape(home, true, &path);
	buf_adds(&path, "/lib/security/cacerts");
	return path.failed ? err_set(s->err, ENOMEM, "certificates")
			   : add_pattern(s, path.data, MOUNT_KEYSTORE);
}

int plan_add_trust(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	struct search s = { .run = run, .plan = plan, .err = err };
	int r = 0;
	size_t n;

	(void)rules_all(run->policy, &n);
	if (n == 0)
		return 0;
	s.until_ms = clock_ms() + TRUST_SEARCH_MS;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		r = add_pattern(&s, places[i].pattern, places[i].kind);
	if (r == 0)
		r = add_java_home(&s);
	if (r == 0)
		r = add_path(&s);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(pythons); i++)
		r = add_python(&s, pythons[i]);
	return r;
}
