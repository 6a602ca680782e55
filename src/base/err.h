/* One failure with its context: lives in the caller, nothing to allocate or free. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERR_TEXT_BYTES 512

struct err {
	int code; /* a positive errno value */
	char text[ERR_TEXT_BYTES];
};

/* Exit statuses of agentjail's own (agentjail(1), EXIT STATUS); a command's own status is passed on. */
enum exit_status {
	EXIT_AGENTJAIL = 125,      /* agentjail itself failed, said on stderr in one line */
	EXIT_NOT_EXECUTABLE = 126, /* the command was found and could not be executed */
	EXIT_NOT_FOUND = 127,      /* no such command */
	EXIT_SIGNAL_BASE = 128,    /* plus the signal's number */
};

/*
 * Fills err with "FORMAT: strerror(code)" (code > 0) or with FORMAT alone (code == 0, stored as
 * EINVAL: the text says it all). Returns -code, to be returned as it is. err may not be NULL.
 */
int err_set(struct err *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "FORMAT: " before the text. Returns -err->code. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __clang_analyzer__
/* The analyzer looks at one file at a time: without this it follows "err_set() returned 0". */
#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_prefix(...) (err_prefix(__VA_ARGS__), -1)
#endif

#endif
