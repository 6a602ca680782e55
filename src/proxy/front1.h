/* HTTP/1 towards the cell, for hosts with rules: requests to exchanges, responses written anew. */
#ifndef PROXY_FRONT1_H
#define PROXY_FRONT1_H

#include "proxy/stream.h"

extern const struct stream_front front1;

#endif
