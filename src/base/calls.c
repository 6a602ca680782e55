/*
 * Runs in each process that gives up what it does not need, once, before its input is hostile.
 */
#include "base/calls.h"

#include "base/cleanup.h"
#include "base/sys.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <stdbool.h>

#if defined(__x86_64__)
#define THIS_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCH AUDIT_ARCH_AARCH64
#else
#error "the tables of system calls are for x86-64 and aarch64"
#endif

/* Rationale: two instructions a call, nine where there are tests; the tables have 60 rows. */
#define PROGRAM_MAX 320u

struct program {
	struct sock_filter code[PROGRAM_MAX];
	unsigned short n;
};

static void emit(struct program *p, struct sock_filter instruction)
{
	if (p->n < PROGRAM_MAX)
		p->code[p->n++] = instruction;
}

static void load(struct program *p, size_t offset)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

static void verdict(struct program *p, uint32_t value)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value));
}

/* A jump over the verdict that follows. */
static void skip_unless_number(struct program *p, int number)
{
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1));
}

static bool has_tests(const struct calls_rule *rule)
{
	return rule->error != 0 || rule->tests[0].test != CALLS_ANY;
}

/* A jump that is taken when the test fails; end_rule() sets its target. */
static void add_test(struct program *p, const struct calls_rule *rule, size_t i)
{
	uint32_t value = rule->tests[i].value;

	/* Both architectures are little-endian. */
	load(p, offsetof(struct seccomp_data, args) + rule->tests[i].arg * sizeof(uint64_t));
	if (rule->tests[i].test == CALLS_HAS_BITS)
		emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, value));
	if (rule->tests[i].test == CALLS_NOT_BITS)
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, value, 0, 0));
	else
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0));
}

/* All jumps from `start` on go behind the rule when their test fails. */
static void end_rule(struct program *p, unsigned short start)
{
	for (unsigned short i = start; i < p->n; i++) {
		struct sock_filter *jump = &p->code[i];
		uint8_t far = (uint8_t)(p->n - i - 1);

		if (BPF_CLASS(jump->code) != BPF_JMP)
			continue;
		if (BPF_OP(jump->code) == BPF_JSET)
			jump->jt = far;
		else
			jump->jf = far;
	}
}

static void add_tested(struct program *p, const struct calls_rule *rule)
{
	unsigned short start = p->n;

	load(p, offsetof(struct seccomp_data, nr));
	emit(p, (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)rule->number, 0, 0));
	for (size_t i = 0; i < ARRAY_LEN(rule->tests); i++)
		if (rule->tests[i].test != CALLS_ANY)
			add_test(p, rule, i);
	verdict(p, rule->error == 0 ? SECCOMP_RET_ALLOW
				    : SECCOMP_RET_ERRNO | (uint32_t)rule->error);
	end_rule(p, start);
}

/* Calls without tests first: they are the frequent ones, and their number is loaded once. */
static void build(struct program *p, const struct calls_rule *rules, size_t n, uint32_t otherwise)
{
	load(p, offsetof(struct seccomp_data, arch));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCH, 1, 0));
	verdict(p, SECCOMP_RET_KILL_PROCESS);
	load(p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < n; i++) {
		if (has_tests(&rules[i]))
			continue;
		skip_unless_number(p, rules[i].number);
		verdict(p, SECCOMP_RET_ALLOW);
	}
	for (size_t i = 0; i < n; i++)
		if (has_tests(&rules[i]))
			add_tested(p, &rules[i]);
	verdict(p, otherwise);
}

int calls_allow_only(const struct calls_rule *rules, size_t n, uint32_t otherwise, unsigned flags,
	struct err *err)
{
	struct program p = { .n = 0 };
	struct sock_fprog prog = { .filter = p.code };

	build(&p, rules, n, otherwise);
	if (p.n == PROGRAM_MAX)
		return err_set(err, E2BIG, "table of system calls");
	prog.len = p.n;
	if (sys_seccomp(SECCOMP_SET_MODE_FILTER, flags, &prog) < 0)
		return err_set(err, errno, "seccomp");
	return 0;
}

int calls_drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &head, none) < 0)
		return err_set(err, errno, "capset");
	return 0;
}
