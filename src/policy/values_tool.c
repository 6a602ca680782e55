/* Values of [tool NAME] -> normal form. Pure; the text may be a hostile project's. */
#include "policy/values.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/entries.h"
#include "policy/tools.h"

#include <string.h>

#define SHOWN_BYTES 100
#define WORD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+-"

static int check_words(const char *text, struct err *err)
{
	AUTO_ENTRIES struct entries e = { .rest = text };
	int r;

	while ((r = entries_next(&e, err)) > 0)
		continue;
	return r;
}

int values_match(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t n = strspn(text, WORD_CHARS);
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (n == 0 || text[0] == '.' || text[0] == '-' ||
		(text[n] != '\0' && text[n] != ' ' && text[n] != '\t'))
		return err_set(err, 0,
			"'%s' does not begin with a command's name; write for example git push *",
			log_quote(text, strlen(text), shown, sizeof(shown)));
	if (check_words(text + n, err) < 0)
		return -err->code;
	buf_adds(out, text);
	return 0;
}

/* As `secret = command:` has it: absolute, ~/ or a bare name, then its arguments. */
int values_command(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf line = { 0 }, normal = { 0 };

	buf_addf(&line, "command:%s", text);
	if (line.failed)
		return err_set(err, ENOMEM, "read a command");
	if (values_secret(info, places, line.data, &normal, err) < 0)
		return -err->code;
	buf_adds(out, normal.data + strlen("command:"));
	return 0;
}

int values_args(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	(void)info;
	(void)places;
	if (check_words(text, err) < 0)
		return -err->code;
	buf_adds(out, text);
	return 0;
}

int values_secret_env(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	const char *source;
	size_t n = tools_secret(text, &source);
	AUTO_FREE char *name = strndup(text, n);
	AUTO_BUF struct buf checked = { 0 };

	if (name == NULL)
		return err_set(err, ENOMEM, "read a line");
	if (text[n] != '=')
		return err_set(err, 0, "write NAME=SOURCE, for example PGPASSWORD=file:~/.secrets/db");
	if (values_env_name(info, places, name, &checked, err) < 0)
		return -err->code;
	buf_addf(out, "%s=", name);
	return values_secret(info, places, source, out, err);
}

int values_tool_limit(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	struct tools_limits limits;
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!tools_limit(text, &limits))
		return err_set(err, 0,
			"'%s' is no limit; write for example 6/minute (runs) or 30s (one run)",
			log_quote(text, strlen(text), shown, sizeof(shown)));
	buf_adds(out, text);
	return 0;
}
