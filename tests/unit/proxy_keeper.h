/*
 * A keeper that holds no secret and asks no server: it answers from the path, and writes down every
 * request that reaches it, so that tests judge by what a keeper was told and not by what a client saw.
 */
#ifndef TESTS_PROXY_KEEPER_H
#define TESTS_PROXY_KEEPER_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/fdpass.h"
#include "wire/keepmsg.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

#define KEPT_BYTES (1u << 20)
#define KEPT_BIG (32u << 20)

/* Shared with the test: text of all requests, and counts. */
struct kept {
	atomic_uint n_opened, n_requests, n_body_bytes, n_given_up;
	char text[KEPT_BYTES];
};

static struct kept *kept;

/* ---- messages ---- */

static void keeper_send(int fd, enum keepmsg_type type, const void *bytes, size_t n)
{
	uint32_t word = (uint32_t)type;
	struct iovec iov[2] = { { &word, sizeof(word) }, { (void *)(size_t)bytes, n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1 };

	if (sendmsg(fd, &m, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static struct keepmsg_head keeper_head(unsigned status, enum keepmsg_framing framing, size_t length)
{
	return (struct keepmsg_head){ .status = status,
		.flags = status == 101 ? KEEPMSG_UPGRADE : 0,
		.framing = framing,
		.length = framing == KEEPMSG_LENGTH ? length : 0,
		.fields = { { { "server", 6 }, { "kept", 4 } },
			{ { "alt-svc", 7 }, { "h3=\":443\"", 9 } } },
		.n_fields = 2 };
}

static void keeper_send_head(int fd, const struct keepmsg_head *head)
{
	static struct buf b;

	b.len = 0;
	if (keepmsg_put_head(&b, KEEPMSG_RESPONSE, head) < 0 ||
		send(fd, b.data, b.len, MSG_NOSIGNAL) < 0)
		_exit(0);
}

static void keeper_answer(int fd, unsigned status, enum keepmsg_framing framing, size_t length)
{
	struct keepmsg_head head = keeper_head(status, framing, length);

	keeper_send_head(fd, &head);
}

static void keeper_data(int fd, const char *text)
{
	keeper_send(fd, KEEPMSG_DATA, text, strlen(text));
}

static void keeper_end(int fd, bool reuse)
{
	uint32_t word = reuse;

	keeper_send(fd, KEEPMSG_END, &word, sizeof(word));
}

static void keeper_fail(int fd, uint32_t status, const char *reason)
{
	char bytes[256];

	memcpy(bytes, &status, sizeof(status));
	memcpy(bytes + 4, reason, strlen(reason));
	keeper_send(fd, KEEPMSG_FAILED, bytes, 4 + strlen(reason));
}

/* The next message's type; its payload in *ret. 0 at the end. */
static uint32_t keeper_next(int fd, const char **ret, size_t *ret_n)
{
	static char bytes[KEEPMSG_MAX];
	uint32_t word;
	ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

	if (n < (ssize_t)sizeof(word))
		return 0;
	memcpy(&word, bytes, sizeof(word));
	*ret = bytes + sizeof(word);
	*ret_n = (size_t)n - sizeof(word);
	return word;
}

/* Reads a body to its end: appended to out unless it is NULL. */
static void keeper_body(int fd, struct buf *out)
{
	const char *bytes;
	size_t n;
	uint32_t type;

	while ((type = keeper_next(fd, &bytes, &n)) == KEEPMSG_BODY) {
		atomic_fetch_add(&kept->n_body_bytes, (unsigned)n);
		if (out != NULL)
			buf_add(out, bytes, n);
	}
	if (type != KEEPMSG_BODY_END)
		_exit(0);
}

/* ---- what was asked ---- */

static void describe_request(const struct keepmsg_head *h, struct buf *out)
{
	buf_addf(out, "<%.*s %.*s", (int)h->method.n, h->method.at, (int)h->path.n, h->path.at);
	if (h->query.at != NULL)
		buf_addf(out, "?%.*s", (int)h->query.n, h->query.at);
	buf_addf(out, " flags=%u framing=%d length=%llu>\n", h->flags, (int)h->framing,
		(unsigned long long)h->length);
	for (size_t i = 0; i < h->n_fields; i++)
		buf_addf(out, "%.*s: %.*s\n", (int)h->fields[i].name.n, h->fields[i].name.at,
			(int)h->fields[i].value.n, h->fields[i].value.at);
}

static void keep_text(const struct buf *text)
{
	size_t used = strlen(kept->text);

	if (used + text->len + 1 < KEPT_BYTES)
		memcpy(kept->text + used, text->data, text->len);
	atomic_fetch_add(&kept->n_requests, 1);
}

/* ---- answers by path ---- */

static void answer_echo(int fd, struct buf *request)
{
	keeper_body(fd, request);
	keeper_answer(fd, 200, KEEPMSG_UNKNOWN, 0);
	for (size_t at = 0; at < request->len; at += KEEPMSG_DATA_MAX) {
		size_t n = request->len - at;

		keeper_send(fd, KEEPMSG_DATA, request->data + at,
			n < KEEPMSG_DATA_MAX ? n : KEEPMSG_DATA_MAX);
	}
	keeper_end(fd, true);
}

static void answer_short(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "ok");
	keeper_end(fd, true);
}

static void answer_last(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "ok");
	keeper_end(fd, false);
	_exit(0);
}

/* Says that the channel can be used again and is gone before it can. */
static void answer_gone(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "ok");
	keeper_end(fd, true);
	_exit(0);
}

static void answer_none(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 204, KEEPMSG_NO_BODY, 0);
	keeper_end(fd, true);
}

static void answer_same(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 304, KEEPMSG_LENGTH, 1234);
	keeper_end(fd, true);
}

static void answer_empty(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_NO_BODY, 0);
	keeper_end(fd, true);
}

/* The whole response before the request's body is read. */
static void answer_early(int fd, struct buf *request)
{
	(void)request;
	keeper_answer(fd, 401, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "no");
	keeper_end(fd, true);
	(void)poll(NULL, 0, 500);
	_exit(0);
}

static void answer_events(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_UNKNOWN, 0);
	keeper_data(fd, "one");
	(void)poll(NULL, 0, 400);
	keeper_data(fd, "two");
	keeper_end(fd, true);
}

static void answer_big(int fd, struct buf *request)
{
	static char bytes[KEEPMSG_DATA_MAX];

	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, KEPT_BIG);
	for (size_t n = 0; n < KEPT_BIG; n += sizeof(bytes)) {
		keeper_send(fd, KEEPMSG_DATA, bytes, sizeof(bytes));
		atomic_fetch_add(&kept->n_body_bytes, (unsigned)sizeof(bytes));
	}
	keeper_end(fd, true);
}

static void answer_socket(int fd, struct buf *request)
{
	const char *bytes;
	size_t n;

	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 101, KEEPMSG_NO_BODY, 0);
	keeper_data(fd, "hello ");
	while (keeper_next(fd, &bytes, &n) == KEEPMSG_BODY)
		keeper_send(fd, KEEPMSG_DATA, bytes, n);
	keeper_data(fd, " bye");
	keeper_end(fd, false);
	_exit(0);
}

static void answer_no_socket(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 426, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "no");
	keeper_end(fd, true);
}

static void answer_hints(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 100, KEEPMSG_NO_BODY, 0);
	keeper_answer(fd, 103, KEEPMSG_NO_BODY, 0);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "ok");
	keeper_end(fd, true);
}

static void answer_flood(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	for (int i = 0; i < 100; i++)
		keeper_answer(fd, 103, KEEPMSG_NO_BODY, 0);
	keeper_answer(fd, 200, KEEPMSG_NO_BODY, 0);
	keeper_end(fd, true);
}

static void answer_trailers(int fd, struct buf *request)
{
	struct keepmsg_head trailers = { .fields = { { { "grpc-status", 11 }, { "0", 1 } } },
		.n_fields = 1 };
	static struct buf b;

	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_UNKNOWN, 0);
	keeper_data(fd, "x");
	b.len = 0;
	(void)keepmsg_put_head(&b, KEEPMSG_TRAILERS, &trailers);
	(void)send(fd, b.data, b.len, MSG_NOSIGNAL);
	keeper_end(fd, true);
}

static void answer_limit(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_fail(fd, 429, "the limit of rule api is used up\r\nX-Bad: 1");
	(void)poll(NULL, 0, 200);
	_exit(0);
}

/* Notes when the proxy gives the request up before the response is ready. */
static void answer_slowly(int fd, struct buf *request)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)request;
	keeper_body(fd, NULL);
	if (poll(&p, 1, 3000) == 1)
		atomic_fetch_add(&kept->n_given_up, 1);
	keeper_answer(fd, 200, KEEPMSG_NO_BODY, 0);
	keeper_end(fd, true);
}

static void answer_dies(int fd, struct buf *request)
{
	(void)fd;
	(void)request;
	_exit(0);
}

static void answer_cut(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_UNKNOWN, 0);
	keeper_data(fd, "part");
	keeper_fail(fd, 502, "the server broke off");
	_exit(0);
}

static void answer_excess(int fd, struct buf *request)
{
	(void)request;
	keeper_body(fd, NULL);
	keeper_answer(fd, 200, KEEPMSG_LENGTH, 2);
	keeper_data(fd, "okHTTP/1.1 200 OK");
	keeper_end(fd, true);
}

static void answer_garbage(int fd, struct buf *request)
{
	(void)request;
	keeper_send(fd, KEEPMSG_RESPONSE, "no head at all", 14);
	(void)poll(NULL, 0, 200);
	_exit(0);
}

static void answer_unasked(int fd, struct buf *request)
{
	(void)request;
	keeper_answer(fd, 101, KEEPMSG_NO_BODY, 0);
	(void)poll(NULL, 0, 200);
	_exit(0);
}

static const struct {
	const char *path;
	void (*answer)(int fd, struct buf *request);
} answers[] = { { "/v1/short", answer_short }, { "/v1/last", answer_last },
	{ "/v1/gone", answer_gone }, { "/v1/none", answer_none }, { "/v1/same", answer_same },
	{ "/v1/empty", answer_empty }, { "/v1/early", answer_early },
	{ "/v1/events", answer_events }, { "/v1/big", answer_big },
	{ "/v1/socket", answer_socket }, { "/v1/nosocket", answer_no_socket },
	{ "/v1/hints", answer_hints }, { "/v1/flood", answer_flood },
	{ "/v1/trailers", answer_trailers }, { "/v1/limit", answer_limit },
	{ "/v1/dies", answer_dies }, { "/v1/slowly", answer_slowly }, { "/v1/cut", answer_cut }, { "/v1/excess", answer_excess },
	{ "/v1/garbage", answer_garbage }, { "/v1/unasked", answer_unasked } };

static void answer_head(int fd, const struct keepmsg_head *head)
{
	AUTO_BUF struct buf text = { 0 };

	describe_request(head, &text);
	keep_text(&text);
	for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
		if (strlen(answers[i].path) == head->path.n &&
			memcmp(answers[i].path, head->path.at, head->path.n) == 0) {
			answers[i].answer(fd, &text);
			return;
		}
	}
	answer_echo(fd, &text);
}

_Noreturn static void serve_channel(int fd)
{
	static struct keepmsg_head head;
	const char *bytes;
	size_t n;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)fcntl(fd, F_SETFL, 0); /* a process each: it may wait */
	while (keeper_next(fd, &bytes, &n) == KEEPMSG_REQUEST) {
		if (keepmsg_get_head(KEEPMSG_REQUEST, bytes, n, &head) < 0) {
			printf("# the keeper got a malformed head\n");
			break;
		}
		answer_head(fd, &head);
	}
	_exit(0);
}

/* Serves one rule's socket, a process for each channel. */
_Noreturn static void run_keeper(int sock)
{
	struct keepmsg_open open;
	int fds[2];
	size_t n_fds;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)signal(SIGCHLD, SIG_IGN);
	while (fdpass_recv(sock, &open, sizeof(open), fds, 2, &n_fds) == sizeof(open)) {
		atomic_fetch_add(&kept->n_opened, 1);
		if (n_fds == 2 && fork() == 0)
			serve_channel(fds[0]);
		for (size_t i = 0; i < n_fds; i++)
			(void)close(fds[i]);
	}
	_exit(0);
}

#endif
