/*
 * Judging first bytes and requests. Runs in the proxy; hostile input: every byte.
 */
#include "proxy/gate.h"

#include "policy/policy.h"
#include "proxy/clienthello.h"
#include "wire/proxymsg.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TLS_HANDSHAKE_BYTE 0x16
#define HTTP_PORT 80

/* A fatal access_denied (RFC 8446, 6.2): the alert that clients have the best words for. */
static const char tls_alert[] = { 0x15, 3, 3, 0, 2, 2, 49 };

void gate_init(struct gate *gate, const struct target *target)
{
	memset(gate, 0, sizeof(*gate));
	gate->target = *target;
}

void gate_done(struct gate *gate)
{
	buf_done(&gate->held);
	buf_done(&gate->out);
	buf_done(&gate->response);
}

bool gate_wants_input(const struct gate *gate)
{
	if (gate->state == GATE_UPGRADE || gate->state == GATE_ENDED || gate->state == GATE_REFUSED)
		return false;
	return gate->out.len == 0;
}

bool gate_is_waiting(const struct gate *gate)
{
	return gate->held.len > 0 &&
	       (gate->state == GATE_FIRST || gate->state == GATE_TLS || gate->state == GATE_HEAD);
}

static void pass_held(struct gate *gate, size_t n)
{
	buf_add(&gate->out, gate->held.data, n);
	buf_drop(&gate->held, n);
}

static void become_opaque(struct gate *gate)
{
	gate->state = GATE_OPAQUE;
	if (gate->held.len > 0)
		pass_held(gate, gate->held.len);
	buf_done(&gate->held);
	buf_done(&gate->response);
}

size_t gate_http_reply(char *reply, size_t reply_bytes, const char *status, const char *reason)
{
	int n = snprintf(reply, reply_bytes,
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
		"Connection: close\r\n\r\nagentjail: %s\n",
		status, strlen(reason) + strlen("agentjail: \n"), reason);

	return n < 0 || (size_t)n >= reply_bytes ? 0 : (size_t)n;
}

static void refuse(struct gate *gate, const char *reason)
{
	gate->state = GATE_REFUSED;
	if (reason != gate->reason)
		(void)snprintf(gate->reason, sizeof(gate->reason), "%s", reason);
	gate->out.len = 0;
	buf_done(&gate->held);
}

static void refuse_http(struct gate *gate, const char *status, const char *reason)
{
	refuse(gate, reason);
	gate->reply_bytes = gate_http_reply(gate->reply, sizeof(gate->reply), status, gate->reason);
}

static void refuse_tls(struct gate *gate, const char *reason)
{
	refuse(gate, reason);
	memcpy(gate->reply, tls_alert, sizeof(tls_alert));
	gate->reply_bytes = sizeof(tls_alert);
}

/* "WHAT shown is not HOST", with both cut to fit and fit to be shown. */
static const char *mismatch(struct gate *gate, const char *what, const char *at, size_t n)
{
	char shown[48];
	size_t shown_n = 0;

	for (size_t i = 0; i < n && shown_n < sizeof(shown) - 1; i++)
		shown[shown_n++] = at[i] > 0x20 && at[i] < 0x7f ? at[i] : '?';
	shown[shown_n] = '\0';
	(void)snprintf(gate->reason, sizeof(gate->reason), "%s %s is not %.48s", what, shown,
		gate->target.host);
	return gate->reason;
}

/* ---- TLS ---- */

static void judge_tls(struct gate *gate)
{
	struct clienthello hello;
	char name[TARGET_HOST_BYTES];

	gate->state = GATE_TLS;
	switch (clienthello_parse((const uint8_t *)gate->held.data, gate->held.len, &hello)) {
	case CLIENTHELLO_MORE:
		return;
	case CLIENTHELLO_BAD:
		refuse_tls(gate, hello.why);
		return;
	case CLIENTHELLO_OK:
		break;
	}
	/* RFC 6066 knows no literal address as server name: to one, a hello has none. */
	if (hello.name_n == 0 && gate->target.family != 0)
		become_opaque(gate);
	else if (hello.name_n == 0)
		refuse_tls(gate, "TLS without a server name");
	else if (!policy_host_normal(hello.name, hello.name_n, name) ||
		 strcmp(name, gate->target.host) != 0)
		refuse_tls(gate, mismatch(gate, "TLS server name", hello.name, hello.name_n));
	else
		become_opaque(gate);
}

/* ---- HTTP/1 ---- */

/* An authority names the target: same host, and the same port where it gives one. */
static bool names_target(const struct gate *gate, struct keepmsg_text authority)
{
	struct target t;

	return target_parse(authority.at, authority.n, gate->target.port, &t) &&
	       strcmp(t.host, gate->target.host) == 0 && t.port == gate->target.port;
}

static bool is_method(const struct http1_head *head, const char *method)
{
	return head->method.n == strlen(method) &&
	       strncasecmp(head->method.at, method, head->method.n) == 0;
}

static bool judge_head(struct gate *gate, const struct http1_head *head)
{
	if (is_method(head, "CONNECT") || is_method(head, "PRI")) {
		refuse_http(gate, "400 Bad Request",
			is_method(head, "PRI") ? "HTTP/2 without TLS"
					       : "CONNECT inside a connection");
		return false;
	}
	if (head->host.at == NULL) {
		refuse_http(gate, "400 Bad Request", "request without Host");
		return false;
	}
	if (!names_target(gate, head->host)) {
		refuse_http(gate, "421 Misdirected Request",
			mismatch(gate, "Host", head->host.at, head->host.n));
		return false;
	}
	if (head->authority.at != NULL &&
		(head->is_https || !names_target(gate, head->authority))) {
		refuse_http(gate, "421 Misdirected Request",
			mismatch(gate, "request target", head->authority.at, head->authority.n));
		return false;
	}
	return true;
}

/*
 * Leaving HTTP/1 is for the first request of a connection alone: before a later one, responses
 * may be on their way and its own could not be told. Elsewhere the server is not asked (RFC 9110,
 * 7.8: it may ignore the field).
 */
static bool may_upgrade(const struct gate *gate, const struct http1_head *head)
{
	return head->has_upgrade && !head->is_upgrade_h2c && gate->n_requests == 0 &&
	       head->minor == 1;
}

static void pass_head(struct gate *gate, const struct http1_head *head)
{
	bool upgrade = may_upgrade(gate, head);
	unsigned flags = 0;

	if (!upgrade && (head->has_upgrade || head->is_upgrade_h2c))
		flags |= HTTP1_DROP_UPGRADE;
	if (gate->is_single && !upgrade)
		flags |= HTTP1_CLOSE;
	http1_write_head(head, flags, &gate->out);
	http1_body_init(&gate->body, head);
	buf_drop(&gate->held, head->bytes);
	if (gate->n_requests < 2)
		gate->n_requests++;
	gate->state = upgrade ? GATE_UPGRADE : GATE_BODY;
}

static bool has_honey(struct gate *gate, const char *path)
{
	if (path == NULL)
		return false;
	(void)snprintf(gate->reason, sizeof(gate->reason), PROXYMSG_REASON_HONEY "%.80s", path);
	refuse_http(gate, "403 Forbidden", gate->reason);
	return true;
}

static void judge_request(struct gate *gate)
{
	struct http1_head head;

	switch (http1_parse_head(gate->held.data, gate->held.len, &head)) {
	case HTTP1_MORE:
		return;
	case HTTP1_BAD:
		refuse_http(gate, "400 Bad Request", head.why);
		return;
	case HTTP1_OK:
		break;
	}
	gate->scan = (struct honey_scan){ .n = 0 };
	if (!has_honey(gate, honey_find(gate->honey, gate->held.data, head.bytes)) &&
		judge_head(gate, &head))
		pass_head(gate, &head);
}

static void pass_body(struct gate *gate)
{
	size_t n = 0;
	enum http1_result r = http1_body_feed(&gate->body, gate->held.data, gate->held.len, &n);

	if (r == HTTP1_BAD) {
		refuse_http(gate, "400 Bad Request", "malformed chunk");
		return;
	}
	if (n > 0 && has_honey(gate, honey_find_part(gate->honey, &gate->scan, gate->held.data, n)))
		return;
	if (n > 0)
		pass_held(gate, n);
	if (r == HTTP1_OK)
		gate->state = gate->is_single ? GATE_ENDED : GATE_HEAD;
}

/* ---- both ---- */

static void judge_first(struct gate *gate)
{
	if (gate->held.data[0] == TLS_HANDSHAKE_BYTE) {
		judge_tls(gate);
		return;
	}
	switch (http1_sniff(gate->held.data, gate->held.len)) {
	case HTTP1_MORE:
		break;
	case HTTP1_OK:
		gate->state = GATE_HEAD;
		break;
	case HTTP1_BAD:
		/* On the port of HTTP nothing else is let through; the head's parser says why. */
		if (gate->target.port == HTTP_PORT)
			gate->state = GATE_HEAD;
		else
			become_opaque(gate);
		break;
	}
}

static void step(struct gate *gate)
{
	switch (gate->state) {
	case GATE_FIRST:
		judge_first(gate);
		break;
	case GATE_TLS:
		judge_tls(gate);
		break;
	case GATE_HEAD:
		judge_request(gate);
		break;
	case GATE_BODY:
		pass_body(gate);
		break;
	case GATE_UPGRADE:
	case GATE_ENDED:
	case GATE_OPAQUE:
	case GATE_REFUSED:
		break;
	}
}

/* Goes on while a step changes something; a body that is complete needs no byte to end. */
static void run(struct gate *gate)
{
	enum gate_state before;
	size_t held;

	do {
		before = gate->state;
		held = gate->held.len;
		if (held == 0 && before != GATE_BODY)
			return;
		step(gate);
	} while (gate->state != before || (gate->held.len != held && gate->held.len > 0));
	if (gate->held.failed || gate->out.failed || gate->response.failed)
		refuse(gate, "out of memory");
}

void gate_feed(struct gate *gate, const char *bytes, size_t n)
{
	assert(n <= GATE_READ_MAX && gate_wants_input(gate));
	if (gate->state == GATE_OPAQUE) {
		buf_add(&gate->out, bytes, n);
		if (gate->out.failed)
			refuse(gate, "out of memory");
		return;
	}
	buf_add(&gate->held, bytes, n);
	if (gate->held.failed) {
		refuse(gate, "out of memory");
		return;
	}
	run(gate);
	if (gate->state != GATE_REFUSED && gate->held.len > GATE_HELD_MAX)
		refuse(gate, "too many unjudged bytes");
}

void gate_feed_end(struct gate *gate)
{
	if (gate_is_waiting(gate))
		refuse(gate, "ended before it could be judged");
}

void gate_response(struct gate *gate, const char *bytes, size_t n)
{
	unsigned status;
	size_t head_bytes;
	enum http1_result r;

	if (gate->state != GATE_UPGRADE)
		return;
	buf_add(&gate->response, bytes, n);
	while ((r = http1_parse_status(gate->response.data, gate->response.len, &status,
			&head_bytes)) == HTTP1_OK) {
		if (status == 101) {
			become_opaque(gate);
			return;
		}
		if (status >= 200) {
			gate->state = gate->is_single ? GATE_ENDED : GATE_HEAD;
			buf_done(&gate->response);
			run(gate);
			return;
		}
		buf_drop(&gate->response, head_bytes);
	}
	if (r == HTTP1_BAD || gate->response.failed)
		refuse(gate, "malformed response to an upgrade");
}
