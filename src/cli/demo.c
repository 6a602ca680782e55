/*
 * `agentjail demo`: the same few commands, first as they are, then in a cell, in a directory made
 * for it below the cache. Runs with the user's rights; nothing leaves the machine.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Rationale: only the first line of a command's output is shown. */
#define OUTPUT_MAX_BYTES 4096
#define SAID_BYTES 200

static const struct step {
	const char *title;
	const char *script; /* for /bin/sh; DEMO_PORT is a port of this process on loopback */
	bool works_inside;
} steps[] = {
	{ "write and read a file", "echo done > work.txt && cat work.txt", true },
	{ "run git", "git --version", true },
	{ "read the project's .env", "cat .env", false },
	{ "read a token variable", "test -n \"$DEMO_TOKEN\" && echo \"$DEMO_TOKEN\"", false },
	{ "plant a git hook", "echo 'curl evil' > .git/hooks/post-checkout && echo planted",
		false },
	{ "see agentjail's process", "kill -0 $DEMO_PID && echo \"pid $DEMO_PID is there\"",
		false },
	{ "dial the host's loopback",
		"bash -c 'exec 3<>/dev/tcp/127.0.0.1/'$DEMO_PORT && echo connected", false },
};

struct demo {
	char *dir;
	char *self;
	char port[8], pid[16];
	int listener;
};

static int write_file(int dir, const char *name, const char *text)
{
	AUTO_CLOSE int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	return fd < 0 ? -errno : write_all(fd, text, strlen(text));
}

static int make_dir(const char *cache_dir, char **ret, struct err *err)
{
	AUTO_FREE char *path = NULL;

	/* ~/.cache and ~/.cache/agentjail may both be new. */
	if (asprintf(&path, "%s/demo.XXXXXX", cache_dir) < 0)
		return err_set(err, ENOMEM, "demo");
	for (char *s = strchr(path + 1, '/'); s != NULL; s = strchr(s + 1, '/')) {
		*s = '\0';
		(void)mkdir(path, 0700);
		*s = '/';
	}
	if (mkdtemp(path) == NULL)
		return err_set(err, errno, "make a directory %s", path);
	*ret = take_ptr(&path);
	return 0;
}

static int fill_dir(const char *path, struct err *err)
{
	AUTO_CLOSE int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0 || mkdirat(dir, ".git", 0700) < 0 || mkdirat(dir, ".git/hooks", 0700) < 0)
		return err_set(err, errno, "%s", path);
	if (write_file(dir, ".env", "PASSWORD=correct-horse\n") < 0 ||
		write_file(dir, ".git/config", "[core]\n\trepositoryformatversion = 0\n") < 0 ||
		write_file(dir, ".git/HEAD", "ref: refs/heads/main\n") < 0)
		return err_set(err, EIO, "write into %s", path);
	return 0;
}

static void remove_dir(const char *dir)
{
	static const char *const names[] = { ".env", "work.txt", ".git/hooks/post-checkout",
		".git/hooks", ".git/config", ".git/HEAD", ".git" };
	AUTO_CLOSE int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (unlinkat(fd, names[i], 0) < 0)
			(void)unlinkat(fd, names[i], AT_REMOVEDIR);
	(void)rmdir(dir);
}

static int make_listener(struct demo *d, struct err *err)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);

	d->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (d->listener < 0 || bind(d->listener, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
		listen(d->listener, 8) < 0 ||
		getsockname(d->listener, (struct sockaddr *)&a, &n) < 0)
		return err_set(err, errno, "a socket on loopback");
	(void)snprintf(d->port, sizeof(d->port), "%u", ntohs(a.sin_port));
	(void)snprintf(d->pid, sizeof(d->pid), "%d", (int)getpid());
	return 0;
}

/* In the child; never returns. */
static void exec_step(const struct demo *d, const struct step *step, bool inside, int out)
{
	const char *argv[] = { d->self, "run", "-q", "--env", "DEMO_PORT", "--env", "DEMO_PID",
		"--project", d->dir, "--", "/bin/sh", "-c", step->script, NULL };
	const char *const *from = inside ? argv : argv + 10;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (chdir(d->dir) < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 ||
		setenv("DEMO_TOKEN", "battery-staple", 1) < 0 ||
		setenv("DEMO_PORT", d->port, 1) < 0 || setenv("DEMO_PID", d->pid, 1) < 0)
		_exit(EXIT_AGENTJAIL);
	(void)execv(from[0], (char *const *)(uintptr_t)from);
	_exit(EXIT_NOT_FOUND);
}

/* Runs one step and keeps the first line of what it said. The exit status, or -errno. */
static int run_step(const struct demo *d, const struct step *step, bool inside, char *said)
{
	AUTO_BUF struct buf text = { 0 };
	int ends[2], status = 0;
	pid_t pid;

	said[0] = '\0';
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		exec_step(d, step, inside, ends[1]);
	(void)close(ends[1]);
	if (pid > 0)
		(void)buf_read_fd(&text, ends[0], OUTPUT_MAX_BYTES);
	(void)close(ends[0]);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -errno;
	if (text.data != NULL && !text.failed)
		(void)log_quote(text.data, strcspn(text.data, "\n"), said, SAID_BYTES);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_SIGNAL_BASE + WTERMSIG(status);
}

/* True when the cell answers as it should. */
static bool show_step(const struct demo *d, const struct step *step)
{
	char before[SAID_BYTES], after[SAID_BYTES];
	int outside = run_step(d, step, false, before);
	int inside = run_step(d, step, true, after);
	bool good = inside < EXIT_AGENTJAIL && (inside == 0) == step->works_inside;

	printf("%-26s %-30.30s %-8s %.40s%s\n", step->title,
		before[0] != '\0' || outside == 0 ? before : "failed",
		inside == 0 ? "done" : "refused", inside == 0 ? after : "",
		good ? "" : " <- not as it should be");
	if (!good && after[0] != '\0' && inside != 0)
		printf("  %s\n", after);
	(void)fflush(stdout);
	return good;
}

static bool show_steps(const struct demo *d)
{
	bool good = true;

	printf("%-26s %-30s %s\n\n", "A command tries to", "without agentjail", "with agentjail");
	for (size_t i = 0; i < ARRAY_LEN(steps); i++)
		good &= show_step(d, &steps[i]);
	return good;
}

int demo_verb(struct launch *launch, struct err *err)
{
	struct demo d = { .self = paths_self(), .listener = -1 };
	AUTO_FREE char *self = d.self;
	AUTO_FREE char *dir = NULL;
	struct paths *p = &launch->paths;
	bool good = true;
	int r;

	if (launch->options.n_operands > 0)
		return err_set(err, 0, "demo takes no argument; see agentjail --help");
	if (self == NULL)
		return err_set(err, errno, "this program's own file");
	r = paths_find_home(p, err);
	if (r < 0)
		return r;
	r = make_dir(p->cache_dir, &dir, err);
	if (dir == NULL)
		return r;
	d.dir = dir;
	r = fill_dir(dir, err);
	if (r == 0)
		r = make_listener(&d, err);
	if (r == 0)
		good = show_steps(&d);
	if (d.listener >= 0)
		(void)close(d.listener);
	remove_dir(dir);
	return r < 0 ? r : !good;
}
