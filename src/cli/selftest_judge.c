/*
 * From answers to verdicts. See selftest.h. Pure but for the question who we are; what it reads
 * comes from the sandbox and was bounded and quoted before.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Is the first word of the answer one of the comma-separated list? */
static bool is_among(const char *answer, const char *list)
{
	size_t n = strcspn(answer, " ");

	for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ',')) {
		at += *at == ',';
		if (strcspn(at, ",") == n && strncmp(at, answer, n) == 0)
			return true;
	}
	return false;
}

bool selftest_judge_got(const struct selftest_attack *attack, const char *answer)
{
	return is_among(answer, "OK") ||
	       (attack->reached != NULL && is_among(answer, attack->reached));
}

__attribute__((format(printf, 3, 4))) static void decide(
	struct selftest_result *r, enum selftest_verdict verdict, const char *format, ...)
{
	va_list ap;

	r->verdict = verdict;
	va_start(ap, format);
	(void)vsnprintf(r->why, sizeof(r->why), format, ap);
	va_end(ap);
}

static const char *shown(const char *answer)
{
	return answer[0] == '\0' ? "nothing" : answer;
}

/* Nothing to try, or no control: true when that is decided. */
static bool judge_skip(
	const struct selftest *t, const struct selftest_attack *attack, struct selftest_result *r)
{
	if ((attack->flags & SELFTEST_OWN) != 0 && !t->is_own)
		decide(r, SELFTEST_SKIP, "about agentjail's own settings");
	else if (!selftest_try_may(t, attack))
		decide(r, SELFTEST_SKIP, "there is no %s here", attack->needs);
	else if (str_starts(r->bare, "SKIP "))
		decide(r, SELFTEST_SKIP, "%s", r->bare + strlen("SKIP "));
	else if (!r->bare_got && (attack->flags & SELFTEST_HARMLESS) == 0)
		decide(r, SELFTEST_SKIP, "no control: without a sandbox it gets %s",
			shown(r->bare));
	else if (str_starts(r->jailed, "SKIP "))
		decide(r, SELFTEST_SKIP, "%s", r->jailed + strlen("SKIP "));
	else
		return false;
	return true;
}

static void judge_success(const struct selftest_attack *attack, struct selftest_result *r)
{
	bool is_enough = (attack->flags & SELFTEST_NOTICED) != 0;

	if (!r->is_noticed)
		decide(r, SELFTEST_FAIL, "succeeded%s%s%s%s", attack->check != NULL ? ": ~/" : "",
			attack->check != NULL ? attack->check : "",
			is_enough ? " is changed, and nothing was said about it" : "",
			attack->check == NULL || is_enough ? "" : " tells");
	else
		decide(r, is_enough ? SELFTEST_PASS : SELFTEST_WEAK,
			"changed, and named at the end of the session");
}

static void judge(
	const struct selftest *t, const struct selftest_attack *attack, struct selftest_result *r)
{
	const char *wanted = attack->how == SELFTEST_SETTING ? NULL : attack->wanted;

	if (judge_skip(t, attack, r))
		return;
	if (r->jailed_got)
		judge_success(attack, r);
	else if (r->jailed[0] == '\0')
		decide(r, SELFTEST_WEAK, "no answer from the sandbox");
	else if (is_among(r->jailed, "TIMEOUT,KILLED"))
		decide(r, SELFTEST_WEAK, "neither done nor refused: %s", r->jailed);
	else if (wanted != NULL && !is_among(r->jailed, wanted) && !is_among(r->jailed, "SIGSYS"))
		decide(r, SELFTEST_WEAK, "refused, but seen to be there: %s", r->jailed);
	else if (attack->check != NULL && r->bare_got && attack->how != SELFTEST_SETTING)
		decide(r, SELFTEST_PASS,
			"~/%s is changed without a sandbox (%s), and not with it (%s)",
			attack->check, shown(r->bare), r->jailed);
	else
		decide(r, SELFTEST_PASS, "without a sandbox %s, in it %s", shown(r->bare),
			r->jailed);
}

void selftest_judge(const struct selftest *t)
{
	for (size_t i = 0; i < selftest_count(); i++)
		judge(t, selftest_get(i), &t->results[i]);
}

enum selftest_verdict selftest_judge_expected(const struct selftest_attack *attack, bool with_bwrap)
{
	unsigned stopped = getuid() == 0 ? SELFTEST_BWRAP_ROOT : SELFTEST_BWRAP_USER;

	if ((attack->flags & SELFTEST_OWN) != 0)
		return SELFTEST_SKIP;
	if ((attack->flags & SELFTEST_HARMLESS) != 0)
		return SELFTEST_PASS;
	return with_bwrap && (attack->flags & stopped) != 0 ? SELFTEST_PASS : SELFTEST_FAIL;
}
