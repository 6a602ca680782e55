/*
 * Proves, in a mount namespace of its own: a rename onto a held file becomes its copy and leaves the
 * host's file alone, however the two paths are spelt; all others go on; what is no file, or waits for
 * nothing any more, changes nothing; what appears under a held name is taken off the host, and what is
 * harmless of a repository's configuration is not.
 */
#include "helper/hold.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "policy_fixture.h"

#include <errno.h>
#include <sched.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/wait.h>

static struct run_plan run_plan = { .is_run_verb = true };
static struct mask_view view = MASK_VIEW_NONE;
static struct holds holds = HOLDS_NONE;
static int proc = -1, plain = -1;
static bool is_waiting = true;

static bool is_valid(void *arg)
{
	(void)arg;
	return is_waiting;
}

static const char *in_project(const char *path)
{
	static char full[4][512];
	static unsigned next;
	char *out = full[next++ % 4];

	(void)snprintf(out, sizeof(full[0]), "%s/project/%s", dir, path);
	return out;
}

static void write_at(int where, const char *path, const char *text)
{
	int fd = openat(where, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		tap_ok(false, "write %s", path);
	(void)close(fd);
}

static void make(const char *path, const char *text)
{
	char full[512];

	(void)snprintf(full, sizeof(full), "%s", in_project(path));
	for (char *s = full + strlen(dir) + 9; (s = strchr(s, '/')) != NULL; *s++ = '/') {
		*s = '\0';
		(void)mkdir(full, 0755);
	}
	write_at(AT_FDCWD, full, text);
}

static const char *read_at(int where, const char *path)
{
	static char text[4][1024];
	static unsigned next;
	char *out = text[next++ % 4];
	int fd = openat(where, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, sizeof(text[0]) - 1);

	if (fd < 0)
		return NULL;
	(void)close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return out;
}

/* As commands see it, and as the host has it. */
static const char *seen(const char *path)
{
	return read_at(AT_FDCWD, in_project(path));
}

static const char *on_host(const char *path)
{
	return read_at(plain, path);
}

/* ---- calls ---- */

static int rename_dirs(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	static struct hold_rename r;
	int result = 1;

	/* The one under test goes about. */
	if (chdir(at("project")) < 0)
		return -errno;
	r.from.dir = r.to.dir = -1;
	r.flags = flags;
	r.is_valid = is_valid;
	if (call_read(&r.to, getpid(), to_dir, (uint64_t)(size_t)to) &&
		call_read(&r.from, getpid(), from_dir, (uint64_t)(size_t)from))
		result = hold_rename(&holds, &r);
	cleanup_close(&r.from.dir);
	cleanup_close(&r.to.dir);
	return result;
}

static int rename_to(const char *from, const char *to)
{
	return rename_dirs(AT_FDCWD, from, AT_FDCWD, to, 0);
}

static int removed(const char *path)
{
	struct call c = { .dir = -1 };
	int r = 1;

	if (chdir(at("project")) == 0 && call_read(&c, getpid(), AT_FDCWD, (uint64_t)(size_t)path))
		r = hold_remove(&holds, &c);
	cleanup_close(&c.dir);
	return r;
}

static bool begin(const struct policy *policy, struct mount_plan *mounts)
{
	static struct helper_request request;
	struct hold_setup setup = { .inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), .view = &view };
	AUTO_HELDSTORE struct heldstore store = HELDSTORE_NONE;
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	struct err err = { 0 };

	run_plan.policy = policy;
	run_plan.project = policy_project(policy);
	request = (struct helper_request){ .plan = &run_plan, .mounts = mounts };
	if (heldstore_open(at("state"), run_plan.project, true, &store, &err) < 0 ||
		heldstore_make(&store, ".git/config", &e, &err) < 0 ||
		heldstore_write(&e, HELDSTORE_BASE, "[core]\n", 7, &err) < 0 ||
		heldstore_write(&e, HELDSTORE_COPY, "[core]\n", 7, &err) < 0)
		return tap_ok(false, "store: %s", err.text);
	view.root = open("/", O_PATH | O_CLOEXEC);
	view.project = open(at("project"), O_PATH | O_CLOEXEC);
	view.project_path = run_plan.project;
	proc = open("/proc", O_PATH | O_CLOEXEC);
	plain = sys_open_tree(view.project, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
	setup.proc = proc;
	setup.plain = plain;
	setup.store = take_fd(&store.dir);
	setup.request = &request;
	hold_begin(&holds, &setup);
	return holds.n == 1 && holds.holds_git && plain >= 0 &&
		hold_mount_copy(&holds, &holds.list[0], AT_FDCWD, in_project(".git/config"), false) == 0;
}

/* ---- a held file ---- */

static void test_spellings(void)
{
	int git = open(in_project(".git"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char path[512];

	make("new", "1");
	tap_ok(rename_to(in_project("new"), in_project(".git/config")) == 0, "absolute paths");
	tap_is(seen(".git/config"), "1", "commands see the new content");
	tap_is(on_host(".git/config"), "[core]\n", "the host does not");
	tap_ok(access(in_project("new"), F_OK) < 0, "the source is gone");
	make(".git/l", "2");
	tap_ok(rename_dirs(git, "l", git, "config", 0) == 0 && strcmp(seen(".git/config"), "2") == 0,
		"by descriptors of directories");
	make("a/b/n", "3");
	(void)snprintf(path, sizeof(path), "%s", in_project("a/b/../../.git/./config"));
	tap_ok(rename_to(in_project("a/b/n"), path) == 0 && strcmp(seen(".git/config"), "3") == 0,
		"with dots");
	if (symlink(".git", in_project("link")) < 0)
		tap_ok(false, "symlink");
	make("n", "4");
	tap_ok(rename_to(in_project("n"), in_project("link/config")) == 0 &&
			strcmp(seen(".git/config"), "4") == 0,
		"through a link");
	make("n", "5");
	tap_ok(rename_to("n", ".git//config") == 0 && strcmp(seen(".git/config"), "5") == 0,
		"relative to the working directory");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d/config", git);
	make("n", "6");
	tap_ok(rename_to("n", path) == 1 && strcmp(seen(".git/config"), "5") == 0,
		"through a magic link it goes on");
	tap_ok(rename(in_project("n"), in_project(".git/config")) < 0 && errno == EBUSY, "and for the kernel it is EBUSY");
	tap_is(on_host(".git/config"), "[core]\n", "after all of them the host's file is as it was");
	(void)close(git);
}

static void test_refused(void)
{
	make("n", "7");
	tap_ok(rename_dirs(AT_FDCWD, "n", AT_FDCWD, ".git/config", 1) == -EEXIST, "without replacing");
	tap_ok(rename_dirs(AT_FDCWD, "n", AT_FDCWD, ".git/config", 2) == -EBUSY, "exchange");
	tap_ok(rename_to("missing", ".git/config") == -ENOENT, "no source");
	tap_ok(rename_to("a", ".git/config") == -ENOTDIR, "a directory");
	tap_ok(rename_to("link", ".git/config") == -EBUSY, "a link");
	(void)mkfifo(in_project("fifo"), 0600);
	tap_ok(rename_to("fifo", ".git/config") == -EBUSY, "a FIFO, without waiting for it");
	is_waiting = false;
	tap_ok(rename_to("n", ".git/config") == -EINTR && access(in_project("n"), F_OK) == 0,
		"a caller that is gone: nothing is changed");
	is_waiting = true;
	tap_ok(rename_to("n", "other") == 1 && rename_to("n", "config") == 1 && rename_to("n", "..") == 1 &&
			rename_to("n", "") == 1 && rename_to("n", "/etc/config") == 1,
		"other names go on");
	tap_ok(call_read(&(struct call){ .dir = -1 }, getpid(), AT_FDCWD, 1) == false &&
			rename_dirs(9999, "n", 9999, "config", 0) == 1,
		"no memory, no directory");
	tap_ok(removed(".git/config") == 1 && unlink(in_project(".git/config")) < 0 && errno == EBUSY,
		"the repository's own configuration is not deleted");
	tap_is(seen(".git/config"), "5", "and commands see what they had");
}

/* Another process, whose namespace has no mounts of ours, as the host. */
static void replaced_by_host(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(1);
		(void)umount2(in_project(".git/config"), MNT_DETACH | UMOUNT_NOFOLLOW);
		make(".git/config.lock", "[host]\n");
		_exit(rename(in_project(".git/config.lock"), in_project(".git/config")) < 0);
	}
	(void)waitpid(pid, NULL, 0);
}

static void test_host(void)
{
	replaced_by_host();
	tap_is(seen(".git/config"), "[host]\n", "control: the host's rename takes the mount off");
	tap_ok(hold_look(&holds, ".git/config", HOLD_MOVED) == 0 && strcmp(seen(".git/config"), "5") == 0,
		"it is put on again");
	tap_is(on_host(".git/config"), "[host]\n", "and the host has its own");
}

/* ---- what appears ---- */

static void test_late(void)
{
	static const char mixed[] = "[core]\n\tbare = false\n\tfsmonitor = ./evil\n";
	int fd;

	make(".editor/tasks", "1");
	tap_is(on_host(".editor/tasks"), "1", "control: a new file is on the host");
	fd = open(in_project(".editor/tasks"), O_WRONLY | O_APPEND | O_CLOEXEC);
	tap_ok(hold_look(&holds, ".editor/tasks", HOLD_CREATED) == 0, "a name of the policy");
	tap_is(on_host(".editor/tasks"), "", "is empty on the host");
	tap_ok(write(fd, "2", 1) == 1 && strcmp(seen(".editor/tasks"), "12") == 0 &&
			strcmp(on_host(".editor/tasks"), "") == 0,
		"who has it open goes on writing, and not on the host");
	(void)close(fd);
	make(".editor/new", "3");
	(void)hold_look(&holds, ".editor/new", HOLD_CREATED);
	tap_ok(rename_to(in_project(".editor/new"), in_project(".editor/tasks")) == 0 &&
			strcmp(seen(".editor/tasks"), "3") == 0 && on_host(".editor/new") == NULL,
		"an editor's way to save");
	tap_ok(removed(in_project(".editor/tasks")) == 0 && seen(".editor/tasks") == NULL &&
			on_host(".editor/tasks") == NULL,
		"a file that commands made is deleted");
	make("sub/c", mixed);
	(void)mkdir(in_project("sub/.git"), 0755);
	tap_ok(rename_to(in_project("sub/c"), in_project("sub/.git/config")) == 0 &&
			strcmp(seen("sub/.git/config"), mixed) == 0,
		"a new repository's configuration");
	tap_ok(strstr(on_host("sub/.git/config"), "bare = false") != NULL &&
			strstr(on_host("sub/.git/config"), "evil") == NULL,
		"the host has what is harmless");
	tap_ok(holds.hostile == NULL, "nothing of it is more than anybody does");
}

static void test_shapes(void)
{
	make("bare/config", "[core]\n\tfsmonitor = ./evil\n");
	tap_ok(hold_look(&holds, "bare/config", HOLD_CREATED) == 0 && strstr(on_host("bare/config"), "evil"),
		"a file of that name is none of ours");
	make("bare/HEAD", "ref: refs/heads/main\n");
	make("bare/objects/x", "");
	make("bare/refs/x", "");
	tap_ok(hold_look(&holds, "bare/refs", HOLD_CREATED) == 0 && !strstr(on_host("bare/config"), "evil") &&
			strstr(seen("bare/config"), "evil") != NULL,
		"until its directory has the shape of a repository");
	make("bare/hooks/x.sample", "1");
	make("bare/hooks/pre-commit", "2");
	tap_ok(hold_look(&holds, "bare/hooks/x.sample", HOLD_CREATED) == 0 &&
			hold_look(&holds, "bare/hooks/pre-commit", HOLD_CREATED) == 0 &&
			strcmp(on_host("bare/hooks/x.sample"), "1") == 0 &&
			strcmp(on_host("bare/hooks/pre-commit"), "") == 0,
		"its hooks, but no samples");
	if (symlink("../a", in_project("bare/config.worktree")) < 0)
		tap_ok(false, "symlink");
	tap_ok(hold_look(&holds, "bare/config.worktree", HOLD_CREATED) == 0 &&
			readlinkat(plain, "bare/config.worktree", (char[8]){ 0 }, 8) < 0,
		"a link in place of one is taken away");
	make(".git/HEAD", "ref: refs/heads/main\n");
	holds.hostile = NULL;
	make("n", "../evil");
	tap_ok(rename_to(in_project("n"), in_project(".git/commondir")) == -EPERM, "a commondir by rename");
	make(".git/commondir", "../evil");
	tap_ok(hold_look(&holds, ".git/commondir", HOLD_CREATED) == 0 && on_host(".git/commondir") == NULL &&
			holds.hostile != NULL,
		"a commondir ends the cell");
	holds.hostile = NULL;
	make(".git/worktrees/w/HEAD", "");
	make(".git/worktrees/w/commondir", "../..\n");
	tap_ok(hold_look(&holds, ".git/worktrees/w/commondir", HOLD_CREATED) == 0 && holds.hostile == NULL &&
			strcmp(on_host(".git/worktrees/w/commondir"), "../..\n") == 0,
		"but for that of a worktree");
	make(".git/worktrees/w/commondir", "../../../evil\n");
	tap_ok(hold_guard_event(&holds, hold_by_path(&holds, ".git/worktrees/w/commondir")->guard) &&
			holds.hostile != NULL && on_host(".git/worktrees/w/commondir") == NULL,
		"which says where git puts it and nothing else");
}

static void test_again(void)
{
	unsigned n;

	holds.hostile = NULL;
	for (n = 0; n < 100 && holds.hostile == NULL; n++) {
		make(".editor/again", "x");
		(void)hold_look(&holds, ".editor/again", HOLD_CREATED);
		(void)removed(in_project(".editor/again"));
	}
	tap_ok(n > 4 && n < 20, "one name again and again: the cell ends after %u times", n);
}

/* ---- around it ---- */

static bool enter(void)
{
	static const char *const files[] = { "/proc/self/setgroups", "/proc/self/uid_map",
		"/proc/self/gid_map" };
	char text[3][64] = { "deny" };

	(void)snprintf(text[1], sizeof(text[1]), "%u %u 1", geteuid(), geteuid());
	(void)snprintf(text[2], sizeof(text[2]), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int fd = open(files[i], O_WRONLY | O_CLOEXEC);

		if (fd < 0 || write(fd, text[i], strlen(text[i])) < 0)
			return false;
		(void)close(fd);
	}
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

static int run(void)
{
	struct mount_entry entry = { .kind = MOUNT_HOLD, .is_in_project = true };
	struct mount_plan mounts = { .entries = &entry, .n = 1 };
	struct policy *policy;

	user("[files]\nhold = ./.git/config ./.editor\n");
	make(".git/config", "[core]\n");
	entry.path = strdup(in_project(".git/config"));
	policy = loaded();
	if (policy == NULL || !enter() || !begin(policy, &mounts)) {
		tap_ok(true, "# SKIP no mount namespace");
		return tap_done();
	}
	test_spellings();
	test_refused();
	test_host();
	test_late();
	test_shapes();
	test_again();
	hold_done(&holds);
	free(entry.path);
	policy_free(policy);
	return tap_done();
}

/* From outside of the namespace all can be taken away again. */
int main(void)
{
	int status = 1;
	pid_t pid;

	(void)snprintf(dir, sizeof(dir), "/tmp/agentjail-hold.XXXXXX");
	if (mkdtemp(dir) == NULL || mkdir(at("project"), 0755) < 0 || mkdir(at("profiles"), 0755) < 0 ||
		mkdir(at("config"), 0755) < 0 || mkdir(at("home"), 0755) < 0)
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
