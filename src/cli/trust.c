/*
 * `agentjail trust [DIR]`: shows a project's profile and, when the user says so, lets that very content
 * loosen. Runs with the user's rights. Hostile: the project's profile and names; what is shown is
 * what is hashed, read once.
 */
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "cli/listing.h"
#include "cli/trustlist.h"
#include "cli/verbs.h"
#include "policy/profilefile.h"
#include "policy/trustfile.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUOTE_BYTES 256
/* Rationale: a small terminal. */
#define SCREEN_LINES 20

enum trust_status { TRUST_DONE, TRUST_NOT };

/* The project's profile as it was read. */
struct seen {
	char *path;
	struct buf text;
	char hash[SHA256_HEX_BYTES];
	enum trustfile_state state;
	bool *loosens; /* by line, from 1 */
	size_t n_lines, n_loosens;
};

static void seen_done(struct seen *s)
{
	free(s->path);
	free(s->loosens);
	buf_done(&s->text);
	*s = (struct seen){ 0 };
}

static int read_profile(const struct launch *launch, struct seen *s, struct err *err)
{
	AUTO_BUF struct buf trusted = { 0 };
	char quoted[QUOTE_BYTES];
	const char *project = launch->paths.project;
	int r;

	if (asprintf(&s->path, "%s/" TRUSTFILE_PROJECT, project) < 0) {
		s->path = NULL;
		return err_set(err, ENOMEM, "the project");
	}
	r = profilefile_read(s->path, true, &s->text, err);
	if (r == 0)
		return err_set(err, 0, "trust: there is no " TRUSTFILE_PROJECT " in %s",
			log_quote(project, strlen(project), quoted, sizeof(quoted)));
	if (r > 0)
		r = trustfile_read(launch->paths.config_dir, &trusted, err);
	if (r < 0)
		return r;
	if (s->text.data == NULL)
		buf_adds(&s->text, "");
	if (s->text.failed)
		return err_set(err, ENOMEM, "the project");
	trustfile_hash(s->text.data, s->text.len, s->hash);
	s->state = trustfile_find(trusted.data != NULL ? trusted.data : "", s->path, s->hash);
	return 0;
}

/* Which lines count only when it is trusted; and it has to be one that can be used. */
static int review(const struct launch *launch, struct seen *s, struct err *err)
{
	struct policy_request request = launch_request(launch, NULL);
	struct policy *policy = NULL;
	int r;

	s->n_lines = 2;
	for (size_t i = 0; i < s->text.len; i++)
		s->n_lines += s->text.data[i] == '\n';
	s->loosens = calloc(s->n_lines, sizeof(*s->loosens));
	if (s->loosens == NULL)
		return err_set(err, ENOMEM, "the project");
	r = trustfile_review(&request, s->path, &s->text, s->loosens, s->n_lines, err);
	for (size_t i = 0; i < s->n_lines; i++)
		s->n_loosens += s->loosens[i];
	if (r == 0)
		r = launch_policy_trusting(launch, s->hash, &policy, err);
	policy_free(policy);
	return r;
}

/* Numbered, with what loosens marked; or what loosens alone. */
static void add_lines(const struct seen *s, bool all, struct buf *out)
{
	const char *at = s->text.data;

	for (size_t line = 1; *at != '\0'; line++) {
		size_t n = strcspn(at, "\n");
		bool loosens = line < s->n_lines && s->loosens[line];
		AUTO_FREE char *text = strndup(at, n);

		at += n + (at[n] == '\n');
		if (text == NULL) {
			out->failed = true;
			return;
		}
		if (!all && !loosens)
			continue;
		buf_addf(out, "%5zu %c ", line, loosens ? '+' : ' ');
		listing_add_quoted(out, text);
		buf_adds(out, "\n");
	}
}

static void add_profile(const struct seen *s, struct buf *out)
{
	static const char *const states[] = {
		[TRUSTFILE_UNKNOWN] = "not trusted yet",
		[TRUSTFILE_CHANGED] = "changed since it was trusted",
		[TRUSTFILE_TRUSTED] = "trusted already",
	};

	listing_add_quoted(out, s->path);
	buf_addf(out, ": %s\nSHA-256 %s\n\n", states[s->state], s->hash);
	add_lines(s, true, out);
	buf_adds(out, "\n");
}

/* Next to the question: a long file must not push what counts off the screen. */
static void add_summary(const struct seen *s, struct buf *out)
{
	buf_addf(out, "%zu line%s (+) loosen%s what commands may do, and count%s only when you trust it%s\n",
		s->n_loosens, s->n_loosens == 1 ? "" : "s", s->n_loosens == 1 ? "s" : "",
		s->n_loosens == 1 ? "s" : "", s->n_lines > SCREEN_LINES ? ":" : ".");
	if (s->n_lines > SCREEN_LINES)
		add_lines(s, false, out);
}

/* 1: yes; 0: no; -errno with err. */
static int ask(const struct options *o, struct err *err)
{
	char line[16] = "";

	if (o->yes)
		return 1;
	if (isatty(STDIN_FILENO) == 0)
		return err_set(err, 0, "trust: there is no terminal to ask on; look at the lines and give "
				       "--yes");
	printf("\nTrust this content? [y/N] ");
	if (fflush(stdout) != 0 || fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	return line[0] == 'y' || line[0] == 'Y';
}

static int trust(const struct launch *launch, struct seen *s, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r = review(launch, s, err);

	if (r < 0)
		return r;
	if (s->state == TRUSTFILE_TRUSTED && launch->options.yes)
		return TRUST_DONE;
	add_profile(s, &out);
	trustlist_add_hidden(launch, &out);
	add_summary(s, &out);
	r = listing_print(&out, err);
	if (r < 0 || s->state == TRUSTFILE_TRUSTED)
		return r;
	r = ask(&launch->options, err);
	if (r == 0)
		printf("Not trusted.\n");
	if (r <= 0)
		return r < 0 ? r : TRUST_NOT;
	r = trustlist_set(launch->paths.config_dir, s->path, s->hash, err);
	if (r == 0 && !launch->options.quiet)
		printf("Trusted, until it changes; agentjail trust --forget takes it back.\n");
	return r;
}

static int forget(const struct launch *launch, struct err *err)
{
	AUTO_FREE char *path = NULL;
	AUTO_BUF struct buf trusted = { 0 };
	char quoted[QUOTE_BYTES], none[SHA256_HEX_BYTES] = "";
	int r;

	if (asprintf(&path, "%s/" TRUSTFILE_PROJECT, launch->paths.project) < 0)
		return err_set(err, ENOMEM, "the project");
	r = trustfile_read(launch->paths.config_dir, &trusted, err);
	if (r < 0)
		return r;
	if (trusted.data == NULL || trustfile_find(trusted.data, path, none) == TRUSTFILE_UNKNOWN)
		return err_set(err, 0, "trust: %s is not trusted; agentjail trust --list lists what is",
			log_quote(path, strlen(path), quoted, sizeof(quoted)));
	return trustlist_set(launch->paths.config_dir, path, NULL, err);
}

static int list(const struct launch *launch, struct err *err)
{
	AUTO_BUF struct buf out = { 0 };
	int r = trustlist_add(launch->paths.config_dir, &out, err);

	return r < 0 || out.len == 0 ? r : listing_print(&out, err);
}

/* A project that is gone can still be forgotten, by the path that --list shows. */
static int find_project(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	const char *dir = o->operands[0];
	int r = paths_find_home(&launch->paths, err);

	if (r < 0 || o->list)
		return r;
	if (o->forget && dir != NULL && dir[0] == '/' && access(dir, F_OK) < 0) {
		launch->paths.project = strdup(dir);
		return launch->paths.project != NULL ? 0 : err_set(err, ENOMEM, "the project");
	}
	paths_done(&launch->paths);
	return paths_find(dir, &launch->paths, err);
}

int trust_verb(struct launch *launch, struct err *err)
{
	const struct options *o = &launch->options;
	struct seen s = { 0 };
	int r;

	if (o->n_operands > (o->list ? 0 : 1))
		return err_set(err, 0, "trust: one DIR at most; see agentjail --help");
	if (o->list && (o->forget || o->yes))
		return err_set(err, 0, "trust: --list stands alone");
	r = find_project(launch, err);
	if (r < 0)
		return r;
	if (o->list)
		return list(launch, err);
	if (o->forget)
		return forget(launch, err);
	r = read_profile(launch, &s, err);
	if (r == 0)
		r = trust(launch, &s, err);
	seen_done(&s);
	return r;
}
