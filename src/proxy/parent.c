/*
 * Runs in the proxy. Hostile input: the parent's answer; the user named it, but the way to it is
 * cleartext. It gets the destination's name and nothing of the cell's but what the cell encrypts.
 */
#include "proxy/parent.h"

#include "base/cleanup.h"
#include "policy/hostmatch.h"
#include "policy/policy.h"
#include "proxy/http1.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct parent {
	struct parent_request request;
	struct event *event;
	char out[2 * TARGET_HOST_BYTES + 128];
	size_t out_n, out_at;
};

/* Entries of no-proxy without a port mean every port. */
static bool goes_direct(const struct policy *policy, const struct target *target)
{
	size_t n;
	const struct policy_item *items = policy_list(policy, PK_EGRESS_NO_PROXY, &n);

	for (size_t i = 0; i < n; i++) {
		struct hostmatch entry;

		if (hostmatch_parse(items[i].value, &entry) == HOSTMATCH_OK &&
			hostmatch_covers(&entry, target->host, target->port, true))
			return true;
	}
	return false;
}

bool parent_find(const struct policy *policy, const struct target *target, struct target *ret)
{
	static const char scheme[] = "http://";
	const char *url = policy_value(policy, PK_EGRESS_PARENT_PROXY)->value;

	if (url[0] == '\0' || strcmp(target->host, "localhost") == 0 ||
		goes_direct(policy, target))
		return false;
	url += sizeof(scheme) - 1; /* values_parent_proxy() has seen to it */
	return target_parse(url, strlen(url), 0, ret);
}

void parent_free(struct parent *p)
{
	if (p == NULL)
		return;
	if (p->event != NULL)
		event_free(p->event);
	free(p);
}

static const char *refusal(unsigned status)
{
	switch (status) {
	case 407:
		return "the parent proxy wants a password (407)";
	case 403:
		return "the parent proxy refused it (403)";
	case 502:
	case 503:
	case 504:
		return "the parent proxy could not reach it";
	default:
		return "the parent proxy did not connect";
	}
}

/* NULL: nothing wrong so far, *ret_done says whether it is all. What follows the head stays. */
static const char *read_answer(int fd, bool *ret_done)
{
	char head[PARENT_HEAD_MAX];
	unsigned status;
	size_t head_bytes;
	ssize_t n = recv(fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (n <= 0)
		return "the parent proxy hung up";
	switch (http1_parse_status(head, (size_t)n, &status, &head_bytes)) {
	case HTTP1_MORE:
		return (size_t)n == sizeof(head) ? "the parent proxy's answer is too long" : NULL;
	case HTTP1_BAD:
		return "the parent proxy does not speak HTTP";
	case HTTP1_OK:
		break;
	}
	if (status < 100 || status > 299)
		return refusal(status);
	if (recv(fd, head, head_bytes, MSG_DONTWAIT) != (ssize_t)head_bytes)
		return "the parent proxy hung up";
	*ret_done = status >= 200;
	return NULL;
}

static const char *write_request(struct parent *p)
{
	while (p->out_at < p->out_n) {
		ssize_t n = send(p->request.fd, p->out + p->out_at, p->out_n - p->out_at,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? NULL : "the parent proxy hung up";
		p->out_at += (size_t)n;
	}
	return NULL;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct parent *p = arg;
	bool done = false;
	const char *why;

	if ((what & EV_TIMEOUT) != 0) {
		p->request.done(p->request.arg, "the parent proxy does not answer");
		return;
	}
	why = write_request(p);
	if (why == NULL && p->out_at == p->out_n)
		why = read_answer(fd, &done);
	if (why != NULL || done)
		p->request.done(p->request.arg, why);
}

struct parent *parent_start(struct event_base *base, const struct parent_request *request)
{
	const struct timeval tv = { .tv_sec = PARENT_TIMEOUT_S };
	const struct target *t = request->target;
	const char *open = t->family == AF_INET6 ? "[" : "", *close = *open != '\0' ? "]" : "";
	struct parent *p = calloc(1, sizeof(*p));
	int n;

	if (p == NULL)
		return NULL;
	p->request = *request;
	n = snprintf(p->out, sizeof(p->out),
		"CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n\r\n", open, t->host, close,
		t->port, open, t->host, close, t->port);
	p->out_n = (size_t)n;
	/* Edge-triggered: an incomplete answer stays in the socket, and only more of it matters. */
	p->event = event_new(base, request->fd, EV_READ | EV_WRITE | EV_ET | EV_PERSIST, on_event,
		p);
	if (n < 0 || p->out_n >= sizeof(p->out) || p->event == NULL ||
		event_add(p->event, &tv) < 0) {
		parent_free(p);
		return NULL;
	}
	return p;
}
