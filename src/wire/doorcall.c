/*
 * Runs in the warden. Hostile: every byte and descriptor, any command in a cell can send them. What
 * is read lies in a memfd that nobody can change any more, so it is read once and cannot block.
 */
#include "wire/doorcall.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "wire/fdpass.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
/* The memfd and three of stdio. */
#define CALL_FDS_MAX 4
#define BODY_MAX (HELLO_STRINGS_MAX + HELLO_CWD_MAX + 256)

void doorcall_done(struct doorcall *call)
{
	for (size_t i = 0; i < ARRAY_LEN(call->stdio); i++)
		cleanup_close(&call->stdio[i]);
	free(call->body);
	free(call->argv);
	call->body = NULL;
	call->argv = NULL;
}

static int check_hello(const struct shim_hello *h, struct err *err)
{
	if (h->version != DOOR_VERSION || h->bytes != sizeof(*h) || h->argc == 0 ||
		h->strings_bytes == 0 || h->strings_bytes > BODY_MAX || h->open_mask > 7 ||
		(h->tty_mask & ~h->open_mask) != 0 || h->umask > 0777 || h->nice < -20 ||
		h->nice > 19 || (h->tty_flags & ~HELLO_TTY_SHARED) != 0)
		return err_set(err, EPROTO, "door: no hello");
	/* Every string has its NUL: there are no more of them than bytes. */
	if ((uint64_t)h->argc + h->envc + 2 > h->strings_bytes)
		return err_set(err, EPROTO, "door: %u and %u strings", h->argc, h->envc);
	return 0;
}

static int read_body(struct doorcall *call, int fd, struct err *err)
{
	size_t n = call->hello.strings_bytes, done = 0;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || (seals & SEALS) != SEALS)
		return err_set(err, EPROTO, "door: not sealed");
	call->body = malloc(n);
	call->argv = calloc((size_t)call->hello.argc + 1, sizeof(call->argv[0]));
	if (call->body == NULL || call->argv == NULL)
		return err_set(err, ENOMEM, "door");
	while (done < n) {
		ssize_t got = pread(fd, call->body + done, n - done, (off_t)done);

		if (got <= 0)
			return err_set(err, EPROTO, "door: the memfd is too short");
		done += (size_t)got;
	}
	return 0;
}

static int split(struct doorcall *call, struct err *err)
{
	const char *at = call->body, *end = at + call->hello.strings_bytes;
	size_t n = (size_t)call->hello.argc + call->hello.envc + 2;

	for (size_t i = 0; i < n; i++) {
		const char *nul = at < end ? memchr(at, '\0', (size_t)(end - at)) : NULL;

		if (nul == NULL)
			return err_set(err, EPROTO, "door: strings are missing");
		if (i == 0)
			call->word = at;
		else if (i == 1)
			call->cwd = at;
		else if (i - 2 < call->hello.argc)
			call->argv[i - 2] = at;
		else if (i - 2 == call->hello.argc)
			call->env = at;
		at = nul + 1;
	}
	if (call->hello.envc == 0)
		call->env = at;
	return at == end ? 0 : err_set(err, EPROTO, "door: bytes behind the strings");
}

static int decode(struct doorcall *call, int *fds, size_t n_fds, struct err *err)
{
	size_t used = 1;
	int r = check_hello(&call->hello, err);

	if (r < 0)
		return r;
	if (n_fds != 1 + (size_t)__builtin_popcount(call->hello.open_mask))
		return err_set(err, EPROTO, "door: %zu descriptors", n_fds);
	for (unsigned i = 0; i < 3; i++)
		if ((call->hello.open_mask >> i & 1) != 0)
			call->stdio[i] = take_fd(&fds[used++]);
	r = read_body(call, fds[0], err);
	return r < 0 ? r : split(call, err);
}

int doorcall_recv(int sock, struct doorcall *ret, struct err *err)
{
	struct doorcall call = { .stdio = { -1, -1, -1 } };
	int fds[CALL_FDS_MAX] = { -1, -1, -1, -1 }, r;
	size_t n_fds = 0;
	ssize_t n = fdpass_recv(sock, &call.hello, sizeof(call.hello), fds, CALL_FDS_MAX, &n_fds);

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n == 0 && n_fds == 0)
		return 0;
	if (n < 0)
		return err_set(err, (int)-n, "door");
	r = n == (ssize_t)sizeof(call.hello) ? decode(&call, fds, n_fds, err)
					     : err_set(err, EPROTO, "door: %zd bytes", n);
	for (size_t i = 0; i < n_fds; i++)
		cleanup_close(&fds[i]);
	if (r < 0) {
		doorcall_done(&call);
		return r;
	}
	*ret = call;
	return 1;
}
