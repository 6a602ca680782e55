/* What `agentjail selftest` says: progress, a line an attack, or one JSON object. See selftest.h.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/listing.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Rationale: columns of 100; the longest title has 70 letters and starts a line of its own. */
#define TITLE_COLUMNS 62
/* Rationale: who waits for less than that needs no news. */
#define PROGRESS_AFTER_MS 1000

/* Exit statuses; the manual page names them, and doctor's are alike. */
enum { STATUS_PASS, STATUS_WEAK, STATUS_FAIL };

static const char *const verdict_names[] = {
	[SELFTEST_PASS] = "PASS",
	[SELFTEST_WEAK] = "WEAK",
	[SELFTEST_FAIL] = "FAIL",
	[SELFTEST_SKIP] = "SKIP",
};
_Static_assert(ARRAY_LEN(verdict_names) == SELFTEST_VERDICT_COUNT, "one name a verdict");

static long passed_ms(const struct selftest *t)
{
	return (long)(clock_ms() - t->began_ms);
}

void selftest_print_progress(const struct selftest *t, const char *what)
{
	if (t->shows_progress && passed_ms(t) > PROGRESS_AFTER_MS)
		(void)dprintf(STDERR_FILENO, "\r\033[Kselftest: session %zu: %s", t->n_sessions + 1,
			what);
}

static size_t count(const struct selftest *t, enum selftest_verdict verdict)
{
	size_t n = 0;

	for (size_t i = 0; i < selftest_count(); i++)
		n += selftest_is_for_me(selftest_get(i)) && t->results[i].verdict == verdict;
	return n;
}

static void add_line(struct buf *out, const struct selftest_attack *attack,
	const struct selftest_result *r, bool verbose)
{
	buf_addf(out, "%s  %-*s  %s\n", verdict_names[r->verdict], TITLE_COLUMNS, attack->title,
		attack->source);
	if (verbose || r->verdict != SELFTEST_PASS)
		buf_addf(out, "      %s: %s\n", attack->id, r->why);
}

static void add_member(struct buf *out, const char *name, const char *value)
{
	buf_addf(out, ", \"%s\": ", name);
	buf_add_json(out, value, strlen(value));
}

static void add_json(struct buf *out, const struct selftest_attack *attack,
	const struct selftest_result *r, bool is_first)
{
	buf_adds(out, is_first ? "    {\"id\": " : ",\n    {\"id\": ");
	buf_add_json(out, attack->id, strlen(attack->id));
	add_member(out, "title", attack->title);
	add_member(out, "source", attack->source);
	add_member(out, "context",
		attack->how == SELFTEST_AGENT || attack->how == SELFTEST_AGENT_SCRIPT ? "agent"
										      : "command");
	add_member(out, "verdict", verdict_names[r->verdict]);
	add_member(out, "why", r->why);
	add_member(out, "without", r->bare);
	add_member(out, "within", r->jailed);
	buf_adds(out, ", \"expected\": {\"none\": ");
	buf_addf(out, "\"%s\", \"bwrap\": \"%s\"}}",
		verdict_names[selftest_judge_expected(attack, false)],
		verdict_names[selftest_judge_expected(attack, true)]);
}

static const char *sandbox_name(const struct launch *launch)
{
	return launch->options.against != NULL ? launch->options.against : "agentjail";
}

static void add_head(struct buf *out, const struct launch *launch)
{
	const struct options *o = &launch->options;
	const char *profile = o->profile != NULL ? o->profile : "default";
	struct utsname u = { 0 };

	(void)uname(&u);
	if (o->json) {
		buf_adds(out, "{\n  \"version\": \"" AGENTJAIL_VERSION "\"");
		add_member(out, "kernel", u.release);
		add_member(out, "sandbox", sandbox_name(launch));
		add_member(out, "profile", o->against != NULL ? "" : profile);
		buf_addf(out, ", \"root\": %s,\n  \"attacks\": [\n",
			getuid() == 0 ? "true" : "false");
		return;
	}
	buf_addf(out, "agentjail %s, Linux %s%s: ", AGENTJAIL_VERSION, u.release,
		getuid() == 0 ? ", as root" : "");
	if (o->against != NULL) {
		buf_adds(out, "against ");
		listing_add_quoted(out, o->against);
	} else {
		buf_adds(out, "profile ");
		listing_add_quoted(out, profile);
	}
	buf_adds(out, "\n\n");
}

static void add_end(struct buf *out, const struct selftest *t, int status, bool json)
{
	long ms = passed_ms(t);

	if (json)
		buf_addf(out,
			"\n  ],\n  \"passed\": %zu, \"failed\": %zu, \"weak\": %zu, \"skipped\": "
			"%zu, "
			"\"sessions\": %zu, \"seconds\": %ld.%ld, \"status\": %d\n}\n",
			count(t, SELFTEST_PASS), count(t, SELFTEST_FAIL), count(t, SELFTEST_WEAK),
			count(t, SELFTEST_SKIP), t->n_sessions, ms / 1000, ms % 1000 / 100, status);
	else
		buf_addf(out, "\n%zu passed, %zu failed, %zu weak, %zu skipped in %ld.%ld s\n",
			count(t, SELFTEST_PASS), count(t, SELFTEST_FAIL), count(t, SELFTEST_WEAK),
			count(t, SELFTEST_SKIP), ms / 1000, ms % 1000 / 100);
}

int selftest_print(const struct selftest *t, const struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	AUTO_BUF struct buf out = { 0 };
	bool is_first = true;
	int status = count(t, SELFTEST_FAIL) > 0   ? STATUS_FAIL
		     : count(t, SELFTEST_WEAK) > 0 ? STATUS_WEAK
						   : STATUS_PASS;
	int r;

	if (t->shows_progress && passed_ms(t) > PROGRESS_AFTER_MS)
		(void)dprintf(STDERR_FILENO, "\r\033[K");
	add_head(&out, launch);
	for (size_t i = 0; i < selftest_count(); i++) {
		const struct selftest_attack *attack = selftest_get(i);

		if (!selftest_is_for_me(attack))
			continue;
		if (o->json)
			add_json(&out, attack, &t->results[i], is_first);
		else
			add_line(&out, attack, &t->results[i], o->verbose);
		is_first = false;
	}
	add_end(&out, t, status, o->json);
	r = listing_print(&out, err);
	return r < 0 ? r : status;
}
