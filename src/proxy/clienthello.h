/* What a TLS client says in the clear: the server name (RFC 8446, 4.1.2; RFC 6066, 3). */
#ifndef PROXY_CLIENTHELLO_H
#define PROXY_CLIENTHELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: with a post-quantum key share a hello takes 1.8 KiB; session tickets add a few more.
 */
#define CLIENTHELLO_MAX (16u << 10)
/* Rationale: the same, cut into small records: what is held back before it is judged. */
#define CLIENTHELLO_RAW_MAX (32u << 10)

enum clienthello_result { CLIENTHELLO_MORE, CLIENTHELLO_OK, CLIENTHELLO_BAD };

struct clienthello {
	char name[256]; /* server_name as it was sent, "" when there is none; may hold any byte but
			   NUL */
	size_t name_n;
	/*
	 * encrypted_client_hello is there. It is let through when the outer name is right: half of
	 * the clients send a dummy one that nobody can tell from a real one, and the inner name can
	 * reach no other machine than the outer name's own.
	 */
	bool has_ech;
	const char *why; /* CLIENTHELLO_BAD: static text */
};

/*
 * Looks at all bytes the client has sent so far. MORE: call again with more of them; at
 * CLIENTHELLO_RAW_MAX bytes it is OK or BAD. Pure.
 */
enum clienthello_result clienthello_parse(const uint8_t *bytes, size_t n, struct clienthello *ret);

#endif
