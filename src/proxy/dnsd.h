/* Serves names to the cell over UDP and TCP (RFC 7766); the answers are dns.c's. */
#ifndef PROXY_DNSD_H
#define PROXY_DNSD_H

#include "proxy/proxy.h"

/* Rationale: a resolver asks over TCP when it was told to (dig +tcp); connections are short. */
#define DNSD_CONNECTIONS_MAX 64u
#define DNSD_TIMEOUT_S 10

struct dnsd *dnsd_new(struct proxy *proxy);
void dnsd_free(struct dnsd *dnsd);

/* A bound datagram socket, or a listening one; non-blocking, borrowed. 0 or -errno. */
int dnsd_add_udp(struct dnsd *dnsd, int fd);
int dnsd_add_tcp(struct dnsd *dnsd, int fd);

#endif
