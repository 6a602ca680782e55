/*
 * Codec of wire/keepmsg.h. Runs in the proxy and in the keepers. Hostile: every byte of the peer,
 * which may have been taken over by what it parses.
 */
#include "wire/keepmsg.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "wire/field.h"

#include <errno.h>
#include <string.h>

#define ABSENT UINT32_MAX

/* In front: this, then n_fields times struct sizes, then the texts in the same order. */
struct fixed {
	uint32_t flags, status, framing, n_fields;
	uint64_t length;
	uint32_t method_n, path_n, query_n; /* ABSENT: there is none */
	uint32_t reserved;                  /* 0 */
};

struct sizes {
	uint32_t name_n, value_n;
};

/* ---- texts ---- */

static bool is_lower_token(struct keepmsg_text t)
{
	for (size_t i = 0; i < t.n; i++)
		if (t.at[i] != ascii_lower(t.at[i]))
			return false;
	return field_is_token(t);
}

static bool is_visible(struct keepmsg_text t, const char *without)
{
	for (size_t i = 0; i < t.n; i++) {
		if (t.at[i] <= 0x20 || t.at[i] >= 0x7f || strchr(without, t.at[i]) != NULL)
			return false;
	}
	return true;
}

static bool is_path(struct keepmsg_text t)
{
	if (t.n == 1 && t.at[0] == '*')
		return true;
	return t.n > 0 && t.at[0] == '/' && is_visible(t, "?#\\");
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_value(struct keepmsg_text t)
{
	if (t.n > 0 && (is_blank(t.at[0]) || is_blank(t.at[t.n - 1])))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (t.at[i] == '\r' || t.at[i] == '\n' || t.at[i] == '\0')
			return false;
	}
	return true;
}

bool keepmsg_is_framing_name(const char *name, size_t n)
{
	static const char *const names[] = { "connection", "content-length", "expect", "host",
		"http2-settings", "keep-alive", "proxy-authenticate", "proxy-authentication-info",
		"proxy-authorization", "proxy-connection", "trailer", "transfer-encoding",
		"upgrade" };

	return field_is_listed((struct keepmsg_text){ name, n }, names, ARRAY_LEN(names));
}

/* ---- heads ---- */

/* "trailers" is the one thing that TE may say in HTTP/2, and gRPC needs it said. */
static bool is_field(enum keepmsg_type type, const struct keepmsg_field *f)
{
	if (!is_lower_token(f->name) || !is_value(f->value) ||
		keepmsg_is_framing_name(f->name.at, f->name.n))
		return false;
	if (!field_is(f->name, "te"))
		return true;
	return type == KEEPMSG_REQUEST && f->value.n == strlen("trailers") &&
	       memcmp(f->value.at, "trailers", f->value.n) == 0;
}

static bool has_body(const struct keepmsg_head *head)
{
	return head->framing != KEEPMSG_NO_BODY;
}

static bool is_request(const struct keepmsg_head *head)
{
	const uint32_t flags = KEEPMSG_PASS | KEEPMSG_UPGRADE | KEEPMSG_H2 | KEEPMSG_CONTINUE;

	if ((head->flags & ~flags) != 0 || head->status != 0)
		return false;
	if ((head->flags & KEEPMSG_UPGRADE) != 0 && has_body(head))
		return false;
	return field_is_token(head->method) && is_path(head->path) &&
	       (head->query.at == NULL || is_visible(head->query, "#\\"));
}

static bool is_answer(enum keepmsg_type type, const struct keepmsg_head *head)
{
	if (head->method.at != NULL || head->path.at != NULL || head->query.at != NULL)
		return false;
	if (type == KEEPMSG_TRAILERS)
		return head->status == 0 && head->flags == 0 && !has_body(head);
	if (head->status < 100 || head->status > 599)
		return false;
	return head->flags == (head->status == 101 ? KEEPMSG_UPGRADE : 0) &&
	       (head->status >= 200 || !has_body(head));
}

static bool is_head(enum keepmsg_type type, const struct keepmsg_head *head)
{
	if (head->framing >= KEEPMSG_FRAMING_COUNT ||
		(head->length != 0 && head->framing != KEEPMSG_LENGTH))
		return false;
	for (size_t i = 0; i < head->n_fields; i++) {
		if (!is_field(type, &head->fields[i]))
			return false;
	}
	return type == KEEPMSG_REQUEST ? is_request(head) : is_answer(type, head);
}

/* ---- encoding ---- */

static uint32_t size_of(struct keepmsg_text t)
{
	return t.at != NULL ? (uint32_t)t.n : ABSENT;
}

static size_t add_size(size_t sum, struct keepmsg_text t)
{
	if (t.at == NULL)
		return sum;
	return t.n > KEEPMSG_HEAD_MAX || sum > KEEPMSG_HEAD_MAX ? SIZE_MAX / 2 : sum + t.n;
}

static size_t encoded_bytes(const struct keepmsg_head *head)
{
	size_t sum = sizeof(struct fixed) + head->n_fields * sizeof(struct sizes);

	sum = add_size(sum, head->method);
	sum = add_size(sum, head->path);
	sum = add_size(sum, head->query);
	for (size_t i = 0; i < head->n_fields; i++) {
		sum = add_size(sum, head->fields[i].name);
		sum = add_size(sum, head->fields[i].value);
	}
	return sum;
}

static void put_text(struct buf *out, struct keepmsg_text t)
{
	if (t.at != NULL && t.n > 0)
		buf_add(out, t.at, t.n);
}

int keepmsg_put_head(struct buf *out, enum keepmsg_type type, const struct keepmsg_head *head)
{
	const uint32_t type_word = (uint32_t)type;
	struct fixed fixed = { .flags = head->flags,
		.status = head->status,
		.framing = (uint32_t)head->framing,
		.n_fields = (uint32_t)head->n_fields,
		.length = head->length,
		.method_n = size_of(head->method),
		.path_n = size_of(head->path),
		.query_n = size_of(head->query) };

	if (head->n_fields > KEEPMSG_FIELDS_MAX || encoded_bytes(head) > KEEPMSG_HEAD_MAX)
		return -E2BIG;
	buf_add(out, &type_word, sizeof(type_word));
	buf_add(out, &fixed, sizeof(fixed));
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct keepmsg_field *f = &head->fields[i];
		struct sizes sizes = { (uint32_t)f->name.n, (uint32_t)f->value.n };

		buf_add(out, &sizes, sizeof(sizes));
	}
	put_text(out, head->method);
	put_text(out, head->path);
	put_text(out, head->query);
	for (size_t i = 0; i < head->n_fields; i++) {
		put_text(out, head->fields[i].name);
		put_text(out, head->fields[i].value);
	}
	return 0;
}

/* ---- decoding ---- */

struct reader {
	const char *at;
	size_t left;
	bool failed;
};

static void take(struct reader *r, void *ret, size_t n)
{
	if (r->left < n) {
		r->failed = true;
		memset(ret, 0, n);
		return;
	}
	memcpy(ret, r->at, n);
	r->at += n;
	r->left -= n;
}

static struct keepmsg_text take_text(struct reader *r, uint32_t n)
{
	struct keepmsg_text t = { r->at, n };

	if (n == ABSENT)
		return (struct keepmsg_text){ NULL, 0 };
	if (r->left < n) {
		r->failed = true;
		return (struct keepmsg_text){ NULL, 0 };
	}
	r->at += n;
	r->left -= n;
	return t;
}

static bool take_field(struct reader *sizes, struct reader *texts, struct keepmsg_field *ret)
{
	struct sizes s;

	take(sizes, &s, sizeof(s));
	if (s.name_n == ABSENT || s.value_n == ABSENT)
		return false;
	ret->name = take_text(texts, s.name_n);
	ret->value = take_text(texts, s.value_n);
	return !sizes->failed && !texts->failed;
}

int keepmsg_get_head(enum keepmsg_type type, const char *bytes, size_t n, struct keepmsg_head *ret)
{
	struct reader r = { .at = bytes, .left = n }, sizes;
	struct fixed fixed;

	if (n > KEEPMSG_HEAD_MAX ||
		(type != KEEPMSG_REQUEST && type != KEEPMSG_RESPONSE && type != KEEPMSG_TRAILERS))
		return -EPROTO;
	take(&r, &fixed, sizeof(fixed));
	if (r.failed || fixed.n_fields > KEEPMSG_FIELDS_MAX || fixed.reserved != 0 ||
		fixed.framing >= KEEPMSG_FRAMING_COUNT ||
		r.left < fixed.n_fields * sizeof(struct sizes))
		return -EPROTO;
	sizes = (struct reader){ .at = r.at, .left = fixed.n_fields * sizeof(struct sizes) };
	r.at += sizes.left;
	r.left -= sizes.left;
	ret->flags = fixed.flags;
	ret->status = fixed.status;
	ret->framing = (enum keepmsg_framing)fixed.framing;
	ret->length = fixed.length;
	ret->n_fields = fixed.n_fields;
	ret->method = take_text(&r, fixed.method_n);
	ret->path = take_text(&r, fixed.path_n);
	ret->query = take_text(&r, fixed.query_n);
	for (size_t i = 0; i < ret->n_fields; i++) {
		if (!take_field(&sizes, &r, &ret->fields[i]))
			return -EPROTO;
	}
	return r.failed || r.left != 0 || !is_head(type, ret) ? -EPROTO : 0;
}
