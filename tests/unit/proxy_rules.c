/*
 * Proves what the proxy does to requests for hosts with rules, as the warden starts it, its system
 * call filter included: which destination they must name, what of them a keeper is told, how bodies
 * and responses are framed, and that nothing of it can be steered by the cell. Judged by what a fake
 * keeper was told. Runs as any user, in namespaces of its own.
 */
#include "proxy_world.h"

#define OK(condition, text, ...) show(tap_ok(condition, __VA_ARGS__), text)

/* ---- the way there ---- */

static void test_plain_way(void)
{
	const char *r = echo("GET /v1/a?x=1", "X-One: 1\r\n");
	const struct proxymsg *msg;

	OK(has(r, "HTTP/1.1 200 OK\r\n"), r, "a request of a rule is answered");
	OK(has(r, "<GET /v1/a?x=1 flags=0 framing=0 length=0>\nx-one: 1\n"), r,
		"the keeper is told method, path, query and fields, nothing else");
	OK(!has(r, "alt-svc"), r, "Alt-Svc does not come through");
	msg = next_report(PROXYMSG_REQUEST);
	tap_is(msg->method, "GET", "the report says the method");
	tap_is(msg->path, "/v1/a", "the path without its query");
	tap_ok(msg->status == 200 && !msg->is_denied, "the status");
	tap_ok(has(msg->rule, "inject api"), "and the rule: %s", msg->rule);
	tap_is(msg->host, "api.test", "and the host");
	tap_is(msg->address, PUBLIC, "and the address that was dialled");
	drop_reports();
}

/* ---- how fast: `proxy_rules bench` ---- */

static double cpu_of(pid_t pid)
{
	char path[64], text[1024] = "";
	unsigned long user = 0, system_time = 0;
	const char *p;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)!read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	p = strrchr(text, ')');
	if (p != NULL)
		(void)sscanf(p, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			&system_time);
	return (double)(user + system_time) / (double)sysconf(_SC_CLK_TCK);
}

static void run_bench(int depth)
{
	double cpu = cpu_of(proxy_pid);
	struct client c = connect_to("api.test");
	char request[64 * 128] = "", reply[65536];
	struct timespec a, b;
	int n = 0, got, total = 40000;
	double s;

	for (int i = 0; i < depth; i++)
		(void)snprintf(request + strlen(request), 128,
			"GET /v1/short HTTP/1.1\r\nHost: api.test\r\nAccept: */*\r\n\r\n");
	(void)clock_gettime(CLOCK_MONOTONIC, &a);
	while (n < total) {
		int want = n + depth;

		client_say(&c, request);
		while (n < want && (got = SSL_read(c.ssl, reply, sizeof(reply) - 1)) > 0) {
			reply[got] = '\0';
			for (const char *p = reply; (p = strstr(p, "HTTP/1.1 200")) != NULL; p += 12)
				n++;
		}
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &b);
	s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
	printf("# depth %d: %.0f requests/s, the proxy used %.1f us each\n", depth, total / s,
		(cpu_of(proxy_pid) - cpu) * 1e6 / total);
	close_client(&c);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "@proxy") == 0)
		return proxy_main(argc - 0, argv);
	kept = mmap(NULL, sizeof(*kept), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	make_world();
	run_server(443);
	run_server(80);
	start_proxy();
	if (argc > 1) {
		run_bench(1);
		run_bench(16);
		return 0;
	}
	test_plain_way();
	tap_ok(kill(proxy_pid, 0) == 0 && waitpid(proxy_pid, NULL, WNOHANG) == 0,
		"the proxy is still there");
	return tap_done();
}
