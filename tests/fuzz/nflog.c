/*
 * Refused packets, and the messages of the proxy that they become: a packet worth a report makes a
 * message that the warden takes, with a destination that reads back. Input: 1 byte: odd: the bytes
 * of a message; else a packet from its IP header on.
 */
#include "input.h"
#include "proxy/nflog.h"
#include "proxy/target.h"
#include "wire/proxymsg.h"

#include <arpa/inet.h>

static void check_message(const struct proxymsg *m)
{
	const struct text {
		const char *at;
		size_t bytes;
	} texts[] = { { m->host, sizeof(m->host) }, { m->address, sizeof(m->address) },
		{ m->rule, sizeof(m->rule) }, { m->reason, sizeof(m->reason) },
		{ m->method, sizeof(m->method) }, { m->path, sizeof(m->path) } };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert(strnlen(texts[i].at, texts[i].bytes) < texts[i].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxymsg m = { 0 };
	struct target t;

	if (size < 1)
		return 0;
	if ((data[0] & 1) != 0) {
		memcpy(&m, data + 1, size - 1 < sizeof(m) ? size - 1 : sizeof(m));
		if (proxymsg_is_valid(&m, size - 1))
			check_message(&m);
		return 0;
	}
	if (!nflog_read_packet(data + 1, size - 1, &m))
		return 0;
	assert(proxymsg_is_valid(&m, sizeof(m)) && m.reason[0] != '\0');
	check_message(&m);
	assert(target_from_host(m.host, strlen(m.host), m.port, &t) && t.family != 0);
	return 0;
}
