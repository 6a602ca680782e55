/*
 * Proves, in a mount namespace of its own: what appears in a project is masked, at every depth, by
 * name, path or file, after a storm that the kernel could not remember, and where there are no
 * watches; what no rule is about, new names in packages, and what git has, stay as they are. And how
 * long it takes.
 */
#include "helper/tree.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "policy_fixture.h"
#include "wire/helpmsg.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>

static struct mount_plan no_mounts;
static struct run_plan run_plan = { .is_run_verb = true };
static struct tree tree;
static unsigned told_n;
static char last_told[256];

static void told(void *arg, const char *path, unsigned how)
{
	(void)arg;
	told_n++;
	(void)snprintf(last_told, sizeof(last_told), "%s %u", path, how);
}

static const char *in_project(const char *path)
{
	static char full[4][512];
	static unsigned next;
	char *out = full[next++ % 4];

	(void)snprintf(out, sizeof(full[0]), "%s/project/%s", dir, path);
	return out;
}

/* A file, or a directory where path ends in a slash; parents are made. */
static void make(const char *path)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s", in_project(path));
	for (char *s = full + strlen(dir) + 9; (s = strchr(s, '/')) != NULL; *s++ = '/') {
		*s = '\0';
		(void)mkdir(full, 0755);
	}
	if (full[strlen(full) - 1] != '/')
		(void)close(open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
}

static bool is_masked(const char *path)
{
	struct stat st;

	return lstat(in_project(path), &st) == 0 && st.st_dev == tree.view.masks_dev;
}

static bool is_seen(const char *path)
{
	return !is_masked(path) && access(in_project(path), F_OK) == 0;
}

/* A helper's view without a helper: this process's own mounts. */
static bool begin(const struct policy *policy)
{
	struct err err;
	struct stat st;
	struct statx x;

	run_plan.policy = policy;
	run_plan.project = policy_project(policy);
	tree = (struct tree){ .plan = &run_plan,
		.mounts = &no_mounts,
		.watch = watch_new(&err),
		.told = told };
	tree.view.root = open("/", O_PATH | O_CLOEXEC);
	tree.view.masks = open(at("masks"), O_PATH | O_CLOEXEC);
	tree.view.project = open(at("project"), O_PATH | O_CLOEXEC);
	tree.view.plain = sys_open_tree(tree.view.project, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	if (tree.watch == NULL || fstat(tree.view.masks, &st) < 0 ||
		statx(tree.view.project, "", AT_EMPTY_PATH, STATX_MNT_ID, &x) < 0)
		return false;
	tree.view.masks_dev = st.st_dev;
	tree.view.project_mount = x.stx_mnt_id;
	return namerules_init(&tree.rules, policy, true, &err) == 0 && tree_rescan(&tree) == 0;
}

static void end(void)
{
	watch_free(tree.watch);
	tracked_done(&tree.tracked);
	(void)close(tree.view.plain);
	buf_done(&tree.path);
	buf_done(&tree.full);
}

static void test_names(void)
{
	make("late/.env");
	make("late/.env.example");
	make("late/plain");
	tap_ok(is_seen("late/.env"), "control: before anything is done it is seen");
	tap_ok(tree_drain(&tree) == 0 && is_masked("late/.env"), "a name of a rule in a new directory");
	tap_ok(is_seen("late/.env.example") && is_seen("late/plain"), "others are as they were");
	tap_is(last_told, "late/.env 3", "told once");
	make("a/b/c/d/e/.env");
	tap_ok(tree_drain(&tree) == 0 && is_masked("a/b/c/d/e/.env"), "five directories deep");
	make("deep/keys/prod.key");
	tap_ok(tree_drain(&tree) == 0 && is_masked("deep/keys/prod.key"), "a rule with a path");
	(void)rename(in_project("deep"), in_project("flat"));
	make("flat/other/x.key");
	(void)rename(in_project("flat/other"), in_project("flat/keys2"));
	tap_ok(tree_drain(&tree) == 0 && is_seen("flat/keys2/x.key"), "no rule about that path");
	make("once.txt");
	tap_ok(tree_drain(&tree) == 0 && is_masked("once.txt"), "a path that was not there before");
}

static void test_files(void)
{
	make("h/.env");
	(void)tree_drain(&tree);
	tap_ok(link(in_project("h/.env"), in_project("h/innocent")) < 0,
		"control: here, too, a masked name has no other names to give");
	make("pkg/node_modules/x/.env");
	(void)tree_drain(&tree);
	tap_ok(is_seen("pkg/node_modules/x/.env"), "a new name in a package is left alone");
	make("soft/plain");
	tap_ok(symlink("plain", in_project("soft/.env")) == 0 && tree_drain(&tree) == 0 &&
			is_masked("soft/.env") && is_masked("soft/plain"),
		"what a link of that name leads to");
	tap_ok(symlink("/etc/passwd", in_project("soft/.env.local")) == 0 && tree_drain(&tree) == 0 &&
			access("/etc/passwd", R_OK) == 0,
		"but nothing outside of the project");
}

/* Another process, whose namespace does not have our masks, acts as the host does. */
static void outside(void (*act)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(1);
		(void)umount2(in_project("h2/.env"), MNT_DETACH | UMOUNT_NOFOLLOW);
		act();
		_exit(0);
	}
	(void)waitpid(pid, NULL, 0);
}

static void link_it(void)
{
	if (link(in_project("h2/.env"), in_project("h2/innocent")) < 0)
		_exit(1);
}

static void replace_it(void)
{
	make("h2/new");
	if (rename(in_project("h2/new"), in_project("h2/.env")) < 0)
		_exit(1);
}

static void test_host(void)
{
	make("h2/.env");
	(void)tree_drain(&tree);
	outside(link_it);
	tap_ok(is_seen("h2/innocent"), "control: another name that the host made is seen");
	tap_ok(tree_drain(&tree) == 0 && is_masked("h2/innocent"), "and masked when it is dealt with");
	outside(replace_it);
	tap_ok(is_seen("h2/.env"), "control: the host's rename takes the mask off");
	tap_ok(tree_drain(&tree) == 0 && is_masked("h2/.env"), "and it is put on again");
}

/* ---- a process that stays in the namespace where there are no masks ---- */

static int host_in = -1, host_out = -1;

static void serve(int in, int out)
{
	char script[512];

	if (chdir(at("project")) < 0)
		_exit(1);
	(void)setenv("HOME", dir, 1);
	while (read(in, script, sizeof(script)) == (ssize_t)sizeof(script)) {
		pid_t pid = fork();
		int status = -1;

		if (pid == 0) {
			(void)execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
			_exit(1);
		}
		(void)waitpid(pid, &status, 0);
		(void)write_all(out, &status, sizeof(status));
	}
	_exit(0);
}

static void start_host(void)
{
	int in[2], out[2];

	if (pipe(in) < 0 || pipe(out) < 0)
		exit(1);
	if (fork() == 0) {
		(void)close(in[1]);
		serve(in[0], out[1]);
	}
	(void)close(in[0]);
	host_in = in[1];
	host_out = out[0];
}

static bool run_on_host(const char *script)
{
	char text[512] = "";
	int status = -1;

	(void)snprintf(text, sizeof(text), "%s", script);
	return write_all(host_in, text, sizeof(text)) == 0 &&
		read(host_out, &status, sizeof(status)) == (ssize_t)sizeof(status) && status == 0;
}

static bool host(const char *script)
{
	return run_on_host(script) && tree_drain(&tree) == 0;
}

static void test_git(void)
{
	tap_ok(host("git init -q g; cd g; git config user.email a@example.org; git config user.name n; "
		    "echo A=1 >.env; git add .; git commit -qm 1; echo B=1 >.env.other") &&
			is_seen("g/.env") && is_masked("g/.env.other"),
		"what git has is seen, what it has not is masked");
	tap_ok(host("echo SECRET=x >>g/.env") && is_masked("g/.env"), "written to: masked");
	tap_is(last_told, "g/.env 19", "as one of git's");
	tap_ok(host("echo A=1 >g/.env") && is_seen("g/.env"), "written back: seen");
	tap_is(last_told, "g/.env 35", "and told");
	tap_ok(host("echo SECRET=x >g/new; mv g/new g/.env") && is_masked("g/.env"), "replaced: masked");
	tap_ok(host("git -C g checkout -q .env") && is_seen("g/.env"), "checked out: seen");
	tap_ok(host("mv g g2; echo SECRET=x >>g2/.env") && is_masked("g2/.env"),
		"moved with its directory, then written to");
	tap_ok(host("git -C g2 checkout -q .env; git -C g2 rm -q --cached .env") && is_masked("g2/.env"),
		"not git's any more: masked");
	tap_ok(host("git -C g2 add .env") && is_seen("g2/.env"), "git's again: seen");
}

/* A command may ask often whether it has found out what is hidden, but not without end. */
static void test_guesses(void)
{
	tap_ok(host("cd g2; echo x >.env; git checkout -q .env") && is_seen("g2/.env"), "control: it is seen");
	tap_ok(tree.n_wrong > 0, "wrong ones are counted");
	tree.n_wrong = 1000;
	tap_ok(host("cd g2; echo x >.env; git checkout -q .env") && is_masked("g2/.env"),
		"after a thousand: masked");
	tree.n_wrong = 0;
	tap_ok(host("cd g2; cp .env new; mv new .env") && is_seen("g2/.env"), "control: that was why");
}

static void test_storm(void)
{
	char name[64];

	make("storm/");
	(void)tree_drain(&tree);
	for (int i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "storm/f%d", i);
		(void)close(open(in_project(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	}
	make("storm/sub/.env");
	tap_ok(run_on_host("echo SECRET=x >>g2/.env") && is_seen("g2/.env"), "control: it is not dealt with");
	tap_ok(tree_drain(&tree) == 0 && tree.n_rescans == 1, "a storm that the kernel forgot");
	tap_ok(is_masked("storm/sub/.env"), "and what came last in it is masked");
	tap_ok(is_masked("g2/.env"), "and a file of git's that was written to");
}

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(void)
{
	enum { N = 400 };
	static double us[N];

	for (int i = 0; i < N; i++) {
		char name[64];
		struct timespec a, b;

		(void)snprintf(name, sizeof(name), "late/.env.%d", i);
		make(name);
		(void)clock_gettime(CLOCK_MONOTONIC, &a);
		(void)tree_drain(&tree);
		(void)clock_gettime(CLOCK_MONOTONIC, &b);
		us[i] = (double)(b.tv_sec - a.tv_sec) * 1e6 + (double)(b.tv_nsec - a.tv_nsec) / 1e3;
	}
	qsort(us, N, sizeof(us[0]), compare);
	printf("# one name, from its event to its mask: median %.0f us, p99 %.0f, max %.0f\n", us[N / 2],
		us[N * 99 / 100], us[N - 1]);
	tap_ok(us[N / 2] < 5000, "a mask takes less than 5 ms");
}

static bool enter(void)
{
	char text[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	(void)snprintf(text, sizeof(text), "%u %u 1", uid, uid);
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "deny", 4) < 0)
		return false;
	(void)close(fd);
	fd = open("/proc/self/uid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return false;
	(void)close(fd);
	(void)snprintf(text, sizeof(text), "%u %u 1", gid, gid);
	fd = open("/proc/self/gid_map", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return false;
	(void)close(fd);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("tmpfs", at("masks"), "tmpfs", 0, "mode=755") < 0)
		return false;
	return symlink("/proc/0/hidden", at("masks/file")) == 0 && mkdir(at("masks/dir"), 0555) == 0 &&
		mkdir(at("masks/closed"), 0) == 0 && mknod(at("masks/refused"), S_IFREG, 0) == 0;
}

/* Last, for no watch can be had any more: compared by times. */
static void test_compare(const struct policy *policy)
{
	struct timespec wait = { 0, 50000000 };
	int fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC);

	make("far/a/b/");
	make("far/c/");
	if (fd < 0 || write(fd, "3", 1) != 1 || !begin(policy)) {
		tap_ok(true, "# SKIP limits of a user namespace");
		return;
	}
	(void)close(fd);
	(void)nanosleep(&wait, NULL);
	(void)tree_compare(&tree);
	tap_ok(watch_count(tree.watch) <= 3 && watch_unwatched(tree.watch) > 5, "few watches, %zu without",
		watch_unwatched(tree.watch));
	make("far/a/b/.env");
	make("far/c/new/deep/.env");
	(void)tree_drain(&tree);
	tap_ok(is_seen("far/a/b/.env"), "control: no event tells of it");
	tap_ok(tree_compare(&tree) == 0 && is_masked("far/a/b/.env") &&
			is_masked("far/c/new/deep/.env"),
		"before a command it is found by the time of its directory");
	end();
}

static int run(void)
{
	struct policy *policy;

	start_host();
	user("[files]\nhide = .env .env.* ./**/keys/*.key ./once.txt\nread = .env.example\n");
	policy = loaded();
	if (policy == NULL || !enter() || !begin(policy)) {
		tap_ok(true, "# SKIP no mount namespace");
		return tap_done();
	}
	test_names();
	test_files();
	test_host();
	test_git();
	test_guesses();
	test_storm();
	measure();
	end();
	test_compare(policy);
	policy_free(policy);
	return tap_done();
}

/* From outside of the namespace all can be taken away again. */
int main(void)
{
	int status = 1;
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "/tmp/agentjail-tree.XXXXXX");
	if (mkdtemp(dir) == NULL || mkdir(at("project"), 0755) < 0 || mkdir(at("masks"), 0755) < 0 ||
		mkdir(at("profiles"), 0755) < 0 || mkdir(at("config"), 0755) < 0 ||
		mkdir(at("home"), 0755) < 0)
		return 1;
	pid = fork();
	if (pid == 0)
		exit(run());
	(void)waitpid(pid, &status, 0);
	pid = fork();
	if (pid == 0) {
		(void)execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(1);
	}
	(void)waitpid(pid, NULL, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
