/*
 * ClientHello, strictly: what two parsers could read differently is refused. Runs in the proxy;
 * hostile input: every byte.
 */
#include "proxy/clienthello.h"

#include "base/cleanup.h"

#include <string.h>

#define RECORD_HEADER 5u
#define RECORD_MAX (1u << 14)
#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_HEADER 4u
#define HANDSHAKE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0u
#define EXTENSION_ECH 0xfe0du
#define NAME_TYPE_HOST 0

/* Rationale: browsers send 20; a hello with more is refused rather than searched for duplicates. */
#define EXTENSIONS_MAX 64u

struct reader {
	const uint8_t *bytes;
	size_t n;
	bool failed;
};

static enum clienthello_result bad(struct clienthello *ret, const char *why)
{
	ret->why = why;
	return CLIENTHELLO_BAD;
}

static const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *at = r->bytes;

	if (r->failed || n > r->n) {
		r->failed = true;
		return NULL;
	}
	r->bytes += n;
	r->n -= n;
	return at;
}

static size_t take_number(struct reader *r, size_t bytes)
{
	const uint8_t *p = take(r, bytes);
	size_t value = 0;

	for (size_t i = 0; p != NULL && i < bytes; i++)
		value = value << 8 | p[i];
	return value;
}

/* A vector with a length field of `bytes` bytes. */
static struct reader take_vector(struct reader *r, size_t bytes)
{
	size_t n = take_number(r, bytes);
	const uint8_t *p = take(r, n);

	return (struct reader){ .bytes = p, .n = p != NULL ? n : 0, .failed = p == NULL };
}

static const char *read_server_name(struct reader ext, struct clienthello *ret)
{
	struct reader list = take_vector(&ext, 2);
	size_t type = take_number(&list, 1);
	struct reader name = take_vector(&list, 2);

	if (name.failed || ext.n != 0 || list.n != 0 || type != NAME_TYPE_HOST)
		return "malformed server_name";
	if (name.n == 0 || name.n >= sizeof(ret->name) || memchr(name.bytes, '\0', name.n) != NULL)
		return "malformed server_name";
	memcpy(ret->name, name.bytes, name.n);
	ret->name[name.n] = '\0';
	ret->name_n = name.n;
	return NULL;
}

static const char *read_extensions(struct reader r, struct clienthello *ret)
{
	size_t seen[EXTENSIONS_MAX];
	size_t n_seen = 0;

	while (r.n > 0) {
		size_t type = take_number(&r, 2);
		struct reader ext = take_vector(&r, 2);
		const char *why;

		if (ext.failed || n_seen == ARRAY_LEN(seen))
			return "malformed extensions";
		for (size_t i = 0; i < n_seen; i++) {
			if (seen[i] == type)
				return "an extension is there twice";
		}
		seen[n_seen++] = type;
		if (type == EXTENSION_ECH)
			ret->has_ech = true;
		if (type != EXTENSION_SERVER_NAME)
			continue;
		why = read_server_name(ext, ret);
		if (why != NULL)
			return why;
	}
	return r.failed ? "malformed extensions" : NULL;
}

static enum clienthello_result read_hello(struct reader r, struct clienthello *ret)
{
	size_t major = take_number(&r, 1);
	struct reader session, suites, methods, extensions;
	const char *why;

	(void)take(&r, 1 + 32); /* minor version, random */
	session = take_vector(&r, 1);
	suites = take_vector(&r, 2);
	methods = take_vector(&r, 1);
	if (methods.failed || major != 3 || session.n > 32 || suites.n < 2 || suites.n % 2 != 0 ||
		methods.n == 0)
		return bad(ret, "malformed ClientHello");
	if (r.n == 0)
		return CLIENTHELLO_OK; /* TLS 1.2 without extensions */
	extensions = take_vector(&r, 2);
	if (extensions.failed || r.n != 0)
		return bad(ret, "malformed ClientHello");
	why = read_extensions(extensions, ret);
	return why != NULL ? bad(ret, why) : CLIENTHELLO_OK;
}

/* One record's payload is added to the message; *ret_more: the record is not complete yet. */
static const char *read_record(struct reader *raw, uint8_t *message, size_t *n, bool *ret_more)
{
	size_t length;

	*ret_more = true;
	if (raw->n >= 1 && raw->bytes[0] != CONTENT_HANDSHAKE)
		return "not a handshake record";
	if (raw->n >= 2 && raw->bytes[1] != 3)
		return "not a TLS version";
	if (raw->n < RECORD_HEADER)
		return NULL;
	length = (size_t)raw->bytes[3] << 8 | raw->bytes[4];
	if (length == 0 || length > RECORD_MAX || length > CLIENTHELLO_MAX - *n)
		return "record length";
	if (raw->n - RECORD_HEADER < length)
		return NULL;
	memcpy(message + *n, raw->bytes + RECORD_HEADER, length);
	*n += length;
	(void)take(raw, RECORD_HEADER + length);
	*ret_more = false;
	return NULL;
}

enum clienthello_result clienthello_parse(const uint8_t *bytes, size_t n, struct clienthello *ret)
{
	uint8_t message[CLIENTHELLO_MAX];
	struct reader raw = { .bytes = bytes, .n = n };
	size_t have = 0;

	memset(ret, 0, sizeof(*ret));
	for (;;) {
		bool more;
		size_t length;
		const char *why = read_record(&raw, message, &have, &more);

		if (why != NULL)
			return bad(ret, why);
		if (more)
			return n < CLIENTHELLO_RAW_MAX ? CLIENTHELLO_MORE
						       : bad(ret, "ClientHello too long");
		if (message[0] != HANDSHAKE_CLIENT_HELLO)
			return bad(ret, "not a ClientHello");
		if (have < HANDSHAKE_HEADER)
			continue;
		length = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
		if (length > CLIENTHELLO_MAX - HANDSHAKE_HEADER)
			return bad(ret, "ClientHello too long");
		if (have - HANDSHAKE_HEADER > length)
			return bad(ret, "more than a ClientHello in its record");
		if (have - HANDSHAKE_HEADER == length)
			return read_hello(
				(struct reader){ .bytes = message + HANDSHAKE_HEADER, .n = length },
				ret);
	}
}
