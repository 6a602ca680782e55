/*
 * The host's file of a held configuration, written in place. Runs in the cell's helper. Hostile: who
 * writes it: a command that had it open from a moment when it was not covered, or the user's editor. git
 * itself never does that, so what is not harmless is put back and the cell ends.
 */
#include "helper/hold.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/gitconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

int hold_open_host(const struct holds *h, const char *path)
{
	AUTO_CLOSE int fd = -1;
	struct stat st;

	if (h->plain >= 0)
		fd = sys_openat2(h->plain, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			RESOLVE_PLAIN);
	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 ? take_fd(&fd) : -1;
}

bool hold_write_host(int fd, const struct buf *text)
{
	struct stat st;

	return fstat(fd, &st) == 0 && lseek(fd, 0, SEEK_SET) == 0 &&
		(text->len == 0 || write_all(fd, text->data, text->len) == 0) &&
		((size_t)st.st_size <= text->len || ftruncate(fd, (off_t)text->len) == 0);
}

bool hold_is_being_written(const struct holds *h, int file)
{
	char link[64];
	AUTO_CLOSE int fd = -1;

	(void)snprintf(link, sizeof(link), "self/fd/%d", file);
	fd = openat(h->proc, link, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	/* fcntl(2): there is no read lease on a file that is open for writing. */
	if (fd < 0 || (fcntl(fd, F_SETLEASE, F_RDLCK) < 0 && errno == EAGAIN))
		return true;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}

bool hold_is_clean(const struct holds *h, const char *path, const struct buf *text)
{
	AUTO_CLOSE int host = hold_open_host(h, path), file = -1;
	AUTO_BUF struct buf now = { 0 };

	if (h->plain < 0)
		return true; /* cannot be told */
	if (host < 0 || buf_read_fd(&now, host, HELDSTORE_FILE_BYTES) < 0)
		return false;
	/* Ours is open for writing, too. */
	file = sys_openat2(h->plain, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, RESOLVE_PLAIN);
	cleanup_close(&host);
	return file >= 0 && !hold_is_being_written(h, file) && now.len == text->len &&
		(now.len == 0 || memcmp(now.data, text->data, now.len) == 0);
}

void hold_guard(struct holds *h, struct hold *hold)
{
	AUTO_CLOSE int fd = hold_open_host(h, hold->path);
	char link[64];

	hold->host.len = 0;
	if (fd < 0 || h->inotify < 0 || fchdir(h->proc) < 0)
		return;
	(void)snprintf(link, sizeof(link), "self/fd/%d", fd);
	hold->guard = inotify_add_watch(h->inotify, link, IN_MODIFY);
	(void)buf_read_fd(&hold->host, fd, GITCONFIG_BYTES_MAX);
}

static bool is_harmless(const struct hold *hold, const struct buf *now)
{
	AUTO_BUF struct buf merged = { 0 };
	struct gitconfig_merge merge = { .host = hold->host.data != NULL ? hold->host.data : "",
		.copy = now->data != NULL ? now->data : "",
		.host_bytes = hold->host.len,
		.copy_bytes = now->len,
		.origin = GITCONFIG_HOST };
	struct err err = { 0 };

	if (now->len == hold->host.len && (now->len == 0 || memcmp(now->data, hold->host.data, now->len) == 0))
		return true;
	return hold->is_config && gitconfig_merge(&merge, &merged, &err) == 0 && merge.n_waiting == 0;
}

/* One that nothing is mounted over is judged as if it had just come. */
static bool look_again(struct holds *h, const struct hold *hold)
{
	(void)hold_look(h, hold->path, HOLD_SEEN);
	return true;
}

bool hold_guard_event(struct holds *h, int wd)
{
	struct hold *hold = NULL;
	AUTO_CLOSE int fd = -1;
	AUTO_BUF struct buf now = { 0 };

	for (size_t i = 0; i < h->n && hold == NULL; i++)
		if (h->list[i].guard == wd)
			hold = &h->list[i];
	if (hold == NULL)
		return false;
	if (str_ends(hold->path, "/commondir"))
		return look_again(h, hold);
	if (!hold->is_active || (fd = hold_open_host(h, hold->path)) < 0)
		return true;
	if (buf_read_fd(&now, fd, GITCONFIG_BYTES_MAX) == 0 && is_harmless(hold, &now)) {
		hold->host.len = 0;
		buf_add(&hold->host, now.data != NULL ? now.data : "", now.len);
		return true;
	}
	(void)hold_write_host(fd, &hold->host);
	h->hostile = "git's configuration on the host was written past its copy; it is put back";
	return true;
}
