/* Runs in a source process (shape_of_value(), which sees the secret) and in the warden. */
#include "policy/shape.h"

#include "base/cleanup.h"

#include <string.h>
#include <sys/random.h>

#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGIT "0123456789"
#define ALNUM UPPER LOWER DIGIT

/* Of one family the longer prefix stands first. names: globs, ended by NULL. */
static const struct kind {
	const char *prefix, *alphabet;
	size_t bytes;  /* in all, as issued */
	bool is_fixed; /* every one has that length */
	const char *names[5];
} kinds[] = {
	{ "", ALNUM, 40, false, { NULL } },
	{ "github_pat_", ALNUM, 93, true, { NULL } },
	{ "ghp_", ALNUM, 40, false, { "GITHUB_TOKEN", "GH_TOKEN", "GITHUB_*TOKEN", "GH_*TOKEN" } },
	{ "gho_", ALNUM, 40, false, { NULL } },
	{ "ghu_", ALNUM, 40, false, { NULL } },
	{ "ghs_", ALNUM, 40, false, { NULL } },
	{ "ghr_", ALNUM, 76, false, { NULL } },
	{ "glpat-", ALNUM, 26, false, { "GITLAB_*", "GL_TOKEN", "CI_JOB_TOKEN" } },
	{ "sk-ant-api03-", ALNUM, 108, false, { "ANTHROPIC_API_KEY", "CLAUDE_API_KEY" } },
	{ "sk-ant-oat01-", ALNUM, 108, false,
		{ "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN" } },
	{ "sk-ant-", ALNUM, 108, false, { NULL } },
	{ "sk-or-v1-", DIGIT "abcdef", 73, false, { "OPENROUTER_*" } },
	{ "sk-proj-", ALNUM, 164, false, { NULL } },
	{ "sk-", ALNUM, 51, false, { "OPENAI_*KEY", "DEEPSEEK_*KEY" } },
	{ "npm_", ALNUM, 40, true, { "NPM_*TOKEN", "NODE_AUTH_TOKEN" } },
	{ "pypi-", ALNUM, 179, false, { "PYPI_*", "TWINE_PASSWORD", "UV_PUBLISH_TOKEN" } },
	{ "AKIA", UPPER "234567", 20, true, { "AWS_ACCESS_KEY_ID" } },
	{ "ASIA", UPPER "234567", 20, true, { NULL } },
	{ "", ALNUM "+/", 40, true, { "AWS_SECRET_ACCESS_KEY" } },
	{ "IQoJb3JpZ2luX2Vj", ALNUM "+/", 364, false, { "AWS_SESSION_TOKEN" } },
	{ "xoxb-", DIGIT, 57, false, { "SLACK_*TOKEN" } },
	{ "xoxp-", DIGIT, 75, false, { NULL } },
	{ "xapp-", ALNUM, 98, false, { "SLACK_APP_*" } },
	{ "hf_", ALNUM, 37, false, { "HF_*TOKEN", "HUGGING*" } },
	{ "dckr_pat_", ALNUM, 36, false, { "DOCKER_*TOKEN", "DOCKER_*PASSWORD" } },
	{ "AIza", ALNUM, 39, true, { "GOOGLE_API_KEY", "GEMINI_*" } },
	{ "sk_live_", ALNUM, 107, false, { NULL } },
	{ "rk_live_", ALNUM, 107, false, { NULL } },
	{ "sk_test_", ALNUM, 107, false, { "STRIPE_*" } },
	{ "SG.", ALNUM, 69, true, { "SENDGRID_*" } },
	{ "xai-", ALNUM, 84, false, { "XAI_*" } },
	{ "gsk_", ALNUM, 56, false, { "GROQ_*" } },
	{ "r8_", ALNUM, 40, false, { "REPLICATE_*" } },
	{ "hvs.", ALNUM, 95, false, { "VAULT_TOKEN" } },
	{ "dop_v1_", DIGIT "abcdef", 71, false, { "DIGITALOCEAN_*" } },
	{ "lin_api_", ALNUM, 48, false, { "LINEAR_*" } },
};

struct shape shape_of_value(const char *value, size_t n)
{
	for (unsigned i = 1; i < ARRAY_LEN(kinds); i++) {
		const struct kind *k = &kinds[i];
		size_t len = strlen(k->prefix);

		if (len > 0 && n > len && memcmp(value, k->prefix, len) == 0 &&
			(!k->is_fixed || n == k->bytes))
			return (struct shape){ i, n };
	}
	return (struct shape){ 0, n };
}

struct shape shape_of_name(const char *variable)
{
	for (unsigned i = 1; i < ARRAY_LEN(kinds); i++)
		for (size_t j = 0; kinds[i].names[j] != NULL; j++)
			if (str_glob(kinds[i].names[j], variable))
				return (struct shape){ i, 0 };
	return (struct shape){ 0, 0 };
}

int shape_fake(struct shape shape, struct buf *out)
{
	const struct kind *k = &kinds[shape.kind < ARRAY_LEN(kinds) ? shape.kind : 0];
	size_t prefix = strlen(k->prefix), letters = strlen(k->alphabet);
	size_t n = shape.bytes != 0 && !k->is_fixed ? shape.bytes : k->bytes;
	unsigned char random[SHAPE_BYTES_MAX];

	if (n > SHAPE_BYTES_MAX)
		n = SHAPE_BYTES_MAX;
	if (n < prefix + 8)
		n = prefix + 8;
	/* Blocks of up to 256 bytes are never cut (getrandom(2)). */
	for (size_t i = 0; i < sizeof(random); i += 256)
		if (getrandom(random + i, 256, 0) != 256)
			return -EIO;
	buf_adds(out, k->prefix);
	for (size_t i = prefix; i < n; i++)
		buf_add(out, &k->alphabet[random[i] % letters], 1);
	return out->failed ? -ENOMEM : 0;
}
