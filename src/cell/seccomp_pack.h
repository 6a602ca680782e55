/* Packing of a system call filter, for the tool that makes the cell's (seccomp_gen.c). */
#ifndef CELL_SECCOMP_PACK_H
#define CELL_SECCOMP_PACK_H

#include <linux/filter.h>

/* Rationale: BPF_MAXINSNS, the kernel's limit for one program. */
#define SECCOMP_PROGRAM_MAX 4096

struct seccomp_program {
	struct sock_filter code[SECCOMP_PROGRAM_MAX];
	unsigned n;
};

/*
 * Makes of `whole` a tree over the numbers of calls; those whose arguments it looks at are left to
 * `args`, which stands behind the tree. Ends the tool when that would not say the same as `whole`.
 */
void seccomp_pack(const struct seccomp_program *whole, const struct seccomp_program *args,
	struct seccomp_program *ret);

/* Ends the tool with a line on standard error; code: an errno, of either sign. */
_Noreturn void seccomp_die(const char *what, int code);

#endif
