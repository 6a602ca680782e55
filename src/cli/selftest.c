/*
 * `agentjail selftest`: the attacks that other sandboxes have fallen to, on this machine, kernel
 * and profile, in throwaway homes; each first without a sandbox, as its control. Runs with the
 * user's rights. `--against` tries another sandbox instead.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/verbs.h"

#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

static bool add_word(char **words, size_t *n, const char *word)
{
	words[*n] = strdup(word);
	return words[(*n)++] != NULL;
}

/* AGENTJAIL [run] [-p PROFILE] [--set LINE]... -- , all owned. */
static char **own_prefix(
	const struct selftest *t, const struct options *o, const char *profile, bool is_agent)
{
	char **words = calloc(8 + 2 * o->n_overrides, sizeof(*words));
	size_t n = 0;
	bool good = words != NULL && add_word(words, &n, t->self);

	if (good && !is_agent)
		good = add_word(words, &n, "run");
	if (good && profile != NULL)
		good = add_word(words, &n, "--profile") && add_word(words, &n, profile);
	for (size_t i = 0; good && i < o->n_overrides; i++)
		good = add_word(words, &n, "--set") && add_word(words, &n, o->overrides[i]);
	if (good)
		good = add_word(words, &n, "--");
	return good ? words : NULL;
}

/* A sandbox's line is the user's own shell text; the command follows it as words. */
static char **foreign_prefix(const char *against)
{
	char **words = calloc(5, sizeof(*words));
	size_t n = 0;

	if (words == NULL || !add_word(words, &n, "sh") || !add_word(words, &n, "-c"))
		return NULL;
	if (asprintf(&words[n], "exec %s \"$@\"", against) < 0)
		return NULL;
	n++;
	return add_word(words, &n, "sh") ? words : NULL;
}

static int make_prefixes(struct selftest *t, const struct options *o, struct err *err)
{
	AUTO_FREE char *profile = NULL;
	int r = 0;

	if (t->is_own && o->profile != NULL)
		r = selftest_config_profile(t, o->profile, &profile, err);
	if (r < 0)
		return r;
	t->cell = t->is_own ? own_prefix(t, o, profile, false) : foreign_prefix(o->against);
	t->agent = t->is_own ? own_prefix(t, o, profile, true) : foreign_prefix(o->against);
	return t->cell == NULL || t->agent == NULL ? err_set(err, ENOMEM, "selftest") : 0;
}

static int begin(struct selftest *t, struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	int r = paths_find_home(&launch->paths, err);

	if (r < 0)
		return r;
	t->self = paths_self();
	if (t->self == NULL)
		return err_set(err, errno, "this program's own file");
	t->is_own = o->against == NULL;
	t->jail.is_jailed = true;
	t->shows_progress = isatty(STDERR_FILENO) == 1 && !o->quiet;
	t->results = calloc(selftest_count(), sizeof(*t->results));
	if (t->results == NULL)
		return err_set(err, ENOMEM, "selftest");
	/* What the attacks leave running comes to us, to be ended. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	selftest_run_catch_signals();
	r = selftest_lab_begin(t, launch, err);
	return r < 0 ? r : make_prefixes(t, o, err);
}

int selftest_verb(struct launch *launch, struct err *err)
{
	struct selftest t = { .victim = -1 };
	int r;

	if (launch->options.n_operands > 0)
		return err_set(err, 0, "selftest takes no argument; see agentjail --help");
	if (launch->options.against != NULL &&
		(launch->options.profile != NULL || launch->options.n_overrides > 0))
		return err_set(err, 0,
			"selftest: --against is about a sandbox that has no profile of "
			"agentjail's; leave --profile and --set out");
	t.began_ms = clock_ms();
	r = begin(&t, launch, err);
	if (r == 0)
		r = selftest_try_all(&t, err);
	if (r == 0) {
		selftest_judge(&t);
		r = selftest_print(&t, launch, err);
	}
	selftest_end(&t);
	selftest_run_raise();
	return r;
}
