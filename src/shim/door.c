/*
 * A tool's link in a cell: asks at the tool door whether this call is granted. If so it stands for
 * the command, which runs in a cell of its own; else it becomes the next program of its name in
 * PATH. It runs as a command does and may do no more: whatever it says is judged by the warden.
 */
#include "shim/sys.h"

#include "shim/attach.h"
#include "shim/front.h"
#include "wire/door.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/auxvec.h>
#include <linux/memfd.h>
#include <linux/stat.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define EXIT_NOT_FOUND_ 127
#define EXIT_NOT_EXECUTABLE_ 126
/* Rationale: path_resolution(7): no path is longer. */
#define PATH_BYTES 4096

void shim_main(const uintptr_t *stack) __attribute__((noreturn, used));

struct call {
	struct shim_hello hello;
	char *const *argv, *const *envp;
	const char *word; /* the name that the link was executed by */
	uint64_t old_mask;
	char cwd[HELLO_CWD_MAX];
};

/* The file name that execve(2) was given, without its directory (getauxval(3), AT_EXECFN). */
static const char *find_word(const uintptr_t *stack)
{
	const uintptr_t *at = stack + 1;
	const char *name = "", *base;

	while (*at++ != 0) /* argv */
		continue;
	while (*at++ != 0) /* envp */
		continue;
	for (; at[0] != AT_NULL; at += 2)
		if (at[0] == AT_EXECFN)
			name = (const char *)at[1];
	base = name;
	for (const char *s = name; *s != '\0'; s++)
		if (*s == '/')
			base = s + 1;
	return base;
}

/* ---- asking ---- */

static long move_up(long fd)
{
	long high;

	if (fd < 0 || fd >= FRONT_FIRST_FD)
		return fd;
	high = sys_fcntl((int)fd, F_DUPFD_CLOEXEC, FRONT_FIRST_FD);
	(void)sys_close((int)fd);
	return high;
}

static void put(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		long done = sys_write(fd, bytes, n);

		if (done <= 0)
			front_die("agentjail: tool: no memory\n");
		bytes += done;
		n -= (size_t)done;
	}
}

static void put_string(struct call *c, int fd, const char *s)
{
	size_t n = front_length(s) + 1;

	put(fd, s, n);
	c->hello.strings_bytes += n;
}

/* Word, directory, arguments, environment: sealed, so that the warden reads what was meant. */
static int make_body(struct call *c)
{
	long fd = move_up(sys_call3(__NR_memfd_create, sys_ptr("tool"),
		MFD_CLOEXEC | MFD_ALLOW_SEALING, 0));

	if (fd < 0)
		front_die("agentjail: tool: no memory\n");
	c->hello.strings_bytes = 0;
	put_string(c, (int)fd, c->word);
	put_string(c, (int)fd, c->cwd);
	for (uint32_t i = 0; i < c->hello.argc; i++)
		put_string(c, (int)fd, c->argv[i]);
	for (uint32_t i = 0; i < c->hello.envc; i++)
		put_string(c, (int)fd, c->envp[i]);
	if (sys_fcntl((int)fd, F_ADD_SEALS,
		    F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		front_die("agentjail: tool: no memory\n");
	return (int)fd;
}

static void send_call(struct call *c, int sock, int body)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control = { 0 };
	struct iovec io = { .iov_base = &c->hello, .iov_len = sizeof(c->hello) };
	struct msghdr msg = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = &control };
	int *fds = (int *)CMSG_DATA(&control.head);
	size_t n = 0;

	fds[n++] = body;
	for (int fd = 0; fd < FRONT_FIRST_FD; fd++)
		if ((c->hello.open_mask >> fd & 1u) != 0)
			fds[n++] = fd;
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(n * sizeof(int));
	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	if (sys_call3(__NR_sendmsg, sock, sys_ptr(&msg), MSG_NOSIGNAL) < 0)
		front_die("agentjail: the tool door does not answer\n");
}

static int ask(struct call *c)
{
	struct sockaddr_un door = { .sun_family = AF_UNIX, .sun_path = DOOR_SOCKET };
	long sock = move_up(sys_call3(__NR_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
	int body = make_body(c);

	if (sock < 0 || sys_call3(__NR_connect, sock, sys_ptr(&door), sizeof(door)) < 0)
		front_die("agentjail: no tool door here: the session has ended\n");
	send_call(c, (int)sock, body);
	(void)sys_close(body);
	return (int)sock;
}

/* ---- here ---- */

static const char *variable(char *const *envp, const char *name_equals)
{
	size_t n = front_length(name_equals);

	for (; *envp != NULL; envp++) {
		size_t i = 0;

		while (i < n && (*envp)[i] == name_equals[i])
			i++;
		if (i == n)
			return *envp + n;
	}
	return "/usr/local/bin:/usr/bin:/bin";
}

static long look_at(const char *path, struct statx *ret)
{
	return sys_call6(__NR_statx, AT_FDCWD, sys_ptr(path), 0, STATX_INO, sys_ptr(ret), 0);
}

/* Every link is one file: to execute it again would be to ask for ever. */
static int is_link(const char *path)
{
	struct statx own, other;

	return look_at("/proc/self/exe", &own) < 0 ||
		(look_at(path, &other) >= 0 && own.stx_dev_major == other.stx_dev_major &&
			own.stx_dev_minor == other.stx_dev_minor && own.stx_ino == other.stx_ino);
}

/* One directory of PATH, which ends at a colon, and the word. 0: too long. */
static int join(char *out, const char *dir, size_t n, const char *word)
{
	size_t len = front_length(word), at = 0;

	if (n + len + 3 > PATH_BYTES)
		return 0;
	if (n == 0)
		out[at++] = '.';
	for (size_t i = 0; i < n; i++)
		out[at++] = dir[i];
	out[at++] = '/';
	for (size_t i = 0; i <= len; i++)
		out[at++] = word[i];
	return 1;
}

/* execvp(3), but for the links. */
static _Noreturn void run_here(const struct call *c)
{
	const char *dir = variable(c->envp, "PATH=");
	static const char missing[] = "agentjail: tool: the program itself is not in PATH\n";
	char path[PATH_BYTES];
	long failure = -ENOENT;

	for (;;) {
		size_t n = 0;

		while (dir[n] != '\0' && dir[n] != ':')
			n++;
		if (join(path, dir, n, c->word) && !is_link(path)) {
			long r;

			(void)sys_sigprocmask(SIG_SETMASK, c->old_mask);
			r = sys_call3(__NR_execve, sys_ptr(path), sys_ptr(c->argv), sys_ptr(c->envp));
			if (r != -ENOENT && r != -ENOTDIR)
				failure = r;
		}
		if (dir[n] == '\0')
			break;
		dir += n + 1;
	}
	(void)sys_write(2, missing, sizeof(missing) - 1);
	sys_exit(failure == -ENOENT ? EXIT_NOT_FOUND_ : EXIT_NOT_EXECUTABLE_);
}

void shim_main(const uintptr_t *stack)
{
	static struct call c;
	struct job_msg answer = { 0 };
	uint64_t all = UINT64_MAX;
	int sock;
	long n;

	(void)sys_call4(__NR_rt_sigprocmask, SIG_SETMASK, sys_ptr(&all), sys_ptr(&c.old_mask),
		sizeof(all));
	c.hello.version = DOOR_VERSION;
	c.hello.bytes = sizeof(c.hello);
	c.argv = (char *const *)(stack + 1);
	c.word = find_word(stack);
	attach_describe(&c.hello);
	front_describe_strings(&c.hello, c.argv);
	c.envp = c.argv + c.hello.argc + 1;
	if (c.hello.argc == 0)
		front_die("agentjail: tool: no argv[0]\n");
	if (sys_call3(__NR_getcwd, sys_ptr(c.cwd), sizeof(c.cwd), 0) <= 0)
		c.cwd[0] = '\0';
	sock = ask(&c);
	n = sys_read(sock, &answer, sizeof(answer));
	if (n == sizeof(answer) && answer.type == DOOR_HERE) {
		(void)sys_close(sock);
		run_here(&c);
	}
	if (n == sizeof(answer) && answer.type == JOB_MSG_FAILED)
		sys_exit((int)answer.value);
	if (n != sizeof(answer) || answer.type != DOOR_TAKEN)
		front_die("agentjail: the tool door was closed\n");
	front_set_name(c.word);
	front_run(&c.hello, sock);
}
