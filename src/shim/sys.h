/*
 * System calls without a C library, for the shim; each gives the kernel's result, -errno on
 * failure. x86-64 (psABI A.2.1) and aarch64 (syscall(2)). Only calls that both have.
 */
#ifndef SHIM_SYS_H
#define SHIM_SYS_H

/* Before any system header: include this file first. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <asm/unistd.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "0"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

#elif defined(__aarch64__)

static inline long sys_call6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

#else
#error "no system call instruction known for this architecture"
#endif

static inline long sys_call3(long nr, long a, long b, long c)
{
	return sys_call6(nr, a, b, c, 0, 0, 0);
}

static inline long sys_call4(long nr, long a, long b, long c, long d)
{
	return sys_call6(nr, a, b, c, d, 0, 0);
}

static inline long sys_ptr(const void *p)
{
	return (long)(uintptr_t)p;
}

/* The kernel's struct sigaction of both architectures (they have SA_RESTORER). */
struct sys_sigaction {
	uintptr_t handler; /* 0: SIG_DFL, 1: SIG_IGN */
	unsigned long flags;
	uintptr_t restorer;
	uint64_t mask;
};

/* how: SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK. Signal sets are one 64-bit word. */
static inline long sys_sigprocmask(int how, uint64_t set)
{
	return sys_call4(__NR_rt_sigprocmask, how, sys_ptr(&set), 0, sizeof(set));
}

static inline long sys_sigaction(int sig, const struct sys_sigaction *act, struct sys_sigaction *old)
{
	return sys_call4(__NR_rt_sigaction, sig, sys_ptr(act), sys_ptr(old), sizeof(act->mask));
}

/* Takes one pending signal of the set, without waiting: its number or -EAGAIN. */
static inline long sys_sigtake(uint64_t set)
{
	struct timespec none = { 0 };

	return sys_call4(__NR_rt_sigtimedwait, sys_ptr(&set), 0, sys_ptr(&none), sizeof(set));
}

static inline long sys_getpid(void)
{
	return sys_call3(__NR_getpid, 0, 0, 0);
}

static inline long sys_getpgrp(void)
{
	return sys_call3(__NR_getpgid, 0, 0, 0);
}

static inline long sys_kill(long pid, int sig)
{
	return sys_call3(__NR_kill, pid, sig, 0);
}

static inline long sys_read(int fd, void *bytes, size_t n)
{
	return sys_call3(__NR_read, fd, sys_ptr(bytes), (long)n);
}

static inline long sys_write(int fd, const void *bytes, size_t n)
{
	return sys_call3(__NR_write, fd, sys_ptr(bytes), (long)n);
}

static inline long sys_close(int fd)
{
	return sys_call3(__NR_close, fd, 0, 0);
}

static inline long sys_ioctl(int fd, unsigned long request, void *arg)
{
	return sys_call3(__NR_ioctl, fd, (long)request, sys_ptr(arg));
}

static inline long sys_fcntl(int fd, int cmd, long arg)
{
	return sys_call3(__NR_fcntl, fd, cmd, arg);
}

struct pollfd;

/* timeout NULL: for ever. */
static inline long sys_ppoll(struct pollfd *fds, size_t n, const struct timespec *timeout)
{
	return sys_call6(__NR_ppoll, sys_ptr(fds), (long)n, sys_ptr(timeout), 0, 0, 0);
}

static inline _Noreturn void sys_exit(int status)
{
	for (;;)
		(void)sys_call3(__NR_exit_group, status, 0, 0);
}

#endif
