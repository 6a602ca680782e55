/*
 * What a rule's secrets and authorities come from must not be for commands to change: a cell that
 * can write them chooses what is sent, or who vouches for the host. And a secret that commands can
 * read where it lies needs no rule: then masking would only look like protection. Runs where
 * profiles are read.
 */
#include "policy/rulecheck.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/lines.h"

#include <string.h>

static const struct source {
	enum rules_key key;
	bool is_secret;
} sources[] = {
	{ RULES_SECRET, true },
	{ RULES_CLIENT_CERT, false },
	{ RULES_CLIENT_KEY, true },
	{ RULES_KEY_ID, false },
	{ RULES_SESSION_TOKEN, true },
};

/* The line that lets commands do that, or NULL. A cell's own /tmp is not the host's. */
static const struct policy_item *allowed_by(const struct policy *policy, enum policy_action action,
	const char *path)
{
	struct policy_question question = { .action = action, .path = path };
	struct policy_answer answer;

	if (path[0] != '/')
		return NULL;
	policy_decide(policy, &question, &answer);
	/* What is written to an overlay stays in the cell. */
	if (answer.verdict != POLICY_ALLOWED ||
		(action == POLICY_WRITE && answer.file_kind != POLICY_FILE_WRITE))
		return NULL;
	return answer.item;
}

static const struct policy_item *allowed_there(const struct policy *policy,
	enum policy_action action, const char *path)
{
	const struct policy_item *line = allowed_by(policy, action, path);
	AUTO_FREE char *resolved = realpath(path, NULL);

	return line == NULL && resolved != NULL ? allowed_by(policy, action, resolved) : line;
}

/* Also where links lead to. */
static int check_file(const struct policy *policy, const char *path, const char *what,
	struct err *err)
{
	const struct policy_item *line = allowed_there(policy, POLICY_WRITE, path);
	char shown[120], file[120];

	if (line == NULL)
		return 0;
	return err_set(err, 0,
		"%s %s can be written by commands (%s:%u); put it elsewhere, or protect it", what,
		log_quote(path, strlen(path), shown, sizeof(shown)),
		log_quote(line->origin.file, strlen(line->origin.file), file, sizeof(file)),
		line->origin.line);
}

static int check_secret_file(const struct policy *policy, const char *path, struct err *err)
{
	const struct policy_item *line = allowed_there(policy, POLICY_READ, path);
	char shown[120], file[120];

	if (line == NULL)
		return 0;
	return err_set(err, 0,
		"file %s can be read by commands (%s:%u), who need no rule then; hide it, or put it "
		"elsewhere",
		log_quote(path, strlen(path), shown, sizeof(shown)),
		log_quote(line->origin.file, strlen(line->origin.file), file, sizeof(file)),
		line->origin.line);
}

static const struct policy_item *glob_of(const struct store_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (str_glob(list->items[i].value, name))
			return &list->items[i];
	return NULL;
}

/* A variable that commands get anyway. A fake of the rule's own takes its place. */
static int check_variable(const struct policy *policy, const struct rules_rule *rule,
	const char *name, struct err *err)
{
	const struct policy_item *line = glob_of(&policy->lists[PK_ENV_KEEP], name);
	char file[120];

	if (line == NULL || glob_of(&policy->lists[PK_ENV_HIDE], name) != NULL ||
		(rule != NULL && glob_of(&rule->lists[RULES_ENV], name) != NULL))
		return 0;
	return err_set(err, 0,
		"variable %s is passed on to commands by [env] keep (%s:%u); take it out there, or "
		"add env = %s for a fake in its place",
		name, log_quote(line->origin.file, strlen(line->origin.file), file, sizeof(file)),
		line->origin.line, name);
}

/* A bare name is any file of that name in the directories where it is looked for. */
static int check_program(const struct policy *policy, const char *name, struct err *err)
{
	const char *rest = RULES_COMMAND_PATH;
	int r = 0;

	if (name[0] == '/')
		return check_file(policy, name, "program", err);
	while (r == 0 && *rest != '\0') {
		size_t n = strcspn(rest, ":");
		AUTO_BUF struct buf path = { 0 };

		buf_addf(&path, "%.*s/%s", (int)n, rest, name);
		if (path.failed)
			return err_set(err, ENOMEM, "look for a program");
		r = check_file(policy, path.data, "program", err);
		rest += n + (rest[n] == ':');
	}
	return r;
}

/* Paths alone mean something to us. */
static int check_word(const struct policy *policy, const char *word, struct err *err)
{
	AUTO_BUF struct buf path = { 0 };

	if (str_starts(word, "~/"))
		buf_addf(&path, "%s%s", policy->home, word + 1);
	else if (word[0] == '/')
		buf_adds(&path, word);
	else
		return 0;
	return path.failed ? err_set(err, ENOMEM, "a path")
			   : check_file(policy, path.data, "file", err);
}

/* The program, and every word that is an absolute path: scripts, files to read from. */
int rulecheck_command(const struct policy *policy, const char *line, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	bool is_first = true;
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		if (is_first)
			r = check_program(policy, e.text.data, err);
		else
			r = check_word(policy, e.text.data, err);
		is_first = false;
		if (r < 0)
			return r;
	}
	return r;
}

static int check_source(const struct policy *policy, const struct rules_rule *rule,
	const char *source, bool is_secret, struct err *err)
{
	int r;

	if (str_starts(source, "file:")) {
		r = check_file(policy, source + strlen("file:"), "file", err);
		if (r == 0 && is_secret)
			r = check_secret_file(policy, source + strlen("file:"), err);
		return r;
	}
	if (str_starts(source, "env:"))
		return is_secret ? check_variable(policy, rule, source + strlen("env:"), err) : 0;
	if (str_starts(source, "command:"))
		return rulecheck_command(policy, source + strlen("command:"), err);
	return 0;
}

int rulecheck_source(const struct policy *policy, const char *source, struct err *err)
{
	return check_source(policy, NULL, source, true, err);
}

int rulecheck_places(const struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *item = rules_value(rule, RULES_CA);
	enum rules_key key = RULES_CA;
	int r = item != NULL ? check_file(policy, item->value, "file", err) : 0;

	for (size_t i = 0; i < ARRAY_LEN(sources) && r == 0; i++) {
		key = sources[i].key;
		item = rules_value(rule, key);
		if (item != NULL)
			r = check_source(policy, rule, item->value, sources[i].is_secret, err);
	}
	if (r == 0)
		return 0;
	(void)err_prefix(err, "[inject %s] %s", rule->name, rules_key_name(key));
	return lines_at(err, item->origin.file, item->origin.line);
}
