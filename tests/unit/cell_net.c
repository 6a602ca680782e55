/*
 * Proves that a cell's network comes up as an ordinary user, with and without IPv6, and
 * that its sockets and redirections are where cell/net.h says.
 */
#include "base/cleanup.h"
#include "cell/net.h"
#include "cell/net_msg.h"
#include "tap.h"
#include "wire/netplan.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

static void write_file(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		printf("# %s: %s\n", path, strerror(errno));
}

static bool enter_namespace(void)
{
	char map[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	write_file("/proc/self/setgroups", "deny");
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	write_file("/proc/self/uid_map", map);
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	write_file("/proc/self/gid_map", map);
	return true;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t n = sizeof(a);

	return getsockname(fd, (struct sockaddr *)&a, &n) == 0 ? ntohs(a.sin6_port) : 0;
}

static int connect_to(int family, const char *address, uint16_t port)
{
	struct sockaddr_in a4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	(void)inet_pton(AF_INET, address, &a4.sin_addr);
	(void)inet_pton(AF_INET6, address, &a6.sin6_addr);
	r = family == AF_INET ? connect(fd, (struct sockaddr *)&a4, sizeof(a4))
			      : connect(fd, (struct sockaddr *)&a6, sizeof(a6));
	return r < 0 ? errno : 0;
}

static struct net_request make_request(void)
{
	struct net_request request = { .localhost_ports = { 5432, 6379 }, .n_localhost = 2 };

	request.n_literals = NET_LITERALS_MAX;
	for (size_t i = 0; i < NET_LITERALS_MAX; i++) {
		struct net_literal *l = &request.literals[i];

		l->family = i % 2 == 0 ? AF_INET : AF_INET6;
		l->port = (uint16_t)(1000 + i);
		(void)inet_pton(l->family, i % 2 == 0 ? "10.1.2.3" : "2001:db8::7", l->address);
	}
	return request;
}

/* One acknowledgement stands for a batch: errors of the others have to come unasked. */
static void test_batch_error(void)
{
	const struct nfgenmsg group = { .res_id = htons(NFNL_SUBSYS_NFTABLES) };
	const struct nfgenmsg inet = { .nfgen_family = NFPROTO_INET };
	static struct net_msg m;
	int sock = net_msg_socket(NETLINK_NETFILTER);

	net_msg_init(&m);
	net_msg_begin(&m, NFNL_MSG_BATCH_BEGIN, 0);
	net_msg_put(&m, &group, sizeof(group));
	net_msg_begin(&m, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWRULE, NLM_F_CREATE);
	net_msg_put(&m, &inet, sizeof(inet));
	net_msg_attr_str(&m, NFTA_RULE_TABLE, "missing");
	net_msg_attr_str(&m, NFTA_RULE_CHAIN, "missing");
	net_msg_begin(&m, (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE, NLM_F_CREATE);
	net_msg_put(&m, &inet, sizeof(inet));
	net_msg_attr_str(&m, NFTA_TABLE_NAME, "good");
	net_msg_want_ack(&m);
	net_msg_begin(&m, NFNL_MSG_BATCH_END, 0);
	net_msg_put(&m, &group, sizeof(group));
	tap_ok(net_msg_exchange(&m, sock) == -ENOENT, "an error without an acknowledgement");
	(void)close(sock);
}

static int test_setup(bool ipv6)
{
	const struct net_request request = make_request();
	struct net_sockets s;
	struct err err = { .code = 0 };

	if (!enter_namespace()) {
		tap_ok(true, "# SKIP no user namespaces here");
		return tap_done();
	}
	if (!ipv6) {
		write_file("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
		write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	}
	if (!tap_ok(net_setup(&request, &s, &err) == 0, "set up %s", err.text))
		return tap_done();
	tap_ok(s.n == NET_FD_LOCALHOST + 4, "two sockets a localhost port");
	tap_ok(port_of(s.fds[NET_FD_TCP4]) == NETPLAN_REDIRECT_PORT, "the redirect port");
	tap_ok(port_of(s.fds[NET_FD_UDP4]) == 53 && port_of(s.fds[NET_FD_DNS4]) == 53, "names");
	tap_ok(port_of(s.fds[NET_FD_PROXY]) == NETPLAN_PROXY_PORT, "the explicit proxy");
	tap_ok(s.fds[NET_FD_NFLOG] >= 0 && s.fds[NET_FD_DIAG] >= 0, "the netlink sockets");
	tap_ok(port_of(s.fds[NET_FD_LOCALHOST + 2]) == 6379, "localhost ports in order");
	tap_ok((s.fds[NET_FD_TCP6] >= 0) == ipv6 && (s.fds[NET_FD_LOCALHOST + 1] >= 0) == ipv6,
		"IPv6 sockets only with IPv6");
	tap_ok(connect_to(AF_INET, "198.18.1.2", 443) == 0, "the synthetic range is redirected");
	tap_ok(connect_to(AF_INET, "10.1.2.3", 1000) == 0, "an allowed literal address too");
	tap_ok(connect_to(AF_INET, "10.1.2.3", 1001) == ECONNREFUSED, "not on another port");
	tap_ok(connect_to(AF_INET, "127.0.0.1", 8000) == ECONNREFUSED &&
			connect_to(AF_INET, "198.18.0.1", 8000) == ECONNREFUSED,
		"loopback and its address are the cell's own");
	if (ipv6)
		tap_ok(connect_to(AF_INET6, "2001:db8::7", 1001) == 0 &&
				connect_to(AF_INET6, "2001:db8::7", 1000) == ECONNREFUSED,
			"the same with IPv6");
	test_batch_error();
	net_done(&s);
	return tap_done();
}

/* The kernel gives an IPv6 address its route a moment later (addrconf_dad_work). */
static int connect_own6(void)
{
	int r;

	for (int tries = 0; (r = connect_to(AF_INET6, "fdaa:6a61:696c::1", 8000)) == ENETUNREACH; tries++)
		if (tries == 100 || usleep(20000) < 0)
			break;
	return r;
}

/* The common case has fewer rules. */
static int test_plain(void)
{
	const struct net_request request = { .n_localhost = 0 };
	struct net_sockets s;
	struct err err = { .code = 0 };

	if (!enter_namespace())
		return 0;
	if (!tap_ok(net_setup(&request, &s, &err) == 0, "set up %s", err.text))
		return tap_done();
	tap_ok(connect_to(AF_INET, "198.18.1.2", 443) == 0, "the synthetic range is redirected");
	tap_ok(connect_to(AF_INET, "198.18.0.1", 8000) == ECONNREFUSED &&
			connect_to(AF_INET, "127.0.0.1", 8000) == ECONNREFUSED &&
			connect_own6() == ECONNREFUSED,
		"the cell's addresses are its own");
	tap_ok(connect_to(AF_INET, "10.1.2.3", 443) == ECONNREFUSED &&
			connect_to(AF_INET6, "2001:db8::7", 443) == ECONNREFUSED,
		"all others are refused");
	net_done(&s);
	return tap_done();
}

static bool is_child_good(int (*test)(void))
{
	int status = 0;
	pid_t pid = fork();

	/* A namespace of its own each; the child's lines would be counted twice. */
	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(1);
		_exit(test());
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int test_without_ipv6(void)
{
	return test_setup(false);
}

int main(void)
{
	tap_ok(is_child_good(test_without_ipv6), "everything below without IPv6");
	tap_ok(is_child_good(test_plain), "a profile without literal addresses");
	return test_setup(true);
}
