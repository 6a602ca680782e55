/*
 * Heads between proxy and keepers: one that is taken encodes to the same bytes, and nothing in it
 * could end a line, frame a message or name a host. Input: 1 byte type, then a payload.
 */
#include "input.h"
#include "base/cleanup.h"
#include "wire/keepmsg.h"

static void check_text(struct keepmsg_text t)
{
	for (size_t i = 0; i < t.n; i++)
		assert(t.at[i] != '\r' && t.at[i] != '\n' && t.at[i] != '\0');
}

static void check_head(const struct keepmsg_head *head)
{
	check_text(head->method);
	check_text(head->path);
	check_text(head->query);
	assert(head->n_fields <= KEEPMSG_FIELDS_MAX && head->framing < KEEPMSG_FRAMING_COUNT);
	for (size_t i = 0; i < head->n_fields; i++) {
		const struct keepmsg_field *f = &head->fields[i];

		check_text(f->value);
		assert(f->name.n > 0 && !keepmsg_is_framing_name(f->name.at, f->name.n));
		for (size_t k = 0; k < f->name.n; k++)
			assert(strchr("\r\n :\t", f->name.at[k]) == NULL &&
				(f->name.at[k] < 'A' || f->name.at[k] > 'Z'));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum keepmsg_type types[] = { KEEPMSG_REQUEST, KEEPMSG_RESPONSE,
		KEEPMSG_TRAILERS };
	AUTO_BUF struct buf out = { 0 };
	static struct keepmsg_head head;
	enum keepmsg_type type;
	char *copy;

	if (size < 1)
		return 0;
	type = types[data[0] % 3];
	copy = malloc(size - 1);
	memcpy(copy, data + 1, size - 1);
	if (keepmsg_get_head(type, copy, size - 1, &head) == 0) {
		check_head(&head);
		assert(keepmsg_put_head(&out, type, &head) == 0);
		assert(out.len == size - 1 + sizeof(uint32_t) &&
			memcmp(out.data + sizeof(uint32_t), copy, size - 1) == 0);
	}
	free(copy);
	return 0;
}
