/*
 * Heads of HTTP/2. Runs in the proxy; hostile input: a request's fields, of which the library has
 * checked the bytes, the pseudo-header fields and what is connection-specific; a response's come
 * from a keeper, decoded by wire/keepmsg.c.
 */
#include "proxy/h2_head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Rationale: RFC 9113, 6.5.2. */
#define FIELD_OVERHEAD 32u

enum { METHOD, SCHEME, PATH, PROTOCOL };

static const char *const pseudo_names[] = {
	[METHOD] = ":method",
	[SCHEME] = ":scheme",
	[PATH] = ":path",
	[PROTOCOL] = ":protocol",
};

static bool is_text(struct keepmsg_text t, const char *s)
{
	return t.n == strlen(s) && (t.n == 0 || memcmp(t.at, s, t.n) == 0);
}

/* ---- collecting ---- */

void h2_head_reset(struct h2_head *head)
{
	struct buf bytes = head->bytes, cookies = head->cookies;

	memset(head, 0, sizeof(*head));
	bytes.len = cookies.len = 0;
	head->bytes = bytes;
	head->cookies = cookies;
}

void h2_head_done(struct h2_head *head)
{
	buf_done(&head->bytes);
	buf_done(&head->cookies);
	memset(head, 0, sizeof(*head));
}

static struct h2_span keep(struct h2_head *head, struct keepmsg_text text)
{
	struct h2_span span = { .at = head->bytes.len, .n = text.n };

	buf_add(&head->bytes, text.at, text.n);
	return span;
}

static void add_authority(struct h2_head *head, struct keepmsg_text value)
{
	/* User information is no part of an authority here: it makes others see another host. */
	if (head->n_authorities == sizeof(head->authorities) / sizeof(head->authorities[0]) ||
		value.n == 0 || memchr(value.at, '@', value.n) != NULL) {
		head->is_malformed = true;
		return;
	}
	head->authorities[head->n_authorities++] = keep(head, value);
}

static void add_pseudo(struct h2_head *head, struct keepmsg_text name, struct keepmsg_text value)
{
	if (is_text(name, ":authority")) {
		add_authority(head, value);
		return;
	}
	for (size_t i = 0; i < sizeof(pseudo_names) / sizeof(pseudo_names[0]); i++) {
		if (!is_text(name, pseudo_names[i]))
			continue;
		if (head->pseudo[i].n > 0 || value.n == 0)
			head->is_malformed = true;
		head->pseudo[i] = keep(head, value);
		return;
	}
	head->is_malformed = true;
}

/* RFC 9113, 8.2.3: crumbs become one field before anyone else sees them. */
static void add_cookie(struct h2_head *head, struct keepmsg_text value)
{
	if (head->has_cookie)
		buf_adds(&head->cookies, "; ");
	head->has_cookie = true;
	buf_add(&head->cookies, value.at, value.n);
}

static void add_length(struct h2_head *head, struct keepmsg_text value)
{
	uint64_t length = 0;

	if (head->has_length || value.n == 0 || value.n > 18)
		head->is_malformed = true;
	for (size_t i = 0; i < value.n && !head->is_malformed; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			head->is_malformed = true;
		length = length * 10 + (uint64_t)(value.at[i] - '0');
	}
	head->has_length = true;
	head->length = length;
}

static void add_field(struct h2_head *head, struct keepmsg_text name, struct keepmsg_text value)
{
	struct h2_span_field *field = &head->fields[head->n_fields];

	if (head->n_fields == KEEPMSG_FIELDS_MAX) {
		head->is_too_large = true;
		return;
	}
	if (is_text(name, "expect"))
		head->expects_continue =
			value.n == 12 && strncasecmp(value.at, "100-continue", 12) == 0;
	field->name = keep(head, name);
	field->value = keep(head, value);
	head->n_fields++;
}

bool h2_head_skip(struct h2_head *head, size_t name_n, size_t value_n)
{
	head->n_seen++;
	head->list_bytes += name_n + value_n + FIELD_OVERHEAD;
	return head->list_bytes <= H2_LIST_HARD_MAX && head->n_seen <= H2_FIELDS_HARD_MAX;
}

bool h2_head_add(struct h2_head *head, struct keepmsg_text name, struct keepmsg_text value)
{
	if (!h2_head_skip(head, name.n, value.n))
		return false;
	if (head->list_bytes > H2_LIST_MAX)
		head->is_too_large = true;
	if (head->is_too_large)
		return true;
	if (name.n > 0 && name.at[0] == ':')
		add_pseudo(head, name, value);
	else if (is_text(name, "host"))
		add_authority(head, value);
	else if (is_text(name, "cookie"))
		add_cookie(head, value);
	else if (is_text(name, "content-length"))
		add_length(head, value);
	else
		add_field(head, name, value);
	return true;
}

/* ---- a complete head ---- */

static struct keepmsg_text text_of(const struct buf *buf, struct h2_span span)
{
	struct keepmsg_text text = { .at = buf->data + span.at, .n = span.n };

	return text;
}

/* RFC 9113, 8.3.1: a host that is another one than :authority makes the request malformed. */
static bool is_one_authority(const struct h2_head *head)
{
	struct keepmsg_text first, other;
	struct target a, b;

	for (size_t i = 1; i < head->n_authorities; i++) {
		first = text_of(&head->bytes, head->authorities[0]);
		other = text_of(&head->bytes, head->authorities[i]);
		if (first.n == other.n && memcmp(first.at, other.at, first.n) == 0)
			continue;
		if (!target_parse(first.at, first.n, 443, &a) ||
			!target_parse(other.at, other.n, 443, &b) || a.port != b.port ||
			strcmp(a.host, b.host) != 0)
			return false;
	}
	return head->n_authorities > 0;
}

static void fill(const struct h2_head *head, bool is_end, struct judge_request *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->is_h2 = true;
	ret->method = text_of(&head->bytes, head->pseudo[METHOD]);
	ret->target = text_of(&head->bytes, head->pseudo[PATH]);
	for (size_t i = 0; i < head->n_authorities; i++)
		ret->authorities[i] = text_of(&head->bytes, head->authorities[i]);
	ret->n_authorities = head->n_authorities;
	for (size_t i = 0; i < head->n_fields; i++) {
		ret->fields[i].name = text_of(&head->bytes, head->fields[i].name);
		ret->fields[i].value = text_of(&head->bytes, head->fields[i].value);
	}
	ret->n_fields = head->n_fields;
	if (head->cookies.len > 0) {
		ret->fields[ret->n_fields].name = (struct keepmsg_text){ "cookie", 6 };
		ret->fields[ret->n_fields].value.at = head->cookies.data;
		ret->fields[ret->n_fields++].value.n = head->cookies.len;
	}
	ret->length = head->length;
	ret->expects_continue = head->expects_continue;
	if (head->has_length)
		ret->framing = KEEPMSG_LENGTH;
	else
		ret->framing = is_end ? KEEPMSG_NO_BODY : KEEPMSG_UNKNOWN;
}

unsigned h2_head_finish(
	struct h2_head *head, bool is_end, struct judge_request *ret, const char **ret_why)
{
	if (head->is_too_large || head->n_fields + head->has_cookie > KEEPMSG_FIELDS_MAX) {
		*ret_why = "the request's head is too large";
		return 431;
	}
	if (head->bytes.failed || head->cookies.failed) {
		*ret_why = "no memory";
		return 503;
	}
	if (head->is_malformed || head->pseudo[METHOD].n == 0)
		return H2_HEAD_MALFORMED;
	if (head->pseudo[PROTOCOL].n > 0 ||
		is_text(text_of(&head->bytes, head->pseudo[METHOD]), "CONNECT")) {
		*ret_why = "CONNECT is not possible inside this connection";
		return 501;
	}
	if (head->pseudo[PATH].n == 0 || !is_one_authority(head))
		return H2_HEAD_MALFORMED;
	if (!is_text(text_of(&head->bytes, head->pseudo[SCHEME]), "https")) {
		*ret_why = "the scheme of a request on this connection is https";
		return 421;
	}
	fill(head, is_end, ret);
	return 0;
}

/* ---- responses ---- */

/* Where else the host could be reached, past us, is not for the cell (RFC 7838). */
static bool may_go(const struct keepmsg_field *field)
{
	return field->name.n > 0 && field->name.at[0] != ':' && !is_text(field->name, "alt-svc") &&
	       !keepmsg_is_framing_name(field->name.at, field->name.n) &&
	       nghttp2_check_header_name((const uint8_t *)field->name.at, field->name.n) &&
	       (field->value.n == 0 || nghttp2_check_header_value(
					       (const uint8_t *)field->value.at, field->value.n));
}

/* Where the next bytes go, in *at. */
static uint8_t *put(char **at, struct keepmsg_text text)
{
	char *start = *at;

	if (text.n > 0)
		memcpy(start, text.at, text.n);
	*at += text.n;
	return (uint8_t *)start;
}

static void put_field(struct h2_fields *fields, char **at, struct keepmsg_field field)
{
	nghttp2_nv *nv = &fields->nva[fields->n++];

	nv->name = put(at, field.name);
	nv->namelen = field.name.n;
	nv->value = put(at, field.value);
	nv->valuelen = field.value.n;
	nv->flags = NGHTTP2_NV_FLAG_NONE;
}

static void put_number(struct h2_fields *fields, char **at, const char *name, uint64_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, number);
	struct keepmsg_field field = { { name, strlen(name) }, { digits, (size_t)n } };

	put_field(fields, at, field);
}

struct h2_fields *h2_fields_new(unsigned status, const struct keepmsg_head *head)
{
	size_t bytes = 64; /* of the two numbers and their names */
	struct h2_fields *fields;
	char *at;

	for (size_t i = 0; i < head->n_fields; i++)
		bytes += head->fields[i].name.n + head->fields[i].value.n;
	fields = malloc(sizeof(*fields) + bytes);
	if (fields == NULL)
		return NULL;
	fields->n = 0;
	fields->bytes_n = sizeof(*fields) + bytes;
	at = fields->bytes;
	if (status != 0)
		put_number(fields, &at, ":status", status);
	for (size_t i = 0; i < head->n_fields; i++) {
		if (may_go(&head->fields[i]))
			put_field(fields, &at, head->fields[i]);
	}
	if (status >= 200 && status != 204 && head->framing == KEEPMSG_LENGTH)
		put_number(fields, &at, "content-length", head->length);
	return fields;
}
