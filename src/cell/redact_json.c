/*
 * JSON (RFC 8259) of Docker's and Composer's configuration: every string is replaced whose key is
 * not known. See redact.h; runs where redact.c does.
 */
#include "base/cleanup.h"
#include "cell/redact.h"

#include <errno.h>
#include <string.h>

/* Rationale: these files have three levels. */
#define JSON_DEPTH_MAX 16u

/* Strings that are no secrets, by their key; of an object, all in it. */
static const char *const shown[] = { "credsStore", "credHelpers", "currentContext", "psFormat",
	"imagesFormat", "detachKeys", "serveraddress", "stackOrchestrator" };

struct json {
	struct redact *r;
	const char *text;
	size_t n, at;
	struct err *err;
};

static int refuse(struct json *j)
{
	return err_set(j->err, 0, "what stands at byte %zu is not understood", j->at);
}

static void add_blanks(struct json *j)
{
	size_t from = j->at;

	while (j->at < j->n && strchr(" \t\r\n", j->text[j->at]) != NULL)
		j->at++;
	buf_add(j->r->out, j->text + from, j->at - from);
}

static bool take(struct json *j, char c)
{
	if (j->at >= j->n || j->text[j->at] != c)
		return false;
	j->at++;
	buf_add(j->r->out, &c, 1);
	return true;
}

/* The bytes between two quotes; one with a backslash is a key or a value in disguise. */
static bool take_string(struct json *j, const char **ret, size_t *ret_n)
{
	size_t from = j->at + 1, i = from;

	if (j->at >= j->n || j->text[j->at] != '"')
		return false;
	while (i < j->n && j->text[i] != '"' && j->text[i] != '\\' && j->text[i] != '\n')
		i++;
	if (i >= j->n || j->text[i] != '"')
		return false;
	*ret = j->text + from;
	*ret_n = i - from;
	j->at = i + 1;
	return true;
}

static bool is(const char *word, const char *text, size_t n)
{
	return strlen(word) == n && memcmp(word, text, n) == 0;
}

static int add_value(struct json *j, const char *key, size_t key_n, bool is_shown, unsigned depth);

static int add_object(struct json *j, bool is_shown, unsigned depth)
{
	const char *key;
	size_t n;

	add_blanks(j);
	if (take(j, '}'))
		return 0;
	do {
		bool shows = is_shown;

		add_blanks(j);
		if (!take_string(j, &key, &n))
			return refuse(j);
		buf_adds(j->r->out, "\"");
		redact_shown(j->r, key, n);
		buf_adds(j->r->out, "\"");
		for (size_t i = 0; i < ARRAY_LEN(shown); i++)
			shows |= is(shown[i], key, n);
		add_blanks(j);
		if (!take(j, ':'))
			return refuse(j);
		if (add_value(j, key, n, shows, depth) < 0)
			return -j->err->code;
		add_blanks(j);
	} while (take(j, ','));
	return take(j, '}') ? 0 : refuse(j);
}

static int add_array(struct json *j, const char *key, size_t key_n, bool is_shown, unsigned depth)
{
	add_blanks(j);
	if (take(j, ']'))
		return 0;
	do {
		if (add_value(j, key, key_n, is_shown, depth) < 0)
			return -j->err->code;
		add_blanks(j);
	} while (take(j, ','));
	return take(j, ']') ? 0 : refuse(j);
}

static int add_string(struct json *j, const char *key, size_t key_n, bool is_shown)
{
	const char *value;
	size_t n;

	if (!take_string(j, &value, &n))
		return refuse(j);
	buf_adds(j->r->out, "\"");
	if (is_shown)
		redact_shown(j->r, value, n);
	else if (n > 0)
		redact_fake(j->r, value, n, is("auth", key, key_n));
	buf_adds(j->r->out, "\"");
	return 0;
}

/* Numbers too: some are secrets, and none is needed but small ones. */
static int add_word(struct json *j)
{
	size_t from = j->at;

	while (j->at < j->n && strchr(",]} \t\r\n", j->text[j->at]) == NULL)
		j->at++;
	if (!redact_is_trivial("key", j->text + from, j->at - from))
		return refuse(j);
	buf_add(j->r->out, j->text + from, j->at - from);
	return 0;
}

static int add_value(struct json *j, const char *key, size_t key_n, bool is_shown, unsigned depth)
{
	add_blanks(j);
	if (j->at >= j->n || depth >= JSON_DEPTH_MAX)
		return refuse(j);
	if (j->text[j->at] == '"')
		return add_string(j, key, key_n, is_shown);
	if (take(j, '{'))
		return add_object(j, is_shown, depth + 1);
	if (take(j, '['))
		return add_array(j, key, key_n, is_shown, depth + 1);
	return add_word(j);
}

int redact_json(struct redact *r, const char *text, size_t n, struct err *err)
{
	struct json j = { .r = r, .text = text, .n = n, .err = err };

	if (add_value(&j, "", 0, false, 0) < 0)
		return -err->code;
	add_blanks(&j);
	return j.at == n ? 0 : refuse(&j);
}
