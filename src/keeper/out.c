/*
 * The way to the proxy. Runs in a keeper; what is sent has been redacted. Nothing hostile is read.
 */
#include "keeper/out.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Rationale: copying less than this is cheaper than a system call. */
#define GATHER_BYTES 4096u
/* Rationale: a head, a piece of a body and the end, and as much again of small pieces. */
#define SEND_AT_ONCE 8u

struct out_item {
	struct out_item *next;
	size_t n;
	char bytes[];
};

static size_t all_bytes;

size_t out_all_bytes(void)
{
	return all_bytes;
}

void out_init(struct out *out, int fd)
{
	*out = (struct out){ .fd = fd };
}

void out_done(struct out *out)
{
	while (out->first != NULL) {
		struct out_item *item = out->first;

		out->first = item->next;
		free(item);
	}
	out->last = NULL;
	all_bytes -= out->bytes;
	out->bytes = 0;
}

/* One message from two pieces. 0, -EAGAIN or -errno. */
static int send_pieces(int fd, struct iovec io[2])
{
	struct msghdr msg = { .msg_iov = io, .msg_iovlen = 2 };

	for (;;) {
		if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EINTR)
			return errno == ENOBUFS ? -EAGAIN : -errno;
	}
}

static int keep(struct out *out, const struct iovec io[2])
{
	size_t n = io[0].iov_len + io[1].iov_len;
	struct out_item *item = malloc(sizeof(*item) + n);

	if (item == NULL)
		return -ENOMEM;
	item->next = NULL;
	item->n = n;
	memcpy(item->bytes, io[0].iov_base, io[0].iov_len);
	if (io[1].iov_len > 0)
		memcpy(item->bytes + io[0].iov_len, io[1].iov_base, io[1].iov_len);
	if (out->last != NULL)
		out->last->next = item;
	else
		out->first = item;
	out->last = item;
	out->bytes += n;
	all_bytes += n;
	return 0;
}

static int put(struct out *out, struct iovec io[2])
{
	int r = 0;

	if (out->is_full || io[0].iov_len + io[1].iov_len <= GATHER_BYTES)
		return keep(out, io);
	r = out_flush(out);
	if (r == 0)
		r = send_pieces(out->fd, io);
	out->is_full = r == -EAGAIN;
	return r == -EAGAIN ? keep(out, io) : r;
}

int out_put(struct out *out, enum keepmsg_type type, const void *payload, size_t n)
{
	uint32_t word = (uint32_t)type;
	struct iovec io[2] = { { &word, sizeof(word) }, { (void *)(size_t)payload, n } };

	return put(out, io);
}

int out_put_head(struct out *out, enum keepmsg_type type, const struct keepmsg_head *head)
{
	AUTO_BUF struct buf message = { 0 };
	struct iovec io[2] = { { 0 }, { 0 } };
	int r = keepmsg_put_head(&message, type, head);

	if (r == 0 && message.failed)
		r = -ENOMEM;
	if (r < 0)
		return r;
	io[0] = (struct iovec){ message.data, message.len };
	return put(out, io);
}

int out_put_end(struct out *out, bool is_reusable)
{
	uint32_t word = is_reusable;

	return out_put(out, KEEPMSG_END, &word, sizeof(word));
}

int out_put_failed(struct out *out, unsigned status, const char *reason)
{
	char payload[sizeof(uint32_t) + KEEPMSG_REASON_MAX];
	uint32_t word = status;
	size_t n = strnlen(reason, KEEPMSG_REASON_MAX);

	memcpy(payload, &word, sizeof(word));
	memcpy(payload + sizeof(word), reason, n);
	return out_put(out, KEEPMSG_FAILED, payload, sizeof(word) + n);
}

/* The first messages of those that wait; how many were taken, or -errno. */
static int send_first(struct out *out)
{
	struct mmsghdr messages[SEND_AT_ONCE] = { 0 };
	struct iovec io[SEND_AT_ONCE];
	struct out_item *item = out->first;
	unsigned n = 0;
	int r;

	for (; item != NULL && n < SEND_AT_ONCE; item = item->next, n++) {
		io[n] = (struct iovec){ item->bytes, item->n };
		messages[n].msg_hdr.msg_iov = &io[n];
		messages[n].msg_hdr.msg_iovlen = 1;
	}
	do
		r = sendmmsg(out->fd, messages, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return errno == ENOBUFS ? -EAGAIN : -errno;
	return r;
}

int out_flush(struct out *out)
{
	out->is_full = false;
	while (out->first != NULL) {
		int sent = send_first(out);

		out->is_full = sent == -EAGAIN;
		if (sent < 0)
			return sent;
		for (int i = 0; i < sent; i++) {
			struct out_item *item = out->first;

			out->first = item->next;
			out->bytes -= item->n;
			all_bytes -= item->n;
			free(item);
		}
		if (out->first == NULL)
			out->last = NULL;
	}
	return 0;
}
