/*
 * Proves: the table of directories knows where each is after renames, forgets what is gone, never
 * takes one for another when numbers come again, and without watches to have compares times that
 * nobody can set back. A hidden file is known by its birth, not by a number that is used again.
 */
#include "helper/watch.h"

#include "base/cleanup.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static const char *at(const char *path)
{
	static char full[4][256];
	static unsigned next;
	char *out = full[next++ % 4];

	(void)snprintf(out, sizeof(full[0]), "%s/%s", dir, path);
	return out;
}

static int add(struct watch *w, const char *path, int parent, const char *name)
{
	AUTO_CLOSE int fd = open(at(path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : watch_dir(w, fd, parent, name);
}

/* "lost" where it is not in the project any more. */
static const char *path_of(const struct watch *w, int node)
{
	static char text[256];
	AUTO_BUF struct buf path = { 0 };

	if (node < 0 || !watch_path(w, node, &path))
		return "lost";
	(void)snprintf(text, sizeof(text), "%s", path.data != NULL ? path.data : "");
	return text;
}

static void test_paths(struct watch *w)
{
	int root = add(w, "p", -1, ""), a = add(w, "p/a", root, "a"), b = add(w, "p/a/b", a, "b");

	tap_is(path_of(w, root), "", "the project has no name in itself");
	tap_is(path_of(w, b), "a/b", "a directory's path");
	(void)rename(at("p/a"), at("p/z"));
	watch_lose(w, root, "a");
	tap_is(path_of(w, b), "lost", "moved away, with what is in it");
	tap_ok(add(w, "p/z", root, "z") == a, "the same directory has the same number");
	tap_is(path_of(w, b), "z/b", "and another path, with what is in it");
	watch_drop(w, a);
	tap_is(path_of(w, b), "lost", "what was in one that is gone is lost");
	(void)mkdir(at("p/new"), 0755);
	tap_ok(add(w, "p/new", root, "new") == a, "a number is used again");
	tap_is(path_of(w, b), "lost", "and is no parent of what the one before had");
}

static void test_many(struct watch *w)
{
	int root = add(w, "p", -1, "");
	size_t before = watch_count(w);
	bool right = true;

	for (int i = 0; i < 1000; i++) {
		char name[32], path[64];

		(void)snprintf(name, sizeof(name), "d%d", i);
		(void)snprintf(path, sizeof(path), "p/d%d", i);
		(void)mkdir(at(path), 0755);
		right = right && strcmp(path_of(w, add(w, path, root, name)), name) == 0;
	}
	tap_ok(right && watch_count(w) == before + 1000, "a thousand directories");
	for (int i = 0; i < 1000; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "p/d%d", i);
		(void)rmdir(at(path));
	}
	/* The last one is still somebody's working directory. */
	tap_ok(chdir("/") == 0, "leave");
	for (;;) {
		_Alignas(struct inotify_event) char events[65536];
		ssize_t n = read(watch_inotify(w), events, sizeof(events));

		if (n <= 0)
			break;
		for (ssize_t k = 0; k < n;) {
			const struct inotify_event *e = (const void *)(events + k);

			if ((e->mask & IN_IGNORED) != 0)
				watch_gone(w, e->wd);
			k += (ssize_t)(sizeof(*e) + e->len);
		}
	}
	tap_ok(watch_count(w) == before, "and none of them once they are gone (%zu, %zu before)", watch_count(w), before);
}

static void test_hidden(struct watch *w)
{
	struct watch_inode inode, again;
	int fd = open(at("p/.env"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	(void)close(fd);
	(void)watch_hide(w, AT_FDCWD, at("p/.env"));
	tap_ok(link(at("p/.env"), at("p/other")) == 0, "a hard link");
	tap_ok(watch_stat(AT_FDCWD, at("p/other"), &inode, NULL) && watch_is_hidden(w, &inode),
		"another name of a hidden file");
	tap_ok(watch_may_be_hidden(w, inode.ino) && !watch_may_be_hidden(w, inode.ino + 1),
		"by the number alone it may be one");
	again = inode;
	again.born_ns ^= 1;
	tap_ok(!watch_is_hidden(w, &again), "one with the same number and another birth is not");
	for (unsigned i = 0; i < 3000; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "p/f%u", i);
		(void)close(open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
		(void)watch_hide(w, AT_FDCWD, at(name));
	}
	tap_ok(watch_is_hidden(w, &inode), "it is still known after three thousand others");
}

static void test_idle(struct watch *w)
{
	char events[4096];

	while (read(watch_inotify(w), events, sizeof(events)) > 0)
		continue;
	tap_ok(watch_is_idle(w), "idle: nothing is queued");
	(void)mkdir(at("p/event"), 0755);
	tap_ok(!watch_is_idle(w), "not idle: an event is queued");
	watch_begin_work(w);
	while (read(watch_inotify(w), events, sizeof(events)) > 0)
		continue;
	tap_ok(!watch_is_idle(w), "not idle: it is read and not dealt with");
	watch_end_work(w);
	tap_ok(watch_is_idle(w), "idle again");
}

static bool is_stale(const struct watch *w, int node, const char *path)
{
	struct stat st;

	return stat(at(path), &st) == 0 && watch_is_stale(w, node, &st);
}

/* Beyond the budget: root is the parent of all, `node` has no watch. */
static void test_unwatched(struct watch *w, int root)
{
	struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } }, wait = { 0, 50000000 };
	struct stat st;
	size_t turn = 0;
	int node;

	(void)mkdir(at("p/far"), 0755);
	(void)nanosleep(&wait, NULL);
	(void)utimensat(AT_FDCWD, at("p/far"), old, 0);
	(void)nanosleep(&wait, NULL);
	node = add(w, "p/far", root, "far");
	tap_ok(watch_unwatched(w) == 1 && watch_next_unwatched(w, &turn) == node &&
			watch_next_unwatched(w, &turn) < 0,
		"a directory that no watch was left for");
	tap_is(path_of(w, node), "far", "has a path all the same");
	tap_ok(!watch_is_idle(w), "and nothing is idle: it has to be compared");
	tap_ok(!is_stale(w, node, "p/far"), "unchanged");
	(void)close(open(at("p/far/.env"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)utimensat(AT_FDCWD, at("p/far"), old, 0);
	tap_ok(stat(at("p/far"), &st) == 0 && st.st_mtim.tv_sec == 1000 && is_stale(w, node, "p/far"),
		"a name in it shows, also when its time is set back");
	tap_ok(add(w, "p/far", root, "far") == node, "the same place has the same number");
}

/* A user namespace has limits of its own (namespaces(7), /proc/sys/user). */
static void test_budget(void)
{
	struct err err;
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		int fd, root;
		struct watch *w;

		if (unshare(CLONE_NEWUSER) < 0 ||
			(fd = open("/proc/sys/user/max_inotify_watches", O_WRONLY | O_CLOEXEC)) < 0 ||
			write(fd, "1", 1) != 1) {
			tap_ok(true, "# SKIP no user namespace");
			_exit(tap_count);
		}
		w = watch_new(&err);
		root = add(w, "p", -1, "");
		test_unwatched(w, root);
		watch_free(w);
		_exit(tap_failed > 0 ? 255 : tap_count);
	}
	(void)waitpid(pid, &status, 0);
	if (WEXITSTATUS(status) == 255)
		tap_failed++;
	else
		tap_count = WEXITSTATUS(status);
}

int main(void)
{
	struct err err;
	struct watch *w;

	(void)snprintf(dir, sizeof(dir), "/tmp/agentjail-watch.XXXXXX");
	if (mkdtemp(dir) == NULL || mkdir(at("p"), 0755) < 0 || mkdir(at("p/a"), 0755) < 0 ||
		mkdir(at("p/a/b"), 0755) < 0 || (w = watch_new(&err)) == NULL)
		return 1;
	test_paths(w);
	test_many(w);
	test_hidden(w);
	test_idle(w);
	watch_free(w);
	test_budget();
	if (chdir("/") == 0 && fork() == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(1);
	}
	(void)wait(NULL);
	return tap_done();
}
