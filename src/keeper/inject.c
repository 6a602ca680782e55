/*
 * A request gets its rule's values. Runs in a keeper. Hostile: the request, though the proxy has
 * parsed it and keepmsg_get_head() has checked it.
 */
#include "keeper/inject.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "keeper/memory.h"
#include "keeper/render.h"
#include "wire/field.h"

#include <stdlib.h>
#include <string.h>

/* What would let a host send a value in pieces, or so that it is not found. */
static const char *const hiding_fields[] = { "accept-encoding", "if-range", "range",
	"sec-websocket-extensions" };

/* A field or a parameter that the rule sets. */
struct setter {
	struct keepmsg_text name, value;
	struct keepmsg_text rendered; /* what of value was made of the secret; at is NULL: nothing */
};

struct inject {
	struct setter fields[INJECT_FIELDS_MAX], params[INJECT_FIELDS_MAX];
	size_t n_fields, n_params;
	const struct policy_item *removes;
	size_t n_removes;
	size_t params_bytes; /* of all "name=value&" */
	bool is_active;      /* the rule says who we are; false: it may only remove */
	bool is_redacting;
	bool is_signing;
};

/* ---- once ---- */

struct template {
	struct keepmsg_text name;
	const char *text; /* with {secret} */
	const char *prefix;
	enum render_as as;
};

static struct keepmsg_text keep_lower(struct secret_store *secrets, struct keepmsg_text name)
{
	char *at = secret_take(secrets, name.n);

	for (size_t i = 0; at != NULL && i < name.n; i++)
		at[i] = ascii_lower(name.at[i]);
	return (struct keepmsg_text){ at, name.n };
}

static int render(const struct template *t, struct secret_store *secrets, struct setter *ret,
	struct err *err)
{
	const struct keepmsg_text *secret = &secrets->values[KEEPMSG_SLOT_SECRET];
	struct render r = { .text = t->text, .secret = secret->at, .secret_n = secret->n,
		.as = t->as };
	size_t prefix_n = strlen(t->prefix), n;
	char *at;

	if (strstr(t->text, "{secret}") != NULL && secret->at == NULL)
		return err_set(err, 0, "the rule has no secret");
	n = render_bytes(&r);
	at = n <= KEEPMSG_HEAD_MAX ? secret_take(secrets, prefix_n + n) : NULL;
	if (at == NULL)
		return err_set(err, ENOMEM, "locked memory for what is injected");
	memcpy(at, t->prefix, prefix_n);
	render_write(&r, at + prefix_n);
	*ret = (struct setter){ .value = { at, prefix_n + n } };
	if (strstr(t->text, "{secret}") != NULL)
		ret->rendered = (struct keepmsg_text){ at + prefix_n, n };
	ret->name = t->as == RENDER_QUERY ? t->name : keep_lower(secrets, t->name);
	if (ret->name.at == NULL)
		return err_set(err, ENOMEM, "locked memory for what is injected");
	return 0;
}

/* A later layer's line replaces the earlier one's of the same name. */
static int add_field(struct inject *inject, const struct template *t, struct secret_store *secrets,
	struct err *err)
{
	size_t at = 0;

	while (at < inject->n_fields && !field_is_same(inject->fields[at].name, t->name))
		at++;
	if (at == INJECT_FIELDS_MAX)
		return err_set(err, 0, "more than %u headers", INJECT_FIELDS_MAX);
	inject->n_fields += at == inject->n_fields;
	inject->is_active = true;
	return render(t, secrets, &inject->fields[at], err);
}

static int add_param(struct inject *inject, const struct template *t, struct secret_store *secrets,
	struct err *err)
{
	struct setter *param = &inject->params[inject->n_params];
	int r;

	if (inject->n_params == INJECT_FIELDS_MAX)
		return err_set(err, 0, "more than %u queries", INJECT_FIELDS_MAX);
	inject->n_params++;
	inject->is_active = true;
	r = render(t, secrets, param, err);
	inject->params_bytes += param->name.n + param->value.n + 2;
	return r;
}

static int add_headers(struct inject *inject, const struct rules_rule *rule,
	struct secret_store *secrets, struct err *err)
{
	size_t n = 0;
	const struct policy_item *items = rules_list(rule, RULES_HEADER, &n);
	const struct policy_item *basic = rules_value(rule, RULES_BASIC);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *colon = strchr(items[i].value, ':');
		struct template t = { .prefix = "", .as = RENDER_PLAIN };

		if (colon == NULL)
			return err_set(err, 0, "a header without a colon");
		t.name = (struct keepmsg_text){ items[i].value, (size_t)(colon - items[i].value) };
		t.text = colon + 1 + strspn(colon + 1, " \t");
		r = add_field(inject, &t, secrets, err);
	}
	if (r == 0 && basic != NULL && *basic->value != '\0') {
		const struct template t = { .name = { "authorization", strlen("authorization") },
			.text = basic->value, .prefix = "Basic ", .as = RENDER_BASE64 };

		r = add_field(inject, &t, secrets, err);
	}
	return r;
}

static int add_queries(struct inject *inject, const struct rules_rule *rule,
	struct secret_store *secrets, struct err *err)
{
	size_t n = 0;
	const struct policy_item *items = rules_list(rule, RULES_QUERY, &n);
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++) {
		const char *equals = strchr(items[i].value, '=');
		struct template t = { .prefix = "", .as = RENDER_QUERY };

		if (equals == NULL)
			return err_set(err, 0, "a query without '='");
		t.name = (struct keepmsg_text){ items[i].value,
			(size_t)(equals - items[i].value) };
		t.text = equals + 1;
		r = add_param(inject, &t, secrets, err);
	}
	return r;
}

struct inject *inject_new(
	const struct rules_rule *rule, struct secret_store *secrets, struct err *err)
{
	const struct keepmsg_text *secret = &secrets->values[KEEPMSG_SLOT_SECRET];
	struct inject *inject = calloc(1, sizeof(*inject));
	const char *why = secret->at != NULL ? render_unfit(secret->at, secret->n) : NULL;
	int r;

	if (inject == NULL || why != NULL) {
		(void)err_set(err, why != NULL ? 0 : ENOMEM, "secret: %s", why != NULL ? why : "");
		free(inject);
		return NULL;
	}
	inject->is_signing = rules_says(rule, RULES_SIGN, "aws");
	inject->is_redacting = !rules_says(rule, RULES_REDACT, "no");
	inject->is_active = inject->is_signing || rules_value(rule, RULES_CLIENT_CERT) != NULL;
	inject->removes = rules_list(rule, RULES_REMOVE, &inject->n_removes);
	r = add_headers(inject, rule, secrets, err);
	if (r == 0)
		r = add_queries(inject, rule, secrets, err);
	if (r == 0)
		return inject;
	free(inject);
	return NULL;
}

size_t inject_rendered(const struct inject *inject, struct redact_value *out, size_t max)
{
	size_t n = 0;

	for (size_t i = 0; i < inject->n_fields + inject->n_params && n < max; i++) {
		const struct setter *setter = i < inject->n_fields
						      ? &inject->fields[i]
						      : &inject->params[i - inject->n_fields];

		if (setter->rendered.at != NULL)
			out[n++] = (struct redact_value){ setter->rendered.at, setter->rendered.n };
	}
	return n;
}

void inject_free(struct inject *inject)
{
	free(inject);
}

/* ---- each request ---- */

static bool is_set(const struct inject *inject, struct keepmsg_text name)
{
	for (size_t i = 0; i < inject->n_fields; i++)
		if (field_is_same(inject->fields[i].name, name))
			return true;
	return false;
}

static bool is_removed(const struct inject *inject, struct keepmsg_text name)
{
	for (size_t i = 0; i < inject->n_removes; i++)
		if (field_is(name, inject->removes[i].value))
			return true;
	return false;
}

static bool is_dropped(const struct inject *inject, struct keepmsg_text name, bool is_pass)
{
	if (keepmsg_is_framing_name(name.at, name.n))
		return true;
	if (inject->is_redacting && field_is_listed(name, hiding_fields, ARRAY_LEN(hiding_fields)))
		return true;
	if (is_pass)
		return false;
	return is_set(inject, name) || is_removed(inject, name) ||
	       (inject->is_active && (field_is_credential(name) || field_is_signature(name)));
}

static void put(struct inject_request *out, struct keepmsg_text name, struct keepmsg_text value,
	bool is_ours)
{
	out->fields[out->n_fields++] =
		(struct inject_field){ .name = name, .value = value, .is_ours = is_ours };
}

static void put_fields(const struct inject *inject, const struct keepmsg_head *head, bool is_pass,
	struct inject_request *out)
{
	static const struct keepmsg_text name = { "accept-encoding", 15 }, value = { "identity", 8 };

	for (size_t i = 0; i < head->n_fields; i++)
		if (!is_dropped(inject, head->fields[i].name, is_pass))
			put(out, head->fields[i].name, head->fields[i].value, false);
	if (inject->is_redacting && (is_pass || !is_set(inject, name)))
		put(out, name, value, false);
	for (size_t i = 0; i < inject->n_fields && !is_pass; i++)
		put(out, inject->fields[i].name, inject->fields[i].value, true);
}

/* Rationale: a name stands in one line of a profile, which has 199 bytes at most. */
#define PARAM_NAME_MAX 256u

static bool is_param_dropped(const struct inject *inject, struct keepmsg_text param)
{
	char decoded[PARAM_NAME_MAX];
	struct keepmsg_text name = field_param_name(param, decoded, sizeof(decoded));

	for (size_t i = 0; i < inject->n_params; i++)
		if (name.n == inject->params[i].name.n &&
			memcmp(name.at, inject->params[i].name.at, name.n) == 0)
			return true;
	return field_is_credential_param(param) || field_is_signature_param(param);
}

static char *append(char *at, struct keepmsg_text text)
{
	memcpy(at, text.at, text.n);
	return at + text.n;
}

/* The cell's parameters without those that are ours. */
static char *copy_params(const struct inject *inject, struct keepmsg_text query, char *at)
{
	struct keepmsg_text param;
	char end;

	while (field_next_param(&query, &param, &end)) {
		if (is_param_dropped(inject, param))
			continue;
		at = append(at, param);
		if (end != '\0')
			*at++ = end;
	}
	return at;
}

static int put_query(const struct inject *inject, struct inject_request *out)
{
	struct keepmsg_text query = out->query;
	char *at;

	out->arena = memory_take(query.n + inject->params_bytes + 2);
	if (out->arena == NULL)
		return -ENOMEM;
	at = out->arena;
	if (query.at != NULL)
		at = copy_params(inject, query, at);
	for (size_t i = 0; i < inject->n_params; i++) {
		if (at > out->arena && at[-1] != '&')
			*at++ = '&';
		at = append(at, inject->params[i].name);
		*at++ = '=';
		at = append(at, inject->params[i].value);
	}
	if (query.at != NULL || inject->n_params > 0)
		out->query = (struct keepmsg_text){ out->arena, (size_t)(at - out->arena) };
	return 0;
}

int inject_make(const struct inject *inject, const struct keepmsg_head *head, const char *host,
	struct inject_request *ret)
{
	bool is_pass = (head->flags & KEEPMSG_PASS) != 0;

	ret->method = head->method;
	ret->path = head->path;
	ret->query = head->query;
	ret->host = host;
	ret->framing = head->framing;
	ret->length = head->length;
	ret->flags = head->flags;
	ret->n_fields = 0;
	ret->arena = NULL;
	ret->signature = (struct buf){ 0 };
	put_fields(inject, head, is_pass, ret);
	if (is_pass || !inject->is_active || (head->query.at == NULL && inject->n_params == 0))
		return 0;
	return put_query(inject, ret);
}

void inject_done(struct inject_request *request)
{
	memory_give(request->arena);
	buf_done(&request->signature);
	request->arena = NULL;
}
