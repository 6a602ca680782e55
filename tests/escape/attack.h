/*
 * The hostile program of the escape tests: one act a subcommand. Runs inside the cell as any tool
 * command would (and outside, for the positive control); trusts nothing and needs no library.
 *
 * Every act prints one line and returns one of the three values below:
 *   OK [what it got]   the act succeeded: an escape, if it ran in a cell
 *   EPERM, ENOENT...   the kernel's own word of why not; NONE where there was nothing to find
 *   SKIP reason        this machine cannot even try it
 */
#ifndef ESCAPE_ATTACK_H
#define ESCAPE_ATTACK_H

#include <stdbool.h>
#include <stddef.h>

enum verdict { GOT = 0, DENIED = 1, CANNOT = 2 };

struct attack {
	const char *name;
	const char *usage;
	int args; /* how many arguments it needs at least */
	enum verdict (*run)(char **arg);
};

/* One table a file, ended by a NULL name. */
extern const struct attack attack_files[], attack_process[], attack_net[], attack_sys[],
	attack_mount[], attack_victim[];

/* What a system call's result means: negative is errno's name, anything else OK. */
enum verdict attack_result(long rc);
enum verdict attack_got(const char *what);
enum verdict attack_none(void);
enum verdict attack_cannot(const char *why);

/* Reads at most size - 1 bytes of path, NUL-terminated; -1 and errno. */
long attack_slurp(const char *path, char *ret_buf, size_t size);
/* True when the len bytes at buf hold the text needle anywhere, NULs included. */
bool attack_holds(const char *buf, long len, const char *needle);
/* A number or a process id argument; ends the program on anything else. */
long attack_number(const char *text);

#endif
