/*
 * Proves what the proxy does with requests for hosts with rules, as the warden starts it, its system
 * call filter included: which destination they must name, what of them a keeper is told, how bodies
 * are framed, and that nothing of it can be steered by the cell. Judged by what a fake keeper was
 * told. Runs as any user, in namespaces of its own.
 */
#include "proxy_world.h"

/* ---- the way there ---- */

static void test_plain_way(void)
{
	const char *r = echo("GET /v1/a?x=1", "X-One: 1\r\n");
	const struct proxymsg *msg;

	OK(has(r, "HTTP/1.1 200 OK\r\n"), r, "a request of a rule is answered");
	OK(has(r, "<GET /v1/a?x=1 flags=0 framing=0 length=0>\nx-one: 1\n"), r,
		"the keeper is told method, path, query and fields, nothing else");
	OK(!has(r, "alt-svc"), r, "Alt-Svc does not come through");
	msg = next_report(PROXYMSG_REQUEST);
	tap_is(msg->method, "GET", "the report says the method");
	tap_is(msg->path, "/v1/a", "the path without its query");
	tap_ok(msg->status == 200 && !msg->is_denied, "the status");
	tap_ok(has(msg->rule, "inject api"), "and the rule: %s", msg->rule);
	tap_is(msg->host, "api.test", "and the host");
	tap_is(msg->address, PUBLIC, "and the address that was dialled");
	msg = next_report(PROXYMSG_CLOSED);
	tap_ok(msg->bytes_in > 20 && has(msg->host, "api.test"), "the connection's end is reported");
	drop_reports();
}

/* ---- which host (A1 to A9, A12, A17) ---- */

static const struct {
	const char *head, *status;
	const char *what;
} hosts_said[] = {
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test\r\n", "200", "Host is the target" },
	{ "GET /v1/a HTTP/1.1\r\nHost: API.Test\r\n", "200", "in other case" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test:443\r\n", "200", "with its port" },
	{ "GET https://api.test/v1/a HTTP/1.1\r\nHost: api.test\r\n", "200", "in absolute form" },
	{ "GET /v1/a HTTP/1.1\r\nHost: evil.test\r\n", "421", "another host" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test.\r\n", "421", "a final dot" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test.:443\r\n", "421", "a final dot before a port" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test:80\r\n", "421", "another port" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test:0443\r\n", "421", "an odd port" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test@evil.test\r\n", "400", "user information" },
	{ "GET /v1/a HTTP/1.1\r\nHost: evil.test@api.test\r\n", "400", "user information, turned" },
	{ "GET /v1/a HTTP/1.1\r\nHost: [api.test]\r\n", "421", "brackets" },
	{ "GET /v1/a HTTP/1.1\r\nHost:\r\n", "421", "an empty Host" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test, evil.test\r\n", "421", "two hosts in a list" },
	{ "GET /v1/a HTTP/1.1\r\n", "400", "no Host" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test\r\nHost: evil.test\r\n", "400", "two Host fields" },
	{ "GET /v1/a HTTP/1.1\r\nHost: evil.test\r\nHost: api.test\r\n", "400", "the other order" },
	{ "GET /v1/a HTTP/1.1\r\nHost: api.test\r\nHost: api.test\r\n", "400", "the same one twice" },
	{ "GET https://evil.test/v1/a HTTP/1.1\r\nHost: api.test\r\n", "421", "another absolute form" },
	{ "GET https://api.test/v1/a HTTP/1.1\r\nHost: evil.test\r\n", "421", "Host beside it" },
	{ "GET http://api.test/v1/a HTTP/1.1\r\nHost: api.test\r\n", "421", "another scheme" },
	{ "GET https://api.test@evil.test/v1/a HTTP/1.1\r\nHost: api.test\r\n", "400",
		"user information in absolute form" },
};

static void test_hosts(void)
{
	char text[512];

	for (size_t i = 0; i < ARRAY_LEN(hosts_said); i++) {
		unsigned before = kept->n_requests;
		bool goes = strcmp(hosts_said[i].status, "200") == 0;
		const char *r;

		(void)snprintf(text, sizeof(text), "%sConnection: close\r\n\r\n", hosts_said[i].head);
		r = ask("api.test", text);
		OK(is_status(r, hosts_said[i].status), r, "%s: %s", hosts_said[i].what,
			hosts_said[i].status);
		if (!goes)
			OK(kept->n_requests == before && has(r, "\r\n\r\nagentjail: "), r,
				"%s: nothing reaches the keeper, and the client is told why",
				hosts_said[i].what);
	}
}

static void test_later_host(void)
{
	struct client c = connect_to("api.test");
	const char *r;
	unsigned before = kept->n_requests;

	client_say(&c, "GET /v1/short HTTP/1.1\r\nHost: api.test\r\n\r\n"
		       "GET /v1/short HTTP/1.1\r\nHost: evil.test\r\n\r\n"
		       "GET /v1/short HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
	r = client_read(&c, NULL);
	OK(count(r, "HTTP/1.1 200") == 2 && count(r, "HTTP/1.1 421") == 1, r,
		"of pipelined requests each one is judged");
	tap_ok(kept->n_requests == before + 2, "and the keeper is told of the others");
	close_client(&c);
}

/* ---- TLS names (A2, A13) ---- */

static bool handshakes(const char *target, const char *name)
{
	struct client c;
	bool ok = start_client(&c, dial_connect(target), name, true);

	close_client(&c);
	return ok;
}

static void test_server_names(void)
{
	char long_name[260];

	drop_reports();
	tap_ok(handshakes("api.test:443", "api.test"), "the target's name");
	tap_ok(!handshakes("api.test:443", "evil.test"), "another name is refused");
	tap_is(next_report(PROXYMSG_DENIED)->reason, "TLS server name evil.test is not api.test",
		"and reported");
	tap_ok(!handshakes("api.test:443", NULL), "no name is refused");
	tap_ok(!handshakes("api.test:443", "8.8.4.4"), "an address is refused");
	tap_ok(!handshakes("api.test:443", "api.test."), "a final dot is refused");
	tap_ok(!handshakes("api.test:443", "api_test"), "an underscore is refused");
	memset(long_name, 'a', sizeof(long_name) - 1);
	long_name[255] = '\0';
	tap_ok(!handshakes("api.test:443", long_name), "255 bytes are refused");
	tap_ok(!handshakes("evil.test:443", "api.test"),
		"a host without rules does not become one by a name");
}

/* A ClientHello in records of one byte each; then garbage instead of one. */
static void test_odd_hellos(void)
{
	BIO *network = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
	SSL_CTX *ctx = client_ctx(true);
	SSL *ssl = SSL_new(ctx);
	unsigned char *hello, record[6] = { 0x16, 3, 1, 0, 1, 0 };
	char byte;
	int fd = dial_connect("api.test:443");
	long n;

	set_name(ssl, "api.test");
	SSL_set_bio(ssl, in, network);
	(void)SSL_connect(ssl);
	n = BIO_get_mem_data(network, &hello);
	for (long i = 5; i < n; i++) {
		record[5] = hello[i];
		(void)write_all(fd, record, sizeof(record));
	}
	tap_ok(read(fd, &byte, 1) == 1, "a hello in one-byte records is answered");
	(void)close(fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	fd = dial_connect("api.test:443");
	(void)write_all(fd, "\x16\x03\x01\x00\x05hello and more garbage", 27);
	(void)!read(fd, &byte, 1);
	(void)close(fd);
}

static void test_refused_authority(void)
{
	struct client c;

	drop_reports();
	tap_ok(!start_client(&c, dial_connect("api.test:443"), "api.test", false),
		"a client that does not know the authority refuses it");
	close_client(&c);
	tap_is(next_report(PROXYMSG_DENIED)->reason,
		"client refused the session's certificate authority", "and that is reported");
}

static void test_versions(void)
{
	struct client c = connect_to("api.test");
	SSL_CTX *ctx = client_ctx(true);

	tap_ok(SSL_version(c.ssl) == TLS1_3_VERSION, "TLS 1.3");
	tap_ok(SSL_get_peer_cert_chain(c.ssl) != NULL &&
			sk_X509_num(SSL_get_peer_cert_chain(c.ssl)) == 2,
		"the authority comes with the certificate");
	client_say(&c, "GET /v1/short HTTP/1.1\r\nHost: api.test\r\n\r\n");
	(void)client_read(&c, "ok");
	tap_ok(SSL_SESSION_is_resumable(SSL_get0_session(c.ssl)) == 0, "no resumption");
	close_client(&c);
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	(void)SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	SSL_CTX_set_security_level(ctx, 0);
	c.fd = dial_connect("api.test:443");
	c.ssl = SSL_new(ctx);
	(void)SSL_set_fd(c.ssl, c.fd);
	set_name(c.ssl, "api.test");
	tap_ok(SSL_connect(c.ssl) != 1, "not TLS 1.1");
	close_client(&c);
	SSL_CTX_free(ctx);
}

/* A server name extension with two names, of which the first one is right. */
static void test_two_names(void)
{
	static const char two[] = "api.test\0\0\x09"
				  "evil.test";
	BIO *network = BIO_new(BIO_s_mem()), *in = BIO_new(BIO_s_mem());
	SSL_CTX *ctx = client_ctx(true);
	SSL *ssl = SSL_new(ctx);
	char *hello, *at, reply[7] = "";
	int fd = dial_connect("api.test:443");
	long n;

	set_name(ssl, "aaaaaaaaaaaaaaaaaaaa"); /* as many bytes as `two` */
	SSL_set_bio(ssl, in, network);
	(void)SSL_connect(ssl);
	n = BIO_get_mem_data(network, &hello);
	at = memmem(hello, (size_t)n, "aaaaaaaaaaaaaaaaaaaa", 20);
	if (at != NULL) {
		at[-1] = 8;
		memcpy(at, two, 20);
	}
	(void)write_all(fd, hello, (size_t)n);
	tap_ok(at != NULL && read(fd, reply, sizeof(reply)) == 7 && reply[0] == 0x15,
		"two names are refused with an alert");
	(void)close(fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void test_tls12(void)
{
	SSL_CTX *ctx = client_ctx(true);
	struct client c = { .fd = dial_connect("api.test:443") };
	const char *r;

	(void)SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	c.ssl = SSL_new(ctx);
	(void)SSL_set_fd(c.ssl, c.fd);
	set_name(c.ssl, "api.test");
	tap_ok(SSL_connect(c.ssl) == 1, "TLS 1.2");
	client_say(&c, "GET /v1/short HTTP/1.1\r\nHost: api.test\r\n\r\n");
	r = client_read(&c, "ok");
	OK(is_status(r, "200"), r, "works");
	tap_ok(SSL_renegotiate(c.ssl) == 1 && SSL_do_handshake(c.ssl) != 1,
		"without renegotiation");
	close_client(&c);
	SSL_CTX_free(ctx);
}

static void test_alpn(void)
{
	static const unsigned char offers[] = "\x06spdy/3\x08http/1.1", other[] = "\x04imap";
	SSL_CTX *ctx = client_ctx(true);
	const unsigned char *chosen = NULL;
	unsigned n = 0;
	struct client c = { .fd = dial_connect("api.test:443") };

	(void)SSL_CTX_set_alpn_protos(ctx, offers, sizeof(offers) - 1);
	c.ssl = SSL_new(ctx);
	(void)SSL_set_fd(c.ssl, c.fd);
	set_name(c.ssl, "api.test");
	(void)SSL_connect(c.ssl);
	SSL_get0_alpn_selected(c.ssl, &chosen, &n);
	tap_ok(n == 8 && memcmp(chosen, "http/1.1", 8) == 0, "http/1.1 is agreed on");
	close_client(&c);
	(void)SSL_CTX_set_alpn_protos(ctx, other, sizeof(other) - 1);
	c.fd = dial_connect("api.test:443");
	c.ssl = SSL_new(ctx);
	(void)SSL_set_fd(c.ssl, c.fd);
	set_name(c.ssl, "api.test");
	tap_ok(SSL_connect(c.ssl) != 1, "and a protocol that we do not speak is refused");
	close_client(&c);
	SSL_CTX_free(ctx);
}

/* SOCKS5 without authentication (RFC 1928). */
static void test_socks(void)
{
	static const char ask_socks[] = "\5\1\0\5\1\0\3\x08"
					"api.test\1\xbb";
	char reply[12];
	struct client c;
	const char *r = "";
	int fd = dial_proxy();

	(void)write_all(fd, ask_socks, sizeof(ask_socks) - 1);
	tap_ok(recv(fd, reply, sizeof(reply), MSG_WAITALL) == 12 && reply[3] == 0,
		"SOCKS is granted at once");
	if (tap_ok(start_client(&c, fd, "api.test", true), "TLS through SOCKS")) {
		client_say(&c, "GET /v1/short HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
		r = client_read(&c, NULL);
	}
	OK(is_status(r, "200"), r, "is judged as any other");
	close_client(&c);
}

/* ---- cleartext (A4, A7) ---- */

static const char *ask_plain(const char *target, const char *text)
{
	struct client c = { .fd = target != NULL ? dial_connect(target) : dial_proxy() };
	const char *r;

	(void)write_all(c.fd, text, strlen(text));
	r = client_read(&c, NULL);
	cleanup_close(&c.fd);
	return r;
}

static void test_cleartext(void)
{
	unsigned before = kept->n_requests;
	const char *r = ask_plain("api.test:443", "GET /v1/a HTTP/1.1\r\nHost: api.test\r\n\r\n");

	OK(is_status(r, "403") && has(r, "use https"), r, "no cleartext for a rule of TLS");
	tap_ok(kept->n_requests == before, "nothing reaches its keeper");
	tap_ok(dial_connect("api.test:80") < 0 && dial_connect("api.test:8443") < 0,
		"another port than the rule's is not allowed by it");
	r = ask_plain("open.test:80",
		"GET /a HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n");
	OK(has(r, "<GET /a flags=0"), r, "cleartext where the rule says so");
	r = ask_plain("open.test:80",
		"GET /a HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n");
	OK(is_status(r, "421"), r, "to the target alone");
	r = ask_plain(NULL, "GET http://open.test/b HTTP/1.1\r\nHost: open.test\r\n\r\n");
	OK(has(r, "<GET /b flags=0"), r, "an absolute form to the explicit proxy, too");
	OK(has(r, "connection: close"), r, "one request alone");
	r = ask_plain(NULL, "GET http://open.test/b HTTP/1.1\r\nHost: evil.test\r\n\r\n");
	OK(is_status(r, "421"), r, "whose Host must agree");
	r = ask_plain(NULL, "GET http://api.test:443/v1/a HTTP/1.1\r\nHost: api.test:443\r\n\r\n");
	OK(is_status(r, "403"), r, "and not to a rule of TLS");
}

/* ---- fields (C1 to C10) ---- */

static const struct {
	const char *fields, *status;
	const char *is_there, *is_gone; /* in what the keeper was told; NULL: not looked for */
	const char *what;
} fields_said[] = {
	{ "Authorization: Bearer ATTACKER\r\n", "200", NULL, "ATTACKER", "the cell's credentials" },
	{ "AUTHORIZATION: ATTACKER\r\nauthorization: ATTACKER\r\n", "200", NULL, "ATTACKER",
		"twice, in any case" },
	{ "Cookie: s=ATTACKER\r\nX_Api_Key: ATTACKER\r\nX-API-Key: ATTACKER\r\n", "200", NULL,
		"ATTACKER", "other ways of saying who one is" },
	{ "Proxy-Authorization: ATTACKER\r\n", "200", NULL, "ATTACKER", "and what is for proxies" },
	{ "Connection: x-one\r\nX-One: DROP\r\nX-Two: 2\r\n", "200", "x-two: 2", "DROP",
		"what Connection names" },
	{ "Connection: x_one\r\nX-One: DROP\r\n", "200", NULL, "DROP", "with '_' for '-'" },
	{ "Connection: host\r\n", "400", NULL, NULL, "Connection names Host" },
	{ "Connection: content-length\r\n", "400", NULL, NULL, "Connection names Content-Length" },
	{ "Connection: Transfer_Encoding\r\n", "400", NULL, NULL, "or Transfer_Encoding" },
	{ "Connection: authorization\r\n", "200", NULL, NULL, "but not Authorization, which is the rule's" },
	{ "TE: trailers, chunked\r\nTrailer: Authorization\r\n", "200", NULL, "rail", "TE, Trailer" },
	{ "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n", "200",
		"flags=0", "2-settings", "an upgrade to h2c" },
	{ "Connection: Upgrade\r\nUpgrade: foo\r\n", "200", "flags=0", "upgrade", "to another" },
	{ "X-HTTP-Method-Override: DELETE\r\nX-Original-URL: /admin\r\nX-Rewrite-URL: /admin\r\n",
		"200", NULL, "DELETE\nx-", "another method" },
	{ "X-Forwarded-Host: evil.test\r\nForwarded: host=evil.test\r\nX_Forwarded_For: e\r\n", "200",
		NULL, "orwarded", "another host" },
	{ "Transfer_Encoding: chunked\r\n", "400", NULL, NULL, "Transfer_Encoding" },
	{ "Content_Length: 5\r\n", "400", NULL, NULL, "Content_Length" },
	{ "Keep-Alive: 1\r\nProxy-Connection: x\r\n", "200", NULL, "eep-", "Keep-Alive" },
	{ "X-Empty:\r\nX-High: \xc3\xa4\r\n", "200", "x-empty: \nx-high: \xc3\xa4\n", NULL,
		"odd values stay" },
	{ "Expect: 200-ok\r\n", "417", NULL, NULL, "an unknown expectation" },
	{ "Max-Forwards: 0\r\n", "200", "max-forwards: 0", NULL, "Max-Forwards means nothing" },
	{ "Accept: a\r\nAccept: b\r\n", "200", "accept: a\naccept: b\n", NULL, "order is kept" },
};

static void test_fields(void)
{
	for (size_t i = 0; i < ARRAY_LEN(fields_said); i++) {
		const char *r = echo("GET /v1/a", fields_said[i].fields);
		bool ok = is_status(r, fields_said[i].status) &&
			(fields_said[i].is_there == NULL || has(r, fields_said[i].is_there)) &&
			(fields_said[i].is_gone == NULL || !has(r, fields_said[i].is_gone));

		OK(ok, r, "fields: %s: %s", fields_said[i].what, fields_said[i].status);
	}
}

static void test_pass(void)
{
	const char *r = ask("open.test", "GET /a HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n"
					 "Cookie: mine\r\n\r\n");

	OK(has(r, "flags=0") && !has(r, "cookie"), r, "a rule's request loses its cookies");
}

/* ---- methods, paths, queries (C12, C14) ---- */

static const struct {
	const char *line, *status, *seen; /* seen by the keeper */
} lines_said[] = {
	{ "HEAD /v1/a", "200", NULL },
	{ "PATCH /v1/a", "403", NULL },
	{ "get /v1/a", "403", NULL },
	{ "TRACE /v1/a", "405", NULL },
	{ "TRACK /v1/a", "405", NULL },
	{ "trace /v1/a", "405", NULL },
	{ "CONNECT api.test:443", "405", NULL },
	{ "OPTIONS *", "403", NULL },
	{ "GET *", "400", NULL },
	{ "GET /v2/a", "403", NULL },
	{ "GET /", "403", NULL },
	{ "GET /v1/a%7eb", "200", "<GET /v1/a~b " },
	{ "GET /v1/a%2eb", "200", "<GET /v1/a.b " },
	{ "GET /v1/a%c3%a4", "200", "<GET /v1/a%C3%A4 " },
	{ "GET /v1/../admin", "400", NULL },
	{ "GET /v1/%2e%2e/admin", "400", NULL },
	{ "GET /v1/%2E./admin", "400", NULL },
	{ "GET //v1/a", "400", NULL },
	{ "GET /v1//a", "400", NULL },
	{ "GET /v1/a%2fb", "200", "/v1/a%2Fb" },
	{ "GET /v1/a%5cb", "400", NULL },
	{ "GET /v1\\admin", "400", NULL },
	{ "GET /v1/..;/admin", "400", NULL },
	{ "GET /v1/a%00", "400", NULL },
	{ "GET /v1/a%c0%af", "400", NULL },
	{ "GET /v1/a#b", "400", NULL },
	{ "GET /v1/a%zz", "400", NULL },
	{ "GET v1/a", "400", NULL },
	{ "GET /v1/a?q=../..&r=%2f", "200", "<GET /v1/a?q=../..&r=%2f " },
	{ "GET /v1/a?access_token=x", "403", NULL },
	{ "GET /v1/a?b=1&Access%5fToken=x", "403", NULL },
	{ "GET /v1/a?X-Amz-Signature=x", "403", NULL },
	{ "GET /v1/a?", "200", "<GET /v1/a? " },
	{ "GET  /v1/a", "400", NULL },
	{ "GET\t/v1/a", "400", NULL },
};

static void test_lines(void)
{
	for (size_t i = 0; i < ARRAY_LEN(lines_said); i++) {
		unsigned before = kept->n_requests;
		const char *r = echo(lines_said[i].line, "");
		bool goes = strcmp(lines_said[i].status, "200") == 0;

		OK(is_status(r, lines_said[i].status) && kept->n_requests == before + goes &&
				(lines_said[i].seen == NULL || has(r, lines_said[i].seen)),
			r, "%s: %s", lines_said[i].line, lines_said[i].status);
	}
}

/* Refusals say which way is out, and nothing of a query. */
static void test_words(void)
{
	const char *r = echo("DELETE /v2/a?k=S3CR3T", "");
	const struct proxymsg *msg;

	OK(has(r, "agentjail: no rule of api.test allows DELETE /v2/a"), r, "a refusal says why");
	OK(!has(r, "S3CR3T"), r, "without the query");
	drop_reports();
	(void)echo("DELETE /v2/a?k=S3CR3T", "");
	msg = next_report(PROXYMSG_REQUEST);
	tap_ok(msg->is_denied && msg->status == 403, "it is reported as denied");
	tap_is(msg->path, "/v2/a", "with the path");
	r = ask("open.test", "OPTIONS * HTTP/1.1\r\nHost: open.test\r\nConnection: close\r\n\r\n");
	OK(has(r, "<OPTIONS * "), r, "OPTIONS * where a rule has no paths");
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@proxy") == 0)
		return proxy_main(argc, argv);
	start_world();
	test_plain_way();
	test_hosts();
	test_later_host();
	test_server_names();
	test_odd_hellos();
	test_refused_authority();
	test_versions();
	test_two_names();
	test_tls12();
	test_alpn();
	test_socks();
	test_cleartext();
	test_fields();
	test_pass();
	test_lines();
	test_words();
	return end_world();
}
