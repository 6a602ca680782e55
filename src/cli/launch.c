/*
 * Runs in the `agentjail` process with the user's rights, before anything else exists. Hostile
 * input: the project's profile, which policy_load() reads and judges.
 */
#include "cli/launch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/which.h"
#include "policy/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define QUOTE_BYTES 256

/* An agent's profile is named like its program's file. */
static const char *agent_name(const char *program)
{
	const char *slash = strrchr(program, '/');

	return slash != NULL ? slash + 1 : program;
}

static void print_warnings(const struct policy *policy)
{
	const char *const *lines = NULL;
	size_t n = policy_warnings(policy, &lines);

	for (size_t i = 0; i < n; i++)
		log_warn("%s", lines[i]);
}

int launch_load(struct launch *launch, const char *agent, struct err *err)
{
	const struct options *o = &launch->options;
	struct paths *p = &launch->paths;
	struct policy_request request = { .agent = agent, .profile = o->profile };
	int r = paths_find(o->project, p, err);

	if (r < 0)
		return r;
	request.project = p->project;
	request.home = p->home;
	request.config_dir = p->config_dir;
	request.profiles_dir = p->profiles_dir;
	request.system_file = p->system_file;
	request.rules = o->rules;
	request.n_rules = o->n_rules;
	request.overrides = (const char *const *)o->overrides;
	request.n_overrides = o->n_overrides;
	r = policy_load(&request, &launch->policy, err);
	if (r < 0)
		return r;
	print_warnings(launch->policy);
	launch->plan = (struct run_plan){
		.mode = o->mode,
		.is_run_verb = o->verb == VERB_RUN,
		.quiet = o->quiet,
		.verbose = o->verbose,
		.explain = o->explain,
		.agent = agent,
		.project = p->project,
		.home = p->home,
		.cwd = p->cwd,
		.state_dir = p->state_dir,
		.cache_dir = p->cache_dir,
		.runtime_dir = p->runtime_dir,
		.env = o->n_env > 0 ? o->env : NULL,
		.policy = launch->policy,
	};
	return 0;
}

/* One line and the exit status for a program that which_find() did not find. */
static int say_missing(const struct options *o, const char *name, int error)
{
	const char *verb = o->verb == VERB_AGENT ? options_near_verb(name) : NULL;
	char quoted[QUOTE_BYTES];

	(void)log_quote(name, strlen(name), quoted, sizeof(quoted));
	if (error == -EACCES) {
		log_error("%s: found, but not executable", quoted);
		return EXIT_NOT_EXECUTABLE;
	}
	if (verb != NULL) {
		log_error("%s: no such verb and no such program; did you mean agentjail %s?",
			quoted, verb);
		return EXIT_AGENTJAIL;
	}
	log_error("%s: not found; is it installed, and is its directory in PATH?", quoted);
	return EXIT_NOT_FOUND;
}

/* --env NAME hands on what a rule is there to keep back. */
static int check_env(const struct options *o, const struct policy *policy, struct err *err)
{
	static const enum rules_key keys[] = { RULES_SECRET, RULES_CLIENT_KEY,
		RULES_SESSION_TOKEN };
	size_t n = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);

	for (size_t i = 0; i < n * ARRAY_LEN(keys); i++) {
		const struct rules_rule *rule = rules[i / ARRAY_LEN(keys)];
		const struct policy_item *item = rules_value(rule, keys[i % ARRAY_LEN(keys)]);

		if (item == NULL || !str_starts(item->value, "env:"))
			continue;
		for (size_t k = 0; k < o->n_env; k++)
			if (strcmp(item->value + strlen("env:"), o->env[k]) == 0)
				return err_set(err, 0,
					"--env %s would show commands the secret of [inject %s]; "
					"take it out",
					o->env[k], rules_name(rule));
	}
	return 0;
}

int launch_prepare(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	bool is_run = o->verb == VERB_RUN;
	int r;

	if (o->n_operands == 0)
		return err_set(
			err, 0, "no %s given; see agentjail --help", is_run ? "COMMAND" : "AGENT");
	r = which_find(o->operands[0], &launch->program);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "find the program");
	if (r < 0)
		return say_missing(o, o->operands[0], r);
	r = launch_load(launch, is_run ? NULL : agent_name(o->operands[0]), err);
	if (r < 0)
		return r;
	r = check_env(o, launch->policy, err);
	if (r < 0)
		return r;
	launch->plan.argv = (const char *const *)o->operands;
	launch->plan.agent = agent_name(o->operands[0]);
	launch->plan.program = launch->program;
	if (!is_run && o->profile == NULL && o->mode != RUN_NONE &&
		!policy_has_agent_profile(launch->policy))
		log_warn("no profile for %s: the default one is used and changes in HOME are "
			 "dropped at the end; see agentjail learn",
			launch->plan.agent);
	return 0;
}

void launch_done(struct launch *launch)
{
	policy_free(launch->policy);
	paths_done(&launch->paths);
	options_done(&launch->options);
	free(launch->program);
	*launch = (struct launch){ 0 };
}
