/*
 * See redact.h. Runs in the first process of a cell or of the agent context, before anything
 * hostile does, with the user's real file in one buffer that is wiped afterwards. Hostile: the
 * text of a project's git configuration; of the user's own files nothing but mistakes.
 */
#include "cell/redact.h"

#include "base/cleanup.h"
#include "policy/shape.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Rationale: the shortest of the known tokens; "sk-" alone begins other words too. */
#define TOKEN_BYTES_MIN 16u
/* Rationale: a user name in a URL without a password; longer ones are tokens. */
#define USER_BYTES_MAX 20u

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
/* "faked:" in base64: what follows is the password, in base64 as well. */
#define BASIC_PREFIX "ZmFrZWQ6"

void redact_fake(struct redact *r, const char *value, size_t n, bool is_basic)
{
	struct shape shape = shape_of_value(value, n);

	r->n_fakes++;
	if (is_basic) {
		buf_adds(r->out, BASIC_PREFIX);
		/* four letters of base64 are three bytes, and no padding is needed */
		shape = (struct shape){ 0, n > 24 ? (n & ~(size_t)3) - 8 : 16 };
	}
	r->has_failed |= shape_fake(shape, r->out) < 0;
}

bool redact_names_secret(const char *text, size_t n)
{
	static const char *const words[] = { "pass", "token", "secret", "auth", "key", "cookie",
		"extraheader", "credential" };

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_LEN(words); k++)
			if (strlen(words[k]) <= n - i &&
				strncasecmp(text + i, words[k], strlen(words[k])) == 0)
				return true;
	return false;
}

bool redact_is_trivial(const char *key, const char *value, size_t n)
{
	static const char *const words[] = { "true", "false", "null", "yes", "no", "on", "off" };
	size_t digits = 0;

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == n && memcmp(words[i], value, n) == 0)
			return true;
	while (digits < n && value[digits] >= '0' && value[digits] <= '9')
		digits++;
	return digits == n && n <= 6 && !redact_names_secret(key, strlen(key));
}

static size_t run_of(const char *text, size_t n, const char *set, bool in_set)
{
	size_t i = 0;

	while (i < n && text[i] != '\0' && (strchr(set, text[i]) != NULL) == in_set)
		i++;
	return i;
}

/* USER, USER:PASSWORD or TOKEN, in front of an '@'. */
static void add_userinfo(struct redact *r, const char *text, size_t n)
{
	const char *colon = memchr(text, ':', n);
	size_t user = colon != NULL ? (size_t)(colon - text) : n;

	if (user > USER_BYTES_MAX || shape_of_value(text, user).kind != 0)
		redact_fake(r, text, user, false);
	else
		buf_add(r->out, text, user);
	if (colon == NULL)
		return;
	buf_adds(r->out, ":");
	if (n > user + 1)
		redact_fake(r, colon + 1, n - user - 1, false);
}

/* A part of a path that is a token: some registries have theirs there. */
static bool is_token_part(const char *text, size_t n)
{
	return n >= TOKEN_BYTES_MIN && run_of(text, n, "0123456789", false) < n &&
		run_of(text, n, "0123456789", true) < n;
}

static void add_path(struct redact *r, const char *text, size_t n)
{
	while (n > 0) {
		size_t part = run_of(text, n, ALNUM, true);

		if (is_token_part(text, part))
			redact_fake(r, text, part, false);
		else
			buf_add(r->out, text, part);
		if (part < n)
			buf_add(r->out, text + part++, 1);
		text += part;
		n -= part;
	}
}

/* NAME=VALUE&NAME=VALUE, with the '?'. */
static void add_query(struct redact *r, const char *text, size_t n)
{
	while (n > 0) {
		size_t name = run_of(text, n, "=", false), value;

		name += name < n;
		add_path(r, text, name);
		value = run_of(text + name, n - name, "&#", false);
		if (value > 0)
			redact_fake(r, text + name, value, false);
		text += name + value;
		n -= name + value;
	}
}

/* Where the host begins; a password that should have been escaped may have what ends a host in it. */
static size_t userinfo_bytes(const char *text, size_t url)
{
	size_t host = run_of(text, url, "/?#", false), at = host;

	while (at > 0 && text[at - 1] != '@')
		at--;
	if (at > 0 || memchr(text, ':', host) == NULL)
		return at;
	for (at = url; at > 0 && text[at - 1] != '@'; at--)
		;
	return at;
}

/* What follows "://", to the end of the URL. Its length. */
static size_t add_url(struct redact *r, const char *text, size_t n)
{
	size_t url = run_of(text, n, " \t\r\n\"", false);
	size_t at = userinfo_bytes(text, url);
	size_t path = at + run_of(text + at, url - at, "?", false);

	if (at > 0) {
		add_userinfo(r, text, at - 1);
		buf_adds(r->out, "@");
	}
	add_path(r, text + at, path - at);
	add_query(r, text + path, url - path);
	return url;
}

void redact_shown(struct redact *r, const char *text, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t word = run_of(text + i, n - i, ALNUM "_-.", true);

		if (n - i > 3 && memcmp(text + i, "://", 3) == 0) {
			buf_adds(r->out, "://");
			i += 3 + add_url(r, text + i + 3, n - i - 3);
		} else if (word >= TOKEN_BYTES_MIN && shape_of_value(text + i, word).kind != 0) {
			redact_fake(r, text + i, word, false);
			i += word;
		} else {
			word += word == 0;
			buf_add(r->out, text + i, word);
			i += word;
		}
	}
}

/* Bytes that no such file has and that programs read differently. */
static bool has_odd_bytes(const char *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)bytes[i];

		if ((c < 0x20 && c != '\n' && c != '\t' && !(c == '\r' && i + 1 < n && bytes[i + 1] == '\n')) ||
			c == 0x7f)
			return true;
	}
	return false;
}

int redact_file(enum redactform form, const char *bytes, size_t n, struct buf *out,
	unsigned *ret_fakes, struct err *err)
{
	struct redact r = { .out = out };
	int result;

	if (n > REDACT_BYTES_MAX || has_odd_bytes(bytes, n))
		return err_set(err, 0, "it is no text, or too long");
	if (form == REDACTFORM_JSON)
		result = redact_json(&r, bytes, n, err);
	else if (form == REDACTFORM_NETRC)
		result = redact_netrc(&r, bytes, n, err);
	else
		result = redact_lines(&r, form, bytes, n, err);
	if (result == 0 && (r.has_failed || out->failed))
		return err_set(err, ENOMEM, "make fakes");
	*ret_fakes = r.n_fakes;
	return result;
}
