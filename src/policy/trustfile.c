/*
 * See trustfile.h. Runs where profiles are read, with the user's rights. Hostile: the project's
 * profile and its path; not the file of what is trusted, whose owner and mode are checked.
 */
#include "policy/trustfile.h"

#include "base/cleanup.h"
#include "policy/layer.h"
#include "policy/lines.h"
#include "policy/profilefile.h"
#include "policy/store.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int trustfile_read(const char *config_dir, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf path = { 0 };
	int r;

	if (config_dir == NULL)
		return 0;
	buf_addf(&path, "%s/" TRUSTFILE_NAME, config_dir);
	if (path.failed)
		return err_set(err, ENOMEM, "what is trusted");
	r = profilefile_read(path.data, true, out, err);
	return r < 0 ? r : 0;
}

void trustfile_hash(const char *text, size_t n, char ret[SHA256_HEX_BYTES])
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 hash;

	sha256_init(&hash);
	sha256_add(&hash, text, n);
	sha256_final(&hash, digest);
	sha256_hex(digest, ret);
}

bool trustfile_next(const char **at, const char **ret_hash, const char **ret_path, size_t *ret_n)
{
	static const char digits[] = "0123456789abcdef";
	const size_t hash_n = SHA256_HEX_BYTES - 1;

	while (*at != NULL && **at != '\0') {
		const char *line = *at;
		size_t n = strcspn(line, "\n");

		*at = line + n + (line[n] == '\n');
		if (n < hash_n + 2 || strspn(line, digits) != hash_n || line[hash_n] != ' ' ||
			line[hash_n + 1] != '/')
			continue; /* a comment, or nothing of ours */
		*ret_hash = line;
		*ret_path = line + hash_n + 1;
		*ret_n = n - hash_n - 1;
		return true;
	}
	return false;
}

enum trustfile_state trustfile_find(const char *trusted, const char *path, const char *hash)
{
	enum trustfile_state state = TRUSTFILE_UNKNOWN;
	const char *own_hash, *own_path;
	size_t n;

	while (trustfile_next(&trusted, &own_hash, &own_path, &n)) {
		if (n != strlen(path) || memcmp(own_path, path, n) != 0)
			continue;
		if (memcmp(own_hash, hash, SHA256_HEX_BYTES - 1) == 0)
			return TRUSTFILE_TRUSTED;
		state = TRUSTFILE_CHANGED;
	}
	return state;
}

/* A cell's own /tmp is not the host's, and what is written to an overlay stays in the cell. */
static bool may_write(const struct policy *policy, const char *path)
{
	struct policy_question question = { .action = POLICY_WRITE, .path = path };
	struct policy_answer answer;

	policy_decide(policy, &question, &answer);
	return answer.verdict == POLICY_ALLOWED && answer.file_kind == POLICY_FILE_WRITE &&
		answer.item != NULL;
}

/* What is not there is hidden from nobody: could they make it? */
static bool may_make(const struct policy *policy, const char *path)
{
	AUTO_FREE char *above = strdup(path);
	struct stat st;
	bool is_missing = false;

	while (above != NULL && lstat(above, &st) < 0 && strrchr(above, '/') > above) {
		*strrchr(above, '/') = '\0';
		is_missing = true;
	}
	return above == NULL || (is_missing && may_write(policy, above));
}

bool trustfile_is_reached(const struct policy *policy, const char *config_dir)
{
	AUTO_BUF struct buf path = { 0 };
	AUTO_FREE char *resolved = NULL;

	buf_addf(&path, "%s/" TRUSTFILE_NAME, config_dir);
	if (path.failed || may_write(policy, path.data) || may_make(policy, config_dir))
		return true;
	resolved = realpath(path.data, NULL);
	return resolved != NULL && may_write(policy, resolved);
}

int trustfile_review(const struct policy_request *request, const char *file, const struct buf *text,
	bool *loosens, size_t n_lines, struct err *err)
{
	AUTO_LINES struct lines lines = { 0 };
	struct layer layer = { .kind = LAYER_PROJECT,
		.places = { .home = request->home, .project = request->project } };
	int r = lines_parse(&lines, file, text->data != NULL ? text->data : "", text->len, err);

	if (r < 0)
		return r;
	layer.policy = store_new(request->project, request->home);
	layer.file = layer.policy != NULL ? store_keep(layer.policy, file) : NULL;
	if (layer.file == NULL)
		r = err_set(err, ENOMEM, "%s", TRUSTFILE_PROJECT);
	for (size_t i = 0; i < lines.n && r == 0; i++) {
		unsigned before = layer.skipped_lines;

		r = layer_line(&layer, &lines.entries[i], err);
		if (layer.skipped_lines > before && lines.entries[i].line < n_lines)
			loosens[lines.entries[i].line] = true;
	}
	policy_free(layer.policy);
	return r;
}
