/*
 * Runs in the authority, confined. Hostile: a file that a variable of the user's names may lie in
 * the project. What comes out of it is whole blocks of base64 and nothing else.
 */
#include "proxy/authority_roots.h"

#include "base/cleanup.h"
#include "wire/authority.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END "-----END CERTIFICATE-----"
/* Rationale: real ones have one to three kilobytes. */
#define PEM_BLOCK_MAX (64u << 10)

void authority_roots_done(struct authority_roots *roots)
{
	for (size_t i = 0; i < roots->n; i++)
		free(roots->items[i].der);
	free(roots->items);
	*roots = (struct authority_roots){ 0 };
}

int authority_roots_add(struct authority_roots *roots, const unsigned char *der, size_t n)
{
	struct authority_root *more;

	for (size_t i = 0; i < roots->n; i++)
		if (roots->items[i].n == n && memcmp(roots->items[i].der, der, n) == 0)
			return 0;
	if (roots->n == AUTHORITY_ROOTS_MAX)
		return -E2BIG;
	if (roots->n == roots->cap) {
		more = realloc(roots->items, (2 * roots->cap + 64) * sizeof(*more));
		if (more == NULL)
			return -ENOMEM;
		roots->items = more;
		roots->cap = 2 * roots->cap + 64;
	}
	roots->items[roots->n].der = malloc(n);
	if (roots->items[roots->n].der == NULL)
		return -ENOMEM;
	memcpy(roots->items[roots->n].der, der, n);
	roots->items[roots->n++].n = n;
	return 0;
}

/* One SEQUENCE that is as long as all of it (X.690, 8.1.3). */
static bool is_sequence(const unsigned char *der, size_t n)
{
	if (n < 4 || der[0] != 0x30)
		return false;
	switch (der[1]) {
	case 0x82:
		return n - 4 == ((size_t)der[2] << 8 | der[3]);
	case 0x81:
		return n - 3 == der[2];
	default:
		return n - 2 == der[1]; /* other forms are of lengths that no certificate has */
	}
}

/* The base64 between the two lines. Not decodable: it is left out. */
static int add_block(struct authority_roots *roots, const char *text, size_t len)
{
	AUTO_FREE unsigned char *der = malloc(len + 8);
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	int n = 0, rest = 0, r = 0;
	size_t bytes;
	bool ok;

	if (der == NULL || ctx == NULL) {
		EVP_ENCODE_CTX_free(ctx);
		return -ENOMEM;
	}
	EVP_DecodeInit(ctx);
	ok = EVP_DecodeUpdate(ctx, der, &n, (const unsigned char *)text, (int)len) >= 0 &&
		EVP_DecodeFinal(ctx, der + n, &rest) == 1;
	EVP_ENCODE_CTX_free(ctx);
	bytes = (size_t)n + (size_t)rest;
	if (ok && is_sequence(der, bytes))
		r = authority_roots_add(roots, der, bytes);
	return r;
}

int authority_roots_add_pem(struct authority_roots *roots, const char *text, size_t len)
{
	const char *end;
	int r = 0;

	if (len == 0)
		return 0;
	end = text + len;
	while (r == 0 && text < end) {
		const char *begin = memmem(text, (size_t)(end - text), PEM_BEGIN, strlen(PEM_BEGIN));
		const char *stop;

		if (begin == NULL)
			return 0;
		begin += strlen(PEM_BEGIN);
		stop = memmem(begin, (size_t)(end - begin), PEM_END, strlen(PEM_END));
		if (stop == NULL)
			return 0;
		if (stop - begin < (ptrdiff_t)PEM_BLOCK_MAX)
			r = add_block(roots, begin, (size_t)(stop - begin));
		text = stop + strlen(PEM_END);
	}
	return r;
}

int authority_roots_add_all(struct authority_roots *roots, const struct authority_roots *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n; i++)
		r = authority_roots_add(roots, from->items[i].der, from->items[i].n);
	return r;
}

static void put_block(const struct authority_root *root, struct buf *out)
{
	/* 48 bytes become 64 characters. */
	for (size_t at = 0; at < root->n; at += 48) {
		size_t n = root->n - at < 48 ? root->n - at : 48;
		unsigned char line[65 + 1];
		int len = EVP_EncodeBlock(line, root->der + at, (int)n);

		line[len++] = '\n';
		buf_add(out, line, (size_t)len);
	}
}

void authority_roots_put_pem(const struct authority_roots *roots, struct buf *out)
{
	for (size_t i = 0; i < roots->n; i++) {
		buf_adds(out, PEM_BEGIN "\n");
		put_block(&roots->items[i], out);
		buf_adds(out, PEM_END "\n");
	}
}

/* ---- the key store of Java (sun.security.provider.JavaKeyStore), all numbers big-endian ---- */

#define JKS_MAGIC 0xfeedfeedu
#define JKS_VERSION 2u
#define JKS_TRUSTED 2u

static void put_number(struct buf *out, uint64_t value, unsigned bytes)
{
	while (bytes-- > 0) {
		unsigned char c = (unsigned char)(value >> (8 * bytes));

		buf_add(out, &c, 1);
	}
}

static void put_text(struct buf *out, const char *text)
{
	put_number(out, strlen(text), 2);
	buf_adds(out, text);
}

/* The digest that ends the store: SHA-1 of the password in UTF-16BE, a name, and the body. */
static void put_digest(struct buf *out, size_t start)
{
	static const char password[] = "\0c\0h\0a\0n\0g\0e\0i\0t";
	static const char salt[] = "Mighty Aphrodite";
	unsigned char digest[SHA_DIGEST_LENGTH];
	AUTO_BUF struct buf all = { 0 };

	buf_add(&all, password, sizeof(password) - 1);
	buf_adds(&all, salt);
	if (!out->failed)
		buf_add(&all, out->data + start, out->len - start);
	if (all.failed || EVP_Digest(all.data, all.len, digest, NULL, EVP_sha1(), NULL) != 1)
		out->failed = true;
	buf_add(out, digest, sizeof(digest));
}

void authority_roots_put_jks(const struct authority_roots *roots, struct buf *out)
{
	uint64_t now_ms = (uint64_t)time(NULL) * 1000;
	size_t start = out->len;

	put_number(out, JKS_MAGIC, 4);
	put_number(out, JKS_VERSION, 4);
	put_number(out, roots->n, 4);
	for (size_t i = 0; i < roots->n; i++) {
		char alias[32];

		(void)snprintf(alias, sizeof(alias), "agentjail-%zu", i);
		put_number(out, JKS_TRUSTED, 4);
		put_text(out, alias);
		put_number(out, now_ms, 8);
		put_text(out, "X.509");
		put_number(out, roots->items[i].n, 4);
		buf_add(out, roots->items[i].der, roots->items[i].n);
	}
	put_digest(out, start);
}
