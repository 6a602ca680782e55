/*
 * What a client of HTTP/2 costs: reads the frame headers (RFC 9113, 4.1) in front of the library
 * and says when there are more frames than the payload warrants. Pure: bytes and the time go in.
 */
#ifndef PROXY_H2_METER_H
#define PROXY_H2_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: the 24 bytes of RFC 9113, 3.4, and the header of a frame. */
#define H2_PREFACE_BYTES 24u
#define H2_FRAME_HEADER_BYTES 9u

/*
 * Rationale: a head of KEEPMSG_HEAD_MAX bytes that HPACK did not shorten, with padding, in frames
 * of 16 KiB. A head of more frames or bytes is made to keep us busy.
 */
#define H2_BLOCK_MAX (96u << 10)
#define H2_CONTINUATIONS_MAX 8u

/*
 * Frames that carry nothing (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA...) are paid from
 * a budget. Rationale: so many at once, so many a second, and some more for each DATA frame and
 * each KiB of payload in either direction, because clients that measure their bandwidth ping with
 * it.
 */
#define H2_CONTROL_BURST 1000
#define H2_CONTROL_PER_S 50

/*
 * Streams that are reset before they are done, by the client or for what it did. Each may have cost
 * a connection to the server. Rationale: a client that cancels all its 64 requests does so a few
 * times, not ten times a second for ever.
 */
#define H2_RESET_BURST 200
#define H2_RESET_PER_S 10

struct h2_budget {
	int64_t left; /* thousandths */
	int64_t filled_ms;
};

struct h2_meter {
	size_t preface_n;
	unsigned char header[H2_FRAME_HEADER_BYTES];
	size_t header_n;
	uint32_t frame_left; /* payload of the frame that has not come yet */
	uint8_t type;
	bool is_block_open; /* a HEADERS frame without END_HEADERS went by */
	unsigned n_continuations;
	size_t block_bytes;
	bool is_waiting; /* the client owes the rest of what is not DATA */
	int64_t waiting_since_ms;
	struct h2_budget control, resets;
};

void h2_meter_init(struct h2_meter *meter, int64_t now_ms);

/*
 * Counts n bytes of the client. NULL, or why the connection must end: static text. Which of the
 * bytes are still worth reading is not said then: none.
 */
const char *h2_meter_feed(
	struct h2_meter *meter, const unsigned char *bytes, size_t n, int64_t now_ms);

/* A DATA frame with n bytes of payload was sent. */
void h2_meter_sent(struct h2_meter *meter, size_t n);

/* A stream was reset; as h2_meter_feed(). */
const char *h2_meter_reset(struct h2_meter *meter, int64_t now_ms);

/* The preface, a frame's header, a frame that is not DATA or a head has begun and is not complete.
 */
bool h2_meter_is_waiting(const struct h2_meter *meter, int64_t *ret_since_ms);

#endif
