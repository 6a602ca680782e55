/*
 * The tool door in a cell: a socket that the warden listens on, and a link for each word that a tool
 * answers to. Runs in a cell's first process, with capabilities in its own user namespace, before
 * the cell's view is entered. Nothing here is hostile: the words are the policy's.
 */
#include "cell/view.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/mnt.h"
#include "policy/tools.h"
#include "wire/door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

extern const char door_blob[], door_blob_end[];

/* Rationale: one program of 13 kB and names for it; pages that are not used cost nothing. */
#define DOOR_TMPFS_SIZE "1m"
/* Rationale: calls that wait for the warden's next turn; connect(2) waits for a place. */
#define DOOR_BACKLOG 64

static int make_program(int tools, struct err *err)
{
	AUTO_CLOSE int fd = openat(tools, "../link", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0555);
	int r;

	if (fd < 0)
		return err_set(err, errno, "make the link");
	r = write_all(fd, door_blob, (size_t)(door_blob_end - door_blob));
	return r < 0 ? err_set(err, -r, "write the link") : 0;
}

/* Names of one file: by that it knows itself among the files of PATH. */
static int make_names(int tools, const struct tools_tool *tool, struct err *err)
{
	AUTO_BUF struct buf word = { 0 };

	for (size_t i = 0; tools_word(tool, i, &word); i++)
		if (linkat(tools, "../link", tools, word.data, 0) < 0 && errno != EEXIST)
			return err_set(err, errno, "make %s", word.data);
	return word.failed ? err_set(err, ENOMEM, "make links") : 0;
}

static int listen_at(int tree, struct err *err)
{
	AUTO_CLOSE int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d%s", tree,
		strrchr(DOOR_SOCKET, '/'));
	if (sock < 0 || bind(sock, (struct sockaddr *)&at, sizeof(at)) < 0 ||
		listen(sock, DOOR_BACKLOG) < 0)
		return err_set(err, errno, "listen");
	return take_fd(&sock);
}

static int fill(int tree, const struct policy *policy, struct err *err)
{
	size_t n;
	const struct tools_tool *const *tools = tools_all(policy, &n);
	AUTO_CLOSE int dir = -1;

	if (mkdirat(tree, strrchr(DOOR_TOOLS, '/') + 1, 0755) < 0)
		return err_set(err, errno, "make a directory");
	dir = openat(tree, strrchr(DOOR_TOOLS, '/') + 1, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, errno, "open a directory");
	if (make_program(dir, err) < 0)
		return -err->code;
	for (size_t i = 0; i < n; i++)
		if (make_names(dir, tools[i], err) < 0)
			return -err->code;
	return 0;
}

int view_door(int root, const struct policy *policy, int *ret, struct err *err)
{
	struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };
	AUTO_CLOSE int tree = -1, sock = -1;
	size_t n;

	(void)tools_all(policy, &n);
	if (n == 0)
		return 0;
	tree = mnt_tmpfs("755", DOOR_TMPFS_SIZE, 0, err);
	if (tree < 0 || fill(tree, policy, err) < 0)
		return err_prefix(err, DOOR_DIR);
	sock = listen_at(tree, err);
	if (sock < 0)
		return err_prefix(err, DOOR_DIR);
	if (sys_mount_setattr(tree, "", AT_EMPTY_PATH, &read_only) < 0)
		return err_set(err, errno, DOOR_DIR ": mount_setattr");
	if (view_attach(root, take_fd(&tree), DOOR_DIR, 1, err) < 0)
		return -err->code;
	*ret = take_fd(&sock);
	return 0;
}
