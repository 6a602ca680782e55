/*
 * One exec of the agent context: which file is meant, and whether it stays in the agent context,
 * becomes a command in the cell, or fails. Runs in the warden. Hostile: paths and arguments that
 * text in the project talked the agent into; the decision falls on inodes and exact strings.
 */
#include "warden/warden.h"
#include "warden/lookup.h"
#include "warden/procmem.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "wire/hello.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#define I386_EXECVEAT 358
#define AGENT_NS_FD_MAX 32

/* Rationale: what a trusted line can tell apart; a longer vector never matches one. */
#define TRUSTED_ARGS_MAX 256
#define TRUSTED_BYTES_MAX 65536
#define ENV_STRINGS_MAX 4096
#define ENV_BYTES_MAX (2u << 20)

/* Not on the stack: it is large, and the compiler would clear it for each exec. */
static struct procmem exec_memory;

struct exec_call {
	const struct seccomp_notif *n;
	pid_t pid;
	bool is_i386, is_at;
	int dirfd;
	uint64_t argv, envp;
	int flags; /* of execveat */
	char path[PATH_MAX]; /* as the caller wrote it */
	size_t path_len;
	char file[PATH_MAX + PATH_MAX]; /* absolute */
	bool by_link; /* named through /proc or a descriptor: `file` is what it leads to */
};

static int read_call(struct exec_call *c, const struct seccomp_notif *n)
{
	ssize_t len;

	c->n = n;
	c->pid = (pid_t)n->pid;
	c->is_i386 = n->data.arch == AUDIT_ARCH_I386;
	c->is_at = n->data.nr == (c->is_i386 ? I386_EXECVEAT : SYS_execveat);
	c->dirfd = c->is_at ? (int)n->data.args[0] : AT_FDCWD;
	c->argv = n->data.args[c->is_at ? 2 : 1];
	c->envp = n->data.args[c->is_at ? 3 : 2];
	c->flags = c->is_at ? (int)n->data.args[4] : 0;
	if ((c->flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0)
		return -EINVAL;
	procmem_begin(&exec_memory, c->pid);
	len = procmem_string(&exec_memory, n->data.args[c->is_at ? 1 : 0], c->path, sizeof(c->path));
	if (len < 0)
		return (int)len;
	c->path_len = (size_t)len;
	return 0;
}

/* What a descriptor names; only a file that has a name can be executed in the cell. */
static int file_of_link(struct exec_call *c, const char *link)
{
	ssize_t len = procmem_link(c->pid, link, c->file, sizeof(c->file));

	if (len < 0)
		return (int)len;
	c->by_link = true;
	if (c->file[0] != '/' || str_starts(c->file, "/memfd:") || str_ends(c->file, " (deleted)"))
		return -EACCES;
	return 0;
}

/* Names below /proc that mean another thing in each process, and the ones in /dev that lead there. */
static int file_of_magic(struct exec_call *c)
{
	static const struct {
		const char *prefix, *link;
	} magic[] = {
		{ "/proc/self/exe", "exe" },
		{ "/proc/thread-self/exe", "exe" },
		{ "/proc/self/fd/", "fd/" },
		{ "/proc/thread-self/fd/", "fd/" },
		{ "/dev/fd/", "fd/" },
	};

	for (size_t i = 0; i < ARRAY_LEN(magic); i++) {
		char link[AGENT_NS_FD_MAX];
		const char *rest;
		int n;

		if (!str_starts(c->path, magic[i].prefix))
			continue;
		rest = c->path + strlen(magic[i].prefix);
		n = snprintf(link, sizeof(link), "%s%s", magic[i].link, rest);
		if (n < 0 || (size_t)n >= sizeof(link) || strchr(rest, '/') != NULL)
			return -ENOENT;
		return file_of_link(c, link);
	}
	memcpy(c->file, c->path, c->path_len + 1);
	return 0;
}

static int join(struct exec_call *c, const char *link)
{
	ssize_t len = procmem_link(c->pid, link, c->file, PATH_MAX);

	if (len < 0)
		return (int)len;
	if (c->file[0] != '/')
		return -ENOENT;
	(void)snprintf(c->file + len, sizeof(c->file) - (size_t)len, "/%s", c->path);
	return 0;
}

static int find_file(struct exec_call *c)
{
	char link[AGENT_NS_FD_MAX];

	if (c->path[0] == '/')
		return file_of_magic(c);
	if (c->path[0] == '\0' && (c->flags & AT_EMPTY_PATH) == 0)
		return -ENOENT;
	if (c->dirfd == AT_FDCWD)
		return c->path[0] == '\0' ? -EACCES : join(c, "cwd");
	(void)snprintf(link, sizeof(link), "fd/%d", c->dirfd);
	if (c->path[0] == '\0')
		return file_of_link(c, link);
	c->by_link = true;
	return join(c, link);
}

/* ---- trusted ---- */

static size_t split_strings(const struct buf *strings, size_t n, const char **out)
{
	const char *s = strings->data;

	for (size_t i = 0; i < n; i++, s += strlen(s) + 1)
		out[i] = s;
	out[n] = NULL;
	return n;
}

/* A loader or runtime variable that the agent itself was not started with. */
static bool env_differs(const struct warden *w, const struct exec_call *c)
{
	struct procmem_limits limits = { .max_strings = ENV_STRINGS_MAX,
		.max_bytes = ENV_BYTES_MAX,
		.pointer_bytes = c->is_i386 ? 4 : 8 };
	AUTO_BUF struct buf env = { 0 };
	bool cut;
	size_t n;
	const char *s;

	if (procmem_vector(&exec_memory, c->envp, &limits, &env, &n, &cut) < 0 || cut)
		return true;
	s = env.data;
	for (size_t i = 0; i < n; i++, s += strlen(s) + 1) {
		bool same = false;

		if (!environ_is_loader(s))
			continue;
		for (char **own = w->agent_env; *own != NULL && !same; own++)
			same = strcmp(*own, s) == 0;
		if (!same)
			return true;
	}
	return false;
}

/* Fills answer; the argument strings are appended to args for the audit. */
static void decide(struct warden *w, const struct exec_call *c, struct buf *args, size_t *n_args,
	struct policy_answer *answer)
{
	struct procmem_limits limits = { .max_strings = TRUSTED_ARGS_MAX,
		.max_bytes = TRUSTED_BYTES_MAX,
		.pointer_bytes = c->is_i386 ? 4 : 8 };
	const char *argv[TRUSTED_ARGS_MAX + 1];
	struct policy_exec exec = { .argv = argv,
		.program = w->program.agent,
		.interp = w->program.interp,
		.script = w->program.script,
		.root = w->program.root,
		.places_are_checked = true /* by program.c, at the start */ };
	struct policy_question question = { .action = POLICY_EXEC, .exec = &exec };
	const struct program_file *file;
	struct stat st;
	bool cut = true;

	*answer = (struct policy_answer){ .verdict = POLICY_IN_CELL, .key = PK_COUNT };
	if (stat(c->file, &st) < 0)
		return;
	file = program_lookup(&w->program, st.st_dev, st.st_ino);
	if (file == NULL || procmem_vector(&exec_memory, c->argv, &limits, args, n_args, &cut) < 0 || cut)
		return;
	split_strings(args, *n_args, argv);
	exec.file = file->path;
	exec.env_differs = env_differs(w, c);
	policy_decide(w->plan->policy, &question, answer);
}

static void audit_trusted(struct warden *w, const struct exec_call *c, const struct buf *args,
	size_t n, const struct policy_answer *answer)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "agent");
	audit_number(&r, "pid", c->pid);
	audit_string(&r, "file", c->file);
	audit_strings(&r, "argv", n > 0 ? args->data : "", n);
	if (answer->item != NULL) {
		audit_string(&r, "rule_file", answer->item->origin.file);
		audit_number(&r, "rule_line", answer->item->origin.line);
	}
	(void)audit_end(&r);
}

static void audit_denied(struct warden *w, const struct exec_call *c, const char *reason)
{
	struct audit_record r;

	audit_begin(&w->audit, &r, "exec");
	audit_string(&r, "decision", "deny");
	audit_number(&r, "pid", c->pid);
	audit_string(&r, "file", c->path);
	audit_string(&r, "reason", reason);
	(void)audit_end(&r);
}

/* ---- the way to the cell ---- */

/* The thread group: the shim will speak with its number, whichever thread called exec. */
static pid_t group_of(pid_t tid)
{
	char path[64], line[256];
	pid_t group = tid;
	FILE *f;

	if (syscall(SYS_tgkill, tid, tid, 0) == 0)
		return tid;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", tid);
	f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Tgid: %d", &group) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return group;
}

static void send_to_cell(struct warden *w, const struct exec_call *c)
{
	struct err err = { 0 };
	char *path;
	int r;

	if (warden_need_cell(w, &err) < 0) {
		log_error("%s", err.text);
		audit_denied(w, c, err.text);
		redirect_answer(w, c->n, -EACCES);
		return;
	}
	r = lookup_exec(w->cell.fds[CELL_FD_ROOT], c->file, (c->flags & AT_SYMLINK_NOFOLLOW) != 0);
	/* An error may be that of a cell which has ended meanwhile: asked again of the one it is now. */
	if (r < 0 && warden_need_cell(w, &err) == 0)
		r = lookup_exec(w->cell.fds[CELL_FD_ROOT], c->file,
			(c->flags & AT_SYMLINK_NOFOLLOW) != 0);
	if (r < 0) {
		redirect_answer(w, c->n, r);
		return;
	}
	path = strdup(c->by_link ? c->file : c->path);
	if (path == NULL) {
		redirect_answer(w, c->n, -ENOMEM);
		return;
	}
	pending_put(w, group_of(c->pid), path);
	redirect_to_shim(w, c->n, c->path_len);
}

static void handle_exec(struct warden *w, const struct seccomp_notif *n)
{
	AUTO_BUF struct buf args = { 0 };
	struct policy_answer answer;
	struct exec_call call = { 0 };
	uint64_t id = n->id;
	size_t n_args = 0;
	int r;

	r = read_call(&call, n);
	if (r == 0)
		r = find_file(&call);
	/* All that was read is the caller's only if it still waits (seccomp_unotify(2)). */
	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) < 0)
		return;
	if (r < 0) {
		if (r == -EACCES || r == -EPERM)
			audit_denied(w, &call, "not a file with a name that the cell could execute");
		redirect_answer(w, n, r == -EPERM || r == -ESRCH ? -EACCES : r);
		return;
	}
	decide(w, &call, &args, &n_args, &answer);
	if (answer.verdict == POLICY_IN_AGENT) {
		/* First the answer, for which a program waits; the record needs nothing of it. */
		redirect_go_on(w, n);
		audit_trusted(w, &call, &args, n_args, &answer);
		return;
	}
	if (answer.verdict == POLICY_DENIED) {
		audit_denied(w, &call, answer.reason);
		redirect_answer(w, n, -EACCES);
		return;
	}
	send_to_cell(w, &call);
}

void exec_handle(struct warden *w)
{
	struct seccomp_notif n;

	memset(&n, 0, sizeof(n));
	/* ENOENT: the caller was killed before we came (seccomp_unotify(2)). */
	if (ioctl(w->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	if (n.data.arch != AUDIT_ARCH_I386 && n.data.nr != SYS_execve &&
		n.data.nr != SYS_execveat) {
		kept_handle(&w->kept, w->listener, &n);
		return;
	}
	if (n.data.arch != AUDIT_ARCH_I386 && n.data.nr == SYS_execveat &&
		(int)n.data.args[0] == HELLO_FD) {
		job_hello(w, &n);
	} else if (!w->first_exec_done) {
		/* Our own code, about to become the agent: nothing else runs in there yet. */
		w->first_exec_done = true;
		redirect_go_on(w, &n);
	} else if (redirect_is_shim_call(w, &n)) {
		redirect_go_on(w, &n);
	} else {
		handle_exec(w, &n);
	}
}
