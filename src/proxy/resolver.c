/*
 * Look-ups. Runs in the proxy; hostile input: the answers of name servers (parsed by c-ares), and
 * how often an allowed name is asked for.
 */
#include "proxy/resolver.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <ares.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: names in use at once; each has at most one query under way. */
#define NAMES_MAX 256u
/* Rationale: c-ares has two sockets for each server, and resolv.conf has three at most. */
#define SOCKETS_MAX 32u

/*
 * Rationale: a burst of connections asks once, also for a name of /etc/hosts or one that must not be
 * kept (0 seconds); a changed address is seen within half a minute.
 */
#define KEEP_MIN_S 1
#define KEEP_MAX_S 30
#define TIMEOUT_MS 2000
#define TRIES 3
#define RESOLV_CONF "/etc/resolv.conf"

struct resolver_name {
	TAILQ_ENTRY(resolver_name) links; /* newest first */
	TAILQ_HEAD(resolver_waiters, resolver_waiter) waiters;
	struct resolver *resolver;
	char name[TARGET_HOST_BYTES];
	struct resolver_result result;
	bool is_pending;
	time_t until; /* of the monotonic clock */
};

struct resolver_socket {
	struct resolver *resolver;
	struct event *event; /* NULL: free */
	ares_socket_t fd;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	bool has_channel;
	struct event *timer, *deliver;
	struct stat conf; /* RESOLV_CONF when the channel was made */
	struct resolver_socket sockets[SOCKETS_MAX];
	TAILQ_HEAD(resolver_names, resolver_name) names;
	size_t n_names, n_pending;
};

/* ---- c-ares in the event loop ---- */

static void arm_timer(struct resolver *r)
{
	struct timeval tv;

	if (ares_timeout(r->channel, NULL, &tv) != NULL)
		(void)event_add(r->timer, &tv);
	else
		(void)event_del(r->timer);
}

static void on_socket(evutil_socket_t fd, short what, void *arg)
{
	struct resolver_socket *s = arg;
	struct resolver *r = s->resolver;

	ares_process_fd(r->channel, (what & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
		(what & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
	arm_timer(r);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;

	(void)fd;
	(void)what;
	ares_process_fd(r->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	arm_timer(r);
}

/* c-ares says which of its sockets it waits for. */
static void on_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct resolver *r = arg;
	struct resolver_socket *s = NULL;
	short what = (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		if (r->sockets[i].event != NULL && r->sockets[i].fd == fd)
			s = &r->sockets[i];
	}
	for (size_t i = 0; i < SOCKETS_MAX && s == NULL; i++) {
		if (r->sockets[i].event == NULL)
			s = &r->sockets[i];
	}
	if (s == NULL)
		return; /* its query ends by time-out */
	if (s->event != NULL)
		event_free(s->event);
	*s = (struct resolver_socket){ .resolver = r, .fd = fd };
	if (what == 0)
		return;
	s->event = event_new(r->base, fd, (short)(what | EV_PERSIST), on_socket, s);
	if (s->event != NULL)
		(void)event_add(s->event, NULL);
}

static void close_channel(struct resolver *r)
{
	if (r->has_channel)
		ares_destroy(r->channel);
	r->has_channel = false;
	for (size_t i = 0; i < SOCKETS_MAX; i++) {
		if (r->sockets[i].event != NULL)
			event_free(r->sockets[i].event);
		r->sockets[i].event = NULL;
	}
}

static bool open_channel(struct resolver *r)
{
	/* No search list: a name that was allowed must not become another one, longer by a domain.
	 */
	struct ares_options options = { .timeout = TIMEOUT_MS,
		.tries = TRIES,
		.domains = NULL,
		.ndomains = 0,
		.sock_state_cb = on_state,
		.sock_state_cb_data = r };
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB;

	if (stat(RESOLV_CONF, &r->conf) < 0)
		memset(&r->conf, 0, sizeof(r->conf));
	r->has_channel = ares_init_options(&r->channel, &options, mask) == ARES_SUCCESS;
	return r->has_channel;
}

static bool is_conf_changed(const struct resolver *r)
{
	struct stat now;

	return stat(RESOLV_CONF, &now) == 0 &&
	       (now.st_ino != r->conf.st_ino || now.st_mtim.tv_sec != r->conf.st_mtim.tv_sec ||
		       now.st_mtim.tv_nsec != r->conf.st_mtim.tv_nsec);
}

/* A laptop changes its network: other servers from now on. */
static bool refresh_channel(struct resolver *r)
{
	if (r->has_channel && (r->n_pending > 0 || !is_conf_changed(r)))
		return true;
	close_channel(r);
	return open_channel(r);
}

/* ---- answers ---- */

static void add_addresses(
	struct resolver_result *result, const struct ares_addrinfo *info, int family)
{
	for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
		const void *address;

		if (n->ai_family != family || result->n == RESOLVER_ADDRESSES_MAX)
			continue;
		address = family == AF_INET
				  ? (const void *)&(
					    (const struct sockaddr_in *)(const void *)n->ai_addr)
					    ->sin_addr
				  : (const void *)&(
					    (const struct sockaddr_in6 *)(const void *)n->ai_addr)
					    ->sin6_addr;
		target_from_address(family, address, 0, &result->addresses[result->n++]);
	}
}

static time_t keep_s(const struct ares_addrinfo *info)
{
	time_t keep = KEEP_MAX_S;

	for (const struct ares_addrinfo_node *n = info->nodes; n != NULL; n = n->ai_next) {
		if (n->ai_ttl < keep)
			keep = n->ai_ttl > KEEP_MIN_S ? n->ai_ttl : KEEP_MIN_S;
	}
	return keep;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
	struct resolver_name *name = arg;
	struct resolver *r = name->resolver;

	(void)timeouts;
	name->is_pending = false;
	r->n_pending--;
	name->until = clock_s();
	name->result = (struct resolver_result){ .why = ares_strerror(status) };
	if (info != NULL) {
		add_addresses(&name->result, info, AF_INET);
		add_addresses(&name->result, info, AF_INET6);
		name->until += keep_s(info);
		ares_freeaddrinfo(info);
	}
	if (status != ARES_EDESTRUCTION)
		event_active(r->deliver, 0, 0);
}

/* Always from the event loop: a waiter may be freed by what it is told. */
static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
	struct resolver *r = arg;
	struct resolver_name *name = TAILQ_FIRST(&r->names);

	(void)fd;
	(void)what;
	while (name != NULL) {
		struct resolver_waiter *w = name->is_pending ? NULL : TAILQ_FIRST(&name->waiters);

		if (w == NULL) {
			name = TAILQ_NEXT(name, links);
			continue;
		}
		TAILQ_REMOVE(&name->waiters, w, links);
		w->name = NULL;
		w->done(w->arg, &name->result);
		name = TAILQ_FIRST(&r->names); /* the list may have changed */
	}
}

/* ---- the table ---- */

static void drop_name(struct resolver *r, struct resolver_name *name)
{
	TAILQ_REMOVE(&r->names, name, links);
	r->n_names--;
	free(name);
}

static bool make_room(struct resolver *r)
{
	struct resolver_name *name;

	if (r->n_names < NAMES_MAX)
		return true;
	TAILQ_FOREACH_REVERSE(name, &r->names, resolver_names, links)
	{
		if (!name->is_pending && TAILQ_EMPTY(&name->waiters)) {
			drop_name(r, name);
			return true;
		}
	}
	return false;
}

static struct resolver_name *find(struct resolver *r, const char *text)
{
	struct resolver_name *name;

	TAILQ_FOREACH(name, &r->names, links)
	{
		if (strcmp(name->name, text) == 0)
			return name;
	}
	return NULL;
}

static struct resolver_name *add(struct resolver *r, const char *text)
{
	struct resolver_name *name;

	if (!make_room(r))
		return NULL;
	name = calloc(1, sizeof(*name));
	if (name == NULL)
		return NULL;
	name->resolver = r;
	TAILQ_INIT(&name->waiters);
	memcpy(name->name, text, strlen(text) + 1);
	TAILQ_INSERT_HEAD(&r->names, name, links);
	r->n_names++;
	return name;
}

static void query(struct resolver *r, struct resolver_name *name)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM
	};

	name->is_pending = true;
	r->n_pending++;
	ares_getaddrinfo(r->channel, name->name, NULL, &hints, on_answer, name);
	arm_timer(r);
}

bool resolver_lookup(struct resolver *r, const char *text, struct resolver_waiter *waiter)
{
	struct resolver_name *name = find(r, text);

	if (name == NULL)
		name = add(r, text);
	if (name == NULL)
		return false;
	if (!name->is_pending && name->until <= clock_s()) {
		if (!refresh_channel(r))
			return false;
		query(r, name);
	}
	waiter->name = name;
	TAILQ_INSERT_TAIL(&name->waiters, waiter, links);
	if (!name->is_pending)
		event_active(r->deliver, 0, 0);
	return true;
}

void resolver_cancel(struct resolver_waiter *waiter)
{
	if (waiter->name != NULL)
		TAILQ_REMOVE(&waiter->name->waiters, waiter, links);
	waiter->name = NULL;
}

struct resolver *resolver_new(struct event_base *base)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->base = base;
	TAILQ_INIT(&r->names);
	r->timer = event_new(base, -1, 0, on_timer, r);
	r->deliver = event_new(base, -1, 0, on_deliver, r);
	if (r->timer == NULL || r->deliver == NULL ||
		ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || !open_channel(r)) {
		resolver_free(r);
		return NULL;
	}
	return r;
}

void resolver_free(struct resolver *r)
{
	if (r == NULL)
		return;
	close_channel(r);
	while (!TAILQ_EMPTY(&r->names))
		drop_name(r, TAILQ_FIRST(&r->names));
	if (r->timer != NULL)
		event_free(r->timer);
	if (r->deliver != NULL)
		event_free(r->deliver);
	free(r);
	ares_library_cleanup();
}
