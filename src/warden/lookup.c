/*
 * Runs in the warden; resolves below the cell's root by descriptor, as the cell itself would.
 * Hostile: the file's content and links in the project. Only an error is decided here, never a
 * permission: what runs, runs in the cell whatever this says.
 */
#include "warden/lookup.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/policy.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: the kernel reads as much of a file to find its format (BINPRM_BUF_SIZE). */
#define HEAD_BYTES 256
#define INTERPRETERS_MAX 5

static int open_below(int root, const char *path, bool nofollow, bool *ret_dir)
{
	struct stat st;
	int fd;

	fd = sys_openat2(root, path, O_PATH | O_CLOEXEC | (nofollow ? (uint64_t)O_NOFOLLOW : 0),
		RESOLVE_IN_ROOT);
	if (fd < 0)
		return -errno;
	*ret_dir = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode);
	if (nofollow && *ret_dir && S_ISLNK(st.st_mode)) {
		(void)close(fd);
		return -ELOOP; /* execveat(2), AT_SYMLINK_NOFOLLOW */
	}
	return fd;
}

/* What the kernel looks at before it commits to an ELF file (elf(5), execve(2): ENOEXEC). */
static bool is_elf_program(const char *head, size_t n)
{
	Elf32_Ehdr narrow;
	Elf64_Ehdr wide;

	if (n < sizeof(narrow))
		return false;
	memcpy(&narrow, head, sizeof(narrow));
	if (narrow.e_type != ET_EXEC && narrow.e_type != ET_DYN)
		return false;
	/* e_machine stands at the same place in both classes. */
	if (narrow.e_machine == EM_386 || narrow.e_machine == EM_ARM)
		return narrow.e_phentsize == sizeof(Elf32_Phdr) && narrow.e_phnum > 0;
	if (n < sizeof(wide))
		return false;
	memcpy(&wide, head, sizeof(wide));
	return (wide.e_machine == EM_X86_64 || wide.e_machine == EM_AARCH64) &&
		(wide.e_ident[EI_CLASS] == ELFCLASS32 /* x32: the kernel's own matter */ ||
			(wide.e_phentsize == sizeof(Elf64_Phdr) && wide.e_phnum > 0));
}

/* Formats beyond ELF and `#!` are known to binfmt_misc alone; then only the kernel can tell. */
static bool has_other_formats(void)
{
	static int known = -1;

	if (known < 0)
		known = access("/proc/sys/fs/binfmt_misc/register", F_OK) == 0;
	return known == 1;
}

/* 1: a script, its interpreter in `interp`; 0: a program; -ENOEXEC */
static int read_format(int fd, char interp[HEAD_BYTES])
{
	char head[HEAD_BYTES + 1] = { 0 }, path[32];
	AUTO_CLOSE int file = -1;
	char *start;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file < 0)
		return 0; /* executable but not readable: only the kernel can look into it */
	n = read(file, head, HEAD_BYTES);
	if (n >= 4 && memcmp(head, ELFMAG, SELFMAG) == 0)
		return is_elf_program(head, (size_t)n) || has_other_formats() ? 0 : -ENOEXEC;
	if (n < 3 || head[0] != '#' || head[1] != '!')
		return has_other_formats() ? 0 : -ENOEXEC;
	start = head + 2 + strspn(head + 2, " \t");
	start[strcspn(start, " \t\n")] = '\0';
	if (*start == '\0')
		return -ENOEXEC;
	memcpy(interp, start, strlen(start) + 1);
	return 1;
}

int lookup_exec(int root, const char *path, bool nofollow)
{
	char interp[HEAD_BYTES];

	for (unsigned depth = 0; depth < INTERPRETERS_MAX; depth++) {
		bool is_other = false;
		AUTO_CLOSE int fd = open_below(root, path, nofollow && depth == 0, &is_other);
		int r;

		if (fd < 0)
			return fd;
		if (is_other || faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) < 0)
			return -EACCES;
		r = read_format(fd, interp);
		if (r <= 0)
			return r;
		/* A relative interpreter is relative to a directory we do not know here. */
		if (interp[0] != '/')
			return 0;
		path = interp;
	}
	return -ELOOP;
}

static bool may_write(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED;
}

/* Also where links lead to. */
static bool is_out_of_reach(const struct policy *policy, const char *path)
{
	AUTO_FREE char *real = realpath(path, NULL);

	return !may_write(policy, path) && (real == NULL || !may_write(policy, real));
}

char *lookup_program(int root, const struct policy *policy, const char *name, const char *path)
{
	errno = ENOENT;
	while (*path != '\0') {
		size_t n = strcspn(path, ":");
		AUTO_BUF struct buf file = { 0 };

		buf_addf(&file, "%.*s/%s", (int)n, path, name);
		if (*path == '/' && !file.failed && lookup_exec(root, file.data, false) == 0 &&
			is_out_of_reach(policy, file.data))
			return take_ptr(&file.data);
		path += n + (path[n] == ':');
	}
	errno = ENOENT;
	return NULL;
}
