/*
 * Copies of files with their secrets replaced by fakes of the same shape, so that a tool starts and
 * a rule of the proxy puts the real one in. All is replaced that is not known to be harmless, but
 * in git's configuration, where all is shown that is not known to be a secret.
 */
#ifndef CELL_REDACT_H
#define CELL_REDACT_H

#include "base/buf.h"
#include "base/err.h"
#include "policy/redactform.h"

#include <stdbool.h>

/* Rationale: the largest of these files have some hundred lines. */
#define REDACT_BYTES_MAX (256u << 10)

/*
 * Appends the redacted copy of n bytes to out; *ret_fakes: how many secrets were replaced. 0, or
 * -EINVAL with err where it is not strictly of its form: then out is worth nothing, and the file has
 * to be hidden. err quotes nothing of it.
 */
int redact_file(enum redactform form, const char *bytes, size_t n, struct buf *out,
	unsigned *ret_fakes, struct err *err);

/* ---- for the formats' own files ---- */

struct redact {
	struct buf *out;
	unsigned n_fakes; /* secrets that were replaced */
	bool has_failed; /* no randomness, or no memory */
};

/* A fake of the shape of n bytes; is_basic: that decodes as base64 to NAME:PASSWORD. */
void redact_fake(struct redact *r, const char *value, size_t n, bool is_basic);

/* n bytes as they are, but for passwords in URLs and what has the shape of a known token. */
void redact_shown(struct redact *r, const char *text, size_t n);

/* A word that is no secret: true, false, null, and below a key that names none a small number. */
bool redact_is_trivial(const char *key, const char *value, size_t n);

/* Does text say password, token or the like, in any case? */
bool redact_names_secret(const char *text, size_t n);

/* One file a format: redact_lines.c, redact_json.c, redact_words.c. 0 or -EINVAL with err. */
int redact_lines(struct redact *r, enum redactform form, const char *text, size_t n,
	struct err *err);
int redact_json(struct redact *r, const char *text, size_t n, struct err *err);
int redact_netrc(struct redact *r, const char *text, size_t n, struct err *err);

#endif
