/*
 * Codec of wire/job.h. Runs in the warden (sending) and in a cell's runners (receiving, without
 * privilege). The sender is trusted; what it sends carries strings of hostile commands, so nothing
 * is taken for terminated, complete or within its bounds.
 */
#include "wire/job.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/fdpass.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define STDIO_MASK 7u
#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
/* The command's socket, three of stdio, the memfd, the secrets. */
#define JOB_FDS_MAX (5 + JOB_SECRETS_MAX)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif

static unsigned passed_mask(const struct job_head *head)
{
	return head->open_mask & ~head->tty_mask;
}

static size_t count_fds(const struct job_head *head)
{
	return 1 + (size_t)__builtin_popcount(passed_mask(head)) +
		((head->flags & JOB_BODY_IN_MEMFD) != 0 ? 1 : 0) + head->n_secrets;
}

static int body_to_memfd(const char *body, size_t n, struct err *err)
{
	AUTO_CLOSE int fd = memfd_create("job", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	int r;

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("job", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return err_set(err, errno, "memfd for a command");
	r = write_all(fd, body, n);
	if (r < 0)
		return err_set(err, -r, "write a command");
	if (fcntl(fd, F_ADD_SEALS, SEALS | F_SEAL_SEAL) != 0)
		return err_set(err, errno, "seal a command");
	return take_fd(&fd);
}

int job_send(int sock, const struct job_head *head, const char *body, int job_sock,
	const int stdio[3], struct err *err)
{
	if (head->n_secrets != 0)
		return err_set(err, EINVAL, "a command with secrets");
	return job_send_secrets(sock, head, body, job_sock, stdio, err);
}

int job_send_secrets(int sock, const struct job_head *head, const char *body, int job_sock,
	const int *from, struct err *err)
{
	AUTO_FREE char *bytes = NULL;
	AUTO_CLOSE int memfd = -1;
	struct job_head out = *head;
	size_t n = sizeof(out), n_fds = 0;
	int fds[JOB_FDS_MAX], r;

	if (out.body_bytes > JOB_BODY_MAX)
		return err_set(err, E2BIG, "a command of %u bytes", out.body_bytes);
	out.flags = out.body_bytes > JOB_INLINE_MAX ? JOB_BODY_IN_MEMFD : 0;
	fds[n_fds++] = job_sock;
	for (unsigned i = 0; i < 3; i++)
		if ((passed_mask(&out) >> i & 1) != 0)
			fds[n_fds++] = from[i];
	if (out.flags != 0) {
		memfd = body_to_memfd(body, out.body_bytes, err);
		if (memfd < 0)
			return memfd;
		fds[n_fds++] = memfd;
	} else {
		n += out.body_bytes;
	}
	if (out.n_secrets > JOB_SECRETS_MAX)
		return err_set(err, E2BIG, "a command with %u secrets", out.n_secrets);
	for (unsigned i = 0; i < out.n_secrets; i++)
		fds[n_fds++] = from[3 + i];
	bytes = malloc(n);
	if (bytes == NULL)
		return err_set(err, ENOMEM, "send a command");
	memcpy(bytes, &out, sizeof(out));
	memcpy(bytes + sizeof(out), body, n - sizeof(out));
	r = fdpass_send(sock, bytes, n, fds, n_fds);
	return r == 0 ? 0 : err_set(err, -r, "send a command");
}

static int head_check(const struct job_head *head, size_t rest_bytes, struct err *err)
{
	bool in_memfd = (head->flags & JOB_BODY_IN_MEMFD) != 0;

	if (head->version != JOB_VERSION || (head->flags & ~JOB_BODY_IN_MEMFD) != 0)
		return err_set(err, EPROTO, "job: version %u, flags %x", head->version, head->flags);
	if (head->body_bytes > JOB_BODY_MAX || rest_bytes != (in_memfd ? 0 : head->body_bytes))
		return err_set(err, EPROTO, "job: body of %u bytes", head->body_bytes);
	/* Every string has its NUL: there are no more of them than bytes. */
	if ((uint64_t)head->argc + head->envc + 2 > head->body_bytes ||
		head->n_secrets > JOB_SECRETS_MAX || head->n_secrets > head->envc)
		return err_set(err, EPROTO, "job: %u and %u strings", head->argc, head->envc);
	if ((head->open_mask & ~STDIO_MASK) != 0 || (head->tty_mask & ~head->open_mask) != 0)
		return err_set(err, EPROTO, "job: descriptors %x, terminals %x", head->open_mask,
			head->tty_mask);
	if (head->umask > 0777 || head->nice < -20 || head->nice > 19 ||
		(head->tty_flags & ~HELLO_TTY_SHARED) != 0)
		return err_set(err, EPROTO, "job: umask %o, nice %d, terminal flags %x", head->umask,
			head->nice, head->tty_flags);
	return 0;
}

/* Reads a body that nobody can change any more. */
static int memfd_read(int fd, char *body, size_t n, struct err *err)
{
	struct stat st;
	size_t done = 0;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(err, EPROTO, "job: the memfd is not sealed");
	if (fstat(fd, &st) != 0 || st.st_size != (off_t)n)
		return err_set(err, EPROTO, "job: the memfd has another size");
	while (done < n) {
		ssize_t got = pread(fd, body + done, n - done, (off_t)done);

		if (got <= 0)
			return err_set(err, got < 0 ? errno : EIO, "job: read the memfd");
		done += (size_t)got;
	}
	return 0;
}

/* Points argv and envp into the body; false unless the strings are as many as the head says. */
static bool strings_split(struct job *job)
{
	char *at = job->body, *end = at + job->head.body_bytes;
	size_t n = (size_t)job->head.argc + job->head.envc + 2;

	for (size_t i = 0; i < n; i++) {
		char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

		if (nul == NULL)
			return false;
		if (i == 0)
			job->path = at;
		else if (i == 1)
			job->cwd = at;
		else if (i - 2 < job->head.argc)
			job->argv[i - 2] = at;
		else
			job->envp[i - 2 - job->head.argc] = at;
		at = nul + 1;
	}
	return at == end;
}

static int body_decode(struct job *job, const char *inline_body, int memfd, struct err *err)
{
	size_t n = job->head.body_bytes;
	int r;

	job->body = malloc(n);
	/* Both vectors are one allocation, each with its NULL. */
	job->argv = calloc((size_t)job->head.argc + job->head.envc + 2, sizeof(*job->argv));
	if (job->body == NULL || job->argv == NULL)
		return err_set(err, ENOMEM, "job: %zu bytes", n);
	job->envp = job->argv + job->head.argc + 1;
	if (memfd >= 0) {
		r = memfd_read(memfd, job->body, n, err);
		if (r != 0)
			return r;
	} else {
		memcpy(job->body, inline_body, n);
	}
	return strings_split(job) ? 0 : err_set(err, EPROTO, "job: strings do not fill the body");
}

static int fds_take(struct job *job, int *fds, size_t n_fds, int *ret_memfd, struct err *err)
{
	size_t used = 0;

	if (n_fds != count_fds(&job->head))
		return err_set(err, EPROTO, "job: %zu descriptors", n_fds);
	job->sock = take_fd(&fds[used++]);
	for (unsigned i = 0; i < 3; i++)
		if ((passed_mask(&job->head) >> i & 1) != 0)
			job->fds[i] = take_fd(&fds[used++]);
	if ((job->head.flags & JOB_BODY_IN_MEMFD) != 0)
		*ret_memfd = take_fd(&fds[used++]);
	for (unsigned i = 0; i < job->head.n_secrets; i++)
		job->secrets[i] = take_fd(&fds[used++]);
	return 0;
}

static int decode(struct job *job, const char *bytes, size_t n, int *fds, size_t n_fds,
	struct err *err)
{
	AUTO_CLOSE int memfd = -1;
	int r;

	if (n < sizeof(job->head))
		return err_set(err, EPROTO, "job: %zu bytes", n);
	memcpy(&job->head, bytes, sizeof(job->head));
	r = head_check(&job->head, n - sizeof(job->head), err);
	if (r == 0)
		r = fds_take(job, fds, n_fds, &memfd, err);
	return r != 0 ? r : body_decode(job, bytes + sizeof(job->head), memfd, err);
}

int job_recv(int sock, struct job *ret, struct err *err)
{
	AUTO_FREE char *bytes = malloc(sizeof(struct job_head) + JOB_INLINE_MAX);
	struct job job = { .sock = -1, .fds = { -1, -1, -1 } };
	int fds[JOB_FDS_MAX], r;
	size_t n_fds = 0;
	ssize_t n;

	for (size_t i = 0; i < JOB_FDS_MAX; i++)
		fds[i] = -1;
	for (size_t i = 0; i < JOB_SECRETS_MAX; i++)
		job.secrets[i] = -1;
	if (bytes == NULL)
		return err_set(err, ENOMEM, "receive a command");
	n = fdpass_recv(sock, bytes, sizeof(job.head) + JOB_INLINE_MAX, fds, JOB_FDS_MAX, &n_fds);
	if (n < 0)
		return err_set(err, (int)-n, "receive a command");
	if (n == 0 && n_fds == 0)
		return 0;
	r = decode(&job, bytes, (size_t)n, fds, n_fds, err);
	for (size_t i = 0; i < n_fds; i++)
		cleanup_close(&fds[i]);
	if (r != 0) {
		job_done(&job);
		return r;
	}
	*ret = job;
	return 1;
}

void job_done(struct job *job)
{
	if (job == NULL)
		return;
	cleanup_close(&job->sock);
	for (size_t i = 0; i < ARRAY_LEN(job->fds); i++)
		cleanup_close(&job->fds[i]);
	for (size_t i = 0; i < ARRAY_LEN(job->secrets); i++)
		cleanup_close(&job->secrets[i]);
	free(job->body);
	free(job->argv);
	job->body = NULL;
	job->argv = job->envp = NULL;
	job->path = job->cwd = NULL;
}
