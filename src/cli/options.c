/* Parsing by the tables of options_table.c. See options.h. */
#include "cli/options.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/nearest.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Rationale: a quoted word in a message that is one line; longer ones are cut with "...". */
#define QUOTE_BYTES 128
/* Rationale: the longest option has 12 letters; a longer word is no misspelling of one. */
#define WORD_BYTES 32

/* A walk over argv. */
struct walk {
	int argc, at;
	char **argv;
	uint64_t seen; /* options given, a bit for each row: the verb may come after them */
};

const struct verb_name *options_find_verb(const char *name)
{
	for (size_t i = 0; i < options_verb_count; i++)
		if (strcmp(options_verbs[i].name, name) == 0)
			return &options_verbs[i];
	return NULL;
}

const char *options_near_verb(const char *name)
{
	struct nearest nearest = { .word = name };

	for (size_t i = 0; i < options_verb_count; i++)
		nearest_try(&nearest, options_verbs[i].name);
	return nearest_best(&nearest);
}

static int unknown_option(const char *name, size_t n, struct err *err)
{
	struct nearest nearest = { 0 };
	char word[WORD_BYTES] = "", quoted[QUOTE_BYTES];

	(void)log_quote(name, n, quoted, sizeof(quoted));
	if (n < sizeof(word))
		memcpy(word, name, n);
	nearest.word = word;
	for (size_t i = 0; i < options_count && word[0] != '\0'; i++)
		nearest_try(&nearest, options_table[i].name);
	if (nearest_best(&nearest) != NULL)
		return err_set(err, 0, "unknown option --%s; did you mean --%s?", quoted,
			nearest_best(&nearest));
	return err_set(err, 0, "unknown option --%s; see agentjail --help", quoted);
}

static const struct option *find_long(const char *name, size_t n)
{
	for (size_t i = 0; i < options_count; i++)
		if (strlen(options_table[i].name) == n &&
			memcmp(options_table[i].name, name, n) == 0)
			return &options_table[i];
	return NULL;
}

static const struct option *find_letter(char letter)
{
	for (size_t i = 0; i < options_count; i++)
		if (options_table[i].letter != 0 && options_table[i].letter == letter)
			return &options_table[i];
	return NULL;
}

static int apply(struct walk *w, struct options *o, const struct option *option, const char *value,
	struct err *err)
{
	if (option->later)
		return err_set(err, 0, "--%s is not supported yet", option->name);
	if (option->arg != NULL && value == NULL) {
		if (w->at + 1 >= w->argc)
			return err_set(err, 0, "--%s needs %s", option->name, option->arg);
		value = w->argv[++w->at];
	}
	w->seen |= UINT64_C(1) << (option - options_table);
	return option->handle(o, option, value, err);
}

static int parse_long(struct walk *w, struct options *o, const char *text, struct err *err)
{
	size_t n = strcspn(text, "=");
	const struct option *option = find_long(text, n);

	if (option == NULL)
		return unknown_option(text, n, err);
	if (option->arg == NULL && text[n] == '=')
		return err_set(err, 0, "--%s takes no value", option->name);
	return apply(w, o, option, text[n] == '=' ? text + n + 1 : NULL, err);
}

/* -qv and -pNAME: flags may stand together, an argument may stand at once. */
static int parse_letters(struct walk *w, struct options *o, const char *text, struct err *err)
{
	char quoted[16];

	for (; *text != '\0'; text++) {
		const struct option *option = find_letter(*text);
		int r;

		if (option == NULL)
			return err_set(err, 0, "unknown option -%s; see agentjail --help",
				log_quote(text, 1, quoted, sizeof(quoted)));
		if (option->arg != NULL)
			return apply(w, o, option, text[1] != '\0' ? text + 1 : NULL, err);
		r = apply(w, o, option, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Every option that was given must be one of the verb's. */
static int check_verb(const struct walk *w, const struct options *o, struct err *err)
{
	for (size_t i = 0; i < options_count; i++) {
		if ((w->seen & UINT64_C(1) << i) == 0 || (options_table[i].verbs & FOR(o->verb)) != 0)
			continue;
		if (o->verb == VERB_AGENT)
			return err_set(err, 0, "--%s is no option for running an agent",
				options_table[i].name);
		return err_set(err, 0, "--%s is no option of agentjail %s", options_table[i].name,
			o->verb_name);
	}
	return 0;
}

/* A word that is no option. True: options end here. */
static bool take_word(struct walk *w, struct options *o)
{
	const struct verb_name *verb = o->verb_name == NULL && o->n_operands == 0
					       ? options_find_verb(w->argv[w->at])
					       : NULL;

	if (verb != NULL) {
		o->verb = verb->verb;
		o->verb_name = verb->name;
		return o->verb == VERB_LATER; /* its options are not known, and not our business */
	}
	if ((FOR(o->verb) & FOR_RUNNING) != 0)
		return true;
	/* What follows is a command with options of its own. */
	if (o->verb == VERB_TRY && o->n_operands == 0 &&
		(strcmp(w->argv[w->at], "exec") == 0 || strcmp(w->argv[w->at], "tool") == 0))
		return true;
	o->operands[o->n_operands++] = w->argv[w->at];
	return false;
}

static int walk_words(struct walk *w, struct options *o, struct err *err)
{
	for (w->at = 1; w->at < w->argc; w->at++) {
		const char *word = w->argv[w->at];
		int r;

		if (strcmp(word, "--") == 0) {
			w->at++;
			break;
		}
		if (word[0] != '-' || word[1] == '\0') {
			if (take_word(w, o))
				break;
			continue;
		}
		r = word[1] == '-' ? parse_long(w, o, word + 2, err)
				   : parse_letters(w, o, word + 1, err);
		if (r < 0)
			return r;
	}
	while (w->at < w->argc)
		o->operands[o->n_operands++] = w->argv[w->at++];
	return 0;
}

int options_parse(int argc, char **argv, struct options *ret, struct err *err)
{
	struct walk w = { .argc = argc, .argv = argv };
	size_t room = (size_t)(argc > 0 ? argc : 0) + 1;
	int r;

	*ret = (struct options){ .verb = VERB_AGENT, .mode = RUN_SPLIT };
	ret->overrides = calloc(room, sizeof(*ret->overrides));
	ret->env = calloc(room, sizeof(*ret->env));
	ret->rules = calloc(room, sizeof(*ret->rules));
	ret->operands = calloc(room, sizeof(*ret->operands));
	if (ret->overrides == NULL || ret->env == NULL || ret->rules == NULL ||
		ret->operands == NULL)
		return err_set(err, ENOMEM, "command line");
	r = walk_words(&w, ret, err);
	if (r < 0 || ret->verb == VERB_LATER)
		return r;
	return check_verb(&w, ret, err);
}

int options_override(struct options *o, const char *text, struct err *err)
{
	char **more = reallocarray(o->overrides, o->n_overrides + 1, sizeof(*more));

	if (more == NULL)
		return err_set(err, ENOMEM, "options");
	o->overrides = more;
	more[o->n_overrides] = strdup(text);
	if (more[o->n_overrides] == NULL)
		return err_set(err, ENOMEM, "options");
	o->n_overrides++;
	return 0;
}

void options_done(struct options *o)
{
	for (size_t i = 0; i < o->n_overrides; i++)
		free(o->overrides[i]);
	free(o->overrides);
	free(o->env);
	free(o->rules);
	free(o->operands);
	*o = (struct options){ 0 };
}
