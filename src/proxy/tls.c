/*
 * Ending the cell's TLS. Runs in the proxy; hostile input: every byte of the client. A name is
 * compared with the destination before anything is issued for it, so a cell cannot have
 * certificates made at will, and no client is answered for another name than the one that is
 * dialled.
 */
#include "proxy/tls.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "proxy/leaf.h"
#include "proxy/stream_private.h"
#include "proxy/target.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/* Rationale: a certificate and a key have some kilobytes. */
#define AUTHORITY_MAX (64u << 10)

struct tls {
	SSL_CTX *ctx;
	BIO_METHOD *method;
	struct leaf *leaf;
	bool with_h2;
};

/* ---- the name ---- */

static unsigned two_bytes(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* The one server name of the extension (RFC 6066, 3); NULL: none, or more than one. */
static const unsigned char *server_name(const unsigned char *at, size_t n, size_t *ret_n)
{
	if (n < 5 || two_bytes(at) != n - 2 || at[2] != 0 || two_bytes(at + 3) != n - 5)
		return NULL;
	*ret_n = n - 5;
	return at + 5;
}

static bool is_target(const struct stream *s, const unsigned char *name, size_t n)
{
	char text[256], normal[254];

	if (n == 0 || n >= sizeof(text) || name[n - 1] == '.')
		return false;
	memcpy(text, name, n);
	return s->target->family == 0 && policy_host_normal(text, n, normal) &&
	       strcmp(normal, s->target->host) == 0;
}

static int refuse(struct stream *s, int *alert, const char *reason)
{
	(void)snprintf(s->reason, sizeof(s->reason), "%s", reason);
	/* The alert that clients have the best words for. */
	*alert = SSL_AD_ACCESS_DENIED;
	return SSL_CLIENT_HELLO_ERROR;
}

static int refuse_name(struct stream *s, int *alert, const unsigned char *name, size_t n)
{
	char shown[48], reason[sizeof(s->reason)];
	size_t shown_n = 0;

	for (size_t i = 0; i < n && shown_n < sizeof(shown) - 1; i++)
		shown[shown_n++] = name[i] > 0x20 && name[i] < 0x7f ? (char)name[i] : '?';
	shown[shown_n] = '\0';
	(void)snprintf(
		reason, sizeof(reason), "TLS server name %s is not %.48s", shown, s->target->host);
	return refuse(s, alert, reason);
}

/* Called for each ClientHello, also the second one after a retry request. */
static int on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls *tls = arg;
	struct stream *s = SSL_get_app_data(ssl);
	const unsigned char *extension, *name;
	size_t extension_n, n = 0;
	X509 *certificate;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &extension, &extension_n) != 1)
		return refuse(s, alert, "TLS without a server name");
	name = server_name(extension, extension_n, &n);
	if (name == NULL)
		return refuse(s, alert, "TLS with a malformed server name");
	if (!is_target(s, name, n))
		return refuse_name(s, alert, name, n);
	certificate = leaf_get(tls->leaf, s->target->host);
	if (certificate == NULL || SSL_use_certificate(ssl, certificate) != 1)
		return refuse(s, alert, "cannot make a certificate");
	return SSL_CLIENT_HELLO_SUCCESS;
}

static bool offers(const unsigned char *list, unsigned n, const char *protocol)
{
	size_t want = strlen(protocol);

	for (unsigned i = 0; i < n; i += 1u + list[i]) {
		if (list[i] == want && i + want < n && memcmp(list + i + 1, protocol, want) == 0)
			return true;
	}
	return false;
}

static int choose(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *list, unsigned n, void *arg)
{
	static const unsigned char h2[] = "h2", http1[] = "http/1.1";
	const struct tls *tls = arg;
	struct stream *s = SSL_get_app_data(ssl);

	s->is_h2 = tls->with_h2 && offers(list, n, "h2");
	if (!s->is_h2 && !offers(list, n, "http/1.1"))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = s->is_h2 ? h2 : http1;
	*out_n = (unsigned char)(s->is_h2 ? sizeof(h2) - 1 : sizeof(http1) - 1);
	return SSL_TLSEXT_ERR_OK;
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct stream *s = SSL_get_app_data(ssl);

	if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT && value >> 8 == SSL3_AL_FATAL)
		s->client_alert = value & 0xff;
}

/* ---- the socket below ---- */

static int outcome(BIO *bio, ssize_t n)
{
	BIO_clear_retry_flags(bio);
	if (n == -EAGAIN)
		return -1;
	return n < 0 ? -1 : (int)n;
}

static int bio_read(BIO *bio, char *bytes, int n)
{
	ssize_t r = stream_recv(BIO_get_data(bio), bytes, (size_t)n);
	int ret = outcome(bio, r);

	if (r == -EAGAIN)
		BIO_set_retry_read(bio);
	return ret;
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	ssize_t r = stream_send(BIO_get_data(bio), bytes, (size_t)n);
	int ret = outcome(bio, r);

	if (r == -EAGAIN)
		BIO_set_retry_write(bio);
	return ret;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");

	if (method == NULL || BIO_meth_set_read(method, bio_read) != 1 ||
		BIO_meth_set_write(method, bio_write) != 1 ||
		BIO_meth_set_ctrl(method, bio_ctrl) != 1) {
		BIO_meth_free(method);
		return NULL;
	}
	return method;
}

/* ---- connections ---- */

int tls_start(struct tls *tls, struct stream *s)
{
	SSL *ssl = SSL_new(tls->ctx);
	BIO *bio = BIO_new(tls->method);

	if (ssl == NULL || bio == NULL || SSL_set_app_data(ssl, s) != 1) {
		SSL_free(ssl);
		BIO_free(bio);
		return -ENOMEM;
	}
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	s->ssl = ssl;
	return 0;
}

int tls_accept(struct stream *s)
{
	int r;

	ERR_clear_error();
	r = SSL_do_handshake(s->ssl);
	if (r == 1)
		return 0;
	r = SSL_get_error(s->ssl, r);
	if (r == SSL_ERROR_WANT_READ || r == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	ERR_clear_error();
	return s->reason[0] != '\0' ? -EACCES : -EPROTO;
}

bool tls_was_refused(const struct stream *s)
{
	return s->client_alert == SSL_AD_UNKNOWN_CA || s->client_alert == SSL_AD_BAD_CERTIFICATE ||
	       s->client_alert == SSL_AD_CERTIFICATE_UNKNOWN;
}

/* ---- once a session ---- */

static int configure(struct tls *tls, struct err *err)
{
	SSL_CTX *ctx = tls->ctx;

	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 0) != 1)
		return err_set(err, 0, "cannot set up TLS");
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					       SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
					       SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_max_early_data(ctx, 0);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, tls);
	SSL_CTX_set_alpn_select_cb(ctx, choose, tls);
	SSL_CTX_set_info_callback(ctx, on_info);
	return leaf_install(tls->leaf, ctx, err);
}

/* OpenSSL takes nothing from files or from the environment that we were started with. */
static int init_library(struct err *err)
{
	static const char *const variables[] = { "OPENSSL_CONF", "OPENSSL_CONF_INCLUDE",
		"OPENSSL_ENGINES", "OPENSSL_MODULES", "SSLKEYLOGFILE", "SSL_CERT_FILE",
		"SSL_CERT_DIR" };

	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		(void)unsetenv(variables[i]);
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return err_set(err, 0, "cannot start OpenSSL");
	return 0;
}

int tls_new(int fd, bool with_h2, struct tls **ret, struct err *err)
{
	AUTO_BUF struct buf pem = { 0 };
	struct tls *tls;
	int r;

	/* Whoever wrote it has left the offset at its end. */
	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_set(err, errno, "read the session's authority");
	r = buf_read_fd(&pem, fd, AUTHORITY_MAX);
	if (r < 0)
		return err_set(err, -r, "read the session's authority");
	r = init_library(err);
	if (r < 0)
		return r;
	tls = calloc(1, sizeof(*tls));
	if (tls == NULL)
		return err_set(err, ENOMEM, "TLS");
	tls->with_h2 = with_h2;
	tls->ctx = SSL_CTX_new(TLS_server_method());
	tls->method = make_method();
	r = tls->ctx == NULL || tls->method == NULL ? err_set(err, ENOMEM, "TLS")
						    : leaf_new(pem.data, pem.len, &tls->leaf, err);
	OPENSSL_cleanse(pem.data, pem.len);
	if (r == 0)
		r = configure(tls, err);
	if (r < 0) {
		tls_free(tls);
		return r;
	}
	*ret = tls;
	return 0;
}

void tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	BIO_meth_free(tls->method);
	leaf_free(tls->leaf);
	free(tls);
}
