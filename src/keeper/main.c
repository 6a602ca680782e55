/*
 * The keepers' mother: starts a keeper for each rule that is used, from a state without secrets,
 * so that OpenSSL and the host's authorities are loaded once. With the user's identity; never reads
 * a value and no byte of the network. Input: the policy and the warden's messages.
 */
#include "keeper/main.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/sys.h"
#include "keeper/keeper.h"
#include "keeper/cage.h"
#include "keeper/memory.h"
#include "keeper/tls.h"
#include "wire/fdpass.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Rationale: a keeper that has expired may live beside its successor for some minutes. */
#define KEEPERS_MAX 512u

struct child {
	pid_t pid; /* 0: free */
	uint32_t rule, serial;
	int reason; /* a pipe */
};

struct mother {
	struct policy *policy;
	const struct rules_rule *const *rules;
	size_t n_rules;
	X509_STORE *roots;
	struct limit_use **uses; /* by rule; shared with its keepers alone */
	struct child children[KEEPERS_MAX];
	int signals, null, warden;
};

/* Where a keeper's descriptors go: above standard input, output and error. */
enum keeper_own { OWN_DOOR = 3, OWN_REASON, OWN_SECRETS, OWN_COUNT = OWN_SECRETS + KEEPMSG_SLOT_COUNT };

/* ---- a keeper's first steps ---- */

/* Room for the numbers that the descriptors get, so that none is overwritten on the way. */
static int lift(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, OWN_COUNT);
}

static int place(int fd, int number, struct err *err)
{
	if (fd >= 0 && dup3(fd, number, O_CLOEXEC) < 0)
		return err_set(err, errno, "a keeper's descriptors");
	return 0;
}

/* Keeps what is a keeper's, at fixed numbers, and closes the rest. */
static int take_own(struct keeper_start *start, int *reason, int null, struct err *err)
{
	int fds[OWN_COUNT] = { null, null, null, start->door, *reason };
	int r = 0;

	for (int i = 0; i < KEEPMSG_SLOT_COUNT; i++)
		fds[OWN_SECRETS + i] = start->secrets[i];
	for (int i = 0; i < OWN_COUNT; i++)
		if (fds[i] >= 0 && (fds[i] = lift(fds[i])) < 0)
			return err_set(err, errno, "a keeper's descriptors");
	for (int i = 0; i < OWN_COUNT && r == 0; i++) {
		r = place(fds[i], i, err);
		if (r == 0 && fds[i] < 0)
			(void)close(i);
	}
	start->door = OWN_DOOR;
	*reason = OWN_REASON;
	for (int i = 0; i < KEEPMSG_SLOT_COUNT; i++)
		start->secrets[i] = fds[OWN_SECRETS + i] >= 0 ? OWN_SECRETS + i : -1;
	if (r == 0 && sys_close_range(OWN_COUNT, ~0u, 0) < 0)
		r = err_set(err, errno, "close_range");
	return r;
}

/* A keeper sees what was used of its own rule. */
static void forget_others(const struct mother *mother, const struct keeper_start *start)
{
	for (size_t i = 0; i < mother->n_rules; i++)
		if (mother->uses[i] != NULL && mother->uses[i] != start->use)
			(void)munmap(mother->uses[i], sizeof(*mother->uses[i]));
}

__attribute__((noreturn)) static void live(
	const struct mother *mother, struct keeper_start *start, int reason, pid_t parent)
{
	static struct keeper keeper;
	struct err err = { 0 };
	sigset_t none;
	int status = EXIT_AGENTJAIL, r;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	r = prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent
		    ? err_set(&err, 0, "the mother has gone")
		    : take_own(start, &reason, mother->null, &err);
	forget_others(mother, start);
	if (r == 0)
		r = cage_hide(&err);
	if (r == 0)
		status = keeper_run(&keeper, start, &err);
	if (status == EXIT_AGENTJAIL)
		(void)write_all(reason, err.text, strnlen(err.text, KEEPMSG_REASON_MAX - 1));
	_exit(status);
}

/* ---- starting ---- */

static struct limit_use *use_of(struct mother *mother, uint32_t rule)
{
	if (mother->uses[rule] == NULL) {
		void *at = mmap(NULL, sizeof(struct limit_use), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);

		mother->uses[rule] = at != MAP_FAILED ? at : NULL;
	}
	return mother->uses[rule];
}

static void tell_ended(
	const struct mother *mother, const struct child *child, int status, const char *reason)
{
	struct keepmsg_ended ended = {
		.rule = child->rule, .serial = child->serial, .status = status
	};

	(void)snprintf(ended.reason, sizeof(ended.reason), "%.159s", reason);
	_Static_assert(KEEPMSG_REASON_MAX == 160, "the text is cut above");
	(void)fdpass_send(mother->warden, &ended, sizeof(ended), NULL, 0);
}

static struct child *free_child(struct mother *mother)
{
	for (size_t i = 0; i < KEEPERS_MAX; i++)
		if (mother->children[i].pid == 0)
			return &mother->children[i];
	return NULL;
}

static int fork_keeper(struct mother *mother, struct keeper_start *start, const struct child *want,
	struct err *err)
{
	struct child *child = free_child(mother);
	AUTO_CLOSE int reads = -1;
	AUTO_CLOSE int writes = -1;
	int pipe[2];
	pid_t self = getpid(), pid;

	if (child == NULL)
		return err_set(err, 0, "too many keepers");
	if (pipe2(pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_set(err, errno, "pipe");
	reads = pipe[0];
	writes = pipe[1];
	pid = fork();
	if (pid == 0)
		live(mother, start, writes, self);
	if (pid < 0)
		return err_set(err, errno, "fork");
	*child = (struct child){ pid, want->rule, want->serial, take_fd(&reads) };
	return 0;
}

/* The descriptors of a start message, in order; -EPROTO when they are not as many as it says. */
static int sort_descriptors(const struct keepmsg_start *message, const int *fds, size_t n_fds,
	struct keeper_start *ret)
{
	size_t at = 1;

	if (n_fds == 0)
		return -EPROTO;
	ret->door = fds[0];
	for (unsigned i = 0; i < KEEPMSG_SLOT_COUNT; i++) {
		ret->secrets[i] = -1;
		if ((message->slots & (1u << i)) == 0)
			continue;
		if (at == n_fds)
			return -EPROTO;
		ret->secrets[i] = fds[at++];
	}
	return at == n_fds && (message->slots >> KEEPMSG_SLOT_COUNT) == 0 ? 0 : -EPROTO;
}

static void start_keeper(
	struct mother *mother, const struct keepmsg_start *message, const int *fds, size_t n_fds)
{
	struct keeper_start start = { .policy = mother->policy,
		.roots = mother->roots,
		.ttl_s = message->ttl_s };
	const struct child want = { .rule = message->rule, .serial = message->serial };
	struct err err = { 0 };
	int r = 0;

	if (message->rule >= mother->n_rules ||
		sort_descriptors(message, fds, n_fds, &start) < 0) {
		r = err_set(&err, 0, "a malformed message of the warden");
	} else {
		start.rule = mother->rules[message->rule];
		start.use = use_of(mother, message->rule);
		r = start.use != NULL ? fork_keeper(mother, &start, &want, &err)
				      : err_set(&err, ENOMEM, "limits");
	}
	if (r < 0)
		tell_ended(mother, &want, EXIT_AGENTJAIL << 8, err.text);
}

/* ---- the loop ---- */

/* False: the warden has gone. */
static bool take_message(struct mother *mother)
{
	struct keepmsg_start message;
	int fds[1 + KEEPMSG_SLOT_COUNT];
	size_t n_fds = 0;
	ssize_t n = fdpass_recv(
		mother->warden, &message, sizeof(message), fds, ARRAY_LEN(fds), &n_fds);

	if (n == (ssize_t)sizeof(message))
		start_keeper(mother, &message, fds, n_fds);
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	return n > 0 || n == -EAGAIN || n == -EMSGSIZE;
}

static void bury(struct mother *mother, struct child *child, int status)
{
	char reason[KEEPMSG_REASON_MAX] = "";
	ssize_t n = read(child->reason, reason, sizeof(reason) - 1);

	reason[n > 0 ? n : 0] = '\0';
	(void)close(child->reason);
	tell_ended(mother, child, status, reason);
	child->pid = 0;
}

static void reap(struct mother *mother)
{
	struct signalfd_siginfo info;
	int status;
	pid_t pid;

	(void)!read(mother->signals, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < KEEPERS_MAX; i++)
			if (mother->children[i].pid == pid)
				bury(mother, &mother->children[i], status);
}

static int serve(struct mother *mother, struct err *err)
{
	struct pollfd fds[2] = { { mother->warden, POLLIN, 0 }, { mother->signals, POLLIN, 0 } };

	for (;;) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return err_set(err, errno, "poll");
		if (fds[1].revents != 0)
			reap(mother);
		if (fds[0].revents != 0 && !take_message(mother))
			return 0;
	}
}

/* ---- beginning ---- */

/* The terminal's signals are for the agent; keepers end with the mother, and she with the warden. */
static int take_signals(struct mother *mother, struct err *err)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTSTP, SIGTTIN,
		SIGTTOU };
	sigset_t chld;

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)sigemptyset(&chld);
	(void)sigaddset(&chld, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &chld, NULL);
	mother->signals = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
	return mother->signals < 0 ? err_set(err, errno, "signalfd") : 0;
}

/* Two descriptors a connection; what a long value is searched by takes more than 64 KiB. */
static void raise_limits(void)
{
	static const int resources[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK };
	struct rlimit limit;

	for (size_t i = 0; i < ARRAY_LEN(resources); i++) {
		if (getrlimit((__rlimit_resource_t)resources[i], &limit) < 0)
			continue;
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit((__rlimit_resource_t)resources[i], &limit);
	}
}

/* Ours become close-on-exec, what is above them is closed. */
static int take_descriptors(struct err *err)
{
	for (int fd = KEEPER_FD_POLICY; fd < KEEPER_FD_COUNT; fd++)
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
			return err_set(err, 0, "this role is started by agentjail itself");
	if (sys_close_range(KEEPER_FD_COUNT, ~0u, 0) < 0)
		return err_set(err, errno, "close_range");
	return 0;
}

static int load_rules(struct mother *mother, struct err *err)
{
	AUTO_CLOSE int policy = KEEPER_FD_POLICY;
	AUTO_CLOSE int roots = KEEPER_FD_ROOTS;
	int r = policy_undump(policy, &mother->policy, err);

	if (r < 0)
		return r;
	mother->rules = rules_all(mother->policy, &mother->n_rules);
	mother->uses = calloc(mother->n_rules + 1, sizeof(struct limit_use *));
	mother->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (mother->uses == NULL || mother->null < 0)
		return err_set(err, errno, "/dev/null");
	mother->roots = tls_read_roots(roots, err);
	return mother->roots == NULL ? err_prefix(err, "the host's certificate authorities") : 0;
}

static int run(struct mother *mother, struct err *err)
{
	int r = memory_init(err);

	mother->warden = KEEPER_FD_WARDEN;
	if (r == 0)
		r = take_descriptors(err);
	if (r == 0)
		r = cage_hide(err);
	if (r == 0)
		r = take_signals(mother, err);
	raise_limits();
	if (r == 0)
		r = tls_warm(err);
	if (r == 0)
		r = load_rules(mother, err);
	return r < 0 ? r : serve(mother, err);
}

int keeper_main(int argc, char **argv)
{
	static struct mother mother;
	struct err err = { 0 };
	int r;

	(void)argv;
	log_init("keeper", LOG_WARN);
	r = argc == 2 ? run(&mother, &err)
		      : err_set(&err, 0, "this role is started by agentjail itself");
	if (r < 0)
		log_error("%s", err.text);
	return r < 0 ? EXIT_AGENTJAIL : 0;
}
