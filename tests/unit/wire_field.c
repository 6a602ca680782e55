/*
 * Proves: names of header fields are one name when only case and separators differ, and no more;
 * lists, parameters and numbers are read as servers read them; what says who one is is known in every
 * spelling; and names are spelt as people look for them.
 */
#include "base/cleanup.h"
#include "tap.h"
#include "wire/field.h"

#include <string.h>

static struct keepmsg_text text(const char *s)
{
	return (struct keepmsg_text){ s, strlen(s) };
}

static void names(void)
{
	static const struct {
		const char *name, *want;
		bool is, matches;
	} table[] = {
		{ "Authorization", "authorization", true, true },
		{ "authorization", "AUTHORIZATION", true, true },
		{ "Authorization_", "authorization", true, true },
		{ "_authorization", "authorization", true, true },
		{ "x.api_KEY", "x-api-key", true, true },
		{ "xapikey", "X-Api-Key", true, true },
		{ "x-api-keys", "x-api-key", false, false },
		{ "x-api-ke", "x-api-key", false, false },
		{ "", "x", false, false },
		{ "---", "x", false, false },
		{ "x-forwarded-for", "x-forwarded-*", false, true },
		{ "X_Forwarded_For", "x-forwarded-*", false, true },
		{ "x-forward", "x-forwarded-*", false, false },
		{ "-a", "-a", true, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(table); i++)
		tap_ok(field_is(text(table[i].name), table[i].want) == table[i].is &&
				field_matches(text(table[i].name), table[i].want) == table[i].matches,
			"%s, %s", table[i].name, table[i].want);
}

static void lists(void)
{
	struct keepmsg_text rest = text(" , close ,\t,Keep-Alive,"), element;

	tap_ok(field_next(&rest, &element) && field_says(element, "close"), "the first element");
	tap_ok(field_next(&rest, &element) && field_says(element, "keep-alive"), "the second");
	tap_ok(!field_next(&rest, &element), "no third");
	tap_ok(!field_says(text("keep_alive"), "keep-alive"), "values are not folded as names are");
}

static void numbers(void)
{
	static const char *const bad[] = { "", "+1", "-1", "0x1", "1 ", "1,1", "1234567890123456789" };
	uint64_t n = 7;

	tap_ok(field_number(text("123456789012345678"), &n) && n == 123456789012345678u, "18 digits");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		tap_ok(!field_number(text(bad[i]), &n), "no number: '%s'", bad[i]);
}

static void identities(void)
{
	static const char *const are[] = { "Authorization", "COOKIE", "X_Api_Key", "private-token",
		"Ocp-Apim-Subscription-Key", "x-auth-email", "Proxy-Authorization" };
	static const char *const are_not[] = { "Accept", "X-Api", "X-Amz-Security-Token", "Cookies" };
	static const char *const params[] = { "access_token", "access%5Ftoken=x", "API-KEY=1",
		"private_token" };
	static const char *const no_params[] = { "access", "token=access_token", "page=1", "",
		"access_token_but_a_name_that_is_much_longer_than_what_is_looked_for_here=1" };

	for (size_t i = 0; i < ARRAY_LEN(are); i++)
		tap_ok(field_is_credential(text(are[i])), "%s says who one is", are[i]);
	for (size_t i = 0; i < ARRAY_LEN(are_not); i++)
		tap_ok(!field_is_credential(text(are_not[i])), "%s does not", are_not[i]);
	tap_ok(field_is_signature(text("x-amz-security-token")), "a signature's token is one of its own");
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		tap_ok(field_is_credential_param(text(params[i])), "parameter %s", params[i]);
	for (size_t i = 0; i < ARRAY_LEN(no_params); i++)
		tap_ok(!field_is_credential_param(text(no_params[i])), "not %s", no_params[i]);
	tap_ok(field_is_signature_param(text("X-Amz-Signature=0")), "a signature in the query");
}

static void params(void)
{
	struct keepmsg_text rest = text("a=1;b&&%63=3"), param;
	char end = 0, name[8];

	tap_ok(field_next_param(&rest, &param, &end) && param.n == 3 && end == ';', "up to ';'");
	tap_ok(field_next_param(&rest, &param, &end) && param.n == 1 && end == '&', "up to '&'");
	tap_ok(field_next_param(&rest, &param, &end) && param.n == 0 && end == '&', "an empty one");
	tap_ok(field_next_param(&rest, &param, &end) && param.n == 5 && end == '\0', "the last one");
	param = field_param_name(param, name, sizeof(name));
	tap_ok(param.n == 1 && name[0] == 'c', "its name, decoded");
	tap_ok(!field_next_param(&rest, &param, &end), "the end");
}

static void spelling(void)
{
	static const char *const table[][2] = { { "content-type", "Content-Type" },
		{ "etag", "ETag" }, { "www-authenticate", "WWW-Authenticate" },
		{ "x-github-request-id", "X-GitHub-Request-ID" }, { "te", "TE" },
		{ "sec-websocket-accept", "Sec-WebSocket-Accept" }, { "x", "X" }, { "-a-", "-A-" },
		{ "1-a", "1-A" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		char name[40];

		memcpy(name, table[i][0], strlen(table[i][0]) + 1);
		field_spell(name, strlen(name));
		tap_is(name, table[i][1], "the spelling of a name");
	}
}

int main(void)
{
	names();
	lists();
	numbers();
	identities();
	params();
	spelling();
	return tap_done();
}
