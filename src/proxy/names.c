/*
 * The table of names. Runs in the proxy; hostile input: the names (in normal form already) and how
 * many of them there are.
 */
#include "proxy/names.h"

#include "base/cleanup.h"
#include "wire/netplan.h"

#include <assert.h>
#include <string.h>
#include <sys/random.h>

#define NONE UINT32_MAX

struct entry {
	char *name;            /* NULL: never used */
	uint32_t hash_next;    /* index or NONE */
	uint32_t newer, older; /* neighbours in order of use, index or NONE */
	uint32_t holds;
};

struct names {
	struct entry *entries;
	uint32_t *buckets; /* first entry of each chain, index or NONE */
	uint32_t max, n;
	uint32_t newest, oldest;
	uint64_t seed; /* of the hash: chains must not be of the cell's choosing */
};

struct names *names_new(size_t max)
{
	AUTO_FREE struct names *names = calloc(1, sizeof(*names));

	if (names == NULL || max == 0 || max > NAMES_MAX)
		return NULL;
	names->max = (uint32_t)max;
	names->newest = names->oldest = NONE;
	names->entries = calloc(max, sizeof(*names->entries));
	names->buckets = malloc(max * sizeof(*names->buckets));
	if (names->entries == NULL || names->buckets == NULL ||
		getrandom(&names->seed, sizeof(names->seed), 0) != sizeof(names->seed)) {
		free(names->entries);
		free(names->buckets);
		return NULL;
	}
	for (uint32_t i = 0; i < names->max; i++)
		names->buckets[i] = NONE;
	return take_ptr(&names);
}

void names_free(struct names *names)
{
	if (names == NULL)
		return;
	for (uint32_t i = 0; i < names->n; i++)
		free(names->entries[i].name);
	free(names->entries);
	free(names->buckets);
	free(names);
}

/* FNV-1a, seeded. */
static uint32_t *bucket_of(struct names *names, const char *name)
{
	uint64_t h = 0xcbf29ce484222325u ^ names->seed;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 0x100000001b3u;
	return &names->buckets[(h ^ (h >> 32)) % names->max];
}

static void unlink_use(struct names *names, uint32_t i)
{
	struct entry *e = &names->entries[i];

	if (e->newer != NONE)
		names->entries[e->newer].older = e->older;
	else
		names->newest = e->older;
	if (e->older != NONE)
		names->entries[e->older].newer = e->newer;
	else
		names->oldest = e->newer;
}

static void link_newest(struct names *names, uint32_t i)
{
	struct entry *e = &names->entries[i];

	e->newer = NONE;
	e->older = names->newest;
	if (names->newest != NONE)
		names->entries[names->newest].newer = i;
	else
		names->oldest = i;
	names->newest = i;
}

static void touch(struct names *names, uint32_t i)
{
	unlink_use(names, i);
	link_newest(names, i);
}

/* Takes the name that was used longest ago out of the table; its index, or NONE. */
static uint32_t evict(struct names *names)
{
	uint32_t i = names->oldest;
	uint32_t *link;

	while (i != NONE && names->entries[i].holds > 0)
		i = names->entries[i].newer;
	if (i == NONE)
		return NONE;
	link = bucket_of(names, names->entries[i].name);
	while (*link != i)
		link = &names->entries[*link].hash_next;
	*link = names->entries[i].hash_next;
	unlink_use(names, i);
	free(names->entries[i].name);
	names->entries[i].name = NULL;
	return i;
}

static uint32_t add(struct names *names, const char *name)
{
	AUTO_FREE char *copy = strdup(name);
	uint32_t *bucket;
	uint32_t i;

	if (copy == NULL)
		return NONE;
	i = names->n < names->max ? names->n : evict(names);
	if (i == NONE)
		return NONE;
	if (i == names->n)
		names->n++;
	bucket = bucket_of(names, name);
	names->entries[i] = (struct entry){ .hash_next = *bucket };
	names->entries[i].name = take_ptr(&copy);
	*bucket = i;
	link_newest(names, i);
	return i;
}

uint32_t names_address(struct names *names, const char *name)
{
	uint32_t i = *bucket_of(names, name);

	while (i != NONE && strcmp(names->entries[i].name, name) != 0)
		i = names->entries[i].hash_next;
	if (i == NONE)
		i = add(names, name);
	else
		touch(names, i);
	return i == NONE ? 0 : NETPLAN_SYNTHETIC_FIRST + i;
}

static uint32_t index_of(const struct names *names, uint32_t address)
{
	uint32_t i = address - NETPLAN_SYNTHETIC_FIRST;

	if (address < NETPLAN_SYNTHETIC_FIRST || i >= names->n || names->entries[i].name == NULL)
		return NONE;
	return i;
}

const char *names_find(struct names *names, uint32_t address)
{
	uint32_t i = index_of(names, address);

	if (i == NONE)
		return NULL;
	touch(names, i);
	return names->entries[i].name;
}

void names_hold(struct names *names, uint32_t address)
{
	uint32_t i = index_of(names, address);

	assert(i != NONE);
	names->entries[i].holds++;
}

void names_release(struct names *names, uint32_t address)
{
	uint32_t i = index_of(names, address);

	assert(i != NONE && names->entries[i].holds > 0);
	names->entries[i].holds--;
}
