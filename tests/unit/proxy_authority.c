/*
 * Proves: the session's authority is what strict verification accepts, for the hosts of the rules
 * and no others; what it delivers holds the host's certificates and its own, the key where it
 * belongs and nowhere else; Java reads the key store.
 */
#include "proxy/authority.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/policy.h"
#include "policy_fixture.h"
#include "proxy/authority_ca.h"
#include "proxy/authority_roots.h"
#include "wire/authority.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define FDS (AUTHORITY_FD_EXTRA + 1)

extern char **environ;

/*
 * A certificate for key as the proxy makes them. san: as in x509v3_config(5); NULL: an authority
 * below.
 */
static X509 *leaf(X509 *ca, EVP_PKEY *ca_key, const char *san, EVP_PKEY *key)
{
	X509 *cert = X509_new();
	const char *values[][2] = { { SN_subject_alt_name, san },
		{ SN_basic_constraints, san != NULL ? "critical,CA:FALSE" : "critical,CA:TRUE" },
		{ SN_key_usage, san != NULL ? "critical,digitalSignature" : "critical,keyCertSign" },
		{ SN_subject_key_identifier, "hash" },
		{ SN_authority_key_identifier, "keyid:always" } };
	X509V3_CTX ctx;

	(void)X509_set_version(cert, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(cert), 42);
	(void)X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	(void)X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "O", MBSTRING_ASC,
		(const unsigned char *)(san != NULL ? "leaf" : "below"), -1, -1, 0);
	(void)X509_set_issuer_name(cert, X509_get_subject_name(ca));
	(void)X509_set_pubkey(cert, key);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		X509_EXTENSION *ext = values[i][1] == NULL
			? NULL
			: X509V3_EXT_conf_nid(NULL, &ctx, OBJ_sn2nid(values[i][0]), values[i][1]);

		if (ext != NULL)
			(void)X509_add_ext(cert, ext, -1);
		X509_EXTENSION_free(ext);
	}
	(void)X509_sign(cert, ca_key, EVP_sha256());
	return cert;
}

/* What OpenSSL says with every strict flag: X509_V_OK or why not. between: NULL, or one more. */
static int verify(X509 *ca, X509 *between, X509 *cert, const char *host)
{
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *others = sk_X509_new_null();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_VERIFY_PARAM *param;
	int r;

	(void)X509_STORE_add_cert(store, ca);
	if (between != NULL)
		(void)sk_X509_push(others, between);
	(void)X509_STORE_CTX_init(ctx, store, cert, others);
	param = X509_STORE_CTX_get0_param(ctx);
	(void)X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT |
			X509_V_FLAG_CHECK_SS_SIGNATURE | X509_V_FLAG_POLICY_CHECK);
	(void)X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
	if (host != NULL)
		(void)X509_VERIFY_PARAM_set1_host(param, host, 0);
	r = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(others);
	return r;
}

/* san: "DNS:NAME" or "IP:ADDRESS". */
static void check_leaf(X509 *ca, EVP_PKEY *ca_key, const char *san, int want)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = leaf(ca, ca_key, san, key);
	int got = verify(ca, NULL, cert, str_starts(san, "DNS:") ? san + 4 : NULL);

	tap_ok(got == want, "%s: %s", san, X509_verify_cert_error_string(got));
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* An authority that the session's would sign is none. */
static void check_below(X509 *ca, EVP_PKEY *ca_key)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *below = leaf(ca, ca_key, NULL, key);
	X509 *cert = leaf(below, key, "DNS:api.test", key);

	tap_ok(verify(ca, below, cert, "api.test") == X509_V_ERR_PATH_LENGTH_EXCEEDED,
		"no authority below it");
	X509_free(cert);
	X509_free(below);
	EVP_PKEY_free(key);
}

static void check_fields(X509 *ca)
{
	int days = 0, seconds = 0, critical = 0;
	NAME_CONSTRAINTS *nc = X509_get_ext_d2i(ca, NID_name_constraints, &critical, NULL);
	time_t now = time(NULL);

	tap_ok(X509_check_ca(ca) == 1 && X509_get_pathlen(ca) == 0, "an authority, of length 0");
	tap_ok(X509_get_key_usage(ca) == KU_KEY_CERT_SIGN, "it signs certificates and nothing else");
	tap_ok(X509_get_extended_key_usage(ca) == XKU_SSL_SERVER, "of servers");
	tap_ok(nc != NULL && critical == 1 && sk_GENERAL_SUBTREE_num(nc->permittedSubtrees) == 2 &&
			sk_GENERAL_SUBTREE_num(nc->excludedSubtrees) == 2,
		"critical name constraints");
	NAME_CONSTRAINTS_free(nc);
	(void)ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(ca), X509_get0_notAfter(ca));
	tap_ok(days == 1 && seconds == 0, "valid for a day");
	now -= 3590;
	tap_ok(X509_cmp_time(X509_get0_notBefore(ca), &now) < 0, "since an hour");
	tap_ok(X509_get0_subject_key_id(ca) != NULL && X509_get0_authority_key_id(ca) != NULL &&
			ASN1_OCTET_STRING_cmp(X509_get0_subject_key_id(ca),
				X509_get0_authority_key_id(ca)) == 0,
		"both key identifiers");
	tap_ok(X509_self_signed(ca, 1) == 1, "signed by itself");
}

static void check_ca(void)
{
	static const char *const hosts[] = { "api.test", "*.wild.test" };
	X509 *ca = NULL;
	EVP_PKEY *key = NULL;
	struct err err = { 0 };

	if (!tap_ok(authority_ca_make(hosts, 2, &ca, &key, &err) == 0, "makes an authority"))
		return;
	check_fields(ca);
	check_leaf(ca, key, "DNS:api.test", X509_V_OK);
	check_leaf(ca, key, "DNS:a.wild.test", X509_V_OK);
	check_leaf(ca, key, "DNS:a.b.wild.test", X509_V_OK);
	check_leaf(ca, key, "DNS:other.test", X509_V_ERR_PERMITTED_VIOLATION);
	check_leaf(ca, key, "DNS:notapi.test", X509_V_ERR_PERMITTED_VIOLATION);
	check_leaf(ca, key, "IP:127.0.0.1", X509_V_ERR_EXCLUDED_VIOLATION);
	check_leaf(ca, key, "IP:2001:db8::1", X509_V_ERR_EXCLUDED_VIOLATION);
	check_below(ca, key);
	X509_free(ca);
	EVP_PKEY_free(key);
}

static size_t count(const struct buf *text, const char *what)
{
	size_t n = 0;

	for (const char *s = text->data; s != NULL && (s = strstr(s, what)) != NULL; s++)
		n++;
	return n;
}

/* A self-made certificate as PEM, its key behind it. */
static void put_other(struct buf *out, const char *host)
{
	X509 *cert = NULL;
	EVP_PKEY *key = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	struct err err = { 0 };
	char *text = NULL;
	long n;

	(void)authority_ca_make(&host, 1, &cert, &key, &err);
	(void)PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	(void)PEM_write_bio_X509(bio, cert);
	(void)PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &text);
	buf_add(out, text, (size_t)n);
	BIO_free(bio);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void check_roots(void)
{
	static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
				     "-----BEGIN CERTIFICATE-----\n?!\n-----END CERTIFICATE-----\n"
				     "-----BEGIN TRUSTED CERTIFICATE-----\nMAA=\n-----END TRUSTED CERTIFICATE-----\n"
				     "-----BEGIN CERTIFICATE-----\nMIIB";
	AUTO_BUF struct buf in = { 0 }, out = { 0 };
	struct authority_roots roots = { 0 };

	put_other(&in, "one.test");
	put_other(&in, "two.test");
	tap_ok(count(&in, "PRIVATE KEY") == 8, "the input has keys");
	buf_adds(&in, "# a comment, and secret=hunter2\n");
	tap_ok(authority_roots_add_pem(&roots, in.data, in.len) == 0 && roots.n == 2, "two certificates");
	tap_ok(authority_roots_add_pem(&roots, in.data, in.len) == 0 && roots.n == 2, "each once");
	buf_adds(&in, broken);
	tap_ok(authority_roots_add_pem(&roots, in.data, in.len) == 0 && roots.n == 2, "no broken one");
	authority_roots_put_pem(&roots, &out);
	tap_ok(count(&out, "BEGIN CERTIFICATE") == 2 && count(&out, "KEY") == 0 &&
			count(&out, "hunter2") == 0,
		"certificates and nothing else come out");
	tap_ok(authority_roots_add_pem(&roots, "", 0) == 0 && roots.n == 2, "nothing adds nothing");
	authority_roots_done(&roots);
}

/* ---- the role ---- */

struct delivery {
	struct buf files[FDS]; /* by descriptor number */
	struct authority_report report;
	int status;
};

static int memfd_of(const char *text, size_t n)
{
	int fd = memfd_create("test", 0);

	if (fd >= 0 && (write_all(fd, text, n) < 0 || lseek(fd, 0, SEEK_SET) < 0))
		(void)close(fd);
	return fd;
}

static _Noreturn void become_role(const int *fds)
{
	int high[FDS];
	char name[] = "agentjail", role[] = "@authority", extra[] = "1";
	char *argv[] = { name, role, extra, NULL };

	for (int i = AUTHORITY_FD_POLICY; i < FDS; i++)
		high[i] = fcntl(fds[i], F_DUPFD, 64);
	for (int i = AUTHORITY_FD_POLICY; i < FDS; i++)
		(void)dup2(high[i], i);
	_exit(authority_main(3, argv));
}

static void run_role(const struct policy *policy, const struct buf *host, const struct buf *extra,
	struct delivery *ret)
{
	int fds[FDS];
	struct err err = { 0 };
	pid_t pid;

	for (int i = AUTHORITY_FD_POLICY; i < FDS; i++)
		fds[i] = i == AUTHORITY_FD_HOST ? memfd_of(host->data, host->len)
			: i == AUTHORITY_FD_EXTRA ? memfd_of(extra->data, extra->len)
						  : memfd_of("", 0);
	tap_ok(policy_dump(policy, fds[AUTHORITY_FD_POLICY], &err) == 0, "dumps");
	(void)lseek(fds[AUTHORITY_FD_POLICY], 0, SEEK_SET);
	pid = fork();
	if (pid == 0)
		become_role(fds);
	(void)waitpid(pid, &ret->status, 0);
	for (int i = AUTHORITY_FD_POLICY; i < FDS; i++) {
		(void)lseek(fds[i], 0, SEEK_SET);
		(void)buf_read_fd(&ret->files[i], fds[i], 1u << 22);
		(void)close(fds[i]);
	}
	if (ret->files[AUTHORITY_FD_REPORT].len == sizeof(ret->report))
		memcpy(&ret->report, ret->files[AUTHORITY_FD_REPORT].data, sizeof(ret->report));
}

static void check_key(const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

	tap_ok(cert != NULL && key != NULL && X509_check_private_key(cert, key) == 1,
		"certificate and key for the proxy belong together");
	if (cert != NULL && key != NULL) {
		check_leaf(cert, key, "DNS:api.test", X509_V_OK);
		check_leaf(cert, key, "DNS:other.test", X509_V_ERR_PERMITTED_VIOLATION);
	}
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

static void check_keystore(const struct buf *text)
{
	char path[] = "/tmp/agentjail-jks-XXXXXX", keytool[] = "keytool", list[] = "-list",
	     store[] = "-keystore", pass[] = "-storepass", word[] = "changeit";
	char *argv[] = { keytool, list, store, path, pass, word, NULL };
	AUTO_CLOSE int fd = mkstemp(path);
	AUTO_CLOSE int null = open("/dev/null", O_WRONLY);
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	(void)write_all(fd, text->data, text->len);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, null, 1);
	if (posix_spawnp(&pid, keytool, &actions, NULL, argv, environ) != 0) {
		tap_ok(true, "keytool reads the key store # SKIP no keytool here");
	} else {
		(void)waitpid(pid, &status, 0);
		tap_ok(status == 0, "keytool reads the key store and its digest");
		/* The control: a byte of it changed. */
		tap_ok(pwrite(fd, "x", 1, 40) == 1, "a byte of it is changed");
		(void)posix_spawnp(&pid, keytool, &actions, NULL, argv, environ);
		(void)waitpid(pid, &status, 0);
		tap_ok(status != 0, "and then not");
	}
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)unlink(path);
}

static void check_role(void)
{
	static const char profile[] = "[inject api]\nhost = api.test\nheader = A: {secret}\n"
				      "secret = env:TOKEN\n";
	AUTO_BUF struct buf host = { 0 }, extra = { 0 };
	struct delivery d = { .status = -1 };
	struct err err = { 0 };
	struct policy *policy;

	puts_at("profiles/default.ini", profile);
	policy = load(request_of(NULL), &err);
	if (!tap_ok(policy != NULL, "loads %s", err.text))
		return;
	put_other(&host, "host.test");
	put_other(&host, "host2.test");
	put_other(&extra, "extra.test");
	run_role(policy, &host, &extra, &d);
	tap_ok(d.status == 0 && d.report.error[0] == '\0', "the role delivers %s", d.report.error);
	tap_ok(d.report.n_roots == 2 && strspn(d.report.hash, "0123456789abcdef") == 8, "it reports");
	tap_ok(count(&d.files[AUTHORITY_FD_ROOTS], "BEGIN CERT") == 2, "the host's two for keepers");
	tap_ok(count(&d.files[AUTHORITY_FD_BUNDLE], "BEGIN CERT") == 4, "and two more for cells");
	tap_ok(count(&d.files[AUTHORITY_FD_CERT], "BEGIN CERT") == 1, "its own alone");
	tap_ok(count(&d.files[AUTHORITY_FD_KEY], "PRIVATE KEY") == 2, "a key for the proxy");
	for (int i = AUTHORITY_FD_ROOTS; i < AUTHORITY_FD_HOST; i++)
		tap_ok(d.files[i].len > 0 && memmem(d.files[i].data, d.files[i].len, "PRIVATE", 7) == NULL,
			"and none in file %d", i);
	check_key(&d.files[AUTHORITY_FD_KEY]);
	check_keystore(&d.files[AUTHORITY_FD_KEYSTORE]);
	for (int i = 0; i < FDS; i++)
		buf_done(&d.files[i]);
	policy_free(policy);
}

int main(void)
{
	if (!fixture_make())
		return 1;
	check_ca();
	check_roots();
	check_role();
	fixture_remove();
	return tap_done();
}
