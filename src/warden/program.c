/*
 * Runs in the warden before anything of the session is started. Hostile: nothing yet but a PATH or
 * a program that the project can write: such a program is refused, for a command in a cell could
 * change what the agent context executes.
 */
#include "warden/program.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "policy/trusted.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Rationale: the kernel's own limits (execve(2)): 256 bytes of a `#!` line, four interpreters. */
#define SHEBANG_BYTES 256
#define SHEBANG_DEPTH 4
#define SHEBANG_WORDS 16

char *program_which(const char *name, const char *path_variable)
{
	const char *path = path_variable != NULL ? path_variable : "/usr/local/bin:/usr/bin:/bin";
	int failure = ENOENT;

	if (strchr(name, '/') != NULL) {
		struct stat st;

		if (stat(name, &st) < 0)
			return NULL;
		if (!S_ISREG(st.st_mode) || access(name, X_OK) < 0) {
			errno = EACCES;
			return NULL;
		}
		return strdup(name);
	}
	for (const char *dir = path; *name != '\0' && *dir != '\0';) {
		size_t n = strcspn(dir, ":");
		AUTO_BUF struct buf candidate = { 0 };
		struct stat st;

		buf_add(&candidate, n > 0 ? dir : ".", n > 0 ? n : 1);
		buf_addf(&candidate, "/%s", name);
		if (candidate.failed)
			return NULL;
		if (stat(candidate.data, &st) == 0 && S_ISREG(st.st_mode)) {
			if (access(candidate.data, X_OK) == 0)
				return take_ptr(&candidate.data);
			failure = EACCES;
		}
		dir += n;
		if (*dir == ':')
			dir++;
	}
	errno = failure;
	return NULL;
}

/* The words of a `#!` line: interpreter and at most one argument, or, with env -S, several. */
static size_t read_shebang(const char *path, char line[SHEBANG_BYTES], char *words[SHEBANG_WORDS])
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, SHEBANG_BYTES - 1);
	char *rest = line + 2, *word;
	size_t count = 0;

	if (n < 3 || line[0] != '#' || line[1] != '!')
		return 0;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	while (count < SHEBANG_WORDS - 1 && (word = strsep(&rest, " \t")) != NULL)
		if (*word != '\0')
			words[count++] = word;
	return count;
}

static bool is_env(const char *path)
{
	return strcmp(path, "/usr/bin/env") == 0 || strcmp(path, "/bin/env") == 0;
}

/* Puts words before argv, whose first element becomes the script's path. */
static int prepend(struct program *p, char *const *words, size_t n, const char *script)
{
	size_t old = 0;
	char **argv;

	while (p->argv[old] != NULL)
		old++;
	argv = calloc(n + old + 2, sizeof(argv[0]));
	if (argv == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		argv[i] = strdup(words[i]);
	argv[n] = strdup(script);
	for (size_t i = 1; i < old; i++)
		argv[n + i] = p->argv[i];
	free(p->argv[0]);
	free(p->argv);
	p->argv = argv;
	return 0;
}

/* One `#!` step: 1 when there was one, 0 at the end, -errno. */
static int follow_script(struct program *p, struct err *err)
{
	char line[SHEBANG_BYTES], *words[SHEBANG_WORDS];
	size_t n = read_shebang(p->path, line, words), first = 0;
	AUTO_FREE char *interp = NULL;

	if (n == 0)
		return 0;
	if (is_env(words[0]) && n > 1) {
		first = strcmp(words[1], "-S") == 0 && n > 2 ? 2 : 1;
		interp = program_which(words[first], getenv("PATH"));
	} else {
		interp = program_which(words[0], NULL);
	}
	if (interp == NULL)
		return err_set(err, errno, "%s: interpreter %s", p->path, words[first]);
	if (prepend(p, words + first, n - first, p->path) < 0)
		return err_set(err, ENOMEM, "%s", p->path);
	free(p->path);
	p->path = take_ptr(&interp);
	return 1;
}

static int add_file(struct program *p, const char *path, struct err *err)
{
	AUTO_FREE char *real = realpath(path, NULL);
	struct stat st;

	if (real == NULL || stat(real, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (program_lookup(p, st.st_dev, st.st_ino) != NULL)
		return 0;
	if (p->n_files == PROGRAM_FILES_MAX)
		return err_set(err, 0, "[agent] trusted stands for more than %d files; narrow it",
			PROGRAM_FILES_MAX);
	p->exec_paths[p->n_exec_paths++] = real;
	p->files[p->n_files].dev = st.st_dev;
	p->files[p->n_files].ino = st.st_ino;
	p->files[p->n_files++].path = take_ptr(&real);
	return 0;
}

/* The ELF loader that a file names (PT_INTERP, elf(5)): the kernel executes it as well. */
static int add_loader(struct program *p, const char *path, struct err *err)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr head;
	Elf64_Phdr ph;
	char loader[PATH_MAX];

	if (fd < 0 || pread(fd, &head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
		memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64)
		return 0;
	for (unsigned i = 0; i < head.e_phnum; i++) {
		off_t at = (off_t)(head.e_phoff + (uint64_t)i * sizeof(ph));

		if (pread(fd, &ph, sizeof(ph), at) != (ssize_t)sizeof(ph))
			return 0;
		if (ph.p_type != PT_INTERP || ph.p_filesz == 0 || ph.p_filesz >= sizeof(loader))
			continue;
		if (pread(fd, loader, ph.p_filesz, (off_t)ph.p_offset) != (ssize_t)ph.p_filesz)
			return 0;
		loader[ph.p_filesz] = '\0';
		/* Executable, but no program of the agent's: no lookup by inode, only Landlock. */
		if (p->n_exec_paths < PROGRAM_FILES_MAX)
			p->exec_paths[p->n_exec_paths++] = strdup(loader);
		return 0;
	}
	(void)err;
	return 0;
}

/* {root}: the outermost node_modules above the program, else the program's directory. */
static char *package_root(const char *program)
{
	const char *modules = strstr(program, "/node_modules/");
	const char *slash = strrchr(program, '/');
	size_t n = modules != NULL ? (size_t)(modules - program) + strlen("/node_modules")
				   : (size_t)(slash - program);

	return strndup(program, n > 0 ? n : 1);
}

static int copy_argv(struct program *p, const char *const *argv)
{
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	p->argv = calloc(n + 1, sizeof(p->argv[0]));
	for (size_t i = 0; p->argv != NULL && i < n; i++)
		p->argv[i] = strdup(argv[i]);
	return p->argv == NULL ? -ENOMEM : 0;
}

static bool is_in_project(const struct run_plan *plan, const char *path)
{
	size_t n = strlen(plan->project);

	return strncmp(path, plan->project, n) == 0 && path[n] == '/';
}

static int refuse_writable(const struct run_plan *plan, const char *path, struct err *err)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	/* The /tmp of commands is the session's; the package in the host's is bound over it. */
	if (str_starts(path, "/tmp/") && !is_in_project(plan, path))
		return 0;
	policy_decide(plan->policy, &question, &answer);
	if (answer.verdict != POLICY_ALLOWED)
		return 0;
	return err_set(err, 0,
		"the agent's program %s can be written by its own commands; install it outside %s",
		path, plan->project);
}

int program_find(const struct run_plan *plan, struct program *ret, struct err *err)
{
	struct program p = { 0 };
	int r = 1;

	p.path = program_which(plan->argv[0], getenv("PATH"));
	if (p.path == NULL)
		return err_set(err, errno, "%s", plan->argv[0]);
	p.agent = realpath(p.path, NULL);
	p.script = strdup(p.path);
	if (p.agent == NULL || p.script == NULL || copy_argv(&p, plan->argv) < 0)
		r = err_set(err, errno, "%s", p.path);
	for (unsigned depth = 0; r == 1 && depth <= SHEBANG_DEPTH; depth++)
		r = follow_script(&p, err);
	if (r == 1)
		r = err_set(err, ELOOP, "%s: too many interpreters", plan->argv[0]);
	if (r == 0) {
		p.interp = realpath(p.path, NULL);
		p.root = package_root(p.agent);
		if (p.interp == NULL || p.root == NULL)
			r = err_set(err, errno, "%s", p.path);
	}
	if (r == 0 && !plan->is_run_verb && plan->mode == RUN_SPLIT)
		r = refuse_writable(plan, p.agent, err);
	if (r == 0 && !plan->is_run_verb && plan->mode == RUN_SPLIT)
		r = refuse_writable(plan, p.script, err);
	if (r == 0)
		r = add_file(&p, p.path, err);
	if (r == 0)
		r = add_loader(&p, p.path, err);
	if (r < 0)
		program_done(&p);
	else
		*ret = p;
	return r;
}

static int add_trusted_file(const struct run_plan *plan, struct program *p, const char *path,
	struct err *err)
{
	if (refuse_writable(plan, path, err) < 0 || add_file(p, path, err) < 0)
		return -err->code;
	return add_loader(p, path, err);
}

int program_add_trusted(const struct run_plan *plan, struct program *p, struct err *err)
{
	struct policy_exec exec = { .program = p->agent, .interp = p->interp, .root = p->root };
	size_t n;
	const struct policy_item *items = policy_list(plan->policy, PK_AGENT_TRUSTED, &n);

	for (size_t i = 0; i < n; i++) {
		AUTO_BUF struct buf pattern = { 0 };
		glob_t found = { 0 };
		int r = 0;

		if (!trusted_file(items[i].value, &exec, &pattern) || pattern.failed)
			return err_set(err, 0, "%s:%u: cannot be expanded", items[i].origin.file,
				items[i].origin.line);
		if (glob(pattern.data, GLOB_NOSORT, NULL, &found) == 0)
			for (size_t k = 0; r == 0 && k < found.gl_pathc; k++)
				r = add_trusted_file(plan, p, found.gl_pathv[k], err);
		globfree(&found);
		if (r < 0)
			return r;
	}
	return 0;
}

const struct program_file *program_lookup(const struct program *p, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < p->n_files; i++)
		if (p->files[i].ino == ino && p->files[i].dev == dev)
			return &p->files[i];
	return NULL;
}

void program_done(struct program *p)
{
	for (size_t i = 0; p->argv != NULL && p->argv[i] != NULL; i++)
		free(p->argv[i]);
	free(p->argv);
	for (size_t i = 0; i < p->n_exec_paths; i++)
		free((void *)(size_t)p->exec_paths[i]);
	free(p->path);
	free(p->agent);
	free(p->interp);
	free(p->script);
	free(p->root);
	*p = (struct program){ 0 };
}
