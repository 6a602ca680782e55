/*
 * Reports to the warden. Runs in the proxy; the warden is trusted, but may be slow.
 */
#include "proxy/report.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <event2/event.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Rationale: the warden reads between two commands' starts; 256 messages are 230 KiB. */
#define QUEUE_MAX 256u

struct report {
	struct event_base *base;
	struct event *readable, *writable;
	int sock;
	struct proxymsg *queue; /* ring */
	size_t first, n;
	uint64_t n_dropped;
};

/* The warden says nothing here: what can be read is the end. */
static void on_readable(evutil_socket_t sock, short what, void *arg)
{
	struct report *report = arg;
	char byte;
	ssize_t n = recv(sock, &byte, 1, MSG_DONTWAIT);

	(void)what;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		(void)event_base_loopbreak(report->base);
}

/* True when it has gone or can never go. */
static bool send_one(int sock, const struct proxymsg *msg)
{
	ssize_t n;

	do
		n = send(sock, msg, sizeof(*msg), MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

static void on_writable(evutil_socket_t sock, short what, void *arg)
{
	struct report *report = arg;

	(void)what;
	while (report->n > 0 && send_one(sock, &report->queue[report->first])) {
		report->first = (report->first + 1) % QUEUE_MAX;
		report->n--;
	}
	if (report->n > 0)
		(void)event_add(report->writable, NULL);
	else if (report->n_dropped > 0)
		log_warn("%llu lines of the audit were lost", (unsigned long long)report->n_dropped);
	if (report->n == 0)
		report->n_dropped = 0;
}

struct report *report_new(struct event_base *base, int sock)
{
	struct report *report = calloc(1, sizeof(*report));

	if (report == NULL)
		return NULL;
	report->base = base;
	report->sock = sock;
	report->queue = calloc(QUEUE_MAX, sizeof(*report->queue));
	report->readable = event_new(base, sock, EV_READ | EV_PERSIST, on_readable, report);
	report->writable = event_new(base, sock, EV_WRITE, on_writable, report);
	if (report->queue == NULL || report->readable == NULL || report->writable == NULL ||
		event_add(report->readable, NULL) < 0) {
		report_free(report);
		return NULL;
	}
	return report;
}

void report_free(struct report *report)
{
	if (report == NULL)
		return;
	if (report->readable != NULL)
		event_free(report->readable);
	if (report->writable != NULL)
		event_free(report->writable);
	free(report->queue);
	free(report);
}

void report_send(struct report *report, const struct proxymsg *msg)
{
	if (report->n == 0 && send_one(report->sock, msg))
		return;
	if (report->n == QUEUE_MAX) {
		report->n_dropped++;
		return;
	}
	report->queue[(report->first + report->n++) % QUEUE_MAX] = *msg;
	(void)event_add(report->writable, NULL);
}
