/*
 * The client of the network bench: TLS and HTTP/1.1, blocking, one process a connection.
 *
 * usage: load down|up HOST PORT PROXY N SECONDS        bytes of bodies a second
 *        load requests|connects HOST PORT PROXY N SECONDS    of them a second, over N connections
 *        load latency HOST PORT PROXY N SECONDS        median and 99th percentile, nanoseconds
 *   PROXY: HOST:PORT of one that takes CONNECT, or "-". Prints its figures on one line.
 */
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SAMPLES = 1 << 20, PIECE = 1 << 16, UP_BYTES = 64 << 20 };

struct shared {
	_Atomic uint64_t done, failed;
};

static const char *kind, *host, *port, *proxy;
static struct addrinfo *address;
static struct shared *shared;
static SSL_CTX *tls;
static int64_t deadline;
static int64_t samples[MAX_SAMPLES];
static size_t n_samples;

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "load: %s %s through %s: %s\n", kind, host, proxy, what);
	shared->failed++;
	_exit(1);
}

static void resolve(void)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	char name[256], *colon;

	(void)snprintf(name, sizeof(name), "%s:%s", host, port);
	if (strcmp(proxy, "-") != 0)
		(void)snprintf(name, sizeof(name), "%s", proxy);
	colon = strrchr(name, ':');
	*colon = '\0';
	if (getaddrinfo(name, colon + 1, &hints, &address) != 0)
		fail("no such host");
}

static void ask_proxy(int fd)
{
	char text[1024];
	size_t n = 0;
	int len = snprintf(text, sizeof(text), "CONNECT %s:%s HTTP/1.1\r\nHost: %s:%s\r\n\r\n",
		host, port, host, port);

	if (write(fd, text, (size_t)len) != len)
		fail("CONNECT");
	do {
		ssize_t got = read(fd, text + n, 1); /* not a byte of what follows */

		if (got <= 0 || ++n == sizeof(text))
			fail("the proxy's answer");
	} while (n < 4 || memcmp(text + n - 4, "\r\n\r\n", 4) != 0);
	if (memcmp(text + 8, " 200", 4) != 0)
		fail("the proxy refused");
}

static SSL *open_connection(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	SSL *ssl = SSL_new(tls);

	if (fd < 0 || ssl == NULL || connect(fd, address->ai_addr, address->ai_addrlen) != 0)
		fail("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (strcmp(proxy, "-") != 0)
		ask_proxy(fd);
	SSL_set_fd(ssl, fd);
	SSL_set_tlsext_host_name(ssl, host);
	if (SSL_connect(ssl) != 1)
		fail("TLS");
	return ssl;
}

static void close_connection(SSL *ssl)
{
	int fd = SSL_get_fd(ssl);

	(void)SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

static void send_text(SSL *ssl, const char *text)
{
	if (SSL_write(ssl, text, (int)strlen(text)) <= 0)
		fail("send");
}

/* Reads one response with a Content-Length, counting its body where `counts`. */
static void read_response(SSL *ssl, bool counts)
{
	static char bytes[PIECE];
	size_t have = 0;
	int64_t left;
	char *end, *length;

	do {
		int n = SSL_read(ssl, bytes + have, (int)(sizeof(bytes) - 1 - have));

		if (n <= 0)
			fail("no response");
		have += (size_t)n;
		bytes[have] = '\0';
	} while ((end = strstr(bytes, "\r\n\r\n")) == NULL && have < 8192);
	if (end == NULL || memcmp(bytes + 8, " 200", 4) != 0)
		fail(bytes);
	length = strcasestr(bytes, "\ncontent-length:");
	if (length == NULL || length > end)
		fail("no Content-Length");
	left = strtoll(length + 16, NULL, 10) - (int64_t)(have - (size_t)(end + 4 - bytes));
	while (left > 0) {
		int n = SSL_read(ssl, bytes, left < PIECE ? (int)left : PIECE);

		if (n <= 0)
			fail("short body");
		left -= n;
		if (counts)
			shared->done += (uint64_t)n;
		if (counts && now_ns() > deadline)
			_exit(0);
	}
}

static void get(SSL *ssl, const char *path)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
		"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n", path,
		host);
	send_text(ssl, text);
}

static void put(SSL *ssl)
{
	static char bytes[PIECE];
	char text[512];

	(void)snprintf(text, sizeof(text),
		"POST /up HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n", host, UP_BYTES);
	send_text(ssl, text);
	for (int left = UP_BYTES; left > 0; left -= PIECE) {
		if (SSL_write(ssl, bytes, PIECE) <= 0)
			fail("send a body");
		shared->done += PIECE;
		if (now_ns() > deadline)
			_exit(0);
	}
	read_response(ssl, false);
}

static void work(void)
{
	SSL *ssl = strcmp(kind, "connects") == 0 ? NULL : open_connection();

	while (now_ns() < deadline) {
		int64_t start = now_ns();

		if (strcmp(kind, "down") == 0) {
			get(ssl, "/big");
			read_response(ssl, true);
		} else if (strcmp(kind, "up") == 0) {
			put(ssl);
		} else if (strcmp(kind, "connects") == 0) {
			ssl = open_connection();
			get(ssl, "/small");
			read_response(ssl, false);
			close_connection(ssl);
			shared->done++;
		} else {
			get(ssl, "/small");
			read_response(ssl, false);
			shared->done++;
			if (n_samples < MAX_SAMPLES)
				samples[n_samples++] = now_ns() - start;
		}
	}
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int n;
	int64_t start;
	double seconds;

	if (argc != 7)
		return 2;
	kind = argv[1];
	host = argv[2];
	port = argv[3];
	proxy = argv[4];
	n = (int)strtol(argv[5], NULL, 10);
	(void)signal(SIGPIPE, SIG_IGN);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tls = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	resolve();
	start = now_ns();
	deadline = start + (int64_t)(strtod(argv[6], NULL) * 1e9);
	if (strcmp(kind, "latency") == 0) {
		work();
		qsort(samples, n_samples, sizeof(samples[0]), compare);
		return printf("%lld %lld\n", (long long)samples[n_samples / 2],
			       (long long)samples[n_samples * 99 / 100]) < 0;
	}
	for (int i = 0; i < n; i++)
		if (fork() == 0) {
			work();
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	seconds = (double)(now_ns() - start) / 1e9;
	printf("%.1f %llu\n", (double)shared->done / seconds, (unsigned long long)shared->done);
	return shared->failed > 0;
}
