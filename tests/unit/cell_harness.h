/*
 * A cell for tests of shim and runner: init_run() as pid 1 of a pid namespace with its own /proc and
 * devpts (in a plain process where user namespaces are refused), no other wall, and a warden that
 * answers every hello with a job. A command is `PATH ARG...` executed as the shim with
 * that argv; argv[0] "shimrun" is skipped, so that a shell can start the shim from a file.
 */
#ifndef TESTS_CELL_HARNESS_H
#define TESTS_CELL_HARNESS_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/sys.h"
#include "cell/init.h"
#include "tap.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#define HARNESS_LISTENERS 512

extern const char shim_blob[], shim_blob_end[];

static struct harness {
	int shim; /* memfd */
	int control; /* to the warden: listeners */
	pid_t warden, init;
	_Atomic unsigned *reports; /* shared: how many of each enum cell_msg_type came */
} harness;

/* ---- the warden ---- */

static bool copy_in(pid_t pid, void *to, uint64_t from, size_t n)
{
	struct iovec local = { to, n }, remote = { (void *)(uintptr_t)from, n };

	return n == 0 || process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)n;
}

/* path, cwd and strings; "shimrun" goes. */
static void make_body(struct buf *body, struct job_head *head, const char *strings, size_t n,
	const char *cwd)
{
	if (head->argc > 0 && str_ends(strings, "shimrun")) {
		n -= strlen(strings) + 1;
		strings += strlen(strings) + 1;
		head->argc--;
	}
	buf_add(body, strings, strlen(strings) + 1);
	buf_add(body, cwd, strlen(cwd) + 1);
	buf_add(body, strings, n);
	head->body_bytes = (uint32_t)body->len;
}

static struct job_head head_of(const struct shim_hello *h)
{
	static uint32_t id;
	struct job_head head = { .version = JOB_VERSION,
		.id = ++id,
		.argc = h->argc,
		.envc = h->envc,
		.umask = h->umask,
		.nice = h->nice,
		.open_mask = h->open_mask,
		.tty_mask = h->tty_mask,
		.ignored = h->ignored,
		.rows = h->rows,
		.cols = h->cols,
		.xpixel = h->xpixel,
		.ypixel = h->ypixel,
		.tty_flags = h->tty_flags };

	memcpy(head.termios, h->termios, sizeof(head.termios));
	memcpy(head.rlimits, h->rlimits, sizeof(head.rlimits));
	return head;
}

/* The command's socket for the shim, or -errno. */
static int answer_hello(pid_t pid, uint64_t address, int job_sock)
{
	AUTO_BUF struct buf body = { 0 };
	AUTO_FREE char *strings = NULL;
	AUTO_CLOSE int pidfd = sys_pidfd_open(pid, 0);
	struct shim_hello hello;
	struct job_head head;
	char cwd[HELLO_CWD_MAX];
	int pair[2], stdio[3] = { -1, -1, -1 }, r;
	struct err err;

	if (!copy_in(pid, &hello, address, sizeof(hello)) || hello.strings_bytes > HELLO_STRINGS_MAX)
		return -EIO;
	strings = malloc(hello.strings_bytes + 1);
	if (!copy_in(pid, strings, hello.strings, hello.strings_bytes) ||
		!copy_in(pid, cwd, hello.cwd, hello.cwd_bytes))
		return -EIO;
	if (str_ends(strings, "refused"))
		return -EACCES;
	head = head_of(&hello);
	make_body(&body, &head, strings, hello.strings_bytes, cwd);
	for (int i = 0; i < 3; i++)
		if ((hello.open_mask >> i & 1) != 0)
			stdio[i] = sys_pidfd_getfd(pidfd, i, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return -errno;
	r = job_send(job_sock, &head, body.data, pair[1], stdio, &err);
	(void)close(pair[1]);
	for (int i = 0; i < 3; i++)
		cleanup_close(&stdio[i]);
	return r == 0 ? pair[0] : r;
}

static void answer(int listener, int job_sock)
{
	struct seccomp_notif req = { 0 };
	struct seccomp_notif_addfd add = { .flags = SECCOMP_ADDFD_FLAG_SEND };
	int fd;

	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) != 0)
		return;
	fd = answer_hello((pid_t)req.pid, req.data.args[2], job_sock);
	add.id = req.id;
	add.srcfd = (uint32_t)fd;
	add.newfd_flags = O_CLOEXEC;
	if (fd >= 0) {
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
		(void)close(fd);
	} else {
		struct seccomp_notif_resp resp = { .id = req.id, .error = fd };

		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

static void count_report(int ctl)
{
	struct cell_msg msg;

	if (recv(ctl, &msg, sizeof(msg), MSG_DONTWAIT) == sizeof(msg) && msg.type <= CELL_MSG_STARTED)
		harness.reports[msg.type]++;
}

static nfds_t add_listener(int control, struct pollfd *fd)
{
	char byte;
	size_t got = 0;

	fd->events = POLLIN;
	return fdpass_recv(control, &byte, 1, &fd->fd, 1, &got) > 0 && got == 1 ? 1 : 0;
}

static _Noreturn void warden_main(int control, int ctl, int job_sock)
{
	static struct pollfd fds[HARNESS_LISTENERS];
	nfds_t n = 2;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	fds[0] = (struct pollfd){ .fd = control, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = ctl, .events = POLLIN };
	while ((fds[0].revents & POLLHUP) == 0) {
		(void)poll(fds, n, -1);
		for (nfds_t i = n - 1; i > 1; i--) {
			if ((fds[i].revents & POLLIN) != 0) {
				answer(fds[i].fd, job_sock);
			} else if (fds[i].revents != 0) {
				(void)close(fds[i].fd);
				fds[i] = fds[--n];
			}
		}
		if ((fds[0].revents & POLLIN) != 0 && n < HARNESS_LISTENERS)
			n += add_listener(control, &fds[n]);
		if ((fds[1].revents & POLLIN) != 0)
			count_report(ctl);
	}
	_exit(0);
}

static bool write_text(const char *path, const char *text)
{
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write_all(fd, text, strlen(text)) == 0;
}

/* The caller's next child is pid 1 of a namespace. False: nothing is changed. */
static bool make_namespaces(void)
{
	char uids[32], gids[32];

	(void)snprintf(uids, sizeof(uids), "%u %u 1", getuid(), getuid());
	(void)snprintf(gids, sizeof(gids), "%u %u 1", getgid(), getgid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS) != 0)
		return false;
	return write_text("/proc/self/setgroups", "deny") && write_text("/proc/self/uid_map", uids) &&
		write_text("/proc/self/gid_map", gids);
}

static bool mount_own(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) == 0 &&
		mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC,
			"newinstance,ptmxmode=0666,mode=0620") == 0 &&
		mount("/dev/pts/ptmx", "/dev/ptmx", NULL, MS_BIND, NULL) == 0;
}

static _Noreturn void init_main(int job_sock, int ctl_sock)
{
	const struct init_config config = { 0 };
	bool has_walls = make_namespaces();
	pid_t pid = has_walls ? fork() : 0;
	int status = 0;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid > 0) {
		(void)close(job_sock);
		(void)close(ctl_sock);
		(void)waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	if (has_walls && !mount_own()) {
		printf("# no mounts: %s\n", strerror(errno));
		_exit(1);
	}
	printf("# %s namespaces\n", has_walls ? "with" : "without");
	(void)fflush(stdout);
	(void)prctl(PR_SET_DUMPABLE, 0);
	init_run(job_sock, ctl_sock, &config);
}

static void harness_start(void)
{
	int jobs[2], ctl[2], control[2];

	harness.shim = memfd_create("shim", MFD_CLOEXEC);
	harness.reports = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)write_all(harness.shim, shim_blob, (size_t)(shim_blob_end - shim_blob));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs) != 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ctl) != 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
		_exit(1);
	harness.init = fork();
	if (harness.init == 0) {
		(void)close(jobs[0]);
		(void)close(ctl[0]);
		(void)close(control[0]);
		(void)close(control[1]);
		init_main(jobs[1], ctl[1]);
	}
	harness.warden = fork();
	if (harness.warden == 0) {
		(void)close(jobs[1]);
		(void)close(ctl[1]);
		(void)close(control[0]);
		warden_main(control[1], ctl[0], jobs[0]);
	}
	(void)close(jobs[0]);
	(void)close(jobs[1]);
	(void)close(ctl[0]);
	(void)close(ctl[1]);
	(void)close(control[1]);
	harness.control = control[0];
}

/* ---- the agent's side ---- */

static int install_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_execveat, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)HELLO_FD, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_LEN(code), code };

	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return sys_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* In a child: from now on its shims are answered by the warden. */
static void harness_join(void)
{
	AUTO_CLOSE int listener = install_filter();
	int r = listener < 0 ? listener : fdpass_send(harness.control, "", 1, &listener, 1);

	if (r != 0)
		_exit(99);
}

/* In a child: becomes the shim. */
static _Noreturn void harness_exec(const char *const argv[], const char *const envp[])
{
	harness_join();
	(void)syscall(SYS_execveat, harness.shim, "", argv, envp, AT_EMPTY_PATH);
	_exit(98);
}

static void harness_stop(void)
{
	(void)close(harness.control); /* warden ends, then the cell */
	(void)waitpid(harness.warden, NULL, 0);
	(void)waitpid(harness.init, NULL, 0);
}

/* Reads until the end, ms have passed, or text (NULL: none) has been seen. */
__attribute__((unused)) static bool harness_read(int fd, struct buf *out, const char *text, int ms)
{
	while (text == NULL || out->data == NULL || strstr(out->data, text) == NULL) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char bytes[65536];
		ssize_t n;

		if (poll(&p, 1, ms) <= 0)
			return false;
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			return text == NULL;
		buf_add(out, bytes, (size_t)n);
	}
	return true;
}

__attribute__((unused)) static long now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
