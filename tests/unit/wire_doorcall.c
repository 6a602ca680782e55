/*
 * Proves: a call at the tool door arrives as it was sent; whatever else a command sends there is
 * refused, makes nobody wait, and leaves no descriptor open.
 */
#include "base/cleanup.h"
#include "tap.h"
#include "wire/doorcall.h"
#include "wire/fdpass.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

static const char BODY[] = "git\0/home\0git\0push\0\0A=b\0B=";
static const struct shim_hello HELLO = { .version = DOOR_VERSION,
	.bytes = sizeof(struct shim_hello),
	.strings_bytes = sizeof(BODY),
	.argc = 3,
	.envc = 2,
	.open_mask = 6,
	.tty_mask = 2 };

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

static int body_of(const void *bytes, size_t n, bool seal)
{
	int fd = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (write(fd, bytes, n) != (ssize_t)n ||
		(seal && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) < 0))
		tap_ok(false, "make a body");
	return fd;
}

/* Sends hello with body (taken) and n more descriptors; what doorcall_recv() says. */
static int call(const struct shim_hello *hello, int body, size_t n, struct doorcall *ret)
{
	int fds[6] = { body, 0, 0, 0, 0, 0 };
	struct err err;

	(void)fdpass_send(socks[0], hello, sizeof(*hello), fds, 1 + n);
	cleanup_close(&body);
	return doorcall_recv(socks[1], ret, &err);
}

static void good(void)
{
	struct doorcall c;
	int before = count_fds();

	if (!tap_ok(call(&HELLO, body_of(BODY, sizeof(BODY), true), 2, &c) == 1, "a call"))
		return;
	tap_is(c.word, "git", "word");
	tap_is(c.cwd, "/home", "directory");
	tap_ok(strcmp(c.argv[1], "push") == 0 && c.argv[2][0] == '\0' && c.argv[3] == NULL,
		"arguments");
	tap_ok(strcmp(c.env, "A=b") == 0 && strcmp(c.env + 4, "B=") == 0, "environment");
	tap_ok(c.stdio[0] < 0 && c.stdio[1] >= 0 && c.stdio[2] >= 0, "descriptors");
	doorcall_done(&c);
	tap_ok(count_fds() == before, "all closed");
}

static void refused(const struct shim_hello *hello, int body, size_t n, const char *what)
{
	struct doorcall c;
	int before = count_fds() - 1; /* without body */

	tap_ok(call(hello, body, n, &c) < 0, "refused: %s", what);
	tap_ok(count_fds() == before, "closed: %s", what);
}

static int sealed(void)
{
	return body_of(BODY, sizeof(BODY), true);
}

static void bad(void)
{
	struct shim_hello h = HELLO;
	int pair[2];

	refused(&h, body_of(BODY, sizeof(BODY), false), 2, "a body that can change");
	refused(&h, body_of(BODY, sizeof(BODY) - 1, true), 2, "a short body");
	refused(&h, open("/dev/zero", O_RDONLY | O_CLOEXEC), 2, "a device as body");
	if (pipe2(pair, O_CLOEXEC) == 0) {
		refused(&h, pair[0], 2, "a pipe as body, which would make us wait");
		(void)close(pair[1]);
	}
	refused(&h, sealed(), 1, "too few descriptors");
	refused(&h, sealed(), 3, "too many descriptors");
	refused(&h, sealed(), 5, "many more descriptors");
	h.version = HELLO_VERSION;
	refused(&h, sealed(), 2, "another version");
	h = HELLO;
	h.argc = 4;
	refused(&h, sealed(), 2, "more arguments than strings");
	h.argc = 0;
	refused(&h, sealed(), 2, "no arguments");
	h.argc = UINT32_MAX;
	h.envc = UINT32_MAX;
	refused(&h, sealed(), 2, "more strings than there are numbers");
	h = HELLO;
	h.envc = 1;
	refused(&h, sealed(), 2, "bytes behind the strings");
	h.envc = 2;
	h.strings_bytes = UINT64_MAX;
	refused(&h, sealed(), 2, "a size beyond all bounds");
	h.strings_bytes = 0;
	refused(&h, sealed(), 2, "no body");
	h = HELLO;
	h.open_mask = 14;
	refused(&h, sealed(), 2, "a fourth descriptor");
	h.open_mask = 4;
	refused(&h, sealed(), 1, "a terminal that is not open");
}

static void short_ones(void)
{
	struct doorcall c;
	struct err err;

	tap_ok(doorcall_recv(socks[1], &c, &err) == -EAGAIN, "nothing there: it does not wait");
	for (size_t n = 1; n < sizeof(HELLO); n += 61) {
		(void)fdpass_send(socks[0], &HELLO, n, NULL, 0);
		tap_ok(doorcall_recv(socks[1], &c, &err) < 0, "refused: %zu bytes", n);
	}
	(void)close(socks[0]);
	tap_ok(doorcall_recv(socks[1], &c, &err) == 0, "end of file");
}

int main(void)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) != 0 ||
		fcntl(socks[1], F_SETFL, O_NONBLOCK) < 0)
		return 1;
	good();
	bad();
	short_ones();
	return tap_done();
}
