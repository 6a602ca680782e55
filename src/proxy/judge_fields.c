/*
 * The fields of requests to hosts with rules. Runs in the proxy; hostile input: names and values.
 * Names are compared by their letters and digits alone: what gateways make variables of loses its
 * case and its '-', '_' and '.' on the way (RFC 3875, 4.1.18).
 */
#include "proxy/judge_fields.h"

#include "base/cleanup.h"

#include <string.h>

const char *judge_fields_shown(struct keepmsg_text text, char *out, size_t out_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n && n < out_bytes - 1; i++)
		out[n++] = text.at[i] > 0x20 && text.at[i] < 0x7f ? text.at[i] : '?';
	out[n] = '\0';
	return out;
}

bool judge_fields_is_token(struct keepmsg_text text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL)))
			return false;
	}
	return text.n > 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Takes the next byte that counts; '\0' at the end. */
static char next_folded(struct keepmsg_text *t)
{
	while (t->n > 0 && (t->at[0] == '-' || t->at[0] == '_' || t->at[0] == '.')) {
		t->at++;
		t->n--;
	}
	if (t->n == 0)
		return '\0';
	t->n--;
	return lower(*t->at++);
}

static bool is_same_folded(struct keepmsg_text a, struct keepmsg_text b)
{
	char c;

	do {
		c = next_folded(&a);
		if (c != next_folded(&b))
			return false;
	} while (c != '\0');
	return true;
}

/* want, lower case, may end in '*'. */
static bool is_folded(struct keepmsg_text t, const char *want)
{
	struct keepmsg_text w = { want, strlen(want) };
	char c;

	do {
		c = next_folded(&w);
		if (c == '*')
			return true;
		if (c != next_folded(&t))
			return false;
	} while (c != '\0');
	return true;
}

static bool is_listed(struct keepmsg_text t, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (is_folded(t, list[i]))
			return true;
	}
	return false;
}

/* ---- Connection ---- */

/* The next element of a comma-separated list; false at its end. */
static bool next_element(struct keepmsg_text *list, struct keepmsg_text *ret)
{
	while (list->n > 0 && strchr(", \t", *list->at) != NULL) {
		list->at++;
		list->n--;
	}
	*ret = (struct keepmsg_text){ list->at, 0 };
	while (list->n > 0 && *list->at != ',') {
		list->at++;
		list->n--;
		ret->n++;
	}
	while (ret->n > 0 && strchr(" \t", ret->at[ret->n - 1]) != NULL)
		ret->n--;
	return ret->n > 0;
}

/* Is the field named by one of the request's Connection fields (RFC 9110, 7.6.1)? */
static bool is_nominated(const struct judge_request *q, struct keepmsg_text name)
{
	for (size_t i = 0; i < q->n_fields; i++) {
		struct keepmsg_text list = q->fields[i].value, element;

		if (!is_folded(q->fields[i].name, "connection"))
			continue;
		while (next_element(&list, &element)) {
			if (is_same_folded(element, name))
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
		if (is_folded(q->fields[i].name, "connection"))
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

/* Ways of saying who one is: the rule's is the only one. */
static const char *const credentials[] = { "authorization", "cookie", "cookie2", "x-api-key",
	"api-key", "apikey", "x-apikey", "x-auth-token", "x-access-token", "private-token",
	"job-token", "deploy-token", "x-github-token", "x-gitlab-token", "x-goog-api-key",
	"x-goog-iam-authorization-token", "x-vault-token", "x-figma-token",
	"x-shopify-access-token", "x-auth-key", "x-auth-email" };

/* What a signing rule signs anew must still be there to be read. */
static const char *const signatures[] = { "x-amz-security-token" };

static bool signs(const struct rules_rule *rule)
{
	return rules_value(rule, RULES_SIGN) != NULL && !rules_says(rule, RULES_SIGN, "none");
}

static bool is_stripped(const struct judge_result *r, struct keepmsg_text name)
{
	if (r->verdict != JUDGE_RULE)
		return false;
	if (is_listed(name, steering, ARRAY_LEN(steering)))
		return true;
	if (signs(r->rule) && is_folded(name, "authorization"))
		return false;
	return is_listed(name, credentials, ARRAY_LEN(credentials)) ||
	       (!signs(r->rule) && is_listed(name, signatures, ARRAY_LEN(signatures)));
}

/* ---- the query ---- */

static const char *const query_credentials[] = { "access-token", "api-key", "apikey", "auth-token",
	"client-secret", "job-token", "oauth-token", "private-token" };
static const char *const query_signatures[] = { "x-amz-credential", "x-amz-signature",
	"x-amz-security-token", "x-goog-credential", "x-goog-signature" };

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A parameter's name as the server reads it; longer ones than out are none of ours. */
static struct keepmsg_text decoded_name(struct keepmsg_text param, char *out, size_t out_bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < param.n && param.at[i] != '=' && n < out_bytes; i++) {
		char c = param.at[i];

		if (c == '%' && param.n - i > 2 && hex_value(param.at[i + 1]) >= 0 &&
			hex_value(param.at[i + 2]) >= 0) {
			c = (char)(hex_value(param.at[i + 1]) * 16 + hex_value(param.at[i + 2]));
			i += 2;
		}
		out[n++] = c;
	}
	return (struct keepmsg_text){ out, n };
}

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
	char decoded[32];
	struct keepmsg_text name = decoded_name(param, decoded, sizeof(decoded));

	if (is_listed(name, query_credentials, ARRAY_LEN(query_credentials)))
		return !is_of_rule(rule, name);
	return !signs(rule) && is_listed(name, query_signatures, ARRAY_LEN(query_signatures));
}

/* Rack, Laravel and Symfony run a POST with `_method=DELETE` as DELETE, also from the query. */
static bool is_method(const struct rules_rule *rule, struct keepmsg_text param)
{
	char decoded[32];
	struct keepmsg_text name = decoded_name(param, decoded, sizeof(decoded));
	size_t n;

	(void)rules_list(rule, RULES_METHOD, &n);
	return n > 0 && name.n == strlen("_method") && memcmp(name.at, "_method", name.n) == 0;
}

static const char *check_query(struct judge_result *r)
{
	struct keepmsg_text query = r->head.query;

	if (r->verdict != JUDGE_RULE)
		return NULL;
	while (query.at != NULL && query.n > 0) {
		struct keepmsg_text param = query;

		for (param.n = 0; param.n < query.n && strchr("&;", query.at[param.n]) == NULL;)
			param.n++;
		if (is_credential(r->rule, param)) {
			r->status = 403;
			return "the query says who one is, but that is the rule's to say";
		}
		if (is_method(r->rule, param)) {
			r->status = 403;
			return "the query asks for another method than the request";
		}
		param.n += param.n < query.n;
		query.at += param.n;
		query.n -= param.n;
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
	if (!judge_fields_is_token(f->name))
		return "malformed header line";
	if (!keepmsg_is_framing_name(f->name.at, f->name.n))
		return NULL;
	if (memchr(f->name.at, '_', f->name.n) != NULL)
		return "a field name that some servers read as another";
	/* RFC 9113, 8.2.2: these are malformed there, not merely dropped. */
	if (q->is_h2 && !is_folded(f->name, "content-length") && !is_folded(f->name, "expect") &&
		!is_folded(f->name, "trailer") && !is_folded(f->name, "proxy-auth*"))
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
	if (keepmsg_is_framing_name(f->name.at, f->name.n) || is_folded(f->name, "proxy-*"))
		return true;
	if (is_folded(f->name, "te"))
		return !q->is_h2 || !is_trailers(f->value);
	return is_stripped(r, f->name);
}

static void add_field(struct judge_result *r, const struct keepmsg_field *f, size_t *names)
{
	struct keepmsg_field *to = &r->head.fields[r->head.n_fields];
	char c;

	names[r->head.n_fields++] = r->arena.len;
	to->name.n = f->name.n;
	to->value = f->value;
	while (to->value.n > 0 && strchr(" \t", *to->value.at) != NULL) {
		to->value.at++;
		to->value.n--;
	}
	while (to->value.n > 0 && strchr(" \t", to->value.at[to->value.n - 1]) != NULL)
		to->value.n--;
	buf_add(&r->arena, f->name.at, f->name.n);
	if (r->arena.failed)
		return;
	for (size_t i = r->arena.len - f->name.n; i < r->arena.len; i++) {
		c = r->arena.data[i];
		r->arena.data[i] = lower(c);
	}
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
