/*
 * The explicit proxy: HTTP CONNECT, absolute-form requests, SOCKS5, SOCKS4 and SOCKS4a on one port,
 * told apart by the first byte. Runs in the proxy; hostile input: every byte.
 */
#include "proxy/conn.h"

#include "base/cleanup.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define HTTP_PORT 80
#define BAD_REQUEST "400 Bad Request"

static void refuse_http(struct conn *c, const char *status, const char *reason)
{
	char reply[512];
	size_t n = gate_http_reply(reply, sizeof(reply), status, reason);

	conn_refuse(c, reason, reply, n);
}

/* ---- SOCKS ---- */

/* True: go on with what is left in c->front. */
static bool step_socks(struct conn *c)
{
	enum socks_result r =
		socks_parse(&c->socks, (const unsigned char *)c->front.data, c->front.len);

	switch (r) {
	case SOCKS_MORE:
		return false;
	case SOCKS_GREETED:
		buf_add(&c->down.out, c->socks.reply, c->socks.reply_bytes);
		buf_drop(&c->front, c->socks.bytes);
		return true;
	case SOCKS_REQUEST:
		buf_drop(&c->front, c->socks.bytes);
		c->target = c->socks.target;
		conn_dial(c);
		return false;
	case SOCKS_BAD:
		break;
	}
	conn_refuse(c, c->socks.why, c->socks.reply, c->socks.reply_bytes);
	return false;
}

/* ---- HTTP ---- */

static bool is_connect(const struct http1_head *head)
{
	return head->method.n == 7 && memcmp(head->method.at, "CONNECT", 7) == 0;
}

static void start_connect(struct conn *c, const struct http1_head *head)
{
	if (head->framing != HTTP1_NO_BODY) {
		refuse_http(c, BAD_REQUEST, "CONNECT with a body");
		return;
	}
	/* Without a port the default would be a guess: RFC 9110, 9.3.6 wants one. */
	if (!target_parse(head->target.at, head->target.n, 0, &c->target) || c->target.port == 0) {
		refuse_http(c, BAD_REQUEST, "malformed CONNECT target");
		return;
	}
	buf_drop(&c->front, head->bytes);
	c->via = PROXYMSG_CONNECT;
	conn_dial(c);
}

/* The gate reads the request once more and sends it on: one reader decides what it says. */
static void start_absolute(struct conn *c, const struct http1_head *head)
{
	if (head->authority.at == NULL || head->is_https) {
		refuse_http(c, BAD_REQUEST, "this is a proxy: use CONNECT or http://HOST/");
		return;
	}
	if (!target_parse(head->authority.at, head->authority.n, HTTP_PORT, &c->target)) {
		refuse_http(c, BAD_REQUEST, "malformed host");
		return;
	}
	c->via = PROXYMSG_ABSOLUTE;
	conn_dial(c);
}

/* In a session without places any process of the machine can connect: the session's have a login. */
static bool is_known(const struct conn *c, const struct http1_head *head)
{
	static const char name[] = "proxy-authorization";
	const struct keepmsg_text *found = NULL;
	size_t n = strlen(c->proxy->basic);

	if (c->proxy->login == NULL)
		return true;
	for (size_t i = 0; i < head->n_fields; i++)
		if (head->fields[i].name.n == sizeof(name) - 1 &&
			strncasecmp(head->fields[i].name.at, name, sizeof(name) - 1) == 0)
			found = &head->fields[i].value;
	return found != NULL && found->n == n && CRYPTO_memcmp(found->at, c->proxy->basic, n) == 0;
}

static void ask_login(struct conn *c)
{
	char reply[512];
	size_t n = gate_http_reply(reply, sizeof(reply),
		"407 Proxy Authentication Required\r\n"
		"Proxy-Authenticate: Basic realm=\"agentjail\"",
		"this proxy serves its own session alone");

	conn_refuse(c, NULL, reply, n);
}

static void step_http(struct conn *c)
{
	struct http1_head head;

	switch (http1_parse_head(c->front.data, c->front.len, &head)) {
	case HTTP1_MORE:
		return;
	case HTTP1_BAD:
		refuse_http(c, BAD_REQUEST, head.why);
		return;
	case HTTP1_OK:
		break;
	}
	if (!is_known(c, &head))
		ask_login(c);
	else if (is_connect(&head))
		start_connect(c, &head);
	else
		start_absolute(c, &head);
}

void front_run(struct conn *c)
{
	bool again = true;

	while (again && c->state == CONN_FRONT && c->front.len > 0) {
		again = false;
		if (c->socks.version != 0 || c->front.data[0] == 4 || c->front.data[0] == 5) {
			c->via = PROXYMSG_SOCKS;
			c->socks.login = c->proxy->login;
			again = step_socks(c);
		} else {
			step_http(c);
		}
	}
}

/* ---- answers ---- */

static void answer_socks(struct conn *c, enum dial_outcome outcome)
{
	static const enum socks_status status[] = { [DIAL_CONNECTED] = SOCKS_GRANTED,
		[DIAL_DENIED] = SOCKS_DENIED,
		[DIAL_FAILED] = SOCKS_UNREACHABLE };

	socks_reply(&c->socks, status[outcome]);
	buf_add(&c->down.out, c->socks.reply, c->socks.reply_bytes);
}

void front_answer(struct conn *c, enum dial_outcome outcome, const char *reason)
{
	static const char *const status[] = { [DIAL_CONNECTED] = "200 Connection established",
		[DIAL_DENIED] = "403 Forbidden",
		[DIAL_FAILED] = "502 Bad Gateway" };
	char reply[512];

	if (c->via == PROXYMSG_SOCKS) {
		answer_socks(c, outcome);
	} else if (outcome != DIAL_CONNECTED) {
		buf_add(&c->down.out, reply,
			gate_http_reply(reply, sizeof(reply), status[outcome], reason));
	} else if (c->via == PROXYMSG_CONNECT) {
		buf_addf(&c->down.out, "HTTP/1.1 %s\r\n\r\n", status[outcome]);
	}
}
