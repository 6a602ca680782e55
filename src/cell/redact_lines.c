/*
 * Formats of one KEY and VALUE a line, a URL a line, and git's configuration: see redact.h. Runs
 * where redact.c does. What is not one of the few known kinds of lines is refused: no reader of the
 * real format may see a value where this one saw none.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "cell/redact.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Rationale: no key of these files is longer; it is compared as text. */
#define KEY_BYTES 256

static const struct line_form {
	char separator; /* ':' only before a blank or a line's end */
	const char *comments;
	bool has_sections;
	bool may_nest; /* indented keys */
	bool must_quote;
	bool has_bare_keys; /* a key alone means true */
	const char *shown[24]; /* globs of keys whose values are no secrets */
	const char *listed; /* a key with indented words below it */
} forms[REDACTFORM_COUNT] = {
	[REDACTFORM_NPMRC] = { '=', "#;", false, false, false, true,
		{ "registry", "*:registry", "*:username", "prefix", "cache", "email", "tag",
			"loglevel", "init-*", "save-*", "node-*", "*-hoist*", "*-peer*",
			"script-shell", "cafile", "noproxy", "proxy", "https-proxy", "access",
			"*-store-dir", "lockfile*", "link-*", "GO*" },
		NULL },
	[REDACTFORM_INI] = { '=', "#;", true, false, false, false,
		{ "username", "repository", "index-url", "extra-index-url", "find-links",
			"trusted-host", "cert", "proxy", "format", "progress-bar", "cache-dir" },
		"index-servers" },
	[REDACTFORM_TOML] = { '=', "#", true, false, true, false, { NULL }, NULL },
	[REDACTFORM_YAML] = { ':', "#", false, true, false, false,
		{ "user", "username", "git_protocol", "editor", "browser", "api_protocol",
			"api_host", "host", "nodeLinker", "yarnPath", "npmRegistryServer",
			"npmPublishRegistry", "glamour_style", "display_hyperlinks" },
		NULL },
};

struct line {
	const char *text;
	size_t n, number;
	size_t indent;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void trim(const char **text, size_t *n)
{
	while (*n > 0 && is_blank(**text)) {
		(*text)++;
		(*n)--;
	}
	while (*n > 0 && is_blank((*text)[*n - 1]))
		(*n)--;
}

static int refuse(const struct line *l, struct err *err)
{
	return err_set(err, 0, "line %zu is not understood", l->number);
}

/* A key as text, without what makes it another one for other readers. */
static bool take_key(const char *text, size_t n, char key[KEY_BYTES])
{
	static const char odd[] = " \t\"'\\${}";

	if (n == 0 || n >= KEY_BYTES)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strchr(odd, text[i]) != NULL)
			return false;
	memcpy(key, text, n);
	key[n] = '\0';
	return true;
}

static bool is_shown(const struct line_form *form, const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(form->shown) && form->shown[i] != NULL; i++)
		if (str_glob(form->shown[i], key))
			return true;
	return false;
}

/* ${NAME}: the environment's, which has fakes of its own. */
static bool is_variable(const char *value, size_t n)
{
	return n > 3 && value[0] == '$' && value[1] == '{' &&
		memchr(value, '}', n) == value + n - 1 && memchr(value + 2, '$', n - 2) == NULL;
}

static void add_value(struct redact *r, const struct line_form *form, const char *key,
	const char *value, size_t n)
{
	/* A blank in it: a comment for one reader, a part of the value for another. */
	bool is_word = memchr(value, ' ', n) == NULL && memchr(value, '\t', n) == NULL;

	if (redact_is_trivial(key, value, n) || is_variable(value, n))
		buf_add(r->out, value, n);
	else if (is_word && is_shown(form, key))
		redact_shown(r, value, n);
	else
		redact_fake(r, value, n, str_ends(key, "_auth"));
}

/* A value with its quotes, if it has any; one that means more than its text is refused. */
static int add_quoted(struct redact *r, const struct line_form *form, const char *key,
	const struct line *l, struct err *err)
{
	const char *value = l->text;
	size_t n = l->n;
	bool is_quoted = n > 0 && (value[0] == '"' || value[0] == '\'');

	if (n == 0)
		return 0;
	if (memchr(value, '\\', n) != NULL)
		return refuse(l, err);
	if (!is_quoted) {
		bool is_plain = redact_is_trivial("key", value, n);

		if ((form->must_quote && !is_plain) ||
			(form->separator == ':' && strchr("|>&*!{[%@`-?,", value[0]) != NULL) ||
			(form->separator == ':' && memmem(value, n, " #", 2) != NULL))
			return refuse(l, err);
		add_value(r, form, key, value, n);
		return 0;
	}
	/* three of them begin a text of many lines */
	if (n < 2 || value[n - 1] != value[0] || memchr(value + 1, value[0], n - 2) != NULL ||
		(n == 2 && form->must_quote))
		return refuse(l, err);
	buf_add(r->out, value, 1);
	if (n > 2)
		add_value(r, form, key, value + 1, n - 2);
	buf_add(r->out, value, 1);
	return 0;
}

static int add_section(struct redact *r, const struct line *l, struct err *err)
{
	const char *text = l->text;
	size_t n = l->n;

	if (text[n - 1] != ']' || memchr(text + 1, '[', n - 1) != NULL ||
		memchr(text, ']', n) != text + n - 1)
		return refuse(l, err);
	redact_shown(r, text, n);
	return 0;
}

/* Words below a key that lists names. */
static int add_listed(struct redact *r, const struct line *l, struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
			    l->text[i]) == NULL)
			return refuse(l, err);
	if (l->n > 32)
		return refuse(l, err);
	redact_shown(r, l->text, l->n);
	return 0;
}

static size_t find_separator(const struct line_form *form, const struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->text[i] == form->separator &&
			(form->separator != ':' || i + 1 == l->n || is_blank(l->text[i + 1])))
			return i;
	return l->n;
}

/* A bare key is a word of small letters: anything else may be the rest of a secret. */
static bool is_flag(const struct line *l)
{
	for (size_t i = 0; i < l->n; i++)
		if ((l->text[i] < 'a' || l->text[i] > 'z') && l->text[i] != '-')
			return false;
	return l->n <= 32;
}

/* last: the key of the line before, for the words below it. */
static int add_line(struct redact *r, const struct line_form *form, struct line *l,
	char last[KEY_BYTES], struct err *err)
{
	size_t at = find_separator(form, l), n = at;
	struct line value = *l;

	if (l->n == 0 || strchr(form->comments, l->text[0]) != NULL)
		return 0;
	if (l->indent > 0 && !form->may_nest) {
		if (form->listed == NULL || strcmp(last, form->listed) != 0)
			return refuse(l, err);
		buf_adds(r->out, "    ");
		return add_listed(r, l, err);
	}
	if (form->has_sections && l->text[0] == '[')
		return add_section(r, l, err);
	if (at == l->n && !(form->has_bare_keys && is_flag(l)))
		return refuse(l, err);
	while (n > 0 && is_blank(l->text[n - 1]))
		n--;
	if (!take_key(l->text, n, last))
		return refuse(l, err);
	for (size_t i = 0; i < l->indent; i++)
		buf_adds(r->out, " ");
	redact_shown(r, l->text, n);
	if (at == l->n)
		return 0;
	value.text += at + 1;
	value.n -= at + 1;
	trim(&value.text, &value.n);
	buf_add(r->out, &form->separator, 1);
	if (value.n > 0 && form->separator == ':')
		buf_adds(r->out, " ");
	return add_quoted(r, form, last, &value, err);
}

static bool has_prefix(const struct line *l, const char *prefix)
{
	return l->n >= strlen(prefix) && memcmp(l->text, prefix, strlen(prefix)) == 0;
}

/* https://USER:PASSWORD@HOST, and nothing else. */
static int add_credential(struct redact *r, const struct line *l, struct err *err)
{
	const char *at;

	if (l->n == 0 || l->text[0] == '#')
		return 0;
	if (!has_prefix(l, "https://") && !has_prefix(l, "http://"))
		return refuse(l, err);
	at = memrchr(l->text, '@', l->n);
	/* git writes all that ends a user or a password escaped */
	for (const char *s = strchr(l->text, ':') + 3; at != NULL && s < at; s++)
		if (strchr(" \t\"'/?#@<>", *s) != NULL)
			return refuse(l, err);
	if (at == NULL)
		return refuse(l, err);
	redact_shown(r, l->text, l->n);
	return 0;
}

/* The value of a key that is a secret; of a header its name and scheme stay. */
static void add_secret(struct redact *r, const char *value, size_t n, bool is_header)
{
	bool is_quoted = n > 1 && value[0] == '"' && value[n - 1] == '"';
	size_t shown = 0;

	if (is_quoted) {
		value++;
		n -= 2;
	}
	for (size_t i = 0; is_header && i < n; i++)
		if (is_blank(value[i]))
			shown = i + 1;
	buf_adds(r->out, is_quoted ? "\"" : "");
	buf_add(r->out, value, shown);
	if (n > shown)
		redact_fake(r, value + shown, n - shown, false);
	buf_adds(r->out, is_quoted ? "\"" : "");
}

/* A helper that says its secret: "!f() { echo password=...". All behind the word goes. */
static bool add_helper(struct redact *r, const char *value, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		size_t word = i;

		while (word > 0 && value[word - 1] != ' ' && value[word - 1] != '"')
			word--;
		if (value[i] != '=' || !redact_names_secret(value + word, i - word) ||
			memchr(value + word, ':', i - word) != NULL)
			continue;
		redact_shown(r, value, i + 1);
		redact_fake(r, value + i + 1, n - i - 1, false);
		buf_adds(r->out, value[n - 1] == '"' ? "\"" : "");
		return true;
	}
	return false;
}

/* Keys that only sound like secrets: which key signs, how a proxy asks. */
static bool is_secret_key(const char *key, size_t n)
{
	static const char *const harmless[] = { "signingkey", "authmethod", "signersfile" };

	while (n > 0 && is_blank(key[n - 1]))
		n--;
	for (size_t i = 0; i < ARRAY_LEN(harmless); i++) {
		size_t len = strlen(harmless[i]);

		if (n >= len && strncasecmp(key + n - len, harmless[i], len) == 0)
			return false;
	}
	return redact_names_secret(key, n);
}

/* git's configuration: keys that are secrets, and what looks like one anywhere else. */
static int add_git(struct redact *r, const struct line *l, bool is_continued, struct err *err)
{
	const char *equals = memchr(l->text, '=', l->n);
	struct line value = *l;
	size_t key = equals != NULL ? (size_t)(equals - l->text) : l->n;

	if (l->n == 0)
		return 0;
	if ((is_continued || l->text[l->n - 1] == '\\') && redact_names_secret(l->text, l->n))
		return refuse(l, err);
	buf_adds(r->out, l->indent > 0 ? "\t" : "");
	if (equals == NULL || l->text[0] == '[' || is_continued) {
		redact_shown(r, l->text, l->n);
		return 0;
	}
	value.text += key + 1;
	value.n -= key + 1;
	trim(&value.text, &value.n);
	if (is_secret_key(l->text, key) && !redact_is_trivial("", value.text, value.n)) {
		buf_add(r->out, l->text, key + 1);
		buf_adds(r->out, " ");
		add_secret(r, value.text, value.n, memchr(value.text, ':', value.n) != NULL);
		return 0;
	}
	buf_add(r->out, l->text, (size_t)(value.text - l->text));
	if (!add_helper(r, value.text, value.n))
		redact_shown(r, value.text, value.n);
	return 0;
}

int redact_lines(struct redact *r, enum redactform form, const char *text, size_t n,
	struct err *err)
{
	char last[KEY_BYTES] = "";
	struct line l = { .number = 0 };
	bool is_continued = false;
	int result = 0;

	for (size_t at = 0; result == 0 && at < n;) {
		const char *end = memchr(text + at, '\n', n - at);
		size_t bytes = end != NULL ? (size_t)(end - text) - at : n - at;

		l = (struct line){ .text = text + at, .n = bytes, .number = l.number + 1 };
		at += bytes + (end != NULL);
		if (l.n > 0 && l.text[l.n - 1] == '\r')
			l.n--;
		trim(&l.text, &l.n);
		l.indent = l.n > 0 ? (size_t)(l.text - (text + at - bytes - (end != NULL))) : 0;
		if (form == REDACTFORM_URLS)
			result = add_credential(r, &l, err);
		else if (form == REDACTFORM_GIT)
			result = add_git(r, &l, is_continued, err);
		else
			result = add_line(r, &forms[form], &l, last, err);
		is_continued = l.n > 0 && l.text[l.n - 1] == '\\';
		if (end != NULL)
			buf_adds(r->out, "\n");
	}
	return result;
}
