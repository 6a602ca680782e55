/* Finding the record that a user asks about, and asking the policy the same. */
#ifndef CLI_WHYRECORD_H
#define CLI_WHYRECORD_H

#include "cli/query.h"
#include "cli/record.h"
#include "cli/trail.h"

enum whyrecord_kind { WHY_ID, WHY_PID, WHY_HOST, WHY_FILE };

struct whyrecord_want {
	enum whyrecord_kind kind;
	int64_t number; /* ID, PID */
	char host[254];
	uint16_t port; /* HOST; 0: any */
	char path[4096]; /* FILE, resolved */
};

/* In the order of preference. */
enum whyrecord_rank { WHY_NONE, WHY_OTHER, WHY_DENIAL };

/* Starts as {0}; whyrecord_done(). */
struct whyrecord {
	enum whyrecord_rank rank;
	struct record first; /* the session's own */
	struct record record;
	struct record command; /* the exec of the command whose it was; n is 0: not known */
	char session[TRAIL_ID_BYTES];
	char mode[16];
};

/* What does the word mean? All digits: a number; with a slash or a file's name: FILE; else HOST. */
int whyrecord_want(const char *word, const struct launch *launch, struct whyrecord_want *ret,
	struct err *err);

/* Reads the trail: its last denial that is meant, else its last record. 0 or -errno with err. */
int whyrecord_search(struct trail *t, const struct whyrecord_want *want, struct whyrecord *ret,
	struct err *err);

/* The same question to the policy. 1; 0: there is none to ask; -errno with err. */
int whyrecord_query(const struct whyrecord *w, struct query *ret, struct err *err);

void whyrecord_done(struct whyrecord *w);

#endif
