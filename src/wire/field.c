/* Hostile: fields of clients and servers. Pure. */
#include "wire/field.h"

#include "base/ascii.h"
#include "base/cleanup.h"

#include <string.h>

/* ---- names ---- */

static bool is_separator(char c)
{
	return c == '-' || c == '_' || c == '.';
}

/* Takes the next byte that counts; '\0' at the end. */
static char next_folded(struct keepmsg_text *t)
{
	while (t->n > 0 && is_separator(*t->at)) {
		t->at++;
		t->n--;
	}
	if (t->n == 0)
		return '\0';
	t->n--;
	return ascii_lower(*t->at++);
}

/* Most differ in their first byte: asked first, for each field of each head. */
static bool may_match(struct keepmsg_text name, const char *want)
{
	return name.n > 0 && (is_separator(*name.at) || is_separator(*want) ||
				     ascii_lower(*name.at) == ascii_lower(*want));
}

bool field_is_same(struct keepmsg_text a, struct keepmsg_text b)
{
	char c;

	do {
		c = next_folded(&a);
		if (c != next_folded(&b))
			return false;
	} while (c != '\0');
	return true;
}

bool field_is(struct keepmsg_text name, const char *want)
{
	return may_match(name, want) &&
	       field_is_same(name, (struct keepmsg_text){ want, strlen(want) });
}

bool field_matches(struct keepmsg_text name, const char *want)
{
	struct keepmsg_text w = { want, strlen(want) };
	char c;

	if (!may_match(name, want))
		return false;
	do {
		c = next_folded(&w);
		if (c == '*')
			return true;
		if (c != next_folded(&name))
			return false;
	} while (c != '\0');
	return true;
}

bool field_is_listed(struct keepmsg_text name, const char *const *wants, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (field_matches(name, wants[i]))
			return true;
	return false;
}

size_t field_token_length(const char *at, size_t n)
{
	size_t i = 0;

	for (; i < n; i++) {
		char c = ascii_lower(at[i]);

		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
			(c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
			break;
	}
	return i;
}

bool field_is_token(struct keepmsg_text text)
{
	return text.n > 0 && field_token_length(text.at, text.n) == text.n;
}

/* ---- values ---- */

bool field_says(struct keepmsg_text value, const char *want)
{
	if (value.n != strlen(want))
		return false;
	for (size_t i = 0; i < value.n; i++)
		if (ascii_lower(value.at[i]) != want[i])
			return false;
	return true;
}

struct keepmsg_text field_trim(struct keepmsg_text t)
{
	while (t.n > 0 && (t.at[0] == ' ' || t.at[0] == '\t')) {
		t.at++;
		t.n--;
	}
	while (t.n > 0 && (t.at[t.n - 1] == ' ' || t.at[t.n - 1] == '\t'))
		t.n--;
	return t;
}

bool field_next(struct keepmsg_text *rest, struct keepmsg_text *ret)
{
	while (rest->n > 0) {
		const char *comma = memchr(rest->at, ',', rest->n);
		size_t n = comma != NULL ? (size_t)(comma - rest->at) : rest->n;
		struct keepmsg_text element = field_trim((struct keepmsg_text){ rest->at, n });

		n += comma != NULL;
		rest->at += n;
		rest->n -= n;
		if (element.n > 0) {
			*ret = element;
			return true;
		}
	}
	return false;
}

bool field_number(struct keepmsg_text text, uint64_t *ret)
{
	uint64_t value = 0;

	if (text.n == 0 || text.n > 18)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.at[i] < '0' || text.at[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.at[i] - '0');
	}
	*ret = value;
	return true;
}

bool field_is_value(struct keepmsg_text text)
{
	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.at[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* ---- who one is ---- */

static const char *const credentials[] = { "authorization", "proxy-authorization", "cookie", "cookie2",
	"api-key", "x-api-key", "x-api-token", "x-auth-key", "x-auth-email", "x-auth-token",
	"x-access-token", "private-token", "job-token", "deploy-token", "x-github-token",
	"x-gitlab-token", "x-goog-api-key", "x-goog-iam-authorization-token",
	"ocp-apim-subscription-key", "x-vault-token", "x-figma-token", "x-shopify-access-token" };
static const char *const signatures[] = { "x-amz-security-token" };
static const char *const credential_params[] = { "access-token", "api-key", "auth-token",
	"client-secret", "job-token", "oauth-token", "private-token" };
static const char *const signature_params[] = { "x-amz-credential", "x-amz-signature",
	"x-amz-security-token", "x-goog-credential", "x-goog-signature" };

/* Rationale: longer than every name above, with separators; what is cut is none of them. */
#define PARAM_NAME_MAX 64u

bool field_is_credential(struct keepmsg_text name)
{
	return field_is_listed(name, credentials, ARRAY_LEN(credentials));
}

bool field_is_signature(struct keepmsg_text name)
{
	return field_is_listed(name, signatures, ARRAY_LEN(signatures));
}

struct keepmsg_text field_param_name(struct keepmsg_text param, char *out, size_t out_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < param.n && param.at[i] != '=' && n < out_bytes; i++) {
		int c = param.at[i] == '%' && param.n - i > 2 ? ascii_hex_byte(param.at + i + 1) : -1;

		out[n++] = c >= 0 ? (char)c : param.at[i];
		i += c >= 0 ? 2 : 0;
	}
	return (struct keepmsg_text){ out, n };
}

static bool is_param(struct keepmsg_text name, const char *const *wants, size_t n)
{
	char decoded[PARAM_NAME_MAX];

	return field_is_listed(field_param_name(name, decoded, sizeof(decoded)), wants, n);
}

bool field_is_credential_param(struct keepmsg_text name)
{
	return is_param(name, credential_params, ARRAY_LEN(credential_params));
}

bool field_is_signature_param(struct keepmsg_text name)
{
	return is_param(name, signature_params, ARRAY_LEN(signature_params));
}

bool field_next_param(struct keepmsg_text *rest, struct keepmsg_text *ret, char *ret_end)
{
	size_t n = 0;

	if (rest->n == 0)
		return false;
	while (n < rest->n && rest->at[n] != '&' && rest->at[n] != ';')
		n++;
	*ret = (struct keepmsg_text){ rest->at, n };
	*ret_end = n < rest->n ? rest->at[n] : '\0';
	n += n < rest->n;
	rest->at += n;
	rest->n -= n;
	return true;
}

/* ---- spelling ---- */

/* Words and whole names that are not spelt with one capital at their beginning. */
static const char *const words[] = { "DNT", "ETag", "GitHub", "HTTP2", "ID", "IP", "MD5", "OAuth",
	"RateLimit", "SOAPAction", "SSL", "TE", "UA", "WebSocket", "WWW", "XSS" };

static bool is_word(const char *word, const char *name, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ascii_lower(word[i]) != name[i])
			return false;
	return word[n] == '\0';
}

static void spell_word(char *name, size_t n)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strlen(words[i]) == n && is_word(words[i], name, n)) {
			memcpy(name, words[i], n);
			return;
		}
	}
	if (n > 0)
		name[0] = ascii_upper(name[0]);
}

void field_spell(char *name, size_t n)
{
	while (n > 0) {
		const char *dash = memchr(name, '-', n);
		size_t word_n = dash != NULL ? (size_t)(dash - name) : n;

		spell_word(name, word_n);
		word_n += dash != NULL;
		name += word_n;
		n -= word_n;
	}
}
