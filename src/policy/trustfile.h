/*
 * Projects' profiles that the user has trusted: a file beside the user's own profiles, one line a
 * project, "SHA-256 PATH" of its .agentjail.ini as it was seen. It is believed as a profile is: owned
 * by the user or root, writable by nobody else, and no cell can reach it.
 */
#ifndef POLICY_TRUSTFILE_H
#define POLICY_TRUSTFILE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sha256.h"
#include "policy/policy.h"

#include <stdbool.h>
#include <stddef.h>

#define TRUSTFILE_NAME "trusted"
/* The project's own profile, in its top directory. */
#define TRUSTFILE_PROJECT ".agentjail.ini"

enum trustfile_state {
	TRUSTFILE_UNKNOWN, /* nothing was trusted there */
	TRUSTFILE_CHANGED, /* other content was */
	TRUSTFILE_TRUSTED,
};

/*
 * Reads the file of config_dir (NULL: there is none) into out, which stays empty without one. 0 or
 * -errno with err.
 */
int trustfile_read(const char *config_dir, struct buf *out, struct err *err);

/* SHA-256 of a profile's text, as it stands in the file. */
void trustfile_hash(const char *text, size_t n, char ret[SHA256_HEX_BYTES]);

/* What the file's text says of a project's profile (its path) with that content. */
enum trustfile_state trustfile_find(const char *trusted, const char *path, const char *hash);

/* The next line from *at on; its path is not terminated. False: no more. */
bool trustfile_next(const char **at, const char **ret_hash, const char **ret_path, size_t *ret_n);

/* May commands change the file of trusted projects, by that policy? Then nothing in it counts. */
bool trustfile_is_reached(const struct policy *policy, const char *config_dir);

/*
 * Which lines of a project's profile count only when it is trusted: loosens[LINE] (from 1, n_lines
 * elements) becomes true. request: as for policy_load(). 0, or -errno with err when the text is no
 * valid profile.
 */
int trustfile_review(const struct policy_request *request, const char *file, const struct buf *text,
	bool *loosens, size_t n_lines, struct err *err);

#endif
