/*
 * AWS Signature Version 4 ("Authenticating requests", docs.aws.amazon.com): signs anew what a
 * client in the cell signed with a fake access key. The client says how (date, region, service,
 * signed fields); key and signature are ours. Signing by header alone: presigned queries, signed
 * chunks and Signature Version 4a are refused, with a reason for people.
 *
 * Runs in a keeper. Hostile input: the request. Pure: no clock, no memory kept.
 */
#ifndef KEEPER_SIGV4_H
#define KEEPER_SIGV4_H

#include "base/buf.h"
#include "base/err.h"
#include "wire/keepmsg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIGV4_HASH_BYTES 65 /* SHA-256 in small hexadecimal digits, and the final NUL */
/* Rationale: a client that signs six fields signs all it has; more is no client we know. */
#define SIGV4_SIGNED_MAX 64u
/* Rationale: AWS takes requests 15 minutes off its clock. */
#define SIGV4_SKEW_S 900
/*
 * Rationale: a body that the client hashed without saying the hash has to be read whole before the
 * head can be sent. SDKs do so for JSON services, whose largest requests (prompts with images,
 * Lambda's payloads) have some MiB; S3's uploads always say.
 */
#define SIGV4_BODY_MAX (8u << 20)

/* What the client signed; texts point into the head that it was read from. */
struct sigv4 {
	struct keepmsg_text key_id; /* the fake, for the caller to compare */
	struct keepmsg_text date, region, service;
	struct keepmsg_text time;                    /* x-amz-date */
	struct keepmsg_text names[SIGV4_SIGNED_MAX]; /* signed fields: small letters, sorted */
	size_t n_names;
	struct keepmsg_text payload; /* x-amz-content-sha256; at is NULL: there is none */
	bool is_s3;                  /* the path is signed as it is */
	bool needs_body;             /* sigv4_sign() needs the hash of the body, sigv4_hash() */
};

struct sigv4_keys {
	struct keepmsg_text key_id, secret;
	struct keepmsg_text session; /* at is NULL: none */
};

/*
 * Reads what a request's head says of its signature. now_s: seconds since 1970. 0, -ENOENT when it
 * carries none that we know (no Authorization, or another scheme), -EINVAL with the reason when it
 * is malformed, out of time or of a refused kind. Whatever Authorization says, a presigned query is
 * refused.
 */
int sigv4_read(const struct keepmsg_head *head, int64_t now_s, struct sigv4 *ret, struct err *err);

/* SHA-256 of a body that was read whole. 0 or -EIO. */
int sigv4_hash(const void *bytes, size_t n, char ret_hex[SIGV4_HASH_BYTES]);

struct sigv4_request {
	const struct keepmsg_head *head; /* as it is sent: path, query and fields */
	const char *host;                /* Host as it is sent, with the port where it has one */
	const char *body_hash;           /* where needs_body; else NULL */
};

/*
 * Appends the new value of Authorization to out. Signed are the fields that the client signed and
 * that are still in the head, host (from request), content-length (from the framing) and
 * x-amz-security-token (from keys): the caller takes the client's Authorization and
 * x-amz-security-token out of the head and sends this and keys->session, if there is one, instead.
 * 0, -EINVAL (needs_body without a hash), -ENOMEM or -EIO. Derived keys are wiped.
 */
int sigv4_sign(const struct sigv4 *signature, const struct sigv4_request *request,
	const struct sigv4_keys *keys, struct buf *out, struct err *err);

/* Appends the canonical request (for tests, and to see why a server disagrees). As sigv4_sign(). */
int sigv4_canonical(const struct sigv4 *signature, const struct sigv4_request *request,
	const struct keepmsg_text *session, struct buf *out, struct err *err);

#endif
