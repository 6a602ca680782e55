/*
 * Proves: each audit line is one line of JSON that holds the hash of the line before it, foreign
 * bytes included; a changed line breaks the chain.
 */
#include "warden/audit.h"

#include "base/cleanup.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/stat.h>

static void hash_of(const char *line, size_t n, char out[SHA256_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 s;

	sha256_init(&s);
	sha256_add(&s, line, n);
	sha256_final(&s, digest);
	sha256_hex(digest, out);
}

/* How many lines stand in an unbroken chain. */
static int chained(const char *text, int *ret_lines)
{
	char prev[SHA256_HEX_BYTES];
	int good = 0;

	memset(prev, '0', sizeof(prev) - 1);
	prev[sizeof(prev) - 1] = '\0';
	*ret_lines = 0;
	for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
		const char *field = strstr(line, "\"prev\":\"");

		(*ret_lines)++;
		if (field == NULL || field > end || strncmp(field + 8, prev, 64) != 0)
			return good;
		good++;
		hash_of(line, (size_t)(end - line), prev);
	}
	return good;
}

int main(void)
{
	char dir[] = "/tmp/agentjail-audit-XXXXXX";
	AUTO_BUF struct buf path = { 0 };
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int fd = -1;
	struct audit_record r;
	struct audit a;
	struct err err;
	struct stat st;
	int lines;

	if (mkdtemp(dir) == NULL)
		return 1;
	buf_addf(&path, "%s/a/b", dir);
	tap_ok(audit_open(&a, path.data, &err) == 0, "opens, with its directories");
	tap_ok(stat(a.path, &st) == 0 && (st.st_mode & 0777) == 0600, "for the user alone");
	audit_begin(&a, &r, "exec");
	audit_strings(&r, "argv", "sh\0-c\0a\"\n\xff", 3);
	tap_ok(audit_end(&r) == 1, "numbers from 1");
	audit_begin(&a, &r, "exit");
	audit_number(&r, "status", -1);
	tap_ok(audit_end(&r) == 2, "to 2");
	audit_begin(&a, &r, "end");
	(void)audit_end(&r);
	fd = open(a.path, O_RDONLY | O_CLOEXEC);
	tap_ok(fd >= 0 && buf_read_fd(&text, fd, 1 << 20) == 0, "reads back");
	tap_ok(strstr(text.data, "[\"sh\",\"-c\",\"a\\\"\\u000a\xef\xbf\xbd\"]") != NULL, "argv is JSON");
	tap_ok(chained(text.data, &lines) == 3 && lines == 3, "the chain holds");
	*strstr(text.data, "sh") = 'S';
	tap_ok(chained(text.data, &lines) == 1, "and breaks after a changed line");
	(void)unlink(a.path);
	audit_done(&a);
	(void)rmdir(path.data);
	path.data[strlen(path.data) - 2] = '\0';
	(void)rmdir(path.data);
	(void)rmdir(dir);
	return tap_done();
}
