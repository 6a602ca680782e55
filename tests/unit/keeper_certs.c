/*
 * Before a host has shown a certificate that its authority vouches for, not one byte of a request is
 * written to it; and who asks for a certificate gets ours when the rule has one, else none.
 */
#include "keeper_fixture.h"

#define RULES                                                                                      \
	"[inject any]\nhost = *.any.test\nheader = Authorization: Bearer {secret}\n"               \
	"secret = env:X\n"                                                                         \
	"[inject own]\nhost = own.test\nheader = Authorization: Bearer {secret}\n"                 \
	"secret = env:X\nca = %s\n"                                                                \
	"[inject mutual]\nhost = mutual.test\nclient-cert = file:/x\nclient-key = file:/x\n"

static int doors[3];
static const char *secret;

/* What a server with this certificate gets to read of a request to host. */
static const char *offer(int door, const char *host, const struct cert *cert,
	const struct cert *chain, struct answer **ret_answer)
{
	struct conn c = conn_open_to(door, host, 443, false);
	SSL_CTX *ctx = server_context(cert, chain, false);
	const char *got = "";

	send_get(&c, "/", "");
	if (conn_accept(&c, ctx)) {
		got = server_receive(&c, "\r\n\r\n");
		if (*got != '\0')
			server_send(&c, "HTTP/1.1 204 No Content\r\n\r\n");
	}
	*ret_answer = next_answer(&c);
	ERR_clear_error();
	SSL_CTX_free(ctx);
	conn_close(&c);
	return got;
}

static void accepts(int door, const char *host, const struct cert *cert, const struct cert *chain,
	const char *what)
{
	struct answer *a;
	const char *got = offer(door, host, cert, chain, &a);

	if (!tap_ok(strstr(got, secret) != NULL && a->type == KEEPMSG_RESPONSE, "%s", what))
		printf("# %u %s\n", a->type, a->text);
}

static void refuses(int door, const char *host, const struct cert *cert, const struct cert *chain,
	const char *reason)
{
	struct answer *a;
	const char *got = offer(door, host, cert, chain, &a);

	tap_ok(*got == '\0', "not one byte: %s", reason);
	if (!tap_ok(a->type == KEEPMSG_FAILED && a->number == 502 && strstr(a->text, reason) != NULL,
		    "and the reason says so"))
		printf("# %u %s\n", a->type, a->text);
}

static struct cert leaf_of(const struct cert_spec *spec)
{
	struct cert_spec whole = *spec;

	if (whole.name == NULL)
		whole.name = "leaf";
	if (whole.begins_s == 0)
		whole.begins_s = -3600;
	if (whole.ends_s == 0)
		whole.ends_s = 3600;
	return cert_make(&whole);
}

static void certificates(const struct cert *ca)
{
	const struct cert stranger = cert_authority("stranger");
	const struct cert good = cert_leaf(ca, "DNS:a.any.test");
	const struct cert wild = cert_leaf(ca, "DNS:*.any.test");
	const struct cert partial = cert_leaf(ca, "DNS:a*.any.test");
	const struct cert other = cert_leaf(ca, "DNS:b.any.test");
	const struct cert unknown = cert_leaf(&stranger, "DNS:a.any.test");
	const struct cert common = leaf_of(
		&(struct cert_spec){ .name = "a.any.test", .issuer = ca });
	const struct cert old = leaf_of(&(struct cert_spec){
		.san = "DNS:a.any.test", .issuer = ca, .begins_s = -7200, .ends_s = -3600 });
	const struct cert young = leaf_of(&(struct cert_spec){
		.san = "DNS:a.any.test", .issuer = ca, .begins_s = 3600, .ends_s = 7200 });
	const struct cert self = leaf_of(&(struct cert_spec){ .san = "DNS:a.any.test" });
	const struct cert middle = leaf_of(&(struct cert_spec){ .name = "middle", .issuer = ca,
		.is_ca = true });
	const struct cert narrow = leaf_of(&(struct cert_spec){ .name = "narrow", .issuer = ca,
		.is_ca = true, .constraints = "critical,permitted;DNS:other.test" });
	const struct cert below = cert_leaf(&middle, "DNS:a.any.test");
	const struct cert outside = cert_leaf(&narrow, "DNS:a.any.test");
	const struct cert forged = cert_leaf(&good, "DNS:a.any.test");

	accepts(doors[0], "a.any.test", &good, NULL, "a good certificate");
	accepts(doors[0], "a.any.test", &wild, NULL, "a wildcard of the whole label");
	accepts(doors[0], "a.any.test", &below, &middle, "one with an intermediate");
	refuses(doors[0], "a.any.test", &partial, NULL, "hostname mismatch");
	refuses(doors[0], "a.any.test", &other, NULL, "hostname mismatch");
	refuses(doors[0], "a.any.test", &common, NULL, "hostname mismatch");
	refuses(doors[0], "a.any.test", &old, NULL, "expired");
	refuses(doors[0], "a.any.test", &young, NULL, "not yet valid");
	refuses(doors[0], "a.any.test", &self, NULL, "self-signed");
	refuses(doors[0], "a.any.test", &unknown, NULL, "unable to get local issuer");
	refuses(doors[0], "a.any.test", &outside, &narrow, "permitted subtree violation");
	refuses(doors[0], "a.any.test", &forged, &good, "refused");
	refuses(doors[1], "own.test", &good, NULL, "refused");
}

static void own_authority(const struct cert *ca, const struct cert *own)
{
	const struct cert theirs = cert_leaf(ca, "DNS:own.test");
	const struct cert ours = cert_leaf(own, "DNS:own.test");

	accepts(doors[1], "own.test", &ours, NULL, "the rule's own authority");
	refuses(doors[1], "own.test", &theirs, NULL, "unable to get local issuer");
}

static SSL_CTX *asking(const struct cert *cert)
{
	SSL_CTX *ctx = server_context(cert, NULL, false);

	X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), fix.authority.x509);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	return ctx;
}

static void asks(int door, const char *host, int version, bool has_one)
{
	const struct cert leaf = cert_leaf(&fix.authority, host[0] == 'm' ? "DNS:mutual.test"
									  : "DNS:a.any.test");
	struct conn c = conn_open_to(door, host, 443, false);
	SSL_CTX *ctx = asking(&leaf);
	X509 *shown = NULL;

	(void)SSL_CTX_set_max_proto_version(ctx, version);
	send_get(&c, "/", "");
	if (conn_accept(&c, ctx))
		shown = SSL_get1_peer_certificate(c.ssl);
	tap_ok((shown != NULL) == has_one, "TLS 1.%d: %s certificate for who asks",
		version - TLS1_VERSION, has_one ? "the rule's" : "no");
	tap_ok(strstr(server_receive(&c, "\r\n\r\n"), "GET / HTTP/1.1") != NULL,
		"and the request comes");
	X509_free(shown);
	SSL_CTX_free(ctx);
	conn_close(&c);
}

static void old_versions(void)
{
	const struct cert leaf = cert_leaf(&fix.authority, "DNS:a.any.test");
	struct conn c = conn_open_to(doors[0], "a.any.test", 443, false);
	SSL_CTX *ctx = server_context(&leaf, NULL, false);

	SSL_CTX_set_security_level(ctx, 0);
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	(void)SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	send_get(&c, "/", "");
	tap_ok(!conn_accept(&c, ctx), "TLS 1.1 is refused");
	ERR_clear_error();
	SSL_CTX_free(ctx);
	conn_close(&c);
}

int main(int argc, char **argv)
{
	const char *mutual[KEEPMSG_SLOT_COUNT] = { 0 };
	char rules[1024], *pem;
	struct cert own, client;

	fixture_role(argc, argv);
	if (!fixture_make())
		return tap_done();
	secret = random_secret();
	own = cert_authority("own authority");
	pem = cert_pem(&own, false);
	puts_at("x.ini", pem);
	free(pem);
	(void)snprintf(rules, sizeof(rules), RULES, at("x.ini"));
	if (!fixture_start(rules))
		return tap_done();
	client = cert_leaf(&fix.authority, "DNS:client");
	mutual[KEEPMSG_SLOT_CERT] = cert_pem(&client, false);
	mutual[KEEPMSG_SLOT_KEY] = cert_pem(&client, true);
	doors[0] = keeper_start_with(0, secret);
	doors[1] = keeper_start_with(1, secret);
	doors[2] = keeper_start_slots(2, 0, mutual);
	certificates(&fix.authority);
	own_authority(&fix.authority, &own);
	asks(doors[0], "a.any.test", TLS1_3_VERSION, false);
	asks(doors[0], "a.any.test", TLS1_2_VERSION, false);
	asks(doors[2], "mutual.test", TLS1_3_VERSION, true);
	asks(doors[2], "mutual.test", TLS1_2_VERSION, true);
	old_versions();
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	fixture_remove();
	return tap_done();
}
