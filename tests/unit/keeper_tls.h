/* Authorities and certificates of a test's own, and the server's end of a connection. */
#ifndef TESTS_KEEPER_TLS_H
#define TESTS_KEEPER_TLS_H

#include "tap.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct cert {
	X509 *x509;
	EVP_PKEY *key;
};

struct cert_spec {
	const char *name; /* CN */
	const char *san; /* "DNS:api.test", or NULL */
	const char *constraints; /* "critical,permitted;DNS:other.test", or NULL */
	bool is_ca;
	long begins_s, ends_s; /* from now */
	const struct cert *issuer; /* NULL: itself */
};

#define YEAR_S (365l * 24 * 3600)

static void add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	if (extension == NULL)
		tap_ok(false, "extension %s", value);
	X509_add_ext(cert, extension, -1);
	X509_EXTENSION_free(extension);
}

static struct cert cert_make(const struct cert_spec *spec)
{
	static long serial = 1000;
	struct cert made = { X509_new(), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256") };
	X509 *issuer = spec->issuer != NULL ? spec->issuer->x509 : made.x509;
	X509_NAME *name = X509_get_subject_name(made.x509);

	(void)X509_set_version(made.x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(made.x509), spec->begins_s);
	X509_gmtime_adj(X509_getm_notAfter(made.x509), spec->ends_s);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)spec->name, -1,
		-1, 0);
	X509_set_issuer_name(made.x509, X509_get_subject_name(issuer));
	X509_set_pubkey(made.x509, made.key);
	add_extension(made.x509, issuer, NID_basic_constraints,
		spec->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	add_extension(made.x509, issuer, NID_subject_key_identifier, "hash");
	if (spec->san != NULL)
		add_extension(made.x509, issuer, NID_subject_alt_name, spec->san);
	if (spec->constraints != NULL)
		add_extension(made.x509, issuer, NID_name_constraints, spec->constraints);
	X509_sign(made.x509, spec->issuer != NULL ? spec->issuer->key : made.key, EVP_sha256());
	return made;
}

static struct cert cert_authority(const char *name)
{
	return cert_make(&(struct cert_spec){
		.name = name, .is_ca = true, .begins_s = -YEAR_S, .ends_s = YEAR_S });
}

__attribute__((unused)) static struct cert cert_leaf(const struct cert *issuer, const char *san)
{
	return cert_make(&(struct cert_spec){ .name = "leaf",
		.san = san,
		.issuer = issuer,
		.begins_s = -3600,
		.ends_s = 3600 });
}

/* PEM of a certificate, or of its key; the caller's to free(). */
__attribute__((unused)) static char *cert_pem(const struct cert *cert, bool key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *bytes, *text;
	long n;

	if (key)
		PEM_write_bio_PrivateKey(bio, cert->key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_X509(bio, cert->x509);
	n = BIO_get_mem_data(bio, &bytes);
	text = strndup(bytes, (size_t)n);
	BIO_free(bio);
	return text;
}

static int choose_h2(SSL *ssl, const unsigned char **out, unsigned char *out_n,
	const unsigned char *in, unsigned in_n, void *arg)
{
	static const unsigned char names[] = "\x02h2\x08http/1.1";
	const unsigned char *from = arg != NULL ? names : names + 3;

	(void)ssl;
	return SSL_select_next_proto((unsigned char **)(size_t)out, out_n, from,
		       (unsigned)(sizeof(names) - 1 - (size_t)(from - names)), in,
		       in_n) == OPENSSL_NPN_NEGOTIATED
		       ? SSL_TLSEXT_ERR_OK
		       : SSL_TLSEXT_ERR_NOACK;
}

/* h2: whether the server would speak it. chain: an intermediate that is sent along, or NULL. */
__attribute__((unused)) static SSL_CTX *server_context(const struct cert *cert, const struct cert *chain, bool h2)
{
	static int yes;
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_use_certificate(ctx, cert->x509);
	SSL_CTX_use_PrivateKey(ctx, cert->key);
	if (chain != NULL)
		SSL_CTX_add1_chain_cert(ctx, chain->x509);
	SSL_CTX_set_alpn_select_cb(ctx, choose_h2, h2 ? &yes : NULL);
	return ctx;
}

#endif
