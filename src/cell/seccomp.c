/*
 * Installs the filters. Runs in the first process of a cell (its own, made at build time) and in
 * the process that becomes the agent (exec notification).
 */
#include "cell/belts.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "seccomp_blob.h"

#include <assert.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#define OTHER_ARCH AUDIT_ARCH_I386
#define OTHER_EXECVE 11
#define OTHER_EXECVEAT 358
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#define OTHER_ARCH AUDIT_ARCH_ARM
#define OTHER_EXECVE 11
#define OTHER_EXECVEAT 387
#else
#error "agentjail knows the exec calls of x86-64 and aarch64"
#endif

/* Calls by which a program replaces a file of its own; see warden/kept.h. */
static const unsigned kept_calls[] = { SYS_mkdirat, SYS_unlinkat, SYS_renameat, SYS_renameat2,
	SYS_utimensat, SYS_fchmodat,
#ifdef SYS_mkdir
	SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_creat, SYS_utimes, SYS_chmod,
#endif
};

/* Calls by which a held name comes and goes; unlinkat's for directories, too. */
static const unsigned hold_calls[] = { SYS_renameat2, SYS_renameat, SYS_mkdirat, SYS_unlinkat,
#ifdef SYS_rename
	SYS_rename, SYS_mkdir, SYS_rmdir,
#endif
};

/* An open is one of them when it can write. */
static const struct {
	unsigned nr, flags_arg;
} kept_opens[] = {
	{ SYS_openat, 2 },
#ifdef SYS_open
	{ SYS_open, 1 },
#endif
};

#define OPEN_WRITES (01u | 02u | 0100u) /* O_WRONLY, O_RDWR, O_CREAT: equal on both architectures */
#define LOW_WORD(arg) (offsetof(struct seccomp_data, args) + 8 * (arg))

/* Rationale: the fixed part, two for each call, five for each open, and the end. */
#define FILTER_MAX (18 + 2 * ARRAY_LEN(kept_calls) + 5 * ARRAY_LEN(kept_opens))

struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short n;
};

static void emit(struct filter *f, unsigned short code, uint8_t jt, uint8_t jf, uint32_t k)
{
	assert(f->n < FILTER_MAX);
	f->code[f->n++] = (struct sock_filter){ code, jt, jf, k };
}

static void emit_return(struct filter *f, uint32_t action)
{
	emit(f, BPF_RET | BPF_K, 0, 0, action);
}

/* If the number is nr, notify. */
static void emit_call(struct filter *f, unsigned nr)
{
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, nr);
	emit_return(f, SECCOMP_RET_USER_NOTIF);
}

/*
 * Another architecture's calls go on, as all others do, behind this: what is masked or held is EBUSY for
 * them. Removing a directory needs nobody where nothing is held.
 */
static void make_calls(struct filter *f, bool holds)
{
	size_t other_arch, other_call, directory;

	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	other_arch = f->n;
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, NATIVE_ARCH);
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; holds && i < ARRAY_LEN(hold_calls); i++)
		emit_call(f, hold_calls[i]);
#ifdef SYS_unlink
	emit_call(f, SYS_unlink);
#endif
	other_call = f->n;
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, SYS_unlinkat);
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)LOW_WORD(2));
	directory = f->n;
	emit(f, BPF_JMP | BPF_JSET | BPF_K, 0, 0, 0x200 /* AT_REMOVEDIR */);
	emit_return(f, SECCOMP_RET_USER_NOTIF);
	f->code[other_arch].jf = (uint8_t)(f->n - other_arch - 1);
	f->code[other_call].jf = (uint8_t)(f->n - other_call - 1);
	f->code[directory].jt = (uint8_t)(f->n - directory - 1);
}

/* SPEC_ALLOW: without it every command pays for the speculation switch (seccomp(2)). */
static int install(struct sock_filter *filter, size_t n, unsigned flags)
{
	struct sock_fprog prog = { .len = (unsigned short)n, .filter = filter };

	return sys_seccomp(SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog);
}

/* One program for both: the kernel compiles one, and runs one for each call of a command. */
int belts_seccomp_cell(bool userns, bool holds, int *ret_listener, struct err *err)
{
	static struct sock_filter code[BPF_MAXINSNS];
	const struct sock_filter *cell = userns ? seccomp_userns : seccomp_cell;
	size_t n = userns ? ARRAY_LEN(seccomp_userns) : ARRAY_LEN(seccomp_cell);
	struct filter calls = { .n = 0 };

	_Static_assert(FILTER_MAX + sizeof(seccomp_userns) / sizeof(seccomp_userns[0]) +
				sizeof(seccomp_cell) / sizeof(seccomp_cell[0]) < BPF_MAXINSNS, "room");
	make_calls(&calls, holds);
	memcpy(code, calls.code, calls.n * sizeof(code[0]));
	memcpy(code + calls.n, cell, n * sizeof(code[0]));
	*ret_listener = install(code, calls.n + n,
		SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	/* Where another listener is above us there can be none: nothing but deleting and replacing is lost. */
	if (*ret_listener < 0 && install(code + calls.n, n, 0) < 0)
		return err_set(err, errno, "seccomp");
	return 0;
}

static void emit_kept(struct filter *f)
{
	for (size_t i = 0; i < ARRAY_LEN(kept_calls); i++)
		emit_call(f, kept_calls[i]);
	for (size_t i = 0; i < ARRAY_LEN(kept_opens); i++) {
		emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, kept_opens[i].nr);
		emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)LOW_WORD(kept_opens[i].flags_arg));
		emit(f, BPF_JMP | BPF_JSET | BPF_K, 0, 1, OPEN_WRITES);
		emit_return(f, SECCOMP_RET_USER_NOTIF);
		emit_return(f, SECCOMP_RET_ALLOW);
	}
}

static void make_agent_filter(struct filter *f, bool has_kept)
{
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 7, 0, NATIVE_ARCH);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, OTHER_ARCH);
	emit_return(f, SECCOMP_RET_KILL_PROCESS);
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, OTHER_EXECVE);
	emit(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, OTHER_EXECVEAT);
	emit_return(f, SECCOMP_RET_USER_NOTIF);
	emit_return(f, SECCOMP_RET_ALLOW);
	emit(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	/* x32, where there is such a thing */
	emit(f, BPF_JMP | BPF_JGE | BPF_K, 0, 1, 0x40000000);
	emit_return(f, SECCOMP_RET_ERRNO | ENOSYS);
	emit_call(f, SYS_execve);
	emit_call(f, SYS_execveat);
	if (has_kept)
		emit_kept(f);
	emit_return(f, SECCOMP_RET_ALLOW);
}

int belts_seccomp_agent(bool has_kept, struct err *err)
{
	struct filter f = { .n = 0 };
	struct sock_fprog prog = { .filter = f.code };
	unsigned flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW |
		SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	int listener;

	make_agent_filter(&f, has_kept);
	prog.len = f.n;
	listener = sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (listener < 0)
		return err_set(err, errno,
			errno == EINVAL ? "seccomp notification needs Linux 5.19" : "seccomp listener");
	return listener;
}
