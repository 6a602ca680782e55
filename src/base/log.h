/*
 * Lines for the user on stderr: "agentjail: TEXT" (warden and verbs) or "agentjail[ROLE]: TEXT".
 * Only role mains, verbs and the warden's loop log; libraries return a struct err.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stddef.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Should: be called once, before the first line. role NULL: none is printed. */
void log_init(const char *role, enum log_level level);
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes foreign bytes fit for a terminal: control characters, DEL and bytes over 0x7e become \xNN,
 * backslash \\. Truncates with "...". Returns out. out_bytes >= 8.
 */
char *log_quote(const char *bytes, size_t n, char *out, size_t out_bytes);

#endif
