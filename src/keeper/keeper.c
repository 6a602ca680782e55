/*
 * A keeper: one process a rule, with the user's identity, no capability and next to no system call.
 * It alone has the rule's values. Hostile: the proxy's messages, the servers' bytes.
 */
#include "keeper/keeper.h"

#include "base/cleanup.h"
#include "keeper/channel.h"
#include "keeper/cage.h"
#include "keeper/tls.h"
#include "wire/fdpass.h"

#include <poll.h>
#include <sys/socket.h>

/*
 * Rationale: what runs when a value expires is let to its end, as it was sent to the host already;
 * models answer for minutes.
 */
#define LAST_WORDS_S 120

/* ---- preparing ---- */

static int read_secrets(struct keeper *keeper, const struct keeper_start *start, struct err *err)
{
	int r = secret_open(&keeper->secrets, err);

	for (unsigned i = 0; i < KEEPMSG_SLOT_COUNT && r == 0; i++) {
		AUTO_CLOSE int fd = start->secrets[i];

		if (fd >= 0)
			r = secret_read(&keeper->secrets, (enum keepmsg_slot)i, fd, err);
	}
	return r;
}

/* What must not come back from a host. The key of a certificate is never sent to one. */
static size_t list_values(const struct keeper *keeper, struct redact_value *out)
{
	static const enum keepmsg_slot slots[] = { KEEPMSG_SLOT_SECRET, KEEPMSG_SLOT_SESSION };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(slots); i++) {
		const struct keepmsg_text *value = &keeper->secrets.values[slots[i]];

		if (value->at != NULL)
			out[n++] = (struct redact_value){ value->at, value->n };
	}
	return n + inject_rendered(keeper->inject, out + n, REDACT_VALUES_MAX - n);
}

static int prepare_redacting(struct keeper *keeper, struct err *err)
{
	struct redact_value values[REDACT_VALUES_MAX];
	size_t n, bytes;
	void *block;

	if (rules_says(keeper->rule, RULES_REDACT, "no"))
		return 0;
	keeper->reply.decodes = true;
	n = list_values(keeper, values);
	bytes = redact_bytes(values, n);
	block = bytes > 0 ? secret_take(&keeper->secrets, bytes) : NULL;
	if (block == NULL)
		return err_set(err, ENOMEM,
			"no locked memory to look for a long secret; raise `ulimit -l`");
	keeper->reply.redact = redact_make(block, values, n);
	if (keeper->reply.redact != NULL && redact_is_empty(keeper->reply.redact))
		keeper->reply.redact = NULL;
	return 0;
}

static int prepare(struct keeper *keeper, const struct keeper_start *start, struct err *err)
{
	int r = read_secrets(keeper, start, err);

	if (r < 0)
		return r;
	keeper->inject = inject_new(keeper->rule, &keeper->secrets, err);
	if (keeper->inject == NULL)
		return -err->code;
	r = prepare_redacting(keeper, err);
	if (r < 0)
		return r;
	keeper->reply.strips =
		rules_list(keeper->rule, RULES_STRIP_RESPONSE, &keeper->reply.n_strips);
	keeper->reply.limit = &keeper->limit;
	limit_init(&keeper->limit, keeper->rule, start->use);
	keeper->tls = tls_context(keeper->rule, start->roots, &keeper->secrets, err);
	return keeper->tls == NULL ? -err->code : 0;
}

/* ---- serving ---- */

static void close_door(struct keeper *keeper)
{
	if (keeper->door_event != NULL)
		event_free(keeper->door_event);
	keeper->door_event = NULL;
	cleanup_close(&keeper->door);
}

void keeper_channel_gone(struct keeper *keeper)
{
	if (keeper->door < 0 && keeper->n_channels == 0)
		(void)event_base_loopbreak(keeper->base);
}

static void on_door(evutil_socket_t fd, short what, void *arg)
{
	struct keeper *keeper = arg;
	struct keepmsg_open open;
	int fds[2] = { -1, -1 };
	size_t n_fds = 0;
	ssize_t n = fdpass_recv(fd, &open, sizeof(open), fds, ARRAY_LEN(fds), &n_fds);

	(void)what;
	if (n == (ssize_t)sizeof(open) && n_fds == 2) {
		channel_open(keeper, &open, fds[0], fds[1]);
		return;
	}
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	if (n == 0 || (n < 0 && n != -EAGAIN && n != -EMSGSIZE)) {
		close_door(keeper);
		keeper_channel_gone(keeper);
	}
}

/* The first time: no more requests. The second: no more of anything. */
static void on_ttl(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval last = { .tv_sec = LAST_WORDS_S };
	struct keeper *keeper = arg;
	struct channel *next;

	(void)fd;
	(void)what;
	if (keeper->is_expired) {
		(void)event_base_loopbreak(keeper->base);
		return;
	}
	keeper->is_expired = true;
	close_door(keeper);
	for (struct channel *c = keeper->channels; c != NULL; c = next) {
		next = c->next;
		channel_expire(c);
	}
	keeper_channel_gone(keeper);
	(void)event_add(keeper->ttl_event, &last);
}

/*
 * Those that wait for a keeper which cannot begin hear why. Their requests are read first: closed
 * with one in it, a channel would be a reset before the answer (unix(7)).
 */
static void refuse_waiting(const struct keeper *keeper, const char *why)
{
	struct keepmsg_open open;
	struct pollfd p = { .fd = keeper->door, .events = POLLIN };

	while (poll(&p, 1, 0) == 1 && (p.revents & POLLIN) != 0) {
		int fds[2] = { -1, -1 };
		size_t n_fds = 0;
		ssize_t n =
			fdpass_recv(keeper->door, &open, sizeof(open), fds, ARRAY_LEN(fds), &n_fds);

		if (n > 0 && n_fds == ARRAY_LEN(fds)) {
			channel_refuse(fds[0], fds[1], why);
			continue;
		}
		for (size_t i = 0; i < n_fds; i++)
			(void)close(fds[i]);
		if (n <= 0)
			return;
	}
}

static int make_loop(struct keeper *keeper, uint32_t ttl_s, struct err *err)
{
	const struct timeval ttl = { .tv_sec = ttl_s };
	struct event_config *config = event_config_new();

	if (config != NULL && event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV) == 0)
		keeper->base = event_base_new_with_config(config);
	if (config != NULL)
		event_config_free(config);
	if (keeper->base != NULL) {
		keeper->door_event = event_new(
			keeper->base, keeper->door, EV_READ | EV_PERSIST, on_door, keeper);
		keeper->ttl_event = evtimer_new(keeper->base, on_ttl, keeper);
	}
	if (keeper->door_event == NULL || keeper->ttl_event == NULL ||
		event_add(keeper->door_event, NULL) < 0 ||
		(ttl_s > 0 && event_add(keeper->ttl_event, &ttl) < 0))
		return err_set(err, ENOMEM, "event loop");
	return 0;
}

/* Everything goes with the process; values go first. */
static void finish(struct keeper *keeper)
{
	secret_done(&keeper->secrets);
	inject_free(keeper->inject);
}

int keeper_run(struct keeper *keeper, const struct keeper_start *start, struct err *err)
{
	int r;

	*keeper = (struct keeper){ .policy = start->policy,
		.rule = start->rule,
		.door = start->door };
	r = prepare(keeper, start, err);
	if (r == 0)
		r = make_loop(keeper, start->ttl_s, err);
	if (r == 0)
		r = cage_enter(err);
	if (r == 0 && event_base_dispatch(keeper->base) < 0)
		r = err_set(err, 0, "event loop");
	if (r < 0)
		refuse_waiting(keeper, err->text);
	finish(keeper);
	if (r < 0)
		return EXIT_AGENTJAIL;
	return keeper->is_expired ? KEEPMSG_EXIT_EXPIRED : 0;
}
