/*
 * The audit: JSON lines, one file a session, each line holding the SHA-256 of the line before it.
 * No secret and no environment value is ever written.
 */
#ifndef WARDEN_AUDIT_H
#define WARDEN_AUDIT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"

#include <stdbool.h>
#include <stdint.h>

struct audit {
	int fd;
	uint64_t seq;
	char prev[SHA256_HEX_BYTES];
	char session[48];
	char *path;
	bool has_failed; /* a line could not be written: told once, and in the next that can */
	uint64_t lost;
};

/* Creates the session's file below dir (made with mode 0700), mode 0600. 0 or -errno with err. */
int audit_open(struct audit *a, const char *dir, struct err *err);
void audit_done(struct audit *a);

/*
 * One record: audit_begin() starts it, audit_string() and audit_number() add members, audit_end()
 * chains and writes it. Returns the record's number: what `agentjail why` takes.
 */
struct audit_record {
	struct audit *audit;
	struct buf line;
	uint64_t seq;
};

void audit_begin(struct audit *a, struct audit_record *r, const char *event);
void audit_string(struct audit_record *r, const char *key, const char *value);
void audit_bytes(struct audit_record *r, const char *key, const char *value, size_t n);
void audit_number(struct audit_record *r, const char *key, int64_t value);
/* n strings one after the other, each with its NUL, as an array. */
void audit_strings(struct audit_record *r, const char *key, const char *strings, size_t n);
uint64_t audit_end(struct audit_record *r);

#endif
