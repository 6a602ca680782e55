/*
 * git's configuration is read as git reads it: for written texts and for several hundred that chance
 * made, what `git config --list` says is what the parser says, and what git refuses is refused. Of a
 * copy's changes the harmless ones reach the host's text and no others; the host's other bytes stay.
 */
#include "policy/gitconfig.h"

#include "base/cleanup.h"
#include "tap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What git makes of a text: "key\nvalue\0" or "key\0" for each. False: it refuses. */
static bool ask_git(const char *text, size_t n, struct buf *ret)
{
	int in[2], out[2], status = 0;
	pid_t pid;

	if (pipe(in) < 0 || pipe(out) < 0)
		return false;
	pid = fork();
	if (pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)close(2);
		for (int fd = 3; fd < 20; fd++)
			(void)close(fd);
		(void)execlp("git", "git", "config", "-z", "--list", "--file", "-", (char *)NULL);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)write_all(in[1], text, n);
	(void)close(in[1]);
	buf_adds(ret, "");
	(void)buf_read_fd(ret, out[0], 1 << 20);
	(void)close(out[0]);
	(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void add_list(const struct gitconfig *c, struct buf *out)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct gitconfig_variable *v = &c->variables[i];

		buf_adds(out, v->section);
		if (v->subsection != NULL)
			buf_addf(out, ".%s", v->subsection);
		buf_addf(out, ".%s", v->name);
		if (v->value != NULL)
			buf_addf(out, "\n%s", v->value);
		buf_add(out, "", 1);
	}
}

/* "same", "refused by both", "refused here alone", or what is wrong. */
static const char *compare(const char *text, size_t n)
{
	AUTO_GITCONFIG struct gitconfig c = { 0 };
	AUTO_BUF struct buf theirs = { 0 }, ours = { 0 };
	struct err err = { 0 };
	bool git_takes = ask_git(text, n, &theirs);

	if (gitconfig_parse(text, n, &c, &err) < 0)
		return git_takes ? "refused here alone" : "refused by both";
	if (!git_takes)
		return "git refuses what is taken here";
	add_list(&c, &ours);
	if (ours.len != theirs.len || (ours.len > 0 && memcmp(ours.data, theirs.data, ours.len) != 0))
		return "read differently";
	return "same";
}

static void test_written(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "", "same" },
		{ "# nothing\n; at all", "same" },
		{ "[core]\n\tbare = false\n", "same" },
		{ "[core]bare", "same" },
		{ "[core] bare\n[x]y=z", "same" },
		{ "\xef\xbb\xbf[core]\na=b\n", "same" },
		{ "[CoRe]\r\n\tFsMonitor = \"a b\" # c\r\n", "same" },
		{ "[branch \"a\\\"b\\\\c\\d\"]\nx = 1\n", "same" },
		{ "[branch.Main]\nx = 1\n[branch.Main \"Sub\"]\ny = 2\n", "same" },
		{ "[a  \"b\"] c = d\n", "same" },
		{ "[a]\nb = one \\\n   two \\\n\n", "same" },
		{ "[a]\nb = one\\", "same" },
		{ "[a]\nb = one \\", "same" },
		{ "[a]\nb = \"one # two\" ; three \\\nc = 4\n", "same" },
		{ "[a]\nb = \\t\\n\\b\\\\\\\"\n", "same" },
		{ "[a]\nb = x\"y z\"w\n", "same" },
		{ "[a]\nb = \"\"  c\n", "same" },
		{ "[a]\nb =\nc = \"\"\n d", "same" },
		{ "[a]\n=b\n", "refused by both" },
		{ "[a]\nb c\n", "refused by both" },
		{ "[a]\nb # c\n", "refused by both" },
		{ "[a]\nb = \"c\n", "refused by both" },
		{ "[a]\nb = \\x\n", "refused by both" },
		{ "[a \"b\nc\"]\nd=e\n", "refused by both" },
		{ "[a \"b\" ]\nc=d\n", "refused by both" },
		{ "[a b]\nc=d\n", "refused by both" },
		{ "[a ]\nc=d\n", "refused by both" },
		{ "[a", "refused by both" },
		{ "[a_b]\nc=d\n", "refused by both" },
		{ "[a]\n1b=c\n", "refused by both" },
		{ "[a]\nb_c=d\n", "refused by both" },
		{ "[a]\n\vb=c\n", "refused by both" },
		{ "[a]\nb=c\rd\n", "refused here alone" },
		{ "[]\nb=c\n", "refused by both" },
		{ "b=c\n", "refused here alone" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		tap_is(compare(cases[i].text, strlen(cases[i].text)), cases[i].want, "a written text");
}

static uint32_t chance_state = 20240229;

static const char *chance(const char *const *words, size_t n)
{
	chance_state = chance_state * 1664525u + 1013904223u;
	return words[(chance_state >> 16) % n];
}

/* Most lines are well formed. */
static void add_chance(struct buf *text)
{
	static const char *const starts[] = { "[core]", "[branch \"x\"]\n", "[a.B]\n", "[a.b \"\\c\"] ",
		"[A]\r\n", "name = ", "Na-me=", "x = ", "y = ", "\t z9 =  ", "w", "\n", "# ", "; " };
	static const char *const values[] = { " ", "  ", "\"", "\"\"", "\\\\", "\\\"", "\\\n", "\\n", "#",
		";", "value", "\xc3\xa9", "1", "-", "=", "[", "]", "a b", "\"a b", " \"", "\\\r\n", "\\t",
		"\\x", "\\" };
	const char *start = chance(starts, ARRAY_LEN(starts));

	buf_adds(text, start);
	if (strchr(start, '=') != NULL || start[0] == '#' || start[0] == ';')
		for (unsigned k = chance_state >> 28; k > 10; k--)
			buf_adds(text, chance(values, ARRAY_LEN(values)));
	if (start[0] != '[')
		buf_adds(text, chance_state >> 30 == 0 ? "\r\n" : "\n");
}

static void test_chance(void)
{
	unsigned same = 0, refused = 0;

	for (unsigned i = 0; i < 600; i++) {
		AUTO_BUF struct buf text = { 0 };
		const char *is;

		buf_adds(&text, "[s]\n");
		for (unsigned k = 0; k < 2 + i % 8; k++)
			add_chance(&text);
		/* Half of them end without a line end; a carriage return alone is another matter. */
		is = compare(text.data,
			text.len - (text.data[text.len - 2] == '\r' ? 0 : i % 2));
		same += strcmp(is, "same") == 0;
		refused += strcmp(is, "refused by both") == 0;
		if (strcmp(is, "same") != 0 && strcmp(is, "refused by both") != 0)
			tap_ok(false, "%s: %s", is, text.data);
	}
	tap_ok(same > 200 && refused > 50, "%u random texts read as git does, %u refused as by git", same,
		refused);
}

static void test_bounds(void)
{
	AUTO_GITCONFIG struct gitconfig c = { 0 };
	AUTO_BUF struct buf text = { 0 };
	struct err err = { 0 };

	tap_ok(gitconfig_parse("[a]\nb=c\0d\n", 10, &c, &err) < 0, "a NUL byte is refused");
	buf_adds(&text, "[a]\n");
	while (text.len <= 2 * GITCONFIG_VARIABLES_MAX + 4)
		buf_adds(&text, "b\n");
	tap_ok(gitconfig_parse(text.data, text.len, &c, &err) < 0, "%s", err.text);
	text.len = 0;
	while (text.len <= 3 * GITCONFIG_VARIABLES_MAX)
		buf_adds(&text, "[a]");
	tap_ok(gitconfig_parse(text.data, text.len, &c, &err) < 0, "%s", err.text);
	while (text.len <= GITCONFIG_BYTES_MAX)
		buf_adds(&text, "#\n");
	tap_ok(gitconfig_parse(text.data, text.len, &c, &err) < 0, "%s", err.text);
}

#define HOST "[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://h/x\n"
#define MAIN "[branch \"main\"]\n\tremote = origin\n\tmerge = refs/heads/main\n"

/* One merge: what comes out, how many keys passed and wait. */
static const struct merge_case {
	const char *what, *host, *copy, *want;
	size_t passed, waiting;
	enum gitconfig_origin origin;
} merges[] = {
	{ "nothing changed", HOST, HOST, HOST, 0, 0, GITCONFIG_HOST },
	{ "a branch that follows a known remote", HOST, HOST MAIN, HOST MAIN, 2, 0, GITCONFIG_HOST },
	{ "comments and order do not matter", HOST, "# x\n" HOST "[core]", HOST, 0, 0, GITCONFIG_HOST },
	{ "one that follows an unknown remote", HOST, HOST "[branch \"a\"]\nremote = other\n", HOST, 0, 1,
		GITCONFIG_HOST },
	{ "one that follows an address", HOST, HOST "[branch \"a\"]\nremote = ext::sh -c x\n", HOST, 0, 1,
		GITCONFIG_HOST },
	{ "a remote of the copy's own is not known", HOST,
		HOST "[remote \"o\"]\nurl=https://e\n[branch \"a\"]\nremote = o\n", HOST, 0, 2,
		GITCONFIG_HOST },
	{ "a program that git runs", HOST, HOST "[core]\n\tfsmonitor = x\n" MAIN, HOST MAIN, 2, 1,
		GITCONFIG_HOST },
	{ "on the heading's line", HOST, HOST "[core] fsmonitor = x\n", HOST, 0, 1, GITCONFIG_HOST },
	{ "an address that changed", HOST,
		"[core]\n\tbare = false\n[remote \"origin\"]\n\turl = https://e/x\n", HOST, 0, 1,
		GITCONFIG_HOST },
	{ "a second address", HOST, HOST "\turl = https://e/x\n", HOST, 0, 1, GITCONFIG_HOST },
	{ "a remote that was taken away", HOST, "[core]\n\tbare = false\n", HOST, 0, 1, GITCONFIG_HOST },
	{ "a branch that was taken away under a comment", HOST MAIN "# end\n", HOST,
		HOST "[branch \"main\"]\n# end\n", 2, 0, GITCONFIG_HOST },
	{ "a branch that is changed in place", HOST MAIN "# end\n",
		HOST "[branch \"main\"]\n\tremote = .\n\tmerge = refs/heads/main\n",
		HOST "[branch \"main\"]\n\tmerge = refs/heads/main\n\tremote = .\n# end\n", 1, 0,
		GITCONFIG_HOST },
	{ "under a heading with more on its line", HOST "[branch \"m\"] merge = refs/heads/m\n",
		HOST "[branch \"m\"]\nmerge = refs/heads/m\nrebase = true\n",
		HOST "[branch \"m\"] merge = refs/heads/m\n\trebase = true\n", 1, 0, GITCONFIG_HOST },
	{ "under a heading with a comment on its line", HOST "[branch \"m\"] # merge\n",
		HOST "[branch \"m\"]\nrebase = true\n",
		HOST "[branch \"m\"]\n\trebase = true\n # merge\n", 1, 0, GITCONFIG_HOST },
	{ "under a last line that goes on", HOST "[branch \"m\"]\n\tmerge = refs/heads/m\\",
		HOST "[branch \"m\"]\nmerge = refs/heads/m\nrebase = true\n",
		HOST "[branch \"m\"]\n\tmerge = refs/heads/m\\\n\n\trebase = true", 1, 0, GITCONFIG_HOST },
	{ "one after the other, as git writes them", HOST "[branch \"m\"]\n\tremote = origin\n[x]\n",
		HOST "[branch \"m\"]\nremote = origin\nmerge = refs/heads/m\n[x]\n",
		HOST "[branch \"m\"]\n\tremote = origin\n\tmerge = refs/heads/m\n[x]\n", 1, 0,
		GITCONFIG_HOST },
	{ "a text without a line end", "[remote \"o\"]\nurl = u",
		"[remote \"o\"]\nurl = u\n[branch \"b\"]\nremote = o",
		"[remote \"o\"]\nurl = u\n[branch \"b\"]\n\tremote = o\n", 1, 0, GITCONFIG_HOST },
	{ "a text whose last line goes on", "[remote \"o\"]\nurl = u\\",
		"[remote \"o\"]\nurl = u\n[branch \"b\"]\nremote = o",
		"[remote \"o\"]\nurl = u\\\n\n[branch \"b\"]\n\tremote = o\n", 1, 0, GITCONFIG_HOST },
	{ "one whose last line goes on and ends", "[remote \"o\"]\nurl = u\\\r\n",
		"[remote \"o\"]\nurl = u\n[branch \"b\"]\nremote = o",
		"[remote \"o\"]\nurl = u\\\r\n\n[branch \"b\"]\n\tremote = o\n", 1, 0, GITCONFIG_HOST },
	{ "a description with all that must be quoted", HOST,
		HOST "[branch \"d\"]\ndescription = \"a\\nb\\tc \\\"d\\\" # e\\\\ \"\n",
		HOST "[branch \"d\"]\n\tdescription = \"a\\nb\\tc \\\"d\\\" # e\\\\ \"\n", 1, 0,
		GITCONFIG_HOST },
	{ "one that a terminal would obey", HOST, HOST "[branch \"d\"]\ndescription = \x1b[2J\n", HOST, 0,
		1, GITCONFIG_HOST },
	{ "a branch's name that is none", HOST, HOST "[branch \"a;b|c\"]\nremote = origin\n", HOST, 0, 1,
		GITCONFIG_HOST },
	{ "a variable without a value", HOST, HOST "[branch \"a\"]\nrebase\n", HOST, 0, 1, GITCONFIG_HOST },
	{ "of two values one that may not", HOST,
		HOST "[branch \"a\"]\nmerge = refs/heads/a\nmerge = --upload-pack=x\n", HOST, 0, 1,
		GITCONFIG_HOST },
	{ "another file of configuration", HOST, HOST "[include]\npath = ../x\n[includeIf \"gitdir:/\"]\npath=y\n",
		HOST, 0, 2, GITCONFIG_HOST },
	{ "a clone that the cell made", "",
		"[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n"
		"\turl = https://h/x\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n" MAIN,
		"[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote \"origin\"]\n"
		"\turl = https://h/x\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n" MAIN,
		6, 0, GITCONFIG_CELL },
	{ "with what runs programs", "",
		"[core]\n\tbare = false\n\tfsmonitor = x\n\tworktree = /\n[remote \"o\"]\n"
		"\turl = ext::sh\n[remote \"p\"]\n\turl = -oProxyCommand=x@h:y\n[remote \"q\"]\n"
		"\turl = ssh://-oProxyCommand=x/y\n[branch \"b\"]\n\tremote = o\n",
		"[core]\n\tbare = false\n", 1, 6, GITCONFIG_CELL },
	{ "the same in the host's own repository", "[core]\n\tbare = false\n",
		"[core]\n\tbare = true\n[user]\nname = x\n[remote \"o\"]\nurl = https://h/y\n",
		"[core]\n\tbare = false\n", 0, 3, GITCONFIG_HOST },
};

static void test_merges(void)
{
	for (size_t i = 0; i < ARRAY_LEN(merges); i++) {
		const struct merge_case *c = &merges[i];
		struct gitconfig_merge m = { .host = c->host, .copy = c->copy, .origin = c->origin,
			.host_bytes = strlen(c->host), .copy_bytes = strlen(c->copy) };
		AUTO_BUF struct buf out = { 0 };
		struct err err = { 0 };
		int r = gitconfig_merge(&m, &out, &err);

		if (!tap_ok(r == 0 && m.n_passed == c->passed && m.n_waiting == c->waiting,
			    "%s: %zu pass, %zu wait", c->what, m.n_passed, m.n_waiting))
			printf("# %d %s\n", r, err.text);
		if (c->passed > 0 || c->host == c->want)
			tap_is(out.data, c->want, c->what);
	}
}

/* What a cell can make of it takes no time that anybody notices. */
static void test_speed(void)
{
	AUTO_BUF struct buf host = { 0 }, copy = { 0 }, out = { 0 };
	struct gitconfig_merge m = { .origin = GITCONFIG_HOST };
	struct timespec start, end;
	struct err err = { 0 };
	long ms;

	buf_adds(&host, "[remote \"o\"]\nurl = u\n");
	buf_adds(&copy, "[remote \"o\"]\nurl = u\n");
	for (unsigned i = 0; i < GITCONFIG_VARIABLES_MAX - 1; i++) {
		buf_addf(&host, "[branch \"b%u\"]\nremote=o\n", i);
		buf_addf(&copy, "[branch \"b%u\"]\nremote=.\n", i);
	}
	m.host = host.data;
	m.host_bytes = host.len;
	m.copy = copy.data;
	m.copy_bytes = copy.len;
	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	tap_ok(gitconfig_merge(&m, &out, &err) == 0 && m.n_passed == GITCONFIG_VARIABLES_MAX - 1,
		"as many branches as there can be: %s", err.text);
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	ms = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
	tap_ok(ms < 2000, "%ld ms", ms);
}

static void test_removed_branch(void)
{
	struct gitconfig_merge m = { .host = HOST MAIN "[x]\ny = 1\n", .copy = HOST "[x]\ny = 1\n" };
	AUTO_BUF struct buf out = { 0 };
	struct err err = { 0 };

	m.host_bytes = strlen(m.host);
	m.copy_bytes = strlen(m.copy);
	tap_ok(gitconfig_merge(&m, &out, &err) == 0 && m.n_passed == 2, "a branch is taken away");
	tap_is(out.data, HOST "[x]\ny = 1\n", "with its heading");
}

static void test_refused(void)
{
	struct gitconfig_merge m = { .host = HOST, .copy = "[core\n" MAIN };
	AUTO_BUF struct buf out = { 0 };
	struct err err = { 0 };

	m.host_bytes = strlen(m.host);
	m.copy_bytes = strlen(m.copy);
	tap_ok(gitconfig_merge(&m, &out, &err) == -EINVAL && out.len == 0, "%s", err.text);
}

static void test_risks(void)
{
	static const struct {
		const char *section, *name, *value, *part;
	} cases[] = {
		{ "core", "fsmonitor", "x", "every git status" },
		{ "core", "editor", "x", "write a message" },
		{ "remote", "url", "ext::sh", "runs a program to reach" },
		{ "remote", "url", "https://h", "push sends" },
		{ "includeif", "path", "x", "another file" },
		{ "merge", "driver", "x", "when it merges" },
		{ "merge", "ff", "x", "when no option" },
		{ "nobody", "knows", NULL, "not known" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gitconfig_variable v = { .section = cases[i].section, .name = cases[i].name,
			.value = cases[i].value };

		tap_ok(strstr(gitconfig_risk(&v), cases[i].part) != NULL, "%s.%s: %s",
			cases[i].section, cases[i].name, gitconfig_risk(&v));
	}
}

int main(void)
{
	test_written();
	test_chance();
	test_bounds();
	test_merges();
	test_speed();
	test_removed_branch();
	test_refused();
	test_risks();
	return tap_done();
}
