/*
 * --mode inject: the agent and its commands run as they are, in no place of their own; their
 * environment leads them to the proxy, and the secrets of the rules are not in it. Runs in the
 * warden. Nothing is contained here: the proxy is one that any process of the machine can connect
 * to, so that it asks for a login which the session alone has.
 */
#include "warden/warden.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "base/standing.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LOGIN_USER "agentjail"
/* Rationale: 128 bits cannot be guessed; as hex they need no escaping in a URL. */
#define PASSWORD_BYTES 16u

extern char **environ;

/* Where clients find the certificates: a directory that ends with the session. */
static struct {
	char *dir, *bundle, *cert;
} trusted;

static const char *const proxy_variables[] = { "HTTPS_PROXY", "https_proxy", "HTTP_PROXY",
	"http_proxy", "ALL_PROXY", "all_proxy" };
static const char no_proxy[] = "localhost,127.0.0.1,::1";

/* ---- the proxy's door ---- */

static int make_login(struct warden *w, char *ret, size_t ret_bytes, struct err *err)
{
	unsigned char random[PASSWORD_BYTES];
	AUTO_CLOSE int fd = memfd_create("agentjail-login", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t n;
	int r;

	if (fd < 0 || getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return err_set(err, errno, "make a login");
	n = (size_t)snprintf(ret, ret_bytes, LOGIN_USER ":");
	for (size_t i = 0; i < sizeof(random) && n + 3 <= ret_bytes; i++)
		n += (size_t)snprintf(ret + n, ret_bytes - n, "%02x", random[i]);
	r = write_all(fd, ret, n);
	if (r < 0)
		return err_set(err, -r, "make a login");
	w->login = take_fd(&fd);
	return 0;
}

static int listen_local(struct warden *w, uint16_t *ret_port, struct err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(a);
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 128) < 0 ||
		getsockname(fd, (struct sockaddr *)&a, &n) < 0)
		return err_set(err, errno, "listen on 127.0.0.1");
	*ret_port = ntohs(a.sin_port);
	w->cell.fds[CELL_FD_PROXY] = take_fd(&fd);
	return 0;
}

/* ---- certificates ---- */

static int copy_file(int from, const char *path, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	AUTO_CLOSE int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (to < 0)
		return err_set(err, errno, "%s", path);
	r = lseek(from, 0, SEEK_SET) < 0 ? -errno : buf_read_fd(&text, from, 16u << 20);
	if (r >= 0)
		r = write_all(to, text.data, text.len);
	return r < 0 ? err_set(err, -r, "%s", path) : 0;
}

static int join(char **ret, const char *dir, const char *name)
{
	if (asprintf(ret, "%s/%s", dir, name) >= 0)
		return 0;
	*ret = NULL;
	return -ENOMEM;
}

static int make_dir(const struct warden *w, struct err *err)
{
	const char *base = w->plan->runtime_dir != NULL ? w->plan->runtime_dir : "/tmp";

	if (w->plan->runtime_dir != NULL && mkdir(base, 0700) < 0 && errno != EEXIST)
		return err_set(err, errno, "%s", base);
	if (join(&trusted.dir, base, "agentjail-inject.XXXXXX") < 0)
		return err_set(err, ENOMEM, "certificates");
	if (mkdtemp(trusted.dir) == NULL) {
		int error = errno;

		free(trusted.dir);
		trusted.dir = NULL;
		return err_set(err, error, "make a directory in %s", base);
	}
	return 0;
}

/* Files, and not descriptors of ours: programs keep the path, and pass it on. */
static int write_trust(struct warden *w, struct err *err)
{
	if (!w->trust.is_wanted)
		return 0;
	if (trust_await(&w->trust, err) < 0 || make_dir(w, err) < 0)
		return -err->code;
	if (join(&trusted.bundle, trusted.dir, "bundle.pem") < 0 ||
		join(&trusted.cert, trusted.dir, "session.pem") < 0)
		return err_set(err, ENOMEM, "certificates");
	if (copy_file(w->trust.fds[TRUST_FD_BUNDLE], trusted.bundle, err) < 0 ||
		copy_file(w->trust.fds[TRUST_FD_CERT], trusted.cert, err) < 0)
		return -err->code;
	w->trust.variables.bundle = trusted.bundle;
	w->trust.variables.cert = trusted.cert;
	return 0;
}

static void remove_trust(void)
{
	if (trusted.bundle != NULL)
		(void)unlink(trusted.bundle);
	if (trusted.cert != NULL)
		(void)unlink(trusted.cert);
	if (trusted.dir != NULL)
		(void)rmdir(trusted.dir);
	cleanup_free(&trusted.bundle);
	cleanup_free(&trusted.cert);
	cleanup_free(&trusted.dir);
}

/* ---- the agent ---- */

static int set_fakes(const struct warden *w)
{
	const char *fake = w->fakes.list.data;
	int r = 0;

	for (size_t i = 0; r == 0 && fake != NULL && i < w->fakes.n; i++, fake += strlen(fake) + 1) {
		AUTO_FREE char *name = strndup(fake, strcspn(fake, "="));

		r = name == NULL ? -1 : setenv(name, fake + strlen(name) + 1, 1);
	}
	return r;
}

static int set_trust(const struct warden *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && w->trust.is_wanted && i < ENVIRON_TRUST_COUNT; i++) {
		AUTO_BUF struct buf text = { 0 };
		char *value;

		if (!environ_trust_add(&w->trust.variables, i, &text) || text.failed)
			continue;
		value = strchr(text.data, '=');
		if (value == NULL)
			continue;
		*value = '\0';
		r = setenv(text.data, value + 1, 1);
	}
	return r;
}

/* The agent's environment becomes ours: the child takes it over as it is. */
static int set_environment(const struct warden *w, const char *login, uint16_t port)
{
	char url[160];
	int r = set_fakes(w);

	if (r == 0)
		r = set_trust(w);
	(void)snprintf(url, sizeof(url), "http://%s@127.0.0.1:%u", login, port);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(proxy_variables); i++)
		r = setenv(proxy_variables[i], url, 1);
	if (r == 0)
		r = setenv("NO_PROXY", no_proxy, 1);
	if (r == 0)
		r = setenv("no_proxy", no_proxy, 1);
	/* node's fetch and https look at the variables only when told to (node 24, undici). */
	return r == 0 ? setenv("NODE_USE_ENV_PROXY", "1", 1) : r;
}

static _Noreturn void become_agent(const struct warden *w, const char *path)
{
	(void)sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
	(void)sys_close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	execv(path, (char *const *)(size_t)w->plan->argv);
	log_error("%s: %s", path, strerror(errno));
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

static void say_limits(const struct warden *w)
{
	if (!w->plan->quiet)
		log_warn("mode inject: secrets of rules are kept out, nothing else is contained: files, "
			 "processes and hosts are open, and what ignores the proxy variables goes without");
}

int bare_start(struct warden *w, struct err *err)
{
	AUTO_FREE char *path = program_which(w->plan->argv[0], getenv("PATH"));
	char login[sizeof(LOGIN_USER ":") + 2 * PASSWORD_BYTES];
	uint16_t port = 0;

	if (path == NULL)
		return err_set(err, errno, "%s", w->plan->argv[0]) < 0 ? warden_not_started(w, err)
								       : 0;
	if (make_login(w, login, sizeof(login), err) < 0 || listen_local(w, &port, err) < 0 ||
		write_trust(w, err) < 0)
		return -err->code;
	if (set_environment(w, login, port) < 0)
		return err_set(err, ENOMEM, "environment");
	/* The agent has our user: it must not open the pipes that the secrets wait in (proc(5)). */
	if (standing_hide(err) < 0)
		return -err->code;
	say_limits(w);
	w->bare = fork();
	if (w->bare < 0) {
		w->bare = 0;
		return err_set(err, errno, "fork");
	}
	if (w->bare == 0)
		become_agent(w, path);
	return 0;
}

/* Its end is the session's; when it stops, so do we: the shell looks at us. */
static void look_at_agent(struct warden *w)
{
	int status;

	while (w->bare > 0 && waitpid(w->bare, &status, WNOHANG | WUNTRACED) == w->bare) {
		if (WIFSTOPPED(status)) {
			(void)kill(getpid(), SIGSTOP);
			(void)kill(w->bare, SIGCONT);
			continue;
		}
		w->bare = 0;
		w->has_ended = true;
		w->status = status;
	}
}

void bare_signal(struct warden *w, const struct signalfd_siginfo *si)
{
	if (si->ssi_signo == SIGCHLD)
		look_at_agent(w);
	else if (si->ssi_code != SI_KERNEL && si->ssi_signo != SIGCONT && w->bare > 0)
		(void)kill(w->bare, (int)si->ssi_signo); /* the terminal's reach it by themselves */
}

void bare_stop(struct warden *w)
{
	if (w->bare > 0) {
		(void)kill(w->bare, SIGKILL);
		(void)waitpid(w->bare, NULL, 0);
		w->bare = 0;
	}
	remove_trust();
	cleanup_close(&w->login);
}
