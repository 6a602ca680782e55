/*
 * Proves: strings and vectors are read as they stand wherever the pages end, of both pointer sizes;
 * what is not mapped, too long or too many is said; and a new question never sees an old answer.
 */
#include "warden/procmem.h"

#include "tap.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 16
#define BYTES ((size_t)PAGES * 4096)

static struct procmem m;
static char *area; /* readable, and nothing mapped behind it */

static uint64_t addr(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void test_strings(void)
{
	char out[4096], *last = area + BYTES - 6;

	memcpy(last, "at end", 6);
	procmem_begin(&m, getpid());
	tap_ok(procmem_string(&m, addr(last), out, sizeof(out)) == -EFAULT,
		"a string that runs into what is not mapped");
	memcpy(last, "ended", 6);
	procmem_begin(&m, getpid());
	tap_ok(procmem_string(&m, addr(last), out, sizeof(out)) == 5 && strcmp(out, "ended") == 0,
		"a string right before it");
	tap_ok(procmem_string(&m, addr(area + BYTES), out, sizeof(out)) == -EFAULT, "nothing there");
	tap_ok(procmem_string(&m, 0, out, sizeof(out)) == -EFAULT, "a null pointer");
	memset(area, 'x', 5 * 4096);
	area[4095 + 4000] = '\0';
	tap_ok(procmem_string(&m, addr(area + 4095), out, sizeof(out)) == 4000,
		"a string across two pages");
	tap_ok(procmem_string(&m, addr(area + 4095 + 4000 - 4095), out, sizeof(out)) == 4095,
		"one that just fits");
	tap_ok(procmem_string(&m, addr(area + 4095 + 4000 - 4096), out, sizeof(out)) == -ENAMETOOLONG,
		"one that does not");
	area[5] = '\0';
	tap_ok(procmem_string(&m, addr(area), out, sizeof(out)) == -ENAMETOOLONG,
		"one question reads once");
	procmem_begin(&m, getpid());
	tap_ok(procmem_string(&m, addr(area), out, sizeof(out)) == 5, "the next one reads anew");
}

static void test_vectors(void)
{
	struct procmem_limits limits = { .max_strings = 200, .max_bytes = 100000, .pointer_bytes = 8 };
	AUTO_BUF struct buf out = { 0 };
	const char *many[160] = { 0 };
	bool cut;
	size_t n;

	/* Far apart and backwards: more places than windows. */
	for (size_t i = 0; i < 150; i++) {
		char *s = area + (i * 7 % PAGES) * 4096 + i * 8;

		(void)snprintf(s, 8, "s%zu", i);
		many[i] = s;
	}
	procmem_begin(&m, getpid());
	tap_ok(procmem_vector(&m, addr(many), &limits, &out, &n, &cut) == 0 && n == 150 && !cut,
		"150 strings all over the place");
	for (size_t i = 0, at = 0; i < 150; at += strlen(out.data + at) + 1, i++)
		if (strcmp(out.data + at, many[i]) != 0) {
			tap_is(out.data + at, many[i], "each of them");
			break;
		}
	limits.max_strings = 149;
	out.len = 0;
	tap_ok(procmem_vector(&m, addr(many), &limits, &out, &n, &cut) == 0 && cut, "one too many");
	limits.max_strings = 200;
	limits.max_bytes = 50;
	out.len = 0;
	tap_ok(procmem_vector(&m, addr(many), &limits, &out, &n, &cut) == 0 && cut, "too many bytes");
	many[149] = area + BYTES;
	limits.max_bytes = 100000;
	procmem_begin(&m, getpid());
	tap_ok(procmem_vector(&m, addr(many), &limits, &out, &n, &cut) == -EFAULT, "a bad pointer");
	tap_ok(procmem_vector(&m, addr(area + BYTES), &limits, &out, &n, &cut) == -EFAULT,
		"a bad vector");
	out.len = 0;
	tap_ok(procmem_vector(&m, 0, &limits, &out, &n, &cut) == 0 && n == 0 && out.len == 0,
		"no vector");
}

static void test_long(void)
{
	struct procmem_limits limits = { .max_strings = 9, .max_bytes = 100000, .pointer_bytes = 8 };
	AUTO_BUF struct buf out = { 0 };
	const char *one[2] = { area + 4095, NULL };
	bool cut;
	size_t n;

	memset(area, 'x', BYTES);
	area[4095 + 16384] = '\0';
	procmem_begin(&m, getpid());
	tap_ok(procmem_vector(&m, addr(one), &limits, &out, &n, &cut) == 0 && !cut && n == 1 &&
			out.len == 16385,
		"16 KB from a page's last byte: whole");
	area[4095 + 16384] = 'x';
	procmem_begin(&m, getpid());
	out.len = 0;
	tap_ok(procmem_vector(&m, addr(one), &limits, &out, &n, &cut) == 0 && cut && n == 1,
		"longer: cut, and said");
	area[BYTES - 1] = 'x';
	one[0] = area + BYTES - 100;
	procmem_begin(&m, getpid());
	tap_ok(procmem_vector(&m, addr(one), &limits, &out, &n, &cut) == -EFAULT,
		"without an end before what is not mapped: a fault, not a cut");
}

static void test_narrow(void)
{
	struct procmem_limits limits = { .max_strings = 9, .max_bytes = 1000, .pointer_bytes = 4 };
	void *low = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	AUTO_BUF struct buf out = { 0 };
	uint32_t *vector = low;
	bool cut;
	size_t n;

	if (low == MAP_FAILED) {
		tap_ok(true, "a 32-bit vector # skip no room below 4 GB");
		return;
	}
	/* Right at the end of the page: the terminating one is the last four bytes. */
	vector += 1024 - 3;
	memcpy(low, "one\0two", 8);
	vector[0] = 0x10000000;
	vector[1] = 0x10000004;
	vector[2] = 0;
	procmem_begin(&m, getpid());
	tap_ok(procmem_vector(&m, addr(vector), &limits, &out, &n, &cut) == 0 && n == 2 &&
			out.len == 8 && memcmp(out.data, "one\0two", 8) == 0,
		"a 32-bit vector");
}

int main(void)
{
	area = mmap(NULL, BYTES + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || munmap(area + BYTES, 4096) < 0)
		return 1;
	test_strings();
	test_vectors();
	test_long();
	test_narrow();
	return tap_done();
}
