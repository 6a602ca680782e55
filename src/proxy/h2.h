/* HTTP/2 over one client connection: what struct proxy's h2 points to. */
#ifndef PROXY_H2_H
#define PROXY_H2_H

#include "proxy/stream.h"

extern const struct stream_front h2_front;

#endif
