/*
 * Runs in the `agentjail` process with the user's rights, before anything else exists. Hostile
 * input: the project's profile, which policy_load() reads and judges.
 */
#include "cli/launch.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/which.h"
#include "policy/hostmatch.h"
#include "policy/rules.h"
#include "policy/tools.h"

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

/*
 * NO_PROXY as curl and others read it: a name means itself and what is below. An entry that is
 * neither name nor address (a network, say) says nothing here.
 */
static int add_no_proxy(struct options *o, const char *list, struct err *err)
{
	AUTO_FREE char *copy = strdup(list);
	char *rest = copy, *entry;

	while (rest != NULL && (entry = strsep(&rest, ", ")) != NULL) {
		AUTO_BUF struct buf text = { 0 };
		struct hostmatch ignored;

		entry += *entry == '.';
		if (hostmatch_parse(entry, &ignored) != HOSTMATCH_OK)
			continue;
		/* A wildcard below a top-level name would be refused as too wide. */
		buf_addf(&text, "egress.no-proxy=%s%s",
			ignored.kind == HOSTMATCH_NAME && strchr(entry, '.') != NULL ? "**." : "",
			entry);
		if (text.failed)
			return err_set(err, ENOMEM, "NO_PROXY");
		if (options_override(o, text.data, err) < 0)
			return -err->code;
	}
	return copy == NULL ? err_set(err, ENOMEM, "NO_PROXY") : 0;
}

/* With a parent proxy, NO_PROXY of the user's environment counts as [egress] no-proxy. */
static int load_no_proxy(struct launch *launch, struct policy_request *request, struct err *err)
{
	const char *list = getenv("no_proxy");

	if (list == NULL)
		list = getenv("NO_PROXY");
	if (list == NULL || policy_value(launch->policy, PK_EGRESS_PARENT_PROXY)->value[0] == '\0')
		return 0;
	if (add_no_proxy(&launch->options, list, err) < 0)
		return -err->code;
	request->overrides = (const char *const *)launch->options.overrides;
	request->n_overrides = launch->options.n_overrides;
	policy_free(launch->policy);
	launch->policy = NULL;
	return policy_load(request, &launch->policy, err);
}

struct policy_request launch_request(const struct launch *launch, const char *agent)
{
	const struct options *o = &launch->options;
	const struct paths *p = &launch->paths;

	return (struct policy_request){
		.agent = agent,
		.profile = o->profile,
		.project = p->project,
		.home = p->home,
		.config_dir = p->config_dir,
		.profiles_dir = p->profiles_dir,
		.system_file = p->system_file,
		.rules = o->rules,
		.n_rules = o->n_rules,
		.overrides = (const char *const *)o->overrides,
		.n_overrides = o->n_overrides,
		.is_shared = o->mode == RUN_SHARED,
	};
}

int launch_policy_with(const struct launch *launch, const char *const *lines, size_t n,
	struct policy **ret, struct err *err)
{
	struct policy_request request = launch_request(launch, launch->plan.agent);
	size_t own = request.n_overrides;
	AUTO_FREE const char **all = calloc(own + n + 1, sizeof(*all));

	if (all == NULL)
		return err_set(err, ENOMEM, "options");
	for (size_t i = 0; i < own; i++)
		all[i] = request.overrides[i];
	for (size_t i = 0; i < n; i++)
		all[own + i] = lines[i];
	request.overrides = all;
	request.n_overrides = own + n;
	return policy_load(&request, ret, err);
}

int launch_policy_trusting(const struct launch *launch, const char *hash, struct policy **ret,
	struct err *err)
{
	struct policy_request request = launch_request(launch, NULL);

	request.trusted_hash = hash;
	return policy_load(&request, ret, err);
}

int launch_load(struct launch *launch, const char *agent, struct err *err)
{
	const struct options *o = &launch->options;
	struct paths *p = &launch->paths;
	struct policy_request request;
	int r;

	paths_done(p);
	r = paths_find(o->project, p, err);
	if (r < 0)
		return r;
	request = launch_request(launch, agent);
	r = policy_load(&request, &launch->policy, err);
	if (r == 0)
		r = load_no_proxy(launch, &request, err);
	if (r < 0)
		return r;
	if (!launch->is_again)
		print_warnings(launch->policy);
	launch->plan = (struct run_plan){
		.mode = o->mode,
		/* An agent in the cell of its commands is one command in a cell. */
		.is_run_verb = o->verb == VERB_RUN || o->mode == RUN_SHARED,
		.quiet = o->quiet,
		.verbose = o->verbose,
		.explain = o->explain,
		.agent = agent,
		.project = p->project,
		.home = p->home,
		.cwd = p->cwd,
		.state_dir = p->state_dir,
		.cache_dir = p->cache_dir,
		.config_dir = p->config_dir,
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
static int check_env_of(const struct options *o, const struct rules_rule *const *rules, size_t n,
	struct err *err)
{
	static const enum rules_key keys[] = { RULES_SECRET, RULES_CLIENT_KEY,
		RULES_SESSION_TOKEN };

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

static bool is_asked_for(const struct options *o, const char *source)
{
	for (size_t i = 0; i < o->n_env; i++)
		if (str_starts(source, "env:") && strcmp(source + strlen("env:"), o->env[i]) == 0)
			return true;
	return false;
}

static int check_env(const struct options *o, const struct policy *policy, struct err *err)
{
	size_t n = 0, n_tools = 0, n_lines = 0;
	const struct rules_rule *const *rules = rules_all(policy, &n);
	const struct tools_tool *const *tools = tools_all(policy, &n_tools);
	int r = check_env_of(o, rules, n, err);

	rules = tools_rules(policy, &n);
	if (r == 0)
		r = check_env_of(o, rules, n, err);
	for (size_t i = 0; r == 0 && i < n_tools; i++) {
		const struct policy_item *lines = tools_list(tools[i], TOOLS_SECRET_ENV, &n_lines);

		for (size_t k = 0; k < n_lines; k++) {
			const char *source;

			(void)tools_secret(lines[k].value, &source);
			if (is_asked_for(o, source))
				return err_set(err, 0,
					"--env %s would show commands a secret of [tool %s]; take it out",
					source + strlen("env:"), tools_name(tools[i]));
		}
	}
	return r;
}

/*
 * Split, the agent has the host's network: a list that is to hold it must not be taken for one that
 * does.
 */
static int check_agent_egress(const struct launch *launch, struct err *err)
{
	size_t n;
	const struct policy_item *items = policy_list(launch->policy, PK_AGENT_EGRESS, &n);

	if (n == 0 || launch->plan.is_run_verb || launch->plan.mode != RUN_SPLIT)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (strcmp(items[i].value, "*") == 0)
			return 0;
	return err_set(err, 0,
		"%s:%u: [agent] egress without * is not supported yet in --mode split, where the agent "
		"has the host's network",
		items[0].origin.file, items[0].origin.line);
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
	if (r == 0)
		r = check_agent_egress(launch, err);
	if (r < 0)
		return r;
	launch->plan.argv = (const char *const *)o->operands;
	launch->plan.agent = agent_name(o->operands[0]);
	launch->plan.program = launch->program;
	if (!launch->is_again && !is_run && o->profile == NULL && o->mode != RUN_NONE &&
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
