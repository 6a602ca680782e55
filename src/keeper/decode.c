/*
 * Content codings undone. Runs in a keeper; hostile input: every byte of a response's body.
 */
#include "keeper/decode.h"

#include "base/cleanup.h"

#include <brotli/decode.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

/* Rationale: between two stages; a round of the outer one, small beside the windows. */
#define PIPE_BYTES (16u << 10)
#define ZSTD_WINDOW_LOG 23
/* Rationale: the window, and the tables and buffers beside it. */
#define ZSTD_STAGE_BYTES ((1u << ZSTD_WINDOW_LOG) + (512u << 10))
#define ZSTD_HEADER_BYTES 18u /* RFC 8878, 3.1.1: magic number and the longest header */

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_BROTLI, CODING_ZSTD };

struct stage {
	enum coding coding;
	struct decode *decode;
	bool is_open;       /* within a member or frame; what ends here is cut short */
	bool is_begun;      /* has seen a byte */
	bool is_closed;     /* brotli: nothing may follow */
	bool has_more;      /* zstd: filled all the room it had */
	unsigned n_header;  /* zstd: bytes of this frame that were given one by one */
	uint8_t sniffed[2]; /* deflate: the bytes that tell zlib's header from raw */
	unsigned n_sniffed;
	z_stream zlib;
	BrotliDecoderState *brotli;
	ZSTD_DStream *zstd;
};

struct decode {
	size_t n_stages; /* stages[0] takes what comes from the server */
	struct stage stages[DECODE_STACK_MAX];
	size_t memory;   /* given out by allocate() */
	size_t reserved; /* what libzstd may take by itself */
	struct {
		char bytes[PIPE_BYTES];
		size_t at, n;
	} pipes[DECODE_STACK_MAX - 1];
};

static size_t all_memory; /* of all decoders */

/* A budget over all stages: each block knows its size. */
static void *allocate(void *opaque, size_t n)
{
	struct decode *d = opaque;
	size_t *block;

	if (n > DECODE_MEMORY_MAX - d->memory || n > DECODE_ALL_MAX - all_memory)
		return NULL;
	block = calloc(1, n + 16);
	if (block == NULL)
		return NULL;
	*block = n;
	d->memory += n;
	all_memory += n;
	return (char *)block + 16;
}

static void give_back(void *opaque, void *address)
{
	struct decode *d = opaque;
	size_t *block;

	if (address == NULL)
		return;
	block = (size_t *)(void *)((char *)address - 16);
	d->memory -= *block;
	all_memory -= *block;
	free(block);
}

static void *allocate_items(void *opaque, unsigned items, unsigned size)
{
	return allocate(opaque, (size_t)items * size);
}

/* ---- making ---- */

static int add_stage(struct decode *d, enum coding coding, struct err *err)
{
	struct stage *s = &d->stages[d->n_stages];

	s->coding = coding;
	s->decode = d;
	if (coding == CODING_GZIP || coding == CODING_DEFLATE) {
		s->zlib = (z_stream){ .zalloc = allocate_items, .zfree = give_back, .opaque = d };
		if (inflateInit2(&s->zlib, coding == CODING_GZIP ? 16 + MAX_WBITS : MAX_WBITS) !=
			Z_OK)
			return err_set(err, ENOMEM, "inflate");
	} else if (coding == CODING_BROTLI) {
		s->brotli = BrotliDecoderCreateInstance(allocate, give_back, d);
		if (s->brotli == NULL)
			return err_set(err, ENOMEM, "brotli");
	} else {
		if (ZSTD_STAGE_BYTES > DECODE_ALL_MAX - all_memory)
			return err_set(err, ENOMEM, "zstd");
		s->zstd = ZSTD_createDStream();
		if (s->zstd == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(
					       s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))) {
			ZSTD_freeDStream(s->zstd);
			return err_set(err, ENOMEM, "zstd");
		}
		d->reserved += ZSTD_STAGE_BYTES;
		all_memory += ZSTD_STAGE_BYTES;
	}
	d->n_stages++;
	return 0;
}

static int find_coding(const char *name, size_t n)
{
	static const struct {
		const char *name;
		enum coding coding;
	} codings[] = { { "identity", CODING_IDENTITY }, { "gzip", CODING_GZIP },
		{ "x-gzip", CODING_GZIP }, { "deflate", CODING_DEFLATE }, { "br", CODING_BROTLI },
		{ "zstd", CODING_ZSTD } };

	for (size_t i = 0; i < ARRAY_LEN(codings); i++)
		if (strlen(codings[i].name) == n && strncasecmp(codings[i].name, name, n) == 0)
			return (int)codings[i].coding;
	return -1;
}

/* The last item that ends before *n, without blanks around it; *n becomes where it begins. */
static size_t last_item(const char *value, size_t *n, const char **ret)
{
	size_t end = *n, begin;

	while (*n > 0 && value[*n - 1] != ',')
		(*n)--;
	begin = *n;
	if (*n > 0)
		(*n)--;
	while (begin < end && (value[begin] == ' ' || value[begin] == '\t'))
		begin++;
	while (end > begin && (value[end - 1] == ' ' || value[end - 1] == '\t'))
		end--;
	*ret = value + begin;
	return end - begin;
}

/* What was applied last is undone first. */
static int add_stages(struct decode *d, const char *value, size_t n, struct err *err)
{
	while (n > 0) {
		const char *name;
		size_t name_n = last_item(value, &n, &name);
		int coding = find_coding(name, name_n), r;

		if (name_n == 0 || coding == CODING_IDENTITY)
			continue;
		if (coding < 0)
			return err_set(err, ENOTSUP, "content coding \"%.*s\"",
				(int)(name_n < 32 ? name_n : 32), name);
		if (d->n_stages == DECODE_STACK_MAX)
			return err_set(
				err, ENOTSUP, "more than %u content codings", DECODE_STACK_MAX);
		r = add_stage(d, (enum coding)coding, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int decode_new(const char *value, size_t n, struct decode **ret, struct err *err)
{
	struct decode *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return err_set(err, ENOMEM, "decoder");
	r = add_stages(d, value, n, err);
	if (r == 0 && d->n_stages > 0) {
		*ret = d;
		return 0;
	}
	decode_free(d);
	if (r == 0)
		*ret = NULL;
	return r;
}

void decode_free(struct decode *decode)
{
	if (decode == NULL)
		return;
	for (size_t i = 0; i < decode->n_stages; i++) {
		struct stage *s = &decode->stages[i];

		if (s->coding == CODING_GZIP || s->coding == CODING_DEFLATE)
			(void)inflateEnd(&s->zlib);
		if (s->brotli != NULL)
			BrotliDecoderDestroyInstance(s->brotli);
		ZSTD_freeDStream(s->zstd);
	}
	all_memory -= decode->reserved;
	free(decode);
}

/* ---- stages: take from io and write to io until one of the two is used up ---- */

static int bad(struct err *err, const char *what)
{
	return err_set(err, EPROTO, "content coding: %s", what);
}

static unsigned clamp(size_t n)
{
	return n < UINT32_MAX ? (unsigned)n : UINT32_MAX;
}

/* One call of inflate(). */
static int inflate_some(struct stage *s, struct decode_io *io, struct err *err)
{
	z_stream *z = &s->zlib;
	int r;

	/* zlib does not write to its input; without ZLIB_CONST its type says it might. */
	z->next_in = (Bytef *)(uintptr_t)io->in;
	z->avail_in = clamp(io->in_n);
	z->next_out = (Bytef *)io->out;
	z->avail_out = clamp(io->out_n);
	r = inflate(z, Z_NO_FLUSH);
	io->in_n -= (size_t)((const char *)z->next_in - io->in);
	io->in = (const char *)z->next_in;
	io->out_n -= (size_t)((char *)z->next_out - io->out);
	io->out = (char *)z->next_out;
	if (r == Z_MEM_ERROR)
		return bad(err, "too much memory");
	if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
		return bad(err, "malformed gzip or deflate");
	if (r == Z_STREAM_END)
		s->is_open = false;
	return 0;
}

/* RFC 1952, 2.2: members one after the other, nothing between. */
static int run_gzip(struct stage *s, struct decode_io *io, struct err *err)
{
	if (!s->is_open && io->in_n > 0) {
		if (inflateReset(&s->zlib) != Z_OK)
			return bad(err, "gzip");
		s->is_open = true;
	}
	return s->is_open ? inflate_some(s, io, err) : 0;
}

/* RFC 1950, 2.2: method 8, a window of at most 32 KiB, no dictionary, divisible by 31. */
static bool is_zlib_header(const uint8_t bytes[2])
{
	return (bytes[0] & 0x0f) == 8 && bytes[0] >> 4 <= 7 && (bytes[1] & 0x20) == 0 &&
	       (bytes[0] << 8 | bytes[1]) % 31 == 0;
}

static int run_deflate(struct stage *s, struct decode_io *io, struct err *err)
{
	struct decode_io first = {
		.in = (const char *)s->sniffed, .in_n = 2, .out = io->out, .out_n = io->out_n
	};
	int r;

	if (s->n_sniffed == 2)
		return s->is_open ? inflate_some(s, io, err) : 0;
	for (; s->n_sniffed < 2 && io->in_n > 0; io->in_n--)
		s->sniffed[s->n_sniffed++] = (uint8_t)*io->in++;
	s->is_open = true;
	if (s->n_sniffed < 2)
		return 0;
	if (!is_zlib_header(s->sniffed) && inflateReset2(&s->zlib, -MAX_WBITS) != Z_OK)
		return bad(err, "deflate");
	/* Two bytes of deflate are less than a block: nothing comes out yet but of an empty body.
	 */
	r = inflate_some(s, &first, err);
	io->out = first.out;
	io->out_n = first.out_n;
	return r < 0 || first.in_n == 0 ? r : bad(err, "bytes behind the end");
}

static int run_brotli(struct stage *s, struct decode_io *io, struct err *err)
{
	const uint8_t *in = (const uint8_t *)io->in;
	uint8_t *out = (uint8_t *)io->out;
	BrotliDecoderResult r;

	if (s->is_closed)
		return 0;
	r = BrotliDecoderDecompressStream(s->brotli, &io->in_n, &in, &io->out_n, &out, NULL);
	io->in = (const char *)in;
	io->out = (char *)out;
	if (r == BROTLI_DECODER_RESULT_ERROR)
		return bad(err, "malformed br, or too much memory");
	s->is_closed = r == BROTLI_DECODER_RESULT_SUCCESS;
	s->is_open = !s->is_closed;
	return 0;
}

/*
 * RFC 8878, 3: frames one after the other. Headers go in byte by byte: libzstd decodes a frame that
 * lies whole in one piece by other rules, for the window among them.
 */
static int run_zstd(struct stage *s, struct decode_io *io, struct err *err)
{
	ZSTD_inBuffer in = { .src = io->in, .size = io->in_n };
	ZSTD_outBuffer out = { .dst = io->out, .size = io->out_n };
	size_t r;

	if (in.size > 1 && s->n_header < ZSTD_HEADER_BYTES)
		in.size = 1;
	/* It takes many calls without input for an error. */
	if (io->in_n == 0 && !s->has_more)
		return 0;
	r = ZSTD_decompressStream(s->zstd, &out, &in);
	if (ZSTD_isError(r))
		return bad(err, "malformed zstd, or too large a window");
	s->is_open = r != 0;
	if (!s->is_open)
		s->n_header = 0;
	else if (s->n_header < ZSTD_HEADER_BYTES)
		s->n_header += (unsigned)in.pos;
	s->has_more = s->is_open && out.pos == out.size;
	io->in += in.pos;
	io->in_n -= in.pos;
	io->out += out.pos;
	io->out_n -= out.pos;
	return 0;
}

static int run_once(struct stage *s, struct decode_io *io, struct err *err)
{
	switch (s->coding) {
	case CODING_GZIP:
		return run_gzip(s, io, err);
	case CODING_DEFLATE:
		return run_deflate(s, io, err);
	case CODING_BROTLI:
		return run_brotli(s, io, err);
	case CODING_ZSTD:
		return run_zstd(s, io, err);
	case CODING_IDENTITY:
		break;
	}
	return bad(err, "none");
}

/* Until nothing moves any more. An entirely empty input is an empty output. */
static int run_stage(struct stage *s, struct decode_io *io, struct err *err)
{
	size_t in_n, out_n;

	do {
		int r;

		if (io->in_n > 0)
			s->is_begun = true;
		if (!s->is_begun || io->out_n == 0)
			break;
		in_n = io->in_n;
		out_n = io->out_n;
		r = run_once(s, io, err);
		if (r < 0)
			return r;
	} while (io->in_n != in_n || io->out_n != out_n);
	if (io->out_n == 0)
		return DECODE_WANTS_ROOM;
	if (io->in_n > 0)
		return bad(err, "bytes behind the end");
	if (!io->is_last)
		return DECODE_WANTS_INPUT;
	return s->is_open ? bad(err, "cut short") : DECODE_DONE;
}

static int run_from(struct decode *d, size_t stage, struct decode_io *io, struct err *err);

/* The stages before `stage` into the pipe that it reads. */
static int fill_pipe(struct decode *d, size_t stage, struct decode_io *io, struct err *err)
{
	struct decode_io in = *io;
	int r;

	in.out = d->pipes[stage - 1].bytes;
	in.out_n = PIPE_BYTES;
	r = run_from(d, stage - 1, &in, err);
	io->in = in.in;
	io->in_n = in.in_n;
	d->pipes[stage - 1].at = 0;
	d->pipes[stage - 1].n = PIPE_BYTES - in.out_n;
	return r;
}

/* Runs stages 0 to stage; the last one writes to io->out. At most three deep. */
static int run_from(struct decode *d, size_t stage, struct decode_io *io, struct err *err)
{
	int r, before = DECODE_WANTS_ROOM;

	if (stage == 0)
		return run_stage(&d->stages[0], io, err);
	do {
		struct decode_io own = { .out = io->out, .out_n = io->out_n };

		if (d->pipes[stage - 1].at == d->pipes[stage - 1].n)
			before = fill_pipe(d, stage, io, err);
		if (before < 0)
			return before;
		own.in = d->pipes[stage - 1].bytes + d->pipes[stage - 1].at;
		own.in_n = d->pipes[stage - 1].n - d->pipes[stage - 1].at;
		own.is_last = before == DECODE_DONE;
		r = run_stage(&d->stages[stage], &own, err);
		d->pipes[stage - 1].at = d->pipes[stage - 1].n - own.in_n;
		io->out = own.out;
		io->out_n = own.out_n;
	} while (r == DECODE_WANTS_INPUT && before == DECODE_WANTS_ROOM);
	return r;
}

int decode_pull(struct decode *decode, struct decode_io *io, struct err *err)
{
	return run_from(decode, decode->n_stages - 1, io, err);
}
