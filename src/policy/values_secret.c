/*
 * Where a secret comes from -> normal form. Pure; the text may be a hostile project's, and is never
 * shown: whoever is here may have written the secret itself.
 */
#include "policy/values.h"

#include "base/cleanup.h"
#include "policy/entries.h"

#include <string.h>

typedef int source_check(const struct keys_places *places, const char *text, struct buf *out,
	struct err *err);

static const struct keys_info no_info;

static int from_env(const struct keys_places *places, const char *text, struct buf *out,
	struct err *err)
{
	AUTO_BUF struct buf name = { 0 };

	if (values_env_name(&no_info, places, text, &name, err) < 0)
		return err_set(err, 0, "env: takes the name of a variable; write env:NAME");
	buf_adds(out, text);
	return 0;
}

static int from_file(const struct keys_places *places, const char *text, struct buf *out,
	struct err *err)
{
	if (values_file(&no_info, places, text, out, err) < 0)
		return err_set(err, 0, "file: takes one file; write file:/PATH or file:~/PATH");
	return 0;
}

/*
 * Words as in a list: blanks separate, double quotes join; no shell. The program is absolute, or a
 * bare name that is looked for in RULES_COMMAND_PATH.
 */
static int from_command(const struct keys_places *places, const char *text, struct buf *out,
	struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = text };
	AUTO_BUF struct buf program = { 0 };
	const char *rest;
	struct err why;
	int r = entries_next(&e, &why);

	if (r <= 0 || e.is_removal)
		return err_set(err, 0, "command: takes a program and its arguments");
	rest = e.rest;
	if (strchr(e.text.data, '/') == NULL)
		buf_adds(&program, e.text.data);
	else if (values_file(&no_info, places, e.text.data, &program, &why) < 0)
		return err_set(err, 0,
			"command: takes a program by absolute path, ~/PATH or bare name");
	while ((r = entries_next(&e, &why)) > 0)
		continue;
	if (r < 0)
		return err_set(err, 0, "command: a double quote is not closed, or stands inside of "
			"a word; quote whole words");
	if (program.failed)
		return err_set(err, ENOMEM, "read a command");
	if (strpbrk(program.data, " \t") != NULL)
		buf_addf(out, "\"%s\"%s", program.data, rest);
	else
		buf_addf(out, "%s%s", program.data, rest);
	return 0;
}

static int from_keyring(const struct keys_places *places, const char *text, struct buf *out,
	struct err *err)
{
	const char *slash = strchr(text, '/');

	(void)places;
	if (slash == NULL || slash == text || slash[1] == '\0')
		return err_set(err, 0, "keyring: takes SERVICE/ACCOUNT");
	buf_adds(out, text);
	return 0;
}

static const struct source {
	const char *prefix;
	source_check *check;
} sources[] = {
	{ "env:", from_env },
	{ "file:", from_file },
	{ "command:", from_command },
	{ "keyring:", from_keyring },
};

int values_secret(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	(void)info;
	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		const char *rest = text + strlen(sources[i].prefix);

		if (!str_starts(text, sources[i].prefix))
			continue;
		buf_adds(out, sources[i].prefix);
		return sources[i].check(places, rest, out, err);
	}
	return err_set(err, 0,
		"a secret is named, not written; use env:NAME, file:PATH, command:LINE or "
		"keyring:SERVICE/ACCOUNT");
}
