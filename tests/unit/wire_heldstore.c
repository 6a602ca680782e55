/*
 * The store of held files: entries are what was written, also where the store's files are hostile: a
 * FIFO, a link, a directory, a huge file in place of the copy, paths that lead out of the project, an
 * entry under another path's name. No such entry is read as content, and none stops a walk.
 */
#include "wire/heldstore.h"

#include "base/cleanup.h"
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROJECT "/home/somebody/project"

static char state[64];

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	(void)!write(fd, text, strlen(text));
	close(fd);
}

/* A file's path in the entry of a held path. */
static const char *in_entry(const char *held, const char *name)
{
	static char path[512];
	char key[CACHEDIR_KEY_BYTES], id[HELDSTORE_ID_BYTES];

	cachedir_key(PROJECT, key);
	heldstore_id(held, id);
	(void)snprintf(path, sizeof(path), "%s/held/%s/%s/%s", state, key, id, name);
	return path;
}

static void test_paths(void)
{
	static const char *const good[] = { "a", ".git/config", "..a/b..", "a/.b/c d", "\x01\xff" };
	static const char *const bad[] = { "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..",
		"a/../b", "./a", "a/." };
	char id[HELDSTORE_ID_BYTES], longest[PATH_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		tap_ok(heldstore_is_path(good[i]), "good path %zu", i);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tap_ok(!heldstore_is_path(bad[i]), "\"%s\" is no path below a project", bad[i]);
	memset(longest, 'a', PATH_MAX);
	longest[PATH_MAX] = '\0';
	tap_ok(!heldstore_is_path(longest), "one of PATH_MAX bytes is none");
	heldstore_id(".git/config", id);
	tap_is(id, "24d5d24b83021e1b2d03e9db75e2b021", "the entry's name");
}

static void test_entry(struct heldstore *s)
{
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 }, again = { .dir = -1 };
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };
	mode_t mode = 0;

	tap_ok(heldstore_find(s, "a/b", &e, &err) == -ENOENT, "no entry yet");
	tap_ok(heldstore_make(s, "a/b", &e, &err) == 0, "an entry is made");
	tap_ok(!heldstore_differs(&e), "one that is being made does not wait");
	tap_ok(heldstore_read(&e, HELDSTORE_BASE, &text, &err) == 0, "no base");
	tap_ok(heldstore_write(&e, HELDSTORE_COPY, "", 0, &err) == 0 && heldstore_differs(&e),
		"an empty copy where the host has no file waits");
	tap_ok(heldstore_write(&e, HELDSTORE_BASE, "one\n", 4, &err) == 0 &&
			heldstore_write(&e, HELDSTORE_COPY, "one\n", 4, &err) == 0 &&
			!heldstore_differs(&e),
		"a copy that is its base does not wait");
	tap_ok(heldstore_write(&e, HELDSTORE_COPY, "two\n", 4, &err) == 0 && heldstore_differs(&e),
		"one of the same size does when it differs");
	tap_ok(heldstore_find(s, "a/b", &again, &err) == 0, "found again");
	tap_is(again.path, "a/b", "with its path");
	tap_ok(heldstore_read(&again, HELDSTORE_COPY, &text, &err) == 1, "and its copy");
	tap_is(text.data, "two\n", "which is what was written");
	tap_ok(!heldstore_mode(&e, &mode), "no mode yet");
	tap_ok(heldstore_set_mode(&e, S_IFREG | 04755, &err) == 0 && heldstore_mode(&e, &mode) &&
			mode == 0755,
		"a mode without set-id bits");
	write_file(in_entry("a/b", "mode"), "4777");
	tap_ok(heldstore_mode(&e, &mode) && mode == 0777, "also where the store has them");
	write_file(in_entry("a/b", "mode"), "0x1ff");
	tap_ok(!heldstore_mode(&e, &mode), "no number, no mode");
	tap_ok(!heldstore_is_gone(&e) && heldstore_set_gone(&e, true, &err) == 0 &&
			heldstore_is_gone(&e) && heldstore_differs(&e),
		"removed in the cell");
	tap_ok(heldstore_set_gone(&e, false, &err) == 0 && !heldstore_is_gone(&e), "and back");
	tap_ok(heldstore_write(&e, HELDSTORE_COPY, NULL, 0, &err) == 0 && !heldstore_differs(&e),
		"a copy taken away");
	tap_ok(heldstore_write(&e, HELDSTORE_COPY, "", HELDSTORE_FILE_BYTES + 1, &err) == -EFBIG,
		"no part over the maximum is written");
}

static bool set_copy(const char *held, const char *kind)
{
	const char *path = in_entry(held, "copy");

	if (strcmp(kind, "fifo") == 0)
		return mkfifo(path, 0600) == 0;
	if (strcmp(kind, "link") == 0)
		return symlink("/etc/passwd", path) == 0;
	if (strcmp(kind, "directory") == 0)
		return mkdir(path, 0700) == 0;
	write_file(path, "");
	return truncate(path, (off_t)HELDSTORE_FILE_BYTES + 1) == 0;
}

static void test_hostile_copies(struct heldstore *s)
{
	static const struct {
		const char *kind;
		int error;
	} cases[] = { { "fifo", -EINVAL }, { "link", -ELOOP }, { "directory", -EINVAL },
		{ "huge", -EFBIG } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
		AUTO_BUF struct buf text = { 0 };
		struct err err = { 0 };
		int fd = -1, r;

		(void)heldstore_make(s, cases[i].kind, &e, &err);
		tap_ok(set_copy(cases[i].kind, cases[i].kind), "%s", cases[i].kind);
		r = heldstore_read(&e, HELDSTORE_COPY, &text, &err);
		tap_ok(r == cases[i].error, "a copy that is a %s is refused (%d)", cases[i].kind, r);
		tap_ok(heldstore_differs(&e), "and waits");
		if (strcmp(cases[i].kind, "huge") != 0)
			tap_ok(heldstore_open_copy(&e, O_RDONLY, &fd, &err) < 0, "and is not mounted");
		tap_ok(heldstore_remove(s, cases[i].kind, &err) == 0 &&
				access(in_entry(cases[i].kind, "."), F_OK) < 0,
			"and can be dropped");
	}
}

struct seen {
	char paths[256];
	unsigned bad;
};

static int see(const struct heldstore_entry *e, const char *id, const char *text, void *context)
{
	struct seen *seen = context;
	size_t n = strlen(seen->paths);

	(void)id;
	if (e == NULL)
		seen->bad += text != NULL;
	else
		(void)snprintf(seen->paths + n, sizeof(seen->paths) - n, "%s ", e->path);
	return 0;
}

static void test_walk(struct heldstore *s)
{
	static const char *const paths[] = { "z", "b/c", "b", "moved", "dots" };
	struct seen seen = { 0 };
	struct err err = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };

		(void)heldstore_make(s, paths[i], &e, &err);
	}
	write_file(in_entry("moved", "path"), "b");
	write_file(in_entry("dots", "path"), "../../etc/passwd");
	(void)mkdir(in_entry("no path", ""), 0700);
	(void)mkdir(in_entry("no path", "../not-hexadecimal"), 0700);
	tap_ok(heldstore_walk(s, see, &seen, &err) == 0, "a walk ends");
	tap_is(seen.paths, "a/b b b/c z ", "good entries in the order of their paths");
	tap_ok(seen.bad == 3, "bad ones are said (%u)", seen.bad);
	tap_ok(heldstore_count(state, PROJECT) == 3, "and counted as waiting");
	tap_ok(heldstore_count(state, "/elsewhere") == 0, "another project has none");
}

static void test_lock(struct heldstore *s)
{
	struct err err = { 0 };
	int status = 0;
	pid_t pid;

	tap_ok(heldstore_lock(s, 0, &err) == 0, "locked");
	pid = fork();
	if (pid == 0) {
		AUTO_HELDSTORE struct heldstore other = HELDSTORE_NONE;

		_exit(heldstore_open(state, PROJECT, false, &other, &err) == 0 &&
				heldstore_lock(&other, 20, &err) == -EWOULDBLOCK);
	}
	(void)waitpid(pid, &status, 0);
	tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 1, "once");
	heldstore_unlock(s);
}

static void test_used(struct heldstore *s)
{
	AUTO_HELDSTORE struct heldstore session = HELDSTORE_NONE;
	AUTO_HELDENTRY struct heldstore_entry e = { .dir = -1 };
	struct err err = { 0 };

	tap_ok(!heldstore_is_used(s) && !heldstore_is_used(s), "no session has it");
	tap_ok(heldstore_open(state, PROJECT, false, &session, &err) == 0 &&
			heldstore_use(&session, 0) && heldstore_is_used(s),
		"a session has it");
	tap_ok(heldstore_lock(s, 0, &err) == 0, "which does not keep its entries locked");
	heldstore_unlock(s);
	heldstore_done(&session);
	tap_ok(!heldstore_is_used(s), "and has it no more");
	tap_ok(heldstore_find(s, "z", &e, &err) == 0 && heldstore_remove_id(s, e.id, &err) == 0 &&
			heldstore_remove_id(s, e.id, &err) == 0 &&
			heldstore_remove_id(s, "../../..", &err) == -EINVAL,
		"an entry goes by its name, once, and nothing else does");
}

static void test_foreign(void)
{
	AUTO_HELDSTORE struct heldstore s = HELDSTORE_NONE;
	struct err err = { 0 };
	char folder[128];

	(void)snprintf(folder, sizeof(folder), "%s/held", state);
	(void)chmod(folder, 0722);
	tap_ok(heldstore_open(state, PROJECT, false, &s, &err) == -EPERM,
		"a store that others can write is none");
	(void)chmod(folder, 0700);
}

int main(void)
{
	AUTO_HELDSTORE struct heldstore s = HELDSTORE_NONE;
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };
	char command[128];

	(void)snprintf(state, sizeof(state), "/tmp/heldstore-XXXXXX");
	if (mkdtemp(state) == NULL)
		return 1;
	test_paths();
	tap_ok(heldstore_open(state, PROJECT, false, &s, &err) == -ENOENT, "no store yet");
	if (!tap_ok(heldstore_open(state, PROJECT, true, &s, &err) == 0, "a store is made"))
		return 1;
	tap_ok(heldstore_project(&s, &text) == 0, "it says whose it is");
	tap_is(text.data, PROJECT, "by the project's path");
	test_entry(&s);
	test_hostile_copies(&s);
	test_walk(&s);
	test_lock(&s);
	test_used(&s);
	test_foreign();
	(void)snprintf(command, sizeof(command), "%s", state);
	if (fork() == 0)
		(void)execlp("rm", "rm", "-rf", command, (char *)NULL);
	(void)wait(NULL);
	return tap_done();
}
