/* Pure. Paths are the user's own. */
#include "policy/redactform.h"

#include "base/buf.h"
#include "base/cleanup.h"

const char redactform_names[] =
	".npmrc go/env .pypirc pip.conf .cargo/credentials(.toml) gh/hosts.yml glab-cli/config.yml "
	".yarnrc.yml .docker/config.json auth.json .netrc .git-credentials .gitconfig git/config";

static const struct form_name {
	const char *end; /* of the path */
	enum redactform form;
} names[] = {
	{ "/.npmrc", REDACTFORM_NPMRC },
	{ "/go/env", REDACTFORM_NPMRC },
	{ "/.pypirc", REDACTFORM_INI },
	{ "/pip.conf", REDACTFORM_INI },
	{ "/.cargo/credentials", REDACTFORM_TOML },
	{ "/credentials.toml", REDACTFORM_TOML },
	{ "/gh/hosts.yml", REDACTFORM_YAML },
	{ "/glab-cli/config.yml", REDACTFORM_YAML },
	{ "/.yarnrc.yml", REDACTFORM_YAML },
	{ "/.docker/config.json", REDACTFORM_JSON },
	{ "/auth.json", REDACTFORM_JSON },
	{ "/.netrc", REDACTFORM_NETRC },
	{ "/_netrc", REDACTFORM_NETRC },
	{ "/.git-credentials", REDACTFORM_URLS },
	{ "/git/credentials", REDACTFORM_URLS },
	{ "/.gitconfig", REDACTFORM_GIT },
	{ "/git/config", REDACTFORM_GIT },
};

enum redactform redactform_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (str_ends(path, names[i].end))
			return names[i].form;
	return REDACTFORM_NONE;
}
