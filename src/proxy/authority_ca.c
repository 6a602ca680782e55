/*
 * Runs in the authority, confined. Nothing here is hostile: hosts are the profile's.
 */
#include "proxy/authority_ca.h"

#include "base/buf.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define BACKDATE_S 3600L /* clocks of containers and virtual machines differ */
/* RFC 5280, 4.1.2.2: positive, at most 20 bytes. */
#define SERIAL_BYTES 16

static int set_serial(X509 *cert)
{
	unsigned char bytes[SERIAL_BYTES];
	BIGNUM *n = NULL;
	int ok;

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	n = BN_bin2bn(bytes, sizeof(bytes), NULL);
	ok = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return ok;
}

/* A name of its own: two sessions' files must not share a subject hash. */
static int set_name(X509 *cert)
{
	X509_NAME *name = X509_get_subject_name(cert);
	unsigned char bytes[4];
	char text[64];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return 0;
	(void)snprintf(text, sizeof(text), "agentjail session %02x%02x%02x%02x", bytes[0], bytes[1],
		bytes[2], bytes[3]);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (unsigned char *)text, -1, -1, 0) &&
		X509_set_issuer_name(cert, name);
}

static int set_times(X509 *cert)
{
	return X509_gmtime_adj(X509_getm_notBefore(cert), -BACKDATE_S) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(cert), AUTHORITY_CA_LIFE_S - BACKDATE_S) != NULL;
}

static int add_text(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	int ok = ext != NULL && X509_add_ext(cert, ext, -1);

	X509_EXTENSION_free(ext);
	return ok;
}

static int push(STACK_OF(GENERAL_SUBTREE) **trees, GENERAL_NAME *base)
{
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();

	if (*trees == NULL)
		*trees = sk_GENERAL_SUBTREE_new_null();
	if (tree == NULL || *trees == NULL || base == NULL || !sk_GENERAL_SUBTREE_push(*trees, tree)) {
		GENERAL_SUBTREE_free(tree);
		GENERAL_NAME_free(base);
		return 0;
	}
	GENERAL_NAME_free(tree->base);
	tree->base = base;
	return 1;
}

static GENERAL_NAME *dns_name(const char *host)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *text = ASN1_IA5STRING_new();

	if (name == NULL || text == NULL || !ASN1_STRING_set(text, host, -1)) {
		GENERAL_NAME_free(name);
		ASN1_IA5STRING_free(text);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, GEN_DNS, text);
	return name;
}

/* Every address of a family: address and mask are all zero (RFC 5280, 4.2.1.10). */
static GENERAL_NAME *all_addresses(int bytes)
{
	static const unsigned char zero[32];
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_OCTET_STRING *text = ASN1_OCTET_STRING_new();

	if (name == NULL || text == NULL || !ASN1_OCTET_STRING_set(text, zero, 2 * bytes)) {
		GENERAL_NAME_free(name);
		ASN1_OCTET_STRING_free(text);
		return NULL;
	}
	GENERAL_NAME_set0_value(name, GEN_IPADD, text);
	return name;
}

static int add_constraints(X509 *cert, const char *const *hosts, size_t n)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	int ok = nc != NULL;

	for (size_t i = 0; ok && i < n; i++)
		ok = push(&nc->permittedSubtrees, dns_name(hosts[i] + strspn(hosts[i], "*.")));
	/* What no permitted name speaks of would be free: addresses. */
	ok = ok && push(&nc->excludedSubtrees, all_addresses(4)) &&
		push(&nc->excludedSubtrees, all_addresses(16)) &&
		X509_add1_ext_i2d(cert, NID_name_constraints, nc, 1, X509V3_ADD_DEFAULT) == 1;
	NAME_CONSTRAINTS_free(nc);
	return ok;
}

static int fill(X509 *cert, EVP_PKEY *key, const char *const *hosts, size_t n)
{
	X509V3_CTX ctx;

	if (!X509_set_version(cert, X509_VERSION_3) || !set_serial(cert) || !set_name(cert) ||
		!set_times(cert) || !X509_set_pubkey(cert, key))
		return 0;
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	return add_text(cert, &ctx, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
		add_text(cert, &ctx, NID_key_usage, "critical,keyCertSign") &&
		add_text(cert, &ctx, NID_ext_key_usage, "serverAuth") &&
		add_text(cert, &ctx, NID_subject_key_identifier, "hash") &&
		add_text(cert, &ctx, NID_authority_key_identifier, "keyid:always") &&
		add_constraints(cert, hosts, n) && X509_sign(cert, key, EVP_sha256()) > 0;
}

int authority_ca_make(const char *const *hosts, size_t n, X509 **ret_cert, EVP_PKEY **ret_key,
	struct err *err)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	if (key == NULL || cert == NULL || !fill(cert, key, hosts, n)) {
		EVP_PKEY_free(key);
		X509_free(cert);
		return err_set(err, 0, "cannot make the session's certificate authority");
	}
	*ret_cert = cert;
	*ret_key = key;
	return 0;
}
