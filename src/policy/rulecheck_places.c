/*
 * What a rule's secrets and authorities come from must not be for commands to change: a cell that
 * can write them chooses what is sent, or who vouches for the host. Runs where profiles are read.
 */
#include "policy/rulecheck.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/lines.h"

#include <string.h>

static const enum rules_key source_keys[] = { RULES_SECRET, RULES_CLIENT_CERT, RULES_CLIENT_KEY,
	RULES_KEY_ID, RULES_SESSION_TOKEN };

/* The line that lets commands write path, or NULL. A cell's own /tmp is not the host's. */
static const struct policy_item *writable_by(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	if (path[0] != '/')
		return NULL;
	policy_decide(policy, &question, &answer);
	return answer.file_kind == POLICY_FILE_WRITE ? answer.item : NULL;
}

/* Also where links lead to. */
static int check_file(const struct policy *policy, const char *path, const char *what,
	struct err *err)
{
	const struct policy_item *line = writable_by(policy, path);
	AUTO_FREE char *resolved = realpath(path, NULL);
	char shown[120], file[120];

	if (line == NULL && resolved != NULL)
		line = writable_by(policy, resolved);
	if (line == NULL)
		return 0;
	return err_set(err, 0,
		"%s %s can be written by commands (%s:%u); put it elsewhere, or protect it", what,
		log_quote(path, strlen(path), shown, sizeof(shown)),
		log_quote(line->origin.file, strlen(line->origin.file), file, sizeof(file)),
		line->origin.line);
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

/* The program, and every word that is an absolute path: scripts, files to read from. */
static int check_command(const struct policy *policy, const char *line, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = line };
	bool is_first = true;
	int r;

	while ((r = entries_next(&e, err)) > 0) {
		if (is_first)
			r = check_program(policy, e.text.data, err);
		else if (e.text.data[0] == '/')
			r = check_file(policy, e.text.data, "file", err);
		else
			r = 0;
		is_first = false;
		if (r < 0)
			return r;
	}
	return r;
}

static int check_source(const struct policy *policy, const char *source, struct err *err)
{
	if (str_starts(source, "file:"))
		return check_file(policy, source + strlen("file:"), "file", err);
	if (str_starts(source, "command:"))
		return check_command(policy, source + strlen("command:"), err);
	return 0;
}

int rulecheck_places(const struct policy *policy, const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *item = rules_value(rule, RULES_CA);
	enum rules_key key = RULES_CA;
	int r = item != NULL ? check_file(policy, item->value, "file", err) : 0;

	for (size_t i = 0; i < ARRAY_LEN(source_keys) && r == 0; i++) {
		key = source_keys[i];
		item = rules_value(rule, key);
		r = item != NULL ? check_source(policy, item->value, err) : 0;
	}
	if (r == 0)
		return 0;
	(void)err_prefix(err, "[inject %s] %s", rule->name, rules_key_name(key));
	return lines_at(err, item->origin.file, item->origin.line);
}
