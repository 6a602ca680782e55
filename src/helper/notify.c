/*
 * Runs in the cell's helper. Hostile: every argument of the calls, and the caller's memory. Going on is
 * safe whatever a path says by then: a name that is masked or held is a mount point, EBUSY for the kernel.
 */
#include "helper/notify.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/types.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

/* linux/seccomp.h of Linux 6.6 */
#define NOTIF_SET_FLAGS _IOW('!', 4, __u64)
#define NOTIF_SYNC_WAKE_UP 1UL

#define NO_ARG 6 /* AT_FDCWD, or no flags */

/* Where the arguments of each call are. */
static const struct form {
	int nr;
	unsigned char from_dir, from, to_dir, to, flags; /* of mkdir: the mode */
	enum { RENAME, REMOVE, MKDIR, RMDIR } what;
} forms[] = {
	{ SYS_renameat2, 0, 1, 2, 3, 4, RENAME },
	{ SYS_renameat, 0, 1, 2, 3, NO_ARG, RENAME },
	{ SYS_unlinkat, 0, 1, NO_ARG, NO_ARG, 2, REMOVE },
	{ SYS_mkdirat, 0, 1, NO_ARG, NO_ARG, 2, MKDIR },
#ifdef SYS_rename
	{ SYS_rename, NO_ARG, 0, NO_ARG, 1, NO_ARG, RENAME },
	{ SYS_unlink, NO_ARG, 0, NO_ARG, NO_ARG, NO_ARG, REMOVE },
	{ SYS_mkdir, NO_ARG, 0, NO_ARG, NO_ARG, 1, MKDIR },
	{ SYS_rmdir, NO_ARG, 0, NO_ARG, NO_ARG, NO_ARG, RMDIR },
#endif
};

int notify_begin(struct notify *n, struct err *err)
{
	n->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	n->remover.proc = n->proc;
	return n->proc < 0 ? err_set(err, errno, "open /proc") : 0;
}

void notify_listen(struct notify *n, int listener)
{
	/* Without one the kernel refuses to delete what is masked: nothing else is lost. */
	if (n->n_listeners == NOTIFY_LISTENERS_MAX) {
		(void)close(listener);
		return;
	}
	n->listeners[n->n_listeners++] = listener;
	/* Wakes the waiting side on this CPU (Linux 6.6); elsewhere it is only slower. */
	(void)ioctl(listener, NOTIF_SET_FLAGS, NOTIF_SYNC_WAKE_UP);
}

void notify_drop(struct notify *n, size_t i)
{
	(void)close(n->listeners[i]);
	n->listeners[i] = n->listeners[--n->n_listeners];
}

static const struct form *form_of(int nr)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (forms[i].nr == nr)
			return &forms[i];
	return NULL;
}

static int dir_of(const struct seccomp_notif *n, unsigned arg)
{
	return arg == NO_ARG ? AT_FDCWD : (int)n->data.args[arg];
}

struct waiting {
	int listener;
	uint64_t id;
};

static bool is_valid(void *arg)
{
	struct waiting *w = arg;

	return ioctl(w->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &w->id) == 0;
}

static int judge_rename(struct notify *self, const struct seccomp_notif *n, const struct form *f)
{
	static struct hold_rename r; /* two paths of the longest */
	struct waiting waiting = { .listener = self->listener, .id = n->id };
	pid_t pid = (pid_t)n->pid;
	int result = 1;
	bool is_to;

	r.from.dir = r.to.dir = -1;
	r.flags = f->flags == NO_ARG ? 0 : (unsigned)n->data.args[f->flags];
	r.is_valid = is_valid;
	r.arg = &waiting;
	/* Nearly every rename ends here, after its new name was read. */
	if (self->holds.store.dir < 0 ||
		!call_read(&r.to, pid, dir_of(n, f->to_dir), n->data.args[f->to]))
		return 1;
	is_to = hold_may_concern(&self->holds, r.to.path) || strcmp(r.to.name, ".git") == 0;
	if (!is_to && !self->holds.has_new)
		return 1;
	if (call_read(&r.from, pid, dir_of(n, f->from_dir), n->data.args[f->from]) &&
		(is_to || namebits_has(&self->holds.names, r.from.name)) && is_valid(&waiting))
		result = hold_rename(&self->holds, &r);
	cleanup_close(&r.from.dir);
	cleanup_close(&r.to.dir);
	return result;
}

static int judge_removal(struct notify *self, struct tree *t, const struct seccomp_notif *n,
	const struct form *f)
{
	struct waiting waiting = { .listener = self->listener, .id = n->id };
	struct call call = { .dir = -1 };
	int result = 1;

	if (call_read(&call, (pid_t)n->pid, dir_of(n, f->from_dir), n->data.args[f->from]) &&
		is_valid(&waiting)) {
		if (namebits_has(&self->remover.names, call.name))
			result = remove_carry_out(&self->remover, t, &call);
		if (result > 0 && self->holds.store.dir >= 0 &&
			namebits_has(&self->holds.names, call.name)) {
			cleanup_close(&call.dir);
			result = hold_remove(&self->holds, &call);
		}
	}
	cleanup_close(&call.dir);
	return result;
}

static int judge_dir(struct notify *self, const struct seccomp_notif *n, const struct form *f)
{
	struct waiting waiting = { .listener = self->listener, .id = n->id };
	struct call call = { .dir = -1 };
	int result = 1;

	if (self->holds.store.dir >= 0 && self->holds.holds_git &&
		call_read_dir(&call, (pid_t)n->pid, dir_of(n, f->from_dir), n->data.args[f->from]) &&
		strcmp(call.name, ".git") == 0 && is_valid(&waiting))
		result = f->what == MKDIR
			? hold_mkdir(&self->holds, &call, (mode_t)n->data.args[f->flags])
			: hold_rmdir(&self->holds, &call);
	cleanup_close(&call.dir);
	return result;
}

static int judge(struct notify *self, struct tree *t, const struct seccomp_notif *n, const struct form *f)
{
	bool is_dir = f->what == MKDIR || f->what == RMDIR ||
		(f->what == REMOVE && f->flags != NO_ARG && (n->data.args[f->flags] & AT_REMOVEDIR) != 0);

	if (is_dir)
		return judge_dir(self, n, f);
	return f->what == RENAME ? judge_rename(self, n, f) : judge_removal(self, t, n, f);
}

void notify_handle(struct notify *self, size_t i, struct tree *t)
{
	struct seccomp_notif n;
	struct seccomp_notif_resp answer;
	const struct form *form;
	int result = 1;

	self->listener = self->listeners[i];
	memset(&n, 0, sizeof(n));
	/* ENOENT: the caller was killed before we came (seccomp_unotify(2)). */
	if (ioctl(self->listener, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
		return;
	form = form_of(n.data.nr);
	if (form != NULL)
		result = judge(self, t, &n, form);
	answer = (struct seccomp_notif_resp){ .id = n.id, .error = result <= 0 ? result : 0 };
	if (result > 0)
		answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(self->listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}
