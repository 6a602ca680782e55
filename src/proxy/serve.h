/* The listeners of the cell: accepting, and finding out who wants to go where. */
#ifndef PROXY_SERVE_H
#define PROXY_SERVE_H

#include "proxy/proxy.h"

/* Rationale: what wire/proxymsg.h lists, and two for each of 16 localhost ports. */
#define SERVE_LISTENERS_MAX 48u

enum serve_kind { SERVE_TRANSPARENT, SERVE_PROXY, SERVE_LOCALHOST };

struct serve *serve_new(struct proxy *proxy);
void serve_free(struct serve *serve);

/* Serves one listening socket, which must be non-blocking; borrowed. 0 or -errno. */
int serve_add(struct serve *serve, int fd, enum serve_kind kind);

/* A connection has ended: accepting goes on if it was paused. */
void serve_resume(struct serve *serve);

#endif
