/*
 * Runs in the warden. Which variables tell a program what certificate authorities to believe, and
 * what a command in a cell of a session with rules finds in them. Nothing here is hostile.
 *
 * Not in the table, on purpose: npm_config_cafile and YARN_HTTPS_CA_FILE_PATH (both run in node, and
 * a project's own setting would lose to them), NODE_USE_SYSTEM_CA, DENO_TLS_CA_STORE, UV_SYSTEM_CERTS
 * (the files below are enough, and they change what else is believed), PGSSLROOTCERT (its being set
 * makes libpq verify where it was told not to), SSL_CERT_DIR (read besides SSL_CERT_FILE).
 */
#include "warden/environ.h"

#include "base/cleanup.h"

#include <string.h>

enum how {
	IN_PLACE, /* the file is all that is believed: the bundle */
	BESIDES, /* the file is believed besides the program's own: the session's certificate alone */
	IF_NEEDED, /* as IN_PLACE, but wins over the program's configuration: only without a known bundle */
};

static const struct {
	const char *name;
	enum how how;
} table[] = {
	{ "SSL_CERT_FILE", IN_PLACE }, /* OpenSSL, Go, Python, Ruby, PHP, Rust, uv, .NET */
	{ "NIX_SSL_CERT_FILE", IN_PLACE },
	{ "CURL_CA_BUNDLE", IN_PLACE },
	{ "REQUESTS_CA_BUNDLE", IN_PLACE }, /* requests has a bundle of its own (certifi) */
	{ "PIP_CERT", IN_PLACE }, /* and so has pip */
	{ "AWS_CA_BUNDLE", IN_PLACE },
	{ "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", IN_PLACE },
	{ "HTTPLIB2_CA_CERTS", IN_PLACE },
	{ "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", IN_PLACE },
	{ "BUNDLE_SSL_CA_CERT", IN_PLACE },
	{ "HEX_CACERTS_PATH", IN_PLACE },
	{ "PERL_LWP_SSL_CA_FILE", IN_PLACE },
	{ "GIT_SSL_CAINFO", IF_NEEDED }, /* http.sslCAInfo in ~/.gitconfig would lose */
	{ "CARGO_HTTP_CAINFO", IF_NEEDED }, /* http.cainfo */
	{ "NODE_EXTRA_CA_CERTS", BESIDES }, /* node, npm, yarn, pnpm, bun */
	{ "DENO_CERT", BESIDES },
};
_Static_assert(ARRAY_LEN(table) == ENVIRON_TRUST_COUNT, "the header says how many");

size_t environ_trust_find(const char *assignment)
{
	size_t n = strcspn(assignment, "="), i = 0;

	while (i < ARRAY_LEN(table) &&
		(strncmp(table[i].name, assignment, n) != 0 || table[i].name[n] != '\0'))
		i++;
	return i;
}

static const char *value_of(const char *assignment)
{
	const char *value = strchr(assignment, '=');

	return value != NULL && value[1] != '\0' ? value + 1 : NULL;
}

void environ_trust_init(struct environ_trust *t, char *const *env)
{
	*t = (struct environ_trust){ 0 };
	for (; *env != NULL; env++) {
		size_t i = environ_trust_find(*env);

		if (i < ENVIRON_TRUST_COUNT)
			t->given[i] = value_of(*env);
	}
}

bool environ_trust_replaces(const struct environ_trust *t, size_t i, const char *assignment)
{
	const char *value = value_of(assignment);

	if (value == NULL)
		return true;
	return t->given[i] != NULL && strcmp(value, t->given[i]) == 0 && !t->is_right[i];
}

bool environ_trust_add(const struct environ_trust *t, size_t i, struct buf *out)
{
	bool is_given = t->given[i] != NULL;

	if (table[i].how == IF_NEEDED && t->is_system && !is_given)
		return false;
	buf_addf(out, "%s=%s", table[i].name,
		table[i].how == BESIDES && !is_given ? t->cert : t->bundle);
	buf_add(out, "", 1);
	return true;
}
