/*
 * HTTP/1.1 towards a host. Runs in a keeper. Hostile: every byte of the server.
 */
#include "keeper/h1.h"

#include "base/ascii.h"
#include "base/cleanup.h"
#include "keeper/memory.h"
#include "wire/field.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rationale: chunk extensions have no known user; a line with one must end somewhere. */
#define CHUNK_LINE_MAX 256u

enum state { HEAD, LENGTH, CHUNK_LINE, CHUNK, CHUNK_END, TRAILERS, UNTIL_END, OPAQUE, COMPLETE };

void h1_init(struct h1 *h1, struct link *link, struct reply *reply)
{
	*h1 = (struct h1){ .link = link, .reply = reply, .is_reusable = true, .state = COMPLETE };
}

void h1_done(struct h1 *h1)
{
	memory_give(h1->rest);
	h1->rest = NULL;
	memory_done(&h1->head);
}

static int broken(struct h1 *h1, const char *why)
{
	h1->why = why;
	h1->is_reusable = false;
	return -EPROTO;
}

/* ---- requests ---- */

/* Behind what waits already. */
static int keep_rest(struct h1 *h1, const char *bytes, size_t n)
{
	size_t waiting = h1->rest_n - h1->rest_at;
	char *rest = memory_take(waiting + n);

	if (rest == NULL)
		return broken(h1, "out of memory");
	if (h1->rest != NULL)
		memcpy(rest, h1->rest + h1->rest_at, waiting);
	memcpy(rest + waiting, bytes, n);
	memory_give(h1->rest);
	h1->rest = rest;
	h1->rest_n = waiting + n;
	h1->rest_at = 0;
	return 0;
}

/* Writes; what the socket does not take is kept, which the caller bounds. */
static int send_bytes(struct h1 *h1, const char *bytes, size_t n)
{
	size_t sent = 0;

	while (h1->rest == NULL && sent < n) {
		ssize_t r = link_write(h1->link, bytes + sent, n - sent);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			/* The answer to what was sent so far may be there: reading tells. */
			h1->is_reusable = false;
			return 0;
		}
		sent += (size_t)r;
	}
	return sent < n ? keep_rest(h1, bytes + sent, n - sent) : 0;
}

int h1_flush(struct h1 *h1)
{
	while (h1->rest_at < h1->rest_n) {
		ssize_t n = link_write(h1->link, h1->rest + h1->rest_at, h1->rest_n - h1->rest_at);

		if (n == -EAGAIN)
			return -EAGAIN;
		if (n < 0) {
			h1->is_reusable = false;
			break;
		}
		h1->rest_at += (size_t)n;
	}
	memory_give(h1->rest);
	h1->rest = NULL;
	h1->rest_n = h1->rest_at = 0;
	return 0;
}

struct writer {
	char *at;
	size_t n;
};

/* Counts when there is no memory yet. */
static void add(struct writer *w, const char *bytes, size_t n)
{
	if (w->at != NULL)
		memcpy(w->at + w->n, bytes, n);
	w->n += n;
}

static void adds(struct writer *w, const char *text)
{
	add(w, text, strlen(text));
}

static void add_text(struct writer *w, struct keepmsg_text text)
{
	add(w, text.at, text.n);
}

static void add_name(struct writer *w, struct keepmsg_text name)
{
	add_text(w, name);
	if (w->at != NULL)
		field_spell(w->at + w->n - name.n, name.n);
}

static bool wants_length(const struct inject_request *request)
{
	static const char *const methods[] = { "POST", "PUT", "PATCH" };

	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (request->method.n == strlen(methods[i]) &&
			memcmp(request->method.at, methods[i], request->method.n) == 0)
			return true;
	return false;
}

static void write_framing(struct writer *w, const struct inject_request *request)
{
	char line[64];

	if (request->framing == KEEPMSG_UNKNOWN)
		adds(w, "Transfer-Encoding: chunked\r\n");
	else if (request->framing == KEEPMSG_LENGTH || wants_length(request)) {
		(void)snprintf(line, sizeof(line), "Content-Length: %llu\r\n",
			(unsigned long long)request->length);
		adds(w, line);
	}
	if ((request->flags & KEEPMSG_CONTINUE) != 0)
		adds(w, "Expect: 100-continue\r\n");
	if ((request->flags & KEEPMSG_UPGRADE) != 0)
		adds(w, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
}

static void write_head(struct writer *w, const struct inject_request *request)
{
	add_text(w, request->method);
	adds(w, " ");
	add_text(w, request->path);
	if (request->query.at != NULL) {
		adds(w, "?");
		add_text(w, request->query);
	}
	adds(w, " HTTP/1.1\r\nHost: ");
	adds(w, request->host);
	adds(w, "\r\n");
	for (size_t i = 0; i < request->n_fields; i++) {
		if (field_is(request->fields[i].name, "te"))
			continue;
		add_name(w, request->fields[i].name);
		adds(w, ": ");
		add_text(w, request->fields[i].value);
		adds(w, "\r\n");
	}
	write_framing(w, request);
	adds(w, "\r\n");
}

int h1_request(struct h1 *h1, const struct inject_request *request)
{
	struct writer w = { 0 };
	int r;

	write_head(&w, request);
	w.at = memory_take(w.n);
	if (w.at == NULL)
		return broken(h1, "out of memory");
	w.n = 0;
	write_head(&w, request);
	r = send_bytes(h1, w.at, w.n);
	memory_give(w.at);
	h1->is_chunked = request->framing == KEEPMSG_UNKNOWN;
	/* Other spellings are other methods, to servers too. */
	h1->is_bodiless = request->method.n == 4 && memcmp(request->method.at, "HEAD", 4) == 0;
	h1->asked_upgrade = (request->flags & KEEPMSG_UPGRADE) != 0;
	h1->is_complete = false;
	h1->state = HEAD;
	return r;
}

int h1_body(struct h1 *h1, char *bytes, size_t n)
{
	char line[H1_ROOM_BEFORE + 1];
	size_t line_n;

	if (!h1->is_chunked)
		return send_bytes(h1, bytes, n);
	line_n = (size_t)snprintf(line, sizeof(line), "%zx\r\n", n);
	memcpy(bytes - line_n, line, line_n);
	bytes[n] = '\r';
	bytes[n + 1] = '\n';
	return send_bytes(h1, bytes - line_n, line_n + n + 2);
}

int h1_body_end(struct h1 *h1)
{
	return h1->is_chunked ? send_bytes(h1, "0\r\n\r\n", 5) : 0;
}

int h1_opaque(struct h1 *h1, const char *bytes, size_t n)
{
	return send_bytes(h1, bytes, n);
}

/* ---- responses: heads ---- */

/* Where the next line of the gathered head begins; NULL: its end, or no line. */
static bool take_line(struct keepmsg_text *rest, struct keepmsg_text *ret)
{
	const char *end = memchr(rest->at, '\n', rest->n);
	size_t n;

	if (end == NULL || end == rest->at || end[-1] != '\r')
		return false;
	n = (size_t)(end - rest->at) + 1;
	*ret = (struct keepmsg_text){ rest->at, n - 2 };
	rest->at += n;
	rest->n -= n;
	return true;
}

static bool read_status(struct keepmsg_text line, struct keepmsg_head *head, bool *ret_is_old)
{
	uint64_t status;

	if (line.n < 12 || memcmp(line.at, "HTTP/1.", 7) != 0 || line.at[8] != ' ' ||
		(line.at[7] != '0' && line.at[7] != '1') || (line.n > 12 && line.at[12] != ' '))
		return false;
	if (!field_number((struct keepmsg_text){ line.at + 9, 3 }, &status) || status < 100 ||
		status > 599)
		return false;
	*ret_is_old = line.at[7] == '0';
	head->status = (uint32_t)status;
	return field_is_value((struct keepmsg_text){ line.at + 12, line.n - 12 });
}

static bool read_field(struct keepmsg_text line, struct keepmsg_field *ret)
{
	const char *colon = memchr(line.at, ':', line.n);
	char *name = (char *)(size_t)line.at;

	if (colon == NULL)
		return false;
	ret->name = (struct keepmsg_text){ line.at, (size_t)(colon - line.at) };
	ret->value = field_trim(
		(struct keepmsg_text){ colon + 1, line.n - (size_t)(colon + 1 - line.at) });
	for (size_t i = 0; i < ret->name.n; i++)
		name[i] = ascii_lower(name[i]);
	return field_is_token(ret->name) && field_is_value(ret->value);
}

/* What the fields that are not passed on say. */
struct framing {
	unsigned n_lengths, n_codings;
	uint64_t length;
	bool is_chunked, says_close, says_keep, is_bad, is_websocket;
	struct keepmsg_text nominated[16]; /* by Connection */
	size_t n_nominated;
};

static void read_connection(struct framing *f, struct keepmsg_text value)
{
	struct keepmsg_text token;

	while (field_next(&value, &token)) {
		f->says_close |= field_says(token, "close");
		f->says_keep |= field_says(token, "keep-alive");
		if (f->n_nominated < ARRAY_LEN(f->nominated))
			f->nominated[f->n_nominated++] = token;
		else
			f->is_bad = true;
	}
}

static void read_framing(struct framing *f, const struct keepmsg_field *field)
{
	if (field_is(field->name, "content-length")) {
		f->n_lengths++;
		f->is_bad |= !field_number(field->value, &f->length);
	} else if (field_is(field->name, "transfer-encoding")) {
		f->n_codings++;
		f->is_chunked = field_says(field->value, "chunked");
	} else if (field_is(field->name, "connection")) {
		read_connection(f, field->value);
	} else if (field_is(field->name, "upgrade")) {
		f->is_websocket = field_says(field->value, "websocket");
	}
}

/* Reads the fields up to the empty line; those that frame go to f. False: malformed. */
static bool read_fields(
	struct keepmsg_text rest, struct keepmsg_head *head, struct framing *f, const char **why)
{
	struct keepmsg_text line;

	*why = "a malformed header field";
	while (take_line(&rest, &line) && line.n > 0) {
		struct keepmsg_field field;

		if (!read_field(line, &field))
			return false;
		read_framing(f, &field);
		if (keepmsg_is_framing_name(field.name.at, field.name.n))
			continue;
		if (head->n_fields == KEEPMSG_FIELDS_MAX) {
			*why = "too many header fields";
			return false;
		}
		head->fields[head->n_fields++] = field;
	}
	return rest.n == 0;
}

static void drop_nominated(struct keepmsg_head *head, const struct framing *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < head->n_fields; i++) {
		bool is_nominated = false;

		for (size_t k = 0; k < f->n_nominated && !is_nominated; k++)
			is_nominated = field_is_same(head->fields[i].name, f->nominated[k]);
		if (!is_nominated)
			head->fields[kept++] = head->fields[i];
	}
	head->n_fields = kept;
}

/* NULL, or what is wrong with how the response is framed (RFC 9112, 6.3). */
static const char *check_framing(
	const struct h1 *h1, const struct keepmsg_head *head, const struct framing *f, bool is_old)
{
	bool is_informational = head->status < 200;

	if (f->is_bad || f->n_lengths > 1 || f->n_codings > 1)
		return "a malformed Content-Length, Transfer-Encoding or Connection";
	if (f->n_lengths > 0 && f->n_codings > 0)
		return "both Content-Length and Transfer-Encoding";
	if (f->n_codings > 0 && (!f->is_chunked || is_old))
		return "a Transfer-Encoding that nobody asked for";
	if (head->status == 101 && (!h1->asked_upgrade || !f->is_websocket))
		return "it changes the protocol, which nobody asked for";
	if (is_informational && (f->n_codings > 0 || f->length > 0))
		return "an informational response with a body";
	if (head->status == 204 && (f->n_codings > 0 || f->length > 0))
		return "204 with a body";
	return NULL;
}

static void set_framing(struct h1 *h1, struct keepmsg_head *head, const struct framing *f)
{
	bool is_bodiless = h1->is_bodiless || head->status == 204 || head->status == 304;

	if (head->status < 200) {
		head->framing = KEEPMSG_NO_BODY;
		head->flags = head->status == 101 ? KEEPMSG_UPGRADE : 0;
		h1->state = head->status == 101 ? OPAQUE : HEAD;
		return;
	}
	if (f->n_lengths > 0) {
		head->framing = head->status == 204 ? KEEPMSG_NO_BODY : KEEPMSG_LENGTH;
		head->length = head->status == 204 ? 0 : f->length;
		h1->left = f->length;
		h1->state = f->length > 0 ? LENGTH : COMPLETE;
	} else {
		head->framing = is_bodiless ? KEEPMSG_NO_BODY : KEEPMSG_UNKNOWN;
		h1->state = f->is_chunked ? CHUNK_LINE : UNTIL_END;
	}
	if (is_bodiless)
		h1->state = COMPLETE;
	if (h1->state == UNTIL_END)
		h1->is_reusable = false;
}

static int complete(struct h1 *h1, struct keepmsg_head *trailers)
{
	int r = reply_end(h1->reply, trailers);

	if (r < 0)
		return broken(h1, h1->reply->why);
	h1->state = COMPLETE;
	h1->is_complete = true;
	return 0;
}

static int take_head(struct h1 *h1)
{
	struct keepmsg_head head = { 0 };
	struct framing f = { 0 };
	struct keepmsg_text rest = { h1->head.data, h1->head.len }, line;
	bool is_old = false;
	const char *why;
	int r;

	if (!take_line(&rest, &line) || !read_status(line, &head, &is_old))
		return broken(h1, "a malformed status line");
	if (!read_fields(rest, &head, &f, &why))
		return broken(h1, why);
	why = check_framing(h1, &head, &f, is_old);
	if (why != NULL)
		return broken(h1, why);
	if (f.says_close || (is_old && !f.says_keep))
		h1->is_reusable = false;
	drop_nominated(&head, &f);
	set_framing(h1, &head, &f);
	r = reply_head(h1->reply, &head);
	memory_forget(&h1->head);
	if (r < 0)
		return broken(h1, h1->reply->why);
	return h1->state == COMPLETE ? complete(h1, NULL) : 0;
}

static int take_trailers(struct h1 *h1)
{
	struct keepmsg_head head = { 0 };
	struct framing f = { 0 };
	const char *why;
	int r;

	if (!read_fields((struct keepmsg_text){ h1->head.data, h1->head.len }, &head, &f, &why))
		return broken(h1, "malformed trailers");
	r = complete(h1, head.n_fields > 0 ? &head : NULL);
	memory_forget(&h1->head);
	return r;
}

/* ---- responses: bytes ---- */

/* Is the head complete with this line end? Trailers begin where a head has its second line. */
static bool is_head_end(const struct h1 *h1)
{
	const char *end = h1->head.data + h1->head.len;

	if (h1->state == TRAILERS && h1->head.len == 2)
		return memcmp(end - 2, "\r\n", 2) == 0;
	return h1->head.len >= 4 && memcmp(end - 4, "\r\n\r\n", 4) == 0;
}

/* Gathers up to the next line end. *ret_n: how many bytes were taken. */
static int gather(struct h1 *h1, const char *bytes, size_t n, size_t max, size_t *ret_n)
{
	const char *end = memchr(bytes, '\n', n);

	*ret_n = end != NULL ? (size_t)(end - bytes) + 1 : n;
	if (h1->head.len + *ret_n > max)
		return broken(h1, "a head or chunk line that is too long");
	if (memory_add(&h1->head, bytes, *ret_n) < 0)
		return broken(h1, "out of memory");
	if (end == NULL)
		return 0;
	if (h1->head.len < 2 || h1->head.data[h1->head.len - 2] != '\r')
		return broken(h1, "a line that does not end with CR LF");
	return 1;
}

/* "HEX[;ext]" (RFC 9112, 7.1) */
static bool read_chunk_size(struct keepmsg_text line, uint64_t *ret)
{
	size_t n = strspn(line.at, "0123456789abcdefABCDEF");
	uint64_t size = 0;

	if (n == 0 || n > 15 || n > line.n)
		return false;
	for (size_t i = 0; i < n; i++) {
		char c = line.at[i];

		size = size * 16 + (uint64_t)(c <= '9' ? c - '0' : (c & 0x5f) - 'A' + 10);
	}
	*ret = size;
	line.at += n;
	line.n -= n;
	line = field_trim(line);
	return line.n == 0 || (line.at[0] == ';' && field_is_value(line));
}

static int take_chunk_line(struct h1 *h1)
{
	struct keepmsg_text line = { h1->head.data, h1->head.len - 2 };

	if (!read_chunk_size(line, &h1->left))
		return broken(h1, "a malformed chunk");
	h1->state = h1->left > 0 ? CHUNK : TRAILERS;
	memory_forget(&h1->head);
	return 0;
}

/* A line of something; *ret_n bytes were taken. */
static int feed_line(struct h1 *h1, const char *bytes, size_t n, size_t *ret_n)
{
	bool is_chunk = h1->state == CHUNK_LINE || h1->state == CHUNK_END;
	int r = gather(h1, bytes, n, is_chunk ? CHUNK_LINE_MAX : KEEPMSG_HEAD_MAX, ret_n);

	if (r <= 0)
		return r;
	if (h1->state == CHUNK_LINE)
		return take_chunk_line(h1);
	if (h1->state == CHUNK_END) {
		if (h1->head.len != 2)
			return broken(h1, "a chunk that is longer than it says");
		memory_forget(&h1->head);
		h1->state = CHUNK_LINE;
		return 0;
	}
	if (h1->state == HEAD && h1->head.len == 2)
		return broken(h1, "a malformed status line");
	if (!is_head_end(h1))
		return 0;
	return h1->state == HEAD ? take_head(h1) : take_trailers(h1);
}

static int feed_data(struct h1 *h1, const char *bytes, size_t n, size_t *ret_n)
{
	bool is_counted = h1->state == LENGTH || h1->state == CHUNK;
	int r;

	*ret_n = is_counted && n > h1->left ? (size_t)h1->left : n;
	r = reply_data(h1->reply, bytes, *ret_n);
	if (r < 0)
		return broken(h1, h1->reply->why);
	if (!is_counted)
		return 0;
	h1->left -= *ret_n;
	if (h1->left > 0)
		return 0;
	if (h1->state == LENGTH)
		return complete(h1, NULL);
	h1->state = CHUNK_END;
	return 0;
}

static int feed_end(struct h1 *h1)
{
	h1->is_reusable = false;
	if (h1->state == UNTIL_END || h1->state == OPAQUE)
		return complete(h1, NULL);
	return h1->state == COMPLETE ? 0 : broken(h1, "the server closed the connection");
}

int h1_feed(struct h1 *h1, char *bytes, size_t n)
{
	size_t taken = 0;
	int r = 0;

	if (n == 0)
		return feed_end(h1);
	while (n > 0 && r == 0 && h1->state != COMPLETE) {
		bool is_data = h1->state == LENGTH || h1->state == CHUNK ||
			       h1->state == UNTIL_END || h1->state == OPAQUE;

		r = is_data ? feed_data(h1, bytes, n, &taken) : feed_line(h1, bytes, n, &taken);
		bytes += taken;
		n -= taken;
	}
	/* What stands behind a response belongs to none. */
	if (n > 0)
		h1->is_reusable = false;
	return r;
}
