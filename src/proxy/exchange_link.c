/*
 * The channels of a client connection. Runs in the proxy; hostile input: a keeper that parses what
 * a hostile server sends. Each channel carries one exchange after the other.
 */
#include "proxy/exchange_private.h"

#include "base/cleanup.h"

/* Rationale: half a megabyte for one channel, then the others have their turn. */
#define TURN_MESSAGES 32

struct exchange_link *exchange_link_find(struct exchange_peer *peer, size_t rule)
{
	for (struct exchange_link *l = peer->links; l != NULL; l = l->next) {
		if (l->rule == rule && l->x == NULL)
			return l;
	}
	return NULL;
}

static void unlink_from_peer(struct exchange_link *link)
{
	struct exchange_link **at = &link->peer->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	link->peer->n_links--;
}

static void shut(struct exchange_link *link)
{
	unlink_from_peer(link);
	(void)event_del(&link->event);
	(void)event_del(&link->writable);
	cleanup_close(&link->fd);
	if (link->x != NULL)
		link->x->link = NULL;
	link->x = NULL;
	link->is_dead = true;
}

void exchange_link_close(struct exchange_link *link)
{
	if (link == NULL || link->is_dead)
		return;
	shut(link);
	if (!link->is_busy)
		free(link);
}

void exchange_link_wake(struct exchange_link *link)
{
	event_active(&link->event, EV_READ, 0);
}

void exchange_link_wait(struct exchange_link *link)
{
	(void)event_add(&link->writable, NULL);
}

static void lost(struct exchange_link *link, const char *reason)
{
	struct exchange *x = link->x;

	shut(link);
	if (x != NULL)
		exchange_lost_channel(x, reason);
}

/* One message; false: none is to be had or wanted now. Behind END nothing is until the next head.
 */
static bool step(struct exchange_link *link)
{
	struct keep_message message;
	int r;

	if (link->x != NULL && !link->x->is_reading)
		return false;
	r = keep_recv(link->fd, &message);
	if (r == -EAGAIN)
		return false;
	if (r == 1 && link->x != NULL) {
		exchange_take_message(link->x, &message);
		return message.type != KEEPMSG_END;
	}
	/* An idle channel has nothing to say but that it ends. */
	lost(link, r == -EPROTO ? "the keeper sent what it may not" : "the keeper is gone");
	return false;
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct exchange_link *link = arg;
	bool more = (what & EV_READ) != 0;

	(void)fd;
	link->is_busy = true;
	if ((what & EV_WRITE) != 0 && link->x != NULL)
		exchange_can_send(link->x);
	for (int i = 0; more && i < TURN_MESSAGES && !link->is_dead; i++)
		more = step(link);
	link->is_busy = false;
	if (link->is_dead)
		free(link);
	else if (more)
		exchange_link_wake(link);
}

struct exchange_link *exchange_link_new(struct exchange_peer *peer, size_t rule, int fd)
{
	struct exchange_link *link = calloc(1, sizeof(*link));

	if (link == NULL) {
		cleanup_close(&fd);
		return NULL;
	}
	link->peer = peer;
	link->rule = rule;
	link->fd = fd;
	link->next = peer->links;
	peer->links = link;
	peer->n_links++;
	(void)event_assign(
		&link->event, peer->proxy->base, fd, EV_READ | EV_ET | EV_PERSIST, on_event, link);
	(void)event_assign(
		&link->writable, peer->proxy->base, fd, EV_WRITE | EV_ET, on_event, link);
	if (event_add(&link->event, NULL) < 0) {
		exchange_link_close(link);
		return NULL;
	}
	return link;
}
