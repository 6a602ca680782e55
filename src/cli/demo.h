/* Parts of `agentjail demo`: one attack, played in a throwaway home. Nothing in it is real. */
#ifndef CLI_DEMO_H
#define CLI_DEMO_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* What there is to be taken: random words, new for each run. */
enum demo_word {
	DEMO_SSH, /* in ~/.ssh */
	DEMO_AWS, /* in ~/.aws */
	DEMO_DOTENV, /* in the project's .env */
	DEMO_TOKEN, /* of a service that the work needs */
	DEMO_KEY, /* the agent's, in its environment */
	DEMO_LOGIN, /* the agent's, in its own file */
	DEMO_WORD_COUNT
};

#define DEMO_WORD_BYTES 40
/* Rationale: what the attack sends and prints is under a kilobyte; more is cut. */
#define DEMO_TEXT_MAX (256u << 10)

struct demo_words {
	char text[DEMO_WORD_COUNT][DEMO_WORD_BYTES];
};

/*
 * The internet of the demo (demo_net.c): one socket on loopback that is a parent proxy, and all
 * hosts behind it. Nothing is passed on.
 */
struct demo_net {
	int listener; /* -1: none */
	uint16_t port;
	const char *token; /* the service's, borrowed */
	bool was_read, was_deleted; /* the service was asked so with its token */
	bool was_reached; /* the evil host */
	struct buf sent; /* to the evil host */
};

/* What the attack says when it has tried all of it. */
#define DEMO_END "attack: all tried"

#define DEMO_SERVICE "api.demo.test"
#define DEMO_EVIL "evil.demo.test"

/* 0, or -errno with err; demo_net_done() in both cases. */
int demo_net_open(struct demo_net *net, const char *token, struct err *err);
void demo_net_serve(struct demo_net *net); /* one connection, for some seconds at most */
void demo_net_done(struct demo_net *net);

/* A home with a project in it, below a new directory of the temporary ones (demo_stage.c). */
struct demo_stage {
	char *dir, *home, *project;
};

struct demo_words_and_places {
	const struct demo_words *words;
	const char *self; /* this program's file */
	uint16_t port; /* of the demo's internet */
};

/* Makes and fills it. 0, or -errno with err; demo_stage_done(), which removes it, in both cases. */
int demo_stage_make(const struct demo_words_and_places *facts, struct demo_stage *ret,
	struct err *err);
void demo_stage_done(struct demo_stage *stage);

/* Is there a file of that name in the home, and (text not NULL) does it have the text in it? */
bool demo_stage_has(const struct demo_stage *stage, const char *name, const char *text);

/* One of the five architectures. */
struct demo_way {
	const char *name; /* in --json */
	const char *head[2]; /* of its column */
	const char *mode, *profile;
	bool gives_token; /* without rules a command that needs the token has to have it */
};

/* One run of the agent: what is left of it. */
struct demo_run {
	const struct demo_way *way;
	struct demo_words words;
	struct demo_net net;
	struct demo_stage stage;
	struct buf said, errors; /* the agent's stdout and stderr, with those of what it started */
};

/*
 * Plays it once, in a home of its own (demo_run.c). 0, or -errno with err: also when the attack did
 * not come to its end, so that a measure of it says nothing, and -EINTR after a signal that is to
 * end this process. demo_run_done() in all cases. self: this program's file.
 */
int demo_run(const struct demo_way *way, const char *self, struct demo_run *ret, struct err *err);
void demo_run_done(struct demo_run *run);

/*
 * Signals that would end this process are kept from now on, so that nothing is left behind;
 * demo_run_raise() then ends it as the signal would have, if one came.
 */
void demo_run_hold_signals(void);
void demo_run_raise(void);

/*
 * `@demo-call METHOD URL`: the client of the demo's scripts, which cannot count on curl (demo_call.c).
 * Plain HTTP, through http_proxy if that is set; POST sends what is on stdin, DEMO_TOKEN goes along.
 * Returns 0 for an answer of 2xx, else 1.
 */
int demo_call_main(int argc, char **argv);

#endif
