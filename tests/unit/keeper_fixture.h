/*
 * A mother of keepers as the warden starts it (this very program, executed anew), with a policy, an
 * authority and secrets of the test; and the proxy's end of it.
 */
#ifndef TESTS_KEEPER_FIXTURE_H
#define TESTS_KEEPER_FIXTURE_H

#include "base/cleanup.h"
#include "keeper/main.h"
#include "keeper_tls.h"
#include "policy/rules.h"
#include "policy_fixture.h"
#include "wire/fdpass.h"
#include "wire/keepmsg.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

/* Rationale: a machine under load; what does not come within it does not come. */
#define PATIENCE_S 10

struct fixture {
	struct policy *policy;
	struct cert authority;
	pid_t mother;
	int warden; /* the warden's end */
};

static struct fixture fix;

/* Should: be the first line of main(). */
static void fixture_role(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@keeper") == 0)
		_exit(keeper_main(argc, argv));
	(void)signal(SIGPIPE, SIG_IGN);
	(void)alarm(120);
}

static void be_patient(int fd)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static int memory_file(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (write(fd, text, strlen(text)) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		tap_ok(false, "memfd");
	return fd;
}

static void exec_mother(int policy, int warden, int roots)
{
	static char *const envp[] = { NULL };
	char *argv[] = { (char *)(size_t)"agentjail", (char *)(size_t)"@keeper", NULL };
	int fds[] = { policy, warden, roots };

	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD, 20);
	for (int i = 0; i < 3; i++)
		(void)dup2(fds[i], KEEPER_FD_POLICY + i);
	(void)execve("/proc/self/exe", argv, envp);
	_exit(99);
}

/* rules: text of the system's file. False: the test cannot run. */
static bool fixture_start(const char *rules)
{
	struct err err = { 0 };
	int pair[2], policy = memfd_create("policy", MFD_CLOEXEC), roots;
	char *pem;

	if (fix.authority.x509 == NULL)
		fix.authority = cert_authority("test authority");
	clear();
	puts_at("system.ini", rules);
	fix.policy = load(request_of(NULL), &err);
	if (fix.policy == NULL || policy_dump(fix.policy, policy, &err) < 0 ||
		lseek(policy, 0, SEEK_SET) < 0)
		return tap_ok(false, "policy: %s", err.text);
	pem = cert_pem(&fix.authority, false);
	roots = memory_file(pem);
	free(pem);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return tap_ok(false, "socketpair");
	fix.mother = fork();
	if (fix.mother == 0)
		exec_mother(policy, pair[1], roots);
	(void)close(pair[1]);
	(void)close(policy);
	(void)close(roots);
	be_patient(pair[0]);
	fix.warden = pair[0];
	return true;
}

/* Ends the mother and all keepers; her exit status. */
static int fixture_stop(void)
{
	int status = 0;

	(void)close(fix.warden);
	(void)waitpid(fix.mother, &status, 0);
	policy_free(fix.policy);
	fix.policy = NULL;
	return status;
}

/* A pipe with these bytes and their end. */
static int pipe_of(const char *bytes, size_t n)
{
	int pipe[2];

	if (pipe2(pipe, O_CLOEXEC) < 0 || write(pipe[1], bytes, n) != (ssize_t)n)
		tap_ok(false, "pipe");
	(void)close(pipe[1]);
	return pipe[0];
}

/* Starts a rule's keeper; values by slot, NULL: none. Returns the rule's socket. */
static int keeper_start_slots(uint32_t rule, uint32_t ttl_s, const char *const *values)
{
	struct keepmsg_start start = { .rule = rule, .ttl_s = ttl_s };
	int pair[2], fds[1 + KEEPMSG_SLOT_COUNT];
	size_t n = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		tap_ok(false, "socketpair");
	fds[0] = pair[1];
	for (unsigned i = 0; i < KEEPMSG_SLOT_COUNT; i++) {
		if (values[i] == NULL)
			continue;
		start.slots |= 1u << i;
		fds[n++] = pipe_of(values[i], strlen(values[i]));
	}
	if (fdpass_send(fix.warden, &start, sizeof(start), fds, n) < 0)
		tap_ok(false, "start a keeper");
	for (size_t i = 0; i < n; i++)
		(void)close(fds[i]);
	be_patient(pair[0]);
	return pair[0];
}

static int keeper_start_with(uint32_t rule, const char *secret)
{
	const char *values[KEEPMSG_SLOT_COUNT] = { secret };

	return keeper_start_slots(rule, 0, values);
}

/* What the mother says of a keeper that has ended; false: nothing came. */
__attribute__((unused)) static bool keeper_has_ended(struct keepmsg_ended *ret)
{
	return recv(fix.warden, ret, sizeof(*ret), 0) == (ssize_t)sizeof(*ret);
}

/* 40 bytes that stand nowhere else, not even in this program. */
__attribute__((unused)) static const char *random_secret(void)
{
	static const char signs[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
	static char out[41];
	unsigned char noise[40] = { 0 };

	(void)!getrandom(noise, sizeof(noise), 0);
	for (size_t i = 0; i < 40; i++)
		out[i] = signs[noise[i] % (sizeof(signs) - 1)];
	return out;
}

/* ---- a connection: the proxy's channel and the server's socket ---- */

struct conn {
	int channel, server;
	SSL *ssl;
};

static struct conn conn_open_to(int door, const char *host, uint16_t port, bool plain)
{
	struct keepmsg_open open = { .version = KEEPMSG_OPEN_VERSION,
		.port = port,
		.is_plain = plain };
	struct conn conn = { -1, -1, NULL };
	int channel[2], server[2], fds[2];

	(void)snprintf(open.host, sizeof(open.host), "%s", host);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server) < 0)
		tap_ok(false, "socketpair");
	fds[0] = channel[1];
	fds[1] = server[1];
	if (fdpass_send(door, &open, sizeof(open), fds, 2) < 0)
		tap_ok(false, "open a channel");
	(void)close(fds[0]);
	(void)close(fds[1]);
	conn.channel = channel[0];
	conn.server = server[0];
	be_patient(conn.channel);
	be_patient(conn.server);
	return conn;
}

__attribute__((unused)) static void conn_close(struct conn *conn)
{
	SSL_free(conn->ssl);
	(void)close(conn->channel);
	(void)close(conn->server);
	*conn = (struct conn){ -1, -1, NULL };
}

/* The server's handshake. False: the client broke it off. */
static bool conn_accept(struct conn *conn, SSL_CTX *ctx)
{
	conn->ssl = SSL_new(ctx);
	SSL_set_fd(conn->ssl, conn->server);
	return SSL_accept(conn->ssl) == 1;
}

/* ---- messages of the proxy ---- */

static struct keepmsg_text text_of(const char *s)
{
	return (struct keepmsg_text){ s, s != NULL ? strlen(s) : 0 };
}

/* "name: value" lines, small letters, become the fields. */
static void parse_fields(char *lines, struct keepmsg_head *head)
{
	for (char *line = lines; *line != '\0';) {
		char *end = strchr(line, '\n'), *colon = strchr(line, ':');

		*colon = *end = '\0';
		head->fields[head->n_fields].name = text_of(line);
		head->fields[head->n_fields++].value = text_of(colon + 2);
		line = end + 1;
	}
}

/* "METHOD PATH" or "METHOD PATH?QUERY". */
static void send_request(const struct conn *conn, const char *line, const char *fields,
	struct keepmsg_head head)
{
	char first[1024], lines[8192], *path, *query;
	AUTO_BUF struct buf message = { 0 };

	(void)snprintf(first, sizeof(first), "%s", line);
	(void)snprintf(lines, sizeof(lines), "%s", fields);
	path = strchr(first, ' ');
	*path++ = '\0';
	query = strchr(path, '?');
	if (query != NULL)
		*query++ = '\0';
	head.method = text_of(first);
	head.path = text_of(path);
	head.query = text_of(query);
	parse_fields(lines, &head);
	if (keepmsg_put_head(&message, KEEPMSG_REQUEST, &head) < 0 ||
		send(conn->channel, message.data, message.len, 0) < 0)
		tap_ok(false, "send a request");
}

static void send_message(
	const struct conn *conn, enum keepmsg_type type, const char *bytes, size_t n)
{
	char message[KEEPMSG_DATA_MAX + 4];
	uint32_t word = (uint32_t)type;

	memcpy(message, &word, sizeof(word));
	memcpy(message + sizeof(word), bytes, n);
	if (send(conn->channel, message, sizeof(word) + n, 0) < 0)
		tap_ok(false, "send a message");
}

static void send_end(const struct conn *conn)
{
	send_message(conn, KEEPMSG_BODY_END, "", 0);
}

__attribute__((unused)) static void send_get(const struct conn *conn, const char *path, const char *fields)
{
	char line[1024];

	(void)snprintf(line, sizeof(line), "GET %s", path);
	send_request(conn, line, fields, (struct keepmsg_head){ .status = 0 });
	send_end(conn);
}

/* ---- messages of the keeper ---- */

struct answer {
	enum keepmsg_type type; /* 0: the channel is closed or silent */
	char bytes[KEEPMSG_MAX];
	size_t n;
	uint32_t number; /* END: reusable, FAILED: status */
	struct keepmsg_head head;
	char text[KEEPMSG_REASON_MAX + 1]; /* FAILED: the reason */
};

static struct answer *next_answer(const struct conn *conn)
{
	static struct answer a;
	ssize_t n = recv(conn->channel, a.bytes, sizeof(a.bytes), 0);
	uint32_t word = 0;

	a.type = 0;
	a.number = 0;
	a.text[0] = '\0';
	if (n < (ssize_t)sizeof(word))
		return &a;
	memcpy(&word, a.bytes, sizeof(word));
	a.type = (enum keepmsg_type)word;
	a.n = (size_t)n - sizeof(word);
	if ((word == KEEPMSG_RESPONSE || word == KEEPMSG_TRAILERS) &&
		keepmsg_get_head(a.type, a.bytes + 4, a.n, &a.head) < 0)
		tap_ok(false, "a head that the proxy refuses");
	if ((word == KEEPMSG_END || word == KEEPMSG_FAILED) && a.n >= sizeof(a.number))
		memcpy(&a.number, a.bytes + 4, sizeof(a.number));
	if (word == KEEPMSG_FAILED)
		(void)snprintf(a.text, sizeof(a.text), "%.*s", (int)(a.n - 4), a.bytes + 8);
	return &a;
}

/* A field's value, or NULL; in memory that the next call overwrites. */
__attribute__((unused)) static const char *answer_field(const struct answer *a, const char *name)
{
	static char out[4096];

	for (size_t i = 0; i < a->head.n_fields; i++) {
		const struct keepmsg_field *f = &a->head.fields[i];

		if (f->name.n == strlen(name) && memcmp(f->name.at, name, f->name.n) == 0) {
			(void)snprintf(out, sizeof(out), "%.*s", (int)f->value.n, f->value.at);
			return out;
		}
	}
	return NULL;
}

/* A whole exchange's answer as text: "200 LENGTH:5|name: value|...|\nBODY\nEND 1". */
__attribute__((unused)) static const char *whole_answer(const struct conn *conn)
{
	static struct buf out;
	struct answer *a;

	out.len = 0;
	do {
		a = next_answer(conn);
		if (a->type == KEEPMSG_RESPONSE) {
			buf_addf(&out, "%u %s", a->head.status,
				a->head.framing == KEEPMSG_LENGTH	   ? "length"
					: a->head.framing == KEEPMSG_UNKNOWN ? "unknown"
									   : "none");
			if (a->head.framing == KEEPMSG_LENGTH)
				buf_addf(&out, ":%llu", (unsigned long long)a->head.length);
		}
		if (a->type == KEEPMSG_TRAILERS)
			buf_adds(&out, "\ntrailers");
		for (size_t i = 0; (a->type == KEEPMSG_RESPONSE || a->type == KEEPMSG_TRAILERS) &&
				   i < a->head.n_fields;
			i++)
			buf_addf(&out, "|%.*s: %.*s", (int)a->head.fields[i].name.n,
				a->head.fields[i].name.at, (int)a->head.fields[i].value.n,
				a->head.fields[i].value.at);
		if (a->type == KEEPMSG_RESPONSE)
			buf_adds(&out, "\n");
		if (a->type == KEEPMSG_DATA)
			buf_add(&out, a->bytes + 4, a->n);
	} while (a->type != KEEPMSG_END && a->type != KEEPMSG_FAILED && a->type != 0);
	buf_addf(&out, a->type == KEEPMSG_END ? "\nEND %u" : a->type != 0 ? "\nFAILED %u" : "\nEOF",
		a->number);
	return out.data;
}

/* ---- the server ---- */

static ssize_t server_read(const struct conn *conn, char *out, size_t max)
{
	return conn->ssl != NULL ? SSL_read(conn->ssl, out, (int)max)
				 : recv(conn->server, out, max, 0);
}

/* What the server received, up to and with `until`, or as far as it came. */
static const char *server_receive(const struct conn *conn, const char *until)
{
	static char got[200000];
	size_t n = 0;

	got[0] = '\0';
	while (strstr(got, until) == NULL && n < sizeof(got) - 1) {
		ssize_t r = server_read(conn, got + n, sizeof(got) - 1 - n);

		if (r <= 0)
			break;
		n += (size_t)r;
		got[n] = '\0';
	}
	return got;
}

static void server_send_bytes(const struct conn *conn, const char *bytes, size_t n)
{
	ssize_t r = conn->ssl != NULL ? SSL_write(conn->ssl, bytes, (int)n)
				      : send(conn->server, bytes, n, 0);

	if (r != (ssize_t)n)
		tap_ok(false, "the server's send");
}

__attribute__((unused)) static void server_send(const struct conn *conn, const char *text)
{
	server_send_bytes(conn, text, strlen(text));
}

__attribute__((unused)) static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	for (const char *at = strcasestr(text, what); at != NULL; at = strstr(at + 1, what))
		n++;
	return n;
}

#endif
