/*
 * Proves: a job arrives byte for byte as it was sent, small or large, with the right descriptors;
 * a message that is not exactly one is refused and leaves no descriptor open.
 */
#include "base/cleanup.h"
#include "tap.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

static const char BODY[] = "/bin/x\0/home\0x\0\0a\nb\0\xff\xfe=1\0E=";
static const struct job_head HEAD = { .version = JOB_VERSION,
	.id = 7,
	.argc = 3,
	.envc = 2,
	.umask = 027,
	.nice = 5,
	.open_mask = 5,
	.tty_mask = 4,
	.body_bytes = sizeof(BODY) };

static int socks[2];

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n;
}

static ino_t inode(int fd)
{
	struct stat st = { 0 };

	(void)fstat(fd, &st);
	return st.st_ino;
}

static void round_trip(void)
{
	AUTO_CLOSE int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int b = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	int stdio[3] = { b, -1, -1 };
	struct job job;
	struct err err = { 0 };
	int before = count_fds();

	tap_ok(job_send(socks[0], &HEAD, BODY, a, stdio, &err) == 0, "send %s", err.text);
	if (!tap_ok(job_recv(socks[1], &job, &err) == 1, "receive %s", err.text))
		return;
	tap_is(job.path, "/bin/x", "path");
	tap_is(job.cwd, "/home", "cwd");
	tap_ok(strcmp(job.argv[0], "x") == 0 && strcmp(job.argv[1], "") == 0 &&
			strcmp(job.argv[2], "a\nb") == 0 && job.argv[3] == NULL,
		"argv with an empty string and a newline");
	tap_ok(strcmp(job.envp[0], "\xff\xfe=1") == 0 && strcmp(job.envp[1], "E=") == 0 &&
			job.envp[2] == NULL,
		"environment that is not UTF-8");
	tap_ok(job.head.id == 7 && job.head.umask == 027 && job.head.nice == 5, "head");
	tap_ok(inode(job.sock) == inode(a) && inode(job.fds[0]) == inode(b) && job.fds[1] == -1 &&
			job.fds[2] == -1,
		"descriptors: socket and stdin, not the terminal");
	tap_ok((fcntl(job.sock, F_GETFD) & FD_CLOEXEC) != 0, "close-on-exec");
	job_done(&job);
	tap_ok(count_fds() == before, "job_done closes all");
}

static void large(size_t n)
{
	AUTO_FREE char *body = malloc(n);
	AUTO_CLOSE int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct job_head head = HEAD;
	int stdio[3] = { a, -1, -1 };
	struct job job;
	struct err err = { 0 };
	int r;

	memset(body, 'y', n);
	memcpy(body, "/p\0/", 5);
	body[n - 1] = '\0';
	head.argc = 1;
	head.envc = 0;
	head.body_bytes = (uint32_t)n;
	r = job_send(socks[0], &head, body, a, stdio, &err);
	tap_ok(r == 0, "send %zu bytes %s", n, err.text);
	r = r == 0 ? job_recv(socks[1], &job, &err) : r;
	if (tap_ok(r == 1, "receive %zu bytes %s", n, err.text)) {
		tap_ok(strlen(job.argv[0]) == n - 6, "argument of %zu bytes", n - 6);
		job_done(&job);
	}
}

/* What one byte or field more or less does. */
static void refused(const char *what, const struct job_head *head, const char *body, size_t n,
	const int *fds, size_t n_fds)
{
	char bytes[sizeof(*head) + sizeof(BODY) + 8] = { 0 };
	struct job job;
	struct err err = { 0 };
	int before = count_fds();

	memcpy(bytes, head, sizeof(*head));
	memcpy(bytes + sizeof(*head), body, n);
	(void)fdpass_send(socks[0], bytes, sizeof(*head) + n, fds, n_fds);
	tap_ok(job_recv(socks[1], &job, &err) < 0 && count_fds() == before, "refused: %s (%s)", what,
		err.text);
}

#define REFUSE(what, field, value)                                      \
	do {                                                            \
		struct job_head bad = HEAD;                             \
		bad.field = (value);                                    \
		refused(what, &bad, BODY, sizeof(BODY), fds, 2);        \
	} while (0)

static void refusals(void)
{
	AUTO_CLOSE int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int memfd = memfd_create("t", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int fds[4] = { a, a, memfd, a };
	struct job_head in_memfd = HEAD;
	struct err err = { 0 };
	struct job job;

	REFUSE("version", version, 2);
	REFUSE("flags", flags, 6);
	REFUSE("one argument more", argc, 4);
	REFUSE("one argument less", argc, 2);
	REFUSE("arguments that wrap around", argc, UINT32_MAX);
	REFUSE("body larger than it is", body_bytes, sizeof(BODY) + 1);
	REFUSE("body smaller than it is", body_bytes, sizeof(BODY) - 1);
	REFUSE("unknown descriptor", open_mask, 8 | 5);
	REFUSE("one descriptor more is open", open_mask, 7);
	REFUSE("a terminal that is not open", tty_mask, 6);
	REFUSE("umask", umask, 01000);
	REFUSE("nice", nice, 20);
	REFUSE("terminal flags", tty_flags, 2);
	refused("one descriptor more", &HEAD, BODY, sizeof(BODY), fds, 3);
	refused("one descriptor less", &HEAD, BODY, sizeof(BODY), fds, 1);
	refused("last string without NUL", &HEAD, "/bin/x\0/home\0x\0\0a\nb\0\xff\xfe=1\0E=x",
		sizeof(BODY), fds, 2);
	(void)!write(memfd, BODY, sizeof(BODY));
	in_memfd.flags = JOB_BODY_IN_MEMFD;
	refused("memfd that is not sealed", &in_memfd, "", 0, fds, 3);
	(void)fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	in_memfd.body_bytes--;
	refused("memfd of another size", &in_memfd, "", 0, fds, 3);
	(void)fdpass_send(socks[0], BODY, 5, fds, 1);
	tap_ok(job_recv(socks[1], &job, &err) < 0, "refused: less than a head");
}

int main(void)
{
	struct job job;
	struct err err = { 0 };
	int stdio[3] = { 0, -1, -1 };
	struct job_head head = HEAD;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) != 0)
		return 1;
	round_trip();
	large(JOB_INLINE_MAX);
	large(JOB_INLINE_MAX + 1);
	large(1500000);
	large(JOB_BODY_MAX);
	head.body_bytes = JOB_BODY_MAX + 1;
	tap_ok(job_send(socks[0], &head, BODY, 0, stdio, &err) < 0, "too large to send");
	refusals();
	(void)close(socks[0]);
	tap_ok(job_recv(socks[1], &job, &err) == 0, "end of file");
	return tap_done();
}
