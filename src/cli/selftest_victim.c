/*
 * Starting the process that attacks aim at (act_victim.c), and telling the acts of both homes about
 * it. See selftest.h. Runs before anything hostile does.
 */
#include "cli/selftest.h"

#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Rationale: one process starts; a loaded machine takes a second. */
#define SETUP_MS 20000

/* What the victim says when it is ready, in this order. */
enum { SAID_PID, SAID_PORT, SAID_FD, SAID_ADDR, SAID_COUNT };
static const char *const said_names[SAID_COUNT] = { "PID", "PORT", "FD", "ADDR" };

/* Below the runtime directory, but for those that are said to be elsewhere. */
const char *const selftest_victim_sockets[] = { "bus", "systemd/private", "ssh-agent",
	"gnupg/S.gpg-agent", "keyring/control", "wayland-0", "pulse/native", "podman/podman.sock",
	"tmux", "nvim", NULL };

static char *join(const char *a, const char *b)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", a, b) < 0 ? NULL : path;
}

/* The first address of this machine that is not loopback's; "-": none. */
static void find_own_address(char *ret, size_t size)
{
	struct ifaddrs *list = NULL;

	(void)snprintf(ret, size, "-");
	if (getifaddrs(&list) < 0)
		return;
	for (struct ifaddrs *i = list; i != NULL; i = i->ifa_next) {
		struct sockaddr_in at;

		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET ||
			(i->ifa_flags & IFF_LOOPBACK) != 0 || (i->ifa_flags & IFF_UP) == 0)
			continue;
		memcpy(&at, i->ifa_addr, sizeof(at));
		(void)inet_ntop(AF_INET, &at.sin_addr, ret, (socklen_t)size);
		break;
	}
	freeifaddrs(list);
}

/* argv of the victim, all owned. */
static void add_victim_words(const struct selftest *t, const char *address, char **word)
{
	const struct selftest_side *sides[] = { &t->bare, &t->jail };
	size_t n = 0;

	word[n++] = strdup(t->self);
	word[n++] = strdup("@act");
	word[n++] = strdup("victim");
	word[n++] = join(t->dir, "ready");
	word[n++] = join(t->bare.home, ".ssh/id_rsa");
	word[n++] = strdup(address);
	for (size_t s = 0; s < ARRAY_LEN(sides); s++) {
		for (size_t i = 0; selftest_victim_sockets[i] != NULL; i++)
			word[n++] = join(sides[s]->run, selftest_victim_sockets[i]);
		word[n++] = join(sides[s]->home, ".docker/run/docker.sock");
		word[n++] = join(sides[s]->project, "host.sock");
	}
	if (asprintf(&word[n], "@agentjail-selftest-%d", (int)getpid()) >= 0)
		n++;
	if (asprintf(&word[n], "@/tmp/.X11-unix/X%d", (int)getpid()) >= 0)
		n++;
	/* The canary on a command line. */
	if (asprintf(&word[n], "@%s", t->canary) >= 0)
		n++;
	word[n] = NULL;
}

static int wait_ready(const struct selftest *t, char *line, size_t size, struct err *err)
{
	AUTO_FREE char *path = join(t->dir, "ready");

	for (int ms = 0; path != NULL && ms < SETUP_MS; ms += 5) {
		if (act_slurp(path, line, size) > 0)
			return 0;
		if (waitpid(t->victim, NULL, WNOHANG) == t->victim)
			break;
		(void)usleep(5000);
	}
	return err_set(err, 0, "the test's own server does not start");
}

/* The key's own handle, by which root opens it without a path. */
static void add_handle(const struct selftest_side *side, struct buf *text)
{
	AUTO_FREE char *key = join(side->home, ".ssh/id_rsa");
	struct {
		struct file_handle head;
		unsigned char bytes[MAX_HANDLE_SZ];
	} h = { .head = { .handle_bytes = MAX_HANDLE_SZ } };
	int mount_id;

	if (key == NULL || name_to_handle_at(AT_FDCWD, key, &h.head, &mount_id, 0) < 0)
		return;
	buf_addf(text, "HANDLE=%d:", h.head.handle_type);
	for (unsigned i = 0; i < h.head.handle_bytes; i++)
		buf_addf(text, "%02x", h.bytes[i]);
	buf_adds(text, "\n");
}

/* What the acts need to know. */
static int write_lab(const struct selftest *t, const struct selftest_side *side, char *const *said,
	const char *address)
{
	static const char *const loaders[] = { "/lib64/ld-linux-x86-64.so.2",
		"/lib/ld-linux-aarch64.so.1" };
	AUTO_BUF struct buf text = { 0 };
	AUTO_FREE char *path = join(side->project, ACT_LAB_FILE);
	AUTO_CLOSE int fd = -1;

	for (size_t i = 0; i < SAID_COUNT; i++)
		buf_addf(&text, "%s=%s\n", said_names[i], said[i]);
	buf_addf(&text, "HOME=%s\nPROJ=%s\nRUN=%s\nCANARY=%s\nMYADDR=%s\nABS=%d\nLOADER=%s\n",
		side->home, side->project, side->run, t->canary, address, (int)getpid(),
		loaders[access(loaders[0], X_OK) < 0]);
	buf_addf(&text, "TMPFILE=%s/tmpfile\nOTHER=%s/other\n", t->dir, t->dir);
	add_handle(side, &text);
	if (text.failed || path == NULL)
		return -ENOMEM;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd < 0 ? -errno : write_all(fd, text.data, text.len);
}

/* A proxy that forwards everything, for who believes the environment: the victim plays it. */
static int add_proxy(struct selftest_side *side, const char *port)
{
	size_t n = 0;

	while (side->env[n] != NULL)
		n++;
	if (n + 1 >= SELFTEST_ENV_MAX ||
		asprintf(&side->env[n], "HTTPS_PROXY=http://127.0.0.1:%s", port) < 0)
		return -ENOMEM;
	return 0;
}

int selftest_victim_start(struct selftest *t, struct err *err)
{
	struct selftest_side *sides[] = { &t->bare, &t->jail };
	char *word[64] = { 0 }, line[128], *rest = line, *said[SAID_COUNT] = { 0 };
	char address[INET_ADDRSTRLEN];
	int r;

	find_own_address(address, sizeof(address));
	add_victim_words(t, address, word);
	t->victim = selftest_run_start(
		&(struct selftest_command){ .side = &t->bare, .words = (const char *const *)word },
		-1, -1);
	for (size_t i = 0; word[i] != NULL; i++)
		free(word[i]);
	if (t->victim < 0)
		return err_set(err, (int)-t->victim, "start the test's own server");
	r = wait_ready(t, line, sizeof(line), err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < SAID_COUNT; i++)
		said[i] = strsep(&rest, " \n");
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(sides); i++) {
		r = said[SAID_PORT] == NULL ? -EIO : write_lab(t, sides[i], said, address);
		if (r == 0)
			r = add_proxy(sides[i], said[SAID_PORT]);
	}
	return r < 0 ? err_set(err, -r, "%s", ACT_LAB_FILE) : 0;
}
