/*
 * Proves: what the self-test's acts answer becomes the verdict that the manual page names: nothing passes
 * without a control, what succeeded fails, what is refused with less than there should be is weak, and
 * the table of attacks is whole.
 */
#include "cli/selftest.h"

#include "tap.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <unistd.h>

static const char *const names[] = { "PASS", "WEAK", "FAIL", "SKIP" };

static size_t find(const char *id)
{
	for (size_t i = 0; i < selftest_count(); i++)
		if (strcmp(selftest_get(i)->id, id) == 0)
			return i;
	printf("# no attack named %s\n", id);
	exit(1);
}

struct row {
	const char *what, *id;
	const char *bare, *jailed;
	bool bare_got, jailed_got, is_noticed;
	const char *verdict;
};

/* key wants ENOENT alone; unmount any refusal; hook has a file that tells; makefile need not be stopped. */
static const struct row rows[] = {
	{ "stopped", "key", "OK", "ENOENT", true, false, false, "PASS" },
	{ "succeeded", "key", "OK", "OK", true, true, false, "FAIL" },
	{ "refused, and seen", "key", "OK", "EACCES", true, false, false, "WEAK" },
	{ "there, and empty", "key", "OK", "EMPTY", true, false, false, "WEAK" },
	{ "killed by its filter", "key", "OK", "SIGSYS", true, false, false, "PASS" },
	{ "stuck", "unmount", "OK", "TIMEOUT", true, false, false, "WEAK" },
	{ "killed by nobody knows what", "unmount", "OK", "KILLED", true, false, false, "WEAK" },
	{ "no answer", "unmount", "OK", "", true, false, false, "WEAK" },
	{ "any refusal", "unmount", "OK", "EPERM", true, false, false, "PASS" },
	{ "no control", "unmount", "EPERM", "EPERM", false, false, false, "SKIP" },
	{ "no control, and it succeeded", "key", "ENOENT", "OK", false, true, false, "SKIP" },
	{ "cannot be tried outside", "unmount", "SKIP no mounts", "EPERM", false, false, false, "SKIP" },
	{ "cannot be tried inside", "unmount", "OK", "SKIP no mounts", true, false, false, "SKIP" },
	{ "the file is changed", "hook", "OK", "OK", true, true, false, "FAIL" },
	{ "the file is changed and named, which is less", "hook", "OK", "OK", true, true, true, "WEAK" },
	{ "the write went nowhere", "hook", "OK", "OK", true, false, false, "PASS" },
	{ "build file changed", "makefile", "OK", "OK", true, true, false, "FAIL" },
	{ "build file changed and named", "makefile", "OK", "OK", true, true, true, "PASS" },
	{ "its control is another", "injected-text", "status 0", "status 0", false, false, false, "PASS" },
	{ "and it succeeded", "injected-text", "status 0", "status 0", false, true, false, "FAIL" },
};

static void test_verdicts(void)
{
	struct selftest t = { .is_own = true };

	t.results = calloc(selftest_count(), sizeof(*t.results));
	for (size_t i = 0; t.results != NULL && i < ARRAY_LEN(rows); i++) {
		struct selftest_result *r = &t.results[find(rows[i].id)];

		memset(r, 0, sizeof(*r));
		(void)snprintf(r->bare, sizeof(r->bare), "%s", rows[i].bare);
		(void)snprintf(r->jailed, sizeof(r->jailed), "%s", rows[i].jailed);
		r->bare_got = rows[i].bare_got;
		r->jailed_got = rows[i].jailed_got;
		r->is_noticed = rows[i].is_noticed;
		selftest_judge(&t);
		tap_is(names[r->verdict], rows[i].verdict, rows[i].what);
		tap_ok(r->why[0] != '\0', "and says why: %s", r->why);
	}
	t.is_own = false;
	selftest_judge(&t);
	tap_is(names[t.results[find("project-unhide")].verdict], "SKIP",
		"another sandbox is not asked about agentjail's files");
	free(t.results);
}

static void test_answers(void)
{
	const struct selftest_attack *bpf = selftest_get(find("bpf"));
	const struct selftest_attack *key = selftest_get(find("key"));

	tap_ok(selftest_judge_got(key, "OK") && selftest_judge_got(key, "OK /run/x.sock"), "OK, and more");
	tap_ok(!selftest_judge_got(key, "OKAY") && !selftest_judge_got(key, ""), "and nothing else");
	tap_ok(!selftest_judge_got(key, "EINVAL"), "an error is none");
	tap_ok(selftest_judge_got(bpf, "EINVAL"), "but for a call that was reached");
	tap_ok(!selftest_judge_got(bpf, "EPERM"), "which a refusal is not");
}

static void test_table(void)
{
	bool is_whole = true, is_unique = true;

	for (size_t i = 0; i < selftest_count(); i++) {
		const struct selftest_attack *a = selftest_get(i);

		is_whole &= a->title != NULL && a->source != NULL && a->act != NULL;
		is_whole &= a->how != SELFTEST_SETTING || (a->check != NULL && a->wanted != NULL);
		is_whole &= (a->how != SELFTEST_SCRIPT && a->how != SELFTEST_AGENT_SCRIPT) ||
			    (a->check != NULL && a->before != NULL);
		is_whole &= (a->flags & SELFTEST_NOTICED) == 0 || a->check != NULL;
		for (size_t k = 0; k < i; k++)
			is_unique &= strcmp(a->id, selftest_get(k)->id) != 0;
	}
	tap_ok(is_whole, "each attack has what its kind needs");
	tap_ok(is_unique, "no two have one name");
	tap_ok(selftest_get(selftest_count()) == NULL, "the table ends");
	tap_ok(selftest_is_for_me(selftest_get(find("shadow"))) == (getuid() == 0), "some are root's");
}

static void test_expected(void)
{
	const struct selftest_attack *key = selftest_get(find("key"));

	tap_is(names[selftest_judge_expected(key, false)], "FAIL", "nothing stops it without a sandbox");
	tap_is(names[selftest_judge_expected(key, true)], "FAIL", "nor with one that shows everything");
	tap_is(names[selftest_judge_expected(selftest_get(find("new-privileges")), true)], "PASS",
		"which lets no setuid program gain");
	tap_is(names[selftest_judge_expected(selftest_get(find("ptrace")), true)],
		getuid() == 0 ? "FAIL" : "PASS", "and, but for root, no process be traced");
}

int main(void)
{
	test_verdicts();
	test_answers();
	test_table();
	test_expected();
	return tap_done();
}
