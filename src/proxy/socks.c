/*
 * SOCKS. Runs in the proxy; hostile input: every byte.
 */
#include "proxy/socks.h"

#include "base/cleanup.h"

#include <openssl/crypto.h>
#include <string.h>
#include <sys/socket.h>

#define COMMAND_CONNECT 1
#define ATYP_IPV4 1
#define ATYP_NAME 3
#define ATYP_IPV6 4
#define METHOD_NONE 0
#define METHOD_PASSWORD 2
#define LOGIN_VERSION 1
#define METHOD_REFUSED 0xff

static unsigned port_at(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static enum socks_result bad(struct socks *s, enum socks_status status, const char *why)
{
	s->why = why;
	socks_reply(s, status);
	return SOCKS_BAD;
}

void socks_reply(struct socks *s, enum socks_status status)
{
	static const unsigned char codes5[] = { [SOCKS_GRANTED] = 0,
		[SOCKS_DENIED] = 2,
		[SOCKS_UNREACHABLE] = 4,
		[SOCKS_BAD_COMMAND] = 7 };

	memset(s->reply, 0, sizeof(s->reply));
	if (s->version == 5) {
		s->reply[0] = 5;
		s->reply[1] = codes5[status];
		s->reply[3] = ATYP_IPV4;
		s->reply_bytes = 10;
	} else {
		s->reply[1] = status == SOCKS_GRANTED ? 90 : 91;
		s->reply_bytes = 8;
	}
}

static enum socks_result parse_greeting(struct socks *s, const unsigned char *bytes, size_t n)
{
	unsigned char method = s->login != NULL ? METHOD_PASSWORD : METHOD_NONE;
	bool has_method;

	if (n < 2 || n - 2 < bytes[1])
		return SOCKS_MORE;
	has_method = memchr(bytes + 2, method, bytes[1]) != NULL;
	s->bytes = 2u + bytes[1];
	s->reply[0] = 5;
	s->reply[1] = has_method ? method : METHOD_REFUSED;
	s->reply_bytes = 2;
	s->has_greeted = true;
	s->why = s->login != NULL ? "SOCKS client has no password"
				  : "SOCKS client insists on authentication";
	return has_method ? SOCKS_GREETED : SOCKS_BAD;
}

/* 1, length, user, length, password (RFC 1929). */
static enum socks_result parse_login(struct socks *s, const unsigned char *bytes, size_t n)
{
	size_t user_n = strcspn(s->login, ":"), password_n = strlen(s->login + user_n + 1);
	const unsigned char *password;
	bool is_right;

	if (n < 2 || n < 3u + bytes[1])
		return SOCKS_MORE;
	password = bytes + 3 + bytes[1];
	s->bytes = 3u + bytes[1] + password[-1];
	if (n < s->bytes)
		return SOCKS_MORE;
	is_right = bytes[0] == LOGIN_VERSION && bytes[1] == user_n && password[-1] == password_n &&
		   CRYPTO_memcmp(bytes + 2, s->login, user_n) == 0 &&
		   CRYPTO_memcmp(password, s->login + user_n + 1, password_n) == 0;
	s->reply[0] = LOGIN_VERSION;
	s->reply[1] = is_right ? 0 : 1;
	s->reply_bytes = 2;
	s->has_logged_in = is_right;
	s->why = "wrong SOCKS password";
	return is_right ? SOCKS_GREETED : SOCKS_BAD;
}

static enum socks_result parse_request5(struct socks *s, const unsigned char *bytes, size_t n)
{
	size_t address_n, at = 4;
	bool ok;

	if (n < 5)
		return SOCKS_MORE;
	if (bytes[0] != 5 || bytes[2] != 0)
		return bad(s, SOCKS_DENIED, "malformed SOCKS request");
	if (bytes[1] != COMMAND_CONNECT)
		return bad(s, SOCKS_BAD_COMMAND, "SOCKS command other than CONNECT");
	if (bytes[3] != ATYP_IPV4 && bytes[3] != ATYP_IPV6 && bytes[3] != ATYP_NAME)
		return bad(s, SOCKS_DENIED, "unknown SOCKS address type");
	address_n = bytes[3] == ATYP_IPV4 ? 4 : bytes[3] == ATYP_IPV6 ? 16 : bytes[4];
	if (bytes[3] == ATYP_NAME)
		at++;
	if (n < at + address_n + 2)
		return SOCKS_MORE;
	s->bytes = at + address_n + 2;
	if (bytes[3] == ATYP_NAME) {
		ok = target_from_host((const char *)bytes + at, address_n, 0, &s->target);
	} else {
		ok = true;
		target_from_address(
			bytes[3] == ATYP_IPV4 ? AF_INET : AF_INET6, bytes + at, 0, &s->target);
	}
	s->target.port = (uint16_t)port_at(bytes + at + address_n);
	if (!ok || s->target.port == 0)
		return bad(s, SOCKS_DENIED, "not a host name or address");
	return SOCKS_REQUEST;
}

/* 4, command, port, address, user NUL, and with 0.0.0.x as address: name NUL. */
static enum socks_result parse_request4(struct socks *s, const unsigned char *bytes, size_t n)
{
	const unsigned char *user, *name;
	bool ok = true;

	if (n < 9)
		return SOCKS_MORE;
	if (bytes[1] != COMMAND_CONNECT)
		return bad(s, SOCKS_BAD_COMMAND, "SOCKS command other than CONNECT");
	user = memchr(bytes + 8, 0, n - 8);
	if (user == NULL)
		return SOCKS_MORE;
	if (bytes[4] == 0 && bytes[5] == 0 && bytes[6] == 0 && bytes[7] != 0) {
		size_t left = n - (size_t)(user + 1 - bytes);

		name = left > 0 ? memchr(user + 1, 0, left) : NULL;
		if (name == NULL)
			return SOCKS_MORE;
		ok = target_from_host(
			(const char *)user + 1, (size_t)(name - user - 1), 0, &s->target);
		user = name;
	} else {
		target_from_address(AF_INET, bytes + 4, 0, &s->target);
	}
	s->bytes = (size_t)(user + 1 - bytes);
	s->target.port = (uint16_t)port_at(bytes + 2);
	if (!ok || s->target.port == 0)
		return bad(s, SOCKS_DENIED, "not a host name or address");
	return SOCKS_REQUEST;
}

enum socks_result socks_parse(struct socks *s, const unsigned char *bytes, size_t n)
{
	enum socks_result r;

	s->reply_bytes = 0;
	if (n == 0)
		return SOCKS_MORE;
	if (s->version == 0)
		s->version = bytes[0];
	if (s->version != 4 && s->version != 5)
		return bad(s, SOCKS_DENIED, "neither SOCKS4 nor SOCKS5");
	if (s->version == 4)
		r = s->login == NULL ? parse_request4(s, bytes, n)
				     : bad(s, SOCKS_DENIED, "SOCKS4 knows no password");
	else if (!s->has_greeted)
		r = parse_greeting(s, bytes, n);
	else if (s->login != NULL && !s->has_logged_in)
		r = parse_login(s, bytes, n);
	else
		r = parse_request5(s, bytes, n);
	if (r == SOCKS_MORE && n >= SOCKS_REQUEST_MAX)
		return bad(s, SOCKS_DENIED, "SOCKS request too long");
	return r;
}
