/*
 * The signature: the canonical request (its bytes go straight into the hash: one of its fields may
 * be the session token), the string to sign, the chain of keys. Runs in a keeper; hostile input:
 * the request. Names and steps are those of AWS's "Create a signed AWS API request".
 */
#include "keeper/sigv4.h"

#include "base/ascii.h"
#include "base/cleanup.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define HASH_BYTES 32
/* Rationale: AWS's secret keys have 40 bytes. */
#define SECRET_MAX 256u
/* Rationale: queries that are sorted; servers take fewer. */
#define PARAMETERS_MAX 1024u
#define TERMINATOR "aws4_request"
#define SESSION_NAME "x-amz-security-token"

/* Of nothing at all. */
static const char empty_hash[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/* One of the two: text to look at, or a hash. */
struct sink {
	struct buf *text;
	EVP_MD_CTX *hash;
	bool failed;
};

static void put(struct sink *s, const char *bytes, size_t n)
{
	if (s->text != NULL)
		buf_add(s->text, bytes, n);
	else if (EVP_DigestUpdate(s->hash, bytes, n) != 1)
		s->failed = true;
}

static void puts_to(struct sink *s, const char *text)
{
	put(s, text, strlen(text));
}

static bool is_text(const struct keepmsg_text *t, const char *s)
{
	return t->at != NULL && t->n == strlen(s) && memcmp(t->at, s, t->n) == 0;
}

static bool is_equal(const struct keepmsg_text *a, const struct keepmsg_text *b)
{
	return a->n == b->n && memcmp(a->at, b->at, a->n) == 0;
}

/* ---- path and query ---- */

/* Percent-encoded where it is not unreserved; returns the bytes written. */
static size_t encode(char c, char ret[3])
{
	static const char digits[] = "0123456789ABCDEF";

	ret[0] = c;
	if (ascii_is_unreserved(c))
		return 1;
	ret[0] = '%';
	ret[1] = digits[(unsigned char)c >> 4];
	ret[2] = digits[(unsigned char)c & 0xf];
	return 3;
}

static void add_encoded(struct buf *out, char c)
{
	char bytes[3];
	size_t n = encode(c, bytes);

	buf_add(out, bytes, n);
}

/* S3 signs the path as it stands in the request; the others encode it once more. */
static void put_path(struct sink *s, const struct sigv4 *signature, const struct keepmsg_text *path)
{
	for (size_t i = 0; i < path->n; i++) {
		char bytes[3] = { path->at[i] };

		put(s, bytes,
			signature->is_s3 || path->at[i] == '/' ? 1 : encode(path->at[i], bytes));
	}
	if (path->n == 0)
		puts_to(s, "/");
	puts_to(s, "\n");
}

/* In the buffer of the encoded query. */
struct parameter {
	const char *text;
	size_t name_at, name_n, value_at, value_n;
};

/* Decoded and encoded again, so that there is one way to write each byte; '+' is a blank. */
static size_t add_normal(struct buf *out, const char *at, size_t n)
{
	size_t before = out->len;

	for (size_t i = 0; i < n; i++) {
		int byte = at[i] == '%' && n - i > 2 ? ascii_hex_byte(at + i + 1) : -1;

		if (byte >= 0) {
			add_encoded(out, (char)byte);
			i += 2;
		} else {
			add_encoded(out, at[i] == '+' ? ' ' : at[i]);
		}
	}
	return out->len - before;
}

static int compare_bytes(const char *a, size_t a_n, const char *b, size_t b_n)
{
	size_t n = a_n < b_n ? a_n : b_n;
	int r = n > 0 ? memcmp(a, b, n) : 0;

	return r != 0 ? r : (a_n > b_n) - (a_n < b_n);
}

static int compare_parameters(const void *a, const void *b)
{
	const struct parameter *p = a, *q = b;
	int r = compare_bytes(p->text + p->name_at, p->name_n, q->text + q->name_at, q->name_n);

	return r != 0 ? r
		      : compare_bytes(p->text + p->value_at, p->value_n, q->text + q->value_at,
				q->value_n);
}

/* Splits at '&' and '='; parts without a byte are left out. Returns how many, or -E2BIG. */
static int split_query(const struct keepmsg_text *query, struct buf *text, struct parameter *ret)
{
	size_t count = 0, at = 0;

	while (at < query->n) {
		const char *begin = query->at + at;
		const char *amp = memchr(begin, '&', query->n - at);
		size_t n = amp != NULL ? (size_t)(amp - begin) : query->n - at;
		const char *equals = memchr(begin, '=', n);
		size_t name_n = equals != NULL ? (size_t)(equals - begin) : n;
		struct parameter *p = &ret[count];

		at += n + 1;
		if (n == 0)
			continue;
		if (count++ == PARAMETERS_MAX)
			return -E2BIG;
		p->name_at = text->len;
		p->name_n = add_normal(text, begin, name_n);
		p->value_at = text->len;
		p->value_n = equals != NULL ? add_normal(text, equals + 1, n - name_n - 1) : 0;
	}
	return (int)count;
}

static int put_query(struct sink *s, const struct keepmsg_text *query, struct err *err)
{
	AUTO_FREE struct parameter *parameters = calloc(PARAMETERS_MAX + 1, sizeof(*parameters));
	AUTO_BUF struct buf text = { 0 };
	int count = 0;

	if (parameters == NULL)
		return err_set(err, ENOMEM, "AWS signature");
	if (query->at != NULL)
		count = split_query(query, &text, parameters);
	if (count < 0)
		return err_set(err, 0, "AWS signature: the query has too many parameters");
	if (text.failed)
		return err_set(err, ENOMEM, "AWS signature");
	for (int i = 0; i < count; i++)
		parameters[i].text = text.data;
	qsort(parameters, (size_t)count, sizeof(*parameters), compare_parameters);
	for (int i = 0; i < count; i++) {
		puts_to(s, i > 0 ? "&" : "");
		put(s, text.data + parameters[i].name_at, parameters[i].name_n);
		puts_to(s, "=");
		put(s, text.data + parameters[i].value_at, parameters[i].value_n);
	}
	puts_to(s, "\n");
	return 0;
}

/* ---- fields ---- */

/* Without blanks around it, every run of blanks inside as one. */
static void put_value(struct sink *s, const struct keepmsg_text *value)
{
	bool is_blank = false, is_begun = false;

	for (size_t i = 0; i < value->n; i++) {
		bool is_now = value->at[i] == ' ' || value->at[i] == '\t';

		if (!is_now) {
			if (is_blank && is_begun)
				puts_to(s, " ");
			put(s, value->at + i, 1);
			is_begun = true;
		}
		is_blank = is_now;
	}
}

/* The values of a signed name, in their order and joined by commas. False: it is not sent. */
static bool put_values(struct sink *s, const struct keepmsg_text *name,
	const struct sigv4_request *request, const struct keepmsg_text *session)
{
	const struct keepmsg_head *head = request->head;
	bool is_found = false;
	char length[24];

	if (session != NULL && is_text(name, SESSION_NAME)) {
		put_value(s, session);
		return true;
	}
	if (is_text(name, "host")) {
		puts_to(s, request->host);
		return true;
	}
	if (is_text(name, "content-length")) {
		(void)snprintf(length, sizeof(length), "%llu", (unsigned long long)head->length);
		puts_to(s, length);
		return true;
	}
	for (size_t i = 0; i < head->n_fields; i++) {
		if (!is_equal(&head->fields[i].name, name))
			continue;
		puts_to(s, is_found ? "," : "");
		put_value(s, &head->fields[i].value);
		is_found = true;
	}
	return is_found;
}

static bool is_sent(const struct keepmsg_text *name, const struct keepmsg_head *head)
{
	if (is_text(name, "host"))
		return true;
	if (is_text(name, "content-length"))
		return head->framing == KEEPMSG_LENGTH;
	for (size_t i = 0; i < head->n_fields; i++)
		if (is_equal(&head->fields[i].name, name))
			return !is_text(name, SESSION_NAME);
	return false;
}

struct names {
	struct keepmsg_text at[SIGV4_SIGNED_MAX + 1];
	size_t n;
};

/* The client's names that are sent, and the session token's in its place. */
static void choose_names(const struct sigv4 *signature, const struct keepmsg_head *head,
	bool has_session, struct names *ret)
{
	static const struct keepmsg_text session = { SESSION_NAME, sizeof(SESSION_NAME) - 1 };

	ret->n = 0;
	for (size_t i = 0; i < signature->n_names; i++) {
		const struct keepmsg_text *name = &signature->names[i];

		if (has_session && compare_bytes(session.at, session.n, name->at, name->n) <= 0) {
			ret->at[ret->n++] = session;
			has_session = false;
		}
		if (is_sent(name, head))
			ret->at[ret->n++] = *name;
	}
	if (has_session)
		ret->at[ret->n++] = session;
}

static void put_names(struct sink *s, const struct names *names)
{
	for (size_t i = 0; i < names->n; i++) {
		puts_to(s, i > 0 ? ";" : "");
		put(s, names->at[i].at, names->at[i].n);
	}
}

/* ---- the request ---- */

static int put_payload(struct sink *s, const struct sigv4 *signature,
	const struct sigv4_request *request, struct err *err)
{
	if (signature->payload.at != NULL)
		put(s, signature->payload.at, signature->payload.n);
	else if (!signature->needs_body)
		puts_to(s, empty_hash);
	else if (request->body_hash != NULL)
		puts_to(s, request->body_hash);
	else
		return err_set(err, 0, "AWS signature: the body's hash is missing");
	return 0;
}

static int put_request(struct sink *s, const struct sigv4 *signature,
	const struct sigv4_request *request, const struct keepmsg_text *session, struct err *err)
{
	const struct keepmsg_head *head = request->head;
	struct names names;
	int r;

	put(s, head->method.at, head->method.n);
	puts_to(s, "\n");
	put_path(s, signature, &head->path);
	r = put_query(s, &head->query, err);
	if (r < 0)
		return r;
	choose_names(signature, head, session != NULL && session->at != NULL, &names);
	for (size_t i = 0; i < names.n; i++) {
		put(s, names.at[i].at, names.at[i].n);
		puts_to(s, ":");
		(void)put_values(s, &names.at[i], request, session);
		puts_to(s, "\n");
	}
	puts_to(s, "\n");
	put_names(s, &names);
	puts_to(s, "\n");
	return put_payload(s, signature, request, err);
}

int sigv4_canonical(const struct sigv4 *signature, const struct sigv4_request *request,
	const struct keepmsg_text *session, struct buf *out, struct err *err)
{
	struct sink sink = { .text = out };
	int r = put_request(&sink, signature, request, session, err);

	return r == 0 && (out->failed || sink.failed) ? err_set(err, ENOMEM, "AWS signature") : r;
}

/* ---- hashes and keys ---- */

static void to_hex(const unsigned char *bytes, char ret[SIGV4_HASH_BYTES])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < HASH_BYTES; i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 0xf];
	}
	ret[2 * HASH_BYTES] = '\0';
}

int sigv4_hash(const void *bytes, size_t n, char ret_hex[SIGV4_HASH_BYTES])
{
	unsigned char hash[EVP_MAX_MD_SIZE];

	if (EVP_Digest(bytes, n, hash, NULL, EVP_sha256(), NULL) != 1)
		return -EIO;
	to_hex(hash, ret_hex);
	return 0;
}

static int hash_request(const struct sigv4 *signature, const struct sigv4_request *request,
	const struct keepmsg_text *session, char ret_hex[SIGV4_HASH_BYTES], struct err *err)
{
	struct sink sink = { .hash = EVP_MD_CTX_new() };
	unsigned char hash[EVP_MAX_MD_SIZE];
	int r = 0;

	if (sink.hash == NULL || EVP_DigestInit_ex(sink.hash, EVP_sha256(), NULL) != 1)
		r = err_set(err, EIO, "AWS signature: SHA-256");
	if (r == 0)
		r = put_request(&sink, signature, request, session, err);
	if (r == 0 && (sink.failed || EVP_DigestFinal_ex(sink.hash, hash, NULL) != 1))
		r = err_set(err, EIO, "AWS signature: SHA-256");
	EVP_MD_CTX_free(sink.hash);
	if (r == 0)
		to_hex(hash, ret_hex);
	return r;
}

/* key becomes HMAC(key, text). */
static bool chain(unsigned char key[HASH_BYTES], const char *text, size_t n)
{
	unsigned char next[EVP_MAX_MD_SIZE];
	unsigned bytes = 0;
	bool is_done = HMAC(EVP_sha256(), key, HASH_BYTES, (const unsigned char *)text, n, next,
			       &bytes) != NULL &&
		       bytes == HASH_BYTES;

	if (is_done)
		memcpy(key, next, HASH_BYTES);
	explicit_bzero(next, sizeof(next));
	return is_done;
}

static bool chain_first(const struct sigv4 *signature, const struct keepmsg_text *secret,
	unsigned char ret[HASH_BYTES])
{
	unsigned char key[4 + SECRET_MAX] = "AWS4", next[EVP_MAX_MD_SIZE] = { 0 };
	bool is_done;

	memcpy(key + 4, secret->at, secret->n);
	is_done = HMAC(EVP_sha256(), key, (int)(4 + secret->n),
			  (const unsigned char *)signature->date.at, signature->date.n, next,
			  NULL) != NULL;
	memcpy(ret, next, HASH_BYTES);
	explicit_bzero(key, sizeof(key));
	explicit_bzero(next, sizeof(next));
	return is_done;
}

static int make_signature(const struct sigv4 *s, const struct keepmsg_text *secret,
	const struct buf *to_sign, char ret_hex[SIGV4_HASH_BYTES], struct err *err)
{
	unsigned char key[HASH_BYTES];
	bool is_done;

	if (secret->n > SECRET_MAX)
		return err_set(
			err, 0, "AWS signature: the secret key has more than %u bytes", SECRET_MAX);
	is_done = chain_first(s, secret, key) && chain(key, s->region.at, s->region.n) &&
		  chain(key, s->service.at, s->service.n) &&
		  chain(key, TERMINATOR, strlen(TERMINATOR)) &&
		  chain(key, to_sign->data, to_sign->len);
	if (is_done)
		to_hex(key, ret_hex);
	explicit_bzero(key, sizeof(key));
	return is_done ? 0 : err_set(err, EIO, "AWS signature: HMAC");
}

static void add_scope(struct buf *out, const struct sigv4 *s)
{
	buf_add(out, s->date.at, s->date.n);
	buf_adds(out, "/");
	buf_add(out, s->region.at, s->region.n);
	buf_adds(out, "/");
	buf_add(out, s->service.at, s->service.n);
	buf_adds(out, "/" TERMINATOR);
}

int sigv4_sign(const struct sigv4 *signature, const struct sigv4_request *request,
	const struct sigv4_keys *keys, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf to_sign = { 0 };
	char hash[SIGV4_HASH_BYTES];
	struct sink sink = { .text = out };
	struct names names;
	int r = hash_request(signature, request, &keys->session, hash, err);

	if (r < 0)
		return r;
	buf_adds(&to_sign, "AWS4-HMAC-SHA256\n");
	buf_add(&to_sign, signature->time.at, signature->time.n);
	buf_adds(&to_sign, "\n");
	add_scope(&to_sign, signature);
	buf_addf(&to_sign, "\n%s", hash);
	if (to_sign.failed)
		return err_set(err, ENOMEM, "AWS signature");
	r = make_signature(signature, &keys->secret, &to_sign, hash, err);
	if (r < 0)
		return r;
	choose_names(signature, request->head, keys->session.at != NULL, &names);
	buf_adds(out, "AWS4-HMAC-SHA256 Credential=");
	buf_add(out, keys->key_id.at, keys->key_id.n);
	buf_adds(out, "/");
	add_scope(out, signature);
	buf_adds(out, ", SignedHeaders=");
	put_names(&sink, &names);
	buf_addf(out, ", Signature=%s", hash);
	return out->failed ? err_set(err, ENOMEM, "AWS signature") : 0;
}
