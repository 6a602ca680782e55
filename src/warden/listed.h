/*
 * What a session changed of files that are not held, and that somebody runs or believes later: builds,
 * the servers' jobs, agents' instructions (policy/heldrisk.h). Nothing stops it; it is said.
 */
#ifndef WARDEN_LISTED_H
#define WARDEN_LISTED_H

struct warden;

/*
 * Notes what is there before the session's first command, once: a stat(2) each, nothing is read. No
 * failure of it is one of the session's.
 */
void listed_begin(struct warden *w);

/*
 * The session is over: what has changed since goes into the audit, and for an agent's session one line to
 * the user. Should: be called while the audit is open. NULL-safe before listed_begin().
 */
void listed_end(struct warden *w);

#endif
