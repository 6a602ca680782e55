/*
 * Masks of names that appear during a session: the warden's end of the helpers (src/helper), and
 * the rule that a command starts after all that came before it is masked.
 */
#ifndef WARDEN_MASKS_H
#define WARDEN_MASKS_H

#include "policy/roles.h"

#include <stdbool.h>
#include <stdint.h>

struct warden;

struct masks {
	struct walk_watcher watcher;
	struct watch *watch; /* NULL: no cell is being made or there */
	struct helper cell, agent; /* sock -1 and pid 0: none */
	pid_t ended; /* a cell's helper that was killed and not waited for; 0: none */
	uint32_t sent, done, wanted; /* numbers of barriers */
	int64_t sent_ms; /* when the last one was sent */
	char *for_agent; /* enum helpmsg_mask in a byte and a path, NUL-terminated, until the agent's helper is there */
	size_t for_agent_bytes;
};

#define MASKS_NONE { .cell.sock = -1, .agent.sock = -1 }

/* Begins to watch, for the plan that is made next. 0 or -errno with err. */
int masks_begin(struct warden *w, struct err *err);

/* Forks the cell's helper: the plan is complete. Then, when the cell is ready, lets it in. */
int masks_start(struct warden *w, struct err *err);
int masks_enter(struct warden *w, struct err *err);

/* The agent's: fds (enum helper_fd) are taken. */
int masks_enter_agent(struct warden *w, int *fds, struct err *err);

/* One more cell that is a copy of the view: its listener, which is taken. */
void masks_listen(struct warden *w, int listener);

/* The cell's helper ends. */
void masks_stop(struct warden *w);

/* This process ends, and both helpers with it. */
void masks_done(struct warden *w);

/*
 * What a command that came now has to wait for: it may start when masks_is_done() of that number.
 * masks_wait() waits here, for the one command of `run`: 0, or -errno with err.
 */
uint32_t masks_barrier(struct warden *w);
bool masks_is_done(const struct warden *w, uint32_t barrier);
int masks_wait(struct warden *w, uint32_t barrier, struct err *err);

/* The end: what commands wrote to held files has reached the store. */
void masks_settle(struct warden *w);

/* A message of the cell's helper (agent: of the other) is there; the time may be up for one. */
void masks_read(struct warden *w, bool agent);
int masks_timeout_ms(const struct warden *w); /* for poll(2): -1 without a barrier */
void masks_check_time(struct warden *w);

#endif
