/*
 * Proves: a rule's first connection starts mother, sources and keeper, in this order and once; a
 * source that fails and a keeper that has ended are answered with 502 and tried again only when it
 * is time; what is given away is seen as end of file; nothing of a value is in the audit. The test
 * plays mother, proxy and sources.
 */
#include "warden/keeperctl.h"

#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "policy/sources.h"
#include "tap.h"
#include "wire/fdpass.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VALUE "canary-value-of-the-source"

static char dir[] = "/tmp/agentjail-keeperctl-XXXXXX";
static struct warden w;
static int mother_sock = -1, n_mothers, n_sources;
static bool sources_fail;

/* ---- the stand-ins ---- */

static pid_t sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)sys_close_range(3, ~0u, 0);
		for (;;)
			(void)pause();
	}
	return pid;
}

static pid_t start_mother(struct warden *ignored, int sock, struct err *err)
{
	(void)ignored;
	(void)err;
	cleanup_close(&mother_sock);
	mother_sock = fcntl(sock, F_DUPFD_CLOEXEC, 0);
	n_mothers++;
	return sleeper();
}

static int check_sources(const struct run_plan *plan, struct source_shapes *shapes, struct err *err)
{
	(void)plan;
	(void)shapes;
	(void)err;
	return 0;
}

/* file: takes a process, env: does not. */
static int begin_source(const struct source_request *request, struct source *ret, struct err *err)
{
	bool has_process = str_starts(sources_item(request->rule, request->slot)->value, "file:");
	int value[2], report[2];

	n_sources++;
	if (sources_fail && !has_process)
		return err_set(err, 0, "no such thing");
	if (pipe2(value, O_CLOEXEC) < 0 || pipe2(report, O_CLOEXEC) < 0)
		return err_set(err, errno, "pipe");
	(void)!write(value[1], VALUE, strlen(VALUE));
	(void)close(value[1]);
	(void)!write(report[1], sources_fail ? "n" : "y", 1);
	(void)close(report[1]);
	*ret = (struct source){ .report = -1, .value = value[0] };
	if (has_process) {
		ret->pid = sleeper();
		ret->report = report[0];
	} else {
		(void)close(report[0]);
	}
	return 0;
}

static int end_source(struct source *source, struct err *err)
{
	char said = 'y';

	if (source->pid > 0) {
		(void)!read(source->report, &said, 1);
		(void)kill(source->pid, SIGKILL);
		(void)waitpid(source->pid, NULL, 0);
		source->pid = 0;
		cleanup_close(&source->report);
	}
	if (said == 'y')
		return 0;
	cleanup_close(&source->value);
	return err_set(err, 0, "no such\nthing");
}

static void stop_source(struct source *source)
{
	struct err ignored;

	(void)end_source(source, &ignored);
	cleanup_close(&source->value);
}

static const struct role_starters starters = { .check_sources = check_sources,
	.begin_source = begin_source,
	.end_source = end_source,
	.stop_source = stop_source };

/* ---- the proxy's side, and one turn of the warden's loop ---- */

/* A connection at a rule's socket: the proxy's end of its channel. */
static int open_channel(int rule_sock)
{
	struct keepmsg_open msg = {
		.version = KEEPMSG_OPEN_VERSION, .port = 443, .host = "a.test"
	};
	int channel[2], server[2], fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, server) < 0)
		return -1;
	fds[0] = channel[1];
	fds[1] = server[1];
	(void)fdpass_send(rule_sock, &msg, sizeof(msg), fds, 2);
	(void)close(channel[1]);
	(void)close(server[0]);
	(void)close(server[1]);
	return channel[0];
}

/* The proxy sends the request right after: it must not lose the answer by that. */
static int open_with_request(int rule_sock)
{
	uint32_t request = KEEPMSG_REQUEST;
	int channel = open_channel(rule_sock);

	(void)!send(channel, &request, sizeof(request), MSG_NOSIGNAL);
	return channel;
}

static void turn(struct keeperctl *k)
{
	struct pollfd p = { .fd = keeperctl_fd(k), .events = POLLIN };

	while (poll(&p, 1, 50) == 1)
		keeperctl_dispatch(&w, k);
}

/* Was the channel answered with 502 and that text? */
static bool is_refused(int channel, const char *text)
{
	struct {
		uint32_t type, status;
		char reason[KEEPMSG_REASON_MAX + 1];
	} msg = { 0 };
	ssize_t n = recv(channel, &msg, sizeof(msg) - 1, MSG_DONTWAIT);
	bool ok = n > 8 && msg.type == KEEPMSG_FAILED && msg.status == 502 &&
		  strstr(msg.reason, text) != NULL;

	if (!ok)
		printf("# %zd bytes, type %u, status %u: %s\n", n, msg.type, msg.status,
			msg.reason);
	(void)close(channel);
	return ok;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

struct started {
	struct keepmsg_start msg;
	int fds[1 + KEEPMSG_SLOT_COUNT];
	size_t n_fds;
};

static bool take_start(struct started *ret)
{
	*ret = (struct started){ .n_fds = 0 };
	return is_readable(mother_sock) &&
	       fdpass_recv(mother_sock, &ret->msg, sizeof(ret->msg), ret->fds, ARRAY_LEN(ret->fds),
		       &ret->n_fds) == (ssize_t)sizeof(ret->msg);
}

static void drop(struct started *s)
{
	for (size_t i = 0; i < s->n_fds; i++)
		(void)close(s->fds[i]);
	s->n_fds = 0;
}

static bool brings_value(int pipe)
{
	char bytes[100] = { 0 };

	return read(pipe, bytes, sizeof(bytes)) == (ssize_t)strlen(VALUE) &&
	       strcmp(bytes, VALUE) == 0 && read(pipe, bytes, sizeof(bytes)) == 0;
}

static void say_ended(uint32_t rule, int exit_status, const char *reason)
{
	struct keepmsg_ended msg = { .rule = rule, .status = exit_status << 8 };

	(void)snprintf(msg.reason, sizeof(msg.reason), "%s", reason);
	(void)!send(mother_sock, &msg, sizeof(msg), MSG_NOSIGNAL);
}

/* ---- the tests ---- */

static void test_start(struct keeperctl *k, const int *ends)
{
	struct started s, again;
	int channel;

	turn(k);
	tap_ok(n_mothers == 0 && n_sources == 0, "nothing runs before the first connection");
	channel = open_channel(ends[0]);
	turn(k);
	tap_ok(n_mothers == 1 && n_sources == 1, "it starts mother and source, once");
	if (!tap_ok(take_start(&s) && s.msg.rule == 0 && s.msg.slots == 1 && s.msg.ttl_s == 0 &&
			    s.n_fds == 2,
		    "the mother is told which rule, with its socket and a pipe"))
		return;
	tap_ok(brings_value(s.fds[1]), "the pipe brings the value and its end");
	tap_ok(is_readable(s.fds[0]), "the connection waits in the socket");
	(void)close(open_channel(ends[0]));
	turn(k);
	tap_ok(!take_start(&again), "a second connection is the keeper's");
	drop(&s);
	/* What it had not read makes it a reset first (unix(7)). */
	if (recv(ends[0], &again, sizeof(again), MSG_DONTWAIT) < 0 && errno != ECONNRESET)
		printf("# errno %d\n", errno);
	tap_ok(recv(ends[0], &again, sizeof(again), MSG_DONTWAIT) == 0,
		"a keeper that has died is end of file at the proxy");
	say_ended(0, 1, "broken");
	turn(k);
	(void)close(channel);
}

static void test_ttl(struct keeperctl *k, const int *ends)
{
	int channel = open_channel(ends[1]), before = n_sources;
	struct started s;

	turn(k);
	if (!tap_ok(take_start(&s) && s.msg.rule == 1 && s.msg.slots == 7 && s.msg.ttl_s == 600 &&
			    s.n_fds == 4,
		    "a rule with three values and a ttl"))
		return;
	tap_ok(brings_value(s.fds[1]) && brings_value(s.fds[2]) && brings_value(s.fds[3]),
		"all pipes bring theirs");
	drop(&s);
	(void)close(channel);
	turn(k);
	tap_ok(!take_start(&s), "its socket is not read while a keeper has it");
	say_ended(1, KEEPMSG_EXIT_EXPIRED, "");
	turn(k);
	tap_ok(take_start(&s) && s.msg.rule == 1 && n_sources == before + 6,
		"what waits when the ttl is over is served by a new keeper with new values");
	drop(&s);
	say_ended(1, 9, "it crashed");
	turn(k);
	tap_ok(!take_start(&s), "a crash is not followed by a start");
	channel = open_with_request(ends[1]);
	turn(k);
	tap_ok(is_refused(channel, "it crashed"), "connections are refused then, with the reason");
}

/* One that has expired and works on what it has neither reads nor ends. */
static void test_outlived(struct keeperctl *k, const int *ends)
{
	int channel = open_channel(ends[3]);
	struct started first, second, third;

	turn(k);
	if (!tap_ok(take_start(&first) && first.msg.rule == 3 && first.msg.ttl_s == 1,
		    "a rule with a short ttl"))
		return;
	(void)usleep(2200 * 1000);
	turn(k);
	tap_ok(take_start(&second) && second.msg.rule == 3 &&
			second.msg.serial != first.msg.serial,
		"when its ttl is over another keeper is started, whether or not it has ended");
	say_ended(3, KEEPMSG_EXIT_EXPIRED, "");
	turn(k);
	tap_ok(!take_start(&third), "its end is not that of the other one");
	drop(&first);
	drop(&second);
	(void)close(channel);
}

static void test_failure(struct keeperctl *k, const int *ends)
{
	int first = open_channel(ends[2]), second = open_channel(ends[2]), third,
	    before = n_sources;
	struct started s;

	sources_fail = true;
	turn(k);
	tap_ok(is_refused(first, "secret: no such\\x0athing"),
		"a source that fails refuses, quoted");
	tap_ok(is_refused(second, "no such"), "all that wait");
	third = open_channel(ends[2]);
	turn(k);
	tap_ok(is_refused(third, "no such") && n_sources == before + 1,
		"the next one is refused without asking again");
	sources_fail = false;
	(void)usleep(2100 * 1000);
	third = open_channel(ends[2]);
	turn(k);
	tap_ok(take_start(&s) && s.msg.rule == 2, "later it is asked again");
	drop(&s);
	(void)close(third);
}

static void test_lost(struct keeperctl *k, const int *ends)
{
	int channel;

	(void)!send(mother_sock, "x", 1, MSG_NOSIGNAL);
	turn(k);
	channel = open_channel(ends[1]);
	turn(k);
	tap_ok(is_refused(channel, "start a new session"),
		"a mother that sends what is no message is ended, and her rules with her");
	channel = open_channel(ends[4]);
	turn(k);
	tap_ok(is_refused(channel, "start a new session") && n_mothers == 1,
		"also one that had no keeper yet; there is no second mother");
}

static void test_audit(void)
{
	AUTO_CLOSE int fd = open(w.audit.path, O_RDONLY | O_CLOEXEC);
	AUTO_BUF struct buf text = { 0 };

	if (fd < 0 || buf_read_fd(&text, fd, 1 << 20) < 0)
		return;
	tap_ok(strstr(text.data, "\"event\":\"keeper\",\"rule\":\"one\",\"state\":\"started\"") !=
			NULL,
		"the audit has a keeper's start");
	tap_ok(strstr(text.data, "\"event\":\"source\",\"rule\":\"three\",\"key\":\"secret\","
				 "\"kind\":\"file\",\"result\":\"failed\"") != NULL,
		"and a source that failed");
	tap_ok(strstr(text.data, VALUE) == NULL, "and no value");
}

static void write_profile(void)
{
	char path[64];
	AUTO_CLOSE int fd = -1;
	static const char text[] =
		"[inject one]\nhost = a.test\nheader = X: {secret}\nsecret = env:A\n"
		"[inject two]\nhost = b.test\nheader = X: {secret}\nsecret = env:B\nclient-cert = "
		"file:/y\nclient-key = "
		"file:/x\nttl = 10m\n"
		"[inject three]\nhost = c.test\nheader = X: {secret}\nsecret = file:/x\n"
		"[inject five]\nhost = e.test\nheader = X: {secret}\nsecret = env:E\nttl = 1\n"
		"[inject four]\nhost = d.test\nheader = X: {secret}\nsecret = env:D\n";

	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, text, strlen(text));
}

static void test_all(void)
{
	struct err err = { 0 };
	struct keeperctl *k = NULL;
	int ends[5];

	if (!tap_ok(audit_open(&w.audit, dir, &err) == 0 && keeperctl_init(&w, &k, &err) == 0 &&
			    keeperctl_proxy_ends(k, ends) == 5,
		    "five rules"))
		printf("# %s\n", err.text);
	else {
		keeperctl_set_mother(k, start_mother);
		test_start(k, ends);
		test_ttl(k, ends);
		test_failure(k, ends);
		test_outlived(k, ends);
		test_lost(k, ends);
		test_audit();
	}
	keeperctl_stop(&w, k);
	tap_ok(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "at the end no process is left");
	(void)unlink(w.audit.path);
	audit_done(&w.audit);
}

int main(void)
{
	struct run_plan plan = { .project = dir, .home = "/" };
	struct policy_request request = { .project = dir, .home = "/", .profiles_dir = dir };
	struct keeperctl *none = NULL;
	struct policy *policy = NULL;
	struct err err = { 0 };
	char path[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/default.ini", dir);
	w = (struct warden){ .plan = &plan, .start = &starters, .audit = { .fd = -1 } };
	(void)close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	tap_ok(policy_load(&request, &policy, &err) == 0, "a policy without rules");
	plan.policy = policy;
	tap_ok(keeperctl_init(&w, &none, &err) == 0 && none == NULL && keeperctl_fd(none) == -1,
		"needs no keepers");
	policy_free(policy);
	write_profile();
	if (tap_ok(policy_load(&request, &policy, &err) == 0, "a policy with rules")) {
		plan.policy = policy;
		test_all();
		policy_free(policy);
	} else {
		printf("# %s\n", err.text);
	}
	(void)unlink(path);
	(void)rmdir(dir);
	return tap_done();
}
