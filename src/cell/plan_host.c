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
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: a line is 80 bytes, and no machine seen has more than a few thousand sockets. */
#define SOCKETS_MAX (16u << 20)
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

int plan_add_sockets(const struct run_plan *run, struct mount_plan *plan, struct err *err)
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
