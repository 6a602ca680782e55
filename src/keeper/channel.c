/*
 * Channels and their connections. Runs in a keeper. Hostile: messages of the proxy (request.c) and
 * bytes of the server (h1.c, h2.c); here they only meet.
 */
#include "keeper/channel.h"

#include "base/cleanup.h"
#include "keeper/memory.h"
#include "keeper/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum watch { WATCH_READS, WATCH_WRITES, WATCH_GONE, WATCH_HOST_READS, WATCH_HOST_WRITES };

/* Rationale: pieces at a time, so that one fast stream does not starve the others. */
#define TURNS_MAX 32u

/* ---- states ---- */

/* Rationale: a proxy opens a channel for a request that it has; servers keep idle ones a minute. */
static const int timeouts_s[] = {
	[CHANNEL_NEW] = 30,
	[CHANNEL_HANDSHAKE] = 20,
	[CHANNEL_IDLE] = 120,
	[CHANNEL_GATHERING] = 600,
	[CHANNEL_BUSY] = 0, /* a response may take as long as it likes */
	[CHANNEL_ANSWERED] = 10,
	[CHANNEL_ENDED] = 10,
};

void channel_enter(struct channel *c, enum channel_state state)
{
	const struct timeval when = { .tv_sec = timeouts_s[state] };

	c->state = state;
	if (when.tv_sec > 0)
		(void)event_add(c->timer, &when);
	else
		(void)event_del(c->timer);
}

/* The host's half is over; the events on its descriptor go first. */
static void close_link(struct channel *c)
{
	for (unsigned i = WATCH_HOST_READS; i <= WATCH_HOST_WRITES; i++) {
		if (c->events[i] != NULL)
			event_free(c->events[i]);
		c->events[i] = NULL;
		c->watched &= ~(1u << i);
	}
	h1_done(&c->h1);
	h2_done(&c->h2);
	link_close(&c->link);
	reply_done(&c->reply);
	request_drop_body(c);
	memory_done(&c->held);
}

void channel_free(struct channel *c)
{
	struct keeper *keeper = c->keeper;

	close_link(c);
	for (unsigned i = 0; i < ARRAY_LEN(c->events); i++)
		if (c->events[i] != NULL)
			event_free(c->events[i]);
	if (c->timer != NULL)
		event_free(c->timer);
	if (c->again != NULL)
		event_free(c->again);
	out_done(&c->out);
	cleanup_close(&c->fd);
	if (c->previous != NULL)
		c->previous->next = c->next;
	else
		keeper->channels = c->next;
	if (c->next != NULL)
		c->next->previous = c->previous;
	free(c);
	keeper->n_channels--;
	keeper_channel_gone(keeper);
}

void channel_fail(struct channel *c, unsigned status, const char *reason)
{
	if (c->state == CHANNEL_ENDED)
		return;
	(void)out_put_failed(&c->out, status, reason);
	close_link(c);
	channel_enter(c, CHANNEL_ENDED);
}

void channel_fail_server(struct channel *c, const char *why)
{
	char reason[KEEPMSG_REASON_MAX];

	(void)snprintf(reason, sizeof(reason), "%.80s: %.70s", c->host, why);
	channel_fail(c, 502, reason);
}

/* Bytes behind a response of HTTP/1 would be taken for the next one. */
static bool is_quiet(struct channel *c)
{
	char byte;

	return c->is_h2 || (c->h1.rest == NULL && link_read(&c->link, &byte, 1) == -EAGAIN);
}

/* The whole body went to the host, though the proxy has not said that it is over. */
static bool is_body_sent(const struct channel *c)
{
	return c->framing != KEEPMSG_UNKNOWN && c->left == 0;
}

/* The response is complete. */
void channel_end_exchange(struct channel *c)
{
	bool is_reusable = (c->is_h2 ? c->h2.is_reusable : c->h1.is_reusable) &&
			   !c->reply.is_opaque && !c->keeper->is_expired;

	if (is_reusable && !c->is_body_over && is_body_sent(c)) {
		channel_enter(c, CHANNEL_ANSWERED);
		return;
	}
	is_reusable = is_reusable && c->is_body_over && is_quiet(c);
	(void)out_put_end(&c->out, is_reusable);
	if (!is_reusable)
		close_link(c);
	channel_enter(c, is_reusable ? CHANNEL_IDLE : CHANNEL_ENDED);
}

void channel_expire(struct channel *c)
{
	if (c->state == CHANNEL_NEW || c->state == CHANNEL_IDLE || c->state == CHANNEL_ENDED)
		channel_free(c);
}

/* ---- what is waited for ---- */

static unsigned bit(enum watch what, bool wanted)
{
	return wanted ? 1u << what : 0;
}

/* Does something wait for room in the socket to the host? */
static bool has_rest(const struct channel *c)
{
	return c->h1.rest != NULL || c->h2.out.len > 0;
}

static unsigned wanted(const struct channel *c)
{
	bool has_host = c->state == CHANNEL_HANDSHAKE || c->state == CHANNEL_IDLE ||
			c->state == CHANNEL_BUSY;
	bool is_full = c->out.is_full;
	unsigned want = bit(WATCH_GONE, true);

	want |= bit(WATCH_READS, request_has_room(c));
	want |= bit(WATCH_WRITES, is_full);
	want |= bit(WATCH_HOST_READS, has_host && (!is_full || c->state == CHANNEL_HANDSHAKE));
	want |= bit(WATCH_HOST_WRITES,
		has_host && ((has_rest(c) && !c->link.write_wants_read) ||
				    c->link.read_wants_write));
	return want;
}

/* The end of every callback: what is to be said is said, then something is waited for. */
static void watch(struct channel *c)
{
	int r = c->out.is_full ? -EAGAIN : out_flush(&c->out);
	unsigned want = wanted(c), changed = want ^ c->watched;

	/* The proxy has gone: the event says so, too. */
	if (r < 0 && r != -EAGAIN)
		out_done(&c->out);
	for (unsigned i = 0; i < ARRAY_LEN(c->events); i++) {
		if ((changed & (1u << i)) == 0 || c->events[i] == NULL)
			continue;
		if ((want & (1u << i)) != 0)
			(void)event_add(c->events[i], NULL);
		else
			(void)event_del(c->events[i]);
	}
	c->watched = want;
}

/* ---- the host ---- */

/* The host's version of HTTP is known now. */
static void begin(struct channel *c)
{
	c->is_h2 = link_is_h2(&c->link);
	if (c->is_h2) {
		if (h2_init(&c->h2, &c->link, &c->reply) < 0) {
			channel_fail_server(c, c->h2.why);
			return;
		}
	} else {
		h1_init(&c->h1, &c->link, &c->reply);
	}
	request_start_held(c);
}

static void shake_hands(struct channel *c)
{
	struct err err = { 0 };
	int r = link_handshake(&c->link, c->host, &err);

	if (r == 0)
		begin(c);
	else if (r != -EAGAIN)
		channel_fail(c, 502, err.text);
}

/* Bytes between two exchanges: of HTTP/1 there can be none. */
static void take_idle(struct channel *c, char *bytes, size_t n)
{
	if (n == 0 || !c->is_h2 || h2_feed(&c->h2, bytes, n) < 0 || !c->h2.is_reusable) {
		close_link(c);
		channel_enter(c, CHANNEL_ENDED);
		(void)out_flush(&c->out);
		/* A request that comes now finds the channel closed: it was not sent to anyone. */
		(void)shutdown(c->fd, SHUT_RDWR);
	}
}

/* A piece of the response, n == 0: its end. False: nothing more is to be read now. */
static bool take_piece(struct channel *c, char *bytes, size_t n)
{
	int r = c->is_h2 ? h2_feed(&c->h2, bytes, n) : h1_feed(&c->h1, bytes, n);
	const char *why = c->is_h2 ? c->h2.why : c->h1.why;

	if (r == 0 && reply_flush(&c->reply) < 0) {
		r = -EPIPE;
		why = c->reply.why;
	}
	if (r < 0) {
		channel_fail_server(c, why != NULL ? why : "it cannot be read");
		return false;
	}
	if (c->is_h2 ? c->h2.is_complete : c->h1.is_complete) {
		channel_end_exchange(c);
		return false;
	}
	return n > 0 && !c->out.is_full;
}

/* Bytes that the redactor holds back go on after a while, see reply.h. */
static void wait_for_more(struct channel *c)
{
	const struct timeval when = { .tv_usec = REPLY_RELEASE_MS * 1000 };

	if (c->state == CHANNEL_BUSY && reply_may_release(&c->reply))
		(void)event_add(c->timer, &when);
}

static void read_host(struct channel *c)
{
	static char bytes[KEEPMSG_DATA_MAX];
	bool goes_on = true;

	for (unsigned i = 0; goes_on; i++) {
		ssize_t n;

		if (i == TURNS_MAX) {
			event_active(c->again, EV_TIMEOUT, 0);
			break;
		}
		n = link_read(&c->link, bytes, reply_room(&c->reply));
		if (n == -EAGAIN)
			break;
		if (c->state == CHANNEL_IDLE) {
			take_idle(c, bytes, n > 0 ? (size_t)n : 0);
			goes_on = n > 0 && c->state == CHANNEL_IDLE;
		} else if (n < 0) {
			channel_fail_server(c, "the connection broke");
			goes_on = false;
		} else {
			goes_on = take_piece(c, bytes, (size_t)n);
		}
		/* It may have been an echo. */
		if (n > 0)
			explicit_bzero(bytes, (size_t)n);
	}
	wait_for_more(c);
}

static void use_host(struct channel *c)
{
	if (c->state == CHANNEL_HANDSHAKE)
		shake_hands(c);
	if ((c->state == CHANNEL_BUSY || c->state == CHANNEL_IDLE) && !c->out.is_full)
		read_host(c);
}

static void on_host_reads(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	if (c->link.write_wants_read && (c->state == CHANNEL_BUSY || c->state == CHANNEL_IDLE))
		(void)(c->is_h2 ? h2_flush(&c->h2) : h1_flush(&c->h1));
	use_host(c);
	watch(c);
}

static void on_host_writes(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CHANNEL_HANDSHAKE || c->link.read_wants_write)
		use_host(c);
	if (c->state == CHANNEL_BUSY || c->state == CHANNEL_IDLE)
		(void)(c->is_h2 ? h2_flush(&c->h2) : h1_flush(&c->h1));
	watch(c);
}

/* ---- the proxy ---- */

/* -EAGAIN; 0: the proxy has closed; 1: a message was taken. */
static int take_message(struct channel *c)
{
	static char room[REQUEST_ROOM_BEFORE + KEEPMSG_MAX + REQUEST_ROOM_BEHIND];
	struct iovec io = { room + REQUEST_ROOM_BEFORE, KEEPMSG_MAX };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };
	ssize_t n = recvmsg(c->fd, &msg, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
	if (n == 0)
		return 0;
	if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
		channel_fail(c, 400, "a message of the proxy that is too long");
	else
		request_take(c, room + REQUEST_ROOM_BEFORE, (size_t)n);
	return 1;
}

/* Is another message likely? Behind a request's end there is none before the answer. */
static bool expects_message(const struct channel *c)
{
	return request_has_room(c) &&
	       !(c->state == CHANNEL_BUSY && c->is_body_over && !c->reply.is_opaque);
}

static void on_reads(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;
	int r = 1;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < TURNS_MAX && r == 1 && (i == 0 || expects_message(c)); i++) {
		r = take_message(c);
		if (c->state == CHANNEL_HANDSHAKE)
			shake_hands(c);
	}
	if (r == 0)
		channel_free(c);
	else
		watch(c);
}

static void on_writes(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;
	int r = out_flush(&c->out);

	(void)fd;
	(void)what;
	if (r < 0 && r != -EAGAIN) {
		channel_free(c);
		return;
	}
	/* Decrypted bytes may be waiting that no event tells of. */
	if (r == 0)
		use_host(c);
	watch(c);
}

/* The proxy has closed, while we did not read. */
static void on_gone(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_free(arg);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	if (c->state == CHANNEL_BUSY) {
		if (reply_may_release(&c->reply) && !c->out.is_full && reply_release(&c->reply) < 0)
			channel_fail_server(c, c->reply.why);
	} else if (c->state == CHANNEL_HANDSHAKE) {
		channel_fail(c, 504, "the server does not answer");
	} else {
		channel_free(c);
		return;
	}
	watch(c);
}

/* ---- opening ---- */

/* NULL, or why not. The host has to be the rule's, whatever the proxy thinks. */
static const char *check_open(const struct keeper *keeper, const struct keepmsg_open *open)
{
	char host[254];
	size_t n = strnlen(open->host, sizeof(open->host));

	if (open->version != KEEPMSG_OPEN_VERSION || open->is_plain > 1)
		return "the proxy and the keeper are of different versions";
	if (n == sizeof(open->host) || !policy_host_normal(open->host, n, host) ||
		strcmp(host, open->host) != 0 ||
		!rules_covers(keeper->rule, open->host, open->port, open->is_plain == 1))
		return "the host is not what this rule is for";
	if (keeper->n_channels >= KEEPER_CHANNELS_MAX)
		return "too many connections of this rule";
	return NULL;
}

static bool make_events(struct channel *c)
{
	struct event_base *base = c->keeper->base;
	const short reads = EV_READ | EV_PERSIST, writes = EV_WRITE | EV_PERSIST;
	bool ok = true;

	c->events[WATCH_READS] = event_new(base, c->fd, reads, on_reads, c);
	c->events[WATCH_WRITES] = event_new(base, c->fd, writes, on_writes, c);
	c->events[WATCH_GONE] = event_new(base, c->fd, EV_CLOSED | EV_PERSIST, on_gone, c);
	c->events[WATCH_HOST_READS] = event_new(base, c->link.fd, reads, on_host_reads, c);
	c->events[WATCH_HOST_WRITES] = event_new(base, c->link.fd, writes, on_host_writes, c);
	c->timer = evtimer_new(base, on_timer, c);
	c->again = event_new(base, -1, 0, on_host_reads, c);
	for (unsigned i = 0; i < ARRAY_LEN(c->events); i++)
		ok = ok && c->events[i] != NULL;
	return ok && c->timer != NULL && c->again != NULL;
}

void channel_refuse(int fd, int server, const char *why)
{
	static char request[KEEPMSG_MAX];
	struct iovec io = { request, sizeof(request) };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1 };
	struct out out;

	while (recvmsg(fd, &msg, MSG_DONTWAIT) > 0)
		;
	out_init(&out, fd);
	(void)out_put_failed(&out, 502, why);
	(void)out_flush(&out);
	out_done(&out);
	(void)close(server);
	(void)close(fd);
}

static void link_into(struct keeper *keeper, struct channel *c)
{
	c->next = keeper->channels;
	if (c->next != NULL)
		c->next->previous = c;
	keeper->channels = c;
	keeper->n_channels++;
}

void channel_open(struct keeper *keeper, const struct keepmsg_open *open, int fd, int server)
{
	const char *why = check_open(keeper, open);
	struct channel *c = why == NULL ? calloc(1, sizeof(*c)) : NULL;
	struct err err = { 0 };
	bool is_usual = open->port == (open->is_plain ? 80 : 443);

	if (c == NULL) {
		channel_refuse(fd, server, why != NULL ? why : "out of memory");
		return;
	}
	c->keeper = keeper;
	c->fd = fd;
	c->port = open->port;
	c->is_plain = open->is_plain == 1;
	memcpy(c->host, open->host, sizeof(c->host));
	if (is_usual)
		(void)snprintf(c->authority, sizeof(c->authority), "%s", c->host);
	else
		(void)snprintf(c->authority, sizeof(c->authority), "%s:%u", c->host, c->port);
	out_init(&c->out, fd);
	reply_init(&c->reply, &keeper->reply, &c->out);
	link_into(keeper, c);
	if (link_open(&c->link, server, c->is_plain ? NULL : keeper->tls, c->host, &err) < 0 ||
		!make_events(c)) {
		channel_free(c);
		return;
	}
	channel_enter(c, CHANNEL_NEW);
	watch(c);
}
