/*
 * A difference says what differs and no more: for several hundred pairs of texts patch(1) makes the new
 * text from the old one and ours; hunks have three lines around; what is too large for a table is bounded
 * and still right; a terminal gets nothing that it obeys. And the risks of held files by their names.
 */
#include "cli/linediff.h"

#include "base/cleanup.h"
#include "policy/heldrisk.h"
#include "tap.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static void diff(const char *old, const char *new, struct buf *out)
{
	struct linediff_text a = { old, strlen(old) }, b = { new, strlen(new) };

	buf_adds(out, "");
	linediff_add(&a, &b, out);
}

static void test_written(void)
{
	static const struct {
		const char *what, *old, *new, *want;
	} cases[] = {
		{ "the same", "a\nb\n", "a\nb\n", "" },
		{ "nothing and nothing", "", "", "" },
		{ "all new", "", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n" },
		{ "all gone", "a\n", "", "@@ -1,1 +0,0 @@\n-a\n" },
		{ "one line", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nx\n6\n7\n8\n9\n",
			"@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n" },
		{ "two near ones are one hunk", "a\n1\n2\n3\n4\n5\n6\nb\n", "A\n1\n2\n3\n4\n5\n6\nB\n",
			"@@ -1,8 +1,8 @@\n-a\n+A\n 1\n 2\n 3\n 4\n 5\n 6\n-b\n+B\n" },
		{ "two far ones are two", "a\n1\n2\n3\n4\n5\n6\n7\nb\n", "A\n1\n2\n3\n4\n5\n6\n7\nB\n",
			"@@ -1,4 +1,4 @@\n-a\n+A\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-b\n+B\n" },
		{ "a line end that went", "a\n", "a",
			"@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file\n" },
		{ "what a terminal obeys", "", "\x1b[2J\r\x7f\xc2\x9b\\x\\y\t.\n",
			"@@ -0,0 +1,1 @@\n+\\x1b[2J\\x0d\\x7f\\xc2\\x9b\\\\x\\y\t.\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF struct buf out = { 0 };

		diff(cases[i].old, cases[i].new, &out);
		tap_is(out.data, cases[i].want, cases[i].what);
	}
}

static uint32_t state = 1;

static unsigned chance(unsigned n)
{
	state = state * 1664525u + 1013904223u;
	return (state >> 16) % n;
}

/* Few different lines: there is much in common. */
static void make_text(struct buf *out)
{
	buf_adds(out, "");
	for (unsigned n = chance(25); n > 0; n--)
		buf_addf(out, "line %u\n", chance(6));
	if (chance(4) == 0)
		buf_adds(out, "no end");
}

static void write_file(const char *name, const struct buf *text)
{
	AUTO_FREE char *path = NULL;
	AUTO_CLOSE int fd = -1;

	if (asprintf(&path, "%s/%s", folder, name) > 0)
		fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write_all(fd, text->data, text->len) < 0)
		tap_ok(false, "write %s", name);
}

static int run(const char *const *argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

		if (chdir(folder) == 0 && dup2(nothing, STDOUT_FILENO) >= 0)
			(void)execvp(argv[0], (char *const *)(size_t)argv);
		_exit(127);
	}
	(void)waitpid(pid, &status, 0);
	return status;
}

static bool is_patched(const struct buf *old, const struct buf *new)
{
	static const char *const patch[] = { "patch", "-s", "--posix", "-i", "diff", "-o", "got", "old",
		NULL };
	static const char *const compare[] = { "cmp", "-s", "got", "new", NULL };
	AUTO_BUF struct buf out = { 0 };

	buf_adds(&out, "--- old\n+++ new\n");
	linediff_add(&(struct linediff_text){ old->data, old->len },
		&(struct linediff_text){ new->data, new->len }, &out);
	write_file("old", old);
	write_file("new", new);
	write_file("diff", &out);
	return run(patch) == 0 && run(compare) == 0;
}

static void test_chance(void)
{
	unsigned n = 0, wrong = 0;

	if (run((const char *const[]){ "patch", "--version", NULL }) != 0) {
		tap_ok(true, "random texts # SKIP no patch(1)");
		return;
	}
	while (n < 200) {
		AUTO_BUF struct buf old = { 0 }, new = { 0 };

		make_text(&old);
		make_text(&new);
		if (old.len == new.len && memcmp(old.data, new.data, old.len) == 0)
			continue;
		n++;
		if (!is_patched(&old, &new) && wrong++ == 0)
			printf("# old:\n%s\n# new:\n%s\n", old.data, new.data);
	}
	tap_ok(wrong == 0, "patch makes one text from the other: %u of %u", n - wrong, n);
}

/* A megabyte of lines that all differ, and of empty ones. */
static void test_large(void)
{
	AUTO_BUF struct buf old = { 0 }, new = { 0 }, out = { 0 };
	struct timespec start, end;

	for (unsigned i = 0; old.len < 1 << 20; i++) {
		buf_addf(&old, "%u\n", i);
		buf_addf(&new, "%u\n", i + 1000000);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	linediff_add(&(struct linediff_text){ old.data, old.len },
		&(struct linediff_text){ new.data, new.len }, &out);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	tap_ok(!out.failed && out.len > 2 << 20 && end.tv_sec - start.tv_sec < 5,
		"a megabyte of differences in %ld ms",
		(end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000);
	out.len = old.len = new.len = 0;
	while (old.len < 1 << 20)
		buf_adds(&old, "\n");
	buf_adds(&new, "x");
	linediff_add(&(struct linediff_text){ old.data, old.len },
		&(struct linediff_text){ new.data, new.len }, &out);
	tap_ok(!out.failed && out.len > 2 << 20, "a megabyte of empty lines that go");
}

static void test_risks(void)
{
	static const struct {
		const char *path, *part;
	} cases[] = {
		{ ".git/config", "at every command" },
		{ "sub/.git/config", "at every command" },
		{ ".git/modules/a/b/config", "at every command" },
		{ ".git/hooks/pre-commit", "as a hook" },
		{ ".husky/_/husky.sh", "as a hook" },
		{ ".git/worktrees/x/commondir", "from the place" },
		{ "a/.vscode/tasks.json", "as soon as the folder is opened" },
		{ ".vscode/c_cpp_properties.json", "opens the folder" },
		{ "my.code-workspace", "opens the folder" },
		{ ".envrc", "enters the directory" },
		{ "package.json", "npm install" },
		{ "x/Makefile", "builds" },
		{ ".github/workflows/ci.yml", "with their secrets" },
		{ "CLAUDE.md", "as instructions" },
		{ ".mcp.json", "start the programs" },
		{ "xMakefile", "may run or load it" },
		{ "xpackage.json", "may run or load it" },
		{ "", "may run or load it" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		tap_ok(strstr(heldrisk_of(cases[i].path), cases[i].part) != NULL, "%s: %s",
			cases[i].path, heldrisk_of(cases[i].path));
	tap_ok(heldrisk_is_gitconfig("a/.git/config") && !heldrisk_is_gitconfig(".git/hooks/config"),
		"git's configuration is known by its path");
}

int main(void)
{
	(void)snprintf(folder, sizeof(folder), "/tmp/linediff-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return 1;
	test_written();
	test_chance();
	test_large();
	test_risks();
	(void)run((const char *const[]){ "rm", "-rf", folder, NULL });
	return tap_done();
}
