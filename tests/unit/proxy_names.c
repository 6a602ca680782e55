/*
 * Proves that a name keeps its address while the table has room, that the least recently used one
 * without a connection is given away first, and that a held one never is.
 */
#include "proxy/names.h"
#include "tap.h"
#include "wire/netplan.h"

int main(void)
{
	struct names *names = names_new(3);
	uint32_t a, b, c, d;

	tap_ok(names != NULL, "a table of three");
	a = names_address(names, "a.test");
	b = names_address(names, "b.test");
	c = names_address(names, "c.test");
	tap_ok(a >= NETPLAN_SYNTHETIC_FIRST && b != a && c != b && c != a, "three addresses");
	tap_ok((a & NETPLAN_SYNTHETIC_MASK) == NETPLAN_SYNTHETIC_NET, "in the synthetic range");
	tap_ok(names_address(names, "a.test") == a, "a name keeps its address");
	tap_is(names_find(names, b), "b.test", "an address has its name");
	tap_ok(names_find(names, a - 1) == NULL, "an address below the range has none");
	tap_ok(names_find(names, c + 1) == NULL, "nor one above the last");
	tap_ok(names_find(names, 0) == NULL && names_find(names, UINT32_MAX) == NULL,
		"nor any other");
	names_hold(names, c);
	d = names_address(names, "d.test");
	tap_ok(d == a, "the one used longest ago gives way, but not a held one");
	tap_is(names_find(names, d), "d.test", "the address has the new name");
	tap_ok(names_address(names, "c.test") == c, "the held one has stayed");
	names_hold(names, b);
	names_hold(names, d);
	tap_ok(names_address(names, "e.test") == 0, "all held: no address");
	names_release(names, d);
	tap_ok(names_address(names, "e.test") == d, "one is free again");
	tap_ok(names_find(names, names_address(names, "b.test")) != NULL, "the others are there");
	names_free(names);
	names_free(NULL);
	tap_ok(names_new(0) == NULL && names_new(NAMES_MAX + 1) == NULL,
		"absurd sizes are refused");

	names = names_new(NAMES_MAX);
	for (unsigned i = 0; i < 2 * NAMES_MAX; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "n%u.test", i);
		if (names_address(names, name) == 0)
			break;
	}
	tap_ok(names_find(names, NETPLAN_SYNTHETIC_FIRST + NAMES_MAX - 1) != NULL,
		"twice as many names as fit are no trouble");
	tap_ok(NETPLAN_SYNTHETIC_FIRST + NAMES_MAX - 1 <= (NETPLAN_SYNTHETIC_NET | 0xffff),
		"the largest table fits the range");
	names_free(names);
	return tap_done();
}
