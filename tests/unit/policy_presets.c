/*
 * Proves: the rules that come along serve the requests that clients of those services really make,
 * and no more: what must not get the secret does not.
 */
#include "policy/rules.h"

#include "base/buf.h"
#include "policy/urlpath.h"
#include "tap.h"

#include <string.h>

static struct policy *load(const char *preset)
{
	const char *const rules[] = { preset };
	struct policy_request request = { .project = "/w/project",
		.home = "/home/u",
		.profiles_dir = "profiles",
		.rules = rules,
		.n_rules = 1 };
	struct policy *policy = NULL;
	struct err err = { 0 };
	const char *const *lines = NULL;

	tap_ok(policy_load(&request, &policy, &err) == 0, "%s loads %s", preset, err.text);
	if (policy != NULL)
		tap_ok(policy_warnings(policy, &lines) == 0, "%s: nothing to warn of", preset);
	return policy;
}

/* rule: NULL: refused; "pass": goes on without a secret. Targets as clients write them. */
static const struct row {
	const char *preset, *method, *host, *target, *rule;
} rows[] = {
	{ "github", "GET", "api.github.com", "/repos/o/r", "github" },
	{ "github", "POST", "api.github.com", "/graphql", "github" },
	{ "github", "GET", "github.com", "/o/r.git/info/refs?service=git-upload-pack", "github-git" },
	{ "github", "GET", "github.com", "/o/r/info/refs?service=git-receive-pack", "github-git" },
	{ "github", "POST", "github.com", "/o/r.git/git-upload-pack", "github-git" },
	{ "github", "POST", "github.com", "/o/r.git/git-receive-pack", "github-git" },
	{ "github", "POST", "github.com", "/o/r.git/info/lfs/objects/batch", "github-git" },
	{ "github", "GET", "github.com", "/o/r/releases/download/v1/x.tar.gz", "pass" },
	{ "github", "POST", "github.com", "/session", "pass" },
	{ "github", "POST", "uploads.github.com", "/repos/o/r/releases/1/assets?name=x",
		"github-uploads" },
	{ "github", "GET", "gist.github.com", "/x", NULL },
	{ "github", "GET", "evil.example", "/repos/o/r", NULL },
	{ "github-read", "GET", "api.github.com", "/repos/o/r/issues", "github-read" },
	{ "github-read", "POST", "api.github.com", "/repos/o/r/issues", NULL },
	{ "github-read", "POST", "api.github.com", "/graphql", NULL },
	{ "github-read", "DELETE", "api.github.com", "/repos/o/r", NULL },
	{ "github-read", "GET", "github.com", "/o/r/info/refs?service=git-upload-pack",
		"github-read-git" },
	{ "github-read", "POST", "github.com", "/o/r/git-upload-pack", "github-read-git" },
	{ "github-read", "POST", "github.com", "/o/r/git-receive-pack", "pass" },
	{ "github-read", "POST", "github.com", "/o/r/x/../git-receive-pack", NULL },
	{ "github-push", "POST", "github.com", "/o/r.git/git-receive-pack", "github-push" },
	{ "github-push", "POST", "github.com", "/o/r.git/git-upload-pack", "github-read-git" },
	{ "github-push", "GET", "github.com", "/o/r/info/refs?service=git-receive-pack",
		"github-read-git" },
	{ "github-push", "POST", "api.github.com", "/repos/o/r/issues", NULL },
	{ "gitlab", "GET", "gitlab.com", "/api/v4/projects/group%2Fproject/issues", "gitlab" },
	{ "gitlab", "POST", "gitlab.com", "/api/graphql", "gitlab" },
	{ "gitlab", "GET", "gitlab.com", "/g/s/p.git/info/refs?service=git-upload-pack",
		"gitlab-git" },
	{ "gitlab", "POST", "gitlab.com", "/g/p.git/git-receive-pack", "gitlab-git" },
	{ "gitlab", "GET", "gitlab.com", "/g/p/-/archive/main/p.tar.gz", "pass" },
	{ "npm", "GET", "some.npmjs.org", "/@scope%2fname", "npm" },
	{ "npm", "GET", "some.npmjs.org", "/@scope/name/-/name-1.0.0.tgz", "npm" },
	{ "npm", "PUT", "some.npmjs.org", "/@scope%2fname", "pass" },
	{ "npm", "POST", "some.npmjs.org", "/-/npm/v1/security/advisories/bulk", "pass" },
	{ "pypi", "POST", "some.pypi.org", "/legacy/", "pypi" },
	{ "pypi", "GET", "some.pypi.org", "/simple/x/", "pass" },
	{ "pypi", "POST", "some.pypi.org", "/legacy/../account", NULL },
	{ "crates", "PUT", "some.crates.io", "/api/v1/crates/new", "crates" },
	{ "crates", "GET", "some.crates.io", "/se/rd/serde", "pass" },
	{ "docker", "GET", "some.docker.io", "/token?scope=repository:a/b:pull&service=x", "docker" },
	{ "docker", "GET", "some.docker.io", "/v2/a/b/manifests/latest", "pass" },
	{ "openai", "POST", "api.openai.com", "/v1/chat/completions", "openai" },
	{ "openai", "GET", "api.openai.com", "/dashboard", NULL },
	{ "anthropic", "POST", "api.anthropic.com", "/v1/messages", "anthropic" },
	{ "aws", "GET", "bucket.s3.eu-west-1.amazonaws.com", "/key", "aws" },
	{ "aws", "POST", "sts.amazonaws.com", "/", "aws" },
	{ "aws", "GET", "amazonaws.com.evil.example", "/", NULL },
};

static void check_row(const struct policy *policy, const struct row *row)
{
	AUTO_BUF struct buf path = { 0 };
	const char *query = NULL, *got = "(no rule)";
	struct policy_question question = { .action = POLICY_INJECT,
		.host = row->host,
		.port = 443,
		.method = row->method };
	struct policy_answer answer = { .verdict = POLICY_DENIED };
	size_t n = 0;

	if (urlpath_normal(row->target, strlen(row->target), &path, &query, &n) == NULL) {
		question.url_path = path.data;
		policy_decide(policy, &question, &answer);
	}
	if (answer.verdict == POLICY_ALLOWED)
		got = rules_name(answer.rule);
	if (answer.verdict == POLICY_PASSED)
		got = "pass";
	tap_ok(strcmp(got, row->rule != NULL ? row->rule : "(no rule)") == 0,
		"%s: %s %s%s: %s", row->preset, row->method, row->host, row->target, got);
}

int main(void)
{
	struct policy *policy = NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (i == 0 || strcmp(rows[i].preset, rows[i - 1].preset) != 0) {
			policy_free(policy);
			policy = load(rows[i].preset);
			if (policy == NULL)
				break;
		}
		check_row(policy, &rows[i]);
	}
	policy_free(policy);
	return tap_done();
}
