/*
 * Makes a cell's programs believe the session's certificate authority: what they read instead of
 * the host's files is the host's content and one certificate more. Runs in a cell's first process,
 * with capabilities in its own user namespace. Nothing here is hostile: files and hash come from
 * the session's authority.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "wire/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

/* Rationale: two files of up to AUTHORITY_ROOTS_MAX certificates; pages that are not used cost nothing. */
#define TRUST_TMPFS_SIZE "32m"
/* Rationale: one certificate; with the names of many rules it has some kB. */
#define TRUST_CERT_MAX (1 << 20)

/* A mount needs a file of a file system that is mounted, which a memfd's is not. */
static int copy_file(int tree, const char *name, int from, struct err *err)
{
	AUTO_CLOSE int to = openat(tree, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	struct stat st;
	off_t at = 0;

	if (to < 0 || fstat(from, &st) < 0)
		return err_set(err, errno, "make %s", name);
	while (at < st.st_size)
		if (sendfile(to, from, &at, (size_t)(st.st_size - at)) <= 0)
			return err_set(err, errno, "copy %s", name);
	return 0;
}

/* The directory's one file has the name that OpenSSL looks for (c_rehash(1)). */
static int fill_hashed(int tree, const struct trust_files *files, struct err *err)
{
	struct authority_report report;
	char name[sizeof("certs/") + sizeof(report.hash) + sizeof(".0")];

	if (pread(files->report, &report, sizeof(report), 0) != (ssize_t)sizeof(report) ||
		strnlen(report.hash, sizeof(report.hash)) != sizeof(report.hash) - 1)
		return err_set(err, EPROTO, "report of the session's authority");
	(void)snprintf(name, sizeof(name), "certs/%s.0", report.hash);
	if (mkdirat(tree, "certs", 0755) < 0)
		return err_set(err, errno, "make certs");
	return copy_file(tree, name, files->cert, err);
}

/* The lines between the first certificate's marks, as one: base64 of its DER. */
static int add_base64(const char *pem, struct buf *out, struct err *err)
{
	const char *at = strstr(pem, "-----BEGIN CERTIFICATE-----\n"), *end;

	if (at == NULL || (end = strstr(at, "\n-----END CERTIFICATE-----")) == NULL)
		return err_set(err, EPROTO, "certificate of the session's authority");
	for (at = strchr(at, '\n'); at < end; at++)
		if (*at != '\n')
			buf_add(out, at, 1);
	return out->failed ? err_set(err, ENOMEM, "certificate") : 0;
}

static int make_policy(int cert, struct buf *out, struct err *err)
{
	AUTO_FREE char *pem = NULL;
	struct stat st;
	ssize_t n;

	if (fstat(cert, &st) < 0 || st.st_size > TRUST_CERT_MAX)
		return err_set(err, EPROTO, "the session's certificate");
	pem = malloc((size_t)st.st_size + 1);
	/* Its file position is shared with others. */
	n = pem != NULL ? pread(cert, pem, (size_t)st.st_size, 0) : -1;
	if (n < 0)
		return err_set(err, errno, "read the session's certificate");
	pem[n] = '\0';
	buf_adds(out, "{\"CACertificates\":[\"");
	if (add_base64(pem, out, err) < 0)
		return -err->code;
	/* A company's own list stays: without this one of two files wins. */
	buf_adds(out, "\"],\"PolicyListMultipleSourceMergeList\":[\"CACertificates\"]}\n");
	return out->failed ? err_set(err, ENOMEM, "certificate") : 0;
}

static int write_policy(int dir, const char *text, struct err *err)
{
	AUTO_CLOSE int policies = -1, managed = -1, file = -1;
	int r;

	if (mkdirat(dir, "policies", 0755) < 0 ||
		(policies = openat(dir, "policies", O_DIRECTORY | O_CLOEXEC)) < 0 ||
		mkdirat(policies, "managed", 0755) < 0 ||
		(managed = openat(policies, "managed", O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_set(err, errno, "make a browser's policies");
	file = openat(managed, "agentjail.json", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
	if (file < 0)
		return err_set(err, errno, "make a browser's policies");
	r = write_all(file, text, strlen(text));
	return r < 0 ? err_set(err, -r, "write a browser's policies") : 0;
}

/*
 * Chromium believes no file of certificates, but what policies of the machine say, which are
 * additional each. One tree for all places that it is mounted over: its own, and the directory
 * that has one for each maker.
 */
static int fill_policies(int tree, const struct trust_files *files, struct err *err)
{
	static const char *const makers[] = { ".", "chrome", "chrome_for_testing", "edge" };
	const char *name = strrchr(TRUST_POLICIES, '/') + 1;
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int dir = -1;

	if (mkdirat(tree, name, 0755) < 0 || (dir = openat(tree, name, O_DIRECTORY | O_CLOEXEC)) < 0)
		return err_set(err, errno, "make %s", name);
	if (make_policy(files->cert, &text, err) < 0)
		return -err->code;
	for (size_t i = 0; i < ARRAY_LEN(makers); i++) {
		AUTO_CLOSE int maker = -1;

		if ((i > 0 && mkdirat(dir, makers[i], 0755) < 0) ||
			(maker = openat(dir, makers[i], O_DIRECTORY | O_CLOEXEC)) < 0)
			return err_set(err, errno, "make %s", makers[i]);
		if (write_policy(maker, text.data, err) < 0)
			return -err->code;
	}
	return 0;
}

static int fill(int tree, const struct trust_files *files, struct err *err)
{
	if (copy_file(tree, strrchr(TRUST_BUNDLE, '/') + 1, files->bundle, err) < 0 ||
		copy_file(tree, strrchr(TRUST_KEYSTORE, '/') + 1, files->keystore, err) < 0 ||
		copy_file(tree, strrchr(TRUST_CERT, '/') + 1, files->cert, err) < 0)
		return -err->code;
	return fill_hashed(tree, files, err) < 0 ? -err->code : fill_policies(tree, files, err);
}

int view_trust_init(struct view_trust *t, int root, const struct trust_files *files, struct err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_CLOSE int tree = mnt_tmpfs("755", TRUST_TMPFS_SIZE, MNT_NOEXEC_, err);

	if (tree < 0 || fill(tree, files, err) < 0)
		return err_prefix(err, TRUST_DIR);
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &read_only) < 0)
		return err_set(err, errno, TRUST_DIR ": mount_setattr");
	if (view_attach(root, take_fd(&tree), TRUST_DIR, 1, err) < 0)
		return -err->code;
	t->bundle = openat(root, &TRUST_BUNDLE[1], O_PATH | O_CLOEXEC);
	t->keystore = openat(root, &TRUST_KEYSTORE[1], O_PATH | O_CLOEXEC);
	t->hashed = openat(root, &TRUST_HASHED[1], O_PATH | O_CLOEXEC);
	t->policies = openat(root, &TRUST_POLICIES[1], O_PATH | O_CLOEXEC);
	if (t->bundle < 0 || t->keystore < 0 || t->hashed < 0 || t->policies < 0)
		return err_set(err, errno, "open " TRUST_DIR);
	return 0;
}

void view_trust_done(struct view_trust *t)
{
	cleanup_close(&t->bundle);
	cleanup_close(&t->keystore);
	cleanup_close(&t->hashed);
	cleanup_close(&t->policies);
}

/*
 * Read-only: two layers and no upper one. A host that stacks overlays as deep as the kernel allows
 * has none for us: then its directory stays, for few programs look there alone.
 */
static int mount_layers(int layer, int target, struct err *err)
{
	char lower[96];
	const char *options[] = { "lowerdir", lower, "userxattr", NULL, NULL };
	AUTO_CLOSE int tree = -1;

	(void)snprintf(lower, sizeof(lower), "/proc/self/fd/%d:/proc/self/fd/%d", layer, target);
	tree = mnt_new("overlay", options,
		MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, err);
	return tree < 0 ? 0 : mnt_attach(tree, target, err);
}

int view_trust_mount(const struct view_trust *t, int target, enum mount_kind kind, struct err *err)
{
	AUTO_CLOSE int tree = -1;

	if (t->bundle < 0)
		return 0;
	if (kind == MOUNT_HASHED || kind == MOUNT_POLICIES)
		return mount_layers(kind == MOUNT_HASHED ? t->hashed : t->policies, target, err);
	tree = mnt_clone(kind == MOUNT_KEYSTORE ? t->keystore : t->bundle, MNT_RDONLY_ | MNT_NOEXEC_,
		err);
	return tree < 0 ? -err->code : mnt_attach(tree, target, err);
}
