/*
 * The files below /etc that a cell must have otherwise than the host: names are answered by the
 * proxy on 127.0.0.1, and no socket of a name service is there to ask.
 * Runs in a cell's first process. Nothing here is hostile: all of it is the host's own.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "cell/mnt.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

/* Rationale: a few hundred bytes on every distribution seen. */
#define NSSWITCH_MAX 65536u

static void make_resolv(struct buf *out)
{
	/* trust-ad: glibc keeps the AD bit away from programs otherwise; harmless with our answers. */
	buf_adds(out, "# made by agentjail: names are answered by its proxy\nnameserver 127.0.0.1\n");
}

static void make_hosts(struct buf *out)
{
	struct utsname u;

	buf_adds(out, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
	if (uname(&u) == 0 && strcmp(u.nodename, "localhost") != 0)
		buf_addf(out, "127.0.1.1\t%s\n", u.nodename);
}

/* The host's file with one line changed: resolve, myhostname and mdns ask daemons. */
static void make_nsswitch(struct buf *out)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC);
	char *line, *rest;

	if (fd < 0 || buf_read_fd(&text, fd, NSSWITCH_MAX) < 0)
		buf_adds(&text, "passwd: files\ngroup: files\n");
	for (rest = text.data; rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
		if (!str_starts(line, "hosts:") && *line != '\0')
			buf_addf(out, "%s\n", line);
	buf_adds(out, "hosts: files dns\n");
}

static const struct etc_file {
	const char *path;
	void (*make)(struct buf *out);
} etc_files[] = {
	{ "etc/resolv.conf", make_resolv },
	{ "etc/hosts", make_hosts },
	{ "etc/nsswitch.conf", make_nsswitch },
};

static int mount_file(int root, const struct etc_file *file, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = -1, tree = -1, target = -1;
	int r;

	target = openat(root, file->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (target < 0 && errno == ENOENT)
		return 0; /* a host without the file has a C library that does without */
	if (target < 0)
		return err_set(err, errno, "open %s", file->path);
	file->make(&text);
	fd = openat(root, ".agentjail-etc", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0 || text.failed)
		return err_set(err, fd < 0 ? errno : ENOMEM, "make %s", file->path);
	r = write_all(fd, text.data, text.len);
	if (r < 0)
		return err_set(err, -r, "write %s", file->path);
	tree = mnt_clone(fd, MNT_RDONLY_ | MNT_NOEXEC_, err);
	if (tree < 0 || mnt_attach(tree, target, err) < 0)
		return err_prefix(err, "mount %s", file->path);
	if (unlinkat(root, ".agentjail-etc", 0) < 0)
		return err_set(err, errno, "unlink");
	return 0;
}

int view_etc(int root, struct err *err)
{
	for (size_t i = 0; i < ARRAY_LEN(etc_files); i++)
		if (mount_file(root, &etc_files[i], err) < 0)
			return -err->code;
	return 0;
}
