/*
 * Runs in the warden, with the user's own rights. It opens files of certificates and hands them on
 * unread; the authority's key it never maps. Hostile: a file of the project that the user's variables
 * name, as far as its name; its content is the authority's to judge.
 */
#include "warden/trust.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/rules.h"
#include "warden/netrole.h"
#include "wire/authority.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Where distributions keep the host's: files first, in the order of Go's crypto/x509 about. */
static const char *const bundles[] = { "/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
	"/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/cert.pem",
	"/etc/ssl/certs/ca-bundle.crt", "/nix/var/nix/profiles/default/etc/ssl/certs/ca-bundle.crt" };
static const char *const directories[] = { "/etc/ssl/certs", "/etc/pki/tls/certs",
	"/var/lib/ca-certificates/pem" };

static const char *const names[TRUST_FD_COUNT] = { "agentjail-authority", "agentjail-roots",
	"agentjail-bundle", "agentjail-keystore", "agentjail-cert", "agentjail-report" };

static int make_file(struct trust *t, enum trust_fd i, struct err *err)
{
	t->fds[i] = memfd_create(names[i], MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return t->fds[i] < 0 ? err_set(err, errno, "memfd_create") : 0;
}

int trust_init(struct trust *t, const struct run_plan *plan, char *const *env, struct err *err)
{
	size_t n;

	t->plan = plan;
	(void)rules_all(plan->policy, &n);
	t->is_wanted = n > 0;
	if (!t->is_wanted)
		return 0;
	environ_trust_init(&t->variables, env);
	t->variables.bundle = TRUST_BUNDLE;
	t->variables.cert = TRUST_CERT;
	for (unsigned i = TRUST_FD_KEY + 1; i < TRUST_FD_COUNT; i++)
		if (make_file(t, (enum trust_fd)i, err) < 0)
			return -err->code;
	t->files = (struct trust_files){ .bundle = t->fds[TRUST_FD_BUNDLE],
		.keystore = t->fds[TRUST_FD_KEYSTORE],
		.cert = t->fds[TRUST_FD_CERT],
		.report = t->fds[TRUST_FD_REPORT] };
	return 0;
}

void trust_done(struct trust *t)
{
	if (t->authority > 0) {
		(void)kill(t->authority, SIGKILL);
		(void)waitpid(t->authority, NULL, 0);
	}
	for (unsigned i = 0; i < TRUST_FD_COUNT; i++)
		cleanup_close(&t->fds[i]);
	t->authority = 0;
	t->is_wanted = t->is_ready = false;
}

const struct trust_files *trust_files(const struct trust *t)
{
	return t->is_wanted ? &t->files : NULL;
}

const struct environ_trust *trust_variables(const struct trust *t)
{
	return t->is_wanted ? &t->variables : NULL;
}

/* ---- the host's certificates ---- */

/* A regular file, or a directory where one is asked for. -1: it is none. */
static int open_source(const char *path, mode_t type)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || (st.st_mode & S_IFMT) != type)
		return -1;
	return take_fd(&fd);
}

/* A file that commands can write says nothing of whom a keeper may hand a secret to. */
static bool cells_can_write(const struct trust *t, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);
	struct policy_question question = { .action = POLICY_WRITE, .path = real };
	struct policy_answer answer;

	if (real == NULL)
		return true;
	policy_decide(t->plan->policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

static int open_system(void)
{
	int fd = -1;

	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(bundles); i++)
		fd = open_source(bundles[i], S_IFREG);
	for (size_t i = 0; fd < 0 && i < ARRAY_LEN(directories); i++)
		fd = open_source(directories[i], S_IFDIR);
	return fd;
}

/* The user's word first: a company's authority is there and nowhere else. */
static int open_host(const struct trust *t)
{
	const char *file = t->variables.given[environ_trust_find("SSL_CERT_FILE")];
	int fd = file != NULL && !cells_can_write(t, file) ? open_source(file, S_IFREG) : -1;

	return fd >= 0 ? fd : open_system();
}

static bool is_first(const struct environ_trust *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (v->given[k] != NULL && strcmp(v->given[k], v->given[i]) == 0)
			return false;
	return true;
}

/* The system's, for programs that know no variable, and each file that one names. How many. */
static size_t open_extra(const struct trust *t, int fds[AUTHORITY_EXTRA_MAX])
{
	size_t n = 0;

	_Static_assert(ENVIRON_TRUST_COUNT < AUTHORITY_EXTRA_MAX, "one for each variable, and one");
	if (t->variables.given[environ_trust_find("SSL_CERT_FILE")] != NULL) {
		fds[n] = open_system();
		n += fds[n] >= 0;
	}
	for (size_t i = 0; i < ENVIRON_TRUST_COUNT; i++) {
		if (t->variables.given[i] == NULL || !is_first(&t->variables, i))
			continue;
		fds[n] = open_source(t->variables.given[i], S_IFREG);
		n += fds[n] >= 0;
	}
	return n;
}

/* ---- the authority's life ---- */

static int start(struct trust *t, const sigset_t *mask, int policy, struct err *err)
{
	int fds[AUTHORITY_FD_EXTRA - AUTHORITY_FD_POLICY + AUTHORITY_EXTRA_MAX] = { policy };
	const size_t fixed = AUTHORITY_FD_EXTRA - AUTHORITY_FD_POLICY;
	size_t n_extra = open_extra(t, fds + fixed);
	AUTO_CLOSE int host = open_host(t);
	char count[16];
	struct netrole role = { .name = "@authority",
		.args = { count },
		.fds = fds,
		.n_fds = fixed + n_extra,
		.keeps_stderr = t->plan->verbose,
		.mask = mask };
	pid_t pid;

	_Static_assert(AUTHORITY_FD_KEY - AUTHORITY_FD_POLICY == 1 + TRUST_FD_KEY &&
			AUTHORITY_FD_REPORT - AUTHORITY_FD_POLICY == 1 + TRUST_FD_REPORT,
		"what it fills stands in our order");
	for (size_t i = 0; i < TRUST_FD_COUNT; i++)
		fds[1 + i] = t->fds[i];
	fds[AUTHORITY_FD_HOST - AUTHORITY_FD_POLICY] = host;
	(void)snprintf(count, sizeof(count), "%zu", n_extra);
	pid = netrole_start(&role, err);
	for (size_t i = 0; i < n_extra; i++)
		(void)close(fds[fixed + i]);
	if (pid < 0)
		return -err->code;
	t->authority = pid;
	return 0;
}

int trust_start(struct trust *t, const sigset_t *mask, struct err *err)
{
	AUTO_CLOSE int policy = -1;

	if (!t->is_wanted || t->is_ready || t->authority > 0)
		return 0;
	policy = memfd_create("agentjail-policy", MFD_CLOEXEC);
	if (policy < 0)
		return err_set(err, errno, "memfd_create");
	if (make_file(t, TRUST_FD_KEY, err) < 0 || policy_dump(t->plan->policy, policy, err) < 0)
		return -err->code;
	if (lseek(policy, 0, SEEK_SET) < 0)
		return err_set(err, errno, "lseek");
	return start(t, mask, policy, err);
}

static int check_report(const struct trust *t, int status, struct err *err)
{
	struct authority_report report = { 0 };
	ssize_t n = pread(t->fds[TRUST_FD_REPORT], &report, sizeof(report), 0);

	if (n != (ssize_t)sizeof(report) || report.version != AUTHORITY_REPORT_VERSION ||
		memchr(report.error, '\0', sizeof(report.error)) == NULL)
		return err_set(err, 0, "the session's certificate authority ended (status 0x%x)",
			(unsigned)status);
	if (report.error[0] != '\0' || status != 0)
		return err_set(err, 0, "the session's certificate authority: %s", report.error);
	return 0;
}

/* Nobody changes it any more, and who gets our descriptor cannot even try. */
static int seal(int *fd, struct err *err)
{
	char path[64];
	AUTO_CLOSE int again = -1;

	if (fcntl(*fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return err_set(err, errno, "seal");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return err_set(err, errno, "open %s", path);
	/* At the same number: struct trust_files has it. */
	return dup3(again, *fd, O_CLOEXEC) < 0 ? err_set(err, errno, "dup3") : 0;
}

int trust_await(struct trust *t, struct err *err)
{
	int status = 0;

	if (!t->is_wanted || t->is_ready)
		return 0;
	while (waitpid(t->authority, &status, 0) < 0)
		if (errno != EINTR)
			return err_set(err, errno, "wait for the session's certificate authority");
	t->authority = 0;
	if (check_report(t, status, err) < 0)
		return -err->code;
	for (unsigned i = 0; i < TRUST_FD_COUNT; i++)
		if (seal(&t->fds[i], err) < 0)
			return err_prefix(err, "%s", names[i]);
	t->is_ready = true;
	return 0;
}

/* ---- in the cell ---- */

static bool is_same_file(int root, const char *path, const struct stat *want)
{
	AUTO_CLOSE int fd = sys_openat2(root, path + strspn(path, "/"), O_PATH | O_CLOEXEC,
		RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
	struct stat st;

	return path[0] == '/' && fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == want->st_dev &&
		st.st_ino == want->st_ino;
}

int trust_settle(struct trust *t, int root, struct err *err)
{
	struct environ_trust *v = &t->variables;
	struct stat st;

	if (!t->is_wanted)
		return 0;
	if (fstatat(root, &TRUST_BUNDLE[1], &st, 0) < 0)
		return err_set(err, errno, TRUST_BUNDLE);
	v->bundle = TRUST_BUNDLE;
	v->is_system = false;
	/* A path that is there outside too: a configuration that a command writes it into goes on. */
	for (size_t i = 0; !v->is_system && i < ARRAY_LEN(bundles); i++)
		if (is_same_file(root, bundles[i], &st)) {
			v->bundle = bundles[i];
			v->is_system = true;
		}
	for (size_t i = 0; i < ENVIRON_TRUST_COUNT; i++)
		v->is_right[i] = v->given[i] != NULL && is_same_file(root, v->given[i], &st);
	return 0;
}
