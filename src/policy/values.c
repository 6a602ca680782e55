/* Checks of values other than paths and hosts. Pure; the text may be a hostile project's. */
#include "policy/values.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "policy/hostmatch.h"
#include "policy/limits.h"
#include "policy/nearest.h"
#include "policy/trusted.h"

#include <string.h>

#define SHOWN_BYTES 100

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

static const char *show(const char *text, char out[SHOWN_BYTES])
{
	return log_quote(text, strlen(text), out, SHOWN_BYTES);
}

static bool consists_of(const char *text, const char *bytes)
{
	return *text != '\0' && text[strspn(text, bytes)] == '\0';
}

int values_text(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	(void)info;
	(void)places;
	if (*text == '\0')
		return err_set(err, 0, "no value; write one or delete the line");
	buf_adds(out, text);
	return 0;
}

int values_name(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!consists_of(text, LETTERS DIGITS "._-") || *text == '.' || *text == '-' ||
		strlen(text) > 32)
		return err_set(err, 0,
			"'%s' is no name; use up to 32 letters, digits, '.', '_' and '-'",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}

int values_profile(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	bool is_preset = str_starts(text, KEYS_PRESETS "/");

	if (is_preset) {
		buf_adds(out, KEYS_PRESETS "/");
		text += strlen(KEYS_PRESETS "/");
	}
	return values_name(info, places, text, out, err);
}

int values_word(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	struct nearest nearest = { .word = text };
	AUTO_BUF struct buf all = { 0 };
	char shown[SHOWN_BYTES];

	(void)places;
	for (const struct keys_word *w = info->words; w->word != NULL; w++) {
		if (strcmp(w->word, text) == 0) {
			buf_adds(out, text);
			return 0;
		}
		nearest_try(&nearest, w->word);
		buf_addf(&all, "%s%s", all.len > 0 ? " or " : "", w->word);
	}
	return err_set(err, 0, "'%s' is not valid; write %s", show(text, shown),
		all.data != NULL ? all.data : "");
}

int values_env_glob(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (strchr(text, '=') != NULL)
		return err_set(err, 0,
			"'%s' has a value; write the name here, the value as [env] set",
			show(text, shown));
	if (!consists_of(text, LETTERS DIGITS "_*?") || strchr(DIGITS, *text) != NULL)
		return err_set(err, 0,
			"'%s' is no name of a variable; use letters, digits, '_', and '*' and '?' "
			"as wildcards",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}

int values_env_set(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	size_t n = strspn(text, LETTERS DIGITS "_");
	const char *value = text + n + 1;
	bool is_quoted;
	size_t m;

	(void)info;
	(void)places;
	if (n == 0 || text[n] != '=' || strchr(DIGITS, *text) != NULL)
		return err_set(err, 0, "no NAME=VALUE; write set = NAME=VALUE, one a line");
	m = strlen(value);
	is_quoted = m >= 2 && value[0] == '"' && value[m - 1] == '"';
	if (!is_quoted && strstr(value, " #") != NULL)
		return err_set(err, 0,
			"' #' looks like a comment; put it on a line of its own, or the value in "
			"double quotes");
	buf_add(out, text, n + 1);
	buf_add(out, value + is_quoted, is_quoted ? m - 2 : m);
	return 0;
}

int values_port(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	unsigned long port;
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!str_to_ulong(text, 65535, &port) || port == 0)
		return err_set(err, 0, "'%s' is no port; write a number from 1 to 65535",
			show(text, shown));
	buf_addf(out, "%lu", port);
	return 0;
}

int values_parent_proxy(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	static const char scheme[] = "http://";
	AUTO_FREE char *host = NULL;
	struct hostmatch entry;
	char shown[SHOWN_BYTES], normal[320];
	size_t n;

	(void)info;
	(void)places;
	/* The text is not shown before it is known to have no password in it. */
	if (strchr(text, '@') != NULL)
		return err_set(err, 0,
			"no user or password can stand here: the proxy process would know it; let a "
			"local relay that logs in be the parent");
	if (!str_starts(text, scheme))
		return err_set(err, 0, "'%s' is no parent proxy; write http://HOST:PORT",
			show(text, shown));
	n = strlen(text);
	n -= text[n - 1] == '/' && n > sizeof(scheme);
	host = strndup(text + sizeof(scheme) - 1, n - (sizeof(scheme) - 1));
	if (host == NULL)
		return err_set(err, ENOMEM, "parent proxy");
	if (hostmatch_parse(host, &entry) != HOSTMATCH_OK ||
		(entry.kind != HOSTMATCH_NAME && entry.kind != HOSTMATCH_LITERAL))
		return err_set(err, 0, "'%s' is no parent proxy; write http://HOST:PORT",
			show(text, shown));
	if (entry.port == 0)
		entry.port = 80;
	hostmatch_format(&entry, normal, sizeof(normal));
	buf_addf(out, "%s%s", scheme, normal);
	return 0;
}

int values_amount(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	struct limits limits = { 0 };
	int r = limits_parse(info->name, text, &limits, err);

	(void)places;
	if (r == 0)
		buf_adds(out, text);
	return r;
}

int values_trusted(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	int r = trusted_check(text, err);

	(void)info;
	(void)places;
	if (r == 0)
		buf_adds(out, text);
	return r;
}

static bool is_tool_key(const char *text)
{
	if (!str_starts(text, "tool."))
		return false;
	for (size_t k = 0; k < TOOLS_KEY_COUNT; k++)
		if (strcmp(text + strlen("tool."), tools_key_name((enum tools_key)k)) == 0)
			return true;
	return strcmp(text, KEYS_EVERY_TOOL) == 0;
}

static bool is_rule_key(const char *text)
{
	if (!str_starts(text, "inject."))
		return false;
	for (size_t k = 0; k < RULES_KEY_COUNT; k++)
		if (strcmp(text + strlen("inject."), rules_key_name((enum rules_key)k)) == 0)
			return true;
	return strcmp(text, KEYS_EVERY_RULE) == 0;
}

int values_key_name(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	struct nearest nearest = { .word = text };
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (policy_key_find(text) < PK_COUNT || is_rule_key(text) ||
		is_tool_key(text)) {
		buf_adds(out, text);
		return 0;
	}
	for (size_t i = 0; i < PK_COUNT; i++)
		nearest_try(&nearest, policy_key_name((enum policy_key)i));
	if (nearest_best(&nearest) != NULL)
		return err_set(err, 0, "'%s' is no SECTION.KEY; did you mean '%s'?",
			show(text, shown), nearest_best(&nearest));
	return err_set(err, 0, "'%s' is no SECTION.KEY; write for example files.hide",
		show(text, shown));
}
