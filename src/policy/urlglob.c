/*
 * Pure; patterns are the user's, paths come from hostile requests. Patterns become automata whose
 * states are positions in the pattern, at most one a byte, so that nothing here takes longer than
 * states times bytes.
 */
#include "policy/urlglob.h"

#include "base/cleanup.h"

#include <stdint.h>
#include <string.h>

#define STATES_MAX 256
#define WORDS (STATES_MAX / 64)

/* Rationale: two patterns of a dozen wildcards stay far below. */
#define PAIRS_MAX 2048

/* What a state takes to stay where it is. */
enum loop { LOOP_NONE, LOOP_SEGMENT, LOOP_ALL };

struct state {
	enum loop loop;
	unsigned char step; /* the byte that leads to the next state; 0: none */
	unsigned char skip; /* bits: the next state, or the one behind it, for nothing */
};

struct glob {
	struct state states[STATES_MAX]; /* the last one has no way on */
	size_t n; /* index of the last one */
};

struct set {
	uint64_t words[WORDS];
};

#define SKIP_ONE 1
#define SKIP_TWO 2

static void add_state(struct glob *g, struct state state)
{
	if (g->n + 1 < STATES_MAX)
		g->states[g->n++] = state;
}

/* A pattern that is too long matches nothing. */
static bool compile(const char *pattern, struct glob *g)
{
	const char *s;

	*g = (struct glob){ 0 };
	/* Every path starts with a slash: the two are one. */
	if (strcmp(pattern, "*") == 0)
		pattern = "/*";
	s = pattern;
	if (strlen(pattern) > URLGLOB_MAX)
		return false;
	while (*s != '\0') {
		bool is_final = s[1] == '\0' && s > pattern && s[-1] == '/';

		if (strncmp(s, "**/", 3) == 0 && s > pattern && s[-1] == '/') {
			add_state(g, (struct state){ .skip = SKIP_ONE | SKIP_TWO });
			add_state(g, (struct state){ .loop = LOOP_ALL, .step = '/' });
			s += 3;
		} else if (s[0] == '*' && (s[1] == '*' || is_final)) {
			add_state(g, (struct state){ .loop = LOOP_ALL, .skip = SKIP_ONE });
			s += strspn(s, "*");
		} else if (s[0] == '*') {
			add_state(g, (struct state){ .loop = LOOP_SEGMENT, .skip = SKIP_ONE });
			s++;
		} else {
			add_state(g, (struct state){ .step = (unsigned char)*s++ });
		}
	}
	return true;
}

static bool has(const struct set *set, size_t i)
{
	return (set->words[i / 64] >> (i % 64) & 1) != 0;
}

/* Adds a state and all that it leads to for nothing; those come behind it. */
static void put(const struct glob *g, struct set *set, size_t i)
{
	set->words[i / 64] |= UINT64_C(1) << (i % 64);
	if ((g->states[i].skip & SKIP_ONE) != 0 && !has(set, i + 1))
		put(g, set, i + 1);
	if ((g->states[i].skip & SKIP_TWO) != 0 && !has(set, i + 2))
		put(g, set, i + 2);
}

static bool loops(const struct state *state, unsigned char c)
{
	return state->loop == LOOP_ALL || (state->loop == LOOP_SEGMENT && c != '/');
}

static struct set advance(const struct glob *g, const struct set *from, unsigned char c)
{
	struct set to = { 0 };

	for (size_t w = 0; w < WORDS; w++)
		for (uint64_t rest = from->words[w]; rest != 0; rest &= rest - 1) {
			size_t i = w * 64 + (size_t)__builtin_ctzll(rest);

			if (loops(&g->states[i], c))
				put(g, &to, i);
			if (g->states[i].step == c)
				put(g, &to, i + 1);
		}
	return to;
}

static bool is_empty(const struct set *set)
{
	for (size_t w = 0; w < WORDS; w++)
		if (set->words[w] != 0)
			return false;
	return true;
}

bool urlglob_matches(const char *pattern, const char *path)
{
	size_t literal = strcspn(pattern, "*");
	struct set now = { 0 };
	struct glob g;

	/* Most patterns fail here, without an automaton. */
	if (strncmp(pattern, path, literal) != 0)
		return false;
	if (pattern[literal] == '\0')
		return path[literal] == '\0';
	if (!compile(pattern, &g))
		return false;
	put(&g, &now, 0);
	for (const char *s = path; *s != '\0' && !is_empty(&now); s++)
		now = advance(&g, &now, (unsigned char)*s);
	return has(&now, g.n);
}

/* One byte for each way in which two patterns tell bytes apart: theirs, '/', and any other. */
static size_t alphabet(const char *a, const char *b, unsigned char out[STATES_MAX])
{
	bool is_used[256] = { ['/'] = true };
	size_t n = 0;
	unsigned char other = 1;

	for (; *a != '\0'; a++)
		is_used[(unsigned char)*a] = true;
	for (; *b != '\0'; b++)
		is_used[(unsigned char)*b] = true;
	while (other < 255 && is_used[other])
		other++;
	is_used[other] = true;
	for (size_t c = 1; c < 256 && n < STATES_MAX; c++)
		if (is_used[c])
			out[n++] = (unsigned char)c;
	return n;
}

/* Sets of states that the same texts lead to, in both automata. */
struct pairs {
	struct pair {
		struct set a, b;
	} *items;
	size_t n;
};

static bool add_pair(struct pairs *pairs, const struct set *a, const struct set *b)
{
	for (size_t i = 0; i < pairs->n; i++)
		if (memcmp(&pairs->items[i].a, a, sizeof(*a)) == 0 &&
			memcmp(&pairs->items[i].b, b, sizeof(*b)) == 0)
			return true;
	if (pairs->n == PAIRS_MAX)
		return false;
	pairs->items[pairs->n++] = (struct pair){ .a = *a, .b = *b };
	return true;
}

/* Is some text matched by b and (by a, if wanted, or not by a)? unknown: where that takes too long. */
static bool find_text(const char *pattern_a, const char *pattern_b, bool wanted, bool unknown)
{
	AUTO_FREE struct pair *items = calloc(PAIRS_MAX, sizeof(*items));
	struct pairs pairs = { .items = items };
	unsigned char bytes[STATES_MAX];
	size_t n_bytes = alphabet(pattern_a, pattern_b, bytes);
	struct set start_a = { 0 }, start_b = { 0 };
	struct glob a, b;

	if (items == NULL || !compile(pattern_a, &a) || !compile(pattern_b, &b))
		return unknown;
	put(&a, &start_a, 0);
	put(&b, &start_b, 0);
	(void)add_pair(&pairs, &start_a, &start_b);
	for (size_t i = 0; i < pairs.n; i++) {
		struct pair *pair = &items[i];

		if (has(&pair->b, b.n) && has(&pair->a, a.n) == wanted)
			return true;
		for (size_t k = 0; k < n_bytes; k++) {
			struct set to_a = advance(&a, &pair->a, bytes[k]);
			struct set to_b = advance(&b, &pair->b, bytes[k]);

			if (is_empty(&to_b) || (wanted && is_empty(&to_a)))
				continue;
			if (!add_pair(&pairs, &to_a, &to_b))
				return unknown;
		}
	}
	return false;
}

bool urlglob_overlap(const char *a, const char *b)
{
	return find_text(a, b, true, true);
}

bool urlglob_contains(const char *a, const char *b)
{
	return !find_text(a, b, false, true);
}
