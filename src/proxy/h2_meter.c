/*
 * Counting frames. Runs in the proxy; hostile input: every byte. It looks at no more than the type,
 * length and END_HEADERS flag of each frame; all else is the library's, which reads the same bytes.
 */
#include "proxy/h2_meter.h"

#include <string.h>

#define FLAG_END_STREAM 0x1u
#define FLAG_END_HEADERS 0x4u

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION,
	FRAME_OTHER, /* unknown types, skipped by the library */
	FRAME_COUNT
};

/* What one of them costs of the control budget; DATA and CONTINUATION only when they are empty. */
static const int64_t costs[] = {
	[FRAME_DATA] = 1,
	[FRAME_HEADERS] = 0, /* a request: bounded by the streams at once and by the resets */
	[FRAME_PRIORITY] = 1,
	[FRAME_RST_STREAM] = 1,
	[FRAME_SETTINGS] = 5, /* may have many entries, and is answered */
	[FRAME_PUSH_PROMISE] = 1,
	[FRAME_PING] = 1,
	[FRAME_GOAWAY] = 1,
	[FRAME_WINDOW_UPDATE] = 1,
	[FRAME_CONTINUATION] = 1,
	[FRAME_OTHER] = 1,
};
_Static_assert(sizeof(costs) / sizeof(costs[0]) == FRAME_COUNT, "a cost for each type");

/* ---- budgets ---- */

static void budget_fill(struct h2_budget *b, int64_t per_s, int64_t burst, int64_t now_ms)
{
	int64_t ms = now_ms - b->filled_ms;

	if (ms > burst * 1000 / per_s)
		ms = burst * 1000 / per_s; /* full by then, and no overflow */
	if (ms > 0)
		b->left += ms * per_s;
	if (b->left > burst * 1000)
		b->left = burst * 1000;
	b->filled_ms = now_ms;
}

static bool budget_take(struct h2_budget *b, int64_t n)
{
	b->left -= n * 1000;
	return b->left >= 0;
}

static void credit(struct h2_meter *meter, int64_t frames, size_t bytes)
{
	meter->control.left += frames * 1000 + (int64_t)bytes;
	if (meter->control.left > H2_CONTROL_BURST * 1000)
		meter->control.left = H2_CONTROL_BURST * 1000;
}

/* ---- frames ---- */

static const char *count_block(struct h2_meter *meter, uint32_t length, bool is_end)
{
	if (meter->type == FRAME_HEADERS) {
		meter->n_continuations = 0;
		meter->block_bytes = 0;
	} else {
		meter->n_continuations++;
	}
	meter->block_bytes += length;
	meter->is_block_open = !is_end;
	if (meter->block_bytes > H2_BLOCK_MAX || meter->n_continuations > H2_CONTINUATIONS_MAX)
		return "a head of more than 96 KiB or 8 CONTINUATION frames";
	return NULL;
}

/* The header of a frame is complete. */
static const char *count_frame(struct h2_meter *meter, int64_t now_ms)
{
	const unsigned char *h = meter->header;
	uint32_t length = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2];
	uint8_t flags = h[4];
	bool is_payload;

	meter->type = h[3] < FRAME_OTHER ? h[3] : FRAME_OTHER;
	meter->frame_left = length;
	meter->header_n = 0;
	budget_fill(&meter->control, H2_CONTROL_PER_S, H2_CONTROL_BURST, now_ms);
	if (meter->type == FRAME_DATA && length > 0)
		credit(meter, 1, length);
	is_payload = meter->type == FRAME_DATA && (length > 0 || (flags & FLAG_END_STREAM) != 0);
	if (meter->type == FRAME_CONTINUATION && length > 0)
		is_payload = true;
	if (!is_payload && !budget_take(&meter->control, costs[meter->type]))
		return "too many frames that carry nothing";
	if (meter->type == FRAME_HEADERS || meter->type == FRAME_CONTINUATION)
		return count_block(meter, length, (flags & FLAG_END_HEADERS) != 0);
	return NULL;
}

static bool owes_more(const struct h2_meter *meter)
{
	return meter->preface_n < H2_PREFACE_BYTES || meter->header_n > 0 || meter->is_block_open ||
	       (meter->frame_left > 0 && meter->type != FRAME_DATA);
}

static void set_waiting(struct h2_meter *meter, int64_t now_ms)
{
	bool owes = owes_more(meter);

	if (owes && !meter->is_waiting)
		meter->waiting_since_ms = now_ms;
	meter->is_waiting = owes;
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

const char *h2_meter_feed(
	struct h2_meter *meter, const unsigned char *bytes, size_t n, int64_t now_ms)
{
	size_t at = at_most(n, H2_PREFACE_BYTES - meter->preface_n);
	const char *why = NULL;

	/* Whether it is the right preface is the library's to say. */
	meter->preface_n += at;
	while (at < n && why == NULL) {
		size_t part;

		if (meter->frame_left > 0) {
			part = at_most(n - at, meter->frame_left);
			meter->frame_left -= (uint32_t)part;
		} else {
			part = at_most(n - at, H2_FRAME_HEADER_BYTES - meter->header_n);
			memcpy(meter->header + meter->header_n, bytes + at, part);
			meter->header_n += part;
			if (meter->header_n == H2_FRAME_HEADER_BYTES)
				why = count_frame(meter, now_ms);
		}
		at += part;
		set_waiting(meter, now_ms);
	}
	set_waiting(meter, now_ms);
	return why;
}

void h2_meter_sent(struct h2_meter *meter, size_t n)
{
	credit(meter, 2, n);
}

const char *h2_meter_reset(struct h2_meter *meter, int64_t now_ms)
{
	budget_fill(&meter->resets, H2_RESET_PER_S, H2_RESET_BURST, now_ms);
	return budget_take(&meter->resets, 1) ? NULL : "too many streams were reset";
}

bool h2_meter_is_waiting(const struct h2_meter *meter, int64_t *ret_since_ms)
{
	*ret_since_ms = meter->waiting_since_ms;
	return meter->is_waiting;
}

void h2_meter_init(struct h2_meter *meter, int64_t now_ms)
{
	memset(meter, 0, sizeof(*meter));
	meter->control.left = H2_CONTROL_BURST * 1000;
	meter->resets.left = H2_RESET_BURST * 1000;
	meter->control.filled_ms = meter->resets.filled_ms = now_ms;
	set_waiting(meter, now_ms);
}
