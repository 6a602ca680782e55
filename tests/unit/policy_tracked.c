/*
 * Proves which files are taken for git's, with repositories that git itself makes: loose, packed, with
 * either hash and every version of the index, in worktrees and submodules; and that nothing which a
 * command can write (index, lock, pointers, links) shows a file whose content the repository lacks.
 */
#include "policy/tracked.h"
#include "policy/trackedindex.h"

#include "base/cleanup.h"
#include "base/sha1.h"
#include "policy_fixture.h"

#include <sys/wait.h>

static struct tracked_cache cache;

/* Runs a script in the test's directory. */
static bool sh(const char *script)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (chdir(dir) < 0 || dup2(2, 1) < 0)
			_exit(1);
		(void)setenv("HOME", dir, 1);
		(void)setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
		(void)execl("/bin/sh", "sh", "-ec", script, (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

static const char *judge(const char *project, const char *path)
{
	static const char *const words[] = { "no", "changed", "same" };
	AUTO_CLOSE int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	char full[512], top[256];
	AUTO_CLOSE int file = -1;

	(void)snprintf(top, sizeof(top), "%s/%s", dir, project);
	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	file = open(full, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return "not there";
	return words[tracked_judge(&cache,
		&(struct tracked_question){ .root = root, .file = file, .project = top, .path = path })];
}

static void test_hash(void)
{
	static const unsigned char want[SHA1_BYTES] = { 0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a,
		0xba, 0x3e, 0x25, 0x71, 0x78, 0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d };
	unsigned char got[SHA1_BYTES];
	struct sha1 s;

	sha1_init(&s);
	sha1_add(&s, "a", 1);
	sha1_add(&s, "bc", 2);
	sha1_final(&s, got);
	tap_ok(memcmp(got, want, sizeof(want)) == 0, "SHA-1 of abc (FIPS 180-2, A.1)");
}

/* One repository with sub/.env in it, made with these options. */
static void test_repository(const char *options, const char *then, const char *what)
{
	char script[1024];

	(void)snprintf(script, sizeof(script),
		"rm -rf r; git init -q %s r; cd r; mkdir sub; echo A=1 >sub/.env; "
		"for i in $(seq 50); do echo $i >sub/$i; done; git add .; git commit -qm 1; %s",
		options, then);
	tap_ok(sh(script) && strcmp(judge("r", "sub/.env"), "same") == 0, "%s: as committed", what);
	tap_ok(sh("echo B=2 >>r/sub/.env") && strcmp(judge("r", "sub/.env"), "changed") == 0,
		"%s: changed", what);
	tap_ok(sh("echo A=1 >r/sub/.env; cp r/sub/.env r/.env") &&
			strcmp(judge("r", "sub/.env"), "same") == 0 && strcmp(judge("r", ".env"), "no") == 0,
		"%s: changed back; the same content under a name that is not tracked", what);
}

static void test_repositories(void)
{
	test_repository("", "", "loose objects");
	test_repository("", "git gc -q", "packed");
	test_repository("", "git repack -qad; git multi-pack-index write", "with an index of packs");
	test_repository("--object-format=sha256", "", "SHA-256");
	test_repository("--object-format=sha256", "git gc -q", "SHA-256, packed");
	test_repository("", "git update-index --index-version 4", "index of version 4");
	test_repository("", "git update-index --index-version 3", "index of version 3");
	tap_ok(sh("cd r; git update-index --split-index; echo x >new; git add new") &&
			strcmp(judge("r", "sub/.env"), "same") == 0,
		"split index");
}

static void test_places(void)
{
	tap_ok(sh("rm -rf r w; git init -q r; cd r; echo A=1 >.env; git add .; git commit -qm 1; "
		  "git worktree add -q ../w -b w") && strcmp(judge("w", ".env"), "same") == 0,
		"a linked worktree");
	tap_ok(sh("echo B=2 >w/.env") && strcmp(judge("w", ".env"), "changed") == 0,
		"a linked worktree, changed");
	tap_ok(sh("rm -rf s; git init -q s; cd s; git -c protocol.file.allow=always "
		  "submodule -q add ../r m; git commit -qm 1") && strcmp(judge("s", "m/.env"), "same") == 0,
		"a submodule");
	tap_is(judge("r", ".git/config"), "no", "a file of the repository's own");
	tap_ok(sh("mkdir -p plain; echo A=1 >plain/.env") && strcmp(judge("plain", ".env"), "no") == 0,
		"no repository");
}

/* What commands of a cell could do, who do not know what is in the file. */
static void test_attacks(void)
{
	tap_ok(sh("rm -rf r; git init -q r; cd r; echo A=1 >.env; git add .; git commit -qm 1; "
		  "echo SECRET=x >.env") && strcmp(judge("r", ".env"), "changed") == 0,
		"control: the content is not in the repository");
	tap_ok(sh("cd r; git update-index --assume-unchanged .env; touch .git/index.lock") &&
			strcmp(judge("r", ".env"), "changed") == 0,
		"assume-unchanged and a lock");
	tap_ok(sh("cd r; rm -f .git/index.lock; echo SECRET=x >.other; touch .git/index.lock") &&
			strcmp(judge("r", ".other"), "no") == 0,
		"a lock and a new name");
	tap_ok(sh("cd r; rm .git/index.lock; printf 'SECRET=x\\n' | git hash-object -w --stdin") &&
			strcmp(judge("r", ".env"), "same") == 0,
		"control: whoever can write the object knows the content");
	tap_ok(sh("cd r; rm -rf .git/objects; mkdir .git/objects; for a in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do "
		  "for b in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do ln -s /etc .git/objects/$a$b; done; done") &&
			strcmp(judge("r", ".env"), "changed") == 0,
		"links instead of directories of objects");
	tap_ok(sh("cd r; rm -rf .git/objects; mkdir -p .git/objects/pack; cd .git/objects/pack; "
		  "mkfifo a.idx; printf '\\377tOc\\000\\000\\000\\002' >b.idx; "
		  "head -c 1032 /dev/zero | tr '\\000' '\\377' >>c.idx; : >d.idx; ln -s /dev/zero e.idx") &&
			strcmp(judge("r", ".env"), "changed") == 0,
		"what looks like packs");
	tap_ok(sh("rm -rf g; mkdir g; echo SECRET=x >g/.env; mkfifo g/.git") &&
			strcmp(judge("g", ".env"), "no") == 0,
		"a pipe named .git");
	tap_ok(sh("rm g/.git; echo 'gitdir: ../../../../../../../../proc/self/root' >g/.git") &&
			strcmp(judge("g", ".env"), "no") == 0,
		"a pointer through /proc");
	tap_ok(sh("rm g/.git; ln -s /dev/zero g/.git") && strcmp(judge("g", ".env"), "no") == 0,
		"a link to a device named .git");
}

/* Every cut and every changed byte of an index is read to some end. */
static void test_index(void)
{
	static unsigned char index[4096];
	AUTO_CLOSE int fd = -1;
	unsigned named = 0;
	ssize_t n;

	(void)sh("rm -rf r; git init -q r; cd r; echo 1 >.env; echo 1 >.env.local; git add -f .; "
		 "git update-index --index-version 4");
	fd = open(at("r/.git/index"), O_RDONLY | O_CLOEXEC);
	n = read(fd, index, sizeof(index));
	tap_ok(n > 0 && trackedindex_find(index, (size_t)n, ".env.local").is_named &&
			!trackedindex_find(index, (size_t)n, ".env.loca").is_named &&
			!trackedindex_find(index, (size_t)n, "").is_named,
		"a compressed path");
	tap_ok(!trackedindex_find(index, (size_t)n, "/").is_named &&
			!trackedindex_find(index, (size_t)n, ".env/").is_named,
		"no directory");
	for (size_t cut = 0; n > 0 && cut < (size_t)n; cut++) {
		AUTO_FREE unsigned char *copy = malloc(cut + 1);

		memcpy(copy, index, cut);
		named += trackedindex_find(copy, cut, "no such name").is_named;
	}
	for (size_t i = 0; n > 0 && i < (size_t)n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			index[i] ^= (unsigned char)(1u << bit);
			named += trackedindex_find(index, (size_t)n, "no such name").is_named;
			index[i] ^= (unsigned char)(1u << bit);
		}
	tap_ok(named == 0, "no cut and no changed bit names what is not there");
}

int main(void)
{
	if (!fixture_make())
		return 1;
	(void)sh("git config --global user.email a@example.org; git config --global user.name n; "
		 "git config --global init.defaultBranch main");
	test_hash();
	test_repositories();
	test_places();
	test_attacks();
	test_index();
	tracked_done(&cache);
	tap_ok(sh("rm -rf r w s g plain .gitconfig"), "clean up");
	fixture_remove();
	return tap_done();
}
