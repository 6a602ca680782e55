/*
 * Which synthetic address stands for which name. Addresses stay with their names while the table
 * has room; then the name that was looked up or connected to longest ago gives its address away,
 * unless a connection of it lives.
 */
#ifndef PROXY_NAMES_H
#define PROXY_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: a large build talks to some hundred hosts; 16,384 names take 5 MiB when all are long.
 */
#define NAMES_MAX 16384u

struct names;

/* max: how many names, at most NAMES_MAX. NULL without memory. names_free(NULL) is fine. */
struct names *names_new(size_t max);
void names_free(struct names *names);

/*
 * Address (host byte order) of a name in normal form, given one if it has none. 0: no memory, or
 * every address of the table has a live connection.
 */
uint32_t names_address(struct names *names, const char *name);

/* The name behind an address, or NULL. Valid until the next names_address(), longer if held. */
const char *names_find(struct names *names, uint32_t address);

/* A held name keeps its address; each hold needs one release. The address must have a name. */
void names_hold(struct names *names, uint32_t address);
void names_release(struct names *names, uint32_t address);

#endif
