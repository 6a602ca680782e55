/*
 * Texts with "{secret}" in them: what a rule's header, query and basic lines become. Written into
 * memory of the caller, which is kept from swap; sizes are known beforehand. A text without
 * "{secret}" is itself; every other brace, '%' and backslash is literal.
 *
 * Runs in a keeper. Input: the policy and the secret, both from the user.
 */
#ifndef KEEPER_RENDER_H
#define KEEPER_RENDER_H

#include <stdbool.h>
#include <stddef.h>

enum render_as {
	RENDER_PLAIN,  /* as it is: a field's value */
	RENDER_QUERY,  /* the secret percent-encoded but for unreserved bytes (RFC 3986, 2.3) */
	RENDER_BASE64, /* the whole text in base64 with padding (RFC 4648, 4): Basic's credentials
			*/
	RENDER_COUNT
};

struct render {
	const char *text; /* NUL-terminated, with "{secret}" any number of times */
	const char *secret;
	size_t secret_n;
	enum render_as as;
};

/* How many bytes render_write() writes. */
size_t render_bytes(const struct render *render);

/* Writes exactly render_bytes() bytes to out; no NUL. Nothing of the secret is left elsewhere. */
void render_write(const struct render *render, char *out);

/*
 * May the secret stand in a field's value? NULL: yes. Else why not, static text: CR, LF, NUL or
 * another control byte but tab, or a blank at its beginning or end, or nothing (RFC 9110, 5.5).
 */
const char *render_unfit(const char *secret, size_t n);

#endif
