/*
 * Telling the warden what was decided, for the audit. What cannot be sent is dropped; after a
 * refusal it waits some milliseconds at the most until the warden has told the command.
 */
#ifndef PROXY_REPORT_H
#define PROXY_REPORT_H

#include "wire/proxymsg.h"

struct event_base;
struct report;

/* sock: SOCK_SEQPACKET of the warden, borrowed. When it closes, base's loop ends. NULL: no memory.
 */
struct report *report_new(struct event_base *base, int sock);
void report_free(struct report *report);

/*
 * Ends of connections and requests that were allowed go some milliseconds later, many at a time;
 * the order stays.
 */
void report_send(struct report *report, const struct proxymsg *msg);

#endif
