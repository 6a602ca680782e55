/*
 * Issuing certificates. Runs in the proxy, which holds the authority's key for that: it is good for
 * the hosts of rules alone, in the session's cells alone. Hostile input: which of them are asked
 * for, and how often.
 */
/* X509_set_pubkey() of a key of OpenSSL 3's providers takes 0.4 ms, of an EC_KEY 0.01 ms. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "proxy/leaf.h"

#include "base/cleanup.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define HOUR_S 3600L
#define SERIAL_BITS 127
#define HOST_BYTES 254
/* Rationale: a made up one is issued anew before it ends in the middle of a handshake. */
#define RENEW_S HOUR_S

struct entry {
	char host[HOST_BYTES]; /* "": free */
	X509 *certificate;
	time_t issued;
	uint64_t used;
};

struct leaf {
	X509 *authority;
	EVP_PKEY *authority_key, *key;
	STACK_OF(X509_EXTENSION) * extensions; /* all but the name, the same in every leaf */
	struct entry entries[LEAF_CACHE_MAX];
	uint64_t clock;
};

/* OpenSSL's queue of errors is not for people: what failed is. */
static int failed(struct err *err, const char *what)
{
	ERR_clear_error();
	return err_set(err, 0, "%s", what);
}

/* ---- once a session ---- */

static EVP_PKEY *make_key(void)
{
	EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
	EVP_PKEY *key = EVP_PKEY_new();

	if (ec == NULL || key == NULL || EC_KEY_generate_key(ec) != 1 ||
		EVP_PKEY_assign_EC_KEY(key, ec) != 1) {
		EC_KEY_free(ec);
		EVP_PKEY_free(key);
		return NULL;
	}
	return key;
}

static int read_authority(struct leaf *leaf, const char *pem, size_t n, struct err *err)
{
	BIO *bio = n <= INT32_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;

	if (bio == NULL)
		return err_set(err, ENOMEM, "read the session's authority");
	leaf->authority = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	/* Their order in the file is free. */
	(void)BIO_reset(bio);
	leaf->authority_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (leaf->authority == NULL || leaf->authority_key == NULL ||
		X509_check_private_key(leaf->authority, leaf->authority_key) != 1)
		return failed(err, "the session's authority is not a certificate with its key");
	return 0;
}

/* The extensions that take names and keys from a certificate: a template that is not kept. */
static int make_extensions(struct leaf *leaf, struct err *err)
{
	static const struct {
		int nid;
		const char *value;
	} table[] = { { NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" }, { NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" },
		{ NID_authority_key_identifier, "keyid:always" } };
	X509 *template = X509_new();
	X509V3_CTX ctx;
	bool ok = template != NULL && X509_set_pubkey(template, leaf->key) == 1;

	X509V3_set_ctx(&ctx, leaf->authority, template, NULL, NULL, 0);
	leaf->extensions = sk_X509_EXTENSION_new_null();
	for (size_t i = 0; ok && i < ARRAY_LEN(table); i++) {
		X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, &ctx, table[i].nid, table[i].value);

		ok = e != NULL && sk_X509_EXTENSION_push(leaf->extensions, e) > 0;
	}
	X509_free(template);
	return ok ? 0 : failed(err, "cannot make the extensions of certificates");
}

int leaf_new(const char *pem, size_t n, struct leaf **ret, struct err *err)
{
	struct leaf *leaf = calloc(1, sizeof(*leaf));
	int r;

	if (leaf == NULL)
		return err_set(err, ENOMEM, "certificates");
	r = read_authority(leaf, pem, n, err);
	if (r == 0) {
		leaf->key = make_key();
		r = leaf->key != NULL ? make_extensions(leaf, err)
				      : failed(err, "cannot make the key of certificates");
	}
	if (r < 0) {
		leaf_free(leaf);
		return r;
	}
	*ret = leaf;
	return 0;
}

void leaf_free(struct leaf *leaf)
{
	if (leaf == NULL)
		return;
	for (size_t i = 0; i < LEAF_CACHE_MAX; i++)
		X509_free(leaf->entries[i].certificate);
	sk_X509_EXTENSION_pop_free(leaf->extensions, X509_EXTENSION_free);
	X509_free(leaf->authority);
	EVP_PKEY_free(leaf->authority_key);
	EVP_PKEY_free(leaf->key);
	free(leaf);
}

int leaf_install(struct leaf *leaf, SSL_CTX *ctx, struct err *err)
{
	if (SSL_CTX_use_PrivateKey(ctx, leaf->key) != 1 ||
		SSL_CTX_add1_chain_cert(ctx, leaf->authority) != 1)
		return failed(err, "cannot use the session's authority");
	return 0;
}

/* ---- once a name ---- */

/* Positive and never the same twice (RFC 5280, 4.1.2.2). */
static bool set_serial(X509 *x)
{
	BIGNUM *number = BN_new();
	bool ok = number != NULL &&
		  BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
		  BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x)) != NULL;

	BN_free(number);
	return ok;
}

static bool set_validity(const struct leaf *leaf, X509 *x, time_t now)
{
	const ASN1_TIME *end = X509_get0_notAfter(leaf->authority);

	if (ASN1_TIME_set(X509_getm_notBefore(x), now - HOUR_S) == NULL)
		return false;
	/* A leaf that outlives its authority is refused by some. */
	if (ASN1_TIME_cmp_time_t(end, now + (LEAF_HOURS - 1) * HOUR_S) < 0)
		return X509_set1_notAfter(x, end) == 1;
	return ASN1_TIME_set(X509_getm_notAfter(x), now + (LEAF_HOURS - 1) * HOUR_S) != NULL;
}

static bool add_name(X509 *x, const char *host)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();
	bool ok = names != NULL && name != NULL && text != NULL &&
		  ASN1_STRING_set(text, host, -1) == 1 && sk_GENERAL_NAME_push(names, name) > 0;

	if (ok) {
		GENERAL_NAME_set0_value(name, GEN_DNS, text);
		/* Critical, since the subject is empty (RFC 5280, 4.2.1.6). */
		ok = X509_add1_ext_i2d(x, NID_subject_alt_name, names, 1, X509V3_ADD_APPEND) == 1;
		GENERAL_NAMES_free(names);
		return ok;
	}
	ASN1_IA5STRING_free(text);
	GENERAL_NAME_free(name);
	sk_GENERAL_NAME_free(names);
	return false;
}

static bool fill(const struct leaf *leaf, X509 *x, const char *host, time_t now)
{
	if (X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
		X509_set_issuer_name(x, X509_get_subject_name(leaf->authority)) != 1 ||
		!set_validity(leaf, x, now) || X509_set_pubkey(x, leaf->key) != 1)
		return false;
	for (int i = 0; i < sk_X509_EXTENSION_num(leaf->extensions); i++) {
		if (X509_add_ext(x, sk_X509_EXTENSION_value(leaf->extensions, i), -1) != 1)
			return false;
	}
	return add_name(x, host) && X509_sign(x, leaf->authority_key, EVP_sha256()) > 0;
}

static X509 *issue(const struct leaf *leaf, const char *host, time_t now)
{
	X509 *x = X509_new();

	if (x != NULL && fill(leaf, x, host, now))
		return x;
	ERR_clear_error();
	X509_free(x);
	return NULL;
}

/* The entry of the host, else the one that was used longest ago. */
static struct entry *find(struct leaf *leaf, const char *host)
{
	struct entry *oldest = &leaf->entries[0];

	for (size_t i = 0; i < LEAF_CACHE_MAX; i++) {
		struct entry *e = &leaf->entries[i];

		if (strcmp(e->host, host) == 0)
			return e;
		if (e->used < oldest->used)
			oldest = e;
	}
	return oldest;
}

X509 *leaf_get(struct leaf *leaf, const char *host)
{
	struct entry *e;
	time_t now = time(NULL);
	X509 *x;

	if (host[0] == '\0' || strlen(host) >= HOST_BYTES)
		return NULL;
	e = find(leaf, host);
	if (strcmp(e->host, host) != 0 || now < e->issued ||
		now - e->issued > (LEAF_HOURS - 1) * HOUR_S - RENEW_S) {
		x = issue(leaf, host, now);
		if (x == NULL)
			return NULL;
		X509_free(e->certificate);
		e->certificate = x;
		e->issued = now;
		memcpy(e->host, host, strlen(host) + 1);
	}
	e->used = ++leaf->clock;
	return e->certificate;
}
