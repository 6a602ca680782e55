/*
 * Allocators that wipe. Runs in the mother and in every keeper; no input of anyone. Serialised
 * heads, TLS buffers and HPACK blocks pass through ordinary memory: it does not keep them.
 */
#include "keeper/memory.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>

void *memory_take(size_t n)
{
	return malloc(n);
}

void memory_give(void *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

/* Moves by hand: realloc() would leave the old bytes behind. */
static void *resize(void *p, size_t n)
{
	size_t had = p != NULL ? malloc_usable_size(p) : 0;
	void *now;

	if (p != NULL && n == 0) {
		memory_give(p);
		return NULL;
	}
	/* As much as fits is there already; much too much is given back. */
	if (n <= had && n >= had / 2)
		return p;
	now = malloc(n);
	if (now != NULL && p != NULL) {
		memcpy(now, p, had < n ? had : n);
		memory_give(p);
	}
	return now;
}

/* Rationale: most heads, so that most buffers never grow. */
#define BUF_BYTES_MIN 4096u

int memory_add(struct buf *b, const void *bytes, size_t n)
{
	size_t cap = b->cap > 0 ? b->cap : BUF_BYTES_MIN;
	char *data;

	while (cap < b->len + n + 1)
		cap *= 2;
	if (cap != b->cap) {
		data = malloc(cap);
		if (data == NULL)
			return -ENOMEM;
		if (b->len > 0)
			memcpy(data, b->data, b->len);
		memory_give(b->data);
		b->data = data;
		b->cap = cap;
	}
	if (n > 0)
		memcpy(b->data + b->len, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

void memory_forget(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->len);
	b->len = 0;
}

void memory_done(struct buf *b)
{
	memory_give(b->data);
	*b = (struct buf){ 0 };
}

/* ---- OpenSSL ---- */

static void *crypto_take(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return n > 0 ? malloc(n) : NULL;
}

static void *crypto_resize(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return resize(p, n);
}

static void crypto_give(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	memory_give(p);
}

int memory_init(struct err *err)
{
	if (CRYPTO_set_mem_functions(crypto_take, crypto_resize, crypto_give) != 1)
		return err_set(err, 0, "OpenSSL has memory of its own already");
	return 0;
}

/* ---- nghttp2 ---- */

static void *session_take(size_t n, void *arg)
{
	(void)arg;
	return malloc(n);
}

static void *session_clear(size_t count, size_t n, void *arg)
{
	(void)arg;
	return calloc(count, n);
}

static void *session_resize(void *p, size_t n, void *arg)
{
	(void)arg;
	return resize(p, n);
}

static void session_give(void *p, void *arg)
{
	(void)arg;
	memory_give(p);
}

nghttp2_mem *memory_nghttp2(void)
{
	static nghttp2_mem mem = { NULL, session_take, session_give, session_clear,
		session_resize };

	return &mem;
}
