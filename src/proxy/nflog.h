/* Packets to literal addresses that the cell's rules refused: for the audit alone. */
#ifndef PROXY_NFLOG_H
#define PROXY_NFLOG_H

#include "proxy/proxy.h"

#include <stdbool.h>

/* Rationale: a port scan must not fill the audit; a program that retries is heard soon enough. */
#define NFLOG_REPORTS_A_SECOND 20u

struct proxymsg;
struct nflog;

/* sock: bound to the group already, non-blocking, borrowed. NULL: no memory. */
struct nflog *nflog_new(struct proxy *proxy, int sock);
void nflog_free(struct nflog *nflog);

/*
 * Reads one packet, which starts with its IP header: false when it is not worth a report (no new
 * TCP connection, no UDP, to a multicast group, cut off). Pure. Fills host, ports and addresses.
 */
bool nflog_read_packet(const uint8_t *packet, size_t n, struct proxymsg *ret);

#endif
