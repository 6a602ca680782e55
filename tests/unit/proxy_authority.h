/* A session's certificate authority for tests, as PEM with its key. */
#ifndef TESTS_PROXY_AUTHORITY_H
#define TESTS_PROXY_AUTHORITY_H

#include "base/cleanup.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>

__attribute__((unused)) static bool add_extension(X509 *x, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;
	bool ok;

	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
	ok = e != NULL && X509_add_ext(x, e, -1) == 1;
	X509_EXTENSION_free(e);
	return ok;
}

/* The certificate; PEM of both is appended to bio. */
__attribute__((unused)) static X509 *make_authority(BIO *bio, const char *name_constraints)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_NAME *name = X509_get_subject_name(x);

	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)"agentjail test", -1, -1, 0);
	(void)X509_set_issuer_name(x, name);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -7200);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	(void)X509_set_pubkey(x, key);
	if (!add_extension(x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
		!add_extension(x, NID_key_usage, "critical,keyCertSign") ||
		!add_extension(x, NID_subject_key_identifier, "hash") ||
		!add_extension(x, NID_name_constraints, name_constraints) ||
		X509_sign(x, key, EVP_sha256()) == 0)
		return NULL;
	(void)PEM_write_bio_X509(bio, x);
	(void)PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	EVP_PKEY_free(key);
	return x;
}

#endif
