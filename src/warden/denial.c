/*
 * Which command was it, and one line on its stderr. Runs in the warden. Hostile: what the proxy
 * says of the socket, and the processes looked at. For people and the audit only, never for a
 * decision: the socket may be gone or shared.
 */
#include "warden/warden.h"

#include "warden/tell.h"

#include "base/cleanup.h"
#include "base/clock.h"
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

/* Rationale: the first packet starts the proxy, which takes longer than a command that gives up. */
#define JUST_ENDED_MS 1000

/* Rationale: what connects at once is a handful of processes; others are found by the walk. */
#define OWNERS_MAX 8

/*
 * A process that had a connection, and the descriptor of it: the next one of a program that opens one
 * after the other is found there. The directory is the process's, not its number's.
 */
struct owner {
	int fds; /* /proc/PID/fd */
	pid_t pid, command; /* command as the cell sees it */
	char name[16];
};

static struct owner owners[OWNERS_MAX];
static size_t n_owners, next_owner;

/* What is looked for below the cell's first process: the owner of a socket, or a command's own. */
struct walk {
	unsigned long inode; /* 0: looked for is cell_pid */
	pid_t cell_pid; /* of a command, as the cell sees it */
	unsigned budget;
	pid_t command; /* the child of a runner that is looked below */
	pid_t found;
};

/* Whose connection it was, as well as it can be known. */
struct suspect {
	const struct command *command; /* NULL: not known */
	pid_t pid; /* to be told; 0: nobody is left */
	bool is_guess, has_others;
};

/* Asks the cell's kernel socket table (sock_diag(7)) for the inode of one connection; 0: gone. */
static unsigned long find_inode(const struct cell *cell, const struct proxymsg *msg)
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
	int sock = cell->fds[CELL_FD_DIAG];
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

/*
 * The same for a bound UDP socket, from the cell's /proc/net/udp: not every kernel has sock_diag for
 * these. Asked for fake keys alone.
 */
static unsigned long find_udp_inode(const struct cell *cell, const struct proxymsg *msg)
{
	char path[64], line[256];
	unsigned long found = 0;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/net/udp", cell->pid);
	f = fopen(path, "re");
	while (f != NULL && found == 0 && fgets(line, sizeof(line), f) != NULL) {
		unsigned port;
		unsigned long inode;

		if (sscanf(line, "%*u: %*x:%x %*x:%*x %*x %*x:%*x %*x:%*x %*x %*u %*u %lu", &port,
			    &inode) == 2 &&
			port == msg->client_port)
			found = inode;
	}
	if (f != NULL)
		fclose(f);
	return found;
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

static bool is_socket(int fds, const char *name, unsigned long inode)
{
	char want[64], link[64];
	ssize_t n = readlinkat(fds, name, link, sizeof(link));
	int want_n = snprintf(want, sizeof(want), "socket:[%lu]", inode);

	return n > 0 && n == want_n && memcmp(link, want, (size_t)n) == 0;
}

/* Keeps a process in place of the one that was kept for longest. */
static void remember(int fds, const char *name, pid_t pid, pid_t command)
{
	struct owner *o = &owners[next_owner];

	if (n_owners == OWNERS_MAX)
		cleanup_close(&o->fds);
	else
		n_owners++;
	*o = (struct owner){ .fds = fcntl(fds, F_DUPFD_CLOEXEC, 0),
		.pid = pid,
		.command = command };
	(void)snprintf(o->name, sizeof(o->name), "%.15s", name);
	next_owner = (next_owner + 1) % OWNERS_MAX;
}

static const struct owner *recall(unsigned long inode)
{
	for (size_t i = 0; i < n_owners; i++)
		if (owners[i].fds >= 0 && is_socket(owners[i].fds, owners[i].name, inode))
			return &owners[i];
	return NULL;
}

static bool has_socket(const struct walk *walk, pid_t pid)
{
	char path[64];
	DIR *d;
	struct dirent *e;
	bool found = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	d = opendir(path);
	while (d != NULL && !found && (e = readdir(d)) != NULL) {
		found = is_socket(dirfd(d), e->d_name, walk->inode);
		if (found)
			remember(dirfd(d), e->d_name, pid, inner_pid(walk->command));
	}
	if (d != NULL)
		closedir(d);
	return found;
}

static bool is_wanted(const struct walk *walk, pid_t pid, unsigned depth)
{
	if (walk->inode != 0)
		return has_socket(walk, pid);
	return depth == 1 && inner_pid(pid) == walk->cell_pid;
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
		if (is_wanted(walk, child, depth))
			walk->found = child;
		else if (walk->inode != 0 || depth == 0)
			walk_children(walk, child, depth + 1);
		while (*rest == ' ')
			rest++;
	}
}

/* An orphan of a command that has ended belongs to none any more. */
static const struct command *command_of(const struct warden *w, pid_t inner)
{
	for (size_t i = 0; inner > 0 && i < COMMANDS_MAX; i++)
		if (w->commands[i].cell_pid == inner)
			return &w->commands[i];
	return NULL;
}

static const struct command *find_command(const struct warden *w, uint32_t id)
{
	const struct command *c = &w->commands[id % COMMANDS_MAX];

	return c->id == id ? c : NULL;
}

static bool is_in_rate(void)
{
	static int64_t second;
	static unsigned count;
	int64_t now = clock_ms() / 1000;

	if (now != second) {
		second = now;
		count = 0;
	}
	return ++count <= LINES_PER_SECOND;
}

/* The newest command that runs; where none does, the newest if it has only just ended. */
static const struct command *newest_command(const struct warden *w, bool *ret_others)
{
	const struct command *newest = NULL, *ended = &w->commands[w->next_id % COMMANDS_MAX];
	unsigned n = 0;

	for (size_t i = 0; i < COMMANDS_MAX; i++) {
		const struct command *c = &w->commands[i];

		n += c->cell_pid != 0;
		if (c->cell_pid != 0 && (newest == NULL || c->id > newest->id))
			newest = c;
	}
	*ret_others = n > 1;
	if (newest == NULL && ended->ended_ms != 0 && clock_ms() - ended->ended_ms < JUST_ENDED_MS)
		newest = ended;
	return newest;
}

static bool find_owner(const struct warden *w, const struct place *p, const struct proxymsg *msg,
	struct suspect *ret)
{
	struct walk walk = { .budget = WALK_MAX };
	const struct owner *owner;

	if (msg->via == PROXYMSG_DNS)
		walk.inode = find_udp_inode(p->cell, msg);
	/* Names are asked for over TCP, too. */
	if (walk.inode == 0)
		walk.inode = find_inode(p->cell, msg);
	if (walk.inode == 0)
		return false;
	owner = recall(walk.inode);
	if (owner == NULL) {
		walk_children(&walk, p->cell->pid, 0);
		owner = walk.found != 0 ? recall(walk.inode) : NULL;
	}
	if (owner == NULL)
		return false;
	*ret = (struct suspect){ .command = p->command != 0 ? find_command(w, p->command)
							    : command_of(w, owner->command),
		.pid = owner->pid };
	return true;
}

/*
 * A refused literal address was answered by the kernel at once: its socket is gone when we hear of
 * it. `run` has one command only, and so has a cell for one; of a session's one cell it may be several,
 * and then it is said that it is a guess.
 */
static bool guess_owner(const struct warden *w, const struct place *p, struct suspect *ret)
{
	struct suspect s = { .is_guess = w->attend == NULL && p->command == 0 };

	s.command = p->command != 0 ? find_command(w, p->command) : newest_command(w, &s.has_others);
	if (s.command == NULL)
		return false;
	s.pid = denial_find(p->cell, s.command->cell_pid);
	*ret = s;
	return true;
}

pid_t denial_find(const struct cell *cell, pid_t cell_pid)
{
	struct walk walk = { .budget = WALK_MAX, .cell_pid = cell_pid };

	if (cell_pid > 0 && cell->pid > 0)
		walk_children(&walk, cell->pid, 0);
	return walk.found;
}

bool denial_say(const struct warden *w, pid_t pid, const struct stat *file, const char *line)
{
	/* A file system that a command made itself can keep a writer waiting for ever (fuse(4)). */
	bool may_file =
		strcmp(policy_value(w->plan->policy, PK_SANDBOX_USERNS)->value, "yes") != 0;

	if (pid > 0 && file != NULL)
		return tell_process(pid, file, may_file, line, strlen(line));
	if (pid > 0)
		return tell_stderr(pid, may_file, line, strlen(line));
	/* The command's own was the same. */
	return (w->attend != NULL || w->bare > 0) &&
		tell_fd(STDERR_FILENO, true, line, strlen(line));
}

static void say(const struct warden *w, const struct suspect *s, const struct proxymsg *msg,
	uint64_t seq)
{
	char line[1024];

	denial_line(msg, s->has_others ? " (of this command or another that runs)" : "", seq, line,
		sizeof(line));
	(void)denial_say(w, s->pid, NULL, line);
}

/* It sent a fake key: that is no mistake, and whoever it was ends. */
static void tell_caught(struct warden *w, const struct place *p, const struct proxymsg *msg, struct audit_record *record)
{
	struct suspect s = { 0 };
	bool is_owner = p->cell->pid > 0 && msg->family != 0 && find_owner(w, p, msg, &s);

	/* The only one that runs is no guess. */
	if (!is_owner && (p->cell->pid <= 0 || !guess_owner(w, p, &s) || s.has_others ||
				 s.command->ended_ms != 0))
		s = (struct suspect){ 0 };
	lure_caught(w, s.command != NULL ? &w->commands[s.command - w->commands] : NULL, s.pid,
		msg->reason, record);
}

void denial_tell(struct warden *w, const struct place *p, const struct proxymsg *msg,
	struct audit_record *record)
{
	struct suspect s = { 0 };
	bool is_request = msg->type == PROXYMSG_REQUEST, is_owner;

	if (str_starts(msg->reason, PROXYMSG_REASON_HONEY)) {
		tell_caught(w, p, msg, record);
		return;
	}
	if (p->command != 0)
		audit_number(record, "command", p->command);
	/* The connection's record names the command; its requests can come by the thousand. */
	if (msg->family == 0 || (is_request && (!denial_is_one(msg) || !is_in_rate())))
		return;
	if (w->bare > 0) {
		/* Whose socket it was cannot be told from others of the machine: the user hears it. */
		if (denial_is_one(msg) && (is_request || is_in_rate()))
			say(w, &s, msg, record->seq);
		return;
	}
	if (p->cell->pid <= 0)
		return;
	is_owner = find_owner(w, p, msg, &s);
	if (!is_owner && ((msg->via != PROXYMSG_LITERAL && p->command == 0) || !guess_owner(w, p, &s)))
		return;
	if (p->command == 0 && s.command != NULL)
		audit_number(record, "command", s.command->id);
	if (is_owner)
		audit_number(record, "pid", s.pid);
	else if (s.is_guess)
		buf_adds(&record->line, ",\"command_guess\":true");
	if (denial_is_one(msg) && (is_request || is_in_rate()))
		say(w, &s, msg, record->seq);
}
