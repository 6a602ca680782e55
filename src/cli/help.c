/* `agentjail help` and --help: made of the tables. */
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>

/* Rationale: where the explanations start; the longest option has 29 columns. */
#define HELP_COLUMN 31

static void print_row(const char *left, const char *help)
{
	if (strlen(left) >= HELP_COLUMN - 1)
		printf("%s\n%*s%s\n", left, HELP_COLUMN, "", help);
	else
		printf("%-*s%s\n", HELP_COLUMN, left, help);
}

static void print_option(const struct option *o)
{
	char left[80], letter[8] = "    ";

	if (o->letter != 0)
		(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	(void)snprintf(left, sizeof(left), "  %s--%s%s%s", letter, o->name,
		o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
	print_row(left, o->help);
}

static void print_verbs(bool later)
{
	char left[80];

	for (size_t i = 0; i < options_verb_count; i++) {
		const struct verb_name *v = &options_verbs[i];

		if ((v->verb == VERB_LATER) != later)
			continue;
		(void)snprintf(left, sizeof(left), "  agentjail %s%s%s", v->name,
			v->synopsis[0] != '\0' ? " " : "", v->synopsis);
		print_row(left, v->help);
	}
}

static void print_options(bool later)
{
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].later == later)
			print_option(&options_table[i]);
}

int help_verb(struct launch *launch, struct err *err)
{
	(void)launch;
	(void)err;
	printf("agentjail runs a coding agent so that every command it starts runs in a cell:\n"
	       "your secrets are absent there, and only allowed hosts can be reached.\n\n");
	print_row("  agentjail [OPTION...] [--] AGENT [ARG...]", "run an agent");
	print_verbs(false);
	printf("\nOptions (the agent's own follow its name):\n");
	print_options(false);
	printf("\nNot supported yet:\n");
	print_options(true);
	print_verbs(true);
	printf("\nExit status: the command's own; 125 agentjail failed, 126 not executable,\n"
	       "127 not found, 128+N signal N. The manual page agentjail(1) says more.\n");
	return 0;
}
