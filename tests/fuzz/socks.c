/*
 * SOCKS: whole and byte by byte it comes to the same; without the login there is no request.
 * Input: 1 byte: odd: a login is asked for; then the client's bytes, which do not wait for replies.
 */
#include "input.h"
#include "base/buf.h"
#include "policy/policy.h"
#include "proxy/socks.h"

#include <arpa/inet.h>

static const char login[] = "agentjail:0123";
static const char login_message[] = "\1\11agentjail\0040123";

struct end {
	enum socks_result result;
	struct socks socks;
	size_t used;
};

/* As a connection does it: what was used up goes, the rest is asked again. */
static struct end run(const uint8_t *bytes, size_t n, size_t step, bool has_login)
{
	struct end e = { .result = SOCKS_MORE, .socks = { .login = has_login ? login : NULL } };

	for (size_t have = step < n ? step : n;; have = n - have < step ? n : have + step) {
		uint8_t *copy = malloc(have - e.used);

		memcpy(copy, bytes + e.used, have - e.used);
		e.result = socks_parse(&e.socks, copy, have - e.used);
		free(copy);
		assert(e.socks.reply_bytes <= SOCKS_REPLY_BYTES);
		if (e.result == SOCKS_GREETED) {
			assert(e.socks.bytes <= have - e.used && e.socks.reply_bytes == 2);
			e.socks.has_greeted = true;
			e.used += e.socks.bytes;
			have = have > step ? have - step : 0;
			continue;
		}
		if (e.result != SOCKS_MORE || have == n)
			return e;
	}
}

static void check_request(const struct end *e, const uint8_t *bytes, size_t n, bool has_login)
{
	struct target t;

	assert(e->socks.target.port != 0 && e->used + e->socks.bytes <= n);
	if (e->socks.target.family == 0)
		assert(target_from_host(
			       e->socks.target.host, strlen(e->socks.target.host), 1, &t) &&
			strcmp(t.host, e->socks.target.host) == 0);
	if (has_login)
		assert(e->socks.version == 5 &&
			memmem(bytes, n, login_message, sizeof(login_message) - 1) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool has_login = size > 0 && (data[0] & 1) != 0;
	struct end whole, pieces;

	if (size < 2 || size > SOCKS_REQUEST_MAX)
		return 0;
	whole = run(data + 1, size - 1, size, has_login);
	pieces = run(data + 1, size - 1, 1, has_login);
	assert(whole.result == pieces.result);
	if (whole.result == SOCKS_BAD)
		assert(whole.socks.why != NULL);
	if (whole.result == SOCKS_REQUEST) {
		check_request(&whole, data + 1, size - 1, has_login);
		assert(whole.used + whole.socks.bytes == pieces.used + pieces.socks.bytes);
		assert(memcmp(&whole.socks.target, &pieces.socks.target, sizeof(struct target)) ==
			0);
		socks_reply(&whole.socks, SOCKS_GRANTED);
		assert(whole.socks.reply_bytes > 0 && whole.socks.reply_bytes <= SOCKS_REPLY_BYTES);
	}
	return 0;
}
