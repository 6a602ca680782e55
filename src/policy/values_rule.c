/*
 * Values of [inject NAME] -> their normal form. Pure; the text may be a hostile project's. What a
 * message would show of a secret's source is left out: whoever is here may have written the secret.
 */
#include "policy/values.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/hostmatch.h"
#include "policy/urlglob.h"
#include "policy/urlpath.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SHOWN_BYTES 100

#define CAPITALS "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS CAPITALS "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* RFC 9110, 5.6.2 */
#define TOKEN LETTERS DIGITS "!#$%&'*+-.^_`|~"

/* RFC 3986, 2.3 */
#define UNRESERVED LETTERS DIGITS "-._~"

#define SECRET "{secret}"

/* Rationale: a secret that is fetched anew less often than once a week needs no ttl. */
#define TTL_MAX (7 * 24 * 3600)

static const char *show(const char *text, char out[SHOWN_BYTES])
{
	return log_quote(text, strlen(text), out, SHOWN_BYTES);
}

static bool consists_of(const char *text, const char *bytes)
{
	return *text != '\0' && text[strspn(text, bytes)] == '\0';
}

int values_rule_host(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	struct hostmatch entry = { 0 };
	char shown[SHOWN_BYTES];
	int r = values_host(info, places, text, out, err);

	if (r < 0)
		return r;
	(void)hostmatch_parse(text, &entry);
	(void)show(text, shown);
	if (entry.port != 0)
		return err_set(err, 0, "'%s' has a port; write it as port = %u", shown, entry.port);
	if (entry.kind == HOSTMATCH_ANY)
		return err_set(err, 0, "'%s' would give the secret to every host; name the host",
			shown);
	if (entry.kind == HOSTMATCH_LITERAL)
		return err_set(err, 0,
			"'%s' is an address, which no certificate vouches for; write a name",
			shown);
	if (entry.kind == HOSTMATCH_NAME && strcmp(entry.name, "localhost") == 0)
		return err_set(err, 0,
			"'localhost' is this machine and needs no secret on the way; write a name");
	return 0;
}

int values_method(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	static const char *const never[] = { "TRACE", "TRACK", "CONNECT" };
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!consists_of(text, CAPITALS "-") && strcmp(text, "*") != 0)
		return err_set(err, 0, "'%s' is no method; write GET, POST ... in capitals",
			show(text, shown));
	for (size_t i = 0; i < ARRAY_LEN(never); i++)
		if (strcmp(text, never[i]) == 0)
			return err_set(err, 0,
				"%s is never served: it would echo or carry past what is injected; "
				"take it out",
				text);
	buf_adds(out, text);
	return 0;
}

int values_url_path(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	size_t query_bytes;
	const char *query, *fault;
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	(void)show(text, shown);
	if (strcmp(text, "*") == 0) {
		buf_adds(out, text);
		return 0;
	}
	fault = urlpath_normal(text, strlen(text), out, &query, &query_bytes);
	if (fault != NULL)
		return err_set(err, 0, "'%s' is no path of a request: %s; write /PATH with '*'",
			shown, fault);
	if (query != NULL)
		return err_set(err, 0, "'%s' has a '?'; rules judge the path in front of it",
			shown);
	if (out->len > URLGLOB_MAX)
		return err_set(err, 0, "'%s' is longer than %d bytes; use wildcards", shown,
			URLGLOB_MAX);
	return 0;
}

int values_token(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!consists_of(text, TOKEN))
		return err_set(err, 0, "'%s' is no name of a header; see RFC 9110 section 5.1",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}

static char folded(char c)
{
	if (c == '_' || c == '.')
		return '-';
	return ascii_lower(c);
}

bool values_same_header(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
	if (a_bytes != b_bytes)
		return false;
	for (size_t i = 0; i < a_bytes; i++)
		if (folded(a[i]) != folded(b[i]))
			return false;
	return true;
}

/* What frames the request or names its destination is the proxy's own. */
static int check_framing(const char *name, size_t n, struct err *err)
{
	static const char *const own[] = { "host", "content-length", "transfer-encoding",
		"connection", "proxy-connection", "keep-alive", "te", "trailer", "upgrade",
		"http2-settings", "expect", "proxy-authorization", "proxy-authenticate",
		"max-forwards", "forwarded", "x-forwarded-host", "x-original-url", "x-rewrite-url",
		"x-http-method", "x-http-method-override", "x-method-override" };

	for (size_t i = 0; i < ARRAY_LEN(own); i++)
		if (values_same_header(name, n, own[i], strlen(own[i])))
			return err_set(err, 0,
				"%s frames or redirects the request, which is the proxy's to say; "
				"take it out",
				own[i]);
	return 0;
}

int values_header_name(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	int r = values_token(info, places, text, out, err);

	return r < 0 ? r : check_framing(text, strlen(text), err);
}

/* "{word}": the only one there is is {secret}. Other braces are text. */
static int check_braces(const char *text, struct err *err)
{
	char shown[SHOWN_BYTES];

	for (const char *s = strchr(text, '{'); s != NULL; s = strchr(s + 1, '{')) {
		size_t n = strspn(s + 1, LETTERS DIGITS "_- ");

		if (s[n + 1] != '}' || n == 0 || str_starts(s, SECRET))
			continue;
		return err_set(err, 0, "'%s' is not known; write " SECRET,
			log_quote(s, n + 2, shown, sizeof(shown)));
	}
	return 0;
}

/* Text that goes into a head: visible US-ASCII and blanks. Its bytes are not shown. */
static int check_template(const char *text, struct err *err)
{
	for (const char *s = text; *s != '\0'; s++)
		if ((*s < 0x20 && *s != '\t') || *s > 0x7e)
			return err_set(err, 0,
				"byte 0x%02x in a text of a request; use printable ASCII",
				(unsigned char)*s);
	return check_braces(text, err);
}

int values_header(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t n = strspn(text, TOKEN), skipped;
	int r;

	(void)info;
	(void)places;
	skipped = n + (text[n] == ':');
	skipped += strspn(text + skipped, " \t");
	if (n == 0 || text[n] != ':' || text[skipped] == '\0')
		return err_set(err, 0,
			"no NAME: VALUE; write header = Authorization: Bearer " SECRET);
	r = check_framing(text, n, err);
	if (r == 0)
		r = check_template(text, err);
	if (r < 0)
		return r;
	buf_add(out, text, n);
	buf_addf(out, ": %s", text + skipped);
	return 0;
}

int values_query(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t n = strspn(text, UNRESERVED);

	(void)info;
	(void)places;
	if (n == 0 || text[n] != '=' || text[n + 1] == '\0')
		return err_set(err, 0,
			"no NAME=VALUE with a name of letters, digits, '-', '.', '_', '~'; write "
			"query = key=" SECRET);
	buf_adds(out, text);
	return check_template(text, err);
}

int values_basic(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	(void)info;
	(void)places;
	/* A secret alone is USER:PASSWORD itself. */
	if ((strchr(text, ':') == NULL && strcmp(text, SECRET) != 0) ||
		strstr(text, SECRET) == NULL)
		return err_set(err, 0,
			"no USER:PASSWORD with " SECRET "; write basic = x-access-token:" SECRET);
	buf_adds(out, text);
	return check_template(text, err);
}

int values_env_name(const struct keys_info *info, const struct keys_places *places,
	const char *text, struct buf *out, struct err *err)
{
	char shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (!consists_of(text, LETTERS DIGITS "_") || strchr(DIGITS, *text) != NULL)
		return err_set(err, 0,
			"'%s' is no name of a variable; use letters, digits and '_'",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}

int values_seconds(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	size_t n = strspn(text, DIGITS);
	unsigned long value, unit = 1;
	char digits[12], shown[SHOWN_BYTES];

	(void)info;
	(void)places;
	if (text[n] == 'm')
		unit = 60;
	if (text[n] == 'h')
		unit = 3600;
	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(n < 11 ? n : 11), text);
	if ((text[n] != '\0' && (strchr("smh", text[n]) == NULL || text[n + 1] != '\0')) ||
		!str_to_ulong(digits, TTL_MAX, &value) || value == 0 || value * unit > TTL_MAX)
		return err_set(err, 0,
			"'%s' is no time up to a week; write seconds, or a number with m or h",
			show(text, shown));
	buf_addf(out, "%lu", value * unit);
	return 0;
}

int values_file(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	char shown[SHOWN_BYTES];

	if (strpbrk(text, "*?") != NULL || (text[0] != '/' && strncmp(text, "~/", 2) != 0))
		return err_set(err, 0, "'%s' is no file; write an absolute path or '~/...'",
			show(text, shown));
	return values_path(info, places, text, out, err);
}

bool rules_limit(const char *entry, enum rules_unit *ret_unit, uint64_t *ret_n)
{
	static const struct unit {
		const char *text;
		enum rules_unit unit;
		uint64_t factor;
	} units[] = {
		{ "/minute", RULES_REQUESTS_A_MINUTE, 1 },
		{ "B/day", RULES_BYTES_A_DAY, 1 },
		{ "K/day", RULES_BYTES_A_DAY, 1ULL << 10 },
		{ "M/day", RULES_BYTES_A_DAY, 1ULL << 20 },
		{ "G/day", RULES_BYTES_A_DAY, 1ULL << 30 },
	};
	size_t n = strspn(entry, DIGITS);
	unsigned long value;
	char digits[12];

	(void)snprintf(digits, sizeof(digits), "%.*s", (int)(n < 11 ? n : 11), entry);
	if (!str_to_ulong(digits, 1000000000, &value) || value == 0)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(entry + n, units[i].text) == 0) {
			*ret_unit = units[i].unit;
			*ret_n = value * units[i].factor;
			return true;
		}
	return false;
}

int values_limit(const struct keys_info *info, const struct keys_places *places, const char *text,
	struct buf *out, struct err *err)
{
	enum rules_unit unit;
	char shown[SHOWN_BYTES];
	uint64_t n;

	(void)info;
	(void)places;
	if (!rules_limit(text, &unit, &n))
		return err_set(err, 0,
			"'%s' is no limit; write for example 60/minute (requests) or 200M/day "
			"(bytes, with B, K, M or G)",
			show(text, shown));
	buf_adds(out, text);
	return 0;
}
