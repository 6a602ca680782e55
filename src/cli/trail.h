/*
 * One session's audit file, read line by line: JSON lines, each with the SHA-256 of the one before
 * (warden/audit.h writes them). A session that runs holds a lock on its file (fcntl(2)).
 */
#ifndef CLI_TRAIL_H
#define CLI_TRAIL_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"
#include "cli/record.h"

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* Rationale: an argv is cut at 8 KiB, six times that as JSON; the largest record lists masks. */
#define TRAIL_LINE_MAX (8u * 1024 * 1024)

#define TRAIL_ID_BYTES 64

struct trail {
	int fd;
	char *path;
	char id[TRAIL_ID_BYTES]; /* the file's name without its end */
	struct buf text;
	size_t at; /* in text: what was not handed out yet */
	unsigned line; /* number of the line handed out last, from 1 */
	char prev[SHA256_HEX_BYTES]; /* hash of that line */
	bool is_partial; /* at the end of the file stands a line without its end */
};

/* path is copied. 0 or -errno with err; trail_done() in both cases. */
int trail_open(struct trail *ret, const char *path, struct err *err);
void trail_done(struct trail *t);

#define AUTO_TRAIL __attribute__((cleanup(trail_done)))

/*
 * The next whole line, without its line end; it lives until the next call. 1; 0: there is none (now);
 * -errno with err.
 */
int trail_next(struct trail *t, const char **ret, size_t *ret_n, struct err *err);

/* The same, parsed. A line that is no record is -EINVAL with err naming file and line. */
int trail_record(struct trail *t, struct record *ret, struct err *err);

/* Back to the first line. */
int trail_rewind(struct trail *t, struct err *err);

/*
 * Checks that each line follows the one before. *ret_n: records that do. 0; -EINVAL with err saying
 * what is wrong with the first bad one; other -errno with err.
 */
int trail_verify(struct trail *t, unsigned *ret_n, struct err *err);

/* Is its session running? *ret_pid: the warden's, 0 when it is of another pid namespace. */
bool trail_is_running(const struct trail *t, pid_t *ret_pid);

/* "2026-01-31T23:59:59.123Z" of a record in milliseconds since 1970; false: it is none. */
bool trail_time(const char *text, int64_t *ret_ms);

#endif
