/* One connection of the cell, from accept to its end. */
#ifndef PROXY_CONN_H
#define PROXY_CONN_H

#include "proxy/dial.h"
#include "proxy/flow.h"
#include "proxy/gate.h"
#include "proxy/proxy.h"
#include "proxy/socks.h"
#include "wire/proxymsg.h"

#include <event2/event.h>
#include <event2/event_struct.h>

/*
 * What may happen in which state:
 *
 *	FRONT		read where the client wants to go: to DIALING or DRAINING
 *	DIALING		read and judge the client's first bytes, hold them: to OPEN or DRAINING
 *	OPEN		both directions: to DRAINING
 *	DRAINING	the server is gone; write the last words, wait for the client's end
 */
enum conn_state { CONN_FRONT, CONN_DIALING, CONN_OPEN, CONN_DRAINING };

struct conn {
	struct proxy *proxy;
	enum conn_state state;
	enum proxymsg_via via;
	struct target target;
	uint32_t held_name; /* synthetic address, or 0 */
	int client, server;
	struct event client_event, server_event, timer;
	bool has_server_event;
	/* May have bytes, since an edge or the beginning: until a read found nothing. */
	bool is_client_readable, is_server_readable;
	unsigned timer_s;  /* what the timer is set to; 0: not set */
	bool is_dead;      /* freed when the event that is being handled is done with */
	bool is_reset;     /* and its ends see a reset */
	bool is_up_broken; /* the server reads no more: what it still sends goes on */
	struct dial *dial;
	struct gate gate;
	struct flow up, down; /* client to server, server to client */
	struct buf front;     /* FRONT: what the client said */
	struct socks socks;
	struct proxymsg msg; /* client's addresses, target: what every report of it says */
	bool is_reported;    /* ALLOWED was said, CLOSED will be */
};

/*
 * A connection whose target is known (transparent, localhost) or will be said by the client
 * (has_target false: explicit proxy).
 */
struct conn_request {
	int client; /* non-blocking; becomes the connection's */
	enum proxymsg_via via;
	bool has_target;
	struct target target;
	uint32_t synthetic;         /* address that the target has in the cell, or 0 */
	const struct proxymsg *msg; /* with both ends' addresses as the cell's socket has them */
};

/* Takes it over. It is gone when it ends; nobody else keeps it. */
void conn_start(struct proxy *proxy, const struct conn_request *request);

/* ---- between conn.c and front.c, the explicit proxy ---- */

/* Reads the client's request from c->front and goes on. */
void front_run(struct conn *c);

/* What the client of an explicit proxy is told, before the server's first byte. */
void front_answer(struct conn *c, enum dial_outcome outcome, const char *reason);

/* c->target is known now: judges and dials; c->front holds what the client sent behind it. */
void conn_dial(struct conn *c);

/*
 * Nothing goes on any more: the client reads `reply` (may be empty) and then the end. reason, for
 * the audit: NULL: it was no refusal.
 */
void conn_refuse(struct conn *c, const char *reason, const void *reply, size_t reply_bytes);

#endif
