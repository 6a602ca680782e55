/*
 * The agent's program: which file is executed first, with which arguments, and which files the
 * agent context may ever execute.
 */
#ifndef WARDEN_PROGRAM_H
#define WARDEN_PROGRAM_H

#include "policy/runplan.h"

#include <sys/types.h>

/* Rationale: an agent's own program, its interpreter, its loader, and a few helpers. */
#define PROGRAM_FILES_MAX 256

struct program_file {
	char *path; /* resolved */
	dev_t dev;
	ino_t ino;
};

struct program {
	char *path; /* the file the kernel is given: an ELF file, after scripts' interpreters */
	char **argv; /* NULL-terminated */
	char *agent; /* {agent}: resolved path of what the user named */
	char *script; /* the same as PATH found it: what an interpreter has among its arguments */
	char *interp; /* {interp}: resolved path of its interpreter, or the same */
	char *root; /* {root}: the package that holds it */
	struct program_file files[PROGRAM_FILES_MAX];
	size_t n_files;
	const char *exec_paths[PROGRAM_FILES_MAX + 1]; /* the same paths, for Landlock */
	size_t n_exec_paths;
};

/*
 * Finds argv[0] as execvp(3) does and follows `#!` lines, `/usr/bin/env` among them, so that the
 * first exec is the program itself. 0, or -errno with err: ENOENT and EACCES as execvp says.
 */
int program_find(const struct run_plan *plan, struct program *ret, struct err *err);

/* Opens what [agent] trusted names: files that exist now, by inode. 0 or -errno with err. */
int program_add_trusted(const struct run_plan *plan, struct program *p, struct err *err);

/* The trusted file with this inode, or NULL. */
const struct program_file *program_lookup(const struct program *p, dev_t dev, ino_t ino);
void program_done(struct program *p);

/* PATH search (execvp(3)): an absolute or relative path the caller frees; NULL with errno. */
char *program_which(const char *name, const char *path_variable);

#endif
