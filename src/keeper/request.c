/*
 * Requests from the proxy to the host. Runs in a keeper. Hostile: every message; the proxy parses
 * the cell's bytes and may be in the cell's hands. It can ask for no more than the rule grants.
 */
#include "keeper/request.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "keeper/memory.h"
#include "keeper/sign.h"
#include "policy/urlpath.h"

#include <errno.h>
#include <string.h>

/* ---- is it this rule's? ---- */

/* The proxy says that the path is in normal form. */
static bool is_normal(struct keepmsg_text path)
{
	AUTO_BUF struct buf normal = { 0 };
	const char *query;
	size_t query_n;

	if (path.n == 1 && path.at[0] == '*')
		return true;
	if (urlpath_normal(path.at, path.n, &normal, &query, &query_n) != NULL || query != NULL ||
		normal.failed)
		return false;
	return normal.len == path.n && memcmp(normal.data, path.at, path.n) == 0;
}

static bool is_granted(const struct channel *c, const struct keepmsg_head *head)
{
	AUTO_BUF struct buf method = { 0 }, path = { 0 };
	struct policy_question question = { .action = POLICY_INJECT,
		.host = c->host,
		.port = c->port,
		.is_plain = c->is_plain };
	struct policy_answer answer = { 0 };
	bool is_pass = (head->flags & KEEPMSG_PASS) != 0;

	buf_add(&method, head->method.at, head->method.n);
	buf_add(&path, head->path.at, head->path.n);
	if (method.failed || path.failed || !is_normal(head->path))
		return false;
	question.method = method.data;
	question.url_path = path.data;
	policy_decide(c->keeper->policy, &question, &answer);
	return answer.rule == c->keeper->rule &&
	       answer.verdict == (is_pass ? POLICY_PASSED : POLICY_ALLOWED);
}

/* ---- to the host ---- */

/* What went wrong in the writer of the version that is spoken. */
static void check(struct channel *c, int r)
{
	const char *why = c->is_h2 ? c->h2.why : c->h1.why;

	if (r < 0 && r != -EAGAIN)
		channel_fail_server(c, why != NULL ? why : "it cannot be written to");
}

static void send_head(struct channel *c, const struct keepmsg_head *head, const char *body_hash)
{
	struct inject_request *request = &c->keeper->request;
	struct err err = { 0 };
	int r = inject_make(c->keeper->inject, head, c->authority, request);

	if (r == 0)
		r = sign_request(c->keeper, head, body_hash, request, &err);
	if (r == 0) {
		reply_begin(&c->reply,
			head->method.n == 4 && memcmp(head->method.at, "HEAD", 4) == 0,
			(head->flags & KEEPMSG_UPGRADE) != 0);
		c->framing = head->framing;
		c->left = head->length;
		c->is_body_over = c->is_shut = false;
		channel_enter(c, CHANNEL_BUSY);
		check(c, c->is_h2 ? h2_request(&c->h2, request) : h1_request(&c->h1, request));
	} else {
		channel_fail(c, r == -ENOMEM ? 502 : 403,
			err.code != 0 ? err.text : "out of memory");
	}
	inject_done(request);
}

static void send_body(struct channel *c, char *bytes, size_t n)
{
	bool is_last = c->framing == KEEPMSG_LENGTH && c->left == 0;

	check(c, c->is_h2 ? h2_body(&c->h2, bytes, n, is_last) : h1_body(&c->h1, bytes, n));
}

static void send_body_end(struct channel *c)
{
	c->is_body_over = true;
	check(c, c->is_h2 ? h2_body_end(&c->h2) : h1_body_end(&c->h1));
}

/* ---- a body that is signed ---- */

static void begin_gathering(struct channel *c, const struct keepmsg_head *head, const char *message,
	size_t n)
{
	/* The client may be waiting for the word to send what we wait for. */
	static const struct keepmsg_head go_on = { .status = 100 };

	memory_forget(&c->held);
	if (memory_add(&c->held, message, n) < 0) {
		channel_fail(c, 502, "out of memory");
		return;
	}
	c->framing = head->framing;
	c->left = head->length;
	c->is_body_over = false;
	channel_enter(c, CHANNEL_GATHERING);
	if ((head->flags & KEEPMSG_CONTINUE) != 0)
		(void)out_put_head(&c->out, KEEPMSG_RESPONSE, &go_on);
}

static void gather(struct channel *c, const char *bytes, size_t n)
{
	if (c->body.len + n > SIGN_BODY_MAX)
		channel_fail(c, 413, "a body that has to be signed is too long");
	else if (c->keeper->gathered_bytes + n > KEEPER_GATHERED_MAX)
		channel_fail(c, 503, "too many bodies that have to be signed at once");
	else if (memory_add(&c->body, bytes, n) < 0)
		channel_fail(c, 502, "out of memory");
	else
		c->keeper->gathered_bytes += n;
}

void request_drop_body(struct channel *c)
{
	c->keeper->gathered_bytes -= c->body.len;
	memory_done(&c->body);
}

/* Head and body now go as if they had come like this. */
static void end_gathering(struct channel *c)
{
	char hash[SIGN_HASH_BYTES];
	struct keepmsg_head *head = &c->keeper->head;
	size_t n = c->body.len;

	if (sign_hash(c->body.len > 0 ? c->body.data : "", n, hash) < 0 ||
		keepmsg_get_head(KEEPMSG_REQUEST, c->held.data + sizeof(uint32_t),
			c->held.len - sizeof(uint32_t), head) < 0) {
		channel_fail(c, 502, "its body cannot be signed");
		return;
	}
	head->flags &= ~KEEPMSG_CONTINUE;
	if (head->framing != KEEPMSG_NO_BODY) {
		head->framing = KEEPMSG_LENGTH;
		head->length = n;
	}
	send_head(c, head, hash);
	if (c->state == CHANNEL_BUSY && n > 0) {
		if (c->is_h2)
			check(c, h2_body(&c->h2, c->body.data, n, true));
		else
			check(c, h1_opaque(&c->h1, c->body.data, n));
	}
	if (c->state == CHANNEL_BUSY)
		send_body_end(c);
	request_drop_body(c);
	memory_forget(&c->held);
}

/* ---- messages ---- */

/* The request at hand; message is the whole of it. */
static void start(struct channel *c, const struct keepmsg_head *head, const char *message, size_t n)
{
	const char *why = limit_request(&c->keeper->limit, clock_ms());
	struct err err = { 0 };
	int r;

	if (why != NULL) {
		channel_fail(c, 429, why);
		return;
	}
	if ((head->flags & KEEPMSG_UPGRADE) != 0 && c->is_h2) {
		channel_fail(c, 501, "a connection that speaks HTTP/2 cannot become a WebSocket");
		return;
	}
	r = sign_needs_body(c->keeper, head, &err);
	if (r < 0)
		channel_fail(c, 403, err.text);
	else if (r > 0)
		begin_gathering(c, head, message, n);
	else
		send_head(c, head, NULL);
}

static void take_request(struct channel *c, char *message, size_t n)
{
	struct keepmsg_head *head = &c->keeper->head;

	if (keepmsg_get_head(KEEPMSG_REQUEST, message + sizeof(uint32_t), n - sizeof(uint32_t),
		    head) < 0) {
		channel_fail(c, 400, "a malformed message of the proxy");
		return;
	}
	if (!is_granted(c, head)) {
		channel_fail(c, 403, "the request is not what this rule is for");
		return;
	}
	if (c->state == CHANNEL_IDLE) {
		start(c, head, message, n);
		return;
	}
	/* The first one: nothing of it is written before we know to whom. */
	memory_forget(&c->held);
	if (memory_add(&c->held, message, n) < 0) {
		channel_fail(c, 502, "out of memory");
		return;
	}
	if ((head->flags & (KEEPMSG_H2 | KEEPMSG_UPGRADE)) == KEEPMSG_H2)
		link_offer_h2(&c->link);
	channel_enter(c, CHANNEL_HANDSHAKE);
}

void request_start_held(struct channel *c)
{
	struct keepmsg_head *head = &c->keeper->head;
	AUTO_BUF struct buf message = c->held;

	c->held = (struct buf){ 0 };
	if (keepmsg_get_head(KEEPMSG_REQUEST, message.data + sizeof(uint32_t),
		    message.len - sizeof(uint32_t), head) < 0)
		channel_fail(c, 400, "a malformed message of the proxy");
	else
		start(c, head, message.data, message.len);
}

static void take_body(struct channel *c, char *bytes, size_t n)
{
	const char *why = limit_bytes(&c->keeper->limit, clock_ms(), n);

	if (n == 0)
		return;
	if (why != NULL) {
		channel_fail(c, 429, why);
		return;
	}
	if (c->state == CHANNEL_BUSY && c->reply.is_opaque && c->is_body_over && !c->is_shut) {
		check(c, h1_opaque(&c->h1, bytes, n));
		return;
	}
	if (c->is_body_over || c->framing == KEEPMSG_NO_BODY ||
		(c->framing == KEEPMSG_LENGTH && n > c->left)) {
		channel_fail(c, 400, "a body that is longer than it says");
		return;
	}
	c->left -= c->framing == KEEPMSG_LENGTH ? n : 0;
	if (c->state == CHANNEL_GATHERING)
		gather(c, bytes, n);
	else
		send_body(c, bytes, n);
}

static void take_body_end(struct channel *c)
{
	/* The request had its end; this is that of the connection which it became. */
	if (c->state == CHANNEL_BUSY && c->reply.is_opaque && c->is_body_over && !c->is_shut) {
		c->is_shut = true;
		link_shut(&c->link);
		return;
	}
	if (c->state == CHANNEL_ANSWERED) {
		c->is_body_over = true;
		channel_end_exchange(c);
		return;
	}
	if (c->is_body_over || (c->framing == KEEPMSG_LENGTH && c->left > 0)) {
		channel_fail(c, 400, "a body that is shorter than it says");
		return;
	}
	if (c->state == CHANNEL_GATHERING)
		end_gathering(c);
	else
		send_body_end(c);
}

void request_take(struct channel *c, char *message, size_t n)
{
	uint32_t type = 0;

	if (n >= sizeof(type))
		memcpy(&type, message, sizeof(type));
	if (c->state == CHANNEL_ENDED)
		return;
	if (type == KEEPMSG_REQUEST && (c->state == CHANNEL_NEW || c->state == CHANNEL_IDLE))
		take_request(c, message, n);
	else if (c->state != CHANNEL_BUSY && c->state != CHANNEL_GATHERING &&
		c->state != CHANNEL_ANSWERED)
		channel_fail(c, 400, "a message of the proxy out of order");
	else if (type == KEEPMSG_BODY && n - sizeof(type) <= KEEPMSG_DATA_MAX)
		take_body(c, message + sizeof(type), n - sizeof(type));
	else if (type == KEEPMSG_BODY_END && n == sizeof(type))
		take_body_end(c);
	else
		channel_fail(c, 400, "a message of the proxy out of order");
}

bool request_has_room(const struct channel *c)
{
	if (c->state == CHANNEL_HANDSHAKE)
		return false;
	if (c->state != CHANNEL_BUSY)
		return true;
	return c->is_h2 ? h2_takes_body(&c->h2) && c->h2.out.len == 0 : c->h1.rest == NULL;
}
