/* What /proc and os-release(5) say; nothing is tried here. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/paths.h"
#include "cli/probe.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

/* Rationale: os-release and status are a page or two; mountinfo of a busy machine is 100 KiB. */
#define FILE_MAX_BYTES (1u << 20)

static bool read_file(const char *path, struct buf *out)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd >= 0 && buf_read_fd(out, fd, FILE_MAX_BYTES) == 0 && !out->failed &&
	       out->data != NULL;
}

static long read_number(const char *path)
{
	AUTO_BUF struct buf text = { 0 };
	char *end = NULL;
	long n;

	if (!read_file(path, &text))
		return -1;
	n = strtol(text.data, &end, 10);
	return end != text.data ? n : -1;
}

/* The value of NAME=VALUE or NAME="VALUE" in os-release's text, or "". */
static void os_value(const char *text, const char *name, char *out, size_t out_bytes)
{
	size_t n = strlen(name);

	out[0] = '\0';
	for (const char *line = text; line != NULL && *line != '\0';) {
		const char *next = strchr(line, '\n');

		if (strncmp(line, name, n) == 0 && line[n] == '=') {
			const char *value = line + n + 1;
			char raw[64];

			value += *value == '"';
			(void)snprintf(
				raw, sizeof(raw), "%.*s", (int)strcspn(value, "\"\n"), value);
			(void)log_quote(raw, strlen(raw), out, out_bytes);
			return;
		}
		line = next != NULL ? next + 1 : NULL;
	}
}

static void read_os(struct probe_facts *f)
{
	AUTO_BUF struct buf text = { 0 };
	char id[40], like[48];

	(void)snprintf(f->distro, sizeof(f->distro), "unknown system");
	if (!read_file("/etc/os-release", &text) && !read_file("/usr/lib/os-release", &text))
		return;
	os_value(text.data, "PRETTY_NAME", f->distro, sizeof(f->distro));
	os_value(text.data, "ID", id, sizeof(id));
	os_value(text.data, "ID_LIKE", like, sizeof(like));
	(void)snprintf(f->ids, sizeof(f->ids), " %s %s ", id, like);
}

/* In a chroot that is no mount point, no mount has "/" as its place. */
static bool in_chroot(void)
{
	AUTO_BUF struct buf text = { 0 };

	return read_file("/proc/self/mountinfo", &text) && strstr(text.data, " / rw") == NULL &&
	       strstr(text.data, " / ro") == NULL;
}

static bool is_filtered(void)
{
	AUTO_BUF struct buf text = { 0 };

	return read_file("/proc/self/status", &text) && strstr(text.data, "Seccomp:\t2") != NULL;
}

static bool in_container(void)
{
	return access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0 ||
	       access("/run/systemd/container", F_OK) == 0;
}

void probe_facts_read(struct probe_facts *f)
{
	struct utsname name;
	AUTO_FREE char *self = paths_self();

	*f = (struct probe_facts){ 0 };
	read_os(f);
	if (uname(&name) == 0)
		(void)snprintf(f->kernel, sizeof(f->kernel), "%.63s", name.release);
	(void)snprintf(f->self, sizeof(f->self), "%s", self != NULL ? self : "agentjail");
	f->is_root = geteuid() == 0;
	f->is_chroot = in_chroot();
	f->is_container = in_container();
	f->is_filtered = is_filtered();
	f->userns_clone = read_number("/proc/sys/kernel/unprivileged_userns_clone");
	f->max_userns = read_number("/proc/sys/user/max_user_namespaces");
	f->apparmor_userns = read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns");
	f->ptrace_scope = read_number("/proc/sys/kernel/yama/ptrace_scope");
	f->memfd_noexec = read_number("/proc/sys/vm/memfd_noexec");
	f->max_watches = read_number("/proc/sys/fs/inotify/max_user_watches");
	f->max_instances = read_number("/proc/sys/fs/inotify/max_user_instances");
	f->max_queued = read_number("/proc/sys/fs/inotify/max_queued_events");
}

bool probe_facts_is(const struct probe_facts *facts, const char *id)
{
	char word[32];

	(void)snprintf(word, sizeof(word), " %s ", id);
	return strstr(facts->ids, word) != NULL;
}

void probe_found(struct probe_result *result, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(result->found, sizeof(result->found), format, ap);
	va_end(ap);
}

void probe_fail(
	struct probe_result *result, enum probe_state state, const char *lost, const char *fix)
{
	result->state = state;
	(void)snprintf(result->lost, sizeof(result->lost), "%s", lost);
	(void)snprintf(result->fix, sizeof(result->fix), "%s", fix != NULL ? fix : "");
}
