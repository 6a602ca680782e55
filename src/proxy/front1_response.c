/*
 * Writing HTTP/1 responses. Runs in the proxy; hostile input: heads that a keeper made of a hostile
 * server's, decoded and checked already. Framing is ours alone.
 */
#include "proxy/front1_private.h"

#include "wire/field.h"

#include "base/cleanup.h"

#include <string.h>

static const char *phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} table[] = { { 100, "Continue" }, { 101, "Switching Protocols" }, { 103, "Early Hints" },
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
		{ 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" },
		{ 303, "See Other" }, { 304, "Not Modified" }, { 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" }, { 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" }, { 405, "Method Not Allowed" },
		{ 409, "Conflict" }, { 411, "Length Required" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" }, { 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" }, { 421, "Misdirected Request" },
		{ 422, "Unprocessable Content" }, { 426, "Upgrade Required" },
		{ 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" },
		{ 502, "Bad Gateway" }, { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" } };

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].status == status)
			return table[i].phrase;
	}
	return "Status";
}

static bool is_name(struct keepmsg_text name, const char *want)
{
	return name.n == strlen(want) && memcmp(name.at, want, name.n) == 0;
}

/* Where else the host could be reached, past us, is not for the cell (RFC 7838). */
static bool is_hidden(struct keepmsg_text name)
{
	return is_name(name, "alt-svc") || keepmsg_is_framing_name(name.at, name.n);
}

static void add_fields(struct buf *out, const struct keepmsg_head *head)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct keepmsg_field *f = &head->fields[i];

		if (is_hidden(f->name))
			continue;
		buf_add(out, f->name.at, f->name.n);
		if (!out->failed)
			field_spell(out->data + out->len - f->name.n, f->name.n);
		buf_add(out, ": ", 2);
		buf_add(out, f->value.at, f->value.n);
		buf_add(out, "\r\n", 2);
	}
}

static void add_status(struct front1 *f, unsigned status)
{
	buf_addf(&f->out, "HTTP/1.1 %u %s\r\n", status, phrase(status));
}

/* ---- a response of the server's ---- */

static void begin_opaque(struct front1 *f, const struct keepmsg_head *head)
{
	add_status(f, head->status);
	add_fields(&f->out, head);
	buf_adds(&f->out, "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
	f->state = FRONT1_OPAQUE;
	f->keeps_alive = false;
	f->end = FRONT1_END_CLOSE;
}

static enum front1_end choose_end(const struct front1 *f, const struct keepmsg_head *head)
{
	if (f->is_head || head->status == 204 || head->status == 304)
		return FRONT1_END_NONE;
	if (head->framing != KEEPMSG_UNKNOWN)
		return FRONT1_END_LENGTH;
	return f->is_http10 ? FRONT1_END_CLOSE : FRONT1_END_CHUNK;
}

/*
 * A 204 has no length (RFC 9110, 8.6); of HEAD and 304 it is the one that GET would have, if the
 * server gave one.
 */
static void add_framing(struct front1 *f, const struct keepmsg_head *head)
{
	bool has_length = head->framing == KEEPMSG_LENGTH ||
			  (head->framing == KEEPMSG_NO_BODY && f->end == FRONT1_END_LENGTH);

	if (has_length && head->status != 204)
		buf_addf(&f->out, "Content-Length: %llu\r\n", (unsigned long long)head->length);
	if (f->end == FRONT1_END_CHUNK)
		buf_adds(&f->out, "Transfer-Encoding: chunked\r\n");
	if (!f->keeps_alive)
		buf_adds(&f->out, "Connection: close\r\n");
	else if (f->is_http10)
		buf_adds(&f->out, "Connection: keep-alive\r\n");
}

/* The client has all that its response will ever have, and may wait for our end with its own. */
static void check_answered(struct front1 *f)
{
	bool is_whole = f->end == FRONT1_END_NONE || (f->end == FRONT1_END_LENGTH && f->left == 0);

	f->is_answered = f->state == FRONT1_BODY && f->is_error && is_whole;
	if (f->is_answered)
		stream_kick(f->stream);
}

static void on_head(void *arg, const struct keepmsg_head *head)
{
	struct front1 *f = arg;

	if (head->status < 200 && head->status != 101) {
		/* We have said 100 ourselves, and HTTP/1.0 knows none of them. */
		if (f->is_http10 || head->status == 100)
			return;
		add_status(f, head->status);
		add_fields(&f->out, head);
		buf_adds(&f->out, "\r\n");
		stream_kick(f->stream);
		return;
	}
	f->has_head = true;
	if (head->status == 101) {
		begin_opaque(f, head);
		stream_kick(f->stream);
		return;
	}
	f->end = choose_end(f, head);
	f->is_error = head->status >= 400;
	f->left = f->end == FRONT1_END_LENGTH ? head->length : 0;
	/* A body that is still to come would have to be read before the next request. */
	if (f->state == FRONT1_BODY || f->end == FRONT1_END_CLOSE)
		f->keeps_alive = false;
	add_status(f, head->status);
	add_fields(&f->out, head);
	add_framing(f, head);
	buf_adds(&f->out, "\r\n");
	/* A small body comes at once, and then both go together. */
	if (f->end != FRONT1_END_LENGTH || head->length > FRONT1_SMALL_BYTES)
		stream_kick(f->stream);
	check_answered(f);
}

static void on_data(void *arg, const char *bytes, size_t n)
{
	struct front1 *f = arg;

	if (f->end == FRONT1_END_CHUNK)
		buf_addf(&f->out, "%zx\r\n", n);
	buf_add(&f->out, bytes, n);
	if (f->end == FRONT1_END_CHUNK)
		buf_add(&f->out, "\r\n", 2);
	if (f->out.len - f->out_at > FRONT1_OUT_MAX) {
		f->is_paused = true;
		exchange_read(f->x, false);
	}
	if (f->end == FRONT1_END_LENGTH)
		f->left -= n;
	check_answered(f);
	stream_kick(f->stream);
}

/* The next request, or the end. */
static void finish_response(struct front1 *f)
{
	f->x = NULL;
	f->is_paused = false;
	f->state = f->keeps_alive ? FRONT1_HEAD : FRONT1_CLOSING;
	front1_run(f);
}

static void on_end(void *arg, const struct keepmsg_head *trailers)
{
	struct front1 *f = arg;

	if (f->end == FRONT1_END_CHUNK) {
		buf_adds(&f->out, "0\r\n");
		if (trailers != NULL)
			add_fields(&f->out, trailers);
		buf_adds(&f->out, "\r\n");
	}
	finish_response(f);
}

/* ---- a response of ours ---- */

void front1_refuse(struct front1 *f, unsigned status, const char *reason, bool closes)
{
	size_t n = strlen("agentjail: \n") + strlen(reason);

	f->keeps_alive = f->keeps_alive && !closes;
	add_status(f, status);
	buf_addf(&f->out, "Content-Type: text/plain\r\nContent-Length: %zu\r\n", n);
	if (status == 405)
		buf_adds(&f->out, "Allow: GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS\r\n");
	if (!f->keeps_alive)
		buf_adds(&f->out, "Connection: close\r\n");
	else if (f->is_http10)
		buf_adds(&f->out, "Connection: keep-alive\r\n");
	buf_adds(&f->out, "\r\n");
	if (!f->is_head)
		buf_addf(&f->out, "agentjail: %s\n", reason);
	f->state = f->keeps_alive ? FRONT1_HEAD : FRONT1_CLOSING;
}

static void on_failed(void *arg, unsigned status, const char *reason)
{
	struct front1 *f = arg;

	f->x = NULL;
	f->is_paused = false;
	if (f->has_head) {
		/* Cut short: a length or a missing last chunk says so, else only a reset does. */
		f->is_reset = f->end == FRONT1_END_CLOSE;
		f->state = FRONT1_CLOSING;
	} else {
		front1_refuse(f, status, reason, f->state == FRONT1_BODY);
	}
	front1_run(f);
}

static void on_writable(void *arg)
{
	struct front1 *f = arg;

	front1_run(f);
}

const struct exchange_ops front1_ops = {
	.head = on_head,
	.data = on_data,
	.end = on_end,
	.failed = on_failed,
	.writable = on_writable,
};
