/*
 * Reading and writing what TLS leaves, or cleartext. Runs in the proxy; hostile input: a client
 * that sends garbage, stops reading or vanishes. Bytes are not looked at here.
 */
#include "proxy/stream_private.h"

#include "base/cleanup.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>
#include <sys/socket.h>

int stream_init(struct stream *s, const struct stream_start *start)
{
	memset(s, 0, sizeof(*s));
	s->fd = start->fd;
	s->target = start->target;
	s->client_alert = -1;
	(void)event_assign(&s->kick, start->base, -1, 0, start->on_kick, start->arg);
	(void)event_assign(&s->timer, start->base, -1, 0, start->on_timer, start->arg);
	(void)event_assign(&s->event, start->base, s->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST,
		start->on_event, start->arg);
	if (event_add(&s->event, NULL) < 0)
		return -ENOMEM;
	s->early = *start->early;
	*start->early = (struct buf){ 0 };
	return 0;
}

void stream_done(struct stream *s)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	SSL_free(s->ssl);
	(void)event_del(&s->event);
	(void)event_del(&s->kick);
	(void)event_del(&s->timer);
	if (s->fd >= 0 && s->is_reset)
		(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	cleanup_close(&s->fd);
	buf_done(&s->early);
}

/* ---- the socket ---- */

ssize_t stream_recv(struct stream *s, void *bytes, size_t n)
{
	ssize_t got;

	if (s->early_at < s->early.len) {
		if (n > s->early.len - s->early_at)
			n = s->early.len - s->early_at;
		memcpy(bytes, s->early.data + s->early_at, n);
		s->early_at += n;
		if (s->early_at == s->early.len)
			buf_done(&s->early);
		if (s->early.data == NULL)
			s->early_at = 0;
		return (ssize_t)n;
	}
	if (s->is_drained)
		return -EAGAIN;
	do
		got = recv(s->fd, bytes, n, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	s->is_drained = got < 0 && errno == EAGAIN;
	return got < 0 ? -errno : got;
}

ssize_t stream_send(struct stream *s, const void *bytes, size_t n)
{
	ssize_t sent;

	do
		sent = send(s->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

/* ---- TLS ---- */

/* What a call that moved nothing means; r is its return value. */
static ssize_t tls_outcome(struct stream *s, int r)
{
	switch (SSL_get_error(s->ssl, r)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		ERR_clear_error();
		return -ECONNRESET;
	}
}

ssize_t stream_read(struct stream *s, void *bytes, size_t n)
{
	int r;

	if (s->is_finished)
		return -EPIPE;
	if (s->ssl == NULL)
		return stream_recv(s, bytes, n);
	ERR_clear_error();
	r = SSL_read(s->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
	return r > 0 ? r : tls_outcome(s, r);
}

ssize_t stream_write(struct stream *s, const void *bytes, size_t n)
{
	ssize_t outcome;
	int r;

	if (s->is_finished)
		return -EPIPE;
	if (s->ssl == NULL)
		return stream_send(s, bytes, n);
	ERR_clear_error();
	r = SSL_write(s->ssl, bytes, n > INT_MAX ? INT_MAX : (int)n);
	if (r > 0)
		return r;
	outcome = tls_outcome(s, r);
	return outcome == 0 ? -EPIPE : outcome;
}

int stream_say_end(struct stream *s)
{
	ssize_t outcome;
	int r;

	if (s->ssl == NULL || !SSL_is_init_finished(s->ssl) ||
		(SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return 0;
	ERR_clear_error();
	r = SSL_shutdown(s->ssl);
	outcome = r >= 0 ? 0 : tls_outcome(s, r);
	return (int)outcome;
}

/* ---- what its user asks and says ---- */

bool stream_is_plain(const struct stream *s)
{
	return s->ssl == NULL;
}

bool stream_is_single(const struct stream *s)
{
	return s->is_single;
}

void stream_kick(struct stream *s)
{
	event_active(&s->kick, 0, 0);
}

void stream_deadline(struct stream *s, unsigned seconds, const char *why)
{
	struct timeval tv = { .tv_sec = (time_t)seconds };

	s->why = why;
	if (seconds == 0 && s->timer_s != 0)
		(void)event_del(&s->timer);
	else if (seconds != 0)
		(void)event_add(&s->timer, &tv);
	s->timer_s = seconds;
}

void stream_finish(struct stream *s, bool is_reset)
{
	s->is_finished = true;
	s->is_reset = is_reset;
	stream_kick(s);
}
