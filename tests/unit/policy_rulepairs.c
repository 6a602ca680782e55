/*
 * Proves, by random pairs of rules and all requests of a small world: two layers that load never
 * have two rules for one request that do different things, and every rule of one layer that loads
 * can be reached; what is refused is refused for a request that is really there.
 */
#include "policy_fixture.h"

#include "base/buf.h"
#include "policy/rules.h"

#include <string.h>

#define ROUNDS 400

static unsigned long state = 20261124;

static unsigned pick(unsigned n)
{
	state = state * 6364136223846793005UL + 1442695040888963407UL;
	return (unsigned)(state >> 33) % n;
}

static const char *const hosts[] = { "a.x.test", "b.a.x.test", "x.test" };
static const unsigned short ports[] = { 443, 80, 8443 };
static const char *const methods[] = { "GET", "POST", "PURGE" };
static const char *const paths[] = { "/", "/p", "/p/", "/p/q", "/p/q/r", "/q", "/q/r", "/p%2Fq",
	"/p/r", "/s/q" };

static void add_rule(struct buf *out, const char *name, const char *effect)
{
	static const char *const host_lines[] = { "a.x.test", "*.x.test", "**.x.test", "*.a.x.test",
		"x.test" };
	static const char *const more[] = { "", "", "method = GET\n", "method = POST\n",
		"method = GET POST PURGE\n", "path = /p/*\n", "path = /p\n", "path = /*/q\n",
		"path = /**/q\n", "path = /p/* /q\n", "path = *\n", "path = /p*\n" };
	static const char *const port_lines[] = { "", "", "", "port = 8443\n", "port = 443 8443\n",
		"plain = yes\n", "plain = yes\nport = 443\n" };
	unsigned first = pick(12), second = pick(12);

	buf_addf(out, "[inject %s]\nhost = %s\n%s%s%s%s", name, host_lines[pick(5)], more[first],
		first != second ? more[second] : "", port_lines[pick(7)], effect);
}

static bool serves(const struct rules_rule *rule, unsigned request)
{
	const char *host = hosts[request % 3];
	unsigned short port = ports[request / 3 % 3];
	bool plain = request / 9 % 2 != 0;

	return rules_covers(rule, host, port, plain) &&
		rules_match(rule, methods[request / 18 % 3], paths[request / 54]);
}

struct tally {
	unsigned loaded, refused, wrong;
};

/* The two rules, each alone, to see what they would serve. */
static void count(const char *text_a, const char *text_b, unsigned *ret_both, unsigned *ret_b)
{
	struct policy *a, *b;
	size_t n = 0;

	*ret_both = *ret_b = 0;
	user(text_a);
	a = loaded();
	user(text_b);
	b = loaded();
	for (unsigned i = 0; a != NULL && b != NULL && i < 54 * sizeof(paths) / sizeof(paths[0]);
		i++) {
		bool by_b = serves(rules_all(b, &n)[0], i);

		*ret_b += by_b;
		*ret_both += by_b && serves(rules_all(a, &n)[0], i);
	}
	policy_free(a);
	policy_free(b);
}

static void one_round(struct tally *layers, struct tally *file)
{
	AUTO_BUF struct buf a = { 0 };
	AUTO_BUF struct buf b = { 0 };
	AUTO_BUF struct buf both = { 0 };
	unsigned n_both, n_b;
	struct policy *policy;
	struct err err;

	add_rule(&a, "a", "remove = A\n");
	add_rule(&b, "b", "remove = B\n");
	buf_addf(&both, "%s%s", a.data, b.data);
	count(a.data, b.data, &n_both, &n_b);
	user(b.data);
	puts_at("system.ini", a.data);
	policy = load(request_of("a"), &err);
	layers->loaded += policy != NULL;
	layers->refused += policy == NULL;
	layers->wrong += (policy != NULL) != (n_both == 0);
	policy_free(policy);
	user(both.data);
	policy = load(request_of("a"), &err);
	file->loaded += policy != NULL;
	file->refused += policy == NULL;
	/* The world is too small to tell that some rule has one request more. */
	file->wrong += policy == NULL && n_both != n_b;
	policy_free(policy);
}

int main(void)
{
	struct tally layers = { 0 }, file = { 0 };

	if (!fixture_make())
		return 1;
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round(&layers, &file);
	tap_ok(layers.wrong == 0 && layers.loaded > 50 && layers.refused > 50,
		"two layers: %u loaded, %u refused, %u wrongly", layers.loaded, layers.refused,
		layers.wrong);
	tap_ok(file.wrong == 0 && file.loaded > 50 && file.refused > 10,
		"one file: %u loaded, %u refused, %u wrongly", file.loaded, file.refused, file.wrong);
	fixture_remove();
	return tap_done();
}
