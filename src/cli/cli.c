/*
 * Runs in the `agentjail` process with the user's rights: parses the command line and dispatches
 * by table. The one place of the command line that prints errors and chooses 125.
 */
#include "cli/cli.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/verbs.h"
#include "policy/keys.h"

#include <stdio.h>
#include <string.h>

static int run_verb(struct launch *launch, struct err *err)
{
	int r = launch_prepare(launch, err);

	if (r != 0)
		return r;
	if (launch->options.explain)
		return explain_verb(launch, err);
	return CLI_LAUNCH;
}

static int later_verb(struct launch *launch, struct err *err)
{
	return err_set(err, 0, "%s is not supported yet (an agent of that name: agentjail -- %s)",
		launch->options.verb_name, launch->options.verb_name);
}

static verb_function *const verb_functions[] = {
	[VERB_AGENT] = run_verb,
	[VERB_RUN] = run_verb,
	[VERB_DOCTOR] = doctor_verb,
	[VERB_SHOW] = show_verb,
	[VERB_CHECK] = check_verb,
	[VERB_DEMO] = demo_verb,
	[VERB_CACHE] = cache_verb,
	[VERB_HELP] = help_verb,
	[VERB_TRY] = try_verb,
	[VERB_LOG] = log_verb,
	[VERB_WHY] = why_verb,
	[VERB_STATUS] = status_verb,
	[VERB_TRUST] = trust_verb,
	[VERB_REVIEW] = review_verb,
	[VERB_SELFTEST] = selftest_verb,
	[VERB_LATER] = later_verb,
};
_Static_assert(ARRAY_LEN(verb_functions) == VERB_COUNT, "one function a verb");

static int print_version(void)
{
	return printf("agentjail %s\n", AGENTJAIL_VERSION) < 0 ? EXIT_AGENTJAIL : 0;
}

static int dispatch(int argc, char **argv, struct launch *launch, struct err *err)
{
	struct options *o = &launch->options;
	int r = options_parse(argc, argv, o, err);

	if (r < 0)
		return r;
	if (o->verbose)
		log_init(NULL, LOG_INFO);
	if (o->quiet)
		log_init(NULL, LOG_ERROR);
	if (o->want_help)
		return help_verb(launch, err);
	if (o->want_version)
		return print_version();
	return verb_functions[o->verb](launch, err);
}

int cli_main(int argc, char **argv, struct launch *launch)
{
	struct err err = { 0 };
	int r = dispatch(argc, argv, launch, &err);

	/* -EPERM is -1 too: err tells a failure from CLI_LAUNCH. */
	if (r < 0 && err.code != 0) {
		log_error("%s", err.text);
		return EXIT_AGENTJAIL;
	}
	if (r != CLI_LAUNCH && (fflush(stdout) != 0 || ferror(stdout) != 0)) {
		log_error("standard output cannot be written");
		return EXIT_AGENTJAIL;
	}
	return r;
}

int cli_options_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < options_count; i++) {
		const struct option *o = &options_table[i];

		printf("option\t%s\t%c\t%s\t%s\t%u\n", o->name, o->letter != 0 ? o->letter : '-',
			o->arg != NULL ? o->arg : "-", o->later ? "later" : "now", o->verbs);
	}
	for (size_t i = 0; i < options_verb_count; i++)
		printf("verb\t%s\t%s\n", options_verbs[i].name,
			options_verbs[i].verb == VERB_LATER ? "later" : "now");
	for (size_t i = 0; i < PK_COUNT; i++)
		printf("key\t%s\t%s\n", policy_key_name((enum policy_key)i),
			(keys_get((enum policy_key)i)->flags & KEYS_UNSUPPORTED) != 0 ? "later"
										      : "now");
	for (size_t i = 0; i < RULES_KEY_COUNT; i++)
		printf("key\tinject.%s\tnow\n", rules_key_name((enum rules_key)i));
	for (size_t i = 0; i < TOOLS_KEY_COUNT; i++)
		printf("key\ttool.%s\t%s\n", tools_key_name((enum tools_key)i),
			(keys_of_tool((enum tools_key)i)->flags & KEYS_UNSUPPORTED) != 0 ? "later"
											 : "now");
	return fflush(stdout) != 0;
}
