/*
 * What comes back from a keeper. Runs in the proxy; hostile input: every message, since a keeper
 * parses what a hostile server sends.
 */
#include "proxy/exchange_private.h"

#include <string.h>

void exchange_lost_channel(struct exchange *x, const char *reason)
{
	if (!exchange_retry(x))
		exchange_fail(x, 502, reason);
}

static void broken(struct exchange *x, const char *reason)
{
	exchange_fail(x, 502, reason);
}

/* HEAD, 204 and 304 tell a length without a body (RFC 9110, 6.4.1). */
static bool is_bodiless(const struct exchange *x, unsigned status)
{
	return x->is_head || status == 204 || status == 304;
}

static void take_head(struct exchange *x, const struct keep_message *message)
{
	struct keepmsg_head head;

	if (x->has_head ||
		keepmsg_get_head(KEEPMSG_RESPONSE, message->bytes, message->n, &head) < 0) {
		broken(x, "the keeper sent a malformed head");
		return;
	}
	if (head.status == 101 && !x->is_upgrade) {
		broken(x, "the server changed the protocol unasked");
		return;
	}
	if (head.status < 200 && head.status != 101) {
		if (++x->n_informational > EXCHANGE_INFORMATIONAL_MAX)
			broken(x, "too many interim responses");
		else
			x->ops->head(x->arg, &head);
		return;
	}
	x->has_head = true;
	x->is_opaque = head.status == 101;
	x->framing = is_bodiless(x, head.status) ? KEEPMSG_NO_BODY : head.framing;
	x->left = x->framing == KEEPMSG_LENGTH ? head.length : 0;
	buf_done(&x->request);
	/* The request has had its end; the connection that it became will have another one. */
	if (x->is_opaque)
		x->wants_end = x->is_ended = false;
	exchange_report(x, head.status, false, "");
	x->ops->head(x->arg, &head);
}

static void take_data(struct exchange *x, const struct keep_message *message)
{
	bool fits = x->has_head && (x->is_opaque || x->framing == KEEPMSG_UNKNOWN ||
					   (x->framing == KEEPMSG_LENGTH && message->n <= x->left));

	if (!fits || x->trailers.len > 0) {
		broken(x, "the keeper sent more than the response's length");
		return;
	}
	if (x->framing == KEEPMSG_LENGTH)
		x->left -= message->n;
	x->peer->msg.bytes_in += message->n;
	if (message->n > 0)
		x->ops->data(x->arg, message->bytes, message->n);
}

static void take_trailers(struct exchange *x, const struct keep_message *message)
{
	struct keepmsg_head head;

	if (!x->has_head || x->is_opaque || x->trailers.len > 0 || x->left > 0 ||
		keepmsg_get_head(KEEPMSG_TRAILERS, message->bytes, message->n, &head) < 0) {
		broken(x, "the keeper sent malformed trailers");
		return;
	}
	buf_add(&x->trailers, message->bytes, message->n);
}

static void take_end(struct exchange *x, const struct keep_message *message)
{
	struct exchange_link *link = x->link;
	struct keepmsg_head trailers;
	bool has_trailers = x->trailers.len > 0 && !x->trailers.failed &&
			    keepmsg_get_head(KEEPMSG_TRAILERS, x->trailers.data, x->trailers.len,
				    &trailers) == 0;
	uint32_t may_reuse;

	if (!x->has_head || x->left > 0) {
		broken(x, "the response was cut short");
		return;
	}
	memcpy(&may_reuse, message->bytes, sizeof(may_reuse));
	if (may_reuse == 1 && x->is_ended && !x->is_opaque) {
		link->n_served++;
		link->x = NULL;
		x->link = NULL;
	}
	exchange_detach(x);
	x->ops->end(x->arg, has_trailers ? &trailers : NULL);
	exchange_free(x);
}

static void take_failure(struct exchange *x, const struct keep_message *message)
{
	char reason[KEEPMSG_REASON_MAX + 1];
	uint32_t status;

	memcpy(&status, message->bytes, sizeof(status));
	if (status == 502 && exchange_retry(x))
		return;
	exchange_copy_text(reason, sizeof(reason), message->bytes + sizeof(status),
		message->n - sizeof(status));
	/* A keeper repeats what a server says: nothing of it may end a line of a response. */
	for (size_t i = 0; reason[i] != '\0'; i++) {
		if (reason[i] < 0x20 || reason[i] >= 0x7f)
			reason[i] = '?';
	}
	x->is_denied = status == 403 || status == 429;
	exchange_fail(x, status >= 400 && status <= 599 ? status : 502, reason);
}

void exchange_take_message(struct exchange *x, const struct keep_message *message)
{
	switch (message->type) {
	case KEEPMSG_RESPONSE:
		take_head(x, message);
		break;
	case KEEPMSG_DATA:
		take_data(x, message);
		break;
	case KEEPMSG_TRAILERS:
		take_trailers(x, message);
		break;
	case KEEPMSG_END:
		take_end(x, message);
		break;
	case KEEPMSG_FAILED:
		take_failure(x, message);
		break;
	case KEEPMSG_REQUEST:
	case KEEPMSG_BODY:
	case KEEPMSG_BODY_END:
	case KEEPMSG_TYPE_COUNT:
		broken(x, "the keeper sent what it may not");
		break;
	}
}
