/* Messages of the proxy on a channel: checked, and turned into what the host gets. */
#ifndef KEEPER_REQUEST_H
#define KEEPER_REQUEST_H

#include "keeper/channel.h"

/* Room that request_take() wants before and behind a message, for framing in place. */
#define REQUEST_ROOM_BEFORE H1_ROOM_BEFORE
#define REQUEST_ROOM_BEHIND H1_ROOM_BEHIND

/* A message that came. What is wrong with it is told by channel_fail(). */
void request_take(struct channel *channel, char *message, size_t n);

/* The connection is ready for the request that was held. */
void request_start_held(struct channel *channel);

/* Forgets what was read of a body that is signed. */
void request_drop_body(struct channel *channel);

/* May another message be taken now? */
bool request_has_room(const struct channel *channel);

#endif
