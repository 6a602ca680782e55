/*
 * See trustlist.h. Runs in the `agentjail` process with the user's rights. Hostile: names of files of
 * the project.
 */
#include "cli/trustlist.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "policy/profilefile.h"
#include "policy/trustfile.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUOTE_BYTES 256
/* Rationale: a second's walk; what agents load stands near the top. */
#define WALK_MAX 50000
/* Rationale: a screen of them; more are counted. */
#define SHOWN_MAX 40

static const char head[] = "# Projects whose .agentjail.ini was trusted, as it was then (agentjail trust).\n";

/* ---- the file ---- */

static int make_dir(const char *dir, struct err *err)
{
	AUTO_FREE char *above = strdup(dir);
	char *slash = above != NULL ? strrchr(above, '/') : NULL;
	char quoted[QUOTE_BYTES];

	if (slash != NULL && slash != above) {
		*slash = '\0';
		(void)mkdir(above, 0700);
	}
	if (mkdir(dir, 0700) == 0 || errno == EEXIST)
		return 0;
	return err_set(err, errno, "%s", log_quote(dir, strlen(dir), quoted, sizeof(quoted)));
}

/* All but what is said of path; and that, when there is a hash. */
static void add_lines(const char *old, const char *path, const char *hash, struct buf *out)
{
	const char *own_hash, *own_path;
	size_t n;

	buf_adds(out, head);
	while (trustfile_next(&old, &own_hash, &own_path, &n))
		if (n != strlen(path) || memcmp(own_path, path, n) != 0)
			buf_addf(out, "%.*s %.*s\n", SHA256_HEX_BYTES - 1, own_hash, (int)n,
				own_path);
	if (hash != NULL)
		buf_addf(out, "%s %s\n", hash, path);
}

static int replace(const char *config_dir, const struct buf *text, struct err *err)
{
	AUTO_FREE char *name = NULL;
	AUTO_FREE char *temporary = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	if (asprintf(&name, "%s/" TRUSTFILE_NAME, config_dir) < 0 ||
		asprintf(&temporary, "%s.XXXXXX", name) < 0)
		return err_set(err, ENOMEM, "what is trusted");
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return err_set(err, errno, "%s", temporary);
	r = write_all(fd, text->data, text->len);
	if (r == 0 && (fsync(fd) < 0 || rename(temporary, name) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlink(temporary);
		return err_set(err, -r, "%s", name);
	}
	return 0;
}

int trustlist_set(const char *config_dir, const char *path, const char *hash, struct err *err)
{
	AUTO_BUF struct buf old = { 0 }, text = { 0 };
	AUTO_CLOSE int dir = -1;
	char quoted[QUOTE_BYTES];
	int r;

	(void)log_quote(path, strlen(path), quoted, sizeof(quoted));
	if (strchr(path, '\n') != NULL)
		return err_set(err, 0, "%s: a path with a line break cannot be trusted", quoted);
	r = make_dir(config_dir, err);
	if (r < 0)
		return r;
	dir = open(config_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || flock(dir, LOCK_EX) < 0)
		return err_set(err, errno, "%s", config_dir);
	r = trustfile_read(config_dir, &old, err);
	if (r < 0)
		return r;
	add_lines(old.data, path, hash, &text);
	if (text.failed)
		return err_set(err, ENOMEM, "what is trusted");
	if (text.len > PROFILEFILE_MAX)
		return err_set(err, 0, "too many projects are trusted; take some out with --forget");
	return replace(config_dir, &text, err);
}

static const char *state_of(const char *path, const char *hash)
{
	AUTO_BUF struct buf text = { 0 };
	char now[SHA256_HEX_BYTES];
	struct err failed = { 0 };
	int r = profilefile_read(path, true, &text, &failed);

	if (r == 0)
		return "gone";
	if (r < 0)
		return "unreadable";
	trustfile_hash(text.data != NULL ? text.data : "", text.len, now);
	return memcmp(now, hash, sizeof(now) - 1) == 0 ? "trusted" : "changed";
}

int trustlist_add(const char *config_dir, struct buf *out, struct err *err)
{
	AUTO_BUF struct buf text = { 0 };
	const char *at, *hash, *own_path;
	size_t n;
	int r = trustfile_read(config_dir, &text, err);

	if (r < 0)
		return r;
	at = text.data;
	while (trustfile_next(&at, &hash, &own_path, &n)) {
		AUTO_FREE char *path = strndup(own_path, n);

		if (path == NULL)
			return err_set(err, ENOMEM, "what is trusted");
		buf_addf(out, "%-11s", state_of(path, hash));
		if (str_ends(path, "/" TRUSTFILE_PROJECT))
			path[n - strlen("/" TRUSTFILE_PROJECT)] = '\0';
		listing_add_quoted(out, path);
		buf_adds(out, "\n");
	}
	return 0;
}

/* ---- what agents do not see ---- */

struct hidden {
	const struct launch *launch;
	struct buf *out;
	unsigned n_walked, n_shown, n_more;
};

static const struct policy_item *hiding_line(const struct policy *policy, const char *path,
	const char *project)
{
	size_t n = 0;
	const struct policy_item *items = policy_list(policy, PK_AGENT_HIDE, &n);

	for (size_t i = 0; i < n; i++)
		if (policy_path_matches(items[i].value, path, project))
			return &items[i];
	return NULL;
}

static void add_hidden(struct hidden *h, const char *path, const char *agent,
	const struct policy_item *item)
{
	if (h->n_shown == SHOWN_MAX) {
		h->n_more++;
		return;
	}
	h->n_shown++;
	buf_adds(h->out, "    ");
	listing_add_quoted(h->out, path + strlen(h->launch->paths.project) + 1);
	buf_addf(h->out, "  (%s, ", agent);
	listing_add_quoted(h->out, item->origin.file);
	buf_addf(h->out, ":%u)\n", item->origin.line);
}

static void walk(struct hidden *h, const char *agent, const struct policy *policy)
{
	const char *project = h->launch->paths.project;
	char *const roots[] = { (char *)(size_t)project, NULL };
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_NOSTAT | FTS_XDEV, NULL);
	FTSENT *e;

	while (fts != NULL && (e = fts_read(fts)) != NULL && h->n_walked < WALK_MAX) {
		const struct policy_item *item;

		if (e->fts_level == FTS_ROOTLEVEL || e->fts_info == FTS_DP)
			continue;
		h->n_walked++;
		item = hiding_line(policy, e->fts_path, project);
		if (item != NULL)
			add_hidden(h, e->fts_path, agent, item);
		if (item != NULL || strcmp(e->fts_name, ".git") == 0)
			(void)fts_set(fts, e, FTS_SKIP);
	}
	if (fts != NULL)
		(void)fts_close(fts);
}

/* The profiles that are installed: which agent will be started is not known. */
void trustlist_add_hidden(const struct launch *launch, struct buf *out)
{
	char **agents = profilefile_names(launch->paths.profiles_dir);
	AUTO_BUF struct buf found = { 0 };
	struct hidden h = { .launch = launch, .out = &found };

	for (size_t i = 0; agents != NULL && agents[i] != NULL; i++) {
		struct policy_request request = launch_request(launch, agents[i]);
		struct policy *policy = NULL;
		struct err skipped = { 0 };
		size_t n = 0;

		if (strcmp(agents[i], "default") == 0 || policy_load(&request, &policy, &skipped) < 0)
			continue;
		(void)policy_list(policy, PK_AGENT_HIDE, &n);
		h.n_walked = 0;
		if (n > 0)
			walk(&h, agents[i], policy);
		policy_free(policy);
	}
	policy_free_strings(agents);
	if (found.len > 0) {
		buf_adds(out, "Agents that would load these do not see them, trusted or not:\n");
		buf_add(out, found.data, found.len);
	}
	if (h.n_more > 0)
		buf_addf(out, "    and %u more\n", h.n_more);
	out->failed |= found.failed;
}
