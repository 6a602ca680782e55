/*
 * HTTP/1 heads. Runs in the proxy; hostile input: every byte.
 */
#include "proxy/http1.h"

#include "base/cleanup.h"
#include "wire/field.h"

#include <string.h>
#include <strings.h>

#define VERSION_BYTES 8u /* "HTTP/1.1" */

static enum http1_result bad(struct http1_head *head, const char *why)
{
	head->why = why;
	return HTTP1_BAD;
}

/* ---- the request line ---- */

static const char *read_target(struct http1_head *head)
{
	struct keepmsg_text t = head->target;
	size_t scheme;

	head->path = t;
	if (t.at[0] == '/' || field_says(t, "*"))
		return NULL;
	if (field_says(head->method, "connect"))
		return NULL; /* authority-form: whoever serves CONNECT reads it */
	if (t.n > 7 && strncasecmp(t.at, "http://", 7) == 0)
		scheme = 7;
	else if (t.n > 8 && strncasecmp(t.at, "https://", 8) == 0)
		scheme = 8;
	else
		return "malformed request target";
	head->is_https = scheme == 8;
	head->authority.at = t.at + scheme;
	while (head->authority.n < t.n - scheme &&
		strchr("/?#", head->authority.at[head->authority.n]) == NULL)
		head->authority.n++;
	head->path.at = head->authority.at + head->authority.n;
	head->path.n = t.n - scheme - head->authority.n;
	return NULL;
}

static const char *read_request_line(struct http1_head *head, struct keepmsg_text line)
{
	const char *space;
	size_t method = field_token_length(line.at, line.n);
	size_t rest;

	if (method == 0 || method >= line.n || line.at[method] != ' ')
		return "malformed request line";
	head->method = (struct keepmsg_text){ line.at, method };
	head->target.at = line.at + method + 1;
	rest = line.n - method - 1;
	space = memchr(head->target.at, ' ', rest);
	if (space == NULL || space == head->target.at)
		return "malformed request line";
	head->target.n = (size_t)(space - head->target.at);
	for (size_t i = 0; i < head->target.n; i++) {
		unsigned char c = (unsigned char)head->target.at[i];

		if (c <= 0x20 || c == 0x7f || c == '#')
			return "malformed request target";
	}
	if (rest - head->target.n - 1 != VERSION_BYTES || memcmp(space + 1, "HTTP/1.", 7) != 0 ||
		(space[8] != '0' && space[8] != '1'))
		return "not HTTP/1.0 or HTTP/1.1";
	head->minor = (unsigned)(space[8] - '0');
	return read_target(head);
}

/* ---- fields that frame or name ---- */

static const char *read_length(struct http1_head *head, struct keepmsg_text value)
{
	if (head->framing != HTTP1_NO_BODY)
		return "two framings of the body";
	if (!field_number(value, &head->length))
		return "malformed Content-Length";
	head->framing = HTTP1_LENGTH;
	return NULL;
}

static const char *read_encoding(struct http1_head *head, struct keepmsg_text value)
{
	if (head->framing != HTTP1_NO_BODY)
		return "two framings of the body";
	if (!field_says(value, "chunked") || head->minor != 1)
		return "Transfer-Encoding other than chunked";
	head->framing = HTTP1_CHUNKED;
	return NULL;
}

static const char *read_host(struct http1_head *head, struct keepmsg_text value)
{
	if (head->host.at != NULL)
		return "more than one Host";
	head->host = value;
	return NULL;
}

/* A field that is named here is for the next hop alone: it must not be one that we judge by. */
static const char *read_connection(struct http1_head *head, struct keepmsg_text value)
{
	static const char *const needed[] = { "host", "content-length", "transfer-encoding" };
	struct keepmsg_text element;

	while (field_next(&value, &element)) {
		if (field_says(element, "close"))
			head->says_close = true;
		if (field_says(element, "keep-alive"))
			head->says_keep_alive = true;
		if (field_says(element, "upgrade"))
			head->has_upgrade = true;
		for (size_t i = 0; i < ARRAY_LEN(needed); i++) {
			if (field_is(element, needed[i]))
				return "Connection names a field that may not be dropped";
		}
	}
	return NULL;
}

static const char *read_upgrade(struct http1_head *head, struct keepmsg_text value)
{
	struct keepmsg_text element;

	while (field_next(&value, &element)) {
		if (element.n >= 2 && strncasecmp(element.at, "h2", 2) == 0)
			head->is_upgrade_h2c = true;
		if (field_says(element, "websocket"))
			head->is_websocket = true;
	}
	return NULL;
}

static const char *read_expect(struct http1_head *head, struct keepmsg_text value)
{
	if (field_says(value, "100-continue"))
		head->expects_continue = true;
	else
		head->expects_other = true;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*read)(struct http1_head *head, struct keepmsg_text value);
} readers[] = {
	{ "content-length", read_length },
	{ "transfer-encoding", read_encoding },
	{ "host", read_host },
	{ "connection", read_connection },
	{ "upgrade", read_upgrade },
	{ "expect", read_expect },
};

static const char *read_special(struct http1_head *head, const struct keepmsg_field *field)
{
	for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
		if (field_says(field->name, readers[i].name))
			return readers[i].read(head, field->value);
		if (field_is(field->name, readers[i].name))
			return "a field name that some servers read as another";
	}
	return NULL;
}

static const char *read_field(struct http1_head *head, struct keepmsg_text line)
{
	struct keepmsg_field f = { .name = { line.at, field_token_length(line.at, line.n) } };

	if (line.at[0] == ' ' || line.at[0] == '\t')
		return "folded header line";
	if (f.name.n == 0 || f.name.n == line.n || line.at[f.name.n] != ':')
		return "malformed header line";
	if (head->n_fields == HTTP1_FIELDS_MAX)
		return "too many header lines";
	f.value = field_trim((struct keepmsg_text){ line.at + f.name.n + 1, line.n - f.name.n - 1 });
	if (!field_is_value(f.value))
		return "control character in a header";
	head->fields[head->n_fields++] = f;
	return read_special(head, &f);
}

/* ---- heads ---- */

/*
 * The next line, without its CRLF. MORE: not complete. BAD: CR or LF alone, or a NUL, even before
 * the line is complete.
 */
static enum http1_result next_line(const char *bytes, size_t n, size_t *at, struct keepmsg_text *line)
{
	size_t i = *at;

	while (i < n && bytes[i] != '\r' && bytes[i] != '\n' && bytes[i] != '\0')
		i++;
	if (i == n || (bytes[i] == '\r' && i + 1 == n))
		return HTTP1_MORE;
	if (bytes[i] != '\r' || bytes[i + 1] != '\n')
		return HTTP1_BAD;
	*line = (struct keepmsg_text){ bytes + *at, i - *at };
	*at = i + 2;
	return HTTP1_OK;
}

static enum http1_result check_head(struct http1_head *head)
{
	if (head->has_upgrade && head->framing != HTTP1_NO_BODY)
		return bad(head, "Upgrade with a body");
	return HTTP1_OK;
}

enum http1_result http1_parse_head(const char *bytes, size_t n, struct http1_head *ret)
{
	size_t at = n >= 2 && memcmp(bytes, "\r\n", 2) == 0 ? 2 : 0;
	bool has_request_line = false;

	memset(ret, 0, offsetof(struct http1_head, fields));
	memset(&ret->n_fields, 0, sizeof(*ret) - offsetof(struct http1_head, n_fields));
	for (;;) {
		struct keepmsg_text line;
		enum http1_result r = next_line(bytes, n, &at, &line);
		const char *why;

		if (r == HTTP1_BAD)
			return bad(ret, "malformed line end");
		if (r == HTTP1_MORE)
			return n < HTTP1_HEAD_MAX ? HTTP1_MORE : bad(ret, "request head too long");
		if (at > HTTP1_HEAD_MAX)
			return bad(ret, "request head too long");
		ret->bytes = at;
		if (line.n == 0)
			return has_request_line ? check_head(ret)
						: bad(ret, "malformed request line");
		why = has_request_line ? read_field(ret, line) : read_request_line(ret, line);
		if (why != NULL)
			return bad(ret, why);
		has_request_line = true;
	}
}

static bool is_dropped(const struct keepmsg_field *f, unsigned flags)
{
	if (field_says(f->name, "proxy-connection") || field_says(f->name, "proxy-authorization"))
		return true;
	if (field_says(f->name, "connection") || field_says(f->name, "keep-alive"))
		return flags != 0;
	if (field_says(f->name, "upgrade") || field_says(f->name, "http2-settings"))
		return flags != 0;
	return false;
}

void http1_write_head(const struct http1_head *head, unsigned flags, struct buf *out)
{
	buf_add(out, head->method.at, head->method.n);
	buf_adds(out, " ");
	if (head->path.n == 0 || (head->path.at[0] != '/' && head->authority.at != NULL))
		buf_adds(out, "/");
	buf_add(out, head->path.at, head->path.n);
	buf_addf(out, " HTTP/1.%u\r\n", head->minor);
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct keepmsg_field *f = &head->fields[i];

		if (is_dropped(f, flags))
			continue;
		buf_add(out, f->name.at, f->name.n);
		buf_adds(out, ": ");
		buf_add(out, f->value.at, f->value.n);
		buf_adds(out, "\r\n");
	}
	if ((flags & HTTP1_CLOSE) != 0 || (flags != 0 && head->says_close))
		buf_adds(out, "Connection: close\r\n");
	buf_adds(out, "\r\n");
}

/* ---- what is not a request ---- */

enum http1_result http1_sniff(const char *bytes, size_t n)
{
	size_t start = 0, word, end;

	while (start < n && bytes[start] != '\0' && strchr("\r\n\t\v\f ", bytes[start]) != NULL)
		start++;
	word = field_token_length(bytes + start, n - start);
	/* A method may be long: the servers that take any take it up to their limit of a line. */
	if (start + word == n)
		return n < HTTP1_HEAD_MAX ? HTTP1_MORE : HTTP1_OK;
	if (word == 0 || bytes[start + word] == '\0' ||
		strchr(" \t\v\f\r", bytes[start + word]) == NULL)
		return HTTP1_BAD;
	for (end = start; end < n && bytes[end] != '\n' && bytes[end] != '\0'; end++) {
		if (n - end >= 5 && strncasecmp(bytes + end, "HTTP/", 5) == 0)
			return HTTP1_OK;
	}
	if (end < n)
		return HTTP1_BAD;
	return n < HTTP1_HEAD_MAX ? HTTP1_MORE : HTTP1_OK;
}

enum http1_result http1_parse_status(
	const char *bytes, size_t n, unsigned *ret_status, size_t *ret_bytes)
{
	const char *end = n > 0 ? memmem(bytes, n, "\r\n\r\n", 4) : NULL;
	unsigned status = 0;

	if (end == NULL)
		return n < HTTP1_HEAD_MAX ? HTTP1_MORE : HTTP1_BAD;
	if (n < 13 || memcmp(bytes, "HTTP/1.", 7) != 0 || bytes[8] != ' ')
		return HTTP1_BAD;
	for (size_t i = 9; i < 12; i++) {
		if (bytes[i] < '0' || bytes[i] > '9')
			return HTTP1_BAD;
		status = status * 10 + (unsigned)(bytes[i] - '0');
	}
	if (bytes[12] != ' ' && bytes[12] != '\r')
		return HTTP1_BAD;
	*ret_status = status;
	*ret_bytes = (size_t)(end - bytes) + 4;
	return HTTP1_OK;
}
