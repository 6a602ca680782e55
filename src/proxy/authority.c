/*
 * Makes the session's certificate authority and everything by which a cell believes it. A process
 * of its own with the user's identity, confined like the proxy once it has read its files; it lives
 * some milliseconds, before any command runs. Its key is in this process, in the memfd for the
 * proxy, and in the proxy. Hostile: certificates in a file of the project that the user's
 * variables name.
 */
#include "proxy/authority.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "policy/rules.h"
#include "proxy/authority_ca.h"
#include "proxy/authority_roots.h"
#include "proxy/lockdown.h"
#include "wire/authority.h"

#include <dirent.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* Rationale: bundles have a quarter of a megabyte. */
#define SOURCE_MAX (8u << 20)
/* Rationale: a hashed directory has two names for each certificate. */
#define DIRECTORY_NAMES_MAX (4u * AUTHORITY_ROOTS_MAX)

struct authority {
	struct policy *policy;
	struct buf host;  /* PEM of the host */
	struct buf extra; /* PEM of what the user's variables name */
	struct authority_roots roots, all;
	X509 *cert;
	EVP_PKEY *key;
	struct authority_report report;
};

static void read_file(int fd, struct buf *out)
{
	/* What cannot be read is as if it were not there; too large: the same. */
	if (buf_read_fd(out, fd, SOURCE_MAX) < 0)
		out->len = 0;
	buf_adds(out, "\n");
}

/* A hashed directory: each certificate is there under two names, of which one is enough. */
static void read_directory(int fd, struct buf *out)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	unsigned budget = DIRECTORY_NAMES_MAX;
	struct dirent *e;

	while (d != NULL && budget-- > 0 && (e = readdir(d)) != NULL) {
		AUTO_CLOSE int file = -1;
		AUTO_BUF struct buf text = { 0 };
		struct stat st;

		if (e->d_name[0] == '.' || fstatat(fd, e->d_name, &st, 0) < 0 || !S_ISREG(st.st_mode))
			continue;
		file = openat(fd, e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (file < 0 || buf_read_fd(&text, file, SOURCE_MAX) < 0 ||
			out->len + text.len > SOURCE_MAX)
			continue;
		buf_add(out, text.data, text.len);
		buf_adds(out, "\n");
	}
	if (d != NULL)
		closedir(d);
}

static void read_source(int fd, struct buf *out)
{
	struct stat st;

	buf_adds(out, "\n"); /* never without data */
	if (fstat(fd, &st) < 0)
		return;
	if (S_ISDIR(st.st_mode))
		read_directory(fd, out);
	else
		read_file(fd, out);
}

static int read_sources(struct authority *a, size_t n_extra, struct err *err)
{
	/* First, for its number may be free, and the next descriptor would take it. */
	read_source(AUTHORITY_FD_HOST, &a->host);
	for (size_t i = 0; i < n_extra; i++) {
		AUTO_BUF struct buf text = { 0 };

		/* Most variables name the very file of the system; decoding it takes a while. */
		read_source(AUTHORITY_FD_EXTRA + (int)i, &text);
		if (text.len != a->host.len || memcmp(text.data, a->host.data, text.len) != 0)
			buf_add(&a->extra, text.data, text.len);
	}
	if (a->host.failed || a->extra.failed)
		return err_set(err, ENOMEM, "certificates");
	return policy_undump(AUTHORITY_FD_POLICY, &a->policy, err);
}

static int collect(struct authority *a, struct err *err)
{
	AUTO_FREE unsigned char *der = NULL;
	int n = i2d_X509(a->cert, &der), r;

	if (n <= 0)
		return err_set(err, ENOMEM, "certificate");
	r = authority_roots_add_pem(&a->roots, a->host.data, a->host.len);
	if (r == 0)
		r = authority_roots_add(&a->all, der, (size_t)n);
	if (r == 0)
		r = authority_roots_add_all(&a->all, &a->roots);
	if (r == 0)
		r = authority_roots_add_pem(&a->all, a->extra.data, a->extra.len);
	a->report.n_roots = (uint32_t)a->roots.n;
	return r < 0 ? err_set(err, -r, "the host's certificate authorities") : 0;
}

static int make_ca(struct authority *a, struct err *err)
{
	size_t n;
	const struct rules_rule *const *rules = rules_all(a->policy, &n);
	AUTO_FREE const char **hosts = calloc(n + 1, sizeof(*hosts));

	if (hosts == NULL)
		return err_set(err, ENOMEM, "rules");
	for (size_t i = 0; i < n; i++)
		hosts[i] = rules_value(rules[i], RULES_HOST)->value;
	if (authority_ca_make(hosts, n, &a->cert, &a->key, err) < 0)
		return -err->code;
	(void)snprintf(a->report.hash, sizeof(a->report.hash), "%08lx",
		X509_NAME_hash_ex(X509_get_subject_name(a->cert), NULL, NULL, NULL) & 0xffffffffUL);
	return 0;
}

static int deliver(int fd, const struct buf *text, const char *what, struct err *err)
{
	int r = text->failed ? -ENOMEM : write_all(fd, text->data, text->len);

	return r < 0 ? err_set(err, -r, "write %s", what) : 0;
}

/* Through memory that is wiped: the key has no other copy here than OpenSSL's own. */
static int deliver_key(const struct authority *a, struct err *err)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long n = 0;
	int r = -ENOMEM;

	if (bio != NULL && PEM_write_bio_X509(bio, a->cert) == 1 &&
		PEM_write_bio_PrivateKey(bio, a->key, NULL, NULL, 0, NULL, NULL) == 1 &&
		(n = BIO_get_mem_data(bio, &text)) > 0) {
		r = write_all(AUTHORITY_FD_KEY, text, (size_t)n);
		OPENSSL_cleanse(text, (size_t)n);
	}
	BIO_free(bio);
	return r < 0 ? err_set(err, -r, "write the key") : 0;
}

static int deliver_all(const struct authority *a, struct err *err)
{
	AUTO_BUF struct buf roots = { 0 }, bundle = { 0 }, keystore = { 0 }, cert = { 0 };
	/* The session's own is the first of all. */
	struct authority_roots own = { .items = a->all.items, .n = 1 };

	authority_roots_put_pem(&a->roots, &roots);
	authority_roots_put_pem(&a->all, &bundle);
	authority_roots_put_jks(&a->all, &keystore);
	authority_roots_put_pem(&own, &cert);
	if (deliver(AUTHORITY_FD_ROOTS, &roots, "roots", err) < 0 ||
		deliver(AUTHORITY_FD_BUNDLE, &bundle, "bundle", err) < 0 ||
		deliver(AUTHORITY_FD_KEYSTORE, &keystore, "key store", err) < 0 ||
		deliver(AUTHORITY_FD_CERT, &cert, "certificate", err) < 0)
		return -err->code;
	return deliver_key(a, err);
}

static int run(struct authority *a, const char *n_extra, struct err *err)
{
	static const struct rlimit none = { 0, 0 };
	unsigned long n;

	if (!str_to_ulong(n_extra, AUTHORITY_EXTRA_MAX, &n))
		return err_set(err, 0, "not a number of descriptors");
	/* The host's openssl.cnf may name engines and providers; nothing of it is wanted here. */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1 ||
		setrlimit(RLIMIT_CORE, &none) < 0)
		return err_set(err, 0, "cannot set up libcrypto");
	if (read_sources(a, n, err) < 0 || lockdown_enter(err) < 0 || make_ca(a, err) < 0 ||
		collect(a, err) < 0)
		return -err->code;
	return deliver_all(a, err);
}

static void done(struct authority *a)
{
	EVP_PKEY_free(a->key); /* clears the private number */
	X509_free(a->cert);
	authority_roots_done(&a->roots);
	authority_roots_done(&a->all);
	buf_done(&a->host);
	buf_done(&a->extra);
	policy_free(a->policy);
}

int authority_main(int argc, char **argv)
{
	struct authority a = { .report.version = AUTHORITY_REPORT_VERSION };
	struct err err = { 0 };
	int r;

	/* In a session without places others of the user's processes may look; lockdown.c insists.
	 */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	log_init("authority", LOG_WARN);
	r = argc == 3 ? run(&a, argv[2], &err)
		      : err_set(&err, 0, "this role is started by agentjail itself");
	done(&a);
	if (r < 0) {
		log_error("%s", err.text);
		(void)snprintf(a.report.error, sizeof(a.report.error), "%.*s",
			(int)sizeof(a.report.error) - 1, err.text);
	}
	if (write_all(AUTHORITY_FD_REPORT, &a.report, sizeof(a.report)) < 0)
		r = -EIO;
	return r < 0 ? EXIT_AGENTJAIL : 0;
}
