/*
 * What the host's configuration of git names in the project. Runs in the warden, with the user's own
 * rights. The configuration is the host's own (cells have never written it); hostile: what lies at the
 * names in the project, links among it.
 */
#include "cell/plan.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/gitconfig.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: git's own limit of files that include files is ten. */
#define INCLUDE_DEPTH_MAX 10u
/* Rationale: a command of configuration is a line; longer ones name programs, not arguments. */
#define WORDS_MAX 16u

struct names {
	const struct run_plan *run;
	struct mount_plan *plan;
	const char *dir; /* of the file that is read */
	unsigned depth;
};

static int read_config(struct names *n, const char *path, struct err *err);

/* Mounted onto themselves the directories above a path cannot be renamed away. */
static int pin_above(const struct names *n, const char *path, struct err *err)
{
	size_t project = strlen(n->run->project);
	char dir[PATH_MAX];
	int r = 0;

	for (const char *s = path + project + 1; r == 0 && (s = strchr(s, '/')) != NULL; s++) {
		struct mount_entry pin = { .path = dir, .kind = MOUNT_PIN, .is_dir = true,
			.is_in_project = true };
		struct stat st;

		(void)snprintf(dir, sizeof(dir), "%.*s", (int)(s - path), path);
		if (lstat(dir, &st) < 0 || !S_ISDIR(st.st_mode))
			return 0;
		pin.dev = st.st_dev;
		pin.ino = st.st_ino;
		r = plan_add(n->plan, pin, err);
	}
	return r;
}

/* What the policy hides, protects or holds is seen to already, and perhaps so that it can be changed. */
static bool is_plain(const struct names *n, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	policy_decide(n->run->policy, &question, &answer);
	return answer.file_kind == POLICY_FILE_WRITE;
}

static int protect(const struct names *n, const char *path, struct err *err)
{
	struct mount_entry entry = { .path = (char *)(size_t)path, .kind = MOUNT_PROTECT,
		.is_in_project = true };
	struct stat st;

	if (!plan_is_below(path, n->run->project) || strcmp(path, n->run->project) == 0 ||
		!is_plain(n, path) || lstat(path, &st) < 0)
		return 0;
	entry.is_dir = S_ISDIR(st.st_mode);
	entry.dev = st.st_dev;
	entry.ino = st.st_ino;
	return plan_add(n->plan, entry, err) < 0 ? -err->code : pin_above(n, path, err);
}

/* A name as git takes it: "~/", absolute, or relative to base. False: it is too long, or another's. */
static bool expand(const struct names *n, const char *base, const char *value, char out[PATH_MAX])
{
	bool is_home = str_starts(value, "~/");
	int len;

	if (value[0] == '\0' || (value[0] == '~' && !is_home))
		return false;
	if (value[0] == '/')
		len = snprintf(out, PATH_MAX, "%s", value);
	else
		len = snprintf(out, PATH_MAX, "%s/%s", is_home ? n->run->home : base, value + 2 * is_home);
	return len < PATH_MAX;
}

/*
 * The name itself, with the directories above it resolved, and what it leads to: a link can be replaced
 * where it lies, a file where it is.
 */
static int add_path(const struct names *n, const char *path, struct err *err)
{
	char real[PATH_MAX], parent[PATH_MAX], name[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int r = 0;

	if (realpath(path, real) == NULL)
		return 0;
	(void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
	if (slash > path && slash[1] != '\0' && realpath(parent, name) != NULL) {
		size_t len = strlen(name);

		if (len + strlen(slash) < sizeof(name)) {
			memcpy(name + len, slash, strlen(slash) + 1);
			r = strcmp(name, real) != 0 ? protect(n, name, err) : 0;
		}
	}
	return r < 0 ? r : protect(n, real, err);
}

/* Words with a slash in them that are files of the project; the shell's quotes are not part of one. */
static int add_command(const struct names *n, const char *value, struct err *err)
{
	static const char between[] = " \t\n\"';|&()<>!";
	int r = 0;

	for (unsigned i = 0; r == 0 && i < WORDS_MAX && *value != '\0'; i++) {
		size_t len;
		char word[PATH_MAX], path[PATH_MAX];

		value += strspn(value, between);
		len = strcspn(value, between);
		if (len > 0 && len < sizeof(word)) {
			memcpy(word, value, len);
			word[len] = '\0';
			if (strchr(word, '/') != NULL && expand(n, n->run->project, word, path))
				r = add_path(n, path, err);
		}
		value += len;
	}
	return r;
}

static int add_include(struct names *n, const char *value, struct err *err)
{
	struct names below = { .run = n->run, .plan = n->plan, .depth = n->depth + 1 };
	char path[PATH_MAX];
	int r;

	if (!expand(n, n->dir, value, path))
		return 0;
	r = add_path(n, path, err);
	return r < 0 || below.depth > INCLUDE_DEPTH_MAX ? r : read_config(&below, path, err);
}

static int add_variable(struct names *n, const struct gitconfig_variable *v, struct err *err)
{
	char path[PATH_MAX];

	if (v->value == NULL)
		return 0;
	switch (gitconfig_names(v)) {
	case GITCONFIG_NAMES_INCLUDE:
		return add_include(n, v->value, err);
	case GITCONFIG_NAMES_PATH:
		return expand(n, n->run->project, v->value, path) ? add_path(n, path, err) : 0;
	case GITCONFIG_NAMES_COMMAND:
		return add_command(n, v->value, err);
	case GITCONFIG_NAMES_NOTHING:
	default:
		return 0;
	}
}

static int read_config(struct names *n, const char *path, struct err *err)
{
	AUTO_CLOSE int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	AUTO_GITCONFIG struct gitconfig config = { 0 };
	AUTO_BUF struct buf text = { 0 };
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir = slash == NULL ? NULL : strndup(path, (size_t)(slash - path));
	struct err ignored = { 0 };
	struct stat st;
	int r = 0;

	if (file < 0 || dir == NULL || fstat(file, &st) < 0 || !S_ISREG(st.st_mode) ||
		buf_read_fd(&text, file, GITCONFIG_BYTES_MAX) < 0 ||
		gitconfig_parse(text.data, text.len, &config, &ignored) < 0)
		return 0;
	n->dir = dir;
	for (size_t i = 0; r == 0 && i < config.n; i++)
		r = add_variable(n, &config.variables[i], err);
	return r;
}

int plan_add_gitnames(const struct run_plan *run, struct mount_plan *plan, struct err *err)
{
	static const char *const places[] = { ".git/config", ".git/config.worktree" };
	static const char *const own[] = { ".gitconfig", ".config/git/config" };
	struct names n = { .run = run, .plan = plan };
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(places); i++)
		if (snprintf(path, sizeof(path), "%s/%s", run->project, places[i]) < PATH_MAX)
			r = read_config(&n, path, err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(own); i++)
		if (snprintf(path, sizeof(path), "%s/%s", run->home, own[i]) < PATH_MAX)
			r = read_config(&n, path, err);
	return r;
}
