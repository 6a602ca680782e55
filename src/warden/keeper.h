/*
 * One rule's keeper as the warden sees it, for the files of this folder that are behind
 * keeperctl.h: keeper.c changes its state, keeper_refuse.c answers in its place.
 */
#ifndef WARDEN_KEEPER_H
#define WARDEN_KEEPER_H

#include "warden/keeperctl.h"
#include "warden/warden.h"

/* Rationale: events and connections of one turn of the loop, so that execs do not wait. */
#define KEEPER_BATCH 16u

/* Rationale: the proxy may read its answer late; as many as wait in a rule's socket at once. */
#define KEEPER_REFUSED 288u

enum keeper_state {
	KEEPER_IDLE,     /* the first connection starts it; before not_before_ms all are refused */
	KEEPER_FETCHING, /* its sources run; connections wait in the socket */
	KEEPER_RUNNING,  /* its keeper reads the socket */
	KEEPER_GONE,     /* for this session; what is still held here is refused */
};

struct keeper {
	const struct rules_rule *rule;
	int ours, theirs; /* the keeper's end and the proxy's; ours -1: given away */
	enum keeper_state state;
	struct source sources[KEEPMSG_SLOT_COUNT];
	uint32_t wanted, fetched; /* bits of slots */
	unsigned n_failures;      /* in a row */
	int64_t not_before_ms;
	int timer;       /* of the ttl while it runs, or -1 */
	uint32_t serial; /* of the one that runs; those before it have expired and may still live */
	unsigned long ttl_s;             /* 0: none */
	char reason[KEEPMSG_REASON_MAX]; /* of the last failure */
};

struct keeperctl {
	int epoll;
	pid_t mother; /* 0: not running */
	int sock;     /* to it; -1 */
	bool is_lost;
	keeperctl_mother *start_mother;
	struct source_shapes *shapes;
	int refused[KEEPER_REFUSED]; /* channels that were answered last; -1 */
	unsigned n_refused;
	struct keeper *keepers;
	size_t n;
};

/* What an event of the epoll is of: a rule's socket or one of its sources, or the mother. */
#define KEEPER_EVENT_SOCKET 15u
#define KEEPER_EVENT_TIMER 14u
#define KEEPER_EVENT_MOTHER UINT64_MAX

/* What an event is of, as a number; slot: enum keepmsg_slot or KEEPER_EVENT_*. */
uint64_t keeper_event(const struct keeperctl *k, const struct keeper *keeper, unsigned slot);
int keeper_watch(struct keeperctl *k, int fd, uint64_t event); /* 0 or -errno */
void keeper_unwatch(struct keeperctl *k, int fd);              /* -1 is fine */

/* ---- keeper.c ---- */

/* A connection waits at the rule's socket: it is served, refused, or starts to fetch. */
void keeper_connection(struct warden *w, struct keeperctl *k, struct keeper *keeper);

/* The source of a slot has ended. */
void keeper_source_came(
	struct warden *w, struct keeperctl *k, struct keeper *keeper, unsigned slot);

/* What the mother says of its end. */
void keeper_ended(struct warden *w, struct keeperctl *k, struct keeper *keeper,
	const struct keepmsg_ended *msg);

/* Its ttl is over. It may work on what it has; what comes from now on is for another one. */
void keeper_expired(struct warden *w, struct keeperctl *k, struct keeper *keeper);

/* For the rest of the session: what was given away went with the mother, the rest is refused. */
void keeper_gone(struct warden *w, struct keeperctl *k, struct keeper *keeper, const char *why);
void keeper_stop_sources(struct warden *w, struct keeperctl *k, struct keeper *keeper);

/* ---- keeper_refuse.c ---- */

/* Answers what waits at the socket with 502 and keeper->reason. */
void keeper_refuse_waiting(struct keeperctl *k, const struct keeper *keeper);

/* ---- keeperctl.c ---- */

/* Starts the mother if there is none. 0 or -errno with err. */
int keeperctl_need_mother(struct warden *w, struct keeperctl *k, struct err *err);

#endif
