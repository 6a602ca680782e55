/* See trail.h. Hostile: whatever may have changed the file since it was written. */
#include "cli/trail.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define QUOTE_BYTES 256

static int name_it(const struct trail *t, struct err *err)
{
	char quoted[QUOTE_BYTES];

	return err_prefix(err, "%s", log_quote(t->path, strlen(t->path), quoted, sizeof(quoted)));
}

int trail_open(struct trail *ret, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	struct stat st;

	*ret = (struct trail){ .fd = -1, .path = strdup(path) };
	if (ret->path == NULL)
		return err_set(err, ENOMEM, "audit");
	(void)log_quote(name, strcspn(name, "."), ret->id, sizeof(ret->id));
	memset(ret->prev, '0', sizeof(ret->prev) - 1);
	ret->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (ret->fd < 0 || fstat(ret->fd, &st) < 0)
		(void)err_set(err, errno, "open");
	else if (!S_ISREG(st.st_mode))
		(void)err_set(err, 0, "is no regular file, and so no audit");
	else
		return 0;
	return name_it(ret, err);
}

void trail_done(struct trail *t)
{
	if (t->path != NULL)
		cleanup_close(&t->fd);
	free(t->path);
	buf_done(&t->text);
	*t = (struct trail){ .fd = -1 };
}

/* Reads more. Bytes, 0 at the end, -errno. */
static ssize_t read_more(struct trail *t)
{
	char chunk[65536];
	ssize_t n;

	buf_drop(&t->text, t->at);
	t->at = 0;
	if (t->text.len > TRAIL_LINE_MAX)
		return -EFBIG;
	do
		n = read(t->fd, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	buf_add(&t->text, chunk, (size_t)n);
	return t->text.failed ? -ENOMEM : n;
}

static void hash_line(struct trail *t, const char *line, size_t n)
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, line, n);
	sha256_final(&hash, digest);
	sha256_hex(digest, t->prev);
}

int trail_next(struct trail *t, const char **ret, size_t *ret_n, struct err *err)
{
	size_t seen = 0;

	for (;;) {
		size_t left = t->text.len - t->at;
		const char *start = t->text.data != NULL ? t->text.data + t->at : "";
		const char *end = left > seen ? memchr(start + seen, '\n', left - seen) : NULL;
		ssize_t n;

		if (end != NULL) {
			*ret = start;
			*ret_n = (size_t)(end - start);
			t->at += *ret_n + 1;
			t->line++;
			return 1;
		}
		seen = left;
		n = read_more(t);
		if (n < 0) {
			(void)err_set(err, (int)-n, "line %u", t->line + 1);
			return name_it(t, err);
		}
		t->is_partial = n == 0 && t->text.len > 0;
		if (n == 0)
			return 0;
	}
}

static int bad_line(const struct trail *t, const char *what, struct err *err)
{
	char quoted[QUOTE_BYTES];

	return err_set(err, 0, "%s:%u: %s",
		log_quote(t->path, strlen(t->path), quoted, sizeof(quoted)), t->line, what);
}

int trail_record(struct trail *t, struct record *ret, struct err *err)
{
	const char *line;
	size_t n;
	int r = trail_next(t, &line, &n, err);

	if (r <= 0)
		return r;
	r = record_parse(ret, line, n);
	if (r == -ENOMEM)
		return err_set(err, ENOMEM, "audit");
	return r < 0 ? bad_line(t, "is no record of an audit", err) : 1;
}

int trail_rewind(struct trail *t, struct err *err)
{
	if (lseek(t->fd, 0, SEEK_SET) < 0) {
		(void)err_set(err, errno, "read again");
		return name_it(t, err);
	}
	t->text.len = t->at = 0;
	t->line = 0;
	return 0;
}

static int check_line(struct trail *t, const char *line, size_t n, struct err *err)
{
	AUTO_RECORD struct record r = { 0 };
	int64_t id;
	int failed = record_parse(&r, line, n);

	if (failed == -ENOMEM)
		return err_set(err, ENOMEM, "audit");
	if (failed < 0)
		return bad_line(t, "is no record of an audit", err);
	if (!record_number(&r, "id", &id) || id != (int64_t)t->line)
		return bad_line(t, "has not the number that follows: lines were taken out or put in",
			err);
	if (!record_says(&r, "prev", t->prev))
		return bad_line(t,
			t->line > 1 ? "has not the hash of the line before: one of the two was changed"
				    : "is the first and names a line before it",
			err);
	hash_line(t, line, n);
	return 0;
}

int trail_verify(struct trail *t, unsigned *ret_n, struct err *err)
{
	const char *line = "";
	size_t n = 0;
	int r;

	memset(t->prev, '0', sizeof(t->prev) - 1);
	while ((r = trail_next(t, &line, &n, err)) > 0) {
		r = check_line(t, line, n, err);
		if (r < 0)
			return r;
	}
	*ret_n = t->line;
	if (r == 0 && t->is_partial) {
		t->line++;
		return bad_line(t, "is cut off", err);
	}
	if (r == 0 && t->line == 0) {
		(void)err_set(err, 0, "has no record");
		return name_it(t, err);
	}
	return r;
}

bool trail_is_running(const struct trail *t, pid_t *ret_pid)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	if (fcntl(t->fd, F_GETLK, &lock) < 0 || lock.l_type == F_UNLCK)
		return false;
	*ret_pid = lock.l_pid > 0 ? lock.l_pid : 0;
	return true;
}

bool trail_time(const char *text, int64_t *ret_ms)
{
	struct tm tm = { 0 };
	unsigned ms = 0;

	if (text == NULL ||
		sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3uZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
			&tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms) != 7)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ret_ms = (int64_t)timegm(&tm) * 1000 + ms;
	return true;
}
