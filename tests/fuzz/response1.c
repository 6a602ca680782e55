/*
 * Fuzzes HTTP/1 and HTTP/2 towards a host with a server's bytes. What goes on to the proxy must be
 * what the proxy takes, must not depend on how HTTP/1's bytes were cut, and has no trace of the
 * value that is looked for.
 *
 * Input: which request was made (and bit 7: HTTP/2), the size of the pieces, the server's bytes.
 */
#include "keeper/h1.h"
#include "keeper/h2.h"
#include "keeper/limit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define VALUE "correct-horse-battery"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

struct said {
	struct buf text;
	size_t mark; /* where the body begins */
};

static struct limit_use use;
static struct limit limit = { &use, UINT64_MAX, UINT64_MAX };
static struct reply_rules rules = { .limit = &limit, .decodes = true };
static int channel[2];

static void hold_true(bool what)
{
	if (!what)
		abort();
}

static void set_up(void)
{
	static const struct redact_value value = { VALUE, sizeof(VALUE) - 1 };
	void *block = calloc(1, redact_bytes(&value, 1));

	hold_true(block != NULL && socketpair(AF_UNIX, SOCK_SEQPACKET, 0, channel) == 0);
	rules.redact = redact_make(block, &value, 1);
}

static void hold_clean(const char *bytes, size_t n)
{
	hold_true(n == 0 || memmem(bytes, n, VALUE, sizeof(VALUE) - 1) == NULL);
}

static void check_head(enum keepmsg_type type, const char *bytes, size_t n)
{
	static struct keepmsg_head head;

	hold_true(keepmsg_get_head(type, bytes, n, &head) == 0);
	for (size_t i = 0; i < head.n_fields; i++) {
		hold_clean(head.fields[i].name.at, head.fields[i].name.n);
		hold_clean(head.fields[i].value.at, head.fields[i].value.n);
	}
}

/* Everything that was said, bodies in one piece between heads. */
static void drain(struct out *out, struct said *said)
{
	static char message[KEEPMSG_MAX];
	ssize_t n;

	do {
		(void)out_flush(out);
		n = recv(channel[1], message, sizeof(message), MSG_DONTWAIT);
		if (n > 0) {
			uint32_t type;

			memcpy(&type, message, sizeof(type));
			hold_true(type == KEEPMSG_DATA || type == KEEPMSG_RESPONSE ||
				  type == KEEPMSG_TRAILERS);
			if (type == KEEPMSG_DATA) {
				buf_add(&said->text, message + 4, (size_t)n - 4);
				hold_clean(said->text.data + said->mark, said->text.len - said->mark);
			} else {
				buf_add(&said->text, message, (size_t)n);
				check_head((enum keepmsg_type)type, message + 4, (size_t)n - 4);
				said->mark = said->text.len;
			}
		}
	} while (n > 0);
}

static struct inject_request request;

static void make_request(unsigned kind)
{
	static const char *const methods[] = { "GET", "HEAD", "POST", "GET" };

	memset(&request, 0, sizeof(request));
	request.method = (struct keepmsg_text){ methods[kind % 4], strlen(methods[kind % 4]) };
	request.path = (struct keepmsg_text){ "/", 1 };
	request.host = "api.test";
	request.flags = kind % 4 == 3 ? KEEPMSG_UPGRADE : 0;
}

static void run1(unsigned kind, const unsigned char *data, size_t n, size_t step, struct said *said)
{
	struct link link = { .fd = open("/dev/null", O_WRONLY | O_CLOEXEC) };
	struct reply reply;
	struct out out;
	struct h1 h1;
	int r = 0;

	out_init(&out, channel[0]);
	reply_init(&reply, &rules, &out);
	h1_init(&h1, &link, &reply);
	make_request(kind);
	reply_begin(&reply, kind % 4 == 1, kind % 4 == 3);
	hold_true(h1_request(&h1, &request) == 0);
	for (size_t at = 0; at < n && r == 0 && !h1.is_complete; at += step) {
		size_t piece = n - at < step ? n - at : step;
		char *copy = malloc(piece);

		memcpy(copy, data + at, piece);
		r = h1_feed(&h1, copy, piece);
		(void)reply_flush(&reply);
		drain(&out, said);
		free(copy);
	}
	if (r == 0 && !h1.is_complete)
		r = h1_feed(&h1, NULL, 0);
	(void)reply_flush(&reply);
	drain(&out, said);
	buf_adds(&said->text, r < 0 ? h1.why : "complete");
	h1_done(&h1);
	reply_done(&reply);
	out_done(&out);
	(void)close(link.fd);
}

static void run2(unsigned kind, const unsigned char *data, size_t n, size_t step)
{
	struct link link = { .fd = open("/dev/null", O_WRONLY | O_CLOEXEC) };
	struct said said = { 0 };
	struct reply reply;
	struct out out;
	struct h2 h2;
	int r;

	out_init(&out, channel[0]);
	reply_init(&reply, &rules, &out);
	hold_true(h2_init(&h2, &link, &reply) == 0);
	make_request(kind % 4 == 3 ? 0 : kind);
	reply_begin(&reply, kind % 4 == 1, false);
	r = h2_request(&h2, &request);
	for (size_t at = 0; at < n && r == 0 && !h2.is_complete; at += step) {
		r = h2_feed(&h2, (const char *)data + at, n - at < step ? n - at : step);
		(void)reply_flush(&reply);
		drain(&out, &said);
	}
	hold_true(r < 0 || h2.is_complete || h2_feed(&h2, "", 0) < 0);
	drain(&out, &said);
	buf_done(&said.text);
	h2_done(&h2);
	reply_done(&reply);
	out_done(&out);
	(void)close(link.fd);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct said whole = { 0 }, pieces = { 0 };

	if (rules.redact == NULL)
		set_up();
	if (n < 2)
		return 0;
	if ((data[0] & 0x80) != 0) {
		run2(data[0], data + 2, n - 2, data[1] + 1u);
		return 0;
	}
	run1(data[0], data + 2, n - 2, n, &whole);
	run1(data[0], data + 2, n - 2, data[1] + 1u, &pieces);
	hold_true(whole.text.len == pieces.text.len &&
		  memcmp(whole.text.data, pieces.text.data, whole.text.len) == 0);
	buf_done(&whole.text);
	buf_done(&pieces.text);
	return 0;
}
