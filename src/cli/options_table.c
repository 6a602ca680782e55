/* The tables of options and verbs, and one small handler for each kind of option. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/entry.h"
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rationale: a quoted word in a message that is one line; longer ones are cut with "...". */
#define QUOTE_BYTES 128

static int keep_override(struct options *o, char *text, struct err *err)
{
	if (text == NULL)
		return err_set(err, ENOMEM, "command line");
	o->overrides[o->n_overrides++] = text; /* room for argc of them */
	return 0;
}

static int on_profile(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	(void)option;
	if (value[0] == '\0')
		return err_set(err, 0, "--profile: a NAME or a PATH is needed");
	o->profile = value;
	return 0;
}

static int on_project(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	(void)option;
	if (value[0] == '\0')
		return err_set(err, 0, "--project: a directory is needed");
	o->project = value;
	return 0;
}

static int on_mode(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	static const struct {
		const char *name;
		enum run_mode mode;
	} modes[] = {
		{ "none", RUN_NONE },
		{ "inject", RUN_INJECT },
		{ "shared", RUN_SHARED },
		{ "split", RUN_SPLIT },
	};
	char quoted[QUOTE_BYTES];

	(void)option;
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		if (strcmp(modes[i].name, value) != 0)
			continue;
		o->mode = modes[i].mode;
		return 0;
	}
	return err_set(err, 0, "--mode %s: no such mode; there are none, inject, shared and split",
		log_quote(value, strlen(value), quoted, sizeof(quoted)));
}

/* --allow HOST[:PORT]: a line of [egress] allow as it stands. */
static int on_value(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	char *text = NULL;

	if (value[0] == '\0')
		return err_set(err, 0, "--%s: a %s is needed", option->name, option->arg);
	if (asprintf(&text, "%s=%s", option->key, value) < 0)
		text = NULL;
	return keep_override(o, text, err);
}

/* --hide PATH and its like: a relative path means the working directory, not the project. */
static int on_path(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	AUTO_FREE char *entry = NULL;
	char *text = NULL;
	int r;

	if (value[0] == '\0')
		return err_set(err, 0, "--%s: a PATH is needed", option->name);
	r = entry_from_path(value, &entry, err);
	if (r < 0)
		return err_prefix(err, "--%s", option->name);
	if (asprintf(&text, "%s=%s", option->key, entry) < 0)
		text = NULL;
	return keep_override(o, text, err);
}

static int on_fresh(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	char *text = NULL;

	(void)value;
	if (asprintf(&text, "%s=command", option->key) < 0)
		text = NULL;
	return keep_override(o, text, err);
}

static int on_set(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	const char *equals = strchr(value, '=');
	const char *dot = strchr(value, '.');
	char quoted[QUOTE_BYTES];

	(void)option;
	if (equals == NULL || dot == NULL || dot > equals || dot == value || dot + 1 == equals)
		return err_set(err, 0, "--set %s: SECTION.KEY=VALUE is needed",
			log_quote(value, strlen(value), quoted, sizeof(quoted)));
	return keep_override(o, strdup(value), err);
}

static bool is_env_name(const char *name, size_t n)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
	static const char more[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return n > 0 && strchr(letters, name[0]) != NULL && strspn(name, more) == n;
}

static int on_env(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	size_t n = strcspn(value, "=");
	char quoted[QUOTE_BYTES];

	(void)option;
	/* Only the name is quoted: the value may be a secret. */
	if (!is_env_name(value, n))
		return err_set(err, 0, "--env %s: no name of a variable",
			log_quote(value, n, quoted, sizeof(quoted)));
	o->env[o->n_env++] = value; /* room for argc of them */
	return 0;
}

static int on_inject(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	if (value[0] == '\0' || strchr(value, '=') != NULL)
		return err_set(err, 0, "--%s: a rule's name is needed, and never a secret",
			option->name);
	o->rules[o->n_rules++] = value; /* room for argc of them */
	return 0;
}

static int on_session(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	(void)option;
	if (value[0] == '\0')
		return err_set(err, 0, "--session: a SESSION is needed; agentjail log lists them");
	o->session = value;
	return 0;
}

static int on_against(
	struct options *o, const struct option *option, const char *value, struct err *err)
{
	(void)option;
	if (value[0] == '\0')
		return err_set(err, 0, "--against: a COMMAND is needed, such as 'bwrap ... --'");
	o->against = value;
	return 0;
}

#define FLAG_HANDLER(member)                                                                       \
	static int on_##member(struct options *o, const struct option *option, const char *value,  \
		struct err *err)                                                                   \
	{                                                                                          \
		(void)option;                                                                      \
		(void)value;                                                                       \
		(void)err;                                                                         \
		o->member = true;                                                                  \
		return 0;                                                                          \
	}

FLAG_HANDLER(explain)
FLAG_HANDLER(quiet)
FLAG_HANDLER(verbose)
FLAG_HANDLER(json)
FLAG_HANDLER(want_help)
FLAG_HANDLER(want_version)
FLAG_HANDLER(follow)
FLAG_HANDLER(verify)
FLAG_HANDLER(denied)
FLAG_HANDLER(yes)
FLAG_HANDLER(list)
FLAG_HANDLER(forget)
FLAG_HANDLER(apply)
FLAG_HANDLER(drop)

/* The verbs that load a policy take what the policy is made of. */
#define FOR_POLICY (FOR_RUNNING | FOR(VERB_SHOW) | FOR(VERB_TRY) | FOR(VERB_WHY))
#define FOR_JSON                                                                                   \
	(FOR(VERB_DOCTOR) | FOR(VERB_SHOW) | FOR(VERB_TRY) | FOR(VERB_LOG) | FOR(VERB_STATUS) | \
		FOR(VERB_CACHE) | FOR(VERB_REVIEW) | FOR(VERB_DEMO) | FOR(VERB_SELFTEST))

/* clang-format off: one line an option reads better than what the tool makes of it */
const struct option options_table[] = {
	{ "profile", 'p', false, "NAME|PATH", FOR_POLICY | FOR(VERB_SELFTEST), NULL,
		"use this profile; with a slash it is a path", on_profile },
	{ "project", 0, false, "DIR", FOR_POLICY | FOR(VERB_REVIEW), NULL,
		"the project, instead of the git top level or the working directory", on_project },
	{ "mode", 0, false, "none|inject|shared|split", FOR_RUNNING, NULL,
		"split (the default), or less, to compare: agentjail demo shows what", on_mode },
	{ "allow", 0, false, "HOST[:PORT]", FOR_POLICY, "egress.allow",
		"let commands reach HOST (*.NAME for all below it; ports 443 and 80)", on_value },
	{ "hide", 0, false, "PATH", FOR_POLICY, "files.hide", "PATH is absent for commands",
		on_path },
	{ "read", 0, false, "PATH", FOR_POLICY, "files.read", "PATH is there, read-only", on_path },
	{ "write", 0, false, "PATH", FOR_POLICY, "files.write", "PATH is there, writable",
		on_path },
	{ "protect", 0, false, "PATH", FOR_POLICY, "files.protect",
		"PATH is readable and cannot be changed", on_path },
	{ "overlay", 0, false, "PATH", FOR_POLICY, "files.overlay",
		"PATH is copy-on-write, changes are dropped at the end", on_path },
	{ "inject", 0, false, "RULE", FOR_POLICY, NULL,
		"switch a rule on that comes with agentjail: github, npm, openai ...", on_inject },
	{ "env", 0, false, "NAME[=VALUE]", FOR_RUNNING, NULL,
		"pass a variable on to commands, or set it", on_env },
	{ "set", 0, false, "SECTION.KEY=VALUE", FOR_POLICY | FOR(VERB_SELFTEST), NULL,
		"one more line of profile, after all the others", on_set },
	{ "fresh", 0, false, NULL, FOR_POLICY, "sandbox.isolation",
		"a new cell for every command, which ends with it", on_fresh },
	{ "explain", 0, false, NULL, FOR_RUNNING, NULL, "print the plan and run nothing",
		on_explain },
	{ "json", 0, false, NULL, FOR_JSON, NULL, "print JSON", on_json },
	{ "session", 0, false, "SESSION", FOR(VERB_WHY), NULL,
		"look there, not in the project's newest session", on_session },
	{ "follow", 0, false, NULL, FOR(VERB_LOG), NULL, "go on while the session runs", on_follow },
	{ "denied", 0, false, NULL, FOR(VERB_LOG), NULL, "denials only", on_denied },
	{ "verify", 0, false, NULL, FOR(VERB_LOG), NULL, "check that no record was changed",
		on_verify },
	{ "list", 0, false, NULL, FOR(VERB_TRUST), NULL, "list what is trusted", on_list },
	{ "forget", 0, false, NULL, FOR(VERB_TRUST), NULL, "trust it no more", on_forget },
	{ "yes", 0, false, NULL, FOR(VERB_TRUST), NULL, "do not ask", on_yes },
	{ "apply", 0, false, NULL, FOR(VERB_REVIEW), NULL, "give the host what commands changed",
		on_apply },
	{ "drop", 0, false, NULL, FOR(VERB_REVIEW), NULL, "forget what commands changed", on_drop },
	{ "against", 0, false, "COMMAND", FOR(VERB_SELFTEST), NULL,
		"try another sandbox: COMMAND is put before each attack", on_against },
	{ "quiet", 'q', false, NULL, FOR_ALL, NULL, "errors only", on_quiet },
	{ "verbose", 'v', false, NULL, FOR_ALL, NULL, "say more on stderr", on_verbose },
	{ "help", 'h', false, NULL, FOR_ALL, NULL, "print this and exit", on_want_help },
	{ "version", 0, false, NULL, FOR_ALL, NULL, "print the version and exit", on_want_version },
	{ "publish", 0, true, "PORT", FOR_RUNNING, NULL, "let the host reach PORT of the cell",
		NULL },
};

const struct verb_name options_verbs[] = {
	{ "run", VERB_RUN, "[OPTION...] -- COMMAND [ARG...]", "run one command in a cell" },
	{ "doctor", VERB_DOCTOR, "[--json]",
		"what this machine can and cannot do, and the exact fix" },
	{ "show", VERB_SHOW, "[OPTION...] [AGENT]",
		"the effective policy and where each line came from" },
	{ "check", VERB_CHECK, "FILE...", "is this profile valid" },
	{ "try", VERB_TRY, "[OPTION...] ACTION TARGET",
		"would it be allowed, and which line says so" },
	{ "log", VERB_LOG, "[SESSION] [--follow] [--denied] [--json] [--verify]",
		"sessions, or what happened in one" },
	{ "why", VERB_WHY, "[OPTION...] ID|HOST|FILE|PID",
		"why it was allowed or denied, and what would change that" },
	{ "status", VERB_STATUS, "[--json]", "sessions that run" },
	{ "trust", VERB_TRUST, "[DIR] [--yes] [--list] [--forget]",
		"let the project's own profile loosen" },
	{ "review", VERB_REVIEW, "[--apply|--drop] [PATH...]",
		"files that were held back, and what to do with them" },
	{ "demo", VERB_DEMO, "[--json]", "one attack in each --mode, and what it got" },
	{ "selftest", VERB_SELFTEST, "[-p NAME|PATH] [--against COMMAND] [--json] [-v]",
		"the attack suite on this machine and profile" },
	{ "cache", VERB_CACHE, "list|clean [DIR]", "the caches that are kept for projects" },
	{ "help", VERB_HELP, "", "print this" },
	{ "learn", VERB_LATER, "AGENT...", "run, then propose the smallest profile" },
	{ "report", VERB_LATER, "[SESSION]", "one HTML page of a session" },
	{ "import", VERB_LATER, "FILE", "another tool's settings as a profile" },
	{ "alias", VERB_LATER, "[SHELL]", "shell lines that put agentjail before each agent" },
};
/* clang-format on */

const size_t options_count = ARRAY_LEN(options_table);
_Static_assert(ARRAY_LEN(options_table) <= 64, "struct walk.seen of options.c has a bit for each");
const size_t options_verb_count = ARRAY_LEN(options_verbs);
