/*
 * Contexts of TLS. Runs in the mother (warming, the host's authorities) and in a keeper before it
 * is locked down. Files and values are the user's own.
 */
#include "keeper/tls.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

/* Rationale: bundles have 150 to 400 certificates in 0.2 to 0.6 MiB. */
#define ROOTS_BYTES_MAX (8u << 20)
/* Rationale: a private key takes a few KiB; a power of two for OpenSSL's allocator. */
#define SECURE_HEAP_BYTES (32u << 10)

/* The first reason of OpenSSL's queue, as text; never of a secret. */
static const char *why(void)
{
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return text != NULL ? text : "unknown reason";
}

int tls_warm(struct err *err)
{
	const uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
	unsigned char noise[16];
	SSL_CTX *ctx = NULL;
	EVP_PKEY *key = NULL;
	SSL *ssl = NULL;

	if (OPENSSL_init_ssl(options, NULL) == 1)
		ctx = SSL_CTX_new(TLS_client_method());
	if (ctx != NULL)
		ssl = SSL_new(ctx);
	key = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	if (ssl == NULL || key == NULL || RAND_bytes(noise, sizeof(noise)) != 1)
		(void)err_set(err, 0, "OpenSSL: %s", why());
	EVP_PKEY_free(key);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return err->code != 0 ? -err->code : 0;
}

/* ---- authorities ---- */

/* How many were added; stops at what is no certificate. */
static size_t add_certificates(X509_STORE *store, BIO *bio)
{
	size_t n = 0;
	X509 *cert;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += X509_STORE_add_cert(store, cert) == 1;
		X509_free(cert);
	}
	ERR_clear_error(); /* the end of the file is an error to it */
	return n;
}

X509_STORE *tls_read_roots(int fd, struct err *err)
{
	AUTO_BUF struct buf pem = { 0 };
	X509_STORE *store = NULL;
	BIO *bio = NULL;
	/* Others may have read the same open file. */
	int r = lseek(fd, 0, SEEK_SET) < 0 ? -errno : buf_read_fd(&pem, fd, ROOTS_BYTES_MAX);

	if (r < 0) {
		(void)err_set(err, -r, "read certificate authorities");
		return NULL;
	}
	bio = BIO_new_mem_buf(pem.len > 0 ? pem.data : "", (int)pem.len);
	store = X509_STORE_new();
	if (bio == NULL || store == NULL || add_certificates(store, bio) == 0) {
		(void)err_set(err, 0, "no certificate authority is in it");
		X509_STORE_free(store);
		store = NULL;
	}
	BIO_free(bio);
	return store;
}

/* NULL without err: the rule has no `ca`. */
static X509_STORE *own_roots(const struct rules_rule *rule, struct err *err)
{
	const struct policy_item *item = rules_value(rule, RULES_CA);
	AUTO_CLOSE int fd = -1;
	X509_STORE *store;

	if (item == NULL || *item->value == '\0')
		return NULL;
	fd = open(item->value, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0) {
		(void)err_set(err, errno, "open %s", item->value);
		return NULL;
	}
	store = tls_read_roots(fd, err);
	if (store == NULL)
		(void)err_prefix(err, "%s", item->value);
	else
		/* It may name an intermediate or the server's own certificate. */
		(void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	return store;
}

/* ---- who we are ---- */

static BIO *slot_bio(const struct secret_store *secrets, enum keepmsg_slot slot)
{
	const struct keepmsg_text *value = &secrets->values[slot];

	return BIO_new_mem_buf(value->at, (int)value->n);
}

static int no_passphrase(char *out, int max, int writing, void *arg)
{
	(void)out;
	(void)max;
	(void)writing;
	(void)arg;
	return -1;
}

static bool use_chain(SSL_CTX *ctx, BIO *bio)
{
	X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
	bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	while (ok && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	return ok;
}

/* The key's numbers lie in OpenSSL's own locked heap from here on. */
static int use_identity(SSL_CTX *ctx, const struct secret_store *secrets, struct err *err)
{
	BIO *cert = NULL, *key = NULL;
	EVP_PKEY *parsed = NULL;

	if (secrets->values[KEEPMSG_SLOT_CERT].at == NULL &&
		secrets->values[KEEPMSG_SLOT_KEY].at == NULL)
		return 0;
	if (secrets->values[KEEPMSG_SLOT_CERT].at == NULL ||
		secrets->values[KEEPMSG_SLOT_KEY].at == NULL)
		return err_set(err, 0, "client-cert and client-key go together");
	if (CRYPTO_secure_malloc_init(SECURE_HEAP_BYTES, 16) != 1)
		return err_set(err, 0,
			"no locked memory for client-key; raise `ulimit -l` to 96 at least");
	cert = slot_bio(secrets, KEEPMSG_SLOT_CERT);
	key = slot_bio(secrets, KEEPMSG_SLOT_KEY);
	if (key != NULL)
		parsed = PEM_read_bio_PrivateKey(key, NULL, no_passphrase, NULL);
	if (cert == NULL || !use_chain(ctx, cert))
		(void)err_set(err, 0, "client-cert: %s", why());
	else if (parsed == NULL)
		(void)err_set(err, 0, "client-key: %s", why());
	else if (SSL_CTX_use_PrivateKey(ctx, parsed) != 1 || SSL_CTX_check_private_key(ctx) != 1)
		(void)err_set(err, 0, "client-key is not the key of client-cert");
	EVP_PKEY_free(parsed);
	BIO_free(cert);
	BIO_free(key);
	ERR_clear_error();
	return err->code != 0 ? -err->code : 0;
}

static void set_rules(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void)SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION);
	(void)SSL_CTX_clear_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					    SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(ctx, 1); /* one read() a record instead of two */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
}

SSL_CTX *tls_context(const struct rules_rule *rule, X509_STORE *roots,
	const struct secret_store *secrets, struct err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	X509_STORE *own = own_roots(rule, err);

	if (ctx == NULL)
		(void)err_set(err, 0, "OpenSSL: %s", why());
	if (err->code == 0) {
		set_rules(ctx);
		SSL_CTX_set1_cert_store(ctx, own != NULL ? own : roots);
		(void)use_identity(ctx, secrets, err);
	}
	X509_STORE_free(own);
	if (err->code == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}
