/*
 * Build-time: makes a short program of one that libseccomp wrote, and proves that both say the
 * same: of every number of a call on every architecture, and with many arguments where a rule asks
 * for them. No input is hostile.
 */
#include "cell/seccomp_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- what a program says (linux/filter.h): as the kernel would run it ---- */

static uint32_t word_at(const struct seccomp_data *d, uint32_t offset)
{
	uint32_t word;

	if (offset > sizeof(*d) - sizeof(word))
		seccomp_die("load", EINVAL);
	memcpy(&word, (const char *)d + offset, sizeof(word));
	return word;
}

/* *ret_reads: it looked at an argument. */
static uint32_t run(const struct seccomp_program *p, const struct seccomp_data *d, bool *ret_reads)
{
	uint32_t a = 0;

	*ret_reads = false;
	for (unsigned pc = 0; pc < p->n;) {
		const struct sock_filter *i = &p->code[pc++];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = word_at(d, i->k);
			*ret_reads |= i->k >= offsetof(struct seccomp_data, args);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += (a & i->k) != 0 ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			seccomp_die("an instruction that libseccomp did not use before", EINVAL);
		}
	}
	seccomp_die("a program without an end", EINVAL);
	return 0;
}

/* ---- packing: a tree over the numbers of calls, and the filter of arguments behind it ---- */

/* Rationale: numbers end far below; the private calls of 32-bit ARM begin at 0xf0000. */
#define NUMBERS 0x100000u
/* Rationale: a jump of the tree, which is shorter by one, spans 255 instructions. */
#define RUNS_MAX 250

/* What can become of a number: the tree's leaves, in the order that they stand behind it. */
static const uint32_t leaves[] = { SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM,
	SECCOMP_RET_ERRNO | ENOSYS };
#define LEAF_ARGS LEN(leaves) /* asks the filter of arguments */

#if defined(__x86_64__)
static const uint32_t arches[] = { AUDIT_ARCH_X86_64, AUDIT_ARCH_I386 };
#elif defined(__aarch64__)
static const uint32_t arches[] = { AUDIT_ARCH_AARCH64, AUDIT_ARCH_ARM };
#endif

/* Neighbouring numbers with the same leaf. */
struct runs {
	struct {
		uint32_t start;
		unsigned leaf;
	} at[RUNS_MAX];
	unsigned n;
};

static unsigned leaf_of(const struct seccomp_program *whole, uint32_t arch, uint32_t nr)
{
	struct seccomp_data d = { .nr = (int)nr, .arch = arch };
	bool reads;
	uint32_t action = run(whole, &d, &reads);

	if (reads)
		return LEAF_ARGS;
	for (unsigned i = 0; i < LEN(leaves); i++)
		if (leaves[i] == action)
			return i;
	seccomp_die("an action that is no leaf", EINVAL);
	return 0;
}

static void find_runs(const struct seccomp_program *whole, uint32_t arch, struct runs *r)
{
	r->n = 0;
	for (uint32_t nr = 0; nr < NUMBERS; nr++) {
		unsigned leaf = leaf_of(whole, arch, nr);

		if (r->n > 0 && r->at[r->n - 1].leaf == leaf)
			continue;
		if (r->n == RUNS_MAX)
			seccomp_die("too many runs of numbers", E2BIG);
		r->at[r->n].start = nr;
		r->at[r->n++].leaf = leaf;
	}
}

static void emit(struct seccomp_program *p, struct sock_filter code)
{
	if (p->n == SECCOMP_PROGRAM_MAX)
		seccomp_die("program too long", E2BIG);
	p->code[p->n++] = code;
}

/*
 * The part of the tree for the runs first to last: last - first compares, where the next one
 * stands, each followed by its left side. The leaves begin at end.
 */
static void emit_tree(struct seccomp_program *p, const struct runs *r, unsigned first,
	unsigned last, unsigned end)
{
	unsigned middle = (first + last + 1) / 2; /* begins the right side */
	unsigned here = p->n;
	unsigned left = middle - 1 > first ? here + 1 : end + r->at[first].leaf;
	unsigned right = last > middle ? here + 1 + (middle - 1 - first) : end + r->at[last].leaf;

	emit(p, (struct sock_filter){ BPF_JMP | BPF_JGE | BPF_K, (uint8_t)(right - here - 1),
			(uint8_t)(left - here - 1), r->at[middle].start });
	if (middle - 1 > first)
		emit_tree(p, r, first, middle - 1, end);
	if (last > middle)
		emit_tree(p, r, middle, last, end);
}

/* What follows is for another architecture; *ret_args: the jump to the filter of arguments. */
static void emit_arch(
	struct seccomp_program *p, uint32_t arch, const struct runs *r, unsigned *ret_args)
{
	unsigned n = 1 + (r->n - 1) + LEN(leaves) + 1;

	emit(p, (struct sock_filter){ BPF_JMP | BPF_JEQ | BPF_K, 1, 0, arch });
	emit(p, (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, n });
	emit(p, (struct sock_filter){
			BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr) });
	if (r->n < 2)
		seccomp_die("a list of one kind", EINVAL);
	emit_tree(p, r, 0, r->n - 1, p->n + r->n - 1);
	for (unsigned i = 0; i < LEN(leaves); i++)
		emit(p, (struct sock_filter){ BPF_RET | BPF_K, 0, 0, leaves[i] });
	*ret_args = p->n;
	emit(p, (struct sock_filter){ BPF_JMP | BPF_JA, 0, 0, 0 });
}

static void pack(const struct seccomp_program *whole, const struct seccomp_program *args,
	struct seccomp_program *p)
{
	unsigned jumps[LEN(arches)];

	p->n = 0;
	emit(p, (struct sock_filter){
			BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch) });
	for (unsigned i = 0; i < LEN(arches); i++) {
		struct runs runs;

		find_runs(whole, arches[i], &runs);
		emit_arch(p, arches[i], &runs, &jumps[i]);
	}
	emit(p, (struct sock_filter){ BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOSYS });
	for (unsigned i = 0; i < LEN(arches); i++)
		p->code[jumps[i]].k = p->n - jumps[i] - 1;
	for (unsigned i = 0; i < args->n; i++)
		emit(p, args->code[i]);
}

/* ---- proof: the packed program says what the whole one says ---- */

static void compare(const struct seccomp_program *a, const struct seccomp_program *b,
	const struct seccomp_data *d)
{
	bool ignored;

	if (run(a, d, &ignored) == run(b, d, &ignored))
		return;
	fprintf(stderr, "seccomp_gen: arch %x call %d (%llx, %llx, %llx, %llx): %x, packed %x\n",
		d->arch, d->nr, d->args[0], d->args[1], d->args[2], d->args[3], run(a, d, &ignored),
		run(b, d, &ignored));
	exit(1);
}

/* Arguments that rules speak of, their neighbours, and any. */
static uint64_t some_argument(uint64_t *state)
{
	static const uint64_t known[] = { 0, S_ISUID, O_CREAT, 0x5412, 0x541c, ~0ull };
	uint64_t value;

	/* xorshift64 of Marsaglia: the same at every build */
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	value = *state >> 8;
	switch (*state % 6) {
	case 0:
		return known[value % LEN(known)] + value / 64 % 3 - 1;
	case 1:
		return value % 64;
	case 2:
		return 1ull << value % 64;
	case 3:
		return known[value % LEN(known)] | (value & ~0xffffffffull);
	case 4:
		return value & (value >> 20) & (value << 13);
	default:
		return value;
	}
}

static void prove(const struct seccomp_program *whole, const struct seccomp_program *packed)
{
	uint64_t state = 0x9e3779b97f4a7c15ull;
	struct seccomp_data d = { 0 };

	for (unsigned i = 0; i <= LEN(arches); i++) {
		d.arch = i < LEN(arches) ? arches[i] : AUDIT_ARCH_S390X;
		memset(d.args, 0, sizeof(d.args));
		for (uint64_t nr = 0; nr <= UINT32_MAX; nr += nr < 2 * NUMBERS ? 1 : 65521) {
			d.nr = (int)(uint32_t)nr;
			compare(whole, packed, &d);
		}
		for (uint32_t nr = 0; nr < 1024; nr++) {
			unsigned tries = leaf_of(whole, d.arch, nr) == LEAF_ARGS ? 100000 : 100;

			for (d.nr = (int)nr; tries > 0; tries--) {
				for (unsigned k = 0; k < LEN(d.args); k++)
					d.args[k] = some_argument(&state);
				compare(whole, packed, &d);
			}
		}
		/* The numbers of the other ABI of x86-64 (x32). */
		for (uint32_t nr = 0x40000000; nr < 0x40000400; nr++) {
			d.nr = (int)nr;
			compare(whole, packed, &d);
		}
	}
}

void seccomp_pack(const struct seccomp_program *whole, const struct seccomp_program *args,
	struct seccomp_program *ret)
{
	pack(whole, args, ret);
	prove(whole, ret);
}
