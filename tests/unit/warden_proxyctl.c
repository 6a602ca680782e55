/*
 * Proves: what the proxy says of connections and requests gets into the audit, each with its own
 * words, and what is no message ends the proxy.
 */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "tap.h"
#include "wire/proxymsg.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct warden w;

static char *last_record(void)
{
	AUTO_CLOSE int fd = open(w.audit.path, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 };
	char *line;

	if (fd < 0 || buf_read_fd(&text, fd, 1 << 20) < 0 || text.len == 0)
		return NULL;
	text.data[text.len - 1] = '\0';
	line = strrchr(text.data, '\n');
	return strdup(line != NULL ? line + 1 : text.data);
}

static void records(int proxy, const struct proxymsg *msg, const char *want, const char *what)
{
	AUTO_FREE char *line = NULL;
	struct place place;
	bool ok;

	(void)!send(proxy, msg, sizeof(*msg), MSG_NOSIGNAL);
	place = cells_place(&w);
	proxyctl_read(&w, &place);
	line = last_record();
	ok = line != NULL && strstr(line, want) != NULL;
	tap_ok(ok, "%s", what);
	if (!ok)
		printf("# %s\n", line != NULL ? line : "no record");
}

static void test_messages(int proxy)
{
	struct proxymsg msg = { .type = PROXYMSG_REQUEST,
		.connection = 7,
		.port = 443,
		.status = 403,
		.is_denied = 1,
		.host = "api.test",
		.method = "POST",
		.path = "/a\x01",
		.rule = "x.ini:3 inject.path",
		.reason = "no rule" };

	records(proxy, &msg,
		"\"event\":\"request\",\"decision\":\"deny\",\"connection\":7,\"host\":\"api."
		"test\","
		"\"port\":443,\"method\":\"POST\",\"path\":\"/a\\u0001\",\"status\":403,"
		"\"rule\":\"x.ini:3 inject.path\",\"reason\":\"no rule\"",
		"a request that was refused");
	msg.is_denied = 0;
	records(proxy, &msg, "\"event\":\"request\",\"decision\":\"allow\"", "one that was not");
	msg.type = PROXYMSG_ALLOWED;
	records(proxy, &msg, "\"event\":\"connect\",\"decision\":\"allow\"", "a connection");
	msg.type = PROXYMSG_CLOSED;
	records(proxy, &msg, "\"event\":\"disconnect\",\"decision\":\"closed\"", "its end");
	msg = (struct proxymsg){ .type = PROXYMSG_LOST, .bytes_out = 5 };
	records(proxy, &msg, "\"event\":\"lost\",\"records\":5", "that some are missing");
}

static void test_lines(void)
{
	struct proxymsg msg = { .type = PROXYMSG_REQUEST,
		.port = 443,
		.is_denied = 1,
		.host = "api.test",
		.method = "POST",
		.path = "/a\x1b[2J" };
	char line[1024], small[20];

	denial_line(&msg, "", 17, line, sizeof(line));
	tap_is(line,
		"agentjail: POST https://api.test/a\\x1b[2J denied by [inject]; see: agentjail why "
		"17\n",
		"a request is named with its URL, quoted");
	msg.port = 8443;
	denial_line(&msg, " (a guess)", 17, line, sizeof(line));
	tap_ok(strstr(line, "https://api.test:8443/") != NULL && strstr(line, "(a guess);") != NULL,
		"with a port that is not the usual one, and a note");
	denial_line(&msg, "", 17, small, sizeof(small));
	tap_is(small, "", "a line is never cut");
	msg.is_denied = 0;
	tap_ok(!denial_is_one(&msg), "a request that was served is none");
	msg.type = PROXYMSG_DENIED;
	denial_line(&msg, "", 17, line, sizeof(line));
	tap_is(line, "agentjail: connect api.test:8443 denied by [egress]; see: agentjail why 17\n",
		"a connection");
}

int main(void)
{
	struct place place;
	static char dir[] = "/tmp/agentjail-proxyctl-XXXXXX";
	static const struct run_plan plan = { .quiet = true };
	struct err err = { 0 };
	struct proxymsg bad = { .type = PROXYMSG_REQUEST };
	int pair[2];

	w = (struct warden){ .plan = &plan };
	if (mkdtemp(dir) == NULL || audit_open(&w.audit, dir, &err) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return 1;
	w.proxy.sock = pair[0];
	w.proxy.pid = fork();
	if (w.proxy.pid == 0)
		for (;;)
			(void)pause();
	test_messages(pair[1]);
	memset(bad.path, 'x', sizeof(bad.path));
	(void)!send(pair[1], &bad, sizeof(bad), MSG_NOSIGNAL);
	place = cells_place(&w);
	proxyctl_read(&w, &place);
	tap_ok(w.proxy.pid == 0 && w.proxy.sock == -1, "a path without an end is no message");
	test_lines();
	(void)unlink(w.audit.path);
	audit_done(&w.audit);
	(void)rmdir(dir);
	return tap_done();
}
