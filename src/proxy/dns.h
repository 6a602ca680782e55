/*
 * The answers that a cell gets to its DNS queries (RFC 1035, RFC 6891). Nothing of a query ever
 * leaves: a name is given an address of the table, whether it is allowed or not, and is looked up
 * for real when a connection to it has been allowed. So a refusal can name host and port, and no
 * data travels in the labels of a name.
 */
#ifndef PROXY_DNS_H
#define PROXY_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rationale: a query is a header, one name and an OPT record; 512 is the classic limit of UDP. */
#define DNS_QUERY_MAX 512u
/* Rationale: the query's question (at most 259 bytes) and one record; always fits UDP's 512. */
#define DNS_ANSWER_MAX 640u

/* Where the answers come from; address in host byte order. */
struct dns_source {
	void *context;
	uint32_t (*address_of)(void *context, const char *name); /* 0: none to be had */
	const char *(*name_of)(void *context, uint32_t address); /* NULL: none */
	bool (*is_short_name)(void *context, const char *name);  /* one without a dot that exists */
	bool (*is_refused)(void *context, const char *name); /* of any type; NULL: none is */
};

/*
 * The answer to one query. Its length, or 0: the query is not worth one (shorter than a header, or
 * itself an answer). Pure but for the source.
 */
size_t dns_answer(const uint8_t *query, size_t n, const struct dns_source *source,
	uint8_t answer[DNS_ANSWER_MAX]);

#endif
