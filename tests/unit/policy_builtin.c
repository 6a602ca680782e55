/*
 * Proves that the default profile makes the same policy whether it is the one that the program was
 * built with or is read line by line: every value of every key, with its file and line, for homes and
 * projects in odd places; that a change of one byte counts; and that answers about paths do not
 * depend on the shortcut for patterns of HOME. Runs from the top of the tree.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/builtin.h"
#include "policy/store.h"
#include "tap.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/agentjail-builtin.XXXXXX";
static char path[64];
static struct buf text;

static bool write_profile(const char *more)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	return fd >= 0 && write_all(fd, text.data, text.len) == 0 &&
		write_all(fd, more, strlen(more)) == 0;
}

static struct policy *load(const char *home, const char *project, struct err *err)
{
	const struct policy_request request = { .profiles_dir = dir, .home = home, .project = project };
	struct policy *policy = NULL;

	return policy_load(&request, &policy, err) < 0 ? NULL : policy;
}

static bool is_same_item(const struct policy_item *a, const struct policy_item *b)
{
	/* Lists have no single value. */
	if (a->value == NULL || b->value == NULL)
		return a->value == b->value;
	return strcmp(a->value, b->value) == 0 && strcmp(a->origin.file, b->origin.file) == 0 &&
		a->origin.line == b->origin.line;
}

static size_t count_different(const struct policy *a, const struct policy *b)
{
	size_t different = 0;

	for (size_t key = 0; key < PK_COUNT; key++) {
		const struct store_list *x = &a->lists[key], *y = &b->lists[key];

		different += !is_same_item(&a->values[key], &b->values[key]) || x->n != y->n;
		for (size_t i = 0; i < x->n && i < y->n; i++)
			different += !is_same_item(&x->items[i], &y->items[i]);
	}
	return different + (a->n_items != b->n_items) + (a->n_warnings != b->n_warnings);
}

static void test_places(const char *home, const char *project)
{
	struct err built_err = { 0 }, read_err = { 0 };
	struct policy *built, *read;

	if (!tap_ok(write_profile(""), "the profile"))
		return;
	built = load(home, project, &built_err);
	(void)write_profile("# one more line\n");
	read = load(home, project, &read_err);
	tap_ok(strcmp(built_err.text, read_err.text) == 0, "%s, %s: %s", home, project, read_err.text);
	tap_ok((built == NULL) == (read == NULL) &&
			(built == NULL || count_different(built, read) == 0),
		"the same entries");
	tap_ok(built == NULL || built->lists[PK_FILES_HIDE].n > 100, "and there are some");
	policy_free(built);
	policy_free(read);
}

static bool hides(const char *name)
{
	struct err err = { 0 };
	struct policy *policy = load("/home/u", "/home/u/p", &err);
	bool found = false;

	for (size_t i = 0; policy != NULL && i < policy->lists[PK_FILES_HIDE].n; i++)
		found |= strcmp(policy->lists[PK_FILES_HIDE].items[i].value, name) == 0;
	policy_free(policy);
	return found;
}

static bool is_same_answer(const struct policy_answer *a, const struct policy_answer *b)
{
	return a->verdict == b->verdict && a->file_kind == b->file_kind && a->key == b->key &&
		a->item == b->item;
}

/* What patterns of HOME have in common is compared once: answers are as without that. */
static void test_shortcut(void)
{
	static const char *const paths[] = { "/", "/h", "/home", "/home/", "/home/u", "/home/u/",
		"/home/us", "/home/us/.ssh", "/home/t/.ssh", "/home/u/.ssh", "/home/u/.ssh/id", "/home/u.ssh",
		"/home/u/.npm/x", "/home/u/.npmrc", "/home/u/.cargo/registry/src", "/home/u/.cargo/bin",
		"/home/u/p", "/home/u/p/.env", "/home/u/p/a/.git/config", "/home/u/p/.git/config",
		"/home/u/p/.git/modules/m/config", "/home/u/.config/gh/hosts.yml", "/usr/bin/cc",
		"/etc/shadow", "/etc/ssh/ssh_host_key", "/tmp/x" };
	struct policy_answer with[sizeof(paths) / sizeof(paths[0])], without;
	struct err err = { 0 };
	struct policy *policy = load("/home/u", "/home/u/p", &err);
	size_t same = 0, n = sizeof(paths) / sizeof(paths[0]), in_home = 0;

	if (!tap_ok(policy != NULL, "a policy %s", err.text))
		return;
	for (size_t i = 0; i < n; i++)
		policy_decide(policy, &(struct policy_question){ .action = POLICY_READ, .path = paths[i] },
			&with[i]);
	for (size_t key = 0; key < PK_COUNT; key++)
		for (size_t i = 0; i < policy->lists[key].n; i++) {
			in_home += policy->lists[key].items[i].is_in_home;
			policy->lists[key].items[i].is_in_home = false;
		}
	for (size_t i = 0; i < n; i++) {
		policy_decide(policy, &(struct policy_question){ .action = POLICY_READ, .path = paths[i] },
			&without);
		same += is_same_answer(&with[i], &without);
	}
	tap_ok(in_home > 500 && same == n, "answers without the shortcut: %zu of %zu the same", same, n);
	policy_free(policy);
}

int main(void)
{
	AUTO_CLOSE int fd = open("profiles/default.ini", O_RDONLY | O_CLOEXEC);
	char *at;

	if (fd < 0 || buf_read_fd(&text, fd, 1u << 20) < 0 || mkdtemp(dir) == NULL)
		return tap_ok(false, "profiles/default.ini"), tap_done();
	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	tap_ok(builtin_is(text.data, text.len), "the tree's profile is the built one");
	tap_ok(!builtin_is(text.data, text.len - 1), "cut short it is not");
	test_places("/home/u", "/home/u/p");
	test_places("/root", "/srv/p");
	test_places("/opt/home", "/opt/home/p");
	test_places("/usr", "/usr/src/p");
	test_places("/", "/p");
	test_places("/home/u", "/home/u");
	test_places("/home/u/p/q", "/home/u/p");
	(void)write_profile("");
	test_shortcut();
	at = strstr(text.data, "~/.aws ");
	if (tap_ok(at != NULL && hides("/home/u/.aws"), "~/.aws is hidden")) {
		at[2] = '_';
		tap_ok(!builtin_is(text.data, text.len), "one byte differs");
		tap_ok(write_profile("") && !hides("/home/u/.aws") && hides("/home/u/_aws"),
			"and is what counts");
	}
	(void)unlink(path);
	(void)rmdir(dir);
	buf_done(&text);
	return tap_done();
}
