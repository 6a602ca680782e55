/* One connection to a host with the channel of the proxy that uses it. */
#ifndef KEEPER_CHANNEL_H
#define KEEPER_CHANNEL_H

#include "keeper/h1.h"
#include "keeper/h2.h"
#include "keeper/keeper.h"
#include "keeper/link.h"
#include "keeper/out.h"
#include "keeper/reply.h"

enum channel_state {
	CHANNEL_NEW,       /* no request yet */
	CHANNEL_HANDSHAKE, /* the first request waits for TLS */
	CHANNEL_IDLE,      /* between two exchanges */
	CHANNEL_GATHERING, /* a body is read whole because its hash is signed */
	CHANNEL_BUSY,      /* an exchange */
	CHANNEL_ANSWERED,  /* only the word that the request's body is over is missing */
	CHANNEL_ENDED,     /* everything was said; waits until the proxy closes */
};

struct channel {
	struct channel *next, *previous;
	struct keeper *keeper;
	int fd;
	struct out out;
	struct link link;
	char host[254];
	char authority[254 + 6]; /* Host: with the port when it is not the usual one */
	uint16_t port;
	bool is_plain;
	enum channel_state state;
	bool is_h2;
	struct h1 h1;
	struct h2 h2;
	struct reply reply;
	struct buf held; /* a request's message that cannot be sent on yet */
	struct buf body; /* GATHERING */
	/* of the request that is being sent */
	enum keepmsg_framing framing;
	uint64_t left;
	bool is_body_over;
	bool is_shut; /* the proxy has ended an upgraded connection */
	unsigned watched; /* enum watch, in channel.c */
	struct event *events[5];
	struct event *timer;
	struct event *again; /* reading goes on after the others had their turn */
};

/*
 * A channel for what the proxy asks for; takes both descriptors, also when it refuses (then it says
 * so on the channel).
 */
void channel_open(struct keeper *keeper, const struct keepmsg_open *open, int fd, int server);

/* Answers 502 on a channel that is not opened; what it brought is read, so that it is no reset. */
void channel_refuse(int fd, int server, const char *why);
void channel_free(struct channel *channel);

/* The keeper has expired: a channel without exchange goes at once. */
void channel_expire(struct channel *channel);

/* ---- for request.c ---- */

/* No answer will come, or no more of it. */
void channel_fail(struct channel *channel, unsigned status, const char *reason);
void channel_enter(struct channel *channel, enum channel_state state);

/* ANSWERED: now it has come. */
void channel_end_exchange(struct channel *channel);

/* The server's name in front of why. */
void channel_fail_server(struct channel *channel, const char *why);

#endif
