/*
 * Proves that the cell's DNS server answers as RFC 1035 wants, that nothing but names in normal
 * form gets an address, and that hostile queries get an error or nothing, never a crash.
 */
#include "base/cleanup.h"
#include "proxy/dns.h"
#include "tap.h"

#include <stdlib.h>

static char asked[256]; /* the last name that an address was asked for */

static uint32_t address_of(void *context, const char *name)
{
	(void)context;
	(void)snprintf(asked, sizeof(asked), "%s", name);
	return strcmp(name, "full.test") == 0 ? 0 : 0xc6120105u;
}

static const char *name_of(void *context, uint32_t address)
{
	(void)context;
	return address == 0xc6120105u ? "host.test" : NULL;
}

static bool is_short_name(void *context, const char *name)
{
	(void)context;
	return strcmp(name, "db") == 0;
}

static const struct dns_source source = { NULL, address_of, name_of, is_short_name, NULL };

struct message {
	uint8_t bytes[1024];
	size_t n;
};

static void add(struct message *m, const void *bytes, size_t n)
{
	memcpy(m->bytes + m->n, bytes, n);
	m->n += n;
}

static void add16(struct message *m, unsigned value)
{
	uint8_t b[2] = { (uint8_t)(value >> 8), (uint8_t)value };

	add(m, b, 2);
}

static void add_name(struct message *m, const char *name)
{
	while (*name != '\0') {
		uint8_t n = (uint8_t)strcspn(name, ".");

		add(m, &n, 1);
		add(m, name, n);
		name += n;
		name += *name == '.';
	}
	add(m, "", 1);
}

static struct message query(const char *name, unsigned type)
{
	struct message m = { .n = 0 };

	add16(&m, 0x1234);
	add16(&m, 0x0100);
	add16(&m, 1);
	add16(&m, 0);
	add16(&m, 0);
	add16(&m, 0);
	add_name(&m, name);
	add16(&m, type);
	add16(&m, 1);
	return m;
}

static uint8_t answer[DNS_ANSWER_MAX];
static size_t answer_n;

static int ask(const struct message *m)
{
	AUTO_FREE uint8_t *exact = malloc(m->n > 0 ? m->n : 1);

	asked[0] = '\0';
	memcpy(exact, m->bytes, m->n); /* so that a sanitizer sees a read beyond the end */
	memset(answer, 0xaa, sizeof(answer));
	answer_n = dns_answer(exact, m->n, &source, answer);
	return answer_n >= 12 ? answer[3] & 15 : -1;
}

static unsigned answers(void)
{
	return (unsigned)answer[6] << 8 | answer[7];
}

static void test_answers(void)
{
	struct message m = query("Host.TEST", 1);

	tap_ok(ask(&m) == 0 && answers() == 1, "A: one answer");
	tap_is(asked, "host.test", "the name is looked up in normal form");
	tap_ok(answer[0] == 0x12 && answer[1] == 0x34 && (answer[2] & 0x80) != 0 &&
			(answer[2] & 1) != 0,
		"id, QR and RD are right");
	tap_ok(memcmp(answer + answer_n - 4, "\xc6\x12\x01\x05", 4) == 0,
		"the address is the table's");
	tap_ok(memcmp(answer + 12, m.bytes + 12, m.n - 12) == 0,
		"the question is echoed, its case too");
	m = query("host.test", 28);
	tap_ok(ask(&m) == 0 && answers() == 0, "AAAA: no data");
	tap_is(asked, "", "and no address is used up");
	static const unsigned empty[] = { 2, 5, 6, 15, 16, 33, 64, 65, 257 };
	for (size_t i = 0; i < ARRAY_LEN(empty); i++) {
		m = query("host.test", empty[i]);
		tap_ok(ask(&m) == 0 && answers() == 0, "type %u: no data", empty[i]);
	}
	m = query("localhost", 1);
	tap_ok(ask(&m) == 0 && memcmp(answer + answer_n - 4, "\x7f\0\0\1", 4) == 0,
		"localhost: 127.0.0.1");
	m = query("localhost", 28);
	tap_ok(ask(&m) == 0 && answers() == 1 && answer[answer_n - 1] == 1, "localhost: ::1");
	m = query("web.localhost", 1);
	tap_ok(ask(&m) == 0 && memcmp(answer + answer_n - 4, "\x7f\0\0\1", 4) == 0,
		"and what is below it");
	m = query("db", 1);
	tap_ok(ask(&m) == 0 && answers() == 1, "a name without a dot that policy knows");
	m = query("wpad", 1);
	tap_ok(ask(&m) == 3, "another one: NXDOMAIN");
	m = query("full.test", 1);
	tap_ok(ask(&m) == 2, "no address left: SERVFAIL");
	m = query("5.1.18.198.in-addr.arpa", 12);
	tap_ok(ask(&m) == 0 && answers() == 1, "PTR of a synthetic address");
	tap_ok(memmem(answer + m.n, answer_n - m.n, "\4host\4test", 11) != NULL, "is its name");
	m = query("8.8.8.8.in-addr.arpa", 12);
	tap_ok(ask(&m) == 3, "PTR of any other: NXDOMAIN");
	m = query("", 2);
	tap_ok(ask(&m) == 0 && answers() == 0, "the root: no data");
}

static void test_names(void)
{
	static const char *const bad[] = { "a b.test", "a!.test", "-.te\x80st", "1.2.3.4", "a.0",
		"2130706433", "a\xff.test", "a/b.test" };
	struct message m;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		m = query(bad[i], 1);
		tap_ok(ask(&m) == 3 && answers() == 0 && asked[0] == '\0', "no name: %zu", i);
	}
	m = query("", 1);
	m.n = 12;
	add(&m, "\7a\0b.com\4test\0\0\1\0\1", 18);
	tap_ok(ask(&m) == 3 && asked[0] == '\0', "NUL and dot inside a label: no name");
	m = query("_ldap._tcp.corp.test", 33);
	tap_ok(ask(&m) == 0 && answers() == 0, "service names: no data");
}

static void test_opt(void)
{
	static const uint8_t opt[11] = { 0, 0, 41, 4, 208 };
	struct message m = query("host.test", 1);

	m.bytes[11] = 1;
	add(&m, opt, sizeof(opt));
	tap_ok(ask(&m) == 0 && answers() == 1 && answer[11] == 1,
		"an OPT record is answered with one");
	tap_ok(answer[answer_n - 11] == 0 && answer[answer_n - 9] == 41, "at the end");
	m.bytes[m.n - 5] = 1; /* EDNS version 1 */
	tap_ok(ask(&m) == 0 && answers() == 0 && answer[answer_n - 6] == 1,
		"another version: BADVERS");
	m.bytes[m.n - 5] = 0;
	m.bytes[m.n - 1] = 4;
	tap_ok(ask(&m) == 1 && answer[11] == 0, "an OPT record that is cut off: FORMERR");
	add(&m, "\0\x0a\0\0", 4);
	tap_ok(ask(&m) == 0, "with an option: fine");
	m = query("host.test", 1);
	add(&m, opt, sizeof(opt));
	tap_ok(ask(&m) == 1, "bytes behind the question that nothing announces: FORMERR");
}

static void test_hostile(void)
{
	struct message m = query("host.test", 1);
	struct message cut = m;

	for (cut.n = 0; cut.n < 12; cut.n++)
		tap_ok(ask(&cut) == -1, "%zu bytes: no answer", cut.n);
	for (cut.n = 12; cut.n < m.n; cut.n++) {
		if (ask(&cut) != 1)
			break;
	}
	tap_ok(cut.n == m.n, "cut anywhere in the question: FORMERR");
	m.bytes[2] = 0x81;
	tap_ok(ask(&m) == -1, "an answer gets none");
	m.bytes[2] = 0x29;
	tap_ok(ask(&m) == 4, "another opcode: NOTIMP");
	m = query("host.test", 255);
	tap_ok(ask(&m) == 4, "ANY: NOTIMP");
	m = query("host.test", 252);
	tap_ok(ask(&m) == 5, "AXFR: REFUSED");
	m = query("host.test", 1);
	m.bytes[m.n - 1] = 3;
	tap_ok(ask(&m) == 5, "class CHAOS: REFUSED");
	m = query("host.test", 1);
	m.bytes[5] = 2;
	tap_ok(ask(&m) == 1, "two questions: FORMERR");
	m.bytes[5] = 0;
	tap_ok(ask(&m) == 1, "none: FORMERR");
	m = query("host.test", 1);
	m.bytes[7] = 1;
	tap_ok(ask(&m) == 1, "a query with answers: FORMERR");
	m = query("", 1);
	m.n = 12;
	add(&m, "\xc0\x0c\0\1\0\1", 6);
	tap_ok(ask(&m) == 1, "a name that points at itself: FORMERR");
	m.n = 12;
	add(&m, "\1a\xc0\x0c\0\1\0\1", 8);
	tap_ok(ask(&m) == 1, "a loop: FORMERR");
	m.n = 12;
	for (int i = 0; i < 5; i++) {
		add(&m, "\x3f", 1);
		memset(m.bytes + m.n, 'a', 63);
		m.n += 63;
	}
	add(&m, "\0\0\1\0\1", 5);
	tap_ok(ask(&m) == 1, "a name of 321 bytes: FORMERR");
	m = query("host.test", 1);
	memset(m.bytes + m.n, 0, 600);
	m.n += 600;
	tap_ok(ask(&m) == 1, "a query of 600 bytes: FORMERR");
}

/* Mutations of a good query: every one gets a bounded answer. */
static void test_mutations(void)
{
	static const uint8_t opt[11] = { 0, 0, 41, 4, 208 };
	unsigned seed = 1;
	bool ok = true;

	for (int round = 0; round < 20000; round++) {
		struct message m = query("mail.example.test", 1);

		m.bytes[11] = 1;
		add(&m, opt, sizeof(opt));
		for (int k = 0; k < 3; k++) {
			seed = seed * 1103515245u + 12345u;
			m.bytes[(seed >> 8) % m.n] = (uint8_t)(seed >> 24);
		}
		seed = seed * 1103515245u + 12345u;
		if (seed >> 31)
			m.n = (seed >> 8) % m.n;
		(void)ask(&m);
		ok = ok && answer_n <= DNS_ANSWER_MAX && answer_n <= m.n + 32;
	}
	tap_ok(ok, "20,000 mutated queries: bounded answers");
}

int main(void)
{
	test_answers();
	test_names();
	test_opt();
	test_hostile();
	test_mutations();
	return tap_done();
}
