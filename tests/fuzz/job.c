/*
 * Jobs of runners: a message is refused whole, its descriptors closed, or all of its strings lie in
 * its body; sent on, it is received the same.
 *
 * Input: 1 byte how many descriptors come along (bits 0 to 2), whether the last is a sealed memfd
 * with what follows as its content (bit 3); then the message: head, and body where it is inline.
 */
#include "input.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/fdpass.h"
#include "wire/job.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int memfd_of(const void *bytes, size_t n)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert(fd >= 0 && write_all(fd, bytes, n) == 0);
	assert(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) == 0);
	return fd;
}

static size_t check_string(const struct job *job, const char *s)
{
	const char *end = job->body + job->head.body_bytes;

	assert(s >= job->body && s < end && memchr(s, '\0', (size_t)(end - s)) != NULL);
	return strlen(s) + 1;
}

/* Two functions: gcc 12.2 compares a sign with a bit wrongly when it sees both at once. */
__attribute__((noinline)) static bool is_open(int fd)
{
	return fd >= 0;
}

__attribute__((noinline)) static bool is_passed(const struct job_head *head, unsigned i)
{
	return ((head->open_mask & ~head->tty_mask) >> i & 1) != 0;
}

static void check_job(const struct job *job)
{
	size_t sum = check_string(job, job->path) + check_string(job, job->cwd);

	for (size_t i = 0; i < job->head.argc; i++)
		sum += check_string(job, job->argv[i]);
	for (size_t i = 0; i < job->head.envc; i++)
		sum += check_string(job, job->envp[i]);
	assert(job->argv[job->head.argc] == NULL && job->envp[job->head.envc] == NULL);
	assert(sum == job->head.body_bytes && job->sock >= 0);
	for (unsigned i = 0; i < 3; i++)
		assert(is_open(job->fds[i]) == is_passed(&job->head, i));
}

static void check_sent(const struct job *job, int socks[2])
{
	struct job again;
	struct job_head head = job->head;
	struct err err;

	assert(job_send(socks[0], &head, job->body, job->sock, job->fds, &err) == 0);
	assert(job_recv(socks[1], &again, &err) == 1);
	head.flags = again.head.flags;
	assert(memcmp(&head, &again.head, sizeof(head)) == 0);
	assert(memcmp(job->body, again.body, head.body_bytes) == 0);
	check_job(&again);
	job_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int socks[2], fds[8];
	size_t n_fds = size > 0 ? data[0] & 7u : 0, n = size;
	struct err err = { 0 };
	struct job job;
	int probe, r;

	if (size < 2 || size > JOB_INLINE_MAX)
		return 0;
	assert(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) == 0);
	for (size_t i = 0; i < n_fds; i++)
		fds[i] = fcntl(socks[0], F_DUPFD_CLOEXEC, 0);
	if (n_fds > 0 && (data[0] & 8) != 0 && size > 1 + sizeof(struct job_head)) {
		n = 1 + sizeof(struct job_head);
		(void)close(fds[n_fds - 1]);
		fds[n_fds - 1] = memfd_of(data + n, size - n);
	}
	probe = fcntl(socks[0], F_DUPFD_CLOEXEC, 0);
	assert(fdpass_send(socks[0], data + 1, n - 1, fds, n_fds) == 0);
	r = job_recv(socks[1], &job, &err);
	if (r == 1) {
		check_job(&job);
		check_sent(&job, socks);
		job_done(&job);
	} else {
		assert(r < 0 && err.text[0] != '\0');
	}
	(void)close(probe);
	r = fcntl(socks[0], F_DUPFD_CLOEXEC, 0); /* the same number: nothing was left open */
	assert(r == probe);
	(void)close(r);
	for (size_t i = 0; i < n_fds; i++)
		(void)close(fds[i]);
	(void)close(socks[0]);
	(void)close(socks[1]);
	return 0;
}
