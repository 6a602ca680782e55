/*
 * What a source may touch: files, programs and variables that nothing in the session can change.
 * Runs in the warden before a session starts, and in source processes. Hostile: whatever a command
 * of an earlier session has left, as file or as link.
 */
#include "keeper/source.h"

#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

bool source_place_expand(const struct run_plan *plan, const char *path, struct buf *out)
{
	if (path[0] == '~' && path[1] == '/') {
		buf_adds(out, plan->home);
		path++;
	}
	buf_adds(out, path);
	return !out->failed;
}

/*
 * Commands: what they write is the host's file, not a copy, and not in the session's own /tmp. The
 * agent: its own state, which its file tools change without any command.
 */
static bool is_writable(const struct run_plan *plan, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	policy_decide(plan->session_policy != NULL ? plan->session_policy : plan->policy, &question,
		&answer);
	return answer.key != PK_COUNT &&
	       (answer.file_kind == POLICY_FILE_WRITE || answer.key == PK_AGENT_KEEP ||
		       answer.key == PK_AGENT_PRIVATE);
}

static int refuse(const char *path, struct err *err)
{
	char shown[160];

	return err_set(err, EPERM,
		"%s can be written in this session; keep it outside of the project and of what "
		"[files] write names",
		log_quote(path, strlen(path), shown, sizeof(shown)));
}

/* A walk along a path: what is behind, and what is still ahead. */
struct walk {
	struct buf at; /* absolute, no link left in it; empty: the root */
	struct buf rest;
	unsigned n_links;
};

/* Rationale: as many as the kernel follows (path_resolution(7)). */
#define LINKS_MAX 40u

/* Takes the first component off walk->rest; n: its length, 0: there is none. */
static size_t next_component(struct walk *walk, char *out)
{
	const char *from = walk->rest.data + strspn(walk->rest.data, "/");
	size_t n = strcspn(from, "/");

	if (n > NAME_MAX)
		n = NAME_MAX;
	memcpy(out, from, n);
	out[n] = '\0';
	walk->rest.len -= (size_t)(from - walk->rest.data) + n;
	memmove(walk->rest.data, from + n, walk->rest.len + 1);
	return n;
}

/* Puts a link's target before what is ahead. */
static int follow(struct walk *walk, size_t parent_len, struct err *err)
{
	AUTO_BUF struct buf ahead = { 0 };
	char target[PATH_MAX];
	ssize_t n = readlink(walk->at.data, target, sizeof(target) - 1);

	if (n < 0)
		return err_set(err, errno, "readlink");
	if (++walk->n_links > LINKS_MAX)
		return err_set(err, ELOOP, "path");
	target[n] = '\0';
	buf_addf(&ahead, "%s/%s", target, walk->rest.data);
	if (ahead.failed)
		return err_set(err, ENOMEM, "path");
	walk->at.len = target[0] == '/' ? 0 : parent_len;
	walk->at.data[walk->at.len] = '\0';
	walk->rest.len = 0;
	buf_add(&walk->rest, ahead.data, ahead.len);
	return walk->rest.failed ? err_set(err, ENOMEM, "path") : 0;
}

static int step(const struct run_plan *plan, struct walk *walk, const char *name, struct err *err)
{
	size_t parent_len = walk->at.len;
	struct stat st;

	if (strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		while (walk->at.len > 0 && walk->at.data[--walk->at.len] != '/')
			;
		walk->at.data[walk->at.len] = '\0';
		return 0;
	}
	buf_addf(&walk->at, "/%s", name);
	if (walk->at.failed)
		return err_set(err, ENOMEM, "path");
	if (is_writable(plan, walk->at.data))
		return refuse(walk->at.data, err);
	if (lstat(walk->at.data, &st) < 0)
		return err_set(err, errno, "path");
	return S_ISLNK(st.st_mode) ? follow(walk, parent_len, err) : 0;
}

/* As the kernel goes, one component after the other: each of them, link or not, is looked at. */
int source_place_check(const struct run_plan *plan, const char *path, struct err *err)
{
	struct walk walk = { 0 };
	char name[NAME_MAX + 1];
	int r = 0;

	buf_adds(&walk.at, "");
	buf_adds(&walk.rest, path);
	if (walk.at.failed || walk.rest.failed)
		r = err_set(err, ENOMEM, "path");
	while (r == 0 && next_component(&walk, name) > 0)
		r = step(plan, &walk, name, err);
	buf_done(&walk.at);
	buf_done(&walk.rest);
	return r;
}

/* ---- the environment of commands ---- */

/*
 * What keyrings, password managers and clouds' tools need to find the user's session and settings.
 * Names are globs. A value that is a path is dropped when it leads to where a cell can write.
 */
static const char *const kept[] = { "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_*", "TZ",
	"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME",
	"DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY",
	"GNUPGHOME", "PASSWORD_STORE_DIR", "OP_*", "BW_*", "VAULT_*", "AWS_*", "CLOUDSDK_*",
	"AZURE_*", "GH_CONFIG_DIR", "GH_HOST", "KRB5CCNAME", "HTTP_PROXY", "HTTPS_PROXY",
	"NO_PROXY", "http_proxy", "https_proxy", "no_proxy" };

#define SYSTEM_PATH "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin"

static bool is_kept(const struct run_plan *plan, const char *assignment)
{
	size_t n = strcspn(assignment, "=");
	const char *value = assignment + n + 1;
	char name[64];
	struct err why = { 0 };

	if (assignment[n] == '\0' || n >= sizeof(name))
		return false;
	memcpy(name, assignment, n);
	name[n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (str_glob(kept[i], name))
			return value[0] != '/' || strcmp(name, "HOME") == 0 ||
			       source_place_check(plan, value, &why) == 0 || why.code == ENOENT;
	return false;
}

/* System directories, then the user's own that nothing in the session can write. */
static void add_path(const struct run_plan *plan, struct buf *out)
{
	const char *dir = getenv("PATH");
	struct err ignored;

	buf_adds(out, "PATH=" SYSTEM_PATH);
	for (size_t n; dir != NULL && *dir != '\0'; dir += n + (dir[n] == ':')) {
		AUTO_FREE char *one = NULL;

		n = strcspn(dir, ":");
		one = strndup(dir, n);
		if (one != NULL && one[0] == '/' && source_place_check(plan, one, &ignored) == 0)
			buf_addf(out, ":%s", one);
	}
}

char **source_place_environ(const struct run_plan *plan)
{
	AUTO_BUF struct buf path = { 0 };
	size_t n = 0, out = 0;
	char **list;

	while (environ[n] != NULL)
		n++;
	list = calloc(n + 2, sizeof(list[0]));
	add_path(plan, &path);
	if (list == NULL || path.failed) {
		free(list);
		return NULL;
	}
	list[out++] = take_ptr(&path.data);
	for (size_t i = 0; i < n; i++)
		if (is_kept(plan, environ[i]) && (list[out] = strdup(environ[i])) != NULL)
			out++;
	return list;
}
