/*
 * Which command was it, and one line on its stderr. Runs in the warden. Hostile: what the proxy
 * says of the socket, and the processes looked at. For people and the audit only, never for a
 * decision: the socket may be gone or shared.
 */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/sys.h"
#include "wire/proxymsg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

/* Rationale: a tree walk costs 10 us a process; a fork bomb must not make the warden slow. */
#define WALK_MAX 256
/* Rationale: a program that retries for ever would fill its own log; the audit has every one. */
#define LINES_PER_SECOND 5

struct walk {
	unsigned long inode;
	unsigned budget;
	pid_t command; /* the child of a runner that is looked below */
	pid_t found;
};

/* Asks the cell's kernel socket table (sock_diag(7)) for the inode of one connection; 0: gone. */
static unsigned long find_inode(const struct warden *w, const struct proxymsg *msg)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} q = { .head = { .nlmsg_len = sizeof(q),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST },
		.req = { .sdiag_family = (uint8_t)msg->family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0u,
			.id = { .idiag_sport = htons(msg->client_port),
				.idiag_dport = htons(msg->server_port),
				.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } } };
	_Alignas(struct nlmsghdr) char reply[4096];
	const struct nlmsghdr *head = (const struct nlmsghdr *)reply;
	int sock = w->cell.fds[CELL_FD_DIAG];
	struct inet_diag_msg found;
	struct pollfd p = { .fd = sock, .events = POLLIN };
	ssize_t n;

	memcpy(q.req.id.idiag_src, msg->client, 16);
	memcpy(q.req.id.idiag_dst, msg->server, 16);
	if (sock < 0 || send(sock, &q, sizeof(q), MSG_DONTWAIT) < 0 || poll(&p, 1, 20) != 1)
		return 0;
	n = recv(sock, reply, sizeof(reply), MSG_DONTWAIT);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) ||
		head->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	memcpy(&found, reply + NLMSG_HDRLEN, sizeof(found));
	return found.idiag_inode;
}

static bool has_socket(pid_t pid, unsigned long inode)
{
	char path[64], want[64], link[64];
	DIR *d;
	struct dirent *e;
	bool found = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	(void)snprintf(want, sizeof(want), "socket:[%lu]", inode);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		ssize_t n = readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1);

		if (n > 0) {
			link[n] = '\0';
			found = strcmp(link, want) == 0;
		}
	}
	if (d != NULL)
		closedir(d);
	return found;
}

/* Depth first below pid: the children as the host sees them (proc(5), /proc/PID/task/TID/children). */
static void walk_children(struct walk *walk, pid_t pid, unsigned depth)
{
	AUTO_BUF struct buf list = { 0 };
	AUTO_CLOSE int fd = -1;
	char path[64], *rest;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || depth > 32 || buf_read_fd(&list, fd, 65536) < 0)
		return;
	for (rest = list.data; rest != NULL && *rest != '\0' && walk->found == 0;) {
		pid_t child = (pid_t)strtol(rest, &rest, 10);

		if (child <= 0 || walk->budget == 0)
			return;
		walk->budget--;
		/* 0: runners, 1: what they have started. */
		if (depth == 1)
			walk->command = child;
		if (has_socket(child, walk->inode))
			walk->found = child;
		else
			walk_children(walk, child, depth + 1);
		while (*rest == ' ')
			rest++;
	}
}

/* The number a process has in the innermost namespace (NSpid of proc(5)). */
static pid_t inner_pid(pid_t pid)
{
	char path[64], line[256], *last = NULL;
	pid_t inner = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (str_starts(line, "NSpid:") && (last = strrchr(line, '\t')) != NULL)
			inner = (pid_t)strtol(last, NULL, 10);
	if (f != NULL)
		fclose(f);
	return inner;
}

/* An orphan of a command that has ended belongs to none any more. */
static const struct command *command_of(const struct warden *w, pid_t pid)
{
	pid_t inner = inner_pid(pid);

	for (size_t i = 0; inner > 0 && i < COMMANDS_MAX; i++)
		if (w->commands[i].cell_pid == inner)
			return &w->commands[i];
	return NULL;
}

static bool is_in_rate(void)
{
	static time_t second;
	static unsigned count;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec != second) {
		second = now.tv_sec;
		count = 0;
	}
	return ++count <= LINES_PER_SECOND;
}

/* Borrowed for this one write: kept, it would delay the end of file of whoever reads it. */
static void write_stderr(pid_t pid, const char *line, size_t n)
{
	AUTO_CLOSE int pidfd = sys_pidfd_open(pid, 0);
	AUTO_CLOSE int fd = pidfd < 0 ? -1 : sys_pidfd_getfd(pidfd, 2, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	/* A pipe that nobody empties must not stop the warden. */
	if (fd >= 0 && poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0)
		(void)!write(fd, line, n);
}

void denial_tell(struct warden *w, const struct proxymsg *msg, struct audit_record *record)
{
	struct walk walk = { .budget = WALK_MAX };
	const struct command *command;
	char line[1024];
	bool is_request = msg->type == PROXYMSG_REQUEST;

	if (w->bare > 0) {
		/* Whose socket it was cannot be told from others of the machine: the user hears it. */
		if (denial_is_one(msg) && is_in_rate()) {
			denial_line(msg, "", record->seq, line, sizeof(line));
			(void)!write(STDERR_FILENO, line, strlen(line));
		}
		return;
	}
	/* The connection's record names the command; its requests can come by the thousand. */
	if (msg->family == 0 || w->cell.pid <= 0 ||
		(is_request && (!denial_is_one(msg) || !is_in_rate())))
		return;
	walk.inode = find_inode(w, msg);
	if (walk.inode == 0)
		return;
	walk_children(&walk, w->cell.pid, 0);
	if (walk.found == 0)
		return;
	command = command_of(w, walk.command);
	if (command != NULL)
		audit_number(record, "command", command->id);
	audit_number(record, "pid", walk.found);
	if (!denial_is_one(msg) || (!is_request && !is_in_rate()))
		return;
	denial_line(msg, "", record->seq, line, sizeof(line));
	write_stderr(walk.found, line, strlen(line));
}
