/*
 * The fields of requests to hosts with rules. Runs in the proxy; hostile input: names and values.
 */
#include "proxy/judge_fields.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "wire/field.h"

#include <string.h>

const char *judge_fields_shown(struct keepmsg_text text, char *out, size_t out_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < out_bytes - 1; i++)
		out[n++] = text.at[i] > 0x20 && text.at[i] < 0x7f ? text.at[i] : '?';
	out[n] = '\0';
	return out;
}

/* ---- Connection ---- */

/* Is the field named by one of the request's Connection fields (RFC 9110, 7.6.1)? */
static bool is_nominated(const struct judge_request *q, struct keepmsg_text name)
{
	for (size_t i = 0; i < q->n_fields; i++) {
		struct keepmsg_text list = q->fields[i].value, element;

		if (!field_matches(q->fields[i].name, "connection"))
			continue;
		while (field_next(&list, &element)) {
			if (field_is_same(element, name))
				return true;
		}
	}
	return false;
}

/* *ret_has: there is a Connection field. */
static const char *check_connection(const struct judge_request *q, bool *ret_has)
{
	static const char *const needed[] = { "host", "content-length", "transfer-encoding" };

	*ret_has = false;
	for (size_t i = 0; i < q->n_fields; i++) {
		if (field_matches(q->fields[i].name, "connection"))
			*ret_has = true;
	}
	for (size_t i = 0; *ret_has && i < ARRAY_LEN(needed); i++) {
		if (is_nominated(q, (struct keepmsg_text){ needed[i], strlen(needed[i]) }))
			return "Connection names a field that may not be dropped";
	}
	return NULL;
}

/* ---- what a rule's host does not get from the cell ---- */

/* A request that was judged as one thing must not be run as another. */
static const char *const steering[] = { "forwarded", "x-forwarded-*", "x-http-method",
	"x-http-method-override", "x-method-override", "x-host", "x-original-*", "x-rewrite-url",
	"x-envoy-original-*" };

static bool signs(const struct rules_rule *rule)
{
	return rules_value(rule, RULES_SIGN) != NULL && !rules_says(rule, RULES_SIGN, "none");
}

static bool is_stripped(const struct judge_result *r, struct keepmsg_text name)
{
	if (r->verdict != JUDGE_RULE)
		return false;
	if (field_is_listed(name, steering, ARRAY_LEN(steering)))
		return true;
	if (signs(r->rule) && field_is(name, "authorization"))
		return false;
	return field_is_credential(name) || (!signs(r->rule) && field_is_signature(name));
}

/* ---- the query ---- */

/* Rationale: longer than any name that is looked for here. */
#define PARAM_NAME_MAX 64u

/* Does the rule write this parameter itself? Then the cell's is a stand-in that is replaced. */
static bool is_of_rule(const struct rules_rule *rule, struct keepmsg_text name)
{
	size_t n;
	const struct policy_item *items = rules_list(rule, RULES_QUERY, &n);

	for (size_t i = 0; i < n; i++) {
		const char *value = items[i].value;

		if (strlen(value) > name.n && value[name.n] == '=' &&
			memcmp(value, name.at, name.n) == 0)
			return true;
	}
	return false;
}

static bool is_credential(const struct rules_rule *rule, struct keepmsg_text param)
{
	char decoded[PARAM_NAME_MAX];

	if (field_is_credential_param(param))
		return !is_of_rule(rule, field_param_name(param, decoded, sizeof(decoded)));
	return !signs(rule) && field_is_signature_param(param);
}

/* Rack, Laravel and Symfony run a POST with `_method=DELETE` as DELETE, also from the query. */
static bool is_method(const struct rules_rule *rule, struct keepmsg_text param)
{
	char decoded[PARAM_NAME_MAX];
	struct keepmsg_text name = field_param_name(param, decoded, sizeof(decoded));
	size_t n;

	(void)rules_list(rule, RULES_METHOD, &n);
	return n > 0 && name.n == strlen("_method") && memcmp(name.at, "_method", name.n) == 0;
}

static const char *check_query(struct judge_result *r)
{
	struct keepmsg_text query = r->head.query, param;
	char end;

	while (r->verdict == JUDGE_RULE && field_next_param(&query, &param, &end)) {
		r->status = 403;
		if (is_credential(r->rule, param))
			return "the query says who one is, but that is the rule's to say";
		if (is_method(r->rule, param))
			return "the query asks for another method than the request";
		r->status = 0;
	}
	return NULL;
}

/* ---- fields ---- */

static const char *check_field(const struct judge_request *q, const struct keepmsg_field *f)
{
	for (size_t i = 0; i < f->value.n; i++) {
		if (f->value.at[i] == '\r' || f->value.at[i] == '\n' || f->value.at[i] == '\0')
			return "control character in a header";
	}
	if (!field_is_token(f->name))
		return "malformed header line";
	if (!keepmsg_is_framing_name(f->name.at, f->name.n))
		return NULL;
	if (memchr(f->name.at, '_', f->name.n) != NULL || memchr(f->name.at, '.', f->name.n) != NULL)
		return "a field name that some servers read as another";
	/* RFC 9113, 8.2.2: these are malformed there, not merely dropped. */
	if (q->is_h2 && !field_matches(f->name, "content-length") && !field_matches(f->name, "expect") &&
		!field_matches(f->name, "trailer") && !field_matches(f->name, "proxy-auth*"))
		return "a field of HTTP/1 in HTTP/2";
	return NULL;
}

static bool is_trailers(struct keepmsg_text value)
{
	return value.n == strlen("trailers") && memcmp(value.at, "trailers", value.n) == 0;
}

static bool is_dropped(
	const struct judge_request *q, const struct judge_result *r, const struct keepmsg_field *f)
{
	if (keepmsg_is_framing_name(f->name.at, f->name.n) || field_matches(f->name, "proxy-*"))
		return true;
	if (field_matches(f->name, "te"))
		return !q->is_h2 || !is_trailers(f->value);
	return is_stripped(r, f->name);
}

static void add_field(struct judge_result *r, const struct keepmsg_field *f, size_t *names)
{
	struct keepmsg_field *to = &r->head.fields[r->head.n_fields];

	names[r->head.n_fields++] = r->arena.len;
	to->name.n = f->name.n;
	to->value = field_trim(f->value);
	buf_add(&r->arena, f->name.at, f->name.n);
	if (r->arena.failed)
		return;
	for (size_t i = r->arena.len - f->name.n; i < r->arena.len; i++)
		r->arena.data[i] = ascii_lower(r->arena.data[i]);
}

const char *judge_fields(
	const struct judge_request *request, struct judge_result *ret, size_t *names)
{
	bool has_connection;
	const char *why = check_connection(request, &has_connection);

	if (why == NULL)
		why = check_query(ret);
	for (size_t i = 0; i < request->n_fields && why == NULL; i++) {
		const struct keepmsg_field *f = &request->fields[i];

		why = check_field(request, f);
		if (why != NULL || is_dropped(request, ret, f) ||
			(has_connection && is_nominated(request, f->name)))
			continue;
		add_field(ret, f, names);
	}
	return why;
}
