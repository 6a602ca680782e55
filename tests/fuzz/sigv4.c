/*
 * AWS signatures: any head is signed or refused, and what was signed is read again and signed the
 * same. Input: lines: method, path, query, then fields "name:value"; a first line "+" puts a good
 * Authorization and date in front.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "keeper/sigv4.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1440938160 /* 2015-08-30T12:36:00Z */
#define BODY "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct keepmsg_text take_line(const char **at, const char *end)
{
	const char *stop = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
	struct keepmsg_text line = { *at, (size_t)((stop != NULL ? stop : end) - *at) };

	*at = stop != NULL ? stop + 1 : end;
	return line;
}

static void add_field(
	struct keepmsg_head *head, struct keepmsg_text name, struct keepmsg_text value)
{
	if (head->n_fields < KEEPMSG_FIELDS_MAX)
		head->fields[head->n_fields++] = (struct keepmsg_field){ name, value };
}

static void add_good(struct keepmsg_head *head)
{
	static const char names[] = "authorizationx-amz-date";
	static const char value[] =
		"AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/s3/aws4_request, "
		"SignedHeaders=a;host;x-amz-date, Signature=" BODY;
	static const char date[] = "20150830T123600Z";

	add_field(head, (struct keepmsg_text){ names, 13 },
		(struct keepmsg_text){ value, sizeof(value) - 1 });
	add_field(head, (struct keepmsg_text){ names + 13, 10 }, (struct keepmsg_text){ date, 16 });
}

static void make_head(const char *at, const char *end, struct keepmsg_head *head)
{
	if (end - at >= 2 && memcmp(at, "+\n", 2) == 0) {
		add_good(head);
		at += 2;
	}
	head->method = take_line(&at, end);
	head->path = take_line(&at, end);
	head->query = take_line(&at, end);
	head->framing = head->method.n % 2 == 0 ? KEEPMSG_LENGTH : KEEPMSG_NO_BODY;
	head->length = head->method.n;
	while (at < end) {
		struct keepmsg_text line = take_line(&at, end);
		const char *colon = line.n > 0 ? memchr(line.at, ':', line.n) : NULL;
		size_t n = colon != NULL ? (size_t)(colon - line.at) : 0;

		if (n > 0)
			add_field(head, (struct keepmsg_text){ line.at, n },
				(struct keepmsg_text){ colon + 1, line.n - n - 1 });
	}
}

/* The field must be the one that sigv4_read() found. */
static void set_authorization(struct keepmsg_head *head, const struct buf *value)
{
	for (size_t i = 0; i < head->n_fields; i++)
		if (head->fields[i].name.n == 13 &&
			memcmp(head->fields[i].name.at, "authorization", 13) == 0)
			head->fields[i].value = (struct keepmsg_text){ value->data, value->len };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct sigv4_keys keys = { { "AKIDEXAMPLE", 11 }, { "secret", 6 },
		{ NULL, 0 } };
	AUTO_BUF struct buf text = { 0 };
	AUTO_BUF struct buf once = { 0 };
	AUTO_BUF struct buf twice = { 0 };
	struct keepmsg_head head = { 0 };
	struct sigv4_request request = { .head = &head, .host = "s3.test", .body_hash = BODY };
	struct sigv4 s;
	struct err err;

	buf_add(&text, data, size);
	make_head(text.data, text.data + text.len, &head);
	if (sigv4_read(&head, NOW, &s, &err) < 0)
		return 0;
	if (sigv4_sign(&s, &request, &keys, &once, &err) < 0)
		return 0;
	for (size_t i = 0; i < once.len; i++)
		assert(once.data[i] >= 0x20 && once.data[i] < 0x7f);
	set_authorization(&head, &once);
	assert(sigv4_read(&head, NOW, &s, &err) == 0);
	assert(sigv4_sign(&s, &request, &keys, &twice, &err) == 0);
	assert(once.len == twice.len && memcmp(once.data, twice.data, once.len) == 0);
	return 0;
}
