/*
 * What the host has lying about in places that a cell shows: sockets of its programs, and, for root,
 * files that ownership alone would open. Runs in the warden, with the user's own rights. Hostile:
 * the paths that local programs bound their sockets to.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* Rationale: a line is 80 bytes, and no machine seen has more than a few thousand sockets. */
#define SOCKETS_MAX (16u << 20)
/* Rationale: a sockaddr_un's and its NUL, and one of ours; the kernel gives no longer ones. */
#define SOCKET_PATH_BYTES 110u
/* Rationale: the kernel fills as much as was read at once before, and 8 KiB at first. */
#define ANSWER_BYTES 16384u
/* Rationale: /etc is flat; what lies deeper is shown by the packages' own modes. */
#define ETC_DEPTH_MAX 4u

static int add_socket(const struct run_plan *run, struct mount_plan *plan, const char *path,
	struct err *err)
{
	struct mount_entry entry = { .path = (char *)(size_t)path,
		.kind = MOUNT_HIDE,
		.cell_only = true };
	struct stat st;

	/* The walk of the project finds those there; /run and /tmp are the cell's own. */
	if (plan_is_below(path, run->project) || str_starts(path, "/run/") ||
		str_starts(path, "/tmp/") || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return 0;
	return plan_add(plan, entry, err);
}

/* The name that a socket is bound to, when it is an absolute path. */
static bool read_name(const struct nlmsghdr *h, char out[SOCKET_PATH_BYTES])
{
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const char *at = (const char *)(m + 1);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof(*m)), step;

	for (; left >= sizeof(struct rtattr); left -= step, at += step) {
		const struct rtattr *a = (const void *)at;
		size_t n = a->rta_len - RTA_LENGTH(0);

		if (a->rta_len < RTA_LENGTH(0) || a->rta_len > left)
			return false;
		if (a->rta_type == UNIX_DIAG_NAME && n > 0 && n < SOCKET_PATH_BYTES &&
			at[RTA_LENGTH(0)] == '/') {
			memcpy(out, at + RTA_LENGTH(0), n);
			out[n] = '\0';
			return true;
		}
		step = RTA_ALIGN(a->rta_len) < left ? RTA_ALIGN(a->rta_len) : left;
	}
	return false;
}

/* 1: all were read; 0: the kernel does not answer like this; -errno with err. */
static int read_answers(const struct run_plan *run, struct mount_plan *plan, int sock, struct err *err)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];

	for (;;) {
		ssize_t n = recv(sock, bytes, sizeof(bytes), MSG_TRUNC);
		const struct nlmsghdr *h = (const void *)bytes;

		if (n <= 0 || n > (ssize_t)sizeof(bytes))
			return 0;
		for (unsigned left = (unsigned)n; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			char path[SOCKET_PATH_BYTES];

			if (h->nlmsg_type == NLMSG_ERROR || (h->nlmsg_flags & NLM_F_DUMP_INTR) != 0)
				return 0;
			if (h->nlmsg_type == NLMSG_DONE)
				return 1;
			if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct unix_diag_msg)) &&
				read_name(h, path) && add_socket(run, plan, path, err) < 0)
				return -err->code;
		}
	}
}

/* By sock_diag(7), in a third of the time that the text takes. */
static int add_by_diag(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	const struct {
		struct nlmsghdr head;
		struct unix_diag_req body;
	} ask = { .head = { .nlmsg_len = sizeof(ask),
			  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.body = { .sdiag_family = AF_UNIX, .udiag_states = ~0u, .udiag_show = UDIAG_SHOW_NAME } };
	AUTO_CLOSE int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

	if (sock < 0 || send(sock, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		return 0;
	return read_answers(run, plan, sock, err);
}

static int add_by_text(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = open("/proc/net/unix", O_RDONLY | O_CLOEXEC);
	char *rest, *line;

	/* Without it there is nothing to know; the mounts show none of the usual places anyway. */
	if (fd < 0)
		return 0;
	if (buf_read_fd(&text, fd, SOCKETS_MAX) < 0)
		return err_set(err, EFBIG, "/proc/net/unix");
	for (rest = text.data; (line = strsep(&rest, "\n")) != NULL;) {
		char *path = strstr(line, " /");

		if (path != NULL && add_socket(run, plan, path + 1, err) < 0)
			return -err->code;
	}
	return 0;
}

int plan_add_sockets(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	int r = add_by_diag(run, plan, err);

	/* What an answer that was cut short has added is added again, and one of the two dropped. */
	return r == 0 ? add_by_text(run, plan, err) : r < 0 ? r : 0;
}

static int hide_closed(struct mount_plan *plan, int parent, struct buf *path, unsigned depth,
	struct err *err);

static int hide_one(struct mount_plan *plan, int dir, const char *name, struct buf *path,
	unsigned depth, struct err *err)
{
	struct mount_entry entry = { .path = path->data, .kind = MOUNT_HIDE, .cell_only = true };
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISLNK(st.st_mode))
		return 0;
	entry.is_dir = S_ISDIR(st.st_mode);
	if ((st.st_mode & S_IROTH) == 0 || (entry.is_dir && (st.st_mode & S_IXOTH) == 0))
		return plan_add(plan, entry, err);
	return entry.is_dir && depth < ETC_DEPTH_MAX ? hide_closed(plan, dir, path, depth + 1, err) : 0;
}

static int hide_closed(struct mount_plan *plan, int parent, struct buf *path, unsigned depth,
	struct err *err)
{
	size_t len = path->len;
	const char *name = depth == 0 ? path->data : strrchr(path->data, '/') + 1;
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (d == NULL)
		return err_set(err, errno, "read %s", path->data);
	while (r == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		buf_addf(path, "/%s", e->d_name);
		r = path->failed ? err_set(err, ENOMEM, "/etc")
				 : hide_one(plan, dirfd(d), e->d_name, path, depth, err);
		path->len = len;
		path->data[len] = '\0';
	}
	closedir(d);
	return r;
}

int plan_add_root_files(struct mount_plan *plan, struct err *err)
{
	AUTO_BUF struct buf path = { 0 };

	buf_adds(&path, "/etc");
	return path.failed ? err_set(err, ENOMEM, "/etc")
			   : hide_closed(plan, AT_FDCWD, &path, 0, err);
}
