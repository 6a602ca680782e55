/*
 * What an exchange costs a keeper in processor time, over an open channel and TLS: a figure for
 * people, and a bound that only a mistake exceeds. Also its memory for many idle channels.
 */
#include "keeper_fixture.h"

#include <netinet/in.h>

#define RULES                                                                                      \
	"[inject api]\nhost = api.test\nheader = Authorization: Bearer {secret}\nsecret = env:X\n" \
	"[inject raw]\nhost = api.test\nheader = Authorization: Bearer {secret}\nsecret = env:X\n" \
	"redact = no\nport = 444\n"

#define ROUNDS 3000

static pid_t keeper_pid;

static double cpu_ns(void)
{
	char path[64];
	double ns = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/schedstat", keeper_pid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%lf", &ns) != 1)
		ns = 0;
	if (file != NULL)
		(void)fclose(file);
	return ns;
}

static long resident_kib(void)
{
	char path[64];
	long size, pages = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", keeper_pid);
	file = fopen(path, "re");
	if (file == NULL || fscanf(file, "%ld %ld", &size, &pages) != 2)
		pages = 0;
	if (file != NULL)
		(void)fclose(file);
	return pages * 4;
}

static pid_t last_child(void)
{
	char path[96];
	int child = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", fix.mother, fix.mother);
	file = fopen(path, "re");
	while (file != NULL && fscanf(file, "%d", &child) == 1)
		continue;
	if (file != NULL)
		(void)fclose(file);
	return child;
}

static void rounds(int door, SSL_CTX *ctx, uint16_t port, const char *what)
{
	static const char fields[] = "accept: */*\nuser-agent: test/1.0\ncontent-type: a/b\n"
				     "x-request-id: 0123456789abcdef\naccept-language: en\n";
	static const char answer[] =
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: x\r\nServer: y\r\n"
		"Vary: Accept\r\nX-Request-Id: 0123456789abcdef\r\nContent-Length: 300\r\n\r\n"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
		"012345678901234567890123456789012345678901234567890123";
	struct conn c = conn_open_to(door, "api.test", port, false);
	double before = 0, us;
	bool ok = true;

	for (int i = -1; i < ROUNDS; i++) {
		struct answer *a;

		if (i == 0) {
			(void)usleep(20000);
			keeper_pid = last_child();
			before = cpu_ns();
		}
		send_get(&c, "/v1/a", fields);
		if (i < 0)
			ok = conn_accept(&c, ctx);
		(void)server_receive(&c, "\r\n\r\n");
		server_send(&c, answer);
		do
			a = next_answer(&c);
		while (a->type != KEEPMSG_END && a->type != KEEPMSG_FAILED && a->type != 0);
		ok = ok && a->type == KEEPMSG_END;
	}
	(void)usleep(20000);
	us = (cpu_ns() - before) / ROUNDS / 1000;
	printf("# %s: %.1f us of processor time for each exchange\n", what, us);
	tap_ok(ok && (us < 300 || before == 0), "exchanges, %s", what);
	conn_close(&c);
}

static void bulk(int door, SSL_CTX *ctx, uint16_t port, const char *what)
{
	static char block[16384];
	struct conn c = conn_open_to(door, "api.test", port, false);
	const size_t total = 64u << 20;
	size_t came = 0;
	double before;
	struct answer *a;
	pid_t pid;

	memset(block, 'x', sizeof(block));
	send_get(&c, "/", "");
	(void)conn_accept(&c, ctx);
	(void)server_receive(&c, "\r\n\r\n");
	before = cpu_ns();
	server_send(&c, "HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n");
	pid = fork();
	if (pid == 0) {
		for (size_t i = 0; i < total / sizeof(block); i++)
			server_send_bytes(&c, block, sizeof(block));
		_exit(0);
	}
	do {
		a = next_answer(&c);
		came += a->type == KEEPMSG_DATA ? a->n : 0;
	} while (a->type == KEEPMSG_DATA || a->type == KEEPMSG_RESPONSE);
	(void)waitpid(pid, NULL, 0);
	printf("# %s: %.2f ms for each MiB of a response\n", what, (cpu_ns() - before) / 64 / 1e6);
	tap_ok(a->type == KEEPMSG_END && came == total, "64 MiB, %s", what);
	conn_close(&c);
}

static void crowd(int door, SSL_CTX *ctx)
{
	enum { N = 200 };
	static struct conn all[N];
	long before = resident_kib();
	bool ok = true;

	for (int i = 0; i < N; i++) {
		all[i] = conn_open_to(door, "api.test", 443, false);
		send_get(&all[i], "/", "");
		ok = ok && conn_accept(&all[i], ctx);
		(void)server_receive(&all[i], "\r\n\r\n");
		server_send(&all[i], "HTTP/1.1 204 N\r\n\r\n");
		ok = ok && strcmp(whole_answer(&all[i]), "204 none\n\nEND 1") == 0;
	}
	printf("# an idle channel with TLS: %ld KiB\n", (resident_kib() - before) / N);
	tap_ok(ok, "%d channels at once", N);
	for (int i = 0; i < N; i++)
		conn_close(&all[i]);
}

int main(int argc, char **argv)
{
	struct cert leaf;
	SSL_CTX *ctx;
	int door;

	fixture_role(argc, argv);
	if (!fixture_make() || !fixture_start(RULES))
		return tap_done();
	leaf = cert_leaf(&fix.authority, "DNS:api.test");
	ctx = server_context(&leaf, NULL, false);
	door = keeper_start_with(0, random_secret());
	rounds(door, ctx, 443, "redacting");
	bulk(door, ctx, 443, "redacting");
	crowd(door, ctx);
	(void)close(door);
	door = keeper_start_with(1, random_secret());
	rounds(door, ctx, 444, "plain");
	bulk(door, ctx, 444, "plain");
	tap_ok(fixture_stop() == 0, "the mother ends with the warden");
	fixture_remove();
	return tap_done();
}
