/* A growing byte buffer and the few string jobs that are not in libc. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

/* Starts as {0}. After a failed allocation `failed` is set and stays: check once, at the end. */
struct buf {
	char *data; /* NUL-terminated beyond len whenever data is not NULL */
	size_t len, cap;
	bool failed;
};

void buf_done(struct buf *b);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes the first n bytes (there are as many) away. */
void buf_drop(struct buf *b, size_t n);

/*
 * Adds bytes as a JSON string with its quotes (RFC 8259 section 7). Valid UTF-8 goes through as it
 * is; every byte that is not becomes U+FFFD, so that the output is always valid JSON.
 */
void buf_add_json(struct buf *b, const char *bytes, size_t n);
void buf_add_json_text(struct buf *b, const char *text); /* up to its NUL */

#define AUTO_BUF __attribute__((cleanup(buf_done)))

/* Reads the whole file behind fd (at most max bytes, else -EFBIG) and appends. 0 or -errno. */
int buf_read_fd(struct buf *b, int fd, size_t max);

/* Writes all of it, going on after short writes and EINTR. 0 or -errno. */
int write_all(int fd, const void *bytes, size_t n);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);

/*
 * Shell-like match of a whole string: '*' any run of bytes, '?' one byte, all else itself.
 * Linear in practice (one backtrack point); no allocation.
 */
bool str_glob(const char *pattern, const char *s);

/* strtoul in base 10 for a whole string of digits; false for anything else or above max. */
bool str_to_ulong(const char *s, unsigned long max, unsigned long *ret);

#endif
