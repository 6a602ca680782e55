/*
 * Runs in the warden. Hostile: argv, paths and host names from the cell; all go through the JSON
 * writer. A full disk does not end a session: what was lost is counted and said.
 */
#include "warden/audit.h"

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* Rationale: an argv of megabytes is one command's; its beginning tells what it was. */
#define AUDIT_STRINGS_MAX 8192u

int audit_open(struct audit *a, const char *dir, struct err *err)
{
	AUTO_BUF struct buf path = { 0 };
	struct timespec now;
	struct tm tm;
	int r = dirs_make(dir);

	if (r < 0)
		return err_set(err, -r, "audit: %s", dir);
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	*a = (struct audit){ .fd = -1 };
	(void)snprintf(a->session, sizeof(a->session), "%04d%02d%02d-%02d%02d%02d-%d",
		tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		getpid());
	memset(a->prev, '0', sizeof(a->prev) - 1);
	buf_addf(&path, "%s/%s.jsonl", dir, a->session);
	if (path.failed)
		return err_set(err, ENOMEM, "audit");
	a->fd = open(path.data, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0)
		return err_set(err, errno, "audit: %s", path.data);
	/* Held while this process lives: how `agentjail status` knows that the session runs. */
	(void)fcntl(a->fd, F_SETLK, &(struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET });
	a->path = take_ptr(&path.data);
	return 0;
}

void audit_done(struct audit *a)
{
	cleanup_close(&a->fd);
	free(a->path);
	a->path = NULL;
}

void audit_begin(struct audit *a, struct audit_record *r, const char *event)
{
	struct timespec now;
	struct tm tm;

	*r = (struct audit_record){ .audit = a, .seq = a->seq + 1 };
	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)gmtime_r(&now.tv_sec, &tm);
	buf_addf(&r->line,
		"{\"id\":%llu,\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ\",\"event\":\"%s\"",
		(unsigned long long)r->seq, tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec, now.tv_nsec / 1000000, event);
}

void audit_bytes(struct audit_record *r, const char *key, const char *value, size_t n)
{
	buf_addf(&r->line, ",\"%s\":", key);
	buf_add_json(&r->line, value, n);
}

void audit_string(struct audit_record *r, const char *key, const char *value)
{
	if (value != NULL)
		audit_bytes(r, key, value, strlen(value));
}

void audit_number(struct audit_record *r, const char *key, int64_t value)
{
	buf_addf(&r->line, ",\"%s\":%lld", key, (long long)value);
}

void audit_strings(struct audit_record *r, const char *key, const char *strings, size_t n)
{
	size_t budget = AUDIT_STRINGS_MAX;

	buf_addf(&r->line, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(strings), take = len < budget ? len : budget;

		if (i > 0)
			buf_adds(&r->line, ",");
		buf_add_json(&r->line, strings, take);
		budget -= take;
		if (take < len || budget == 0) {
			buf_adds(&r->line, "],\"cut\":true");
			return;
		}
		strings += len + 1;
	}
	buf_adds(&r->line, "]");
}

uint64_t audit_end(struct audit_record *r)
{
	struct audit *a = r->audit;
	unsigned char digest[SHA256_BYTES];
	struct sha256 hash;
	uint64_t seq = r->seq;

	if (a->lost > 0)
		audit_number(r, "lost_before", (int64_t)a->lost);
	buf_addf(&r->line, ",\"prev\":\"%s\"}", a->prev);
	if (a->fd < 0 || r->line.failed)
		goto out;
	sha256_init(&hash);
	sha256_add(&hash, r->line.data, r->line.len);
	sha256_final(&hash, digest);
	buf_adds(&r->line, "\n");
	if (r->line.failed || write_all(a->fd, r->line.data, r->line.len) < 0) {
		a->lost++;
		if (!a->has_failed)
			log_warn("audit: %s: %s; records are lost", a->path, strerror(errno));
		a->has_failed = true;
	} else {
		a->seq = seq;
		a->lost = 0;
		sha256_hex(digest, a->prev);
	}
out:
	buf_done(&r->line);
	return seq;
}
