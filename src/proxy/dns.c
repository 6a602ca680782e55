/*
 * DNS, strictly. Runs in the proxy; hostile input: the whole query.
 */
#include "proxy/dns.h"

#include "base/buf.h"
#include "policy/policy.h"

#include <arpa/inet.h>
#include <string.h>

#define HEADER_BYTES 12u
#define NAME_MAX_BYTES 255u /* RFC 1035, 2.3.4: on the wire, with length bytes and root */
#define LABEL_MAX_BYTES 63u

/* Header bits: RFC 1035, 4.1.1. */
#define FLAG_QR 0x8000u
#define FLAG_OPCODE 0x7800u
#define FLAG_RD 0x0100u
#define FLAG_RA 0x0080u

/* Rationale: long enough that a program does not ask for every connection, short for eviction. */
#define TTL_SECONDS 10u

#define UDP_PAYLOAD_BYTES 1232u /* what our OPT record says; the common value since 2020 */

enum rcode {
	RCODE_OK = 0,
	RCODE_FORMERR = 1,
	RCODE_SERVFAIL = 2,
	RCODE_NXDOMAIN = 3,
	RCODE_NOTIMP = 4,
	RCODE_REFUSED = 5,
	RCODE_BADVERS = 16
};
enum type {
	TYPE_A = 1,
	TYPE_PTR = 12,
	TYPE_AAAA = 28,
	TYPE_OPT = 41,
	TYPE_IXFR = 251,
	TYPE_AXFR = 252,
	TYPE_MAILB = 253,
	TYPE_MAILA = 254,
	TYPE_ANY = 255
};
#define CLASS_IN 1u

struct query {
	const uint8_t *bytes;
	size_t n;
	uint16_t id, flags;
	size_t question_end; /* offset behind the question; HEADER_BYTES when there is none */
	unsigned type, class;
	bool has_opt;
	uint8_t opt_version;
	bool is_root;                 /* the name is "." */
	char raw[NAME_MAX_BYTES + 1]; /* labels with dots; '!' for what no name may hold */
	size_t raw_n;
};

struct writer {
	uint8_t *bytes;
	size_t n;
};

static unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static void put16(struct writer *w, unsigned value)
{
	w->bytes[w->n++] = (uint8_t)(value >> 8);
	w->bytes[w->n++] = (uint8_t)value;
}

static void put32(struct writer *w, uint32_t value)
{
	put16(w, value >> 16);
	put16(w, value & 0xffff);
}

/* ---- reading ---- */

/* A dot or a NUL inside a label would make it another name as text. */
static char name_byte(uint8_t c)
{
	return c <= 0x20 || c >= 0x7f || c == '.' ? '!' : (char)c;
}

/*
 * The name of the question. Compression (RFC 1035, 4.1.4) cannot point at anything here: it would
 * be a loop or the header, so it is refused, and with it every loop there could be.
 */
static bool read_name(struct query *q, size_t *at)
{
	size_t start = *at;

	for (;;) {
		size_t label;

		if (*at >= q->n)
			return false;
		label = q->bytes[(*at)++];
		if (label == 0)
			break;
		if (label > LABEL_MAX_BYTES || label > q->n - *at ||
			*at + label + 1 - start > NAME_MAX_BYTES)
			return false;
		if (q->raw_n > 0)
			q->raw[q->raw_n++] = '.';
		for (size_t i = 0; i < label; i++)
			q->raw[q->raw_n++] = name_byte(q->bytes[*at + i]);
		*at += label;
	}
	q->is_root = q->raw_n == 0;
	return true;
}

static bool read_question(struct query *q)
{
	size_t at = HEADER_BYTES;

	if (!read_name(q, &at) || q->n - at < 4)
		return false;
	q->type = get16(q->bytes + at);
	q->class = get16(q->bytes + at + 2);
	q->question_end = at + 4;
	return true;
}

/* At most one additional record, the OPT one (RFC 6891, 6.1.1), and nothing behind it. */
static bool read_additional(struct query *q, unsigned count)
{
	const uint8_t *p = q->bytes + q->question_end;
	size_t n = q->n - q->question_end;

	if (count == 0)
		return n == 0;
	if (count != 1 || n < 11 || p[0] != 0 || get16(p + 1) != TYPE_OPT)
		return false;
	if (get16(p + 9) != n - 11)
		return false;
	q->has_opt = true;
	q->opt_version = p[6];
	return true;
}

static enum rcode read_query(struct query *q)
{
	const uint8_t *p = q->bytes;

	if ((q->flags & FLAG_OPCODE) != 0)
		return RCODE_NOTIMP;
	if (get16(p + 4) != 1 || get16(p + 6) != 0 || get16(p + 8) != 0)
		return RCODE_FORMERR;
	if (q->n > DNS_QUERY_MAX || !read_question(q))
		return RCODE_FORMERR;
	if (!read_additional(q, get16(p + 10))) {
		q->has_opt = false;
		return RCODE_FORMERR;
	}
	if (q->has_opt && q->opt_version != 0)
		return RCODE_BADVERS;
	if (q->class != CLASS_IN)
		return RCODE_REFUSED;
	if (q->type == TYPE_ANY || q->type == TYPE_MAILA || q->type == TYPE_MAILB)
		return RCODE_NOTIMP; /* RFC 8482 lets a server do so */
	if (q->type == TYPE_AXFR || q->type == TYPE_IXFR || q->type == TYPE_OPT || q->type == 0)
		return RCODE_REFUSED;
	return RCODE_OK;
}

/* ---- writing ---- */

static void put_name(struct writer *w, const char *name)
{
	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		w->bytes[w->n++] = (uint8_t)n;
		memcpy(w->bytes + w->n, name, n);
		w->n += n;
		name += n;
		if (*name == '.')
			name++;
	}
	w->bytes[w->n++] = 0;
}

/* The head of a record whose owner is the question's name: a pointer to offset 12. */
static void put_record(struct writer *w, enum type type, size_t data_bytes)
{
	put16(w, 0xc000u | HEADER_BYTES);
	put16(w, type);
	put16(w, CLASS_IN);
	put32(w, TTL_SECONDS);
	put16(w, (unsigned)data_bytes);
}

static void put_address(struct writer *w, uint32_t address)
{
	put_record(w, TYPE_A, 4);
	put32(w, address);
}

static void put_loopback6(struct writer *w)
{
	static const uint8_t one6[16] = { [15] = 1 };

	put_record(w, TYPE_AAAA, sizeof(one6));
	memcpy(w->bytes + w->n, one6, sizeof(one6));
	w->n += sizeof(one6);
}

static void put_opt(struct writer *w, enum rcode rcode)
{
	w->bytes[w->n++] = 0;
	put16(w, TYPE_OPT);
	put16(w, UDP_PAYLOAD_BYTES);
	put32(w, (uint32_t)rcode >> 4 << 24);
	put16(w, 0);
}

/* ---- names ---- */

/* "4.3.2.1.in-addr.arpa": 1.2.3.4 in host byte order; 0 for anything else. */
static uint32_t reverse_address(const char *name)
{
	char text[INET_ADDRSTRLEN];
	size_t n = strlen(name) - strlen(".in-addr.arpa");
	uint8_t backwards[4];

	if (n >= sizeof(text))
		return 0;
	memcpy(text, name, n);
	text[n] = '\0';
	if (inet_pton(AF_INET, text, backwards) != 1)
		return 0;
	return (uint32_t)backwards[3] << 24 | (uint32_t)backwards[2] << 16 |
	       (uint32_t)backwards[1] << 8 | backwards[0];
}

static enum rcode answer_ptr(
	const char *name, const struct dns_source *source, struct writer *w, unsigned *n_answers)
{
	uint32_t address = reverse_address(name);
	const char *found;

	found = address >> 24 == 127 ? "localhost" : source->name_of(source->context, address);
	if (address == 0 || found == NULL)
		return RCODE_NXDOMAIN;
	put_record(w, TYPE_PTR, strlen(found) + 2);
	put_name(w, found);
	*n_answers = 1;
	return RCODE_OK;
}

/* RFC 6761, 6.3: localhost and what is below it. */
static bool is_localhost(const char *name)
{
	return strcmp(name, "localhost") == 0 || str_ends(name, ".localhost");
}

/* The last label is a number: no such top-level domain, and an address in the eyes of others. */
static bool is_like_address(const char *name)
{
	const char *dot = strrchr(name, '.');

	dot = dot != NULL ? dot + 1 : name;
	return *dot != '\0' && strspn(dot, "0123456789") == strlen(dot);
}

static enum rcode answer_name(const struct query *q, const char *name,
	const struct dns_source *source, struct writer *w, unsigned *n_answers)
{
	uint32_t address;

	if (is_localhost(name)) {
		*n_answers = q->type == TYPE_A || q->type == TYPE_AAAA;
		if (q->type == TYPE_A)
			put_address(w, 0x7f000001u);
		else if (q->type == TYPE_AAAA)
			put_loopback6(w);
		return RCODE_OK;
	}
	if (is_like_address(name))
		return RCODE_NXDOMAIN;
	if (strchr(name, '.') == NULL && !source->is_short_name(source->context, name))
		return RCODE_NXDOMAIN;
	if (q->type != TYPE_A)
		return RCODE_OK;
	address = source->address_of(source->context, name);
	if (address == 0)
		return RCODE_SERVFAIL;
	put_address(w, address);
	*n_answers = 1;
	return RCODE_OK;
}

static enum rcode answer_question(const struct query *q, const struct dns_source *source,
	struct writer *w, unsigned *n_answers)
{
	char name[254];

	if (q->is_root)
		return RCODE_OK;
	/* Service names ("_ldap._tcp...") are host names as far as the normal form goes. */
	if (!policy_host_normal(q->raw, q->raw_n, name))
		return RCODE_NXDOMAIN;
	if (source->is_refused != NULL && source->is_refused(source->context, name))
		return RCODE_REFUSED;
	if (str_ends(name, ".ip6.arpa"))
		return RCODE_NXDOMAIN;
	if (str_ends(name, ".in-addr.arpa"))
		return q->type == TYPE_PTR ? answer_ptr(name, source, w, n_answers) : RCODE_OK;
	return answer_name(q, name, source, w, n_answers);
}

size_t dns_answer(const uint8_t *query, size_t n, const struct dns_source *source,
	uint8_t answer[DNS_ANSWER_MAX])
{
	struct query q = { .bytes = query, .n = n, .question_end = HEADER_BYTES };
	struct writer w = { .bytes = answer, .n = HEADER_BYTES };
	struct writer head = { .bytes = answer };
	unsigned n_answers = 0;
	enum rcode rcode;

	if (n < HEADER_BYTES)
		return 0;
	q.id = (uint16_t)get16(query);
	q.flags = (uint16_t)get16(query + 2);
	if ((q.flags & FLAG_QR) != 0)
		return 0;
	rcode = read_query(&q);
	memcpy(answer + w.n, query + w.n, q.question_end - w.n);
	w.n = q.question_end;
	if (rcode == RCODE_OK)
		rcode = answer_question(&q, source, &w, &n_answers);
	if (q.has_opt)
		put_opt(&w, rcode);
	put16(&head, q.id);
	put16(&head,
		FLAG_QR | FLAG_RA | (q.flags & (FLAG_OPCODE | FLAG_RD)) | ((unsigned)rcode & 15u));
	put16(&head, q.question_end > HEADER_BYTES);
	put16(&head, n_answers);
	put16(&head, 0);
	put16(&head, q.has_opt);
	return w.n;
}
