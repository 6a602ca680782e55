/*
 * Responses on their way to the proxy. Runs in a keeper. Hostile: all that the server says, which
 * may be an echo of what it was sent.
 */
#include "keeper/reply.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "keeper/decode.h"
#include "keeper/limit.h"
#include "keeper/memory.h"
#include "wire/field.h"

#include <errno.h>
#include <string.h>

/*
 * Rationale: gzip makes at most 1032 bytes of one, and REPLY_DECODE_BYTES are decoded at once; more
 * is a bomb. It waits in memory when the client is slow.
 */
#define WAITING_MAX (5u << 20)
/*
 * Rationale: of all connections together. Beyond it, who has more than a usual answer becomes when
 * it is decoded is broken off.
 */
#define WAITING_ALL_MAX (64u << 20)
#define WAITING_FAIR (256u << 10)

/*
 * Rationale: half of the shortest value that is looked for. A longer match is hardly innocent, and
 * what ends a message (a digit of base64 and a line end, a lone '%') is shorter.
 */
#define RELEASE_MAX (REDACT_MIN / 2)

void reply_init(struct reply *reply, const struct reply_rules *rules, struct out *out)
{
	*reply = (struct reply){ .rules = rules, .out = out };
}

void reply_done(struct reply *reply)
{
	decode_free(reply->decode);
	reply->decode = NULL;
	memory_give(reply->stream_block);
	reply->stream_block = NULL;
	reply->stream = NULL;
	memory_done(&reply->data);
}

void reply_begin(struct reply *reply, bool is_head_request, bool asked_upgrade)
{
	decode_free(reply->decode);
	reply->decode = NULL;
	reply->why = NULL;
	reply->n_informational = 0;
	reply->has_head = reply->is_opaque = false;
	reply->is_head_request = is_head_request;
	reply->asked_upgrade = asked_upgrade;
}

static int refuse(struct reply *reply, int code, const char *why)
{
	reply->why = why;
	return -code;
}

/* 0 with reply->stream when there is something to find. */
static int need_stream(struct reply *reply)
{
	const struct redact *redact = reply->rules->redact;

	if (redact == NULL || reply->stream != NULL)
		return 0;
	reply->stream_block = memory_take(redact_stream_bytes(redact));
	if (reply->stream_block == NULL)
		return refuse(reply, ENOMEM, "out of memory");
	reply->stream = redact_stream_make(reply->stream_block, redact);
	return 0;
}

/* ---- heads ---- */

static bool is_dropped(const struct reply *reply, struct keepmsg_text name)
{
	/* TE is the client's to say; some servers say it too. */
	if (keepmsg_is_framing_name(name.at, name.n) || field_is(name, "alt-svc") ||
		field_is(name, "te"))
		return true;
	for (size_t i = 0; i < reply->rules->n_strips; i++)
		if (field_is(name, reply->rules->strips[i].value))
			return true;
	/* What is decoded is no longer coded. */
	return reply->rules->decodes && field_is(name, "content-encoding");
}

static void redact_field(struct reply *reply, struct keepmsg_text text)
{
	/* The heads that come here lie in buffers of ours, not in constants. */
	if (reply->stream != NULL && text.n > 0)
		redact_text(reply->stream, (char *)(size_t)text.at, text.n);
}

static void filter(struct reply *reply, struct keepmsg_head *head)
{
	size_t kept = 0;

	for (size_t i = 0; i < head->n_fields; i++) {
		if (is_dropped(reply, head->fields[i].name))
			continue;
		redact_field(reply, head->fields[i].name);
		redact_field(reply, head->fields[i].value);
		head->fields[kept++] = head->fields[i];
	}
	head->n_fields = kept;
}

/* All codings of the head, in one list, or 0 bytes. */
static void join_codings(const struct keepmsg_head *head, struct buf *out)
{
	for (size_t i = 0; i < head->n_fields; i++) {
		if (!field_is(head->fields[i].name, "content-encoding"))
			continue;
		if (out->len > 0)
			buf_adds(out, ", ");
		buf_add(out, head->fields[i].value.at, head->fields[i].value.n);
	}
}

static int begin_decoding(struct reply *reply, struct keepmsg_head *head)
{
	AUTO_BUF struct buf codings = { 0 };
	struct err err;
	int r;

	if (!reply->rules->decodes || head->status < 200)
		return 0;
	join_codings(head, &codings);
	if (codings.failed)
		return refuse(reply, ENOMEM, "out of memory");
	if (codings.len == 0)
		return 0;
	r = decode_new(codings.data, codings.len, &reply->decode, &err);
	if (r == -ENOTSUP)
		return refuse(reply, EPROTO,
			"its content has a coding that cannot be undone to look for secrets");
	if (r < 0)
		return refuse(reply, -r, "out of memory");
	if (reply->decode != NULL && head->framing == KEEPMSG_LENGTH) {
		head->framing = reply->is_bodiless ? KEEPMSG_NO_BODY : KEEPMSG_UNKNOWN;
		head->length = 0;
	}
	return 0;
}

static int send_head(struct reply *reply, enum keepmsg_type type, const struct keepmsg_head *head)
{
	int r = out_put_head(reply->out, type, head);

	return r == -E2BIG ? refuse(reply, EPROTO, "a head that is too large")
			   : (r < 0 ? refuse(reply, -r, "the proxy has gone") : 0);
}

int reply_head(struct reply *reply, struct keepmsg_head *head)
{
	int r = need_stream(reply);

	if (r < 0)
		return r;
	if (head->status < 200 && head->status != 101 &&
		++reply->n_informational > REPLY_INFORMATIONAL_MAX)
		return refuse(reply, EPROTO, "a flood of informational responses");
	reply->is_bodiless = reply->is_head_request || head->status == 204 || head->status == 304;
	r = begin_decoding(reply, head);
	if (r < 0)
		return r;
	filter(reply, head);
	r = send_head(reply, KEEPMSG_RESPONSE, head);
	if (r == 0 && (head->status >= 200 || head->status == 101)) {
		reply->has_head = true;
		reply->is_opaque = head->status == 101;
	}
	return r;
}

/* ---- bodies ---- */

int reply_flush(struct reply *reply)
{
	struct buf *data = &reply->data;
	size_t at = 0;
	int r = 0;

	while (at < data->len && r == 0) {
		size_t n = data->len - at;

		n = n > KEEPMSG_DATA_MAX ? KEEPMSG_DATA_MAX : n;
		r = out_put(reply->out, KEEPMSG_DATA, data->data + at, n);
		at += n;
	}
	memory_forget(data);
	return r < 0 ? refuse(reply, -r, "the proxy has gone") : 0;
}

static bool is_too_much(const struct out *out)
{
	return out->bytes > WAITING_MAX ||
	       (out_all_bytes() > WAITING_ALL_MAX && out->bytes > WAITING_FAIR);
}

/* Text that is decoded, and all of it ours. */
static int pass(struct reply *reply, const char *bytes, size_t n)
{
	const char *why = limit_bytes(reply->rules->limit, clock_ms(), n);

	if (why != NULL)
		return refuse(reply, EDQUOT, why);
	if (reply->stream != NULL)
		redact_feed(reply->stream, bytes, n, &reply->data);
	else
		buf_add(&reply->data, bytes, n);
	if (reply->data.failed)
		return refuse(reply, ENOMEM, "out of memory");
	if (is_too_much(reply->out))
		return refuse(reply, EPROTO, "its content grows beyond measure when it is decoded");
	return reply->data.len >= KEEPMSG_DATA_MAX ? reply_flush(reply) : 0;
}

/* Everything that the bytes at hand decode to. */
static int pass_decoded(struct reply *reply, const char *bytes, size_t n, bool is_last)
{
	static char room[KEEPMSG_DATA_MAX];
	struct decode_io io = { .in = bytes, .in_n = n, .is_last = is_last };
	int state = DECODE_WANTS_ROOM, r = 0;
	struct err err;

	while (state == DECODE_WANTS_ROOM && r == 0) {
		io.out = room;
		io.out_n = sizeof(room);
		state = decode_pull(reply->decode, &io, &err);
		if (state < 0)
			return refuse(reply, EPROTO, "its content is not coded as it says");
		if (io.out > room)
			r = pass(reply, room, (size_t)(io.out - room));
		/* It may have been an echo. */
		explicit_bzero(room, (size_t)(io.out - room));
	}
	return r;
}

int reply_data(struct reply *reply, const char *bytes, size_t n)
{
	if (!reply->has_head || (reply->is_bodiless && !reply->is_opaque))
		return refuse(reply, EPROTO, "a body where there can be none");
	return reply->decode != NULL ? pass_decoded(reply, bytes, n, false)
				     : pass(reply, bytes, n);
}

size_t reply_room(const struct reply *reply)
{
	return reply->decode != NULL ? REPLY_DECODE_BYTES : KEEPMSG_DATA_MAX;
}

bool reply_may_release(const struct reply *reply)
{
	return reply->stream != NULL && reply->has_head &&
	       redact_may_give(reply->stream, RELEASE_MAX);
}

int reply_release(struct reply *reply)
{
	redact_give(reply->stream, &reply->data);
	if (reply->data.failed)
		return refuse(reply, ENOMEM, "out of memory");
	return reply_flush(reply);
}

int reply_end(struct reply *reply, struct keepmsg_head *trailers)
{
	int r = 0;

	if (!reply->has_head)
		return refuse(reply, EPROTO, "an end without a beginning");
	if (reply->decode != NULL && !reply->is_bodiless)
		r = pass_decoded(reply, "", 0, true);
	if (r == 0 && reply->stream != NULL)
		redact_end(reply->stream, &reply->data);
	if (r == 0 && reply->data.failed)
		r = refuse(reply, ENOMEM, "out of memory");
	if (r == 0)
		r = reply_flush(reply);
	if (r == 0 && trailers != NULL) {
		filter(reply, trailers);
		if (trailers->n_fields > 0)
			r = send_head(reply, KEEPMSG_TRAILERS, trailers);
	}
	return r;
}
