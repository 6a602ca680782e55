/*
 * Reports to the warden. Runs in the proxy; the warden is trusted, but may be slow.
 */
#include "proxy/report.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <event2/event.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

/* Rationale: the warden reads between two commands' starts; 256 messages are 230 KiB. */
#define QUEUE_MAX 256u
/*
 * Rationale: what nobody waits for goes together, or each request would wake the warden as well:
 * with thousands of them a second a quarter of all that they cost.
 */
#define LATER_MS 10
#define BATCH 32u
/* Rationale: finding the command takes the warden a millisecond; all connections wait meanwhile. */
#define ANSWER_TIMEOUT_MS 25
#define UNANSWERED_SKIP 64u

struct report {
	struct event_base *base;
	struct event *readable, *writable, *later;
	int sock;
	struct proxymsg *queue; /* ring */
	size_t first, n;
	uint64_t n_dropped;
	unsigned n_unanswered; /* refusals that are not waited for */
};

/* Answers that came too late for await_warden(), or the end. */
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

/* The audit has to say that it is not whole. */
static void tell_dropped(struct report *report)
{
	struct proxymsg msg = { .type = PROXYMSG_LOST, .bytes_out = report->n_dropped };

	if (report->n_dropped > 0 && send_one(report->sock, &msg))
		report->n_dropped = 0;
}

static void flush(struct report *report)
{
	while (report->n > 0 && send_one(report->sock, &report->queue[report->first])) {
		report->first = (report->first + 1) % QUEUE_MAX;
		report->n--;
	}
	if (report->n == 0) {
		/* From the front again: the rest of the ring stays untouched memory. */
		report->first = 0;
		tell_dropped(report);
	}
	if (report->n > 0 || report->n_dropped > 0)
		(void)event_add(report->writable, NULL);
}

static void on_due(evutil_socket_t sock, short what, void *arg)
{
	(void)sock;
	(void)what;
	flush(arg);
}

/*
 * The warden answers a refusal with one byte when it has told the command. Only then is the
 * connection reset: else the command may be gone before it could be found, and with it the one line
 * that says why. A warden that is busy or stopped is not waited for a second time in a while.
 */
static void await_warden(struct report *report)
{
	struct pollfd p = { .fd = report->sock, .events = POLLIN };
	char byte;

	if (report->n_unanswered > 0) {
		report->n_unanswered--;
		return;
	}
	if (poll(&p, 1, ANSWER_TIMEOUT_MS) != 1 || recv(report->sock, &byte, 1, MSG_DONTWAIT) != 1)
		report->n_unanswered = UNANSWERED_SKIP;
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
	report->writable = event_new(base, sock, EV_WRITE, on_due, report);
	report->later = event_new(base, -1, 0, on_due, report);
	if (report->queue == NULL || report->readable == NULL || report->writable == NULL ||
		report->later == NULL || event_add(report->readable, NULL) < 0) {
		report_free(report);
		return NULL;
	}
	return report;
}

void report_free(struct report *report)
{
	if (report == NULL)
		return;
	if (report->queue != NULL)
		flush(report);
	if (report->readable != NULL)
		event_free(report->readable);
	if (report->writable != NULL)
		event_free(report->writable);
	if (report->later != NULL)
		event_free(report->later);
	free(report->queue);
	free(report);
}

/* The warden looks for the command at once: it may be gone soon. */
static bool is_urgent(const struct proxymsg *msg)
{
	return msg->type != PROXYMSG_CLOSED && (msg->type != PROXYMSG_REQUEST || msg->is_denied);
}

static void put_in_queue(struct report *report, const struct proxymsg *msg)
{
	if (report->n == QUEUE_MAX)
		report->n_dropped++;
	else
		report->queue[(report->first + report->n++) % QUEUE_MAX] = *msg;
}

void report_send(struct report *report, const struct proxymsg *msg)
{
	const struct timeval when = { .tv_usec = LATER_MS * 1000 };

	if (!is_urgent(msg)) {
		put_in_queue(report, msg);
		if (report->n >= BATCH)
			flush(report);
		else if (report->n == 1)
			(void)event_add(report->later, &when);
		return;
	}
	flush(report);
	if (report->n > 0 || report->n_dropped > 0 || !send_one(report->sock, msg)) {
		put_in_queue(report, msg);
		(void)event_add(report->writable, NULL);
	} else if (proxymsg_is_denial(msg)) {
		await_warden(report);
	}
}
