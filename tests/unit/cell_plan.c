/*
 * Proves: the plan finds every name in a project that a rule is about, wherever it lies: in large
 * directories, below others that have no rule, behind other names of the same file; and no more.
 */
#include "cell/plan.h"

#include "base/cleanup.h"
#include "policy_fixture.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static struct mount_plan plan;

static void make(const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s/project/%s", dir, path);
	for (char *s = full + strlen(dir) + 9; (s = strchr(s, '/')) != NULL; *s++ = '/') {
		*s = '\0';
		(void)mkdir(full, 0755);
	}
	if (full[strlen(full) - 1] != '/')
		(void)close(open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static const char *in_project(const char *path)
{
	static char full[2][512];
	static unsigned next;
	char *out = full[next++ % 2];

	(void)snprintf(out, sizeof(full[0]), "%s/project/%s", dir, path);
	return out;
}

static bool is_planned(const char *path, enum mount_kind kind)
{
	for (size_t i = 0; i < plan.n; i++)
		if (strcmp(plan.entries[i].path, in_project(path)) == 0 &&
			plan.entries[i].kind == kind)
			return true;
	return false;
}

static size_t below(const char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < plan.n; i++)
		n += strncmp(plan.entries[i].path, in_project(path), strlen(in_project(path))) == 0;
	return n;
}

static void furnish(void)
{
	static const char *const files[] = { ".env", "a/b/c/.env", "a/.env.example",
		"deep/keys/prod.key", "deep/x/y/keys/prod.key", "deep/keys/prod.txt",
		"keys/prod.key", "closed/", "store/inner/.env", "secrets/inner/.env", "all/one",
		"all/two/three", "env", "a/shared", "key", ".git/objects/.env", ".git/config",
		".git/hooks/", "a/sub/.git" };
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char many[64];

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		make(files[i]);
	/* More names than one read returns, what counts somewhere among them. */
	for (unsigned i = 0; i < 500; i++) {
		(void)snprintf(many, sizeof(many), "large/a-name-of-some-length-%u.c", i);
		make(many);
		if (i == 250)
			make("large/.env");
	}
	if (link(in_project(".env"), in_project("a/innocent")) < 0 ||
		symlink(".env", in_project("link.env")) < 0 ||
		symlink("/etc", in_project("outside")) < 0)
		tap_ok(false, "links");
	(void)snprintf(name.sun_path, sizeof(name.sun_path), "%s", in_project("a/sock"));
	(void)bind(sock, (struct sockaddr *)&name, sizeof(name));
	(void)close(sock);
	(void)chmod(in_project("closed"), 0);
}

static void test_project(void)
{
	tap_ok(is_planned(".env", MOUNT_HIDE) && is_planned("a/b/c/.env", MOUNT_HIDE) &&
			is_planned("store/inner/.env", MOUNT_HIDE),
		"a name rule, at every depth");
	tap_ok(is_planned("large/.env", MOUNT_HIDE), "in a large directory");
	tap_ok(below("large/") == 1, "and nothing else in it");
	tap_ok(!is_planned("a/.env.example", MOUNT_HIDE), "what a rule takes out");
	tap_ok(is_planned("deep/keys/prod.key", MOUNT_HIDE) &&
			is_planned("deep/x/y/keys/prod.key", MOUNT_HIDE) &&
			is_planned("keys/prod.key", MOUNT_HIDE),
		"a pattern with two stars in its middle");
	tap_ok(!is_planned("deep/keys/prod.txt", MOUNT_HIDE), "and what it does not match");
	tap_ok(is_planned("secrets", MOUNT_HIDE) && below("secrets/") == 0,
		"a hidden directory, once for all that is in it");
	tap_ok(is_planned("all", MOUNT_HIDE) && below("all/") == 0,
		"a pattern with two stars at its end: the directory");
	tap_ok(is_planned("link.env", MOUNT_HIDE), "a link whose name has a rule");
	tap_ok(is_planned("a/innocent", MOUNT_HIDE), "another name of a hidden file");
	tap_ok(is_planned("a/sock", MOUNT_HIDE), "a socket");
	tap_ok(!is_planned("env", MOUNT_HIDE) && !is_planned("a/shared", MOUNT_HIDE),
		"nothing more");
	tap_ok(below("outside/") == 0, "no link is followed");
	tap_ok(below(".git/objects/") == 0, "an object store is left out");
	tap_ok(is_planned(".git/config", MOUNT_PROTECT) && is_planned(".git/hooks", MOUNT_PROTECT),
		"a repository");
	if (geteuid() != 0)
		tap_ok(is_planned("closed", MOUNT_HIDE), "a directory that is closed now");
}

static void remove_all(void)
{
	char command[128];
	pid_t pid;

	(void)chmod(in_project("closed"), 0755);
	(void)snprintf(command, sizeof(command), "%s/project", dir);
	pid = fork();
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", command, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
	(void)mkdir(command, 0755);
}

#define SOCKETS 300

static void socket_name(struct sockaddr_un *out, const char *in, unsigned i)
{
	int n = snprintf(out->sun_path, sizeof(out->sun_path), "%s/%u", in, i);

	out->sun_family = AF_UNIX;
	/* One of the longest there can be: it fills the address and has no NUL there. */
	if (i == 0)
		memset(out->sun_path + n, 'x', sizeof(out->sun_path) - (size_t)n);
}

static bool is_hidden(const struct sockaddr_un *name)
{
	char path[sizeof(name->sun_path) + 1] = { 0 };

	memcpy(path, name->sun_path, sizeof(name->sun_path));
	for (size_t i = 0; i < plan.n; i++)
		if (strcmp(plan.entries[i].path, path) == 0)
			return plan.entries[i].kind == MOUNT_HIDE;
	return false;
}

/* Of programs of the host, in places that a cell may show: more than one answer of the kernel's. */
static void test_sockets(const struct run_plan *run)
{
	char in[] = "/var/tmp/agentjail-plan.XXXXXX";
	struct err err = { .code = 0 };
	int fds[SOCKETS];
	size_t n = 0;

	if (!tap_ok(mkdtemp(in) != NULL, "a directory"))
		return;
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct sockaddr_un name = { 0 };
		int type = i % 3 == 0 ? SOCK_STREAM : i % 3 == 1 ? SOCK_DGRAM : SOCK_SEQPACKET;

		socket_name(&name, in, i);
		fds[i] = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
		if (bind(fds[i], (struct sockaddr *)&name, sizeof(name)) == 0 && i % 3 == 0)
			(void)listen(fds[i], 1);
	}
	plan.n = 0;
	tap_ok(plan_add_sockets(run, &plan, &err) == 0, "sockets of the host %s", err.text);
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct sockaddr_un name = { 0 };
		char path[sizeof(name.sun_path) + 1] = { 0 };

		socket_name(&name, in, i);
		n += is_hidden(&name);
		memcpy(path, name.sun_path, sizeof(name.sun_path));
		(void)close(fds[i]);
		(void)unlink(path);
	}
	tap_ok(n == SOCKETS, "all of them are hidden: %zu", n);
	(void)rmdir(in);
}

int main(void)
{
	static const char profile[] = "[files]\nwrite = . ./.env.example\n"
				      "hide = .env secrets *.env ./**/keys/*.key ./all/**\n"
				      "protect = ./.git/config ./.git/hooks\n";
	struct policy_request request;
	struct run_plan run = { .is_run_verb = true };
	struct policy *policy;
	struct err err;

	if (!fixture_make())
		return 1;
	clear();
	puts_at("profiles/default.ini", profile);
	furnish();
	request = request_of(NULL);
	policy = load(request, &err);
	run.policy = policy;
	run.project = request.project;
	run.cwd = request.project;
	run.home = request.home;
	run.state_dir = "/nonexistent";
	if (policy != NULL && plan_init(&plan, &err) == 0 && plan_mounts(&run, &plan, &err) == 0)
		test_project();
	else
		tap_ok(false, "a plan: %s", err.text);
	test_sockets(&run);
	plan_done(&plan);
	policy_free(policy);
	remove_all();
	fixture_remove();
	return tap_done();
}
