/*
 * The fakes. Runs in the warden before anything hostile does. Nothing of a real file is read: that it
 * is there is enough.
 */
#include "warden/lure.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

/* Rationale: 40 letters of 62 are 238 bits; what services issue has as many. */
#define TOKEN_BYTES 40u
_Static_assert(TOKEN_BYTES >= HONEY_TOKEN_MIN, "one can be found");

#define KEY                                                                                        \
	"-----BEGIN OPENSSH PRIVATE KEY-----\n"                                                     \
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAA{}\n{}\n{}\n"                      \
	"-----END OPENSSH PRIVATE KEY-----\n"

/* {} is a key. Hosts, profiles and variables are of names that nothing asks for by itself. */
static const struct store {
	const char *path, *text;
} stores[] = {
	{ "~/.aws/credentials", "[backup-admin]\naws_access_key_id = AKIA{}\n"
				"aws_secret_access_key = {}\n" },
	{ "~/.ssh/id_rsa", KEY },
	{ "~/.ssh/id_ed25519", KEY },
	{ "~/.ssh/id_ecdsa", KEY },
	{ "~/.ssh/id_dsa", KEY },
	{ "~/.netrc", "machine backup-admin.internal login deploy password {}\n" },
	{ "~/_netrc", "machine backup-admin.internal login deploy password {}\n" },
	{ "~/.git-credentials", "https://deploy:ghp_{}@backup-admin.internal\n" },
	{ "~/.pgpass", "backup-admin.internal:5432:*:deploy:{}\n" },
	{ "~/.npmrc", "//backup-admin.internal/:_authToken=npm_{}\n" },
	{ "~/.pypirc", "[backup-admin]\nusername = __token__\npassword = pypi-{}\n" },
	{ "~/.config/gh/hosts.yml", "backup-admin.internal:\n    oauth_token: gho_{}\n"
				    "    user: deploy\n" },
	{ "~/.docker/config.json", "{\"auths\":{\"backup-admin.internal\":{\"auth\":\"{}\"}}}\n" },
	{ "~/.kube/config", "apiVersion: v1\nkind: Config\nusers:\n- name: backup-admin\n"
			    "  user:\n    token: {}\n" },
	{ "~/.cargo/credentials.toml", "[registries.backup-admin]\ntoken = \"{}\"\n" },
	{ "./.env", "BACKUP_ADMIN_TOKEN={}\nBACKUP_ADMIN_SECRET_KEY={}\n" },
	{ "./.env.local", "BACKUP_ADMIN_TOKEN={}\n" },
	{ "./.env.production", "BACKUP_ADMIN_TOKEN={}\nBACKUP_ADMIN_SECRET_KEY={}\n" },
};
_Static_assert(ARRAY_LEN(stores) <= LURE_FILES_MAX, "they fit");

static bool is_hidden(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_READ, .path = path };
	struct policy_answer answer;
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return false;
	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_DENIED;
}

static int add_key(struct buf *out)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	unsigned char random[TOKEN_BYTES];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		buf_add(out, &letters[random[i] % (sizeof(letters) - 1)], 1);
	return 0;
}

static int fill(struct lure *lure, const struct store *store, struct buf *text)
{
	const char *at = store->text, *mark;

	for (; (mark = strstr(at, "{}")) != NULL; at = mark + 2) {
		size_t start;

		buf_add(text, at, (size_t)(mark - at));
		start = text->len;
		if (add_key(text) < 0)
			return -EIO;
		if (!text->failed)
			buf_add(&lure->list, text->data + start, TOKEN_BYTES);
		buf_addf(&lure->list, " %s\n", store->path);
	}
	buf_adds(text, at);
	return text->failed || lure->list.failed ? -ENOMEM : 0;
}

static int add(struct lure *lure, const struct run_plan *plan, const struct store *store)
{
	struct honey_file *file = &lure->files[lure->n];
	AUTO_BUF struct buf path = { 0 }, text = { 0 };
	bool is_in_project = store->path[0] == '.';
	int r;

	buf_addf(&path, "%s%s", is_in_project ? plan->project : plan->home, store->path + 1);
	if (path.failed)
		return -ENOMEM;
	if (!is_hidden(plan->policy, path.data))
		return 0;
	r = fill(lure, store, &text);
	if (r < 0)
		return r;
	*file = (struct honey_file){ .path = take_ptr(&path.data),
		.text = take_ptr(&text.data),
		.is_in_project = is_in_project };
	lure->n++;
	return 0;
}

int lure_make(const struct run_plan *plan, struct lure *ret, struct err *err)
{
	int r = 0;

	if (strcmp(policy_value(plan->policy, PK_FILES_HONEY)->value, "yes") != 0)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(stores); i++)
		r = add(ret, plan, &stores[i]);
	if (r == 0 && ret->n > 0)
		r = honey_new(ret->list.data, ret->list.len, &ret->known);
	return r < 0 ? err_set(err, -r, "make fake keys") : 0;
}

void lure_done(struct lure *lure)
{
	for (size_t i = 0; i < lure->n; i++) {
		free(lure->files[i].path);
		free(lure->files[i].text);
	}
	buf_done(&lure->list);
	honey_free(lure->known);
	*lure = (struct lure){ .n = 0 };
}

int lure_fd(const struct lure *lure, int *ret, struct err *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	*ret = -1;
	if (lure->known == NULL)
		return 0;
	fd = memfd_create("agentjail-honey", MFD_CLOEXEC);
	r = fd < 0 ? -errno : write_all(fd, lure->list.data, lure->list.len);
	if (r < 0)
		return err_set(err, -r, "make fake keys");
	*ret = take_fd(&fd);
	return 0;
}
