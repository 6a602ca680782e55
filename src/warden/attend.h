/*
 * `agentjail run`: this process is the front end of one command in the cell, as the shim is of an
 * agent's commands; the same code (shim/attach.c) does it.
 */
#ifndef WARDEN_ATTEND_H
#define WARDEN_ATTEND_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct attend;
struct pollfd;
struct warden;

#define ATTEND_POLLFDS 5

/* Finds the command as the cell sees it and sends it there. 0 or -errno with err (ENOENT, EACCES). */
int attend_start(struct warden *w, struct err *err);
int attend_pollfds(struct attend *a, struct pollfd *fds); /* timeout in ms, -1: none */
bool attend_dispatch(struct attend *a, const struct pollfd *fds); /* true: it has ended */
void attend_signal(struct attend *a, int sig, int code, uint32_t pid);
int attend_status(const struct attend *a); /* how it ended, as a wait status */
_Noreturn int attend_mirror(struct attend *a); /* ends as the command did */

#endif
